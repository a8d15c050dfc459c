//! `--ssh`: the agents that steps may ask.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use windlass_builder::execute::SshAgent;
use windlass_core::{Finding, Secret};
use windlass_credentials::ssh::{KeyAgent, SocketAgent, SshKeyError};

use crate::environment::Environment;
use crate::step::{BuildSettings, SshSource};

/// The id of the mount that names none.
pub(crate) const DEFAULT_ID: &str = "default";

#[derive(Debug)]
enum Agent {
    Socket(SocketAgent),
    Keys(KeyAgent),
}

impl SshAgent for Agent {
    fn serve(&self, connection: UnixStream) -> io::Result<()> {
        match self {
            Self::Socket(agent) => agent.serve(connection),
            Self::Keys(agent) => agent.serve(connection),
        }
    }
}

/// Every agent of a build by its id: those of `--ssh`, and the key of the step.
///
/// # Errors
/// Every one that cannot be had.
pub(crate) fn agents(
    build: &BuildSettings,
    environment: &Environment,
) -> Result<BTreeMap<String, Arc<dyn SshAgent>>, Vec<Finding>> {
    let (mut agents, mut problems) = (BTreeMap::<String, Arc<dyn SshAgent>>::new(), Vec::new());
    let given = build.ssh.iter().map(|source| (source.id.as_str(), of_source(source, environment)));
    let key = build.ssh_key.iter().map(|key| (DEFAULT_ID, of_keys(std::slice::from_ref(key), "ssh-key")));
    for (id, agent) in given.chain(key) {
        match agent {
            Ok(agent) => drop(agents.insert(id.to_owned(), Arc::new(agent))),
            Err(finding) => problems.push(finding),
        }
    }
    if problems.is_empty() { Ok(agents) } else { Err(problems) }
}

fn of_source(source: &SshSource, environment: &Environment) -> Result<Agent, Finding> {
    let socket = environment.get("SSH_AUTH_SOCK").map(std::path::PathBuf::from);
    let paths = match (source.paths.as_slice(), socket) {
        ([], Some(socket)) => vec![socket],
        ([], None) => {
            let message = format!("`{}` names no socket or key, and SSH_AUTH_SOCK is not set", source.id);
            return Err(wrong(message, "start an agent, or write ID=SOCKET or ID=KEYFILE"));
        }
        (paths, _) => paths.to_vec(),
    };
    if let [path] = paths.as_slice()
        && is_socket(path)
    {
        return SocketAgent::at(path).map(Agent::Socket).map_err(|error| {
            wrong(format!("no ssh agent answers at {}: {error}", path.display()), "is it running, and is the socket yours?")
        });
    }
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).map(Secret::new);
        text.map_err(|error| wrong(format!("cannot read the ssh key {}: {error}", path.display()), "name a socket or a key file"))
    };
    let keys = paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let shown: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    of_keys(&keys, &shown.join(", "))
}

fn of_keys(keys: &[Secret], shown: &str) -> Result<Agent, Finding> {
    KeyAgent::new(keys)
        .map(Agent::Keys)
        .map_err(|error: SshKeyError| wrong(format!("the ssh key of {shown} cannot be used: {error}"), error.help))
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

fn wrong(message: String, help: &str) -> Finding {
    Finding::deny("settings/ssh", message).about("ssh").help(help)
}
