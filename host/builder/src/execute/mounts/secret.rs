//! Mounts of secrets, and of agents that hold keys.

use std::path::PathBuf;
use std::sync::Arc;

use windlass_core::Secret;
use windlass_dockerfile::instruction::mount::Attributes;

use super::{Mounts, Ready, ReadyKind, unplaced};
use crate::execute::agent::{Forwarded, Owner};
use crate::execute::error::{BuildError, Problem};
use crate::execute::session::Session;

impl Mounts {
    /// The first agent is the one that programs ask by themselves.
    pub(super) fn agent(
        &mut self,
        session: &Session,
        id: &str,
        target: Option<PathBuf>,
        is_required: bool,
        attributes: Attributes,
    ) -> Result<(), Arc<BuildError>> {
        let Some(agent) = session.request.agents.get(id) else {
            return if is_required { Err(missing("ssh agent", id, "--ssh")) } else { Ok(()) };
        };
        let owner =
            Owner { uid: attributes.uid.unwrap_or(0), gid: attributes.gid.unwrap_or(0), mode: attributes.mode.unwrap_or(0o600) };
        let directory = session.store.temporary_directory().map_err(|error| Arc::new(BuildError::Store(error)))?;
        let forwarded = Forwarded::new(agent, directory, owner, session.request.isolation());
        let forwarded =
            forwarded.map_err(|error| unplaced(Problem::new(format!("cannot offer the ssh agent `{id}`: {error}"))))?;
        let number = self.mounts.iter().filter(|ready| matches!(ready.kind, ReadyKind::Agent(_))).count();
        let target = target.unwrap_or_else(|| PathBuf::from(format!("/run/buildkit/ssh_agent.{number}")));
        if number == 0 {
            self.variables.push(("SSH_AUTH_SOCK".to_owned(), Secret::new(target.to_string_lossy())));
        }
        self.mounts.push(Ready { target, kind: ReadyKind::Agent(forwarded) });
        Ok(())
    }

    pub(super) fn secret(
        &mut self,
        session: &Session,
        id: &str,
        variable: Option<&str>,
        is_required: bool,
        attributes: Attributes,
    ) -> Result<Option<ReadyKind>, Arc<BuildError>> {
        let Some(content) = session.request.secrets.get(id) else {
            return if is_required { Err(missing("secret", id, "--secret id=…")) } else { Ok(None) };
        };
        if let Some(name) = variable {
            self.variables.push((name.to_owned(), content.clone()));
        }
        let attributes = (attributes.mode.unwrap_or(0o400), attributes.uid.unwrap_or(0), attributes.gid.unwrap_or(0));
        Ok(Some(ReadyKind::Secret { content: content.clone(), attributes }))
    }
}

fn missing(what: &str, id: &str, option: &str) -> Arc<BuildError> {
    unplaced(Problem::new(format!("the {what} `{id}` is required and was not given")).help(format!("give it with {option}")))
}
