//! What is to be run, and where.

use std::fmt;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::isolation::Isolation;
use crate::limits::LimitGroup;
use crate::owners::OwnerRecord;
use crate::ulimit::Ulimit;

/// The host name inside, unless the specification says otherwise.
pub const DEFAULT_HOSTNAME: &str = "windlass";

/// One process to run in isolation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunSpec {
    /// What the probe has chosen.
    pub isolation: Isolation,
    /// The root file system. Without an upper directory it is read-only.
    pub root: Tree,
    /// `RUN --mount`; parents are mounted before what lies in them, whatever the order here.
    pub mounts: Vec<Mount>,
    /// The program and its arguments. A program without a slash is looked up in the `PATH` of `environment`.
    pub arguments: Vec<String>,
    /// The whole environment, exactly.
    pub environment: Vec<(String, String)>,
    /// The working directory: absolute, and present in the root.
    pub directory: PathBuf,
    /// Who runs it.
    pub user: User,
    /// What the process reads from standard input; `/dev/null` where it is empty.
    #[serde(skip)]
    pub stdin: Vec<u8>,
    /// What it sees of the network.
    pub network: Network,
    /// What it may do to the system.
    pub security: Security,
    /// The host name inside.
    pub hostname: String,
    /// Further lines of `/etc/hosts`.
    pub hosts: Vec<Host>,
    /// The content of `/etc/resolv.conf`; the machine's own where it is absent.
    pub dns: Option<Dns>,
    /// The size of `/dev/shm` in bytes; 64 MiB where it is absent.
    pub shm_size: Option<u64>,
    /// What each process may use.
    pub ulimits: Vec<Ulimit>,
    /// What all processes may use together with those of other steps.
    #[serde(skip)]
    pub limits: Option<Arc<LimitGroup>>,
    /// Where wanted owners are noted down, with [`Isolation::SingleId`]; nowhere where it is absent.
    pub owners: Option<OwnerRecord>,
    /// When everything is killed.
    pub time_limit: Option<Duration>,
}

impl RunSpec {
    /// `arguments` as root in `/`, on the machine's network, with an empty environment.
    #[must_use]
    pub fn new(isolation: Isolation, root: Tree, arguments: Vec<String>) -> Self {
        Self {
            isolation,
            root,
            mounts: Vec::new(),
            arguments,
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            user: User::default(),
            stdin: Vec::new(),
            network: Network::Host,
            security: Security::Sandbox,
            hostname: DEFAULT_HOSTNAME.to_owned(),
            hosts: Vec::new(),
            dns: None,
            shm_size: None,
            ulimits: Vec::new(),
            limits: None,
            owners: None,
            time_limit: None,
        }
    }

    /// Refuses what the kernel could not be told.
    pub(crate) fn check(&self) -> Result<(), SpecError> {
        if self.arguments.is_empty() {
            return Err(SpecError::NoCommand);
        }
        let pairs = self.environment.iter().flat_map(|(name, value)| [name, value]);
        if let Some(text) = self.arguments.iter().chain(pairs).chain([&self.hostname]).find(|text| text.contains('\0')) {
            return Err(SpecError::Nul(text.clone()));
        }
        if !is_plain_absolute(&self.directory) {
            return Err(SpecError::RelativePath { what: "working directory", path: self.directory.clone() });
        }
        for mount in &self.mounts {
            if !is_plain_absolute(&mount.target) || mount.target == Path::new("/") {
                return Err(SpecError::RelativePath { what: "mount target", path: mount.target.clone() });
            }
        }
        if let Some(path) = self.machine_paths().into_iter().find(|path| path.to_str().is_none()) {
            return Err(SpecError::NotUtf8(path.to_owned()));
        }
        match &self.root {
            Tree::Layers { lower, upper: None } if lower.is_empty() => Err(SpecError::NoLayers),
            _ => Ok(()),
        }
    }

    fn machine_paths(&self) -> Vec<&Path> {
        let mut paths = self.root.paths();
        paths.extend(self.owners.iter().map(|owners| owners.file.as_path()));
        for Mount { target, kind } in &self.mounts {
            paths.push(target);
            match kind {
                MountKind::Bind { tree, source } => paths.extend(tree.paths().into_iter().chain([source.as_path()])),
                MountKind::Cache { directory: path, .. } | MountKind::Socket { path } => paths.push(path),
                MountKind::Tmpfs { .. } | MountKind::Secret { .. } => {}
            }
        }
        paths
    }
}

/// Absolute, and without `..`, which would make "is inside of" a question for the file system.
fn is_plain_absolute(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|component| component == Component::ParentDir)
}

/// Why a specification cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// There is nothing to run.
    #[error("run an empty command")]
    NoCommand,
    /// The kernel's texts end at the first NUL.
    #[error("pass {0:?} to a process: it has a NUL character")]
    Nul(String),
    /// A path that has to be absolute, without `..`, and below the root, is not.
    #[error("use {} as {what}: it has to be absolute, below `/`, and without `..`", path.display())]
    RelativePath {
        /// What the path is for.
        what: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// The specification travels as JSON.
    #[error("use the path {0:?}: it is not valid UTF-8")]
    NotUtf8(PathBuf),
    /// The root file system has no layer.
    #[error("make a root file system of no layers")]
    NoLayers,
}

/// A directory tree, plain or put together of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tree {
    /// One directory, or (for a bind mount) one file, as it is.
    Directory(PathBuf),
    /// Layer directories with overlay whiteouts.
    Layers {
        /// The layers, the topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go; without it the tree is read-only.
        upper: Option<Upper>,
    },
}

impl Tree {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Directory(path) => vec![path],
            Self::Layers { lower, upper } => {
                let upper = upper.iter().flat_map(|upper| [&upper.directory, &upper.work]);
                lower.iter().chain(upper).map(PathBuf::as_path).collect()
            }
        }
    }
}

/// Where the changes to a tree are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upper {
    /// Receives what changes, with overlay whiteouts; empty at first. Its own mode and owner become those of the tree's root.
    pub directory: PathBuf,
    /// Scratch space on the same file system, fresh for every run; to be removed afterwards.
    pub work: PathBuf,
}

/// One `RUN --mount`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    /// Where, inside: an absolute path. Links in it are followed inside the root. What is missing is there during the run only.
    pub target: PathBuf,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum MountKind {
    /// A part of a tree; read-only unless the tree has an upper directory.
    Bind {
        /// The tree.
        tree: Tree,
        /// The part. Links in it are followed inside the tree. Empty or `/` is all of it.
        source: PathBuf,
    },
    /// A directory that outlives the step.
    Cache {
        /// The directory on the machine.
        directory: PathBuf,
        /// Whether the step may only read it.
        read_only: bool,
    },
    /// Memory that is gone afterwards.
    Tmpfs {
        /// How many bytes it holds at most; half of the memory where it is absent.
        size: Option<u64>,
    },
    /// A file that only this step sees, and that is never on a disk.
    Secret {
        /// What is in it.
        #[serde(skip)]
        content: SecretContent,
        /// Its permission bits.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A Unix socket of the machine, such as that of an ssh agent.
    Socket {
        /// The socket on the machine.
        path: PathBuf,
    },
}

/// The bytes of a secret: not printed, not serialised, overwritten when dropped.
#[derive(Clone, Default)]
pub struct SecretContent(Zeroizing<Vec<u8>>);

impl SecretContent {
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretContent {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A user by numbers; names are the caller's to look up in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// The machine's network.
    Host,
    /// A loopback interface alone.
    None,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Security {
    /// Docker's default capabilities and system calls, masked `/proc`, no devices but the standard ones.
    Sandbox,
    /// All that the isolation itself leaves.
    Insecure,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

/// The content of `/etc/resolv.conf`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Name servers, in order.
    pub servers: Vec<IpAddr>,
    /// Search domains, in order.
    pub search: Vec<String>,
    /// Options, such as `ndots:2`.
    pub options: Vec<String>,
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn spec() -> RunSpec {
        RunSpec::new(Isolation::Root, Tree::Directory("/x".into()), vec!["sh".to_owned()])
    }

    #[test]
    fn secrets_are_neither_printed_nor_serialised() {
        let content = SecretContent::from(b"canary-19".to_vec());
        let mut spec = spec();
        spec.mounts.push(Mount { target: "/s".into(), kind: MountKind::Secret { content, mode: 0o400, uid: 0, gid: 0 } });
        assert!(!format!("{spec:?}").contains("canary"));
        assert!(!serde_json::to_string(&spec).unwrap().contains("canary"));
    }

    #[test]
    fn what_the_kernel_cannot_be_told_is_refused() {
        let mut nul = spec();
        nul.environment.push(("A".to_owned(), "b\0c".to_owned()));
        assert_eq!(nul.check(), Err(SpecError::Nul("b\0c".to_owned())));
        for target in ["relative", "/a/../b", "/"] {
            let mut bad = spec();
            bad.mounts.push(Mount { target: target.into(), kind: MountKind::Tmpfs { size: None } });
            assert!(matches!(bad.check(), Err(SpecError::RelativePath { .. })), "{target}");
        }
        assert_eq!(RunSpec { arguments: vec![], ..spec() }.check(), Err(SpecError::NoCommand));
        let odd = PathBuf::from(std::ffi::OsString::from_vec(vec![b'/', 0xff]));
        let root = Tree::Layers { lower: vec!["/x".into(), odd.clone()], upper: None };
        assert_eq!(RunSpec { root, ..spec() }.check(), Err(SpecError::NotUtf8(odd)));
    }
}
