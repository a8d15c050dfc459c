//! The private directory of one call: secrets and files, readable by nobody else, gone afterwards.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use windlass_core::Invocation;

use crate::error::EngineError;
use crate::slots::{Slots, Use};

/// Writes everything that the program may open.
pub(crate) fn furnish(invocation: &Invocation, slots: &Slots<'_>) -> Result<(), EngineError> {
    for directory in ["scratch", "secrets", "files"] {
        let path = slots.directory.join(directory);
        DirBuilder::new().mode(0o700).create(&path).map_err(|source| EngineError::Workplace { path, source })?;
    }
    let config = slots.fill.docker_config.as_ref().map_or("{}", |secret| secret.expose());
    write(&slots.auth_file(), config)?;
    for (id, secret) in &slots.fill.secrets {
        write(&slots.secret_file("secret", id), secret.expose())?;
    }
    for (id, key) in &slots.fill.ssh_keys {
        write(&slots.secret_file("ssh-key", id), key.expose())?;
    }
    for (name, pieces) in &invocation.files {
        write(&slots.file(name)?, &slots.text(pieces, Use::Private)?)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), EngineError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| EngineError::Workplace { path: path.to_owned(), source })
}
