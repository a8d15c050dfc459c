//! Instructions that change an image's configuration and no file.

use serde_json::{Map, Value};
use windlass_dockerfile::instruction::{CommandLine, HealthcheckInstruction, Instruction};
use windlass_dockerfile::port;
use windlass_registry::image::{Healthcheck, RunConfig};

use super::error::Problem;

/// Whether CMD was given in this stage: ENTRYPOINT drops a command that is merely inherited.
pub(crate) type OwnCommand = bool;

/// Applies an expanded instruction that changes `config` only. Others are left to the caller.
///
/// # Errors
/// When a port is none.
pub(crate) fn apply(config: &mut RunConfig, own_command: &mut OwnCommand, instruction: &Instruction) -> Result<(), Problem> {
    match instruction {
        Instruction::Env(env) => env.pairs.iter().for_each(|pair| set_variable(&mut config.env, &pair.name, &pair.value)),
        Instruction::Label(labels) => {
            config.labels.extend(labels.pairs.iter().map(|pair| (pair.name.clone(), pair.value.clone())));
        }
        Instruction::User(user) => config.user.clone_from(user),
        Instruction::Expose(expose) => {
            for port in port::exposed(&expose.ports).map_err(|error| Problem::new(error.to_string()))? {
                config.exposed_ports.insert(port, Value::Object(Map::new()));
            }
        }
        Instruction::Volume(paths) => {
            config.volumes.extend(paths.iter().map(|path| (path.clone(), Value::Object(Map::new()))));
        }
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
    Ok(())
}

/// Sets a variable where it stands, or behind the others.
pub(crate) fn set_variable(env: &mut Vec<String>, name: &str, value: &str) {
    let entry = format!("{name}={value}");
    match env.iter_mut().find(|old| old.split('=').next() == Some(name)) {
        Some(old) => *old = entry,
        None => env.push(entry),
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
    fn a_variable_is_replaced_where_it_stands() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set_variable(&mut env, "A", "3=4");
        set_variable(&mut env, "C", "");
        assert_eq!(env, ["A=3=4", "AB=2", "C="]);
    }

    #[test]
    fn entrypoint_drops_an_inherited_command_only() {
        let entrypoint = Instruction::Entrypoint(CommandLine::Exec(vec!["/e".to_owned()]));
        let mut config = RunConfig { cmd: Some(vec!["sh".to_owned()]), ..RunConfig::default() };
        apply(&mut config, &mut false, &entrypoint).unwrap();
        assert_eq!(config.cmd, None);
        let mut own = false;
        apply(&mut config, &mut own, &Instruction::Cmd(CommandLine::Shell("run".to_owned()))).unwrap();
        apply(&mut config, &mut own, &entrypoint).unwrap();
        assert_eq!(config.cmd.as_ref().unwrap()[2], "run");
    }
}
