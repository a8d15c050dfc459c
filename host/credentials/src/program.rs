//! Runs a small program that hands out credentials: bounded in time and output, with an environment that is given.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::environment::Environment;

/// How long a program may take; some ask a key service over the network.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The most that a program may print on either output, in bytes.
pub(crate) const OUTPUT_LIMIT: u64 = 256 * 1024;

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("could not start it")]
    Start(#[source] io::Error),
    /// Talking to it failed.
    #[error("lost the connection to it")]
    Pipe(#[source] io::Error),
    /// It took too long and was killed.
    #[error("it did not answer within {} seconds", .0.as_secs_f32())]
    TimedOut(Duration),
    /// It printed too much and was killed.
    #[error("it printed more than {OUTPUT_LIMIT} bytes")]
    TooLong,
}

/// What a program said.
pub(crate) struct Answer {
    /// Whether its exit status was 0.
    pub(crate) success: bool,
    /// Its exit status, or the signal that ended it, in words.
    pub(crate) ending: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The file that `name` means on the `PATH` of `environment`.
pub(crate) fn find(name: &str, environment: &Environment) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let runs = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    std::env::split_paths(environment.get("PATH")?).filter(|directory| directory.is_absolute()).map(|d| d.join(name)).find(runs)
}

/// Runs `program`, writes `input` to it and takes what it prints.
pub(crate) async fn run(
    program: &Path,
    arguments: &[&str],
    input: &str,
    environment: &Environment,
    limit: Duration,
) -> Result<Answer, ProgramError> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(ProgramError::Start)?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let result = match tokio::time::timeout(limit, converse(&mut child, input)).await {
        Ok(result) => result,
        Err(_) => Err(ProgramError::TimedOut(limit)),
    };
    if let (Err(_), Some(group)) = (&result, group) {
        // A script's children hold the pipes open, so the whole group goes. It may be gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
    result
}

async fn converse(child: &mut Child, input: &str) -> Result<Answer, ProgramError> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is none the worse for it.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        Ok(())
    };
    let ((), stdout, stderr) = tokio::try_join!(write, drain(stdout), drain(stderr))?;
    let status = child.wait().await.map_err(ProgramError::Pipe)?;
    Ok(Answer { success: status.success(), ending: status.to_string(), stdout, stderr })
}

async fn drain(stream: Option<impl AsyncRead + Unpin>) -> Result<String, ProgramError> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(OUTPUT_LIMIT + 1).read_to_end(&mut bytes).await.map_err(ProgramError::Pipe)?;
    }
    if bytes.len() as u64 > OUTPUT_LIMIT {
        return Err(ProgramError::TooLong);
    }
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn shell(script: &str, environment: &Environment, limit: Duration) -> Result<Answer, ProgramError> {
        run(Path::new("/bin/sh"), &["-c", script], "question\n", environment, limit).await
    }

    #[tokio::test]
    async fn input_output_status_and_the_given_environment_are_passed() {
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin"), ("GIVEN", "yes")]);
        let answer = shell("read q; echo $q $GIVEN $HOME; echo why >&2; exit 3", &environment, TIME_LIMIT).await.unwrap();
        assert_eq!((answer.stdout.trim(), answer.stderr.trim(), answer.success), ("question yes", "why", false));
        assert!(answer.ending.contains('3'), "{}", answer.ending);
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_killed_with_its_children() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        let script = format!("(sleep 1; echo late > {}) & sleep 60", mark.display());
        let begun = Instant::now();
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let result = shell(&script, &environment, Duration::from_millis(200)).await;
        assert!(matches!(result, Err(ProgramError::TimedOut(_))));
        assert!(begun.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!mark.exists(), "a child outlived the time limit");
    }

    #[tokio::test]
    async fn a_program_that_prints_without_end_is_stopped() {
        let environment = Environment::from_iter([("PATH", "/usr/bin:/bin")]);
        let result = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", &environment, TIME_LIMIT).await;
        assert!(matches!(result, Err(ProgramError::TooLong)));
    }

    #[test]
    fn only_executable_files_on_the_given_path_are_found() {
        assert_eq!(find("sh", &Environment::from_iter([("PATH", "/nowhere:/bin")])), Some(PathBuf::from("/bin/sh")));
        assert_eq!(find("sh", &Environment::default()), None);
        assert_eq!(find("passwd", &Environment::from_iter([("PATH", "/etc")])), None);
    }
}
