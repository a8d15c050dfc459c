//! The engine's process.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;
use windlass_core::event::{Outcome, Stage, Stream, Task};
use windlass_core::invocation::HandOff;
use windlass_core::{Digest, EventSink, Invocation};

use crate::error::EngineError;
use crate::slots::{Fill, Slots, Use};
use crate::workplace;

/// Variables of the host that an engine gets besides what its mapper sets.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "XDG_RUNTIME_DIR", "TMPDIR"];
/// How many of the last lines an error repeats.
const LAST_LINES: usize = 20;

/// Where engines are found and work.
#[derive(Debug, Clone)]
pub struct Engine {
    /// The host's environment; see the documentation for what of it is passed on.
    pub environment: Vec<(String, String)>,
    /// The directory below which the private directory is made.
    pub scratch: PathBuf,
    /// Where progress goes.
    pub events: EventSink,
}

/// The image as an engine handed it over. The directory it is in lives as long as this value.
#[derive(Debug)]
pub struct HandedOff {
    /// What it is.
    pub form: HandOff,
    /// The layout or archive; for [`HandOff::Pushed`] the file with the digest.
    pub path: PathBuf,
    directory: TempDir,
}

impl HandedOff {
    /// The digest that an engine which pushed by itself has written.
    #[must_use]
    pub fn pushed_digest(&self) -> Option<Digest> {
        let text = std::fs::read_to_string(self.directory.path().join("digest")).ok()?;
        Digest::parse(text.trim()).ok()
    }
}

impl Engine {
    /// Calls the program and waits for it. Dropping the future ends the program.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn run(&self, invocation: &Invocation, fill: &Fill) -> Result<HandedOff, EngineError> {
        let unwritable = |source| EngineError::Workplace { path: self.scratch.clone(), source };
        std::fs::create_dir_all(&self.scratch).map_err(unwritable)?;
        let directory = tempfile::Builder::new().prefix("engine-").tempdir_in(&self.scratch).map_err(unwritable)?;
        let slots = Slots { fill, directory: directory.path() };
        let program = self.find(&invocation.program)?;
        workplace::furnish(invocation, &slots)?;
        let mut command = self.command(&program, invocation, &slots)?;
        let task = self.events.start(Stage::Build, format!("[{}] {}", invocation.program, invocation.command()[1..].join(" ")));
        let ended = supervise(&mut command, &program, &task).await;
        match ended {
            Ok((true, _, _)) => task.finish(Outcome::Done),
            Ok((false, status, output)) => {
                task.finish(Outcome::Failed(status.clone()));
                return Err(EngineError::Failed { program: invocation.program.clone(), status, output });
            }
            Err(error) => {
                task.finish(Outcome::Failed(error.to_string()));
                return Err(error);
            }
        }
        let (path, expected) = match &invocation.hand_off {
            HandOff::OciLayout => (slots.output(), "OCI layout"),
            HandOff::OciArchive => (slots.output(), "OCI archive"),
            HandOff::DockerArchive => (slots.output(), "docker archive"),
            HandOff::Pushed => (slots.digest_file(), "digest"),
            HandOff::DaemonImage(_) => return Err(EngineError::HandOff(invocation.hand_off.to_string())),
        };
        if !path.exists() {
            return Err(EngineError::NothingHandedOver { program: invocation.program.clone(), expected });
        }
        Ok(HandedOff { form: invocation.hand_off.clone(), path, directory })
    }

    fn find(&self, program: &str) -> Result<PathBuf, EngineError> {
        if program.contains('/') {
            return Ok(PathBuf::from(program));
        }
        let path = self.environment.iter().find(|(name, _)| name == "PATH").map_or("/usr/bin:/bin", |(_, value)| value.as_str());
        std::env::split_paths(path)
            .map(|directory| directory.join(program))
            .find(|candidate| candidate.is_file())
            .ok_or_else(|| EngineError::NotInstalled(program.to_owned()))
    }

    fn command(&self, program: &Path, invocation: &Invocation, slots: &Slots<'_>) -> Result<Command, EngineError> {
        let mut command = Command::new(program);
        command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0);
        command.envs(self.environment.iter().filter(|(name, _)| PASSED_ON.contains(&name.as_str())).cloned());
        for (name, pieces) in &invocation.environment {
            command.env(name, slots.text(pieces, Use::Private)?);
        }
        for argument in &invocation.arguments {
            command.arg(slots.text(argument, Use::CommandLine)?);
        }
        Ok(command)
    }
}

/// Passes the output on line by line; returns whether the program ended well, its status and its last lines.
async fn supervise(command: &mut Command, program: &Path, task: &Task) -> Result<(bool, String, Vec<String>), EngineError> {
    let start = |source| EngineError::Start { program: program.to_owned(), source };
    let mut child = command.spawn().map_err(start)?;
    let (sender, mut lines) = mpsc::channel(64);
    let readers = [
        child.stdout.take().map(|pipe| tokio::spawn(read_lines(pipe, Stream::Stdout, sender.clone()))),
        child.stderr.take().map(|pipe| tokio::spawn(read_lines(pipe, Stream::Stderr, sender.clone()))),
    ];
    drop(sender);
    let mut last = VecDeque::with_capacity(LAST_LINES);
    while let Some((stream, line)) = lines.recv().await {
        task.log(stream, line.clone());
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    for reader in readers.into_iter().flatten() {
        // A reader ends with its pipe and has nothing to tell.
        let _ = reader.await;
    }
    let status = child.wait().await.map_err(start)?;
    Ok((status.success(), status.to_string(), last.into()))
}

async fn read_lines(pipe: impl AsyncRead + Unpin, stream: Stream, sender: mpsc::Sender<(Stream, String)>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if sender.send((stream, text)).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::Secret;
    use windlass_core::invocation::{Piece, Slot};

    use super::*;

    fn engine(scratch: &Path) -> Engine {
        let environment = vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("CANARY".to_owned(), "canary".to_owned())];
        Engine { environment, scratch: scratch.to_owned(), events: EventSink::silent() }
    }

    fn shell(script: &str, hand_off: HandOff) -> Invocation {
        let text = |text: &str| vec![Piece::Text(text.to_owned())];
        Invocation {
            program: "sh".to_owned(),
            arguments: vec![text("-c"), text(script), vec![Piece::Slot(Slot::Output)]],
            environment: vec![("TOKEN".to_owned(), vec![Piece::Slot(Slot::Argument("T".to_owned()))])],
            files: Vec::new(),
            hand_off,
        }
    }

    #[tokio::test]
    async fn the_program_gets_its_slots_and_nothing_of_the_hosts_environment() {
        let scratch = tempfile::tempdir().unwrap();
        let fill = Fill { arguments: [("T".to_owned(), Secret::new("s3"))].into(), ..Fill::default() };
        let script = "test -z \"$CANARY\" && test \"$TOKEN\" = s3 && mkdir \"$0\"";
        let handed = engine(scratch.path()).run(&shell(script, HandOff::OciLayout), &fill).await.unwrap();
        assert!(handed.path.is_dir());
        drop(handed);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_failure_repeats_the_last_lines() {
        let scratch = tempfile::tempdir().unwrap();
        let fill = Fill { arguments: [("T".to_owned(), Secret::new("s3"))].into(), ..Fill::default() };
        let error = engine(scratch.path()).run(&shell("echo why; exit 3", HandOff::OciLayout), &fill).await.unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
        assert_eq!(error.output(), ["why"]);
        let nothing = engine(scratch.path()).run(&shell("true", HandOff::OciLayout), &fill).await.unwrap_err();
        assert!(matches!(nothing, EngineError::NothingHandedOver { .. }));
    }
}
