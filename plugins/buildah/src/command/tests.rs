//! What the command line looks like, slots shown as `{slot}`.

use super::*;

fn options() -> Options {
    Options {
        program: "buildah".to_owned(),
        isolation: "chroot".to_owned(),
        storage_driver: "vfs".to_owned(),
        keeps_docker_format: false,
    }
}

fn show(pieces: &[Piece]) -> String {
    let one = |piece: &Piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Slot(slot) => format!("{{{slot:?}}}"),
        Piece::Other(name) => panic!("{name}"),
    };
    pieces.iter().map(one).collect()
}

fn line(options: &Options, build: &Build) -> String {
    let invocation = invocation(options, build).unwrap();
    invocation.arguments.iter().map(|pieces| show(pieces)).collect::<Vec<_>>().join(" ")
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_simplest_build_becomes_one_command_that_writes_an_oci_layout() {
    assert_eq!(
        line(&options(), &Build::default()),
        "--root {Slot::Scratch}/root --runroot {Slot::Scratch}/run --storage-driver vfs build --isolation chroot --identity-label=false \
         --disable-compression=false --format oci --authfile {Slot::AuthFile} --layers --tag oci:{Slot::Output} --file {Slot::Dockerfile} {Slot::Context}"
    );
    assert_eq!(invocation(&options(), &Build::default()).unwrap().hand_off, HandOff::OciLayout);
}

#[test]
fn target_labels_arguments_and_platform_are_passed_on_with_their_commas() {
    let build = Build {
        target: Some("final".to_owned()),
        platforms: vec!["linux/arm64".to_owned()],
        labels: pairs(&[("a", "x, y")]),
        annotations: pairs(&[("b", "=")]),
        arguments: pairs(&[("FLAGS", "-O2,-g")]),
        squash: true,
        no_cache: true,
        quiet: true,
        source_date_epoch: Some(7),
        add_hosts: pairs(&[("db", "::1")]),
        dns: vec!["9.9.9.9".to_owned()],
        ..Build::default()
    };
    let line = line(&options(), &build);
    for part in [
        " --layers=false --target final --platform linux/arm64 --label a=x, y --annotation b== --build-arg FLAGS=-O2,-g ",
        " --timestamp 7 --no-cache --quiet ",
        " --add-host db:::1 --dns 9.9.9.9 ",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("--squash") && !line.contains("--layers "));
}

#[test]
fn secrets_stand_in_slots_and_secret_arguments_in_the_environment_only() {
    let build = Build {
        secrets: vec!["token".to_owned()],
        ssh: vec!["default".to_owned()],
        named_contexts: vec!["lib".to_owned()],
        secret_arguments: vec!["PASSWORD".to_owned()],
        ..Build::default()
    };
    let invocation = invocation(&options(), &build).unwrap();
    let line = line(&options(), &build);
    assert!(
        line.contains(
            "--build-arg PASSWORD --secret id=token,src={Slot::Secret(\"token\")} --ssh default={Slot::SshKey(\"default\")}"
        ),
        "{line}"
    );
    assert!(line.contains("--build-context lib={Slot::NamedContext(\"lib\")}"), "{line}");
    let environment: Vec<String> = invocation.environment.iter().map(|v| format!("{}={}", v.name, show(&v.value))).collect();
    assert_eq!(
        environment,
        [
            "CONTAINERS_REGISTRIES_CONF={Slot::File(\"registries.conf\")}",
            "TMPDIR={Slot::Scratch}",
            "PASSWORD={Slot::Argument(\"PASSWORD\")}"
        ]
    );
}

#[test]
fn limits_are_passed_on_and_told_where_they_do_not_hold() {
    let build = Build { memory: Some(1 << 30), processor: Some(1500), ..Build::default() };
    assert!(line(&options(), &build).contains("--memory 1073741824b --cpu-period 100000 --cpu-quota 150000"));
    let rules =
        |options: &Options| invocation(options, &build).unwrap().findings.iter().map(|f| f.rule.clone()).collect::<Vec<_>>();
    assert_eq!(rules(&options()), ["buildah/limits", "buildah/format"]);
    assert_eq!(rules(&Options { isolation: "oci".to_owned(), ..options() }), ["buildah/format"]);
}

#[test]
fn dockers_format_comes_back_as_an_archive() {
    let options = Options { keeps_docker_format: true, ..options() };
    assert!(line(&options, &Build::default()).contains("--format docker"));
    assert!(line(&options, &Build::default()).contains("--tag docker-archive:{Slot::Output}"));
    assert_eq!(invocation(&options, &Build::default()).unwrap().hand_off, HandOff::DockerArchive);
}

#[test]
fn what_buildah_cannot_do_is_refused_all_at_once() {
    let build = Build {
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        network: Some("none".to_owned()),
        secret_arguments: vec!["LD_PRELOAD".to_owned(), "TOKEN".to_owned()],
        ..Build::default()
    };
    let findings = invocation(&options(), &build).unwrap_err();
    let rules: Vec<&str> = findings.iter().map(|f| f.rule.as_str()).collect();
    assert_eq!(rules, ["buildah/platforms", "buildah/network", "buildah/argument"]);
}
