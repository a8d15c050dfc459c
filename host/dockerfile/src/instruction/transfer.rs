//! `COPY` and `ADD`.

use crate::file_mode::{FileMode, FileModeError};

/// What is copied, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Paths, patterns and, for `ADD`, URLs, in the order in which they are written.
    pub paths: Vec<String>,
    /// Heredocs; they are copied after the paths.
    pub files: Vec<InlineFile>,
    /// The destination.
    pub destination: String,
}

/// A file whose content stands in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name: the heredoc's delimiter.
    pub name: String,
    /// Its content.
    pub content: String,
    /// Whether variables are filled in in the content: the delimiter is not quoted.
    pub expands: bool,
}

/// `COPY [flags] source … destination`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyInstruction {
    /// What is copied, and where to.
    pub sources: Sources,
    /// `--from`: a stage by name or number, a named context, or an image; without it, the build context.
    pub from: Option<String>,
    /// `--chown`: `user[:group]`.
    pub owner: Option<String>,
    /// `--chmod`; see [`file_mode`].
    pub mode: Option<String>,
    /// `--link`: the layer does not depend on what is below it.
    pub links: bool,
    /// `--parents`: the path of each source is kept below the destination.
    pub keeps_parents: bool,
    /// `--exclude`: patterns of what is left out. Variables are not filled in.
    pub exclude: Vec<String>,
}

/// `ADD [flags] source … destination`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddInstruction {
    /// What is copied, and where to.
    pub sources: Sources,
    /// `--chown`: `user[:group]`.
    pub owner: Option<String>,
    /// `--chmod`; see [`file_mode`].
    pub mode: Option<String>,
    /// `--link`: the layer does not depend on what is below it.
    pub links: bool,
    /// `--exclude`: patterns of what is left out. Variables are not filled in.
    pub exclude: Vec<String>,
    /// `--checksum`: the digest of the one source.
    pub checksum: Option<String>,
    /// `--keep-git-dir`, where it is given.
    pub keeps_git_directory: Option<bool>,
    /// `--unpack`, where it is given; else local archives are unpacked and downloaded ones are not.
    pub unpacks: Option<bool>,
}

/// The mode that a `--chmod` asks for.
///
/// # Errors
/// When it is neither octal up to 7777 nor symbolic.
pub fn file_mode(mode: Option<&str>) -> Result<Option<FileMode>, FileModeError> {
    mode.map(FileMode::parse).transpose()
}
