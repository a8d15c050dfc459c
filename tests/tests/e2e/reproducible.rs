//! `SOURCE_DATE_EPOCH`: the same inputs give the same bytes.

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, User, Workspace};

const EPOCH: &str = "1700000000";

fn workspace(user: User, base: &str) -> Workspace {
    let workspace = Workspace::of(user);
    workspace.write("dir/file", "content\n");
    workspace.write(
        "Dockerfile",
        format!("FROM {base} AS tool\nRUN echo tool > /tool && mkdir /more && ln -s /tool /more/link\nFROM {base}\nWORKDIR /work\nCOPY dir/ ./\nCOPY --from=tool /tool /more ./\nRUN echo made > /made && chmod 4755 /made && rm /etc/group\nENV A=b\n"),
    );
    workspace
}

fn digest(workspace: &Workspace, options: &[&str]) -> String {
    let run = workspace.windlass(["build", ".", "-o", "oci:out"]).args(options).env("SOURCE_DATE_EPOCH", EPOCH).run().succeeds();
    run.stdout.trim().to_owned()
}

#[test]
fn two_stores_two_users_and_two_runs_make_one_digest() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:latest");
    let [root, other, nobody] = [User::Root, User::Root, User::Nobody].map(|user| workspace(user, &base));
    let first = digest(&root, &[]);
    // Times of the context's files are no part of an image that is to be the same elsewhere, as long as they lie after the epoch.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(other.path("dir/file")).unwrap().set_modified(later).unwrap();
    assert_eq!(digest(&other, &[]), first, "in a store of its own");
    assert_eq!(digest(&nobody, &[]), first, "without root");
    assert_eq!(digest(&root, &[]), first, "from the cache");
    assert_eq!(digest(&root, &["--no-cache"]), first, "without the cache");
    let image = Image::read(&format!("oci:{}", root.path("out").display()), None);
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
}

#[test]
fn steps_that_were_cached_without_an_epoch_are_not_taken_for_one() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:latest");
    let [fresh, used] = [User::Root, User::Root].map(|user| workspace(user, &base));
    used.windlass(["build", ".", "-o", "oci:before"]).run().succeeds();
    assert_eq!(digest(&used, &[]), digest(&fresh, &[]));
}

#[test]
fn every_platform_and_every_compression_is_reproducible() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:latest");
    let [one, other] = [User::Root, User::Root].map(|user| workspace(user, &base));
    for workspace in [&one, &other] {
        workspace.write("Dockerfile", "FROM scratch\nCOPY dir /dir\nARG TARGETARCH\nLABEL is=$TARGETARCH\n");
    }
    let options = ["--platform", "linux/amd64,linux/arm64", "-o", "type=oci,dest=a.tar,compression=zstd"];
    assert_eq!(digest(&one, &options), digest(&other, &options));
    let archives = [&one, &other].map(|workspace| std::fs::read(workspace.path("a.tar")).unwrap());
    assert!(archives[0] == archives[1], "archives are the same byte for byte");
}

#[test]
fn the_epoch_is_a_build_argument_or_becomes_one() {
    let registry = DockerRegistry::open();
    let base = Busybox::default().push(&registry, "base:latest");
    let [one, other] = [User::Root, User::Root].map(|user| workspace(user, &base));
    for workspace in [&one, &other] {
        workspace.write("Dockerfile", format!("FROM {base}\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /epoch\n"));
    }
    let argument = format!("SOURCE_DATE_EPOCH={EPOCH}");
    let run = other.windlass(["build", ".", "-o", "oci:out", "--build-arg", &argument]).run().succeeds();
    assert_eq!(run.stdout.trim(), digest(&one, &[]));
    let image = Image::read(&format!("oci:{}", other.path("out").display()), None);
    assert_eq!(image.text("epoch"), format!("{EPOCH}\n"));
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
    let wrong = ["build", ".", "-o", "oci:out", "--build-arg", "SOURCE_DATE_EPOCH=yesterday"];
    let _ = other.windlass(wrong).run().fails_with(ExitCode::Settings).says("must be seconds since 1970, not `yesterday`");
}
