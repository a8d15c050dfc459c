//! The files of a step, moved into a directory that has some of its own, which stay, and out again.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{MountPoints, OURS};

/// A tree whose entries are in another directory for a while.
pub(crate) struct Exchange {
    /// The directory that the entries are in.
    live: PathBuf,
    /// The one that they belong to.
    tree: PathBuf,
    /// Directories of `live` that were there before and stay, a parent before its children.
    merged: Vec<Merged>,
}

/// A directory that holds its own entries and the tree's.
struct Merged {
    /// Below both.
    path: PathBuf,
    /// Its own entries.
    own: BTreeSet<OsString>,
    /// As they were. Those of the tree's directory are shown meanwhile.
    attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Attributes {
    mode: u32,
    owner: (u32, u32),
    modified: SystemTime,
}

impl Exchange {
    /// Moves the entries of `tree` to `/`. What is there stays and hides the tree's. On failure, everything is moved back.
    pub(crate) fn enter(tree: &Path, mounts: &MountPoints) -> io::Result<Self> {
        Self::between(tree, Path::new("/"), &|path| path == Path::new(OURS) || mounts.contains(path))
    }

    fn between(tree: &Path, live: &Path, is_closed: &impl Fn(&Path) -> bool) -> io::Result<Self> {
        let mut exchange = Self { live: live.to_owned(), tree: tree.to_owned(), merged: Vec::new() };
        match exchange.merge(Path::new(""), is_closed) {
            Ok(()) => Ok(exchange),
            Err(error) => {
                let _ = exchange.leave();
                Err(error)
            }
        }
    }

    fn merge(&mut self, path: &Path, is_closed: &impl Fn(&Path) -> bool) -> io::Result<()> {
        let (live, tree) = (self.live.join(path), self.tree.join(path));
        let own = names(&live)?;
        let shown = directory(&tree)?.map(|status| Attributes::of(&status)).transpose()?;
        let attributes = Attributes::of(&fs::symlink_metadata(&live)?)?;
        self.merged.push(Merged { path: path.to_owned(), own: own.clone(), attributes });
        if shown.is_some() {
            for name in names(&tree)?.difference(&own) {
                fs::rename(tree.join(name), live.join(name))?;
            }
        }
        for name in &own {
            let within = self.live.join(path).join(name);
            if directory(&within)?.is_some() && !is_closed(&within) {
                self.merge(&path.join(name), is_closed)?;
            }
        }
        shown.map_or(Ok(()), |shown| shown.give(&live))
    }

    /// Moves everything back that is not the directory's own, with what has become of it. All processes that may change
    /// something must be dead.
    pub(crate) fn leave(self) -> io::Result<()> {
        let mut replaced: Vec<PathBuf> = Vec::new();
        let mut failed = Ok(());
        for merged in &self.merged {
            if replaced.iter().any(|above| merged.path.starts_with(above)) {
                continue;
            }
            match self.take_back(merged) {
                Ok(true) => {}
                Ok(false) => replaced.push(merged.path.clone()),
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed
    }

    /// Takes back what is in one directory; `false` when it is no directory any more.
    fn take_back(&self, merged: &Merged) -> io::Result<bool> {
        let (live, tree) = (self.live.join(&merged.path), self.tree.join(&merged.path));
        let Some(status) = directory(&live)? else {
            remove(&tree)?;
            return match fs::rename(&live, &tree) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(false),
            };
        };
        let now = Attributes::of(&status)?;
        let is_in_tree = directory(&tree)?.is_some();
        let new = names(&live)?.into_iter().filter(|name| !merged.own.contains(name)).collect::<Vec<_>>();
        if !is_in_tree && fs::symlink_metadata(&tree).is_ok() {
            // The image has a link or a file there, which was hidden as if by a mount; so is what was written here.
            return new.iter().try_for_each(|name| remove(&live.join(name))).map(|()| true);
        }
        if !is_in_tree && !new.is_empty() {
            fs::create_dir_all(&tree)?;
        }
        for name in &new {
            fs::rename(live.join(name), tree.join(name))?;
        }
        if is_in_tree || !new.is_empty() {
            // The children of this one come later, and change nothing in it.
            now.give(&tree)?;
        }
        if now != merged.attributes || !new.is_empty() {
            merged.attributes.give(&live)?;
        }
        Ok(true)
    }
}

impl Attributes {
    fn of(status: &Metadata) -> io::Result<Self> {
        Ok(Self { mode: status.mode() & 0o7777, owner: (status.uid(), status.gid()), modified: status.modified()? })
    }

    fn give(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.owner.0), Some(self.owner.1))?;
        fs::set_permissions(path, Permissions::from_mode(self.mode))?;
        File::open(path)?.set_modified(self.modified)
    }
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
}

/// The status of a directory; nothing for what is no directory, or not there.
fn directory(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(status) => Ok(Some(status).filter(Metadata::is_dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if directory(path)?.is_some() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A container's root with a mount in `etc` and one in `run`, and a step's tree.
    struct Both(tempfile::TempDir);

    impl Both {
        fn new() -> Self {
            let both = Self(tempfile::tempdir().unwrap());
            for path in ["live/proc", "live/etc", "live/run/mount", "tree/etc", "tree/usr/bin", "tree/proc/own", "tree/var"] {
                fs::create_dir_all(both.at(path)).unwrap();
            }
            for path in ["live/etc/hosts", "tree/etc/hosts", "tree/etc/passwd", "tree/usr/bin/program", "live/proc/1"] {
                fs::write(both.at(path), path).unwrap();
            }
            fs::set_permissions(both.at("tree/etc"), Permissions::from_mode(0o711)).unwrap();
            both
        }

        fn at(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn text(&self, path: &str) -> String {
            fs::read_to_string(self.at(path)).unwrap()
        }

        fn mode(&self, path: &str) -> u32 {
            fs::metadata(self.at(path)).unwrap().mode() & 0o7777
        }

        fn enter(&self) -> Exchange {
            let closed = [self.at("live/proc"), self.at("live/run/mount")];
            Exchange::between(&self.at("tree"), &self.at("live"), &|path| closed.iter().any(|known| known == path)).unwrap()
        }

        fn listing(&self, path: &str) -> Vec<String> {
            let mut found: Vec<_> =
                names(&self.at(path)).unwrap().iter().map(|name| name.to_string_lossy().into_owned()).collect();
            found.sort();
            found
        }
    }

    #[test]
    fn a_tree_is_shown_around_what_is_there_and_comes_back_with_what_was_done() {
        let both = Both::new();
        let exchange = both.enter();
        assert_eq!(both.listing("live"), ["etc", "proc", "run", "usr", "var"]);
        assert_eq!(
            (both.text("live/etc/hosts"), both.text("live/etc/passwd")),
            ("live/etc/hosts".into(), "tree/etc/passwd".into())
        );
        assert_eq!(both.mode("live/etc"), 0o711);
        fs::write(both.at("live/etc/new"), "new").unwrap();
        fs::set_permissions(both.at("live/etc"), Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(both.at("live/usr")).unwrap();
        fs::write(both.at("live/run/pid"), "1").unwrap();
        symlink("etc", both.at("live/link")).unwrap();
        exchange.leave().unwrap();
        assert_eq!(both.listing("live"), ["etc", "proc", "run"]);
        assert_eq!((both.listing("live/etc"), both.listing("live/run")), (vec!["hosts".to_owned()], vec!["mount".to_owned()]));
        assert_eq!(both.mode("live/etc"), 0o755);
        assert_eq!(both.listing("tree"), ["etc", "link", "proc", "run", "var"]);
        assert_eq!(
            (both.listing("tree/etc"), both.mode("tree/etc")),
            (vec!["hosts".into(), "new".into(), "passwd".into()], 0o700)
        );
        assert_eq!((both.text("tree/etc/hosts"), both.listing("tree/proc")), ("tree/etc/hosts".into(), vec!["own".to_owned()]));
        assert_eq!(both.listing("tree/run"), ["pid"]);
    }

    #[test]
    fn nothing_is_followed_that_a_step_has_put_in_place_of_a_directory() {
        let both = Both::new();
        fs::create_dir(both.at("live/srv")).unwrap();
        fs::create_dir(both.at("outside")).unwrap();
        fs::write(both.at("outside/file"), "theirs").unwrap();
        symlink("/nowhere", both.at("tree/run")).unwrap();
        let exchange = both.enter();
        fs::remove_dir(both.at("live/srv")).unwrap();
        symlink("../outside", both.at("live/srv")).unwrap();
        fs::write(both.at("live/run/lost"), "").unwrap();
        exchange.leave().unwrap();
        assert_eq!(both.listing("outside"), ["file"]);
        assert_eq!(fs::read_link(both.at("tree/srv")).unwrap(), Path::new("../outside"));
        assert_eq!(fs::read_link(both.at("tree/run")).unwrap(), Path::new("/nowhere"));
        assert_eq!(both.listing("live/run"), ["mount"]);
    }

    #[test]
    fn times_of_directories_that_nothing_was_done_to_are_kept() {
        let both = Both::new();
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let directory = File::open(both.at("tree/etc")).unwrap();
        directory.set_modified(time).unwrap();
        both.enter().leave().unwrap();
        assert_eq!(fs::metadata(both.at("tree/etc")).unwrap().modified().unwrap(), time);
    }
}
