//! The settings of the step itself: what every dialect translates into, whatever the CI calls it.

use windlass_core::setting::{Kind, Spec};

/// Name, kind, default, help.
type Row = (&'static str, Kind, Option<&'static str>, &'static str);

const ROWS: &[Row] = &[
    ("name", Kind::Text, None, "What the step is called in messages."),
    ("context", Kind::Text, Some("."), "The directory with the files that the Dockerfile may copy."),
    ("dockerfile", Kind::Text, None, "The Dockerfile; as given, else below the context. Default: `Dockerfile` in the context."),
    ("target", Kind::Text, None, "The stage to build. Default: the last one."),
    ("platforms", Kind::Texts, None, "The platforms to build for, such as linux/amd64. Default: this machine's."),
    ("build-args", Kind::Pairs, None, "Values for ARG instructions."),
    (
        "build-args-from-env",
        Kind::Texts,
        None,
        "Names of ARG instructions whose values are read from the environment; the values are not shown.",
    ),
    ("labels", Kind::Pairs, None, "Labels to set on the image."),
    (
        "auto-labels",
        Kind::Flag,
        Some("false"),
        "Set the org.opencontainers.image labels created, revision, source and url from the CI's facts.",
    ),
    ("annotations", Kind::Pairs, None, "Annotations to set on the image manifest."),
    ("tags", Kind::Texts, None, "The tags to push. Default: latest."),
    ("push", Kind::Flag, Some("true"), "Push the image; false builds only."),
    ("no-cache", Kind::Flag, Some("false"), "Run every step again."),
    ("pull", Kind::Flag, Some("false"), "Ask the registry for base images even when a copy by the same tag is here."),
    ("no-cache-filter", Kind::Texts, None, "Stages, by name or number, of which no step is taken from the cache."),
    ("squash", Kind::Flag, None, "Make one layer of all that the build adds to the base."),
    ("single-layer", Kind::Flag, None, "The same as `squash`, under kaniko's name for it."),
    ("cache", Kind::Flag, None, "Share results of steps with other machines by a repository of a registry."),
    ("cache-repo", Kind::Text, None, "That repository. Default: `cache` below the first destination."),
    ("cache-ttl-hours", Kind::Integer, None, "How old an entry of it may be, in hours. Default: 336, which is two weeks."),
    ("cache-from", Kind::Texts, None, "Caches to read: type=registry,ref=REF, type=local,src=DIR, or REF alone."),
    (
        "cache-to",
        Kind::Texts,
        None,
        "Caches to write: type=registry,ref=REF, type=local,dest=DIR or type=inline; mode=min|max, ignore-error=true.",
    ),
    ("shm-size", Kind::Text, None, "The size of /dev/shm in RUN steps, such as 128m. Default: 64m."),
    ("ulimits", Kind::Texts, None, "NAME=SOFT[:HARD]: what processes of RUN steps may use, such as nofile=1024:4096."),
    ("memory-limit", Kind::Text, None, "How much memory RUN steps may use together, such as 2g or 500Mi."),
    ("cpu-limit", Kind::Text, None, "How many processors RUN steps may use together, such as 2, 0.5 or 500m."),
    ("add-hosts", Kind::Texts, None, "HOST:ADDRESS entries for /etc/hosts in RUN steps."),
    ("custom-dns", Kind::Texts, None, "Name servers for RUN steps. Default: this machine's."),
    ("custom-dns-search", Kind::Texts, None, "Search domains for RUN steps. Default: this machine's."),
    ("build-secrets-from-env", Kind::Pairs, None, "ID=VARIABLE: secrets for RUN --mount=type=secret, from the environment."),
    ("build-secrets-from-file", Kind::Pairs, None, "ID=PATH: secrets for RUN --mount=type=secret, from files."),
    ("build-secret", Kind::Text, None, "One secret for RUN --mount=type=secret, as `id=ID,src=PATH` or `id=ID,env=VARIABLE`."),
    ("ssh", Kind::Texts, None, "ID, ID=SOCKET or ID=KEYFILE: agents for RUN --mount=type=ssh."),
    ("ssh-key", Kind::Secret, None, "The text of a private key for RUN --mount=type=ssh, held by an agent of ours."),
    ("tar-path", Kind::Text, None, "Also write the image as a docker archive to this file."),
    ("oci-layout-path", Kind::Text, None, "Also write the image as an OCI layout to this directory."),
    ("artifact-file", Kind::Text, None, "Write the docker/v1 artifact JSON that Harness shows to this file."),
    ("digest-file", Kind::Text, None, "Write the image's digest to this file."),
    ("image-name-with-digest-file", Kind::Text, None, "Write REPOSITORY@DIGEST, a line each, to this file."),
    ("image-name-tag-with-digest-file", Kind::Text, None, "Write REPOSITORY:TAG@DIGEST, a line each, to this file."),
    ("output-file", Kind::Text, None, "Append `digest=…` (and IMAGE_TAR_PATH) to this dotenv file."),
    ("metadata-file", Kind::Text, None, "Write buildx's metadata JSON (containerimage.digest, image.name) to this file."),
    (
        "provenance",
        Kind::Text,
        None,
        "Attach SLSA provenance: true, false, or mode=min or mode=max, with `,builder-id=URI`. Default: false.",
    ),
    ("sbom", Kind::Flag, Some("false"), "Attach an SPDX document of the image's packages to it."),
    ("compression", Kind::Text, None, "How layers are compressed: gzip, zstd or uncompressed. Default: gzip."),
    ("compression-level", Kind::Integer, None, "How hard the compression tries: gzip 1 to 12, zstd 1 to 19. Default: fast."),
    ("registry-mirrors", Kind::Texts, None, "Mirrors that are asked before Docker Hub when a base image is pulled."),
    ("insecure", Kind::Flag, Some("false"), "Push over plain HTTP."),
    ("insecure-pull", Kind::Flag, Some("false"), "Pull base images over plain HTTP."),
    ("insecure-registries", Kind::Texts, None, "Registries that are spoken to over plain HTTP."),
    ("skip-tls-verify", Kind::Flag, Some("false"), "Do not check the destination's certificate."),
    ("skip-tls-verify-pull", Kind::Flag, Some("false"), "Do not check certificates when base images are pulled."),
    ("registry-certificates", Kind::Pairs, None, "HOST=PATH: certificate authorities to trust for a registry."),
    ("registry-client-certs", Kind::Pairs, None, "HOST=CERTIFICATE,KEY: a client certificate for a registry."),
    ("push-retry", Kind::Integer, None, "How often a failed push is tried again."),
    ("pull-retry", Kind::Integer, None, "How often a failed pull is tried again."),
    (
        "reproducible",
        Kind::Flag,
        Some("false"),
        "Set every time in the image to SOURCE_DATE_EPOCH, or to 1970 when that is not set.",
    ),
    ("timeout", Kind::Text, None, "How long the whole step may take, such as `1h 30m`."),
    (
        "skip-push-if-tag-exists",
        Kind::Flag,
        Some("false"),
        "End successfully without building when a tag is in the repository already.",
    ),
    ("push-only", Kind::Flag, None, "Push the image of an archive, and build nothing."),
    ("source-tar-path", Kind::Text, None, "What push-only pushes: a docker archive, an OCI archive or an OCI layout."),
    ("source-image", Kind::Text, None, "An image of a docker daemon. Refused: there is no daemon to take it from."),
];

/// Settings of the plugins we replace without which the result is the same, each with what is done in its place.
const WITHOUT_EFFECT: &[(Row, &str)] = &[
    (("quiet", Kind::Flag, None, "Print less."), "`--progress quiet` prints warnings and errors only"),
    (("verbosity", Kind::Text, None, "How much is printed."), "`--progress` says what is printed"),
    (("env-file", Kind::Text, None, "A dotenv file with further variables."), "set its variables before windlass is started"),
];

/// Every setting of the step.
#[must_use]
pub fn specs() -> Vec<Spec> {
    ROWS.iter().chain(WITHOUT_EFFECT.iter().map(|(row, _)| row)).map(spec).collect()
}

/// The settings that are known but have no effect, each with what is done in its place.
pub(crate) fn without_effect() -> impl Iterator<Item = (&'static str, &'static str)> {
    WITHOUT_EFFECT.iter().map(|(row, instead)| (row.0, *instead))
}

fn spec(&(name, kind, default, help): &Row) -> Spec {
    Spec {
        name: name.to_owned(),
        aliases: Vec::new(),
        kind,
        default: default.map(str::to_owned),
        required: false,
        choices: Vec::new(),
        help: help.to_owned(),
    }
}
