//! The ways in which a step can be kept apart from the machine, and what probing found out about them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How `RUN` steps are isolated, from the strongest to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Namespaces made by the machine's root.
    Root,
    /// A user namespace in which 65,536 further ids belong to the user (`/etc/subuid`, `/etc/subgid`).
    SubordinateIds,
    /// A user namespace with one id; changes of ownership are answered with success, and noted down in place of being made.
    SingleId,
    /// No namespaces: a change of the root directory alone. The root of a [`RunSpec`](crate::RunSpec) must be one directory
    /// then, and so must be the trees of its bind mounts; all of them are changed by the step.
    Chroot,
    /// Not even that: the root directory of this process, in a container of an image of ours. Never chosen unless it is asked
    /// for. The root of a [`RunSpec`](crate::RunSpec) is as with [`Self::Chroot`]; it must lie in the store.
    InPlace,
    /// None: steps that run a process are refused.
    Nothing,
}

impl Isolation {
    /// All of them, in the order of preference.
    pub const ALL: [Self; 6] = [Self::Root, Self::SubordinateIds, Self::SingleId, Self::Chroot, Self::InPlace, Self::Nothing];

    /// The name that [`FromStr`] takes, such as `subordinate-ids`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::SubordinateIds => "subordinate-ids",
            Self::SingleId => "single-id",
            Self::Chroot => "chroot",
            Self::InPlace => "in-place",
            Self::Nothing => "nothing",
        }
    }

    /// Whether [`run`](crate::run) can use it.
    #[must_use]
    pub fn can_run(self) -> bool {
        self != Self::Nothing
    }

    /// Whether it goes without namespaces and mounts, and so on copies of root file systems.
    #[must_use]
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Chroot | Self::InPlace)
    }

    /// Whether the process is root of a user namespace and not of the machine.
    pub(crate) fn is_rootless(self) -> bool {
        matches!(self, Self::SubordinateIds | Self::SingleId)
    }
}

impl fmt::Display for Isolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no isolation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no isolation `{0}`: expected auto, root, subordinate-ids, single-id, chroot, in-place or nothing")]
pub struct UnknownIsolation(String);

impl FromStr for Isolation {
    type Err = UnknownIsolation;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|isolation| isolation.name() == text).ok_or_else(|| UnknownIsolation(text.to_owned()))
    }
}

/// What [`enter_user_namespace`](crate::enter_user_namespace) tried, and what it settled on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What `RUN` steps get.
    pub chosen: Isolation,
    /// Every isolation that was looked at, in order, with why it cannot be used.
    pub reasons: Vec<(Isolation, Result<(), String>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_isolation_is_read_back_from_its_name() {
        for isolation in Isolation::ALL {
            assert_eq!(isolation.to_string().parse(), Ok(isolation));
        }
        assert_eq!("docker".parse::<Isolation>(), Err(UnknownIsolation("docker".to_owned())));
    }
}
