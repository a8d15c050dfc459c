//! A COPY or ADD whose variables have been filled in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_core::Digest;
use windlass_dockerfile::file_mode::FileMode;
use windlass_dockerfile::instruction::{AddInstruction, CopyInstruction, Sources};
use windlass_dockerfile::remote::{self, RemoteSource};
use windlass_layer::{Content, Timestamp};

use super::CopyError;
use super::item::{FileItem, Item, ItemKind, Origin, Pick};
use super::taken::Taken;
use crate::store::KeyBuilder;

/// What is to be copied, how and where to.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) paths: Vec<String>,
    /// Those of the paths that lie elsewhere, by their number.
    pub(super) remotes: BTreeMap<usize, RemoteSource>,
    pub(super) files: Vec<(String, Arc<[u8]>)>,
    pub(super) destination: String,
    pub(super) owner: Option<String>,
    pub(super) mode: Option<FileMode>,
    pub(super) mode_text: Option<String>,
    pub(super) links: bool,
    pub(super) keeps_parents: bool,
    pub(super) exclude: Vec<String>,
    pub(super) unpacks: bool,
    pub(super) unpacks_remotes: bool,
    /// What the build takes of the context, this instruction included, where the sources lie there.
    pub(super) taken: Option<Arc<Taken>>,
}

impl Request {
    /// A COPY. Its `--from` is the caller's business: it decides on the source.
    ///
    /// # Errors
    /// When a source is a URL, or `--chmod` is no mode.
    pub fn copy(instruction: &CopyInstruction) -> Result<Self, CopyError> {
        if let Some(url) = instruction.sources.paths.iter().find(|path| !matches!(remote::parse(path), Ok(None))) {
            return Err(CopyError::RemoteCopy { url: remote::without_credentials(url) });
        }
        let request =
            Self::new(&instruction.sources, instruction.owner.as_ref(), instruction.mode.as_ref(), &instruction.exclude)?;
        Ok(Self { links: instruction.links, keeps_parents: instruction.keeps_parents, ..request })
    }

    /// An ADD.
    ///
    /// # Errors
    /// When a source that lies elsewhere is malformed, `--checksum` does not suit the sources, or `--chmod` is no mode.
    pub fn add(instruction: &AddInstruction) -> Result<Self, CopyError> {
        let remotes = remotes(instruction)?;
        let request =
            Self::new(&instruction.sources, instruction.owner.as_ref(), instruction.mode.as_ref(), &instruction.exclude)?;
        Ok(Self {
            remotes,
            links: instruction.links,
            unpacks: instruction.unpacks.unwrap_or(true),
            unpacks_remotes: instruction.unpacks.unwrap_or(false),
            ..request
        })
    }

    fn new(sources: &Sources, owner: Option<&String>, mode: Option<&String>, exclude: &[String]) -> Result<Self, CopyError> {
        let files = sources.files.iter().map(|file| (file.name.clone(), Arc::from(file.content.as_bytes())));
        Ok(Self {
            paths: sources.paths.clone(),
            remotes: BTreeMap::new(),
            files: files.collect(),
            destination: sources.destination.clone(),
            owner: owner.cloned(),
            mode: mode.map(|text| FileMode::parse(text).map_err(CopyError::Mode)).transpose()?,
            mode_text: mode.cloned(),
            links: false,
            keeps_parents: false,
            exclude: exclude.to_vec(),
            unpacks: false,
            unpacks_remotes: false,
            taken: None,
        })
    }

    /// A copy of `source` to `destination`, without any option.
    #[must_use]
    pub fn plain(source: &str, destination: &str) -> Self {
        Self {
            paths: vec![source.to_owned()],
            remotes: BTreeMap::new(),
            files: Vec::new(),
            destination: destination.to_owned(),
            owner: None,
            mode: None,
            mode_text: None,
            links: false,
            keeps_parents: false,
            exclude: Vec::new(),
            unpacks: false,
            unpacks_remotes: false,
            taken: None,
        }
    }

    /// The same, as a part of a build that takes all of `taken` of the context.
    #[must_use]
    pub fn among(self, taken: Arc<Taken>) -> Self {
        Self { taken: Some(taken), ..self }
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
            .field("unpack-remote", [u8::from(self.unpacks_remotes)])
            .field("git-directory", [u8::from(self.keeps_git_directory())])
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

    /// Whether any source lies in the context; heredocs and what lies elsewhere need none.
    #[must_use]
    pub fn needs_context(&self) -> bool {
        self.paths.len() > self.remotes.len()
    }

    /// Those sources as they are written.
    pub fn remote_names(&self) -> impl Iterator<Item = &str> {
        self.remotes.keys().filter_map(|&index| self.paths.get(index)).map(String::as_str)
    }

    /// The sources that lie elsewhere, in the order in which they are written.
    pub fn remotes(&self) -> impl Iterator<Item = &RemoteSource> {
        self.remotes.values()
    }

    fn keeps_git_directory(&self) -> bool {
        self.remotes().any(|source| matches!(source, RemoteSource::Git(git) if git.keeps_git_directory))
    }

    /// The heredocs: files of root with mode 644.
    pub(super) fn heredocs(&self, created: Timestamp) -> impl Iterator<Item = (Pick, Item)> + '_ {
        self.files.iter().map(move |(name, content)| {
            let origin = Origin::Content(Content::Inline(Arc::clone(content)));
            let kind = ItemKind::File(FileItem { size: content.len() as u64, origin, file: None, digest: [0; 32] });
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
            let pick = Pick {
                source: format!("<<{name}"),
                name: OsString::from(name),
                context: None,
                place: PathBuf::new(),
                is_settled: true,
                unpacks: false,
            };
            (pick, item)
        })
    }
}

/// The sources of an ADD that lie elsewhere, with what its flags say of them.
fn remotes(add: &AddInstruction) -> Result<BTreeMap<usize, RemoteSource>, CopyError> {
    let mut remotes = BTreeMap::new();
    for (index, path) in add.sources.paths.iter().enumerate() {
        let Some(mut source) = remote::parse(path)? else { continue };
        match &mut source {
            RemoteSource::Http(http) => http.checksum.clone_from(&add.checksum),
            RemoteSource::Git(git) => {
                git.keeps_git_directory = add.keeps_git_directory.unwrap_or(git.keeps_git_directory);
                git.checksum = add.checksum.clone().or(git.checksum.take());
            }
        }
        remotes.insert(index, source);
    }
    let Some(checksum) = &add.checksum else { return Ok(remotes) };
    let wrong = |problem| CopyError::Checksum { checksum: checksum.clone(), problem };
    if add.sources.paths.len() + add.sources.files.len() != 1 {
        return Err(wrong("it is for one source, and there are several"));
    }
    match remotes.values().next() {
        None => Err(wrong("it is for a source from the web or from git, and not for a file of the context")),
        Some(RemoteSource::Http(_)) if Digest::parse(checksum).is_err() => Err(wrong("for a file it is written as sha256:HEX")),
        Some(RemoteSource::Git(_)) if !(7..=64).contains(&checksum.len()) || !remote::is_hexadecimal(checksum) => {
            Err(wrong("for a repository it is the hash of a commit"))
        }
        Some(_) => Ok(remotes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(checksum: Option<&str>, paths: &[&str]) -> Result<Request, CopyError> {
        let sources = Sources {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            files: Vec::new(),
            destination: "/".to_owned(),
        };
        Request::add(&AddInstruction {
            sources,
            owner: None,
            mode: None,
            links: false,
            exclude: Vec::new(),
            checksum: checksum.map(str::to_owned),
            keeps_git_directory: None,
            unpacks: None,
        })
    }

    #[test]
    fn sources_that_lie_elsewhere_are_told_from_paths() {
        let request = add(None, &["a", "https://x.test/f", "git@x.test:r.git"]).unwrap();
        assert_eq!(request.remotes.keys().copied().collect::<Vec<_>>(), [1, 2]);
        assert!(request.needs_context() && request.unpacks && !request.unpacks_remotes);
        assert!(!add(None, &["https://x.test/f"]).unwrap().needs_context());
    }

    #[test]
    fn a_checksum_is_for_one_source_that_lies_elsewhere() {
        let sum = format!("sha256:{}", "0".repeat(64));
        assert!(add(Some(&sum), &["https://x.test/f"]).is_ok());
        assert!(add(Some("0123456789"), &["https://x.test/r.git"]).is_ok());
        for (checksum, paths) in [
            (sum.as_str(), &["a"][..]),
            (&sum, &["https://x.test/f", "https://x.test/g"]),
            ("0123456", &["https://x.test/f"]),
            (&sum, &["https://x.test/r.git"]),
        ] {
            assert!(matches!(add(Some(checksum), paths), Err(CopyError::Checksum { .. })), "{checksum} {paths:?}");
        }
    }
}
