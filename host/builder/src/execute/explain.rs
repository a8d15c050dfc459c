//! Why a step runs: what each depends on, by names that say something to a reader.

use std::sync::Arc;

use windlass_dockerfile::graph::Stage;

use super::files::Files;
use super::run::{Command, has_one_id};
use super::session::Session;
use super::stage::{StageState, Walk};
use crate::copy::{Request, Selection};
use crate::store::{Change, FileSums, Inputs, KeyBuilder, Ledger, StepKey, in_words};

/// The instruction as it reads once its variables are filled in.
const INSTRUCTION: &str = "the instruction";

/// What is remembered of the steps of `stage`.
pub(super) fn ledger(session: &Session, stage: &Stage) -> Ledger {
    let request = &session.request;
    let absolute = |path: &std::path::Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = KeyBuilder::new("stage")
        .field("dockerfile", absolute(&request.dockerfile_path).as_os_str().as_encoded_bytes())
        .field("context", absolute(&request.context).as_os_str().as_encoded_bytes())
        .field("stage", stage.title())
        .field("platform", session.platform.to_string());
    session.store.ledger(&name.finish())
}

/// What every step depends on. Of the variables those count whose names stand in `text`, or all without one.
fn common(session: &Session, state: &StageState, text: Option<&str>) -> Inputs {
    let proxies: Vec<String> = state.scope.proxies().into_iter().map(|(name, _)| name).collect();
    let arguments = state.scope.run_arguments();
    let mut inputs = Inputs::on(&state.key);
    for (name, value) in state.scope.run_environment() {
        let counts = text.is_none_or(|text| text.contains(&format!("${name}")) || text.contains(&format!("${{{name}")));
        if !counts || proxies.contains(&name) || session.is_secret_argument(&name) {
            continue;
        }
        let kind = if arguments.iter().any(|(known, _)| *known == name) { "ARG" } else { "ENV" };
        inputs = inputs.and(format!("{kind} {name}"), value);
    }
    inputs
        .and("the compression", format!("{:?}", session.request.compression))
        .and("SOURCE_DATE_EPOCH", format!("{:?}", session.request.source_date_epoch))
}

/// What a RUN depends on.
pub(super) fn of_run(session: &Session, state: &StageState, command: &Command) -> Inputs {
    let request = &session.request;
    let mut inputs = common(session, state, None)
        .and("the command", command.arguments.join("\0"))
        .and("the working directory", command.directory.as_os_str().as_encoded_bytes())
        .and("the user", &command.user)
        .and("the network", format!("{:?}", command.network))
        .and("the security mode", format!("{:?}", command.security))
        .and("the isolation", has_one_id(session).to_string())
        .and("the hosts file", format!("{:?}", request.hosts))
        .and("a limit", format!("{:?} {:?}", request.ulimits, request.shm_size));
    for (name, key) in command.mounts.named_keys() {
        inputs = inputs.and(name, key);
    }
    inputs
}

/// What a copy depends on, but for its files.
pub(super) fn of_request(session: &Session, state: &StageState, text: &str, request: &Request) -> Inputs {
    common(session, state, Some(text))
        .and(INSTRUCTION, request.key(KeyBuilder::new("text"), "").finish().as_bytes())
        .and("the working directory", &state.image.config.working_dir)
}

/// What a copy from a stage or an image depends on.
pub(super) fn of_stage_copy(session: &Session, state: &StageState, text: &str, request: &Request, files: &Files) -> Inputs {
    let from = files.stage_key().map_or(&[][..], |key| key.as_bytes());
    of_request(session, state, text, request).and("what it copies from", from)
}

/// What a copy of selected files depends on.
pub(super) fn of_files(session: &Session, state: &StageState, text: &str, request: &Request, selection: &Selection) -> Inputs {
    let mut files = FileSums::default();
    let read = selection.files(&mut |path, digest| files.add(&path, digest));
    // What cannot be read is not told: it is an explanation and no more.
    let files = if read.is_ok() { files } else { FileSums::default() };
    of_request(session, state, text, request).files(files)
}

/// What a WORKDIR depends on.
pub(super) fn of_workdir(session: &Session, state: &StageState, text: &str, path: &str) -> Inputs {
    common(session, state, Some(text)).and("the working directory", path).and("the user", &state.image.config.user)
}

impl Walk<'_> {
    /// Notes a step, and how it stands to the one before.
    pub(super) fn note_inputs(
        &mut self,
        key: &StepKey,
        text: &str,
        inputs: impl FnOnce(&Session, &StageState) -> Inputs,
    ) -> Change {
        let session: &Arc<Session> = self.executor.session();
        let state = &self.state;
        let change = self.ledger.note(&session.blob_key(key), text, || inputs(session, state));
        match change {
            // A changed variable changes the instruction that it stands in: it is what there is to say.
            Change::Inputs(mut list) if list.iter().any(|text| text.starts_with("ARG ") || text.starts_with("ENV ")) => {
                list.retain(|text| !text.starts_with(INSTRUCTION));
                Change::Inputs(list)
            }
            other => other,
        }
    }

    /// Why a step runs, in words.
    pub(super) fn reason(&self, change: &Change) -> String {
        if self.state.is_fresh {
            return "the cache was not asked".to_owned();
        }
        let secret = |name: &String| self.executor.session().is_secret_argument(name);
        let secrets: Vec<String> = self.state.scope.run_arguments().into_iter().map(|(name, _)| name).filter(secret).collect();
        match change {
            // Nothing of secret arguments is remembered: what is left over must be one of them.
            Change::Inputs(list) if list.is_empty() && !secrets.is_empty() => format!("ARG {} changed", secrets.join(" or ARG ")),
            other => in_words(other, self.position == 1),
        }
    }
}
