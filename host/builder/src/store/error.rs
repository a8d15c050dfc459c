use std::io;
use std::path::{Path, PathBuf};

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk, or the user's quota on it, is full.
    #[error("no space left to {action} `{}`: free some, or put the store on a larger disk", path.display())]
    Full {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} `{}` in the builder's store", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The blobs cannot be used.
    #[error("cannot use the blobs of the builder's store")]
    Blobs {
        /// The reason.
        source: Box<windlass_registry::StoreError>,
    },
    /// A name that came from outside could not be one of the store's.
    #[error("`{name}` cannot name a snapshot: expected 1 to 128 letters, digits, `-` or `_`")]
    Name {
        /// The name, shortened.
        name: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if is_full(&source) { Self::Full { action, path, source } } else { Self::Io { action, path, source } }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart() {
        let full = io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error());
        let error = StoreError::io("write", Path::new("/x"), full);
        assert!(error.to_string().starts_with("no space left to write `/x`"), "{error}");
        let other = StoreError::io("write", Path::new("/x"), io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(matches!(other, StoreError::Io { .. }));
    }
}
