//! A place of its own for one run: home, caches, temporary files, and the directory it works in.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// The user of the tests, who is root.
    Root,
    /// `nobody`: no privilege, no subordinate ids.
    Nobody,
}

/// `nobody` and its group, as Debian numbers them.
pub(crate) const NOBODY: u32 = 65534;

/// A temporary directory with everything that a run may read or write by default.
#[derive(Debug)]
pub struct Workspace {
    directory: TempDir,
    user: User,
}

impl Workspace {
    /// A place for root.
    #[must_use]
    pub fn new() -> Self {
        Self::of(User::Root)
    }

    /// A place that belongs to `user`.
    #[must_use]
    pub fn of(user: User) -> Self {
        let directory = tempfile::Builder::new().prefix("windlass-e2e-").tempdir().expect("a temporary directory can be made");
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open).expect("the directory is ours");
        let workspace = Self { directory, user };
        for name in ["home", "tmp", "run", "cache", "config", "work"] {
            workspace.make(&workspace.root().join(name));
        }
        workspace
    }

    /// The directory that holds all of it.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Whose place it is.
    #[must_use]
    pub fn user(&self) -> User {
        self.user
    }

    /// The path of `name` in the directory that runs work in.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join("work").join(name)
    }

    /// Writes a file in the working directory, with the directories it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        self.make(path.parent().expect("a file has a directory"));
        fs::write(&path, content).expect("the directory is ours");
        self.hand_over(&path);
        path
    }

    /// Reads a file of the working directory.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        let path = self.path(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }

    /// Whether a file is in the working directory.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// What lies in the directory for temporary files.
    #[must_use]
    pub fn temporary_files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().join("tmp")).expect("the directory is ours");
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// What is mounted below it.
    #[must_use]
    pub fn mounts(&self) -> Vec<String> {
        let table = fs::read_to_string("/proc/self/mounts").expect("every process has its table of mounts");
        let root = self.root().to_string_lossy().into_owned();
        let places = table.lines().filter_map(|line| line.split(' ').nth(1));
        places.filter(|place| place.starts_with(&root)).map(str::to_owned).collect()
    }

    /// The variables that lead a process into this place.
    pub(crate) fn variables(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let place = |name: &str| self.root().join(name).into_os_string();
        vec![
            ("HOME", place("home")),
            ("TMPDIR", place("tmp")),
            ("XDG_RUNTIME_DIR", place("run")),
            ("XDG_CACHE_HOME", place("cache")),
            ("XDG_CONFIG_HOME", place("config")),
            ("PATH", OsStr::new("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").to_owned()),
            ("LC_ALL", OsStr::new("C.UTF-8").to_owned()),
        ]
    }

    fn make(&self, directory: &Path) {
        if directory.exists() {
            return;
        }
        self.make(directory.parent().expect("the root exists"));
        fs::create_dir(directory).expect("the directory above is ours");
        self.hand_over(directory);
    }

    fn hand_over(&self, path: &Path) {
        if self.user == User::Nobody {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("the tests run as root");
        }
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}
