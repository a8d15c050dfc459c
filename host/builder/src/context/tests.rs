use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::store::Store;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("context")).unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// The suite's context for `.dockerignore`.
    fn usual(ignore: &str) -> Self {
        let place = Self::new();
        let names =
            ".env b.log dir/.env dir/b.log dir/sub/c.log dir/sub/d.txt dir/a.txt keep.log tmpx/t tmp/t other/x other/y.txt a.txt";
        for name in names.split(' ') {
            place.file(name, name);
        }
        place.file("Dockerfile", "FROM scratch");
        place.file(".dockerignore", ignore);
        place
    }

    fn open(&self) -> Context {
        Context::open(&self.path(), Some(&self.path().join("Dockerfile"))).unwrap()
    }
}

/// All that a context has, directories with a slash.
fn all(context: &Context) -> Vec<String> {
    fn below(context: &Context, node: &Node, prefix: &str, names: &mut Vec<String>) {
        let Some(directory) = node.directory() else { return };
        for child in context.children(directory).unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", child.name().display());
            let slash = if child.directory().is_some() { "/" } else { "" };
            names.push(format!("{name}{slash}"));
            below(context, &child, &format!("{name}/"), names);
        }
    }
    let mut names = Vec::new();
    below(context, context.top(), "", &mut names);
    names
}

/// The context must have these, however much of it there is room to keep.
#[track_caller]
fn is(mut context: Context, expected: &str) {
    for room in [MOST_KEPT, 3, 0] {
        let NodeKind::Directory(top) = &mut context.top.kind else { panic!() };
        *top = Arc::new(Directory::new(PathBuf::new(), context.rules.top()));
        context.room = AtomicUsize::new(room);
        assert_eq!(all(&context).join(" "), expected, "room for {room}");
        for name in expected.split(' ').filter(|name| !name.is_empty()) {
            let found = context.lookup(Path::new(name.trim_end_matches('/'))).unwrap().unwrap();
            assert_eq!(found.directory().is_some(), name.ends_with('/'), "{name}");
        }
        assert!(context.room.load(std::sync::atomic::Ordering::Relaxed) <= room);
    }
}

#[test]
fn directories_of_which_nothing_is_kept_are_read_in_portions() {
    let place = Place::new();
    for number in 0..2_500 {
        place.file(&format!("d/{number:04}"), "");
    }
    let context = Context { room: AtomicUsize::new(1_000), ..place.open() };
    let directory = context.lookup(Path::new("d")).unwrap().unwrap();
    context.prefetch(context.top().directory().unwrap()).unwrap();
    let directory = directory.directory().unwrap();
    assert!(context.kept(directory).unwrap().is_none());
    let children = context.children(directory).unwrap();
    for file in ["d/0000", "d/2499"] {
        fs::remove_file(place.path().join(file)).unwrap();
    }
    let names: Vec<String> = children.map(|node| node.unwrap().name().to_string_lossy().into_owned()).collect();
    assert_eq!(names, (1..2_499).map(|number| format!("{number:04}")).collect::<Vec<_>>());
    assert!(context.lookup(Path::new("d/0000")).unwrap().is_none());
    assert_eq!(context.lookup(Path::new("d/0001")).unwrap().unwrap().name(), "0001");
}

#[test]
fn ignore_classes() {
    let place = Place::usual("Dockerfile\n.dockerignore\n?.txt\n[bk]*.log\ntmp?\n\\.env\ndir/[!a].txt\n");
    is(place.open(), "dir/ dir/.env dir/b.log dir/sub/ dir/sub/c.log dir/sub/d.txt other/ other/x other/y.txt tmp/ tmp/t");
}

#[test]
fn ignore_doublestar() {
    let place = Place::usual("Dockerfile\n**/.dockerignore\n**/*.log\nother/**\n**/.env\n");
    is(place.open(), "a.txt dir/ dir/a.txt dir/sub/ dir/sub/d.txt other/ tmp/ tmp/t tmpx/ tmpx/t");
}

#[test]
fn ignore_negation_order() {
    let place = Place::usual("Dockerfile\n.dockerignore\n!keep.log\n*.log\n*\n!dir\ndir/*.log\n");
    is(place.open(), "dir/ dir/.env dir/a.txt dir/sub/ dir/sub/c.log dir/sub/d.txt");
}

#[test]
fn ignore_slashes() {
    let place = Place::usual("/Dockerfile\n./.dockerignore\n/tmp/\ndir/\n!/dir/sub/\nother/../b.log\n");
    is(place.open(), ".env a.txt dir/ dir/sub/ dir/sub/c.log dir/sub/d.txt keep.log other/ other/x other/y.txt tmpx/ tmpx/t");
}

#[test]
fn an_excluded_directory_is_there_only_for_what_is_taken_in_again() {
    let place = Place::usual("*\n!dir/sub/d.txt\n!nothing/here\n");
    let context = place.open();
    is(place.open(), "dir/ dir/sub/ dir/sub/d.txt");
    let found = |path: &str| context.lookup(Path::new(path)).unwrap().is_some();
    assert_eq!(["dir/sub/d.txt", "dir/sub", "dir/a.txt", "other", "a.txt"].map(found), [true, true, false, false, false]);
}

#[test]
fn a_dockerfile_elsewhere_brings_its_own_ignore_file() {
    let place = Place::usual("*\n");
    let dockerfile = place.directory.path().join("My.Dockerfile");
    fs::write(place.directory.path().join("My.Dockerfile.dockerignore"), "*\n!a.txt\n").unwrap();
    is(Context::open(&place.path(), Some(&dockerfile)).unwrap(), "a.txt");
    is(Context::open(&place.path(), None).unwrap(), "");
}

#[test]
fn a_bad_pattern_and_a_bad_ignore_file_are_refused() {
    let place = Place::usual("a.txt\n[bad\n");
    let error = Context::open(&place.path(), None).unwrap_err();
    assert!(error.to_string().contains("pattern"), "{error}");
    fs::remove_file(place.path().join(".dockerignore")).unwrap();
    fs::create_dir(place.path().join(".dockerignore")).unwrap();
    assert!(matches!(Context::open(&place.path(), None), Err(ContextError::IgnoreFile { .. })));
    fs::remove_dir(place.path().join(".dockerignore")).unwrap();
    // A link is followed inside the context only, and a pipe does not hang.
    fs::write(place.directory.path().join("outside"), "*\n").unwrap();
    symlink("../outside", place.path().join(".dockerignore")).unwrap();
    assert!(!all(&place.open()).is_empty());
    fs::remove_file(place.path().join(".dockerignore")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, place.path().join(".dockerignore"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(Context::open(&place.path(), None), Err(ContextError::IgnoreFile { .. })));
}

#[test]
fn links_are_not_followed_and_sockets_are_left_out() {
    let place = Place::new();
    symlink("/etc", place.path().join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    let context = place.open();
    is(place.open(), "link");
    assert!(context.lookup(Path::new("link/passwd")).unwrap().is_none());
}

#[test]
fn a_directory_that_becomes_a_link_is_noticed() {
    let place = Place::usual("");
    let context = place.open();
    let node = context.lookup(Path::new("dir")).unwrap().unwrap();
    let Some(directory) = node.directory() else { panic!() };
    fs::rename(place.path().join("dir"), place.path().join("moved")).unwrap();
    symlink("/etc", place.path().join("dir")).unwrap();
    assert!(matches!(context.prefetch(directory), Err(ContextError::Changed { .. })));
}

#[test]
fn digests_are_remembered_and_a_change_is_noticed() {
    let place = Place::new();
    let store = Store::open(&place.directory.path().join("store")).unwrap();
    let past = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
    for index in 0..100 {
        place.file(&format!("{index}"), &format!("content {index}"));
        fs::File::open(place.path().join(format!("{index}"))).unwrap().set_times(past).unwrap();
    }
    let context = place.open();
    let memory = store.digest_memory(context.path());
    let names: Vec<PathBuf> = (0..100).map(|index| PathBuf::from(index.to_string())).collect();
    let pending = |context: &'static Context| -> Vec<Pending<'_>> {
        names.iter().map(|name| Pending { path: name, state: *context.lookup(name).unwrap().unwrap().state() }).collect()
    };
    let context: &'static Context = Box::leak(Box::new(context));
    let files = pending(context);
    let digests = context.digests(&files, &memory).unwrap();
    for (index, digest) in digests.iter().enumerate() {
        assert_eq!(digest.digest, *blake3::hash(format!("content {index}").as_bytes()).as_bytes());
    }
    let verify = || {
        let mut verifier = context.verifier();
        files.iter().try_for_each(|file| verifier.verify(file.path, &file.state))
    };
    verify().unwrap();
    fs::write(place.path().join("50"), "CONTENT 50").unwrap();
    assert!(matches!(verify(), Err(ContextError::Changed { path }) if path == Path::new("50")));
    assert!(matches!(context.digests(&files, &memory), Err(ContextError::Changed { path }) if path == Path::new("50")));
}

#[test]
fn a_file_that_became_a_pipe_does_not_hang() {
    let place = Place::new();
    place.file("f", "x");
    let store = Store::open(&place.directory.path().join("store")).unwrap();
    let context = place.open();
    let state = *context.lookup(Path::new("f")).unwrap().unwrap().state();
    fs::remove_file(place.path().join("f")).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, place.path().join("f"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let result = context.digests(&[Pending { path: Path::new("f"), state }], &store.digest_memory(context.path()));
    assert!(matches!(result, Err(ContextError::Changed { .. })));
}

#[test]
fn very_deep_contexts_end_in_an_error_or_are_read() {
    let place = Place::new();
    let mut parent = rustix::fs::open(place.path(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    for _ in 0..2100 {
        rustix::fs::mkdirat(&parent, "d", Mode::RWXU).unwrap();
        parent = rustix::fs::openat(&parent, "d", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
    }
    let context = place.open();
    let Some(top) = context.top().directory() else { panic!() };
    assert!(matches!(context.prefetch(top), Err(ContextError::Read { .. })));
}

#[test]
fn unreadable_parts_matter_only_when_they_are_asked_for() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::usual("");
    fs::set_permissions(place.path().join("dir"), fs::Permissions::from_mode(0o000)).unwrap();
    let context = place.open();
    assert!(context.lookup(Path::new("a.txt")).unwrap().is_some());
    assert!(context.lookup(Path::new("dir/a.txt")).is_err());
    // Else the temporary directory could not be removed.
    fs::set_permissions(place.path().join("dir"), fs::Permissions::from_mode(0o755)).unwrap();
}
