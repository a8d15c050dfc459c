//! Engine mappers: how an outside program is asked for a build.

use std::sync::Arc;

use wasmtime::component::Resource;
use windlass_core::Finding;
use windlass_core::invocation::{HandOff, Invocation, Piece, Slot};
use windlass_core::setting::Settings;

use crate::answer::Answer;
use crate::bindings::engine_mapper::exports::windlass::plugin::mapper as wit;
use crate::call;
use crate::context::Context;
use crate::error::PluginError;
use crate::host::build_request::BuildRequest;
use crate::host::handle::{BuildRequestHandle, SettingsHandle};
use crate::linker::Linked;
use crate::plugin::Plugin;
use crate::role::Role;

const MAP: &str = "map";

/// What a mapper proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// How the program is called. Every slot is one that the build request has.
    pub invocation: Invocation,
    /// What is worth saying; one that denies stops the run.
    pub findings: Vec<Finding>,
    /// Further facts by name.
    pub attributes: Vec<(String, String)>,
}

/// Asks a mapper how a build is asked for.
///
/// # Errors
/// What the program cannot do; or what went wrong with the mapper, slots that the request does not have included.
pub async fn map(plugin: &Plugin, context: &Context, settings: &Settings, request: &BuildRequest) -> Result<Mapped, PluginError> {
    let Linked::EngineMapper(linked) = plugin.linked() else { return Err(plugin.wrong_role(MAP, Role::EngineMapper)) };
    let linked = linked.clone();
    let (settings, handle) = (SettingsHandle(settings.clone()), BuildRequestHandle(Arc::new(request.clone())));
    let (told, _) = call::run(plugin.loaded(), MAP, plugin.state(context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = Resource::new_borrow(store.data_mut().push(settings)?.rep());
            let request = Resource::new_borrow(store.data_mut().push(handle)?.rep());
            instance.windlass_plugin_mapper().call_map(&mut *store, settings, request).await
        })
    })
    .await?;
    let answer = plugin.answer(MAP);
    let told = told.map_err(|findings| answer.refusal(findings))?;
    let files = told.files.iter().map(|file| file.name.clone()).collect();
    Reading { answer, request, files }.mapped(told)
}

/// Reads a mapper's answer.
struct Reading<'a> {
    answer: Answer<'a>,
    request: &'a BuildRequest,
    files: Vec<String>,
}

impl Reading<'_> {
    fn mapped(&self, mut told: wit::Invocation) -> Result<Mapped, PluginError> {
        let findings = self.answer.findings(std::mem::take(&mut told.findings))?;
        let attributes = self.answer.pairs("attributes", std::mem::take(&mut told.attributes))?;
        Ok(Mapped { invocation: self.invocation(told)?, findings, attributes })
    }

    fn invocation(&self, told: wit::Invocation) -> Result<Invocation, PluginError> {
        let answer = &self.answer;
        let program = answer.data("a program", told.program)?;
        if program.is_empty() || program.contains(['/', '\0']) {
            return Err(answer.nonsense(format!("the program `{program}`"), "a name that is looked for on the PATH"));
        }
        Ok(Invocation {
            program,
            arguments: answer.list("arguments", told.arguments, |_, pieces| self.pieces(pieces, false))?,
            environment: answer.list("variables", told.environment, |answer, told| {
                if told.name.is_empty() || told.name.contains(['=', '\0']) {
                    return Err(answer.nonsense(format!("the variable `{}`", told.name), "a name without `=`"));
                }
                Ok((answer.data("a variable", told.name)?, self.pieces(told.value, true)?))
            })?,
            files: answer.list("files", told.files, |answer, told| {
                if matches!(told.name.as_str(), "" | "." | "..") || told.name.contains(['/', '\0']) {
                    return Err(answer.nonsense(format!("the file name `{}`", told.name), "a name without `/`"));
                }
                if self.files.iter().filter(|name| **name == told.name).count() > 1 {
                    return Err(answer.nonsense(format!("the file `{}` twice", told.name), "every file once"));
                }
                Ok((answer.data("a file name", told.name)?, self.pieces(told.content, true)?))
            })?,
            hand_off: self.hand_off(told.hand_off)?,
        })
    }

    fn pieces(&self, told: Vec<wit::Piece>, private: bool) -> Result<Vec<Piece>, PluginError> {
        self.answer.list("pieces", told, |answer, told| match told {
            wit::Piece::Text(text) if text.contains('\0') => {
                Err(answer.nonsense("a text with a zero byte", "none in an argument, variable or file"))
            }
            wit::Piece::Text(text) => Ok(Piece::Text(answer.data("a text", text)?)),
            wit::Piece::Slot(wit::Slot::Argument(name)) if !private => Err(answer.nonsense(
                format!("the secret `{name}` on the command line, which all processes can read"),
                "the slot `argument` in a variable or file",
            )),
            wit::Piece::Slot(slot) => self.slot(slot).map(Piece::Slot),
            wit::Piece::Other(kind) => Err(answer.nonsense(format!("the piece `{kind}`"), "one that this version knows")),
        })
    }

    fn slot(&self, told: wit::Slot) -> Result<Slot, PluginError> {
        let known = |kind: &str, name: String, names: &[String]| {
            if names.contains(&name) {
                return Ok(name);
            }
            Err(self.answer.nonsense(format!("the slot `{kind}` for `{name}`"), "a name that the request has"))
        };
        Ok(match told {
            wit::Slot::Context => Slot::Context,
            wit::Slot::Dockerfile => Slot::Dockerfile,
            wit::Slot::Output => Slot::Output,
            wit::Slot::DigestFile => Slot::DigestFile,
            wit::Slot::AuthFile => Slot::AuthFile,
            wit::Slot::Scratch => Slot::Scratch,
            wit::Slot::Secret(id) => Slot::Secret(known("secret", id, &self.request.secrets)?),
            wit::Slot::SshKey(id) => Slot::SshKey(known("ssh-key", id, &self.request.ssh)?),
            wit::Slot::Argument(name) => Slot::Argument(known("argument", name, &self.request.secret_arguments)?),
            wit::Slot::NamedContext(name) => Slot::NamedContext(known("named-context", name, &self.request.named_contexts)?),
            wit::Slot::File(name) => Slot::File(known("file", name, &self.files)?),
            wit::Slot::Other(kind) => {
                return Err(self.answer.nonsense(format!("the slot `{kind}`"), "one that this version knows"));
            }
        })
    }

    fn hand_off(&self, told: wit::HandOff) -> Result<HandOff, PluginError> {
        Ok(match told {
            wit::HandOff::OciLayout => HandOff::OciLayout,
            wit::HandOff::OciArchive => HandOff::OciArchive,
            wit::HandOff::DockerArchive => HandOff::DockerArchive,
            wit::HandOff::DaemonImage(name) => HandOff::DaemonImage(self.answer.line("an image's name", name)?),
            wit::HandOff::Pushed => HandOff::Pushed,
            wit::HandOff::Other(kind) => {
                return Err(self.answer.nonsense(format!("the hand-off `{kind}`"), "one that this version knows"));
            }
        })
    }
}
