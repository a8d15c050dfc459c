use std::io;
use std::path::{Path, PathBuf};

use crate::context::ContextError;

/// Why COPY, ADD or WORKDIR cannot be done. Paths are absolute, as seen in the image, stage or context.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source is not there.
    #[error("source `{source_path}` not found in {place}: {}", missing(path, target, *is_ignored))]
    NotFound {
        /// As the instruction names it.
        source_path: String,
        /// Where it was looked for, in words.
        place: &'static str,
        /// The path that is missing, or a link.
        path: PathBuf,
        /// What the links on the path lead to, which is missing; the path itself when there are none.
        target: PathBuf,
        /// Whether it is there, and the ignore file leaves it out.
        is_ignored: bool,
    },
    /// A pattern below a directory matches nothing, and nothing else brings that directory along.
    #[error("nothing matches `{source_path}`: not found in {place}, where `{}` has no such file", directory.display())]
    NothingMatches {
        /// As the instruction names it.
        source_path: String,
        /// Where it was looked for, in words.
        place: &'static str,
        /// The part before the first wildcard.
        directory: PathBuf,
    },
    /// A source that lies elsewhere is malformed.
    #[error(transparent)]
    Remote(#[from] windlass_dockerfile::remote::RemoteError),
    /// `--checksum` is none, or has nothing to check.
    #[error("invalid --checksum `{checksum}`: {problem}")]
    Checksum {
        /// As written.
        checksum: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// COPY takes no URLs.
    #[error("the source `{url}` of COPY is a URL: use ADD")]
    RemoteCopy {
        /// As the instruction names it.
        url: String,
    },
    /// A pattern among the sources or of `--exclude` is malformed.
    #[error("malformed pattern: {0}")]
    Pattern(windlass_dockerfile::glob::PatternError),
    /// A part of a path is there and is no directory.
    #[error("`{}` is not a directory, so nothing can be put below it", path.display())]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// A directory is to be merged into something else.
    #[error("cannot copy the directory `{source_path}` over `{}`, which is not a directory", path.display())]
    DirectoryOverFile {
        /// As the instruction names it.
        source_path: String,
        /// What is in the way.
        path: PathBuf,
    },
    /// A file is to take a directory's place.
    #[error("cannot replace the directory `{}` with the file `{source_path}`", path.display())]
    FileOverDirectory {
        /// As the instruction names it.
        source_path: String,
        /// What is in the way.
        path: PathBuf,
    },
    /// Symbolic links that lead to each other.
    #[error("too many symbolic links on the way to `{}`", path.display())]
    TooManyLinks {
        /// Where the way began.
        path: PathBuf,
    },
    /// A path that no layer can hold.
    #[error("`{}…` leads through more than {limit} directories", path.display())]
    TooDeep {
        /// How it begins.
        path: PathBuf,
        /// The most directories that a path may lead through.
        limit: usize,
    },
    /// `--chmod` is no mode.
    #[error("invalid --chmod")]
    Mode(#[source] windlass_dockerfile::file_mode::FileModeError),
    /// `--chown` or USER is no owner.
    #[error("invalid owner `{owner}`: expected `user[:group]`, names or numbers up to 2147483647")]
    Owner {
        /// As written.
        owner: String,
    },
    /// `--chown` has a name where there is no passwd file to look it up in.
    #[error("cannot look up the owner `{owner}`: {reason}; give numbers instead of names")]
    OwnerByName {
        /// As written.
        owner: String,
        /// Why there is none.
        reason: &'static str,
    },
    /// A user or group that a process is to run as is not in the image.
    #[error("there is no {what} `{name}` in the image, which `{owner}` names; add it in an earlier RUN, or give a number")]
    UnknownAccount {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
        /// As written.
        owner: String,
    },
    /// A selection that is too large for the memory cannot be kept in a file.
    #[error("cannot keep what is to be copied in a temporary file of the store")]
    Room {
        /// The system's reason.
        source: io::Error,
    },
    /// The content of a file is needed, but its layer has not been unpacked.
    #[error("the content of `{}` is needed, but its layer is not unpacked", path.display())]
    NotUnpacked {
        /// The file.
        path: PathBuf,
    },
    /// A file of a stage or image cannot be read.
    #[error("cannot read `{}` of {place}", path.display())]
    Read {
        /// Whose file it is, in words.
        place: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The context cannot be read.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A layer's content cannot be read.
    #[error("cannot read the layers below")]
    View(#[from] windlass_layer::ViewError),
    /// The layer cannot be written to the disk.
    #[error(transparent)]
    Snapshot(#[from] windlass_layer::SnapshotError),
    /// An archive cannot be unpacked.
    #[error("cannot unpack the archive `{source_path}`")]
    Archive {
        /// As the instruction names it.
        source_path: String,
        /// The reason.
        source: windlass_layer::ArchiveError,
    },
}

impl CopyError {
    /// Whether it takes the content of a file below that is known by its outline only.
    #[must_use]
    pub fn needs_content(&self) -> bool {
        matches!(self, Self::View(windlass_layer::ViewError::Absent { .. }))
    }
}

impl From<windlass_dockerfile::glob::PatternError> for CopyError {
    fn from(error: windlass_dockerfile::glob::PatternError) -> Self {
        Self::Pattern(error)
    }
}

fn missing(path: &Path, target: &Path, is_ignored: bool) -> String {
    let why = if is_ignored { "is left out by .dockerignore" } else { "does not exist" };
    if path == target {
        format!("`{}` {why}", path.display())
    } else {
        format!("`{}` leads to `{}`, which {why}", path.display(), target.display())
    }
}

/// The absolute form of a path below the root.
pub(super) fn absolute(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}
