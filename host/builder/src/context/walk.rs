//! Reading directories: one when it is asked for, or all below one with several threads.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fs::{FileType, RawDir, Statx};
use rustix::io::Errno;

use super::rules::Verdict;
use super::tree::{Directory, FileState, Node, NodeKind};
use super::{Context, ContextError, beneath};

/// More threads than this only wait for each other in the kernel.
const MOST_THREADS: usize = 8;

/// Helpers are called when this many directories are waiting.
const WORTH_HELP: usize = 4;

impl Context {
    /// The nodes of a directory, sorted by the bytes of their names. Reads it the first time.
    ///
    /// # Errors
    /// When it cannot be read, or is another directory by now.
    pub fn nodes<'a>(&self, directory: &'a Directory) -> Result<&'a [Node], ContextError> {
        match directory.nodes.get_or_init(|| self.read_directory(directory)) {
            Ok(nodes) => Ok(nodes),
            Err(error) => Err(error.clone()),
        }
    }

    /// Reads everything below `directory` that has not been read, in parallel.
    ///
    /// # Errors
    /// The first failure.
    pub fn prefetch(&self, directory: &Directory) -> Result<(), ContextError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let queue = Queue::new(directory);
        std::thread::scope(|scope| {
            let mut helpers = 0;
            queue.work(self, &mut |waiting| {
                if waiting > WORTH_HELP && helpers + 1 < threads {
                    helpers += 1;
                    let queue = &queue;
                    scope.spawn(move || queue.work(self, &mut |_| {}));
                }
            });
        });
        queue.result()
    }

    fn read_directory(&self, directory: &Directory) -> Result<Vec<Node>, ContextError> {
        let failed = |path: &Path, errno: Errno| match errno {
            // It was a directory when its parent was read.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP => ContextError::Changed { path: path.to_path_buf() },
            errno => ContextError::read(path, errno),
        };
        let open = beneath::open_directory(self.root.as_fd(), &directory.path).map_err(|errno| failed(&directory.path, errno))?;
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(&open, buffer.spare_capacity_mut());
        let mut nodes = Vec::new();
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| failed(&directory.path, errno))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let name = OsStr::from_bytes(name);
            let path = directory.path.join(name);
            let verdict = self.rules.judge(&directory.verdict, name);
            // Most file systems tell the type without a look, and what is left out need not be looked at.
            let may_hold = matches!(entry.file_type(), FileType::Directory | FileType::Unknown) && !verdict.is_closed;
            if verdict.is_excluded && !may_hold {
                continue;
            }
            match beneath::look(open.as_fd(), entry.file_name()) {
                Ok(stat) => nodes.extend(node(&open, path, verdict, &stat)?),
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(&path, errno)),
            }
        }
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }
}

fn node(parent: impl AsFd, path: PathBuf, verdict: Verdict, stat: &Statx) -> Result<Option<Node>, ContextError> {
    let name = path.file_name().unwrap_or_default().to_os_string();
    let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::Directory => NodeKind::Directory(Box::new(Directory::new(path, verdict))),
        _ if verdict.is_excluded => return Ok(None),
        FileType::RegularFile => NodeKind::File,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(parent, &name, Vec::new());
            let target = target.map_err(|errno| ContextError::read(&path, errno))?;
            NodeKind::Symlink(PathBuf::from(OsString::from_vec(target.into_bytes())))
        }
        FileType::Fifo => NodeKind::Fifo,
        FileType::CharacterDevice => NodeKind::CharacterDevice(stat.stx_rdev_major, stat.stx_rdev_minor),
        FileType::BlockDevice => NodeKind::BlockDevice(stat.stx_rdev_major, stat.stx_rdev_minor),
        FileType::Socket | FileType::Unknown => return Ok(None),
    };
    let mode = u32::from(stat.stx_mode) & 0o7777;
    Ok(Some(Node { name, mode, links: stat.stx_nlink, state: FileState::from(stat), kind }))
}

/// Directories that wait to be read, and how many threads are reading one.
#[derive(Debug)]
struct Queue<'a> {
    state: Mutex<QueueState<'a>>,
    wake: Condvar,
}

#[derive(Debug)]
struct QueueState<'a> {
    waiting: VecDeque<&'a Directory>,
    reading: usize,
    error: Option<ContextError>,
}

impl<'a> Queue<'a> {
    fn new(first: &'a Directory) -> Self {
        let state = QueueState { waiting: VecDeque::from([first]), reading: 0, error: None };
        Self { state: Mutex::new(state), wake: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads directories until none is left; tells `progress` how many wait after each.
    fn work(&self, context: &Context, progress: &mut dyn FnMut(usize)) {
        while let Some(directory) = self.take() {
            let read = context.nodes(directory);
            let waiting = self.give_back(read);
            progress(waiting);
        }
    }

    fn take(&self) -> Option<&'a Directory> {
        let mut state = self.lock();
        loop {
            if let Some(directory) = state.waiting.pop_back() {
                state.reading += 1;
                return Some(directory);
            }
            if state.reading == 0 {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, read: Result<&'a [Node], ContextError>) -> usize {
        let mut state = self.lock();
        state.reading -= 1;
        match read {
            Ok(nodes) if state.error.is_none() => state.waiting.extend(nodes.iter().filter_map(Node::directory)),
            Ok(_) => {}
            Err(error) => {
                state.waiting.clear();
                state.error.get_or_insert(error);
            }
        }
        self.wake.notify_all();
        state.waiting.len()
    }

    fn result(self) -> Result<(), ContextError> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).error.map_or(Ok(()), Err)
    }
}
