//! Content digests of files: remembered where possible, else computed in parallel.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use windlass_layer::Timestamp;

use super::tree::FileState;
use super::{Context, ContextError, beneath};
use crate::store::{DigestMemory, Fingerprint, Remembered};

const MOST_THREADS: usize = 8;

/// The largest file that is read, in bytes: as much as a layer may hold, see [`windlass_layer::Limits`]. A hole of a terabyte
/// would be read for an hour else.
const LARGEST: u64 = 256 << 30;

/// One read, in bytes: large enough for the system calls not to count, small enough for the cache.
const CHUNK: usize = 256 * 1024;

/// A file to be digested.
#[derive(Debug, Clone)]
pub struct Pending<'a> {
    /// Its path, relative to the context or absolute, as the memory is for.
    pub path: &'a Path,
    /// What it was when it was looked at.
    pub state: FileState,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDigest {
    /// The blake3 digest of its content.
    pub digest: [u8; 32],
    /// The value of its `security.capability` attribute, the only one that builders put into layers.
    pub capabilities: Option<Vec<u8>>,
}

impl Context {
    /// The digests of those files, in their order.
    ///
    /// # Errors
    /// When one cannot be read or is not what it was when it was looked at.
    pub fn digests(&self, files: &[Pending<'_>], memory: &DigestMemory) -> Result<Vec<FileDigest>, ContextError> {
        digests(files, memory, &|path| beneath::open_file(self.root.as_fd(), path))
    }
}

/// Opens a file of the kind that [`Pending::path`] names.
pub(crate) type Open<'a> = dyn Fn(&Path) -> rustix::io::Result<OwnedFd> + Sync + 'a;

/// The digests of `files`, which `open` opens without following links and without blocking on pipes.
pub(crate) fn digests(files: &[Pending<'_>], memory: &DigestMemory, open: &Open<'_>) -> Result<Vec<FileDigest>, ContextError> {
    let fingerprint = |file: &Pending<'_>| {
        use std::os::unix::ffi::OsStrExt;
        let state = &file.state;
        Fingerprint::new(file.path.as_os_str().as_bytes(), state.inode, state.size, state.modified, state.changed)
    };
    let prints: Vec<Fingerprint> = files.iter().map(fingerprint).collect();
    let mut results: Vec<Option<FileDigest>> = Vec::with_capacity(files.len());
    let mut missing = Vec::new();
    for (index, known) in memory.get_all(&prints).into_iter().enumerate() {
        let complete = known.filter(|known| !known.has_capabilities);
        if complete.is_none() {
            missing.push(index);
        }
        results.push(complete.map(|known| FileDigest { digest: known.digest, capabilities: None }));
    }
    let repeated = repeated(&missing, &prints);
    missing.retain(|index| !repeated.contains_key(index));
    let looked = now();
    for (index, digest) in in_parallel(&missing, |index| read(&files[index], open))? {
        let state = &files[index].state;
        let value = Remembered { digest: digest.digest, has_capabilities: digest.capabilities.is_some() };
        memory.put(prints[index], state.modified, state.changed, looked, value);
        results[index] = Some(digest);
    }
    for (later, first) in repeated {
        results[later] = results[first].clone();
    }
    Ok(results.into_iter().flatten().collect())
}

/// Those of `indexes` whose file stands among them before, with where: a source may be named thousands of times.
fn repeated(indexes: &[usize], prints: &[Fingerprint]) -> HashMap<usize, usize> {
    let mut sorted = indexes.to_vec();
    sorted.sort_unstable_by_key(|&index| (prints[index], index));
    let same = sorted.chunk_by(|&one, &other| prints[one] == prints[other]);
    same.flat_map(|same| same[1..].iter().map(|&later| (later, same[0]))).collect()
}

type Done = Vec<(usize, FileDigest)>;

fn in_parallel(indexes: &[usize], read: impl Fn(usize) -> Result<FileDigest, ContextError> + Sync) -> Result<Done, ContextError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(indexes.len().div_ceil(16));
    let next = AtomicUsize::new(0);
    let outcome: Mutex<Result<Done, ContextError>> = Mutex::new(Ok(Vec::with_capacity(indexes.len())));
    let work = || {
        let mut done = Vec::new();
        while let Some(&index) = indexes.get(next.fetch_add(1, Ordering::Relaxed)) {
            match read(index) {
                Ok(digest) => done.push((index, digest)),
                Err(error) => {
                    // The others stop at their next file.
                    next.store(indexes.len(), Ordering::Relaxed);
                    *outcome.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                    return;
                }
            }
        }
        if let Ok(all) = outcome.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            all.append(&mut done);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn read(file: &Pending<'_>, open: &Open<'_>) -> Result<FileDigest, ContextError> {
    if file.state.size > LARGEST {
        return Err(ContextError::FileTooLarge { path: file.path.to_path_buf(), limit: LARGEST });
    }
    let changed = || ContextError::Changed { path: file.path.to_path_buf() };
    let failed = |errno: rustix::io::Errno| match errno {
        rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => changed(),
        errno => ContextError::read(file.path, errno),
    };
    let descriptor = open(file.path).map_err(failed)?;
    let before = beneath::look_at(descriptor.as_fd()).map_err(failed)?;
    if FileState::from(&before) != file.state || !is_file(&before) {
        return Err(changed());
    }
    let (digest, length) = hash(&descriptor, file.state.size).map_err(failed)?;
    if length != file.state.size {
        return Err(changed());
    }
    Ok(FileDigest { digest, capabilities: capabilities(&descriptor).map_err(failed)? })
}

fn is_file(stat: &rustix::fs::Statx) -> bool {
    rustix::fs::FileType::from_raw_mode(u32::from(stat.stx_mode)).is_file()
}

/// The digest and the number of bytes read, which is at most `size`: a file that grows does not hold us up.
fn hash(file: &OwnedFd, size: u64) -> rustix::io::Result<([u8; 32], u64)> {
    thread_local! {
        static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        let mut hasher = blake3::Hasher::new();
        let mut length = 0u64;
        while length < size {
            let rest = usize::try_from(size - length).unwrap_or(CHUNK).min(CHUNK);
            let count = match rustix::io::read(file, &mut buffer[..rest]) {
                Ok(0) => break,
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno),
            };
            hasher.update(&buffer[..count]);
            length += count as u64;
        }
        Ok((*hasher.finalize().as_bytes(), length))
    })
}

fn capabilities(file: &OwnedFd) -> rustix::io::Result<Option<Vec<u8>>> {
    // 24 bytes in its longest version (linux/capability.h).
    let mut value = [0u8; 64];
    match rustix::fs::fgetxattr(file, "security.capability", &mut value) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP | rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => {
            Ok(None)
        }
        Err(errno) => Err(errno),
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX), nanoseconds: now.subsec_nanos() }
}
