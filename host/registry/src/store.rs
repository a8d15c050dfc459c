//! The content store: a directory `blobs/<algorithm>/<hex>`, as in the OCI image layout.
//!
//! Several processes may use one store. A blob appears whole or not at all: it is written under `ingest/` and renamed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;
use windlass_core::Digest;

use crate::arriving::Arrival;
use crate::checksum::Checksum;

/// Files in `ingest/` younger than this are never swept: their writer may be about to lock them.
const YOUNG: Duration = Duration::from_secs(60);

/// A content store. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Blobs {
    root: PathBuf,
    is_sealed: bool,
}

/// Why the store could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {verb} {path}")]
    Io {
        /// What was tried, such as `write`.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The bytes have another digest than they were written or read for.
    #[error("{what} has the digest {found}, expected {expected}")]
    Mismatch {
        /// What was checked.
        what: String,
        /// What was expected.
        expected: Digest,
        /// What was found.
        found: Digest,
    },
    /// The blob is larger than the caller can take.
    #[error("{digest} is {size} bytes; at most {limit} are read")]
    TooLarge {
        /// Which blob.
        digest: Digest,
        /// How large it is.
        size: u64,
        /// The caller's limit.
        limit: u64,
    },
}

fn failed<'a>(verb: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { verb, path: path.to_owned(), source }
}

impl Blobs {
    /// The store in `root`, whose directories are made where they are missing.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        for part in ["blobs/sha256", "ingest"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(failed("create", &path))?;
        }
        Ok(Self { root, is_sealed: false })
    }

    /// The same store, which notices damage at the price of a look at the file: every blob has the modification time
    /// that belongs to its digest, and one with another time, as when it was written to or is another's file, is read and
    /// compared before it is handed out.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.is_sealed = true;
        self
    }

    /// The directory that holds `blobs/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the blob is or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs").join(digest.algorithm()).join(digest.hex())
    }

    /// The blob's size in bytes; `None` when it is not here.
    #[must_use]
    pub fn size(&self, digest: &Digest) -> Option<u64> {
        fs::metadata(self.path(digest)).ok().filter(fs::Metadata::is_file).map(|m| m.len())
    }

    /// Whether the blob is here.
    #[must_use]
    pub fn contains(&self, digest: &Digest) -> bool {
        self.size(digest).is_some()
    }

    /// Whether the blob is here with that size and, in a sealed store, with its seal or else its digest.
    #[must_use]
    pub fn holds(&self, digest: &Digest, size: u64) -> bool {
        let Ok(metadata) = fs::metadata(self.path(digest)) else { return false };
        metadata.is_file() && metadata.len() == size && (!self.is_sealed || self.has_seal(digest, &metadata))
    }

    /// Whether a blob is what was put here. One that has lost its seal, as in a copied store, gets it back when it is.
    fn has_seal(&self, digest: &Digest, metadata: &fs::Metadata) -> bool {
        if !metadata.modified().is_ok_and(|time| time == seal(digest)) && self.verify(digest).is_err() {
            return false;
        }
        // Set anew in any case: its status change time tells when it was last used. Where that is refused, only that is lost.
        let _ = File::open(self.path(digest)).and_then(|file| file.set_modified(seal(digest)));
        true
    }

    /// Opens the blob: what wrote it has verified it, and a sealed store looks whether it still is that.
    ///
    /// # Errors
    /// When it is not here, cannot be read, or has lost its seal and has another digest.
    pub fn file(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.path(digest);
        let file = File::open(&path).map_err(failed("open", &path))?;
        let metadata = file.metadata().map_err(failed("read", &path))?;
        if self.is_sealed && !metadata.modified().is_ok_and(|time| time == seal(digest)) {
            self.verify(digest)?;
        }
        Ok(file)
    }

    /// The whole blob, verified. For manifests and configurations, not for layers.
    ///
    /// # Errors
    /// When it is not here, larger than `limit` bytes, or has another digest.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.path(digest);
        let file = self.file(digest)?;
        let size = file.metadata().map_err(failed("read", &path))?.len();
        let mut bytes = Vec::new();
        if size <= limit {
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        }
        if size > limit || bytes.len() as u64 > limit {
            return Err(StoreError::TooLarge { digest: digest.clone(), size, limit });
        }
        matches(path.display().to_string(), digest, Checksum::of(&bytes, digest))?;
        Ok(bytes)
    }

    /// Reads the whole blob and compares its digest.
    ///
    /// # Errors
    /// When it is not here or has another digest.
    pub fn verify(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.path(digest);
        let mut file = File::open(&path).map_err(failed("open", &path))?;
        let mut sum = Checksum::like(digest);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match file.read(&mut buffer).map_err(failed("read", &path))? {
                0 => return matches(path.display().to_string(), digest, sum.finish()),
                count => sum.update(&buffer[..count]),
            }
        }
    }

    /// Stores `bytes` and returns their SHA-256 digest.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = crate::checksum::sha256(bytes);
        if self.holds(&digest, bytes.len() as u64) {
            return Ok(digest);
        }
        let mut writer = self.writer()?;
        writer.write_all(bytes).map_err(failed("write", &self.root.join("ingest")))?;
        writer.commit().map(|(digest, _)| digest)
    }

    /// Begins a blob whose SHA-256 digest is known only at its end.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn writer(&self) -> Result<BlobWriter, StoreError> {
        self.begin(Some(Checksum::sha256()))
    }

    /// Begins the blob `digest`; [`BlobWriter::commit_as`] ends it.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn writer_for(&self, digest: &Digest) -> Result<BlobWriter, StoreError> {
        self.begin(Some(Checksum::like(digest)))
    }

    /// Begins a blob that whoever writes it sums; [`BlobWriter::place`] ends it.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn unsummed_writer(&self) -> Result<BlobWriter, StoreError> {
        self.begin(None)
    }

    fn begin(&self, sum: Option<Checksum>) -> Result<BlobWriter, StoreError> {
        let directory = self.root.join("ingest");
        // Readable as the umask says: layouts share this code, and others read them.
        let file = tempfile::Builder::new()
            .prefix("blob-")
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(&directory)
            .map_err(failed("create a file in", &directory))?;
        // The lock tells `sweep` that the writer lives; a file system without locks only loses that.
        let _ = file.as_file().try_lock();
        Ok(BlobWriter { store: self.clone(), file, sum, size: 0, arrival: None })
    }

    /// Removes what killed processes left half-written.
    ///
    /// # Errors
    /// When `ingest/` cannot be listed.
    pub fn sweep(&self) -> Result<(), StoreError> {
        let directory = self.root.join("ingest");
        for entry in fs::read_dir(&directory).map_err(failed("list", &directory))?.flatten() {
            let old = entry
                .metadata()
                .and_then(|m| m.modified())
                .is_ok_and(|t| SystemTime::now().duration_since(t).is_ok_and(|age| age > YOUNG));
            if old && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

/// The modification time of a blob in a sealed store: whole, even seconds, which every file system and archive can hold.
fn seal(digest: &Digest) -> SystemTime {
    let start = digest.hex().get(..8).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(start & 0x7fff_fffe))
}

fn matches(what: String, expected: &Digest, found: Digest) -> Result<(), StoreError> {
    if *expected == found { Ok(()) } else { Err(StoreError::Mismatch { what, expected: expected.clone(), found }) }
}

/// A blob that is being written and summed. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct BlobWriter {
    store: Blobs,
    file: NamedTempFile,
    /// `None` when whoever writes sums.
    sum: Option<Checksum>,
    size: u64,
    arrival: Option<Arrival>,
}

impl BlobWriter {
    /// How many bytes were written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Ends the blob and puts it into the store under the digest it has; returns that and the size in bytes.
    ///
    /// # Errors
    /// When it cannot be written or renamed.
    pub fn commit(self) -> Result<(Digest, u64), StoreError> {
        let (digest, size) = (self.found(), self.size);
        self.place(&digest)?;
        Ok((digest, size))
    }

    /// Ends the blob, which must be `expected`.
    ///
    /// # Errors
    /// When it is another one, or cannot be written or renamed.
    pub fn commit_as(self, expected: &Digest) -> Result<(), StoreError> {
        matches("what was written".to_owned(), expected, self.found())?;
        self.place(expected)
    }

    fn found(&self) -> Digest {
        self.sum.clone().expect("only a summed writer is handed out").finish()
    }

    /// The file, for a writer that sums by itself.
    pub(crate) fn reopened(&self) -> Result<File, StoreError> {
        self.file.as_file().try_clone().map_err(failed("open", self.file.path()))
    }

    /// The same writer, which tells the other end of `arrival` what it writes, see [`crate::arriving()`].
    ///
    /// # Errors
    /// When the file cannot be read meanwhile.
    pub fn announced(mut self, arrival: Arrival) -> Result<Self, StoreError> {
        arrival.begin(self.reopened()?);
        self.arrival = Some(arrival);
        Ok(self)
    }

    /// Puts what was written into the store as `digest`, which whoever wrote it has verified.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn place(self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.store.path(digest);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
        }
        if self.store.is_sealed {
            self.file.as_file().set_modified(seal(digest)).map_err(failed("seal", &path))?;
        }
        self.file.persist(&path).map_err(|error| error.error).map_err(failed("write", &path))?;
        if let Some(arrival) = self.arrival {
            arrival.whole();
        }
        Ok(())
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.as_file_mut().write(bytes)?;
        if let Some(sum) = &mut self.sum {
            sum.update(&bytes[..count]);
        }
        self.size += count as u64;
        if let Some(arrival) = &self.arrival {
            arrival.written(self.size);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_appears_only_when_it_is_whole_and_right() {
        let directory = tempfile::tempdir().unwrap();
        let store = Blobs::open(directory.path()).unwrap();
        let digest = crate::checksum::sha256(b"hello");
        let mut writer = store.writer_for(&digest).unwrap();
        writer.write_all(b"hel").unwrap();
        assert!(!store.contains(&digest));
        writer.write_all(b"lo").unwrap();
        writer.commit_as(&digest).unwrap();
        assert_eq!(store.read(&digest, 5).unwrap(), b"hello");
        let mut writer = store.writer_for(&digest).unwrap();
        writer.write_all(b"jello").unwrap();
        assert!(matches!(writer.commit_as(&digest), Err(StoreError::Mismatch { .. })));
        assert_eq!(fs::read_dir(directory.path().join("ingest")).unwrap().count(), 0);
    }

    #[test]
    fn damage_and_size_are_noticed_on_reading() {
        let directory = tempfile::tempdir().unwrap();
        let store = Blobs::open(directory.path()).unwrap();
        let digest = store.put(b"hello").unwrap();
        assert!(matches!(store.read(&digest, 4), Err(StoreError::TooLarge { .. })));
        store.verify(&digest).unwrap();
        fs::write(store.path(&digest), b"hullo").unwrap();
        assert!(matches!(store.read(&digest, 100), Err(StoreError::Mismatch { .. })));
        assert!(matches!(store.verify(&digest), Err(StoreError::Mismatch { .. })));
    }

    #[test]
    fn a_sealed_store_notices_what_was_written_to_or_put_in_anothers_place() {
        let directory = tempfile::tempdir().unwrap();
        let store = Blobs::open(directory.path()).unwrap().sealed();
        let (first, second) = (store.put(b"hello").unwrap(), store.put(b"other").unwrap());
        assert!(store.holds(&first, 5) && store.holds(&second, 5) && !store.holds(&first, 4));
        // As after a copy of the store: the seal is gone, and the bytes are right.
        File::open(store.path(&first)).unwrap().set_modified(SystemTime::now()).unwrap();
        assert!(store.file(&first).is_ok() && store.holds(&first, 5));
        assert_eq!(fs::metadata(store.path(&first)).unwrap().modified().unwrap(), seal(&first));
        fs::write(store.path(&first), b"hullo").unwrap();
        assert!(!store.holds(&first, 5) && matches!(store.file(&first), Err(StoreError::Mismatch { .. })));
        store.put(b"hello").unwrap();
        assert!(store.holds(&first, 5));
        fs::rename(store.path(&first), store.path(&second)).unwrap();
        assert!(!store.holds(&second, 5));
    }

    #[test]
    fn sweeping_removes_what_nobody_writes_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let store = Blobs::open(directory.path()).unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let writer = store.writer().unwrap();
        writer.file.as_file().set_modified(long_ago).unwrap();
        let left = directory.path().join("ingest/blob-left");
        File::create(&left).unwrap().set_modified(long_ago).unwrap();
        store.sweep().unwrap();
        assert!(!left.exists());
        writer.commit().unwrap();
    }
}
