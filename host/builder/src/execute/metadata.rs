//! Instructions that change one value of an image's configuration, and no file.

use serde_json::Map;
use windlass_dockerfile::instruction::{CommandLine, HealthcheckInstruction, Instruction};
use windlass_registry::image::{Healthcheck, RunConfig};

/// Whether CMD was given in this stage: ENTRYPOINT drops a command that is merely inherited.
pub(crate) type OwnCommand = bool;

/// Applies an expanded instruction. Others are left to the caller.
pub(crate) fn apply(config: &mut RunConfig, own_command: &mut OwnCommand, instruction: &Instruction) {
    match instruction {
        Instruction::User(user) => config.user.clone_from(user),
        Instruction::Cmd(command) => {
            config.cmd = Some(arguments(command, config)).filter(|arguments| !arguments.is_empty());
            config.args_escaped = None;
            *own_command = true;
        }
        Instruction::Entrypoint(command) => {
            config.entrypoint = Some(arguments(command, config)).filter(|arguments| !arguments.is_empty());
            if !*own_command {
                config.cmd = None;
            }
        }
        Instruction::Shell(shell) => config.shell = Some(shell.clone()),
        Instruction::StopSignal(signal) => config.stop_signal = Some(signal.clone()),
        Instruction::Healthcheck(check) => config.healthcheck = Some(healthcheck(check)),
        Instruction::OnBuild(trigger) => config.on_build.push(trigger.trigger.clone()),
        _ => {}
    }
}

fn arguments(command: &CommandLine, config: &RunConfig) -> Vec<String> {
    command.arguments(config.shell.as_deref().unwrap_or_default())
}

fn healthcheck(instruction: &HealthcheckInstruction) -> Healthcheck {
    let test = instruction.test();
    match instruction {
        HealthcheckInstruction::None => Healthcheck { test, ..Healthcheck::default() },
        HealthcheckInstruction::Check(check) => Healthcheck {
            test,
            interval: check.interval,
            timeout: check.timeout,
            start_period: check.start_period,
            start_interval: check.start_interval,
            retries: i64::from(check.retries),
            other: Map::new(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entrypoint_drops_an_inherited_command_only() {
        let entrypoint = Instruction::Entrypoint(CommandLine::Exec(vec!["/e".to_owned()]));
        let mut config = RunConfig { cmd: Some(vec!["sh".to_owned()]), ..RunConfig::default() };
        apply(&mut config, &mut false, &entrypoint);
        assert_eq!(config.cmd, None);
        let mut own = false;
        apply(&mut config, &mut own, &Instruction::Cmd(CommandLine::Shell("run".to_owned())));
        apply(&mut config, &mut own, &entrypoint);
        assert_eq!(config.cmd.as_ref().unwrap()[2], "run");
    }
}
