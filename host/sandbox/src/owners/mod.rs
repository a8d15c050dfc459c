//! Owners with one id: a process beside the command is told of every change of an owner, which the command could not make, and
//! notes the wanted one down.
//!
//! Files and directories carry the note as an extended attribute, which stays with them when they are moved, copied up by the
//! overlay, or linked. The rest cannot carry any: their paths are written to a file.

mod call;
mod target;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use serde::{Deserialize, Serialize};

use crate::sys::{self, Notification};
use crate::wire;
use call::Change;
use target::View;

/// Where wanted owners are noted down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerRecord {
    /// The name of the extended attribute, below `user.`; its value is such as `1000:1000`.
    pub attribute: String,
    /// The file for what cannot have that attribute. It is made when it is first needed.
    pub file: PathBuf,
}

impl OwnerRecord {
    /// What is in the file: paths below the root, with user and group; the last one counts.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn paths(&self) -> io::Result<Vec<(PathBuf, u32, u32)>> {
        let text = match std::fs::read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let line = |line: &[u8]| {
            let mut fields = line.splitn(2, |&byte| byte == b' ');
            let (uid, gid) = parse(fields.next()?)?;
            let path = std::ffi::OsString::from_vec(fields.next()?.to_vec());
            Some((Path::new(&path).strip_prefix("/").ok()?.to_owned(), uid, gid))
        };
        Ok(text.split(|&byte| byte == 0).filter_map(line).collect())
    }
}

/// Reads the value of the attribute.
fn parse(value: &[u8]) -> Option<(u32, u32)> {
    let (uid, gid) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// The process that notes down. It has to be started before the PID namespace is made, to see the command's processes, and
/// ends with its parent.
pub(crate) struct Clerk {
    pid: Pid,
}

impl Clerk {
    /// Starts it; the command sends the descriptor of its filter through the other end of `channel`.
    pub(crate) fn start(channel: OwnedFd, record: Option<OwnerRecord>, user: (u32, u32)) -> Result<Self, Errno> {
        let pid = sys::fork(move || {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            crate::supervisor::close_output();
            let Ok(Some(listener)) = wire::receive_descriptor(channel.as_fd()) else { return 0 };
            drop(channel);
            let Ok(view) = View::new() else { return 1 };
            Desk { listener, view, record, user }.serve();
            0
        })?;
        Ok(Self { pid })
    }

    /// Ends it, once no process of the command is left.
    pub(crate) fn end(self) {
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
        while matches!(waitpid(Some(self.pid), WaitOptions::empty()), Err(Errno::INTR)) {}
    }
}

struct Desk {
    listener: OwnedFd,
    view: View,
    record: Option<OwnerRecord>,
    /// Who makes the files that the command makes.
    user: (u32, u32),
}

impl Desk {
    /// Answers every call until there is no process left that could make one.
    fn serve(mut self) {
        // The file lies outside of what the command sees.
        let mut file =
            self.record.as_ref().and_then(|record| OpenOptions::new().append(true).create(true).open(&record.file).ok());
        loop {
            let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                Ok(_) if fds[0].revents().contains(PollFlags::IN) => {}
                _ => return,
            }
            // One whose process was killed meanwhile is not there any more.
            let Ok(notification) = sys::receive_notification(self.listener.as_fd()) else { continue };
            let result = self.note(&notification, file.as_mut());
            let _ = sys::answer_notification(self.listener.as_fd(), &notification, result);
        }
    }

    /// Does what a change of owner does besides: it clears set-user-id, takes the file into the upper layer, and fails for what
    /// is not there or read-only. Then notes down what it was to be.
    fn note(&mut self, notification: &Notification, file: Option<&mut File>) -> Result<(), Errno> {
        let Some(change) = Change::of(notification) else { return Ok(()) };
        let target = self.view.open(&change, notification, self.listener.as_fd())?;
        let own = |id: Option<u32>| id.map(|_| 0);
        let (uid, gid) = (own(change.uid).map(rustix::fs::Uid::from_raw), own(change.gid).map(rustix::fs::Gid::from_raw));
        match rustix::fs::chownat(&target, "", uid, gid, AtFlags::EMPTY_PATH) {
            Ok(()) => {}
            // A file of the machine, which has an owner outside of the namespace.
            Err(Errno::PERM | Errno::OVERFLOW) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        match &self.record {
            Some(record) if change.uid.is_some() || change.gid.is_some() => self.write_down(record, &change, &target, file),
            _ => Ok(()),
        }
    }

    fn write_down(&self, record: &OwnerRecord, change: &Change, target: &OwnedFd, file: Option<&mut File>) -> Result<(), Errno> {
        self.view.leave()?;
        let (link, attribute) = (self.view.link_to(target), record.attribute.as_str());
        let mut value = [0; 64];
        let known = rustix::fs::getxattr(&link, attribute, &mut value).ok().and_then(|length| parse(value.get(..length)?));
        let (uid, gid) = known.unwrap_or(self.user);
        let (uid, gid) = (change.uid.unwrap_or(uid), change.gid.unwrap_or(gid));
        let owner = format!("{uid}:{gid}");
        let kind = FileType::from_raw_mode(rustix::fs::fstat(target)?.st_mode);
        if matches!(kind, FileType::RegularFile | FileType::Directory)
            && rustix::fs::setxattr(&link, attribute, owner.as_bytes(), XattrFlags::empty()).is_ok()
        {
            return Ok(());
        }
        let Some(file) = file else { return Ok(()) };
        let path = rustix::fs::readlink(&link, Vec::new())?;
        let line = [owner.as_bytes(), b" ", path.as_bytes(), b"\0"].concat();
        file.write_all(&line).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

fn open_directory(at: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(at, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn paths_of_any_bytes_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let record = OwnerRecord { attribute: "user.x".to_owned(), file: directory.path().join("owners") };
        assert_eq!(record.paths().unwrap(), []);
        std::fs::write(&record.file, [&b"1:2 /a b\n\xff\0"[..], b"3:4 /c\0"].concat()).unwrap();
        let odd = PathBuf::from(std::ffi::OsStr::from_bytes(b"a b\n\xff"));
        assert_eq!(record.paths().unwrap(), [(odd, 1, 2), ("c".into(), 3, 4)]);
    }
}
