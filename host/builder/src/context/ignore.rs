//! Which ignore file counts, and what it says.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use windlass_dockerfile::ignore::IgnoreRules;

use super::{ContextError, beneath};

const NAME: &str = ".dockerignore";

/// The largest ignore file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The rules of `<dockerfile>.dockerignore`, else of `.dockerignore` in the context, if there is either.
pub(super) fn rules(root: BorrowedFd<'_>, dockerfile: Option<&Path>) -> Result<Option<IgnoreRules>, ContextError> {
    if let Some(dockerfile) = dockerfile {
        let mut name = dockerfile.as_os_str().to_os_string();
        name.push(NAME);
        let path = PathBuf::from(name);
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(&path);
        if let Some(rules) = read(&path, file)? {
            return Ok(Some(rules));
        }
    }
    read(Path::new(NAME), open_in_context(root).map_err(io::Error::from))
}

/// A link is followed, but an absolute one starts at the context and none leaves it.
fn open_in_context(root: BorrowedFd<'_>) -> rustix::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match openat2(root, NAME, flags, Mode::empty(), resolve) {
        Err(Errno::NOSYS | Errno::PERM) => beneath::open_file(root, Path::new(NAME)).map(File::from),
        other => other.map(File::from),
    }
}

fn read(path: &Path, file: io::Result<File>) -> Result<Option<IgnoreRules>, ContextError> {
    let failed = |source| ContextError::IgnoreFile { path: path.to_path_buf(), source: Arc::new(source) };
    let file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")));
    }
    let mut content = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LARGEST {
        return Err(ContextError::IgnoreFileTooLarge { path: path.to_path_buf(), limit: LARGEST });
    }
    let rules = IgnoreRules::parse(&content, &path.display().to_string());
    rules.map(Some).map_err(|findings| ContextError::IgnorePattern { path: path.to_path_buf(), findings })
}
