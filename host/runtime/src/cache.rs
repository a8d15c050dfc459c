//! The directory with compiled code: private to the user, keyed by the component's digest and the engine's configuration.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use windlass_core::Digest;

use crate::compile::Compiled;
use crate::error::LoadError;

/// A cache directory that only the user can read and write.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    directory: PathBuf,
    key: String,
}

/// A file in the cache directory that only the user can write.
#[derive(Debug)]
pub(crate) struct TrustedFile(PathBuf);

impl TrustedFile {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Cache {
    /// Uses `directory`, which is created with mode 0700 when it does not exist.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> Result<Self, LoadError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| unusable(directory, &format!("cannot create it: {error}")))?;
        let found = fs::symlink_metadata(directory).map_err(|error| unusable(directory, &error.to_string()))?;
        if !found.is_dir() {
            return Err(unusable(directory, "expected a directory, not a link or a file"));
        }
        check_owner(directory, &found)?;
        if found.mode() & 0o077 != 0 {
            return Err(unusable(directory, "others than its owner may use it; expected the mode 0700: run `chmod 700` on it"));
        }
        Ok(Self { directory: directory.to_owned(), key: compatibility(engine) })
    }

    /// The code of a component, when it was compiled before.
    pub(crate) fn find(&self, component: &Digest) -> Result<Option<TrustedFile>, LoadError> {
        let path = self.file(component);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error.to_string())),
        };
        if !found.is_file() {
            return Err(unusable(&path, "expected a regular file: remove it"));
        }
        check_owner(&path, &found)?;
        if found.permissions().mode() & 0o022 != 0 {
            return Err(unusable(&path, "others than its owner may write it: remove it"));
        }
        Ok(Some(TrustedFile(path)))
    }

    /// Keeps the code of a component. It appears whole or not at all; several processes may do it at the same time.
    pub(crate) fn keep(&self, component: &Digest, code: &Compiled) -> Result<TrustedFile, LoadError> {
        let path = self.file(component);
        let failed = |error: std::io::Error| unusable(&path, &error.to_string());
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.directory).map_err(failed)?;
        file.write_all(code.bytes()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(TrustedFile(path))
    }

    /// Forgets the code of a component that turned out not to fit.
    pub(crate) fn forget(&self, component: &Digest) {
        // A file that is not there, or cannot be removed, is overwritten when the component is compiled again.
        let _ = fs::remove_file(self.file(component));
    }

    fn file(&self, component: &Digest) -> PathBuf {
        self.directory.join(format!("{}-{}.cwasm", component.hex(), self.key))
    }
}

fn check_owner(path: &Path, found: &fs::Metadata) -> Result<(), LoadError> {
    let user = rustix::process::geteuid().as_raw();
    if found.uid() == user {
        return Ok(());
    }
    Err(unusable(path, &format!("it belongs to the user {}, and windlass runs as {user}; name another directory", found.uid())))
}

fn unusable(path: &Path, reason: &str) -> LoadError {
    LoadError::Cache { path: path.to_owned(), reason: reason.to_owned() }
}

/// Wasmtime's compatibility hash, as text for a file's name.
pub(crate) fn compatibility(engine: &Engine) -> String {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Digest::from_sha256(hasher.0.finalize().into()).hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::engine;

    fn component() -> Digest {
        Digest::from_sha256([1; 32])
    }

    #[test]
    fn a_new_directory_is_private_and_gives_back_what_it_keeps() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("a/b");
        let cache = Cache::open(&directory, &engine().unwrap()).unwrap();
        assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
        assert!(cache.find(&component()).unwrap().is_none());
        cache.keep(&component(), &Compiled::for_test(b"code")).unwrap();
        assert_eq!(fs::read(cache.find(&component()).unwrap().unwrap().path()).unwrap(), b"code");
        cache.forget(&component());
        assert!(cache.find(&component()).unwrap().is_none());
    }

    #[test]
    fn a_directory_that_others_may_use_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let error = Cache::open(parent.path(), &engine().unwrap()).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_link_and_a_file_that_others_may_write_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        let cache = Cache::open(&parent.path().join("cache"), &engine().unwrap()).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", cache.file(&component())).unwrap();
        assert!(matches!(cache.find(&component()), Err(LoadError::Cache { .. })));
        cache.forget(&component());
        let file = cache.keep(&component(), &Compiled::for_test(b"code")).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(cache.find(&component()), Err(LoadError::Cache { .. })));
    }
}
