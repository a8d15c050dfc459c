//! The command line: `buildah build`, writing the image to an OCI layout or, to keep docker's format, to an archive.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::engine_mapper::{File, HandOff, Invocation, Piece, Slot, Variable};

use crate::registries;
use crate::request::{Build, Options};

const REGISTRIES: &str = "registries.conf";

/// The whole invocation, with findings for what buildah does otherwise.
pub(crate) fn invocation(options: &Options, build: &Build) -> Result<Invocation, Vec<Finding>> {
    let refused = refusals(options, build);
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut line = Line::default();
    storage(&mut line, options);
    line.words(&["build", "--isolation", &options.isolation, "--identity-label=false", "--disable-compression=false"]);
    line.words(&["--format", if options.keeps_docker_format { "docker" } else { "oci" }]);
    line.option("--authfile", Slot::AuthFile);
    image(&mut line, build);
    inputs(&mut line, build);
    surroundings(&mut line, build);
    let transport = if options.keeps_docker_format { "docker-archive:" } else { "oci:" };
    line.pieces(vec!["--tag".into()]);
    line.pieces(vec![transport.into(), Slot::Output.into()]);
    line.option("--file", Slot::Dockerfile);
    line.pieces(vec![Slot::Context.into()]);
    Ok(Invocation {
        program: options.program.clone(),
        arguments: line.0,
        environment: environment(build),
        files: vec![File { name: REGISTRIES.to_owned(), content: vec![registries::configuration(build).into()] }],
        hand_off: if options.keeps_docker_format { HandOff::DockerArchive } else { HandOff::OciLayout },
        findings: differences(options, build),
        attributes: Vec::new(),
    })
}

/// Arguments, each of one or more pieces.
#[derive(Default)]
struct Line(Vec<Vec<Piece>>);

impl Line {
    fn pieces(&mut self, pieces: Vec<Piece>) {
        self.0.push(pieces);
    }

    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|word| vec![(*word).into()]));
    }

    fn option(&mut self, name: &str, slot: Slot) {
        self.words(&[name]);
        self.pieces(vec![slot.into()]);
    }
}

/// Global options come before the command. Everything that buildah keeps lives in the scratch directory.
fn storage(line: &mut Line, options: &Options) {
    for (name, directory) in [("--root", "/root"), ("--runroot", "/run")] {
        line.words(&[name]);
        line.pieces(vec![Slot::Scratch.into(), directory.into()]);
    }
    line.words(&["--storage-driver", &options.storage_driver]);
}

fn image(line: &mut Line, build: &Build) {
    // `--squash` of buildah takes the base's layers too. Without layers of steps, a stage adds one to what it is built on.
    line.words(if build.squash { &["--layers=false"] } else { &["--layers"] });
    for (option, value) in [("--target", &build.target), ("--network", &build.network)] {
        if let Some(value) = value.as_deref().filter(|value| *value != "default") {
            line.words(&[option, value]);
        }
    }
    for platform in &build.platforms {
        line.words(&["--platform", platform]);
    }
    for (option, pairs) in [("--label", &build.labels), ("--annotation", &build.annotations), ("--build-arg", &build.arguments)] {
        for (name, value) in pairs {
            line.words(&[option, &format!("{name}={value}")]);
        }
    }
    if let Some(seconds) = build.source_date_epoch {
        line.words(&["--timestamp", &seconds.to_string()]);
    }
    for (flag, wanted) in [("--no-cache", build.no_cache), ("--quiet", build.quiet)] {
        if wanted {
            line.words(&[flag]);
        }
    }
}

fn inputs(line: &mut Line, build: &Build) {
    // Without a value buildah takes it from its environment, where no process list shows it.
    for name in &build.secret_arguments {
        line.words(&["--build-arg", name]);
    }
    for id in &build.secrets {
        line.words(&["--secret"]);
        line.pieces(vec![format!("id={id},src=").into(), Slot::Secret(id.clone()).into()]);
    }
    for id in &build.ssh {
        line.words(&["--ssh"]);
        line.pieces(vec![format!("{id}=").into(), Slot::SshKey(id.clone()).into()]);
    }
    for name in &build.named_contexts {
        line.words(&["--build-context"]);
        line.pieces(vec![format!("{name}=").into(), Slot::NamedContext(name.clone()).into()]);
    }
}

fn surroundings(line: &mut Line, build: &Build) {
    for (name, address) in &build.add_hosts {
        line.words(&["--add-host", &format!("{name}:{address}")]);
    }
    // Without a network there is nobody to ask, and buildah refuses to be told whom.
    let wanted = build.network.as_deref() != Some("none");
    for (option, values) in [("--dns", &build.dns), ("--dns-search", &build.dns_search)] {
        for value in values.iter().filter(|_| wanted) {
            line.words(&[option, value]);
        }
    }
    if let Some(bytes) = build.memory {
        line.words(&["--memory", &format!("{bytes}b")]);
    }
    if let Some(thousandths) = build.processor {
        line.words(&["--cpu-period", "100000", "--cpu-quota", &(u64::from(thousandths) * 100).to_string()]);
    }
}

fn environment(build: &Build) -> Vec<Variable> {
    let variable = |name: &str, slot: Slot| Variable { name: name.to_owned(), value: vec![slot.into()] };
    let own = [variable("CONTAINERS_REGISTRIES_CONF", Slot::File(REGISTRIES.to_owned())), variable("TMPDIR", Slot::Scratch)];
    own.into_iter().chain(build.secret_arguments.iter().map(|name| variable(name, Slot::Argument(name.clone())))).collect()
}

/// What buildah cannot do.
fn refusals(options: &Options, build: &Build) -> Vec<Finding> {
    let mut refused = Vec::new();
    if build.platforms.len() > 1 {
        let message = format!("buildah builds for one platform at a time, not for {}", build.platforms.join(", "));
        refused.push(
            Finding::deny("buildah/platforms", message)
                .about("platforms")
                .help("use the embedded builder, or run a step for each platform"),
        );
    }
    if build.network.as_deref() == Some("none") && options.isolation == "chroot" {
        let finding =
            Finding::deny("buildah/network", "buildah cannot take the network away with the isolation `chroot`").about("network");
        refused.push(finding.help("set the engine's isolation to `oci` or `rootless`"));
    }
    for name in build.secret_arguments.iter().filter(|name| is_taken(name)) {
        let finding = Finding::deny("buildah/argument", format!("the secret build argument `{name}` would steer buildah itself"));
        refused.push(finding.about(name.clone()).help("give it another name"));
    }
    refused
}

/// Whether a variable of that name means something to buildah, or to how programs are run.
fn is_taken(name: &str) -> bool {
    let prefixes = ["BUILDAH_", "CONTAINERS_", "STORAGE_", "REGISTRY_", "LD_", "XDG_", "_", "DOCKER_", "GODEBUG", "SSL_CERT_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || matches!(name, "PATH" | "HOME" | "TMPDIR" | "LANG" | "LC_ALL")
}

/// What buildah does otherwise than the embedded builder.
fn differences(options: &Options, build: &Build) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |rule: &str, subject: &str, message: &str| found.push(Finding::warn(rule, message).about(subject));
    if !(build.cache_from.is_empty() && build.cache_to.is_empty()) {
        add("buildah/cache", "cache-from", "buildah starts without a cache, and neither reads nor writes one");
    }
    if options.isolation == "chroot" && (build.memory.is_some() || build.processor.is_some()) {
        add("buildah/limits", "memory-limit", "buildah applies no memory or processor limit with the isolation `chroot`");
    }
    if options.keeps_docker_format && !build.annotations.is_empty() {
        add("buildah/annotations", "annotations", "images in docker's format carry no annotations");
    }
    if !options.keeps_docker_format {
        let message = "buildah drops HEALTHCHECK, SHELL and ONBUILD from images in the OCI format";
        found.push(
            Finding::inform("buildah/format", message).about("format").help("set the engine's format to `docker` to keep them"),
        );
    }
    found
}

#[cfg(test)]
mod tests;
