use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::testing::{Space, directory, file, hard_link, noise, run, symlink};

fn written(entries: &[Entry], options: &LayerOptions) -> (LayerBlob, Vec<u8>) {
    let mut blob = Vec::new();
    let layer = write_layer(entries, options, &mut blob).unwrap();
    assert_eq!(layer.size, blob.len() as u64);
    assert_eq!(layer.digest, digest_of(&blob));
    (layer, blob)
}

fn digest_of(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    Digest::from_sha256(sha2::Sha256::digest(bytes).into())
}

fn on_disk(space: &Space, name: &str, bytes: &[u8]) -> Entry {
    let path = space.path(name);
    std::fs::write(&path, bytes).unwrap();
    let content = Content::File(Arc::from(path));
    Entry { kind: EntryKind::File { size: bytes.len() as u64, content }, ..file(name, "") }
}

/// About five blocks, of which no two are the same.
fn large(space: &Space) -> Vec<Entry> {
    let bytes: Vec<u8> = (0..5_300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> (n % 23)) as u8).collect();
    vec![on_disk(space, "big", &bytes), file("small", "x"), on_disk(space, "other", &bytes[..1_000_001])]
}

#[test]
fn a_layer_is_the_same_for_any_number_of_threads() {
    let space = Space::new();
    let entries = large(&space);
    for compression in [Compression::None, Compression::default(), Compression::Zstd { level: 3 }] {
        let options = |threads| LayerOptions { compression, threads, ..LayerOptions::default() };
        let (one, blob) = written(&entries, &options(1));
        for threads in [2, 3, 10] {
            let (many, other) = written(&entries, &options(threads));
            assert_eq!(one, many);
            assert!(blob == other);
        }
        let mut inline = Vec::new();
        let listed = entries.iter().map(|entry| Ok(std::borrow::Cow::Borrowed(entry)));
        pipeline::write_inline(contents::Listed { entries: listed, latest: None }, &options(1), &mut inline).unwrap();
        assert!(blob == inline, "{compression:?} without threads");
    }
}

#[test]
fn the_tools_of_the_system_decompress_a_layer_to_its_diff_id() {
    let space = Space::new();
    for entries in [large(&space), vec![file("small", "x")], vec![]] {
        for (compression, tool) in [(Compression::default(), "gzip"), (Compression::Zstd { level: 1 }, "zstd")] {
            let (layer, blob) = written(&entries, &LayerOptions { compression, ..LayerOptions::default() });
            let tar = run(tool, &["-dc"], &blob);
            assert_eq!(layer.diff_id, digest_of(&tar));
            assert_eq!(layer.uncompressed_size, tar.len() as u64);
        }
        let (plain, _) = written(&entries, &LayerOptions { compression: Compression::None, ..LayerOptions::default() });
        assert_eq!(plain.diff_id, plain.digest);
    }
}

#[test]
fn noise_is_stored_as_it_is_and_what_says_the_same_twice_is_not() {
    let space = Space::new();
    let once = noise(3_000_000);
    let again = noise(10_007).repeat(300);
    for (level, bytes, size) in [(1, &once, 3_000_000..3_030_000), (9, &once, 3_000_000..3_030_000), (1, &again, 0..400_000)] {
        let entries = [file("text", &"words of text ".repeat(90_000)), on_disk(&space, "bytes", bytes)];
        let compression = Compression::Gzip { level };
        let (layer, blob) = written(&entries, &LayerOptions { compression, ..LayerOptions::default() });
        assert_eq!(layer.diff_id, digest_of(&run("gzip", &["-dc"], &blob)));
        assert_eq!(layer.diff_id, crate::diff_id(&blob[..], Limits::default()).unwrap());
        assert!(size.contains(&layer.size), "{level}: {}", layer.size);
    }
}

#[test]
fn gnu_tar_reads_every_kind_of_entry() {
    let long = format!("d/{}", "n".repeat(180));
    let mut setuid = file("d/s", "suid");
    (setuid.mode, setuid.uid, setuid.gid) = (0o4755, 3_000_000, 4_000_000_000);
    let entries = [
        directory("d"),
        file("d/é \n", "umlaut"),
        file(&long, "long"),
        setuid,
        symlink("d/l", &"t/".repeat(80)),
        hard_link("d/z", "d/s"),
        Entry { kind: EntryKind::Fifo, mode: 0o600, ..directory("d/p") },
        Entry { kind: EntryKind::CharacterDevice { major: 1, minor: 3 }, mode: 0o666, ..directory("d/null") },
        Entry { kind: EntryKind::BlockDevice { major: 259, minor: 300_000 }, mode: 0o660, ..directory("d/disk") },
    ];
    let (_, blob) = written(&entries, &LayerOptions::default());
    let listed = run("tar", &["--numeric-owner", "-tvzf", "-"], &blob);
    let listed = String::from_utf8(listed).unwrap();
    let expected = [
        "drwxr-xr-x 0/0",
        "d/\\303\\251 \\n",
        &long,
        "-rwsr-xr-x 3000000/4000000000",
        "d/l -> t/t/",
        "d/z link to d/s",
        "prw-------",
        "1,3",
        "259,300000",
    ];
    for (line, expected) in listed.lines().zip(expected) {
        assert!(line.contains(expected), "{line}: {expected}");
    }
    assert_eq!(listed.lines().count(), entries.len());
}

#[test]
fn the_times_are_those_of_the_source_date_epoch_at_most() {
    let entries = [file("new", "x"), Entry { modified: crate::Timestamp { seconds: 5, nanoseconds: 0 }, ..file("old", "x") }];
    let options = LayerOptions { latest_modification: Some(1000), ..LayerOptions::default() };
    let (_, blob) = written(&entries, &options);
    let listed = String::from_utf8(run("tar", &["--utc", "--full-time", "-tvzf", "-"], &blob)).unwrap();
    assert!(listed.contains("1970-01-01 00:16:40 new"), "{listed}");
    assert!(listed.contains("1970-01-01 00:00:05 old"), "{listed}");
}

#[test]
fn a_file_that_grew_or_shrank_is_an_error_that_names_it() {
    let space = Space::new();
    let entry = on_disk(&space, "file", b"as it was");
    for (now, found) in [(b"longer than it was".as_slice(), 18), (b"short", 5)] {
        std::fs::write(space.path("file"), now).unwrap();
        let error = write_layer(std::slice::from_ref(&entry), &LayerOptions::default(), &mut io::sink()).unwrap_err();
        assert!(matches!(&error, WriteError::Changed { expected: 9, found: f, .. } if *f == found), "{error:?}");
        assert!(error.to_string().contains("/file` changed while it was read"), "{error}");
    }
}

/// A context that changes while it is read must not give away a file of the host (as in CVE-2018-15664), nor stop the build.
#[test]
fn a_file_that_became_a_link_or_a_pipe_is_an_error() {
    let space = Space::new();
    let entry = on_disk(&space, "file", b"as it was");
    let fail = || write_layer(std::slice::from_ref(&entry), &LayerOptions::default(), &mut io::sink()).unwrap_err();
    std::fs::remove_file(space.path("file")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", space.path("file")).unwrap();
    assert!(matches!(fail(), WriteError::NotAFile { .. }));
    std::fs::remove_file(space.path("file")).unwrap();
    run("mkfifo", &[space.path("file").to_str().unwrap()], &[]);
    assert!(matches!(fail(), WriteError::NotAFile { .. }));
    std::fs::remove_file(space.path("file")).unwrap();
    assert!(matches!(fail(), WriteError::Read { .. }));
}

#[test]
fn a_full_disk_ends_the_pipeline_with_its_error() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let space = Space::new();
    let entries = large(&space);
    for room in [0, 2_000_000] {
        let options = LayerOptions { compression: Compression::None, ..LayerOptions::default() };
        let error = write_layer(&entries, &options, &mut Full(room)).unwrap_err();
        assert!(matches!(error, WriteError::Sink { source } if source.kind() == io::ErrorKind::StorageFull));
    }
}

#[test]
fn an_unreadable_file_in_the_middle_of_a_large_layer_is_an_error() {
    let space = Space::new();
    let mut entries = large(&space);
    entries.insert(1, on_disk(&space, "gone", b"gone"));
    std::fs::remove_file(space.path("gone")).unwrap();
    let error = write_layer(&entries, &LayerOptions::default(), &mut io::sink()).unwrap_err();
    assert!(matches!(error, WriteError::Read { path, .. } if path == Path::new("gone")));
}

#[test]
fn umoci_and_skopeo_take_a_layer_with_several_gzip_members() {
    let space = Space::new();
    let mut entries = vec![directory("usr")];
    entries.extend(large(&space).into_iter().map(|entry| Entry { path: Path::new("usr").join(&entry.path), ..entry }));
    entries.push(hard_link("usr/zz", "usr/small"));
    let (layer, blob) = written(&entries, &LayerOptions::default());
    assert!(blob.windows(4).filter(|window| *window == [0x1f, 0x8b, 8, 0]).count() >= 6, "several members");
    let image = space.path("image");
    write_image(&image, &layer, &blob);
    let image = image.to_str().unwrap();
    let copy = space.path("copy");
    run("skopeo", &["copy", "-q", &format!("oci:{image}:t"), &format!("dir:{}", copy.display())], &[]);
    let bundle = space.path("bundle");
    run("umoci", &["unpack", "--image", &format!("{image}:t"), bundle.to_str().unwrap()], &[]);
    let read = |name: &str| std::fs::read(bundle.join("rootfs/usr").join(name)).unwrap();
    assert!(read("big") == std::fs::read(space.path("big")).unwrap());
    assert_eq!(read("zz"), b"x");
    assert_eq!(std::fs::metadata(bundle.join("rootfs/usr/small")).unwrap().permissions().mode() & 0o7777, 0o644);
}

/// An OCI layout of one image with one layer.
fn write_image(root: &Path, layer: &LayerBlob, blob: &[u8]) {
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = digest_of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        (digest, bytes.len())
    };
    let (layer_digest, layer_size) = put(blob);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        layer.diff_id
    );
    let (config_digest, config_size) = put(config.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{config_size}}},"layers":[{{"mediaType":"{}","digest":"{layer_digest}","size":{layer_size}}}]}}"#,
        layer.media_type
    );
    let (manifest_digest, manifest_size) = put(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{manifest_digest}","size":{manifest_size},"annotations":{{"org.opencontainers.image.ref.name":"t"}}}}]}}"#
    );
    std::fs::write(root.join("index.json"), index).unwrap();
    std::fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn a_blob_that_is_compressed_anew_is_the_one_that_the_listing_gives_in_that_compression() {
    let space = Space::new();
    let entries = large(&space);
    let forms = [Compression::None, Compression::default(), Compression::Zstd { level: 3 }];
    for from in forms {
        let (first, blob) = written(&entries, &LayerOptions { compression: from, ..LayerOptions::default() });
        for to in forms {
            let mut other = Vec::new();
            let again = recompress(blob.as_slice(), Limits::default(), to, &mut other).unwrap();
            let (direct, expected) = written(&entries, &LayerOptions { compression: to, ..LayerOptions::default() });
            assert_eq!((&again, &again.diff_id), (&direct, &first.diff_id), "{from:?} to {to:?}");
            assert!(other == expected);
        }
    }
    let (_, blob) = written(&entries, &LayerOptions::default());
    let cut = recompress(&blob[..blob.len() / 2], Limits::default(), Compression::None, &mut Vec::new());
    assert!(matches!(cut, Err(WriteError::Source(_))), "{cut:?}");
}
