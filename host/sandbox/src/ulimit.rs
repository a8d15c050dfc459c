//! `--ulimit`: what one process may use (setrlimit(2)).

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use crate::failure::{Attempt, Step};

/// The names that docker knows, and the kernel's limits.
const NAMES: [(&str, Resource); 15] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// One limit of a process; `None` is no limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    name: String,
    soft: Option<u64>,
    hard: Option<u64>,
}

impl Ulimit {
    /// Reads `NAME=SOFT[:HARD]`, where -1 is no limit; without a hard limit it is the soft one.
    ///
    /// # Errors
    /// When the name is unknown, a value is no number, or the soft limit is above the hard one.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, values) = text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=SOFT[:HARD]"))?;
        if !NAMES.iter().any(|(known, _)| *known == name) {
            let known: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            return Err(format!("`{name}` is not the name of a limit: there are {}", known.join(", ")));
        }
        let value = |text: &str| match text {
            "-1" => Ok(None),
            _ => text.parse().map(Some).map_err(|_| format!("`{text}` is not a limit: give a number, or -1 for none")),
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft)?, value(hard)?);
        if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
            return Err(format!("the soft limit of `{text}` is above the hard one"));
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }
}

impl std::fmt::Display for Ulimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |value: Option<u64>| value.map_or_else(|| "-1".to_owned(), |value| value.to_string());
        write!(f, "{}={}:{}", self.name, text(self.soft), text(self.hard))
    }
}

/// Sets the limits of this process, which its children take over.
pub(crate) fn set(limits: &[Ulimit]) -> Step<()> {
    limits.iter().try_for_each(|limit| {
        let Some((_, resource)) = NAMES.iter().find(|(name, _)| *name == limit.name) else { return Ok(()) };
        let wanted = Rlimit { current: limit.soft, maximum: limit.hard };
        setrlimit(*resource, wanted).to(&format!("set the limit {limit} (a hard limit can be raised by root only)"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written_back() {
        for (text, meaning) in [("nofile=64", "nofile=64:64"), ("nofile=64:128", "nofile=64:128"), ("core=0:-1", "core=0:-1")] {
            assert_eq!(Ulimit::parse(text).unwrap().to_string(), meaning);
        }
        for text in ["nofile", "files=1", "nofile=x", "nofile=2:1", "nofile=-1:1"] {
            assert!(Ulimit::parse(text).is_err(), "{text}");
        }
    }
}
