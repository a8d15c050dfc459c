//! Variables that steer the inside of another builder: the docker daemon, BuildKit, kaniko's executor.

use super::Shape::{Flag, Text};
use super::{Variable, ignored, refused};

const DAEMON: &str = "There is no docker daemon to set up.";
const BUILDKIT: &str = "There is no BuildKit builder to set up.";
const SNAPSHOT: &str = "Changes are read from the file system's own record of them, not by comparing snapshots.";
const NOTHING_FOREIGN: &str =
    "Nothing of the machine that builds gets into a layer; what a RUN should not leave behind it can remove itself.";
const ALWAYS_CACHED: &str = "Every step is cached, COPY and RUN alike; PLUGIN_NO_CACHE switches that off.";

pub(super) const TABLE: &[Variable] = &[
    ignored(&["PLUGIN_DAEMON_OFF"], DAEMON),
    ignored(&["PLUGIN_DAEMON_RETRY_COUNT"], DAEMON),
    ignored(&["PLUGIN_STORAGE_DRIVER"], DAEMON),
    ignored(&["PLUGIN_STORAGE_PATH"], DAEMON),
    ignored(&["PLUGIN_BIP"], DAEMON),
    ignored(&["PLUGIN_MTU"], DAEMON),
    ignored(&["PLUGIN_IPV6"], DAEMON),
    ignored(&["PLUGIN_EXPERIMENTAL"], DAEMON),
    ignored(
        &["PLUGIN_DEBUG", "DOCKER_LAUNCH_DEBUG"],
        "There is no docker daemon whose log could be shown; see PLUGIN_VERBOSITY.",
    ),
    ignored(&["PLUGIN_PURGE"], "Nothing is left behind that would have to be purged."),
    ignored(&["PLUGIN_COMPRESS"], "The context is read in place and never sent anywhere."),
    ignored(&["PLUGIN_SNAPSHOT_MODE"], SNAPSHOT),
    ignored(&["PLUGIN_USE_NEW_RUN"], SNAPSHOT),
    ignored(&["PLUGIN_SKIP_UNUSED_STAGES"], "Stages that the target does not need are never built."),
    ignored(&["PLUGIN_CACHE_DIR"], "Base images are kept in Windlass's own store."),
    ignored(&["PLUGIN_CACHE_COPY_LAYERS"], ALWAYS_CACHED),
    ignored(&["PLUGIN_CACHE_RUN_LAYERS"], ALWAYS_CACHED),
    ignored(&["PLUGIN_COMPRESSED_CACHING"], "Memory does not grow with the size of layers, compressed or not."),
    ignored(&["PLUGIN_CLEANUP"], "The build never touches the file system that it runs in."),
    ignored(&["PLUGIN_FORCE"], "Building outside a container is safe."),
    ignored(&["PLUGIN_IGNORE_VAR_RUN"], "Nothing outside the image is mounted on /var/run, so there is nothing to leave out."),
    ignored(
        &["PLUGIN_IMAGE_FS_EXTRACT_RETRY"],
        "Layers are verified as they arrive; PLUGIN_IMAGE_DOWNLOAD_RETRY says how often.",
    ),
    ignored(&["PLUGIN_LOG_FORMAT"], "The option --progress chooses the form of the output."),
    ignored(&["PLUGIN_LOG_TIMESTAMP"], "The option --progress chooses the form of the output."),
    ignored(&["KANIKO_DIR"], "The file system that Windlass runs in is not part of the image."),
    ignored(&["PLUGIN_BUILDER_NAME"], BUILDKIT),
    ignored(&["PLUGIN_DRIVER"], BUILDKIT),
    ignored(&["PLUGIN_DRIVER_OPTS"], BUILDKIT),
    ignored(&["PLUGIN_DRIVER_OPTS_NEW"], BUILDKIT),
    ignored(&["PLUGIN_REMOTE_CONN"], BUILDKIT),
    ignored(&["PLUGIN_USE_LOADED_BUILDKIT"], BUILDKIT),
    ignored(&["PLUGIN_BUILDKIT_ASSETS_DIR"], BUILDKIT),
    ignored(&["PLUGIN_BUILDKIT_VERSION"], BUILDKIT),
    ignored(&["PLUGIN_BUILDKIT_TLS_HANDSHAKE_TIMEOUT"], BUILDKIT),
    ignored(&["PLUGIN_BUILDKIT_RESPONSE_HEADER_TIMEOUT"], BUILDKIT),
    ignored(&["PLUGIN_BUILDKIT_INHERIT_AUTH"], BUILDKIT),
    ignored(&["PLUGIN_CACHE_METRICS_FILE"], "The JSON report says what came from a cache."),
    ignored(
        &["PLUGIN_BUILDX_LOAD"],
        "There is no docker daemon to load the image into; PLUGIN_TAR_PATH writes a docker archive.",
    ),
    ignored(&["PLUGIN_IGNORE_PATH"], NOTHING_FOREIGN),
    ignored(&["PLUGIN_IGNORE_PATHS"], NOTHING_FOREIGN),
    refused(
        &["PLUGIN_BUILDX_OUTPUT_FORMAT"],
        Text,
        "PLUGIN_TAR_PATH writes a docker archive, PLUGIN_OCI_LAYOUT_PATH an OCI layout.",
    ),
    refused(
        &["PLUGIN_BUILDX_OPTIONS", "PLUGIN_BUILDX_OPTIONS_SEMICOLON"],
        Text,
        "Options of `docker buildx` mean nothing to Windlass.",
    ),
    refused(
        &["PLUGIN_BAKE_FILE", "PLUGIN_BAKE_OPTIONS"],
        Text,
        "Windlass does not read bake files; run one step for each image.",
    ),
    refused(
        &["PLUGIN_PATH_STYLE", "PLUGIN_CACHE_TLS_INSECURE"],
        Flag,
        "Caches are kept in registries and directories, not in S3.",
    ),
];
