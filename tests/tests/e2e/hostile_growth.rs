//! Images that are more than they seem: decompression bombs, many entries, many layers. None takes memory with its size.

use windlass_e2e::Image;
use windlass_e2e::base_images::{busybox_files, digest};
use windlass_e2e::raw_tar::{Header, RawTar, octal};
use windlass_e2e::servers::images::{Images, LAYER, config};

use crate::hostile::{Den, MOST_MEMORY};
use crate::hostile_images::{GZIP, gzip};

/// CVE-2017-14992: a layer that unpacks to far more than it is, in every compression.
#[test]
fn a_bomb_is_an_error_and_takes_no_memory() {
    let zeros = vec![0; 16 << 20];
    let begin = RawTar::new().header(&Header { name: b"zeros", size: octal(200 << 30), ..Header::default() }).cut_off();
    for (tool, members, expected) in [
        ("zstd", 40, "each compressed byte"),
        ("xz", 40, "each compressed byte"),
        ("bzip2", 40, "each compressed byte"),
        ("gzip", 6, "cut off"),
    ] {
        let bomb = [packed(tool, &begin), packed(tool, &zeros).repeat(members)].concat();
        let den = Den::new();
        let mut images = Images::new();
        let layer = images.blob(GZIP, &bomb);
        images.assemble("hostile", &config(&[digest(b"never known")]), &[layer]);
        let registry = images.serve();
        let (run, memory) = den.measured(den.build(&format!("FROM {}/a:hostile\nRUN true\n", registry.host())));
        assert!(memory < MOST_MEMORY, "{tool} takes {memory} MiB");
        run.fails_with(windlass_core::ExitCode::Build).says(expected);
    }
}

fn packed(tool: &str, bytes: &[u8]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, bytes).unwrap();
    let output = std::process::Command::new(tool).args(["-c", "-9"]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// Memory does not grow with the number of entries; docs/security.md has the figure for 1,000,000 of them.
#[test]
fn many_entries_take_no_memory_in_proportion() {
    let den = Den::new();
    let mut tar = RawTar::new();
    for number in 0..20_000 {
        tar = tar.file(&format!("many/{}/{number}", number % 100), b"");
    }
    let mut images = Images::new();
    images.image("hostile", &[busybox_files(), tar.end()]);
    let registry = images.serve();
    let (run, memory) = den.measured(den.build(&format!("FROM {}/a:hostile\nRUN true\n", registry.host())));
    let _ = run.succeeds();
    assert!(memory < MOST_MEMORY, "{memory} MiB");
}

/// The same for an archive that ADD unpacks, with directories and hard links.
#[test]
fn archives_of_many_entries_take_no_memory_in_proportion() {
    let den = Den::new();
    let mut tar = RawTar::new().file("first", b"");
    for number in 0..100_000 {
        let name = format!("many/{}/{number}", number % 5_000);
        tar = tar.file(&name, b"");
        tar = tar.header(&Header { name: format!("link-{number}").as_bytes(), flag: b'1', link: b"first", ..Header::default() });
    }
    std::fs::write(den.workspace.path("many.tar"), tar.end()).unwrap();
    let (run, memory) = den.measured(den.build("FROM scratch\nADD many.tar /\n"));
    let _ = run.succeeds();
    assert!(memory < MOST_MEMORY, "{memory} MiB");
}

/// The same for a context, with links among its files. A later stage takes some of what was copied.
#[test]
fn contexts_of_many_files_take_no_memory_in_proportion() {
    let den = Den::new();
    for directory in 0..200 {
        let path = den.workspace.path(&format!("many/{directory}"));
        std::fs::create_dir_all(&path).unwrap();
        (0..999).for_each(|number| std::fs::write(path.join(number.to_string()), "text").unwrap());
        std::fs::hard_link(path.join("7"), path.join("link")).unwrap();
    }
    let text = "FROM scratch AS all\nCOPY . /\nFROM scratch\nCOPY --from=all /many/199 /some\nCOPY many /many\n";
    for state in ["cold", "unchanged"] {
        let (run, memory) = den.measured(den.build(text));
        let _ = run.succeeds();
        assert!(memory < MOST_MEMORY, "{state}: {memory} MiB");
    }
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    assert_eq!(image.files.len(), 1001 + 1 + 200 * 1001, "/some and /many with all that is in them");
    assert_eq!((image.text("some/998"), image.text("many/3/link")), ("text".to_owned(), "text".to_owned()));
}

/// Layers are unpacked side by side, but only some at a time.
#[test]
fn many_layers_take_no_memory_in_proportion() {
    let den = Den::new();
    let content = vec![b'x'; 4 << 20];
    let layer = |number: u32| gzip(&RawTar::new().file(&format!("f{number}"), &content).end());
    let mut images = Images::new();
    let (mut diff_ids, mut layers) = (vec![digest(&busybox_files())], vec![images.blob(LAYER, &busybox_files())]);
    for number in 0..120 {
        diff_ids.push(digest(&RawTar::new().file(&format!("f{number}"), &content).end()));
        layers.push(images.blob(GZIP, &layer(number)));
    }
    images.assemble("hostile", &config(&diff_ids), &layers);
    let registry = images.serve();
    let text = format!("FROM {}/a:hostile\nRUN test $(ls / | grep -c ^f) = 120\n", registry.host());
    let (run, memory) = den.measured(den.build(&text));
    let _ = run.succeeds();
    assert!(memory < MOST_MEMORY, "{memory} MiB");
}
