//! What instructions are called in an image's history, the `created_by` of BuildKit's entries.
//!
//! `FROM` and `ONBUILD` have no entry.

use crate::go;
use crate::instruction::{AddInstruction, CopyInstruction, HealthcheckInstruction, Pair, Sources};
use crate::scope::Declared;

/// The comment of every entry.
pub const COMMENT: &str = "buildkit.dockerfile.v0";

/// The mark behind instructions that were executed.
const EXECUTED: &str = " # buildkit";

/// `RUN /bin/sh -c make # buildkit`, with `|1 NAME=value` in front of the command where there are arguments; see
/// [`crate::Scope::run_arguments`].
#[must_use]
pub fn run(command: &[String], arguments: &[(String, String)]) -> String {
    let mut words: Vec<String> = Vec::new();
    if !arguments.is_empty() {
        words.push(format!("|{}", arguments.len()));
        words.extend(arguments.iter().map(|(name, value)| format!("{name}={value}")));
    }
    words.extend_from_slice(command);
    format!("RUN {}{EXECUTED}", words.join(" "))
}

/// `COPY --chown=app a.txt /x/ # buildkit`, of an expanded instruction.
#[must_use]
pub fn copy(copy: &CopyInstruction) -> String {
    let parents = if copy.keeps_parents { " --parents" } else { "" };
    transfer(&format!("COPY{parents}"), copy.owner.as_deref(), copy.mode.as_deref(), &copy.sources)
}

/// `ADD https://… /x/ # buildkit`, of an expanded instruction.
#[must_use]
pub fn add(add: &AddInstruction) -> String {
    transfer("ADD", add.owner.as_deref(), add.mode.as_deref(), &add.sources)
}

fn transfer(name: &str, owner: Option<&str>, mode: Option<&str>, sources: &Sources) -> String {
    let flags = [owner.map(|owner| format!("--chown={owner}")), mode.map(|mode| format!("--chmod={mode}"))];
    let files = sources.files.iter().map(|file| format!("<<{}", file.name));
    let words: Vec<String> = std::iter::once(name.to_owned())
        .chain(flags.into_iter().flatten())
        .chain(sources.paths.iter().cloned())
        .chain(files)
        .chain(std::iter::once(sources.destination.clone()))
        .collect();
    words.join(" ") + EXECUTED
}

/// `ENV A=1 B=2`
#[must_use]
pub fn env(pairs: &[Pair]) -> String {
    joined("ENV", pairs.iter().map(|pair| format!("{}={}", pair.name, pair.value)))
}

/// `LABEL a=1 b=2`
#[must_use]
pub fn label(pairs: &[Pair]) -> String {
    joined("LABEL", pairs.iter().map(|pair| format!("{}={}", pair.name, pair.value)))
}

/// `ARG A=1 B`, with the values that [`crate::Scope::declare`] found.
#[must_use]
pub fn arg(declared: &[Declared]) -> String {
    joined(
        "ARG",
        declared.iter().map(|(name, value)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        }),
    )
}

/// `WORKDIR /w`, with the absolute path.
#[must_use]
pub fn workdir(path: &str) -> String {
    format!("WORKDIR {path}")
}

/// `USER app`
#[must_use]
pub fn user(user: &str) -> String {
    format!("USER {user}")
}

/// `EXPOSE [80/tcp 443/tcp]`, with the ports that [`crate::port::exposed`] found.
#[must_use]
pub fn expose(ports: &[String]) -> String {
    format!("EXPOSE [{}]", ports.join(" "))
}

/// `VOLUME [/a /b]`
#[must_use]
pub fn volume(paths: &[String]) -> String {
    format!("VOLUME [{}]", paths.join(" "))
}

/// `CMD ["/bin/sh" "-c" "x"]`, with the shell where there is one.
#[must_use]
pub fn cmd(arguments: &[String]) -> String {
    format!("CMD {}", quoted(arguments))
}

/// `ENTRYPOINT ["/x"]`, with the shell where there is one.
#[must_use]
pub fn entrypoint(arguments: &[String]) -> String {
    format!("ENTRYPOINT {}", quoted(arguments))
}

/// `SHELL [/bin/bash -c]`
#[must_use]
pub fn shell(shell: &[String]) -> String {
    format!("SHELL [{}]", shell.join(" "))
}

/// `STOPSIGNAL SIGTERM`
#[must_use]
pub fn stop_signal(signal: &str) -> String {
    format!("STOPSIGNAL {signal}")
}

/// `HEALTHCHECK {Test:[CMD-SHELL x] Interval:5s …}`
#[must_use]
pub fn healthcheck(healthcheck: &HealthcheckInstruction) -> String {
    let (durations, retries) = match healthcheck {
        HealthcheckInstruction::None => ([0; 4], 0),
        HealthcheckInstruction::Check(check) => {
            ([check.interval, check.timeout, check.start_period, check.start_interval], check.retries)
        }
    };
    let [interval, timeout, start_period, start_interval] = durations.map(go::format_duration);
    let test = healthcheck.test().join(" ");
    format!(
        "HEALTHCHECK {{Test:[{test}] Interval:{interval} Timeout:{timeout} StartPeriod:{start_period} \
         StartInterval:{start_interval} Retries:{retries}}}"
    )
}

/// `MAINTAINER name`
#[must_use]
pub fn maintainer(name: &str) -> String {
    format!("MAINTAINER {name}")
}

fn joined(name: &str, words: impl Iterator<Item = String>) -> String {
    std::iter::once(name.to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(arguments: &[String]) -> String {
    format!("[{}]", arguments.iter().map(|argument| go::quote(argument)).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::Empty;
    use crate::instruction::Instruction;
    use crate::parse;

    fn instruction(text: &str) -> Instruction {
        let file = parse::parse(format!("FROM x\n{text}").as_bytes(), "Dockerfile").unwrap();
        file.stages[0].statements[0].expand(&Empty).unwrap()
    }

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn executed_instructions_are_marked() {
        let command = strings(&["/bin/sh", "-c", "make"]);
        assert_eq!(run(&command, &[]), "RUN /bin/sh -c make # buildkit");
        let arguments = [("foo".to_owned(), "bar2".to_owned()), ("bar".to_owned(), "123".to_owned())];
        assert_eq!(run(&command, &arguments), "RUN |2 foo=bar2 bar=123 /bin/sh -c make # buildkit");
        let Instruction::Copy(instruction) =
            instruction("COPY --from=a --link --chmod=644 --chown=\"a:b\" 'a'.txt <<EOF /x/\nEOF")
        else {
            panic!("not COPY")
        };
        assert_eq!(copy(&instruction), "COPY --chown=a:b --chmod=644 a.txt <<EOF /x/ # buildkit");
    }

    #[test]
    fn configuration_is_told_as_go_prints_it() {
        let Instruction::Env(instruction) = instruction("ENV A=\"1 2\" B=$X") else { panic!("not ENV") };
        assert_eq!(env(&instruction.pairs), "ENV A=1 2 B=");
        assert_eq!(cmd(&strings(&["sh", "a\"b"])), r#"CMD ["sh" "a\"b"]"#);
        assert_eq!(entrypoint(&[]), "ENTRYPOINT []");
        assert_eq!(shell(&strings(&["/bin/bash", "-c"])), "SHELL [/bin/bash -c]");
        assert_eq!(volume(&strings(&["/a", "/b c"])), "VOLUME [/a /b c]");
        assert_eq!(expose(&strings(&["1234/udp", "5000/tcp"])), "EXPOSE [1234/udp 5000/tcp]");
        assert_eq!(arg(&[("A".to_owned(), Some("1".to_owned())), ("B".to_owned(), None)]), "ARG A=1 B");
    }

    #[test]
    fn a_health_check_is_told_with_all_its_fields() {
        let Instruction::Healthcheck(check) = instruction("HEALTHCHECK --interval=5m --retries=2 CMD true") else { panic!() };
        assert_eq!(
            healthcheck(&check),
            "HEALTHCHECK {Test:[CMD-SHELL true] Interval:5m0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}"
        );
    }
}
