//! Entries and the contents of their files, read into blocks.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::WriteError;
use super::blocks::{Blocks, Ship, Stopped};
use crate::stream::Decoder;
use crate::tar::{BLOCK, padding, write};
use crate::{Content, DiffError, Entry, EntryKind};

/// Why the producer of blocks ended early.
#[derive(Debug)]
pub(crate) enum Halt {
    /// Something is wrong with what it reads.
    Failed(WriteError),
    /// The other side has stopped taking blocks.
    Stopped,
}

impl From<Stopped> for Halt {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

/// Where a tar stream comes from.
pub(crate) trait Produce: Send {
    /// Writes the whole stream.
    fn produce<S: Ship>(self, blocks: Blocks<'_, S>) -> Result<(), Halt>;
}

/// Entries, with times of at most `latest`.
pub(crate) struct Listed<I> {
    pub(crate) entries: I,
    pub(crate) latest: Option<i64>,
}

impl<'e, I: Iterator<Item = Result<Cow<'e, Entry>, DiffError>> + Send> Produce for Listed<I> {
    fn produce<S: Ship>(self, blocks: Blocks<'_, S>) -> Result<(), Halt> {
        produce(self.entries, self.latest, blocks)
    }
}

/// A blob that is there already.
pub(crate) struct Streamed<R: Read> {
    pub(crate) decoder: Decoder<R>,
}

impl<R: Read + Send> Produce for Streamed<R> {
    fn produce<S: Ship>(mut self, mut blocks: Blocks<'_, S>) -> Result<(), Halt> {
        loop {
            let room = blocks.room()?;
            match self.decoder.read(room).map_err(|error| Halt::Failed(error.into()))? {
                0 => return Ok(blocks.finish()?),
                count => blocks.fill(count),
            }
        }
    }
}

fn produce<'e, S: Ship>(
    entries: impl Iterator<Item = Result<Cow<'e, Entry>, DiffError>>,
    latest: Option<i64>,
    mut blocks: Blocks<'_, S>,
) -> Result<(), Halt> {
    let mut headers = Vec::with_capacity(4 * BLOCK);
    for entry in entries {
        let entry = entry.map_err(|error| Halt::Failed(error.into()))?;
        headers.clear();
        write::headers(&entry, latest, &mut headers)
            .map_err(|problem| Halt::Failed(WriteError::Entry { path: entry.path.clone(), problem: problem.to_string() }))?;
        blocks.put(&headers)?;
        if let EntryKind::File { size, content } = &entry.kind {
            put_content(&mut blocks, &entry, *size, content)?;
            blocks.put_zeros(padding(*size))?;
        }
    }
    blocks.put_zeros(2 * BLOCK)?;
    blocks.finish()?;
    Ok(())
}

fn put_content<S: Ship>(blocks: &mut Blocks<'_, S>, entry: &Entry, size: u64, content: &Content) -> Result<(), Halt> {
    match content {
        Content::File(file) => put_file(blocks, entry, size, file),
        Content::Inline(bytes) if bytes.len() as u64 == size => Ok(blocks.put(bytes)?),
        Content::Inline(bytes) => Err(Halt::Failed(WriteError::Entry {
            path: entry.path.clone(),
            problem: format!("its size is told as {size} and is {}", bytes.len()),
        })),
        Content::Absent => Err(Halt::Failed(WriteError::Absent { path: entry.path.clone() })),
    }
}

fn put_file<S: Ship>(blocks: &mut Blocks<'_, S>, entry: &Entry, size: u64, path: &Path) -> Result<(), Halt> {
    let failed = |source| Halt::Failed(WriteError::Read { path: entry.path.clone(), file: path.to_owned(), source });
    let changed = |found| Halt::Failed(WriteError::Changed { file: path.to_owned(), expected: size, found });
    let mut file = open(path, size).map_err(|problem| match problem {
        OpenProblem::Io(source) => failed(source),
        OpenProblem::NotAFile => Halt::Failed(WriteError::NotAFile { file: path.to_owned() }),
        OpenProblem::Size(found) => changed(found),
    })?;
    let mut left = size;
    while left > 0 {
        let room = blocks.room()?;
        let most = usize::try_from(left).map_or(room.len(), |left| left.min(room.len()));
        match file.read(&mut room[..most]) {
            Ok(0) => return Err(changed(size - left)),
            Ok(count) => {
                blocks.fill(count);
                left -= count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match file.read(&mut [0]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(changed(file.metadata().map_or(size + 1, |now| now.len()))),
        Err(error) => Err(failed(error)),
    }
}

/// Why a content cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenProblem {
    /// The system said no.
    Io(std::io::Error),
    /// It is something else than a regular file.
    NotAFile,
    /// It has another size than the entry tells.
    Size(u64),
}

/// Opens the file of an entry's content: never a link, never anything that could make the reader wait.
pub(crate) fn open(path: &Path, size: u64) -> Result<File, OpenProblem> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => return Err(OpenProblem::NotAFile),
        Err(error) => return Err(OpenProblem::Io(error.into())),
    };
    let metadata = file.metadata().map_err(OpenProblem::Io)?;
    if !metadata.is_file() {
        return Err(OpenProblem::NotAFile);
    }
    if metadata.len() != size {
        return Err(OpenProblem::Size(metadata.len()));
    }
    Ok(file)
}

impl From<OpenProblem> for std::io::Error {
    fn from(problem: OpenProblem) -> Self {
        match problem {
            OpenProblem::Io(error) => error,
            OpenProblem::NotAFile => Self::other("it is no regular file any more"),
            OpenProblem::Size(found) => Self::other(format!("it changed while it was read: it has {found} bytes now")),
        }
    }
}
