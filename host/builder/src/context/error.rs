use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_core::Finding;

/// Why a build context cannot be used. Paths are relative to the context where they lie in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ContextError {
    /// The context's directory cannot be opened.
    #[error("cannot open the build context `{}`", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// Something in the context cannot be read.
    #[error("cannot read `{}` in the build context", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// The archive that is the context cannot be unpacked.
    #[error("cannot unpack the build context")]
    Archive {
        /// The reason.
        source: Arc<windlass_layer::ArchiveError>,
    },
    /// A file was replaced or written to after it had been looked at.
    #[error("`{}` changed in the build context while it was read: build again when nothing writes to it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than any layer may be.
    #[error("`{}` in the build context is larger than {limit} bytes", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// A `.dockerignore` file cannot be read.
    #[error("cannot read the ignore file `{}`", path.display())]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: Arc<io::Error>,
    },
    /// A `.dockerignore` file is larger than any real one.
    #[error("the ignore file `{}` is larger than {limit} bytes", path.display())]
    IgnoreFileTooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// Patterns of a `.dockerignore` file are malformed.
    #[error("malformed pattern in the ignore file `{}`: {}", path.display(), told(findings))]
    IgnorePattern {
        /// The file.
        path: PathBuf,
        /// One for each pattern, with its line.
        findings: Vec<Finding>,
    },
}

impl ContextError {
    pub(super) fn read(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Read { path: path.to_path_buf(), source: Arc::new(source.into()) }
    }
}

fn told(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("; ")
}
