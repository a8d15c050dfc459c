//! What BuildKit 0.32 made of the cases in the conformance suite that are about COPY, ADD, WORKDIR and `.dockerignore`, with their RUN
//! steps written as changes to the stage.

mod archives;
mod destinations;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;

use windlass_dockerfile::Instruction;
use windlass_layer::{Content, Entry, EntryKind, Layer, LayerOptions, Listing, SnapshotFormat, Timestamp, View};

use super::*;
use crate::context::Context;
use crate::store::Store;

const NOW: Timestamp = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };

/// A stage that is built instruction by instruction.
struct Build {
    directory: tempfile::TempDir,
    store: Store,
    base: View,
    view: View,
    workdir: String,
    stages: Vec<View>,
    archives: usize,
    /// Whether the base has no contents.
    is_outlined: bool,
}

impl Build {
    fn on(base: View) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("context")).unwrap();
        let store = Store::open(&directory.path().join("store")).unwrap();
        let workdir = "/".to_owned();
        Self { directory, store, view: base.clone(), base, workdir, stages: Vec::new(), archives: 0, is_outlined: false }
    }

    /// On the suite's base image, with its usual context.
    fn usual() -> Self {
        let build = Self::on(base());
        for (name, content) in
            [("a.txt", "a\n"), ("b.txt", "b\n"), ("c.md", "c\n"), (".dot", "dot\n"), ("dir/x.txt", "x\n"), ("dir/.hidden", "h\n")]
        {
            build.file(name, content);
        }
        build.file("dir/sub/y.txt", "y\n");
        build
    }

    fn context(&self) -> PathBuf {
        self.directory.path().join("context")
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.context().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        for path in path.ancestors().skip(1).take_while(|path| path.starts_with(self.context())) {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.context().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What a RUN would have changed.
    fn changed(&mut self, entries: Listing) {
        self.view = self.view.with(Layer::listing(entries));
    }

    /// Ends this stage and begins one on `base` whose `--from=N` is one of those before.
    fn next_stage(&mut self, base: View) {
        self.stages.push(std::mem::replace(&mut self.view, base.clone()));
        self.base = base;
    }

    fn step(&mut self, text: &str) -> Result<Copied, CopyError> {
        let dockerfile = format!("FROM scratch\n{text}\n");
        let parsed = windlass_dockerfile::parse::parse(dockerfile.as_bytes(), "Dockerfile").unwrap();
        let instruction = parsed.stages[0].statements[0].expand(&windlass_dockerfile::expand::Empty).unwrap();
        let stage = Stage { view: Some(&self.view), workdir: &self.workdir, created: NOW };
        let (request, from) = match &instruction {
            Instruction::Copy(copy) => (Request::copy(copy)?, copy.from.clone()),
            Instruction::Add(add) => (Request::add(add)?, None),
            Instruction::Workdir(path) => {
                let copied = as_on_outlines(&stage, |stage| {
                    workdir(stage, path, None).map(|(entries, warnings)| Copied { layer: CopiedLayer::Listed(entries), warnings })
                })?;
                self.workdir = path.clone();
                self.changed(copied.listing().clone());
                return Ok(copied);
            }
            other => panic!("{other:?}"),
        };
        let context = Context::open(&self.context(), Some(&self.context().join("Dockerfile")))?;
        let source = match &from {
            Some(number) => Source::View(&self.stages[number.parse::<usize>().unwrap()]),
            None => Source::Context(&context),
        };
        let memory = self.store.digest_memory(context.path());
        let (request, room) = (Arc::new(request), Room::new(self.store.scratch()));
        let selection = select(Arc::clone(&request), source, &[], &memory, &room)?;
        self.archives += 1;
        let staging = self.directory.path().join(format!("staging-{}", self.archives));
        let apply = |stage: &Stage<'_>| selection.apply(stage, &staging, SnapshotFormat::default());
        let copied = if selection.is_unpacked()? { apply(&stage) } else { as_on_outlines(&stage, apply) };
        let large = select(request, source, &[], &memory, &room.with_most(1))?;
        assert_eq!((large.digest(), large.count()), (selection.digest(), selection.count()));
        let staging = self.directory.path().join(format!("large-{}", self.archives));
        // Where one is put together in a directory, that is done on whole layers.
        if !(self.is_outlined && large.is_unpacked()?) {
            let made = large.apply(&stage, &staging, SnapshotFormat::default());
            let is_listed = |made: &Copied| matches!(&made.layer, CopiedLayer::Listed(entries) if entries.len() > 1);
            assert!(large.count() < 2 || !made.as_ref().is_ok_and(is_listed), "more than one entry was kept in memory");
            same(&stage, &copied, made);
        }
        let copied = copied?;
        if from.is_none() {
            selection.verify(&context)?;
            large.verify(&context)?;
        }
        match &copied.layer {
            CopiedLayer::Unpacked(snapshot) => self.view = self.view.with(Layer::directory(snapshot).unwrap()),
            _ => self.changed(copied.listing().clone()),
        }
        Ok(copied)
    }

    fn steps<const N: usize>(mut self, texts: [&str; N]) -> Self {
        for text in texts {
            self.step(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        self
    }

    /// The stage must be the base but for these lines: `path kind mode uid:gid content`.
    #[track_caller]
    fn is<const N: usize>(self, expected: [&str; N]) {
        let base = lines(&self.base);
        let mut actual = lines(&self.view);
        actual.retain(|path, line| base.get(path) != Some(line));
        let actual: Vec<String> = actual.into_iter().map(|(path, line)| format!("{path} {line}")).collect();
        assert_eq!(actual, expected);
    }
}

impl Copied {
    /// The entries of a layer that is kept in memory.
    #[track_caller]
    fn listing(&self) -> &Listing {
        match &self.layer {
            CopiedLayer::Listed(entries) => entries,
            other => panic!("{other:?}"),
        }
    }
}

/// A selection that does not fit into memory must make the same: where it is streamed, the same entries in the same order.
#[track_caller]
fn same(stage: &Stage<'_>, copied: &Result<Copied, CopyError>, large: Result<Copied, CopyError>) {
    let (copied, large) = match (copied, large) {
        (Ok(copied), Ok(large)) => (copied, large),
        (copied, large) => {
            let error = |made: &Result<Copied, CopyError>| made.as_ref().err().map(CopyError::to_string);
            return assert_eq!(error(&large), error(copied));
        }
    };
    assert_eq!(large.warnings, copied.warnings);
    let lower = stage.view.unwrap();
    let changed = |snapshot| windlass_layer::diff(snapshot, lower, &[]).unwrap().map(Result::unwrap).collect::<Listing>();
    let sorted = |mut entries: Listing| {
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>()
    };
    let expected = match &copied.layer {
        CopiedLayer::Unpacked(snapshot) => changed(snapshot),
        _ => copied.listing().clone(),
    };
    match large.layer {
        CopiedLayer::Listed(entries) => assert_eq!(entries, expected),
        CopiedLayer::Streamed(entries) => assert_eq!(entries.map(Result::unwrap).collect::<Listing>(), expected),
        CopiedLayer::Unpacked(snapshot) => {
            let layer = match &copied.layer {
                CopiedLayer::Unpacked(snapshot) => Layer::directory(snapshot).unwrap(),
                _ => Layer::listing(expected.clone()),
            };
            assert_eq!(lines(&lower.with(Layer::directory(&snapshot).unwrap())), lines(&lower.with(layer)));
            assert_eq!(sorted(changed(&snapshot)), sorted(expected));
        }
    }
}

/// What `make` makes. On outlines of the layers below it must make the same, or ask for contents.
#[track_caller]
fn as_on_outlines(stage: &Stage<'_>, make: impl Fn(&Stage<'_>) -> Result<Copied, CopyError>) -> Result<Copied, CopyError> {
    let outlines = stage.view.unwrap().layers().iter().map(outline).collect();
    let outlined = make(&Stage { view: Some(&View::new(outlines)), ..*stage });
    let made = make(stage);
    let told = |made: &Result<Copied, CopyError>| match made {
        Ok(copied) => {
            let mut blob = Vec::new();
            windlass_layer::write_layer(copied.listing(), &LayerOptions::default(), &mut blob).unwrap();
            format!("{blob:?} {:?}", copied.warnings)
        }
        Err(error) => error.to_string(),
    };
    if !outlined.as_ref().is_err_and(CopyError::needs_content) {
        assert_eq!(told(&outlined), told(&made));
    }
    made
}

fn outline(layer: &Layer) -> Layer {
    let entries = windlass_layer::merge(vec![layer.clone()]).unwrap();
    let mut blob = Vec::new();
    windlass_layer::write_outline(entries.into_iter().map(Ok), &mut blob).unwrap().unwrap();
    Layer::listing(windlass_layer::read_outline(blob.as_slice()).unwrap().0)
}

#[test]
fn outlines_are_enough_unless_a_file_may_be_the_same_as_before() {
    let base = View::new(base().layers().iter().map(outline).collect());
    let mut build = Build { view: base.clone(), base, is_outlined: true, ..Build::usual() };
    for text in
        ["COPY dir /etc/conf.d/", "COPY --chown=builder:tools a.txt /var/run/", "COPY b.txt /etc/passwd", "WORKDIR /home/app/x"]
    {
        build.step(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let same = build.context().join("a.txt");
    std::fs::File::options().write(true).open(same).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert!(build.step("COPY a.txt /etc/conf.d/a.conf").unwrap_err().needs_content());
}

#[test]
fn a_file_that_changes_after_it_was_selected_is_noticed_in_memory_or_not() {
    let build = Build::usual();
    let context = Context::open(&build.context(), None).unwrap();
    let memory = build.store.digest_memory(context.path());
    for room in [Room::new(build.store.scratch()), Room::new(build.store.scratch()).with_most(1)] {
        build.file("dir/sub/y.txt", "y\n");
        let fresh = Context::open(&build.context(), None).unwrap();
        let selection = select(Arc::new(Request::plain("dir", "/")), Source::Context(&fresh), &[], &memory, &room).unwrap();
        selection.verify(&context).unwrap();
        build.file("dir/sub/y.txt", "Y\n");
        assert!(selection.verify(&context).unwrap_err().to_string().contains("`dir/sub/y.txt` changed"));
    }
}

#[test]
fn a_selection_that_can_be_kept_nowhere_is_an_error() {
    let build = Build::usual();
    let context = Context::open(&build.context(), None).unwrap();
    let memory = build.store.digest_memory(context.path());
    let room = Room::new(build.directory.path().join("gone")).with_most(1);
    let error = select(Arc::new(Request::plain("dir", "/")), Source::Context(&context), &[], &memory, &room).unwrap_err();
    assert!(matches!(&error, CopyError::Room { .. }) && error.to_string().contains("temporary file"), "{error}");
}

#[track_caller]
fn refuse(build: &mut Build, text: &str) -> String {
    let error = build.step(text).unwrap_err();
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    message
}

fn lines(view: &View) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for entry in view.entries().map(Result::unwrap) {
        let what = match &entry.kind {
            EntryKind::Directory { .. } => "dir".to_owned(),
            EntryKind::File { .. } => {
                let content = view.read_file(&entry.path, 1 << 20).unwrap().unwrap();
                format!("file {:?}", String::from_utf8_lossy(&content))
            }
            EntryKind::Symlink { target } => format!("link {}", target.display()),
            EntryKind::HardLink { target } => format!("same as /{}", target.display()),
            EntryKind::Fifo => "fifo".to_owned(),
            other => format!("{other:?}"),
        };
        let line = format!("{:o} {}:{} {what}", entry.mode, entry.uid, entry.gid);
        lines.insert(format!("/{}", entry.path.display()), line);
    }
    lines
}

fn at(path: &str, kind: EntryKind, mode: u32, uid: u32, gid: u32) -> Entry {
    Entry { path: path.into(), kind, mode, uid, gid, modified: Timestamp::default(), xattrs: Vec::new() }
}

fn directory(path: &str) -> Entry {
    at(path, EntryKind::Directory { opaque: false }, 0o755, 0, 0)
}

fn inline(path: &str, content: &str) -> Entry {
    let kind = EntryKind::File { size: content.len() as u64, content: Content::Inline(content.as_bytes().into()) };
    at(path, kind, 0o644, 0, 0)
}

fn link(path: &str, target: &str) -> Entry {
    at(path, EntryKind::Symlink { target: target.into() }, 0o777, 0, 0)
}

fn base() -> View {
    let directories = ["etc", "etc/conf.d", "home", "lib", "opt", "run", "srv", "tmp", "usr", "var"];
    let mut entries: Listing = directories.into_iter().map(directory).collect();
    entries.push(at("home/app", EntryKind::Directory { opaque: false }, 0o750, 1000, 1000));
    entries.extend([link("var/run", "/run"), link("lib64", "lib"), link("usr/lib", "../lib")]);
    entries.push(inline("etc/conf.d/a.conf", "a=1\n"));
    entries.push(inline("etc/conf.d/b.conf", "b=2\n"));
    let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\nbuilder:x:1001:2000::/:/bin/sh\n";
    entries.push(inline("etc/passwd", passwd));
    entries.push(inline("etc/group", "root:x:0:\napp:x:1000:\ntools:x:2000:builder\n"));
    View::new(vec![Layer::listing(entries)])
}
