//! Hostile images: layers written byte by byte, configurations and manifests that lie. None of them leaves its root.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use windlass_e2e::Image;
use windlass_e2e::base_images::{busybox_files, digest};
use windlass_e2e::raw_tar::{Header, RawTar, octal, record};
use windlass_e2e::servers::images::{CONFIG, INDEX, Images, LAYER, MANIFEST, config};

use crate::hostile::{Den, MOST_MEMORY, SECRET};

pub(crate) const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Dockerfiles that use an image in every way there is: it is run, copied from, written into, mounted.
const USES: [&str; 4] = [
    "FROM IMAGE\nRUN true\n",
    "FROM IMAGE AS image\nFROM scratch\nCOPY --from=image / /all/\n",
    "FROM IMAGE\nCOPY file /d/x\nWORKDIR /d/w\nUSER nobody\n",
    "FROM IMAGE AS image\nFROM BASE\nRUN --mount=type=bind,from=image,target=/m find /m >/dev/null; true\n",
];

/// Uses an image of busybox and these layers in every way; the outside stays as it is.
#[track_caller]
fn stays_inside(layers: impl Fn(&Den) -> Vec<Vec<u8>>) {
    for dockerfile in USES {
        let den = Den::new();
        let mut images = Images::new();
        let busybox = busybox_files();
        images.image("base", std::slice::from_ref(&busybox));
        images.image("hostile", &[vec![busybox], layers(&den)].concat());
        let registry = images.serve();
        den.workspace.write("file", "x");
        let text = dockerfile.replace("IMAGE", &format!("{}/a:hostile", registry.host()));
        let run = den.ends(den.build(&text.replace("BASE", &format!("{}/a:base", registry.host()))));
        if run.status.success() {
            let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
            let leaked = image.files.iter().find(|(_, entry)| entry.content == SECRET.as_bytes());
            assert!(leaked.is_none(), "{leaked:?} of the host is in the image");
        }
    }
}

/// Builds on busybox and this layer.
fn on(den: &Den, layer: Vec<u8>, dockerfile: &str) -> windlass_e2e::Run {
    let mut images = Images::new();
    images.image("hostile", &[busybox_files(), layer]);
    serving(den, images, dockerfile)
}

/// Builds on the image `hostile` of these.
fn serving(den: &Den, images: Images, dockerfile: &str) -> windlass_e2e::Run {
    let registry = images.serve();
    den.ends(den.build(&dockerfile.replace("IMAGE", &format!("{}/a:hostile", registry.host()))))
}

/// CVE-2019-10743 and its kin: names that climb, names from the root, in every kind of header.
#[test]
fn names_that_lead_out_are_kept_in() {
    stays_inside(|den| {
        let (climb, absolute) = (den.climb("new"), den.outside("new").display().to_string());
        let long = [climb.as_bytes(), b"\0"].concat();
        let tar = RawTar::new().file("../../../../../../new", b"x").file(&absolute, b"x");
        let tar = tar.pax(&[("path", &climb)]).file("a", b"x").pax(&[("path", &absolute)]).file("b", b"x");
        vec![tar.extension(b'L', &long).file("c", b"x").directory("../../d").file("d/../../../e", b"x").end()]
    });
}

/// CVE-2018-15664, CVE-2019-14271, CVE-2021-30465: a link, and then something written through it.
#[test]
fn nothing_is_written_through_a_symbolic_link() {
    for target in ["", "secret", "link"] {
        stays_inside(|den| {
            let (out, climb) = (den.outside(target).display().to_string(), den.climb(target));
            let tar = RawTar::new().pax(&[("linkpath", &out)]).symlink("d", "x").file("d/new", b"x").directory("d/sub");
            let tar = tar.pax(&[("linkpath", &climb)]).symlink("f", "x").file("f", b"x").file("f/new", b"x");
            let other = RawTar::new().file("d/second", b"x").file(".wh.d", b"").file("d/.wh.secret", b"").end();
            vec![tar.end(), other]
        });
    }
}

/// CVE-2020-27534 and CVE-2022-31030's class: hard links that name what is outside, or a link that leads there.
#[test]
fn hard_links_name_nothing_outside() {
    stays_inside(|den| {
        let (out, climb) = (den.outside("secret").display().to_string(), den.climb("secret"));
        let tar = RawTar::new().pax(&[("linkpath", &out)]).symlink("s", "x");
        vec![
            tar.hard_link("h", "s").file("h", b"overwritten").end(),
            RawTar::new().pax(&[("linkpath", &climb)]).hard_link("i", "x").end(),
        ]
    });
    stays_inside(|den| {
        vec![RawTar::new().pax(&[("linkpath", &den.outside("secret").display().to_string())]).hard_link("h", "x").end()]
    });
    let den = Den::new();
    on(&den, RawTar::new().hard_link("h", "not/there").end(), "FROM IMAGE\nRUN true\n")
        .fails_with(windlass_core::ExitCode::Build)
        .says("not/there");
}

/// Devices and set-user-id files are kept as they are in the image, and open nothing on the host.
#[test]
fn devices_pipes_and_privileged_files_are_only_names() {
    stays_inside(|_| {
        let device = |flag, device| Header { name: b"etc/passwd", flag, device, mode: 0o6777, ..Header::default() };
        vec![
            RawTar::new().header(&device(b'3', (1, 3))).header(&Header { name: b"zero", ..device(b'3', (1, 5)) }).end(),
            RawTar::new().header(&device(b'6', (0, 0))).header(&Header { name: b"etc/group", ..device(b'6', (0, 0)) }).end(),
        ]
    });
    stays_inside(|_| {
        vec![RawTar::new().header(&Header { name: b"d", flag: b'3', device: (2_097_151, 2_097_151), ..Header::default() }).end()]
    });
    // CVE-2015-3629's class: a node of the host's first disk cannot be opened in a step.
    let den = Den::new();
    let node = Header { name: b"disk", flag: b'4', device: (254, 0), mode: 0o666, ..Header::default() };
    let run = on(&den, RawTar::new().header(&node).end(), "FROM IMAGE\nRUN ! head -c1 /disk && echo cannot be opened\n");
    run.succeeds().says("cannot be opened");
}

/// CVE-2021-21284's class: whiteouts that would take away the root or something above it.
#[test]
fn whiteouts_take_away_nothing_above_the_root() {
    for name in [".wh.", ".wh..", ".wh...", "./.wh..", "a/.wh...", "../.wh.outside", ".wh..wh.aufs", ".wh..wh..opq/x"] {
        stays_inside(|_| vec![RawTar::new().file("a/b", b"x").end(), RawTar::new().file(name, b"").end()]);
    }
    for name in [".wh.", ".wh..", ".wh..."] {
        let den = Den::new();
        on(&den, RawTar::new().file(name, b"").end(), "FROM IMAGE\nRUN true\n")
            .fails_with(windlass_core::ExitCode::Build)
            .says("whiteout");
    }
}

#[test]
fn an_opaque_root_hides_what_is_below_and_nothing_else() {
    let den = Den::new();
    let layer = RawTar::new().file(".wh..wh..opq", b"").file("only", b"x").end();
    on(&den, layer, "FROM IMAGE AS image\nFROM scratch\nCOPY --from=image / /\n").succeeds();
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    assert_eq!(image.files.keys().collect::<Vec<_>>(), ["only"]);
}

/// CVE-2021-32803's class: one size in the header, another in the records. Both readers of the archive must agree, so
/// that what one takes for content is never an entry for the other.
#[test]
fn sizes_that_disagree_hide_no_entry() {
    let hidden = RawTar::new().file("hidden", b"").cut_off();
    let den = Den::new();
    let layer = RawTar::new().pax(&[("size", &hidden.len().to_string())]).file("outer", b"").content(&hidden).end();
    on(&den, layer, "FROM IMAGE AS image\nFROM scratch\nCOPY --from=image / /\n").succeeds();
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    assert_eq!(image.files["outer"].content, hidden);
    assert!(!image.files.contains_key("hidden"));
}

#[test]
fn sizes_that_cannot_be_are_errors() {
    let sized = |size: [u8; 12]| RawTar::new().header(&Header { name: b"f", size, ..Header::default() }).end();
    let negative = *b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let huge = *b"\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff";
    let layers = [
        sized(negative),
        sized(huge),
        sized(*b"not a number"),
        sized(octal(1 << 32)),
        RawTar::new().pax(&[("size", "-1")]).file("f", b"").end(),
        RawTar::new().pax(&[("size", "18446744073709551616")]).file("f", b"").end(),
        RawTar::new().pax(&[("size", "9223372036854775807")]).file("f", b"").end(),
        RawTar::new().extension(b'x', b"999999999999 path=x\n").file("f", b"").end(),
        RawTar::new().extension(b'x', b"0 path=x\n").file("f", b"").end(),
        RawTar::new().header(&Header { name: b"x", flag: b'x', size: octal(1 << 30), ..Header::default() }).end(),
        RawTar::new()
            .extension(b'g', record("comment", "x").repeat(3).as_bytes())
            .pax(&[("mtime", "1e999")])
            .file("f", b"")
            .end(),
    ];
    for (number, layer) in layers.into_iter().enumerate() {
        let den = Den::new();
        let run = on(&den, layer, "FROM IMAGE\nRUN true\n");
        assert!(!run.status.success(), "layer {number} was taken: {}", run.all());
        run.says("layer");
    }
}

/// Maps of sparse files that overlap, run backwards, or claim more than there is.
#[test]
fn sparse_maps_that_lie_are_errors() {
    let pax = |map: &str, size: &str| {
        let records = [("GNU.sparse.major", "0"), ("GNU.sparse.minor", "1"), ("GNU.sparse.map", map), ("GNU.sparse.size", size)];
        RawTar::new().pax(&records).file("f", b"0123456789").end()
    };
    let content = |text: &[u8]| {
        let records =
            [("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "10"), ("GNU.sparse.name", "../../f")];
        RawTar::new().pax(&records).file("f", text).end()
    };
    for layer in [
        pax("0,5,3,5", "10"),
        pax("5,5,0,5", "10"),
        pax("0,18446744073709551615", "10"),
        pax("0,10", "9223372036854775807"),
        pax("0,10,20", "30"),
        content(b"99999999999999999999\n"),
        content(b"1000000\n0\n"),
        content(&[b'1'; 512]),
    ] {
        let den = Den::new();
        let run = on(&den, layer, "FROM IMAGE\nRUN true\n");
        assert!(!run.status.success(), "{}", run.all());
    }
}

#[test]
fn names_in_any_bytes_are_kept_and_shown_without_harm() {
    let name = b"caf\xe9\n\x1b[31m\x07\xff";
    let den = Den::new();
    let layer = RawTar::new().header(&Header { name, ..Header::default() }).end();
    on(&den, layer.clone(), "FROM IMAGE\nRUN ls / && test $(ls -A / | wc -c) -gt 0\nCOPY --from=IMAGE / /copy/\n").succeeds();
    // An error that names it.
    let broken = RawTar::new().header(&Header { name, flag: b'1', link: b"\x1b]0;title\x07gone", ..Header::default() }).end();
    on(&den, broken, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build).says("gone");
}

#[test]
fn the_last_of_entries_with_one_name_counts() {
    let den = Den::new();
    let tar = RawTar::new().file("a", b"1").symlink("a", "b").directory("a").file("a", b"2").directory("d").file("d/x", b"x");
    let layer = tar.file("d", b"3").file("./a", b"4").end();
    on(&den, layer, "FROM IMAGE\nRUN test $(cat /a) = 4 && test $(cat /d) = 3\n").succeeds();
}

#[test]
fn directories_without_end_are_an_error() {
    let den = Den::new();
    let deep = "d/".repeat(100_000);
    let run = on(&den, RawTar::new().extension(b'L', deep.as_bytes()).directory("d").end(), "FROM IMAGE\nRUN true\n");
    run.fails_with(windlass_core::ExitCode::Build).says("longer");
    let tar = RawTar::new().pax(&[("path", &"d/".repeat(300))]).directory("d");
    on(&den, tar.end(), "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build).says("255");
}

#[test]
fn a_layer_cut_off_or_followed_by_rubbish_is_an_error_or_whole() {
    let whole = gzip(&busybox_files());
    let cut = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let tail = [whole.clone(), b"rubbish after the end".to_vec()].concat();
    for layer in [cut(&whole), tail, cut(&busybox_files()), b"no archive at all".to_vec(), vec![0x1f, 0x8b]] {
        let den = Den::new();
        let mut images = Images::new();
        let blob = images.blob(GZIP, &layer);
        images.assemble("hostile", &config(&[digest(&busybox_files())]), &[blob]);
        serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build).says("layer");
    }
}

/// CVE-2019-16884's class: content that is not what the configuration vouches for. Checked even where no step runs.
#[test]
fn a_wrong_diff_id_size_or_number_of_layers_is_an_error() {
    for dockerfile in
        ["FROM IMAGE\nRUN true\n", "FROM IMAGE AS i\nFROM scratch\nCOPY --from=i / /\n", "FROM IMAGE\nLABEL a=b\nCOPY file /\n"]
    {
        let build = |change: &dyn Fn(&mut Vec<String>, &mut Vec<Value>)| {
            let den = Den::new();
            den.workspace.write("file", "x");
            let mut images = Images::new();
            let mut layers = vec![images.blob(LAYER, &busybox_files())];
            let mut diff_ids = vec![digest(&busybox_files())];
            change(&mut diff_ids, &mut layers);
            images.assemble("hostile", &config(&diff_ids), &layers);
            serving(&den, images, dockerfile).fails_with(windlass_core::ExitCode::Build)
        };
        build(&|diff_ids, _| diff_ids[0] = digest(b"other")).says(&digest(b"other"));
        build(&|diff_ids, _| diff_ids.push(digest(b"more"))).says("layers");
        build(&|diff_ids, _| diff_ids.clear()).says("layers");
        build(&|_, layers| layers[0]["size"] = json!(17)).says("17");
        build(&|_, layers| layers[0]["size"] = json!(-1)).says("-1");
        build(&|_, layers| layers[0]["size"] = json!(1_u64 << 50)).says("bytes");
        build(&|_, layers| layers[0]["digest"] = json!("sha256:../../../etc/passwd")).says("digest");
    }
}

#[test]
fn a_configuration_that_is_none_is_an_error() {
    let huge = format!(r#"{{"x":"{}"}}"#, "x".repeat(9 << 20));
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    for text in ["", "no json", "[]", "null", r#"{"rootfs": 1}"#, r#"{"config": {"Env": [1]}}"#, &huge, &deep] {
        let den = Den::new();
        let mut images = Images::new();
        let config = images.blob(CONFIG, text.as_bytes());
        let layer = images.blob(LAYER, &busybox_files());
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        images.manifest("hostile", MANIFEST, manifest.to_string().as_bytes());
        let run = serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build);
        assert!(run.stderr.len() < 4096, "{}", run.all());
    }
}

#[test]
fn hostile_values_of_a_configuration_do_no_harm() {
    let escape = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    for change in [
        json!({"Env": ["no-equals", "=x", "A=\u{0}b", escape, "LD_PRELOAD=/x.so", "PATH=/bin"]}),
        json!({"Entrypoint": [escape, "\u{0}"], "Cmd": [escape], "Labels": {escape: escape}}),
        json!({"WorkingDir": "../../../../etc", "User": "../../etc/passwd"}),
        json!({"WorkingDir": format!("/{}", "w/".repeat(3000))}),
        json!({"User": escape, "StopSignal": escape, "Shell": [escape]}),
        json!({"OnBuild": [format!("RUN {escape}"), "FROM x", "COPY --from=/ / /", "ONBUILD RUN true"]}),
        json!({"Volumes": {"../../x": {}, escape: {}}, "ExposedPorts": {escape: {}}}),
    ] {
        let den = Den::new();
        let mut images = Images::new();
        let layer = images.blob(LAYER, &busybox_files());
        let mut config = config(&[digest(&busybox_files())]);
        for (name, value) in change.as_object().unwrap() {
            config["config"][name] = value.clone();
        }
        config["history"] = json!([{"created_by": escape, "comment": escape}]);
        config["architecture"] = json!(windlass_e2e::base_images::architecture());
        images.assemble("hostile", &config, &[layer]);
        serving(&den, images, "FROM IMAGE\nRUN true\nENV X=$PATH\nRUN [\"true\"]\n");
    }
    let den = Den::new();
    let mut images = Images::new();
    let layer = images.blob(LAYER, &busybox_files());
    let mut config = config(&[digest(&busybox_files())]);
    config["architecture"] = json!(escape);
    images.assemble("hostile", &config, &[layer]);
    serving(&den, images, "FROM IMAGE\nRUN true\n");
}

#[test]
fn an_index_that_goes_in_circles_or_is_nested_without_end_is_an_error() {
    let den = Den::new();
    let mut images = Images::new();
    let mut inner = images.image("inner", &[busybox_files()]);
    for _ in 0..40 {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]});
        inner = images.manifest("hostile", INDEX, index.to_string().as_bytes());
    }
    serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build);
    // A digest cannot hold itself: whoever claims it must be found out.
    let mut images = Images::new();
    let claimed = digest(b"circle");
    let index =
        json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [{"mediaType": INDEX, "digest": claimed, "size": 200}]});
    let text = index.to_string();
    images.manifest("hostile", INDEX, text.as_bytes());
    let registry = images.serve_with(move |request, stream| {
        if !request.target.ends_with(&claimed) {
            return Ok(false);
        }
        let response = windlass_e2e::servers::scripted::Response {
            status: 200,
            headers: vec![("content-type".to_owned(), INDEX.to_owned())],
            body: text.as_bytes().to_vec(),
        };
        windlass_e2e::servers::scripted::respond(&response, stream).map(|()| true)
    });
    let run = den.ends(den.build(&format!("FROM {}/a:hostile\nRUN true\n", registry.host())));
    run.fails_with(windlass_core::ExitCode::Build);
}

/// CVE-2021-41190: a document that is a manifest for one reader and an index for another.
#[test]
fn a_document_that_is_two_things_is_an_error() {
    let den = Den::new();
    let mut images = Images::new();
    let inner = images.image("inner", &[busybox_files()]);
    let layer = images.blob(LAYER, &busybox_files());
    let config = images.blob(CONFIG, config(&[digest(&busybox_files())]).to_string().as_bytes());
    let both = json!({"schemaVersion": 2, "config": config, "layers": [layer], "manifests": [inner]});
    for (stated, claimed) in [(MANIFEST, None), (INDEX, None), (MANIFEST, Some(INDEX)), (INDEX, Some(MANIFEST))] {
        let mut images = images.clone();
        let mut document = both.clone();
        if let Some(claimed) = claimed {
            document["mediaType"] = json!(claimed);
        }
        images.manifest("hostile", stated, document.to_string().as_bytes());
        serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build).says("two things");
    }
}

#[test]
fn a_manifest_of_a_hundred_megabytes_is_not_read() {
    let den = Den::new();
    let mut images = Images::new();
    images.manifest("hostile", MANIFEST, &vec![b' '; 100 << 20]);
    let registry = images.serve();
    let (run, memory) = den.measured(den.build(&format!("FROM {}/a:hostile\nRUN true\n", registry.host())));
    run.fails_with(windlass_core::ExitCode::Build).says("larger");
    assert!(memory < MOST_MEMORY, "{memory} MiB");
}

/// CVE-2020-15157: a layer that says where else it can be had would have credentials sent there.
#[test]
fn the_addresses_of_a_foreign_layer_are_not_asked() {
    let den = Den::new();
    let elsewhere =
        windlass_e2e::servers::scripted::Scripted::start(|_| windlass_e2e::servers::scripted::Response::json(200, "{}"));
    for media_type in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        LAYER,
    ] {
        let mut images = Images::new();
        let mut layer = json!({"mediaType": media_type, "digest": digest(&busybox_files()), "size": busybox_files().len()});
        layer["urls"] = json!([format!("{}/layer", elsewhere.url()), "file:///etc/passwd"]);
        images.assemble("hostile", &config(&[digest(&busybox_files())]), &[layer]);
        serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build);
        assert!(elsewhere.seen().is_empty());
    }
}

#[test]
fn more_layers_than_can_be_stacked_are_an_error() {
    let den = Den::new();
    let mut images = Images::new();
    images.image("hostile", &vec![busybox_files(); 600]);
    serving(&den, images, "FROM IMAGE\nRUN true\n").fails_with(windlass_core::ExitCode::Build).says("600 layers");
}

/// CVE-2022-27649's class: the files that names of users are looked up in are the image's, whatever they are.
#[test]
fn a_passwd_file_that_is_something_else_is_not_followed() {
    let pipe = Header { name: b"etc/passwd", flag: b'6', ..Header::default() };
    let device = Header { name: b"etc/passwd", flag: b'3', device: (1, 5), mode: 0o666, ..Header::default() };
    let huge = RawTar::new().file("etc/passwd", &vec![b'x'; 20 << 20]).end();
    for layer in [
        RawTar::new().symlink("etc/passwd", "/proc/self/environ").end(),
        RawTar::new().header(&pipe).end(),
        RawTar::new().header(&device).end(),
        RawTar::new().directory("etc/passwd").end(),
        RawTar::new().symlink("etc/passwd", "passwd").end(),
        RawTar::new().symlink("etc", "/proc/1/root/etc").end(),
        huge,
        RawTar::new().file("etc/passwd", b"daemon:x:99999999999999999999:1::/:\n").end(),
    ] {
        let den = Den::new();
        den.workspace.write("file", "x");
        on(&den, layer.clone(), "FROM IMAGE\nUSER daemon\nRUN true\n").fails_with(windlass_core::ExitCode::Build);
        on(&den, layer, "FROM IMAGE\nCOPY --chown=daemon file /\n");
    }
    // A link to a file with the host's users: `_apt` or `daemon` is there, and must not be found by it.
    stays_inside(|den| {
        vec![RawTar::new().pax(&[("linkpath", &den.outside("secret").display().to_string())]).symlink("etc/passwd", "x").end()]
    });
}
