//! Files that appear whole.

use std::io::Write;
use std::path::Path;

/// Writes a file beside its place and then renames it, so that no reader sees half of one. A device such as `/dev/stdout`,
/// or a named pipe, is written to and not replaced.
pub(crate) fn replace<E: From<std::io::Error>>(path: &Path, write: &dyn Fn(&mut dyn Write) -> Result<(), E>) -> Result<(), E> {
    let directory = match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => {
            std::fs::create_dir_all(parent)?;
            parent
        }
        None => Path::new("."),
    };
    if path.exists() && !path.is_file() {
        return write(&mut std::fs::OpenOptions::new().write(true).open(path)?);
    }
    let mut file = tempfile::Builder::new().prefix(".windlass-").tempfile_in(directory)?;
    write(&mut file)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(readable)?;
    file.persist(path).map(drop).map_err(|error| error.error.into())
}
