//! Contexts that come as archives: unpacked into a directory of our own, where nothing of them can lead out.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use windlass_layer::{Addition, Limits, OverlayXattrs, Ownership, Snapshot, SnapshotFormat};

use super::ContextError;

/// Contexts are sources and not images: entries beyond this are a mistake or an attack.
const LIMITS: Limits = Limits { bytes: 64 << 30, entries: 2_000_000, ratio: 1_100 };

/// Whether the file is a tar archive in any compression.
///
/// # Errors
/// When it cannot be read.
pub fn is_archive(file: &Path) -> io::Result<bool> {
    Ok(windlass_layer::is_archive(io::BufReader::new(File::open(file)?)))
}

/// Unpacks a tar archive in any compression into `directory`, which is empty. Names and links of the archive lead nowhere
/// else; owners are not kept, because everything in a context belongs to root.
///
/// # Errors
/// When the archive is damaged, larger than allowed, or holds a device.
pub fn unpack_archive(archive: &Path, directory: &Path) -> Result<(), ContextError> {
    let failed = |source: io::Error| ContextError::Open { path: directory.to_path_buf(), source: Arc::new(source) };
    let wrong = |source| ContextError::Archive { source: Arc::new(source) };
    let staging = tempfile::Builder::new().prefix(".windlass-archive").tempdir_in(directory.parent().unwrap_or(directory));
    let staging = staging.map_err(failed)?;
    // Whoever is not root may be unable to write below a directory that has its mode.
    let ownership = if rustix::process::geteuid().is_root() { Ownership::Apply } else { Ownership::Recorded };
    let format = SnapshotFormat { ownership, overlay_xattrs: OverlayXattrs::User };
    let snapshot = Snapshot::create(staging.path().join("snapshot"), format).map_err(|error| wrong(error.into()))?;
    let stream = File::open(archive).map_err(failed)?;
    let addition =
        Addition { destination: Path::new(""), lower: None, owner: Some((0, 0)), refuses_devices: true, limits: LIMITS };
    windlass_layer::unpack_archive(stream, &snapshot, &addition).map_err(wrong)?;
    // Below a directory before the directory itself.
    let owners = snapshot.owners().map_err(|error| wrong(error.into()))?;
    for (path, recorded) in owners.iter().rev() {
        let set = fs::set_permissions(snapshot.files().join(path), Permissions::from_mode(recorded.mode));
        set.map_err(|source| ContextError::read(path, source))?;
    }
    fs::rename(snapshot.files(), directory).map_err(failed)
}

/// Gives a file that was downloaded its mode and the time that its server told, else 1970.
///
/// # Errors
/// When the system refuses.
pub fn finish_download(path: &Path, modified: Option<i64>) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let since = u64::try_from(modified.unwrap_or(0)).unwrap_or(0);
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(since))?;
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
        let mut header = vec![0u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[100..107].copy_from_slice(b"0000640");
        header[108..115].copy_from_slice(b"0001750");
        header[116..123].copy_from_slice(b"0001750");
        header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        header[136..147].copy_from_slice(b"00000000144");
        header[156] = kind;
        header[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header.extend_from_slice(content);
        header.resize(header.len().next_multiple_of(512), 0);
        header
    }

    fn unpacked(entries: &[Vec<u8>]) -> (tempfile::TempDir, Result<(), ContextError>) {
        let top = tempfile::tempdir().unwrap();
        let archive = top.path().join("archive");
        let end = vec![0; 1024];
        fs::write(&archive, [entries.concat(), end].concat()).unwrap();
        assert!(is_archive(&archive).unwrap());
        let directory = top.path().join("context");
        fs::create_dir(&directory).unwrap();
        let result = unpack_archive(&archive, &directory);
        (top, result)
    }

    #[test]
    fn files_links_and_pipes_come_out_with_modes_and_times() {
        let (top, result) = unpacked(&[
            header("d/f", b'0', "", b"text"),
            header("d/h", b'1', "d/f", b""),
            header("s", b'2', "/etc/passwd", b""),
            header("p", b'6', "", b""),
        ]);
        result.unwrap();
        let context = top.path().join("context");
        assert_eq!(fs::read(context.join("d/h")).unwrap(), b"text");
        let metadata = fs::metadata(context.join("d/f")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o640);
        assert_eq!(metadata.modified().unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!(fs::read_link(context.join("s")).unwrap(), Path::new("/etc/passwd"));
    }

    /// CVE-2021-21285, CVE-2019-10152 and their kin: names and links that lead out of the archive's root.
    #[test]
    fn nothing_is_written_outside_of_the_directory() {
        let (top, _) = unpacked(&[header("../escaped", b'0', "", b"x")]);
        assert!(!top.path().join("escaped").exists());
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().to_str().unwrap();
        let (top, _) = unpacked(&[header("l", b'2', target, b""), header("l/escaped", b'0', "", b"x")]);
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
        assert!(!top.path().join("escaped").exists());
        let (_top, result) = unpacked(&[header("h", b'1', "../archive", b"")]);
        assert!(result.is_err(), "a hard link to a file that is not in the archive");
    }

    #[test]
    fn devices_are_refused_by_name() {
        let (_top, result) = unpacked(&[header("zero", b'3', "", b"")]);
        let error = windlass_core::chain(&result.unwrap_err());
        assert!(error.contains("zero") && error.contains("device"), "{error}");
    }
}
