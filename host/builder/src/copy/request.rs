//! A COPY or ADD whose variables have been filled in.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_dockerfile::file_mode::FileMode;
use windlass_dockerfile::instruction::{AddInstruction, CopyInstruction, Sources};
use windlass_layer::{Content, Timestamp};

use super::CopyError;
use super::item::{FileItem, Item, ItemKind, Pick};
use crate::store::KeyBuilder;

/// What is to be copied, how and where to.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) paths: Vec<String>,
    pub(super) files: Vec<(String, Arc<[u8]>)>,
    pub(super) destination: String,
    pub(super) owner: Option<String>,
    pub(super) mode: Option<FileMode>,
    pub(super) mode_text: Option<String>,
    pub(super) links: bool,
    pub(super) keeps_parents: bool,
    pub(super) exclude: Vec<String>,
    pub(super) unpacks: bool,
}

impl Request {
    /// A COPY. Its `--from` is the caller's business: it decides on the source.
    ///
    /// # Errors
    /// When a source is a URL, or `--chmod` is no mode.
    pub fn copy(instruction: &CopyInstruction) -> Result<Self, CopyError> {
        if let Some(url) = instruction.sources.paths.iter().find(|path| is_remote(path)) {
            return Err(CopyError::RemoteCopy { url: url.clone() });
        }
        let request =
            Self::new(&instruction.sources, instruction.owner.as_ref(), instruction.mode.as_ref(), &instruction.exclude)?;
        Ok(Self { links: instruction.links, keeps_parents: instruction.keeps_parents, ..request })
    }

    /// An ADD.
    ///
    /// # Errors
    /// [`CopyError::Remote`] when a source is a URL or a git repository; also when `--chmod` is no mode.
    pub fn add(instruction: &AddInstruction) -> Result<Self, CopyError> {
        if let Some(url) = instruction.sources.paths.iter().find(|path| is_remote(path)) {
            return Err(CopyError::Remote { url: url.clone() });
        }
        let request =
            Self::new(&instruction.sources, instruction.owner.as_ref(), instruction.mode.as_ref(), &instruction.exclude)?;
        Ok(Self { links: instruction.links, unpacks: instruction.unpacks.unwrap_or(true), ..request })
    }

    fn new(sources: &Sources, owner: Option<&String>, mode: Option<&String>, exclude: &[String]) -> Result<Self, CopyError> {
        let files = sources.files.iter().map(|file| (file.name.clone(), Arc::from(file.content.as_bytes())));
        Ok(Self {
            paths: sources.paths.clone(),
            files: files.collect(),
            destination: sources.destination.clone(),
            owner: owner.cloned(),
            mode: mode.map(|text| FileMode::parse(text).map_err(CopyError::Mode)).transpose()?,
            mode_text: mode.cloned(),
            links: false,
            keeps_parents: false,
            exclude: exclude.to_vec(),
            unpacks: false,
        })
    }

    /// A copy of `source` to `destination`, without any option.
    #[must_use]
    pub fn plain(source: &str, destination: &str) -> Self {
        Self {
            paths: vec![source.to_owned()],
            files: Vec::new(),
            destination: destination.to_owned(),
            owner: None,
            mode: None,
            mode_text: None,
            links: false,
            keeps_parents: false,
            exclude: Vec::new(),
            unpacks: false,
        }
    }

    /// Adds what the instruction says to the key of its step.
    #[must_use]
    pub fn key(&self, builder: KeyBuilder, workdir: &str) -> KeyBuilder {
        let files = self.files.iter().flat_map(|(name, content)| [name.as_bytes(), content.as_ref()]);
        builder
            .list("paths", &self.paths)
            .list("exclude", &self.exclude)
            .field("parents", [u8::from(self.keeps_parents)])
            .field("unpack", [u8::from(self.unpacks)])
            .field("link", [u8::from(self.stands_alone())])
            .field("owner", self.owner.as_deref().unwrap_or("\0"))
            .field("mode", self.mode_text.as_deref().unwrap_or("\0"))
            .field("destination", &self.destination)
            .field("workdir", workdir)
            .list("files", files)
    }

    /// Whether the layer is computed without a look at what is below it: `--link`, which `--chmod` turns off in BuildKit.
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.links && self.mode.is_none()
    }

    /// Whether any source is a path; heredocs need no context.
    #[must_use]
    pub fn needs_source(&self) -> bool {
        !self.paths.is_empty()
    }

    /// The heredocs: files of root with mode 644.
    pub(super) fn inline_picks(&self, created: Timestamp) -> impl Iterator<Item = Pick> + '_ {
        self.files.iter().map(move |(name, content)| {
            let kind = ItemKind::File(FileItem {
                size: content.len() as u64,
                content: Content::Inline(Arc::clone(content)),
                identity: None,
                origin: None,
                digest: [0; 32],
            });
            let item = Item {
                path: PathBuf::new(),
                kind,
                mode: 0o644,
                uid: 0,
                gid: 0,
                modified: created,
                xattrs: Vec::new(),
                included: true,
            };
            Pick { source: format!("<<{name}"), name: OsString::from(name), items: vec![item] }
        })
    }
}

/// Whether BuildKit would download that source: by HTTP, or with git.
fn is_remote(source: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@"];
    schemes.iter().any(|scheme| source.starts_with(scheme)) || source.starts_with("github.com/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_sources_are_named_and_local_ones_are_not_taken_for_them() {
        for source in ["https://example.test/a.tar", "http://x/y", "git@host:repo.git", "git://h/r", "github.com/a/b"] {
            assert!(is_remote(source), "{source}");
        }
        for source in ["a.txt", "http", "https:/x", "dir/https://x", "git", "ssh", "*.txt"] {
            assert!(!is_remote(source), "{source}");
        }
    }
}
