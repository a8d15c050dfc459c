//! `RUN --mount`.

use crate::go;

/// A mount as written: options in order. Every value may hold variables but that of `from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOptions {
    /// The text of the flag.
    pub text: String,
    /// The options.
    pub options: Vec<MountOption>,
}

/// One option of a mount: `name` or `name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// Its name, in small letters.
    pub name: String,
    /// Its value; options such as `readonly` have none.
    pub value: Option<String>,
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted, absolute or below `WORKDIR`. Secrets and agents have defaults of their own.
    pub target: Option<String>,
    /// What it is.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A directory or file of the build context, of a stage or of an image.
    Bind {
        /// A stage, a named context or an image; without it, the build context.
        from: Option<String>,
        /// The path within it.
        source: Option<String>,
        /// Whether it is read-only; what is written to others is thrown away.
        is_read_only: bool,
    },
    /// A directory that outlives the build.
    Cache {
        /// Its identity; the target where none is given.
        id: Option<String>,
        /// Where its first content comes from; without it, it begins empty.
        from: Option<String>,
        /// The path within that.
        source: Option<String>,
        /// What happens when two steps want it at once.
        sharing: Sharing,
        /// Whether it is read-only.
        is_read_only: bool,
        /// The owner and mode of its directory.
        attributes: Attributes,
    },
    /// A file system in memory.
    Tmpfs {
        /// Its size in bytes, where it is limited.
        size: Option<u64>,
        /// Whether it is read-only.
        is_read_only: bool,
    },
    /// A secret, as a file, in the environment, or both.
    Secret {
        /// Its identity.
        id: String,
        /// The variable that holds it. There is a file besides only where the mount has a target.
        variable: Option<String>,
        /// Whether the step fails without it.
        is_required: bool,
        /// The owner and mode of the file, 0:0 and 400 where not given.
        attributes: Attributes,
    },
    /// The socket of an agent.
    Ssh {
        /// Its identity, `default` where none is given.
        id: String,
        /// Whether the step fails without it.
        is_required: bool,
        /// The owner and mode of the socket, 0:0 and 600 where not given.
        attributes: Attributes,
    },
}

/// What happens when two steps want the same cache at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Both use it.
    #[default]
    Shared,
    /// The second one gets a fresh one.
    Private,
    /// The second one waits.
    Locked,
}

/// An owner and a mode, as far as they are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The permission bits.
    pub mode: Option<u32>,
    /// The user's number.
    pub uid: Option<u32>,
    /// The group's number.
    pub gid: Option<u32>,
}

/// Why a mount makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// The options are not separated as comma-separated values are.
    #[error("`{0}` is not a list of options separated by commas")]
    Separation(String),
    /// A type that there is not.
    #[error("`{0}` is not a type of mount{hint}", hint = suggestion(.0, &TYPES))]
    UnknownType(String),
    /// An option that there is not.
    #[error("`{0}` is not an option of a mount{hint}", hint = suggestion(.0, &OPTIONS))]
    UnknownOption(String),
    /// An option that this type of mount does not have.
    #[error("a mount of type {kind} has no option `{option}`")]
    NotForType {
        /// The type.
        kind: &'static str,
        /// The option.
        option: String,
    },
    /// An option without its value.
    #[error("the option `{0}` lacks its value")]
    MissingValue(String),
    /// A value that is none.
    #[error("`{value}` is not a value of `{option}`: expected {expected}")]
    Value {
        /// The option.
        option: String,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// A secret without anything that names it.
    #[error("a secret needs one of id, source, target")]
    NamelessSecret,
    /// Both of two options that mean the same.
    #[error("a secret takes id or source, not both")]
    IdAndSource,
    /// A mount over the root directory.
    #[error("`{0}` is not a place to mount at: it is the root directory")]
    Root(String),
}

pub(crate) const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
pub(crate) const OPTIONS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];

fn suggestion(word: &str, known: &'static [&'static str]) -> String {
    match windlass_core::suggest::nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}

impl MountOptions {
    /// Reads the value of a `--mount` flag: comma-separated values, as in RFC 4180.
    ///
    /// # Errors
    /// When quotes are out of place.
    pub fn parse(text: &str) -> Result<Self, MountError> {
        let fields = go::comma_separated(text).ok_or_else(|| MountError::Separation(crate::expand::clip(text)))?;
        let option = |field: String| match field.split_once('=') {
            Some((name, value)) => MountOption { name: name.to_ascii_lowercase(), value: Some(value.to_owned()) },
            None => MountOption { name: field.to_ascii_lowercase(), value: None },
        };
        Ok(Self { text: text.to_owned(), options: fields.into_iter().map(option).collect() })
    }

    /// What `from` says, when it says anything.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        let from = self.options.iter().rev().find(|option| option.name == "from")?;
        from.value.as_deref().filter(|value| !value.is_empty())
    }

    /// The mount that the options describe. Their variables must have been filled in.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn typed(&self) -> Result<Mount, MountError> {
        let mut draft = Draft::default();
        self.options.iter().try_for_each(|option| draft.apply(option))?;
        draft.finish()
    }
}

/// The options seen so far.
#[derive(Debug)]
struct Draft {
    kind: &'static str,
    from: Option<String>,
    source: Option<String>,
    target: Option<String>,
    id: Option<String>,
    variable: Option<String>,
    sharing: Option<Sharing>,
    size: Option<u64>,
    is_read_only: Option<bool>,
    is_required: bool,
    attributes: Attributes,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            kind: "bind",
            from: None,
            source: None,
            target: None,
            id: None,
            variable: None,
            sharing: None,
            size: None,
            is_read_only: None,
            is_required: false,
            attributes: Attributes::default(),
        }
    }
}

impl Draft {
    fn apply(&mut self, option: &MountOption) -> Result<(), MountError> {
        let name = option.name.as_str();
        let Some(value) = option.value.as_deref() else { return self.apply_bare(name) };
        let wrong =
            |expected: &'static str| MountError::Value { option: name.to_owned(), value: crate::expand::clip(value), expected };
        let truth = || go::parse_bool(value).ok_or_else(|| wrong("true or false"));
        let number = || go::parse_number(value, 10).ok_or_else(|| wrong("a number"));
        match name {
            "type" => {
                let kind = value.to_ascii_lowercase();
                let known = TYPES.into_iter().find(|known| *known == kind);
                self.kind = known.ok_or_else(|| MountError::UnknownType(crate::expand::clip(value)))?;
            }
            "from" => self.from = filled(value),
            "source" | "src" => self.source = filled(value),
            "target" | "dst" | "destination" => self.target = filled(value),
            "id" => self.id = filled(value),
            "env" => self.variable = Some(value.to_owned()),
            "readonly" | "ro" => self.is_read_only = Some(truth()?),
            "readwrite" | "rw" => self.is_read_only = Some(!truth()?),
            "required" => {
                self.only_for(name, &["secret", "ssh"])?;
                self.is_required = truth()?;
            }
            "size" => {
                self.only_for(name, &["tmpfs"])?;
                self.size = Some(go::parse_bytes(value).ok_or_else(|| wrong("a size such as 64m"))?);
            }
            "sharing" => {
                self.sharing = Some(match value.to_ascii_lowercase().as_str() {
                    "shared" => Sharing::Shared,
                    "private" => Sharing::Private,
                    "locked" => Sharing::Locked,
                    _ => return Err(wrong("shared, private or locked")),
                });
            }
            "mode" => self.attributes.mode = Some(go::parse_number(value, 8).ok_or_else(|| wrong("an octal number"))?),
            "uid" => self.attributes.uid = Some(number()?),
            "gid" => self.attributes.gid = Some(number()?),
            _ => return Err(MountError::UnknownOption(crate::expand::clip(name))),
        }
        Ok(())
    }

    fn apply_bare(&mut self, name: &str) -> Result<(), MountError> {
        match name {
            "readonly" | "ro" => self.is_read_only = Some(true),
            "readwrite" | "rw" => self.is_read_only = Some(false),
            "required" => {
                self.only_for(name, &["secret", "ssh"])?;
                self.is_required = true;
            }
            known if OPTIONS.contains(&known) => return Err(MountError::MissingValue(known.to_owned())),
            unknown => return Err(MountError::UnknownOption(crate::expand::clip(unknown))),
        }
        Ok(())
    }

    /// Options are judged by the type given before them, as BuildKit reads them from left to right.
    fn only_for(&self, option: &str, kinds: &[&str]) -> Result<(), MountError> {
        if kinds.contains(&self.kind) { Ok(()) } else { Err(self.misplaced(option)) }
    }

    fn misplaced(&self, option: &str) -> MountError {
        MountError::NotForType { kind: self.kind, option: option.to_owned() }
    }

    fn finish(self) -> Result<Mount, MountError> {
        let attributes = self.attributes;
        if matches!(self.kind, "bind" | "tmpfs") {
            for (option, value) in [("mode", attributes.mode), ("uid", attributes.uid), ("gid", attributes.gid)] {
                if value.is_some() {
                    return Err(self.misplaced(option));
                }
            }
        }
        if self.sharing.is_some() && self.kind != "cache" {
            return Err(self.misplaced("sharing"));
        }
        let kind = match self.kind {
            "secret" => return self.secret(),
            "ssh" if self.source.is_some() => return Err(self.misplaced("source")),
            "ssh" => {
                let id = self.id.unwrap_or_else(|| "default".to_owned());
                MountKind::Ssh { id, is_required: self.is_required, attributes }
            }
            "tmpfs" => MountKind::Tmpfs { size: self.size, is_read_only: self.is_read_only.unwrap_or(false) },
            "cache" => MountKind::Cache {
                id: self.id,
                from: self.from,
                source: self.source,
                sharing: self.sharing.unwrap_or_default(),
                is_read_only: self.is_read_only.unwrap_or(false),
                attributes,
            },
            _ => MountKind::Bind { from: self.from, source: self.source, is_read_only: self.is_read_only.unwrap_or(true) },
        };
        Ok(Mount { target: self.target, kind })
    }

    fn secret(self) -> Result<Mount, MountError> {
        if self.from.is_some() {
            return Err(self.misplaced("from"));
        }
        let id = match (self.source, self.id, &self.target) {
            (Some(_), Some(_), _) => return Err(MountError::IdAndSource),
            (Some(name), None, _) | (None, Some(name), _) => name,
            (None, None, Some(target)) => go::base_name(target).to_owned(),
            (None, None, None) => return Err(MountError::NamelessSecret),
        };
        let variable = self.variable.map(|name| if name.is_empty() { id.clone() } else { name });
        let default = || format!("/run/secrets/{}", go::base_name(&id));
        let target = self.target.or_else(|| variable.is_none().then(default));
        let attributes = self.attributes;
        Ok(Mount { target, kind: MountKind::Secret { id, variable, is_required: self.is_required, attributes } })
    }
}

impl Mount {
    /// The absolute path to mount at, given the working directory.
    ///
    /// `None` where a secret is in the environment alone, or an agent's socket has no place of its own.
    ///
    /// # Errors
    /// When that is the root directory.
    pub fn target_below(&self, directory: &str) -> Result<Option<String>, MountError> {
        let target = match (&self.target, &self.kind) {
            (None, MountKind::Secret { .. } | MountKind::Ssh { .. }) => return Ok(None),
            (target, _) => target.as_deref().unwrap_or_default(),
        };
        // A relative target of a secret is below the root, one of any other mount below the working directory.
        let base = if matches!(self.kind, MountKind::Secret { .. } | MountKind::Ssh { .. }) { "/" } else { directory };
        let path = if target.starts_with('/') { go::clean_path(target) } else { go::clean_path(&format!("/{base}/{target}")) };
        if path == "/" { Err(MountError::Root(target.to_owned())) } else { Ok(Some(path)) }
    }
}

fn filled(value: &str) -> Option<String> {
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
#[path = "mount_tests.rs"]
mod tests;
