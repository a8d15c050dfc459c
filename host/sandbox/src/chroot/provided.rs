//! What a step needs in its root directory and the image does not bring: put in before, taken out after.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, mkdirat, renameat, renameat_with, statat, unlinkat};
use rustix::io::Errno;

use super::{aside, copy, kernel_files};
use crate::command::{files, stubs};
use crate::in_place::MountPoints;
use crate::mount;
use crate::run::RunError;
use crate::spec::{MountKind, RunSpec, Tree};

const NO_LINKS: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_SYMLINKS);

/// What lies in the root directory for the time of the step.
pub(crate) struct Provided {
    path: PathBuf,
    root: OwnedFd,
    aside: OwnedFd,
    places: Vec<Place>,
    /// Directories that had to be made on the way, as parent and name.
    made: Vec<(OwnedFd, OsString)>,
}

/// One thing that was put in. The parent is held open: a step may put a link in its place.
struct Place {
    parent: OwnedFd,
    name: OsString,
    /// Whether something of the image had to make room.
    hides: bool,
    end: End,
}

/// What becomes of a thing when it is taken out.
enum End {
    /// It goes.
    Discard,
    /// Its content is destroyed, also where the step has moved it or linked it to.
    Destroy(File),
    /// It takes the place of this directory of the machine.
    Keep(PathBuf),
}

impl Provided {
    /// Puts everything in place that `spec` asks for, and what every process needs.
    pub(crate) fn new(spec: &RunSpec) -> Result<Self, RunError> {
        let Tree::Directory(path) = &spec.root else {
            return Err(setup("put layers together without mounts", Errno::OPNOTSUPP.into()));
        };
        Self::open(path, &aside(path))?.filled(|provided| {
            provided.fill_system()?;
            provided.fill_network(spec, |_| false)?;
            provided.fill_mounts(spec)
        })
    }

    /// The same in the root directory of this process, whose container has brought the rest; `tree` lies on the same file
    /// system.
    pub(crate) fn in_place(spec: &RunSpec, tree: &Path, mounts: &MountPoints) -> Result<Self, RunError> {
        Self::open(Path::new("/"), &aside(tree))?.filled(|provided| {
            provided.fill_network(spec, |path| mounts.contains(path))?;
            provided.fill_mounts(spec)
        })
    }

    fn open(path: &Path, aside: &Path) -> Result<Self, RunError> {
        let open = |path: &Path| mount::open_inside(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, ResolveFlags::empty());
        let opened = fs::create_dir(aside).and_then(|()| Ok((open(path)?, open(aside)?)));
        let (root, aside) = opened.map_err(|error| setup("open the root directory", error))?;
        Ok(Self { path: path.to_owned(), root, aside, places: Vec::new(), made: Vec::new() })
    }

    fn filled(mut self, fill: impl FnOnce(&mut Self) -> Result<(), RunError>) -> Result<Self, RunError> {
        match fill(&mut self) {
            Ok(()) => Ok(self),
            Err(error) => {
                let _ = self.withdraw();
                Err(error)
            }
        }
    }

    fn fill_system(&mut self) -> Result<(), RunError> {
        self.put(Path::new("/dev"), |path| discard(kernel_files::dev(path)))?;
        self.put(Path::new("/proc"), |path| discard(kernel_files::proc(path)))?;
        self.put(Path::new("/sys"), |path| discard(kernel_files::sys(path)))
    }

    /// Puts the files of the network in place, but for those that are mounted there.
    fn fill_network(&mut self, spec: &RunSpec, is_mounted: impl Fn(&Path) -> bool) -> Result<(), RunError> {
        let (names, hosts) = (Path::new("/etc/resolv.conf"), Path::new("/etc/hosts"));
        if !is_mounted(names) {
            self.put(names, |path| discard(fs::write(path, files::resolv_conf(spec.dns.as_ref()))))?;
        } else if spec.dns.is_some() {
            return Err(RunError::NeedsNamespaces("--dns and --dns-search where the container has an /etc/resolv.conf mounted"));
        }
        if !is_mounted(hosts) {
            self.put(hosts, |path| discard(fs::write(path, files::hosts(spec))))?;
        } else if !spec.hosts.is_empty() {
            return Err(RunError::NeedsNamespaces("--add-host where the container has an /etc/hosts mounted"));
        }
        Ok(())
    }

    fn fill_mounts(&mut self, spec: &RunSpec) -> Result<(), RunError> {
        let mut mounts: Vec<_> = spec.mounts.iter().collect();
        mounts.sort_by(|one, other| one.target.cmp(&other.target));
        mounts.into_iter().try_for_each(|mount| self.put(&mount.target, |path| fill_mount(&mount.kind, path)))
    }

    /// The reading and the writing end of the pipe that is `/dev/NAME` inside.
    pub(crate) fn output(&self, name: &str) -> io::Result<(OwnedFd, OwnedFd)> {
        let path = Path::new("dev").join(name);
        let open = |flags| mount::open_inside(self.root.as_fd(), &path, flags | OFlags::NONBLOCK, NO_LINKS);
        let (reader, writer) = (open(OFlags::RDONLY)?, open(OFlags::WRONLY)?);
        rustix::io::ioctl_fionbio(&writer, false)?;
        Ok((reader, writer))
    }

    /// Puts one thing at `target`; `fill` makes it at the path that it is given, which is free.
    fn put(&mut self, target: &Path, fill: impl FnOnce(&Path) -> io::Result<End>) -> Result<(), RunError> {
        let failed =
            |problem: &str, source: io::Error| RunError::Mount { target: target.to_owned(), problem: problem.to_owned(), source };
        let place = self.place(target).map_err(|errno| failed("make a place in the root directory", errno.into()))?;
        let (within, parent, name) = place;
        let number = self.places.len();
        let hides = statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        if hides {
            let moved = renameat(&parent, &name, &self.aside, format!("old-{number}"));
            moved.map_err(|errno| failed("set aside what is there", errno.into()))?;
        }
        let filled = fill(&self.path.join(within));
        let (end, result) = match filled {
            Ok(end) => (end, Ok(())),
            Err(error) => (End::Discard, Err(failed("put it there without a mount", error))),
        };
        self.places.push(Place { parent, name, hides, end });
        result
    }

    /// Where a target lies, without links, in a directory that is there.
    fn place(&mut self, target: &Path) -> Result<(PathBuf, OwnedFd, OsString), Errno> {
        let within = stubs::locate(self.root.as_fd(), target)?;
        let name = within.file_name().ok_or(Errno::INVAL)?.to_owned();
        let open = |path: &Path| mount::open_inside(self.root.as_fd(), path, OFlags::RDONLY | OFlags::DIRECTORY, NO_LINKS);
        let mut parent = open(Path::new(""))?;
        let mut reached = PathBuf::new();
        for part in within.parent().unwrap_or(Path::new("")) {
            reached.push(part);
            match mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
                Ok(()) => self.made.push((parent, part.to_owned())),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            parent = open(&reached)?;
        }
        Ok((within, parent, name))
    }

    /// Takes everything out again. All processes of the step must be dead.
    pub(crate) fn withdraw(self) -> Result<(), RunError> {
        let mut failed = None;
        for (number, place) in self.places.iter().enumerate().rev() {
            if let Err(error) = place.withdraw(&self.aside, number) {
                failed = failed.or(Some(setup("take what stood for a mount out of the root directory", error)));
            }
        }
        for (parent, name) in self.made.iter().rev() {
            // The step may have put something in there, which is then its work.
            let _ = unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Place {
    fn withdraw(&self, aside: &OwnedFd, number: usize) -> io::Result<()> {
        let used = format!("used-{number}");
        if let End::Destroy(file) = &self.end {
            file.set_len(0)?;
        }
        match renameat(&self.parent, &self.name, aside, &used) {
            Ok(()) => {
                if let End::Keep(directory) = &self.end {
                    renameat_with(aside, &used, CWD, directory, RenameFlags::EXCHANGE)?;
                }
            }
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.hides {
            renameat(aside, format!("old-{number}"), &self.parent, &self.name)?;
        }
        Ok(())
    }
}

fn discard(put: io::Result<()>) -> io::Result<End> {
    put.map(|()| End::Discard)
}

fn fill_mount(kind: &MountKind, path: &Path) -> io::Result<End> {
    match kind {
        MountKind::Bind { tree: Tree::Directory(tree), source } => take(tree, source, path).map(|()| End::Discard),
        MountKind::Bind { .. } => Err(Errno::OPNOTSUPP.into()),
        MountKind::Cache { directory, read_only } => {
            copy::tree(directory, path)?;
            Ok(if *read_only { End::Discard } else { End::Keep(directory.clone()) })
        }
        MountKind::Tmpfs { .. } => {
            fs::create_dir(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o1777))?;
            Ok(End::Discard)
        }
        MountKind::Secret { content, mode, uid, gid } => {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(content.expose())?;
            fchown(&file, Some(*uid), Some(*gid))?;
            file.set_permissions(Permissions::from_mode(*mode))?;
            Ok(End::Destroy(file))
        }
        MountKind::Socket { path: socket } => fs::hard_link(socket, path).map(|()| End::Discard),
    }
}

/// Moves a part of a tree, which is this step's alone, to `path`. Links in `source` are followed inside the tree.
fn take(tree: &Path, source: &Path, path: &Path) -> io::Result<()> {
    let opened = mount::place(tree)?;
    let within = if fs::symlink_metadata(tree)?.is_dir() { stubs::locate(opened.as_fd(), source)? } else { PathBuf::new() };
    let from = if within.as_os_str().is_empty() { tree.to_owned() } else { tree.join(within) };
    fs::rename(from, path)
}

fn setup(action: &str, source: io::Error) -> RunError {
    RunError::Setup { action: action.to_owned(), source }
}
