//! Slots and what the host puts into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use windlass_core::Secret;
use windlass_core::invocation::{Piece, Slot};

use crate::error::EngineError;

/// What the host knows and a mapper may ask for.
#[derive(Debug, Clone, Default)]
pub struct Fill {
    /// The context directory.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: PathBuf,
    /// A docker `config.json` with the credentials for base images.
    pub docker_config: Option<Secret>,
    /// Build secrets by id.
    pub secrets: BTreeMap<String, Secret>,
    /// Private keys by id.
    pub ssh_keys: BTreeMap<String, Secret>,
    /// Secret build arguments by name.
    pub arguments: BTreeMap<String, Secret>,
    /// Further contexts by name.
    pub named_contexts: BTreeMap<String, PathBuf>,
}

/// Where each slot is, once the private directory is there.
pub(crate) struct Slots<'a> {
    pub(crate) fill: &'a Fill,
    pub(crate) directory: &'a Path,
}

/// Where pieces are put, which decides whether a secret may be among them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    CommandLine,
    Private,
}

impl Slots<'_> {
    /// All pieces put together.
    pub(crate) fn text(&self, pieces: &[Piece], put: Use) -> Result<String, EngineError> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(literal) => text += literal,
                Piece::Slot(slot) => text += &self.slot(slot, put)?,
            }
        }
        Ok(text)
    }

    fn slot(&self, slot: &Slot, put: Use) -> Result<String, EngineError> {
        let path = match slot {
            Slot::Context => self.fill.context.clone(),
            Slot::Dockerfile => self.fill.dockerfile.clone(),
            Slot::Output => self.output(),
            Slot::DigestFile => self.digest_file(),
            Slot::AuthFile => self.auth_file(),
            Slot::Scratch => self.scratch(),
            Slot::Secret(id) if self.fill.secrets.contains_key(id) => self.secret_file("secret", id),
            Slot::SshKey(id) if self.fill.ssh_keys.contains_key(id) => self.secret_file("ssh-key", id),
            Slot::NamedContext(name) => {
                self.fill.named_contexts.get(name).cloned().ok_or_else(|| EngineError::NoSuchSlot(slot.to_string()))?
            }
            Slot::File(name) => self.file(name)?,
            Slot::Argument(name) if put == Use::CommandLine => return Err(EngineError::SecretInArguments(name.clone())),
            Slot::Argument(name) => {
                let value = self.fill.arguments.get(name).ok_or_else(|| EngineError::NoSuchSlot(slot.to_string()))?;
                return Ok(value.expose().to_owned());
            }
            Slot::Secret(_) | Slot::SshKey(_) => return Err(EngineError::NoSuchSlot(slot.to_string())),
        };
        Ok(path.to_string_lossy().into_owned())
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.directory.join("output")
    }

    pub(crate) fn digest_file(&self) -> PathBuf {
        self.directory.join("digest")
    }

    pub(crate) fn auth_file(&self) -> PathBuf {
        self.directory.join("config.json")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.directory.join("scratch")
    }

    /// Ids come from users and may be any text; the file's name is made of hexadecimal digits.
    pub(crate) fn secret_file(&self, kind: &str, id: &str) -> PathBuf {
        let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.directory.join("secrets").join(format!("{kind}-{hex}"))
    }

    pub(crate) fn file(&self, name: &str) -> Result<PathBuf, EngineError> {
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(EngineError::FileName(name.to_owned()));
        }
        Ok(self.directory.join("files").join(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_part_of_an_argument_and_secrets_stay_off_the_command_line() {
        let fill = Fill { arguments: BTreeMap::from([("TOKEN".to_owned(), Secret::new("canary"))]), ..Fill::default() };
        let slots = Slots { fill: &fill, directory: Path::new("/w") };
        let root = [Piece::Slot(Slot::Scratch), Piece::Text("/root".to_owned())];
        assert_eq!(slots.text(&root, Use::CommandLine).unwrap(), "/w/scratch/root");
        let token = [Piece::Slot(Slot::Argument("TOKEN".to_owned()))];
        assert!(matches!(slots.text(&token, Use::CommandLine), Err(EngineError::SecretInArguments(_))));
        assert_eq!(slots.text(&token, Use::Private).unwrap(), "canary");
        assert!(matches!(slots.file("../x"), Err(EngineError::FileName(_))));
        assert!(matches!(
            slots.text(&[Piece::Slot(Slot::Secret("x".to_owned()))], Use::Private),
            Err(EngineError::NoSuchSlot(_))
        ));
    }
}
