//! Any bytes as a layer: unpacked onto a disk, added as an archive. Nothing appears outside, and what was unpacked
//! is the same once it has been written as a layer and unpacked again.
#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use windlass_layer::{
    Addition, EntryKind, Layer, LayerOptions, Limits, Listing, Snapshot, SnapshotFormat, UnpackOptions, View, diff, diff_id,
    read_outline, unpack, unpack_archive, write_layer,
};

const LIMITS: Limits = Limits { bytes: 4 << 20, entries: 2_000, ratio: 1_100 };

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::Builder::new().tempdir_in("/dev/shm").expect("there is memory for files");
    let names = |path: &Path| fs::read_dir(path).map(|entries| entries.count()).unwrap_or_default();
    let added = Snapshot::create(place.path().join("added"), SnapshotFormat::default()).expect("the directory is ours");
    let destination = Path::new("some/where");
    let addition = Addition { destination, lower: None, owner: None, refuses_devices: false, limits: LIMITS };
    let _ = unpack_archive(bytes, &added, &addition);
    if let Ok((outline, _)) = read_outline(bytes) {
        let _ = View::new(vec![Layer::listing(outline)]).walk(Path::new(""));
    }
    assert!(names(&added.files()) <= 1, "something was written outside the destination");
    let first = place.path().join("first");
    let snapshot = Snapshot::create(&first, SnapshotFormat::default()).expect("the directory is ours");
    let options = UnpackOptions { limits: LIMITS, lower: None };
    let unpacked = unpack(bytes, &snapshot, &options);
    assert_eq!(names(place.path()), 2, "something was written outside");
    assert!(names(&first) <= 2, "something was written beside the layer");
    let Ok(unpacked) = unpacked else { return };
    assert_eq!(unpacked.diff_id, diff_id(bytes, LIMITS).expect("it was read before"));
    let read = |snapshot: &Snapshot| -> Listing {
        let changes = diff(snapshot, &View::empty(), &[]).expect("what was unpacked can be read");
        changes.collect::<Result<_, _>>().expect("what was unpacked can be read")
    };
    let listing = read(&snapshot);
    let mut blob = Vec::new();
    // A file may have holes: then its content is larger than a layer may be here.
    write_layer(&listing, &LayerOptions::default(), &mut blob).expect("what was unpacked can be written");
    let second = Snapshot::create(place.path().join("second"), SnapshotFormat::default()).expect("the directory is ours");
    unpack(blob.as_slice(), &second, &UnpackOptions::default()).expect("what was written can be unpacked");
    let again = read(&second);
    assert_eq!(described(&listing), described(&again));
    Layer::directory(&second).expect("a snapshot is a layer");
});

/// Everything of a listing but where its contents lie on the disk.
fn described(listing: &Listing) -> Vec<String> {
    let kind = |kind: &EntryKind| match kind {
        EntryKind::File { size, .. } => format!("file of {size}"),
        other => format!("{other:?}"),
    };
    let line = |entry: &windlass_layer::Entry| {
        let (path, mode, time) = (entry.path.display(), entry.mode, entry.modified.seconds);
        format!("{path} {mode:o} {}:{} {time} {} {:?}", entry.uid, entry.gid, kind(&entry.kind), entry.xattrs)
    };
    listing.iter().map(line).collect()
}
