//! What tests of several modules need.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::{
    Changes, Content, DiffError, Entry, EntryKind, Layer, Limits, Listing, Snapshot, SnapshotFormat, Timestamp, UnpackOptions,
    Unpacked, View,
};

pub(crate) fn file(path: &str, content: &str) -> Entry {
    let content = Content::Inline(Arc::from(content.as_bytes()));
    let Content::Inline(bytes) = &content else { unreachable!() };
    Entry {
        kind: EntryKind::File { size: bytes.len() as u64, content },
        mode: 0o644,
        ..Entry::directory(path, Timestamp { seconds: 1_700_000_000, nanoseconds: 0 })
    }
}

pub(crate) fn directory(path: &str) -> Entry {
    Entry::directory(path, Timestamp { seconds: 1_600_000_000, nanoseconds: 0 })
}

pub(crate) fn symlink(path: &str, target: &str) -> Entry {
    Entry { kind: EntryKind::Symlink { target: target.into() }, mode: 0o777, ..directory(path) }
}

pub(crate) fn hard_link(path: &str, target: &str) -> Entry {
    Entry { kind: EntryKind::HardLink { target: target.into() }, mode: 0o644, ..directory(path) }
}

/// The archive that a Python script writes with `e(name, data=None, **fields)`; D, S, L, F, C and B are types.
pub(crate) fn python_tar(script: &str) -> Vec<u8> {
    let prelude = "
import tarfile,io,sys
t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|',format=tarfile.PAX_FORMAT)
def e(name,data=None,**k):
    i=tarfile.TarInfo(name)
    for a,b in k.items(): setattr(i,a,b)
    if data is None: t.addfile(i)
    else:
        i.size=len(data); t.addfile(i,io.BytesIO(data))
D=tarfile.DIRTYPE; S=tarfile.SYMTYPE; L=tarfile.LNKTYPE; F=tarfile.FIFOTYPE; C=tarfile.CHRTYPE; B=tarfile.BLKTYPE
";
    run("python3", &["-c", &format!("{prelude}{script}\nt.close()\n")], &[])
}

/// A program's output; it must succeed.
pub(crate) fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A directory for one test, with as many snapshots as it likes.
#[derive(Debug)]
pub(crate) struct Space(pub(crate) tempfile::TempDir);

impl Space {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn snapshot(&self, name: &str) -> Snapshot {
        Snapshot::create(self.path(name), SnapshotFormat::default()).unwrap()
    }

    pub(crate) fn unpack(&self, name: &str, layer: &[u8], lower: Option<&View>) -> (Snapshot, Unpacked) {
        let snapshot = self.snapshot(name);
        let unpacked = crate::unpack(layer, &snapshot, &UnpackOptions { limits: Limits::default(), lower }).unwrap();
        (snapshot, unpacked)
    }

    /// A snapshot with these entries.
    pub(crate) fn materialised(&self, name: &str, entries: &[Entry]) -> Snapshot {
        let snapshot = self.snapshot(name);
        crate::materialise(entries, &snapshot, None).unwrap();
        snapshot
    }
}

pub(crate) fn view(snapshots: &[&Snapshot]) -> View {
    View::new(snapshots.iter().map(|snapshot| Layer::directory(snapshot).unwrap()).collect())
}

/// The entries of a view, one line each: kind, mode, owner, path, and what else there is to tell.
pub(crate) fn lines(view: &View) -> Vec<String> {
    describe(&listing(view))
}

/// All that a view shows.
pub(crate) fn listing(view: &View) -> Listing {
    view.entries().collect::<Result<_, _>>().unwrap()
}

/// All that is read off a snapshot.
pub(crate) fn listing_of(changes: Result<Changes, DiffError>) -> Listing {
    changes.unwrap().collect::<Result<_, _>>().unwrap()
}

pub(crate) fn describe(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(describe_one).collect()
}

fn describe_one(entry: &Entry) -> String {
    let (kind, more) = match &entry.kind {
        EntryKind::Directory { opaque } => ("dir", if *opaque { " opaque".to_owned() } else { String::new() }),
        EntryKind::File { content, .. } => ("file", format!(" {}", content_text(content))),
        EntryKind::Symlink { target } => ("link", format!(" -> {}", target.display())),
        EntryKind::HardLink { target } => ("hard", format!(" = {}", target.display())),
        EntryKind::Fifo => ("fifo", String::new()),
        EntryKind::CharacterDevice { major, minor } => ("char", format!(" {major}:{minor}")),
        EntryKind::BlockDevice { major, minor } => ("block", format!(" {major}:{minor}")),
        EntryKind::Whiteout => return format!("gone {}", entry.path.display()),
    };
    let mode = if kind == "link" { 0o777 } else { entry.mode };
    format!("{kind} {mode:o} {}:{} {}{more}", entry.uid, entry.gid, entry.path.display())
}

fn content_text(content: &Content) -> String {
    match content {
        Content::Inline(bytes) => String::from_utf8_lossy(bytes).trim().to_owned(),
        Content::File(path) => String::from_utf8_lossy(&std::fs::read(path).unwrap()).trim().to_owned(),
        Content::Absent => "?".to_owned(),
    }
}

/// Bytes that nothing makes smaller, always the same.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let step = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(step).take(length).collect()
}
