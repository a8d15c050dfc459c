//! Variables that say where the image goes and how registries are spoken to.

use super::On::{All, Docker};
use super::Shape::{Commas, Flag, Integer, Pairs, StrictPairs, Text};
use super::{Variable, ecr, ignored, refused, step, together};

pub(super) const TABLE: &[Variable] = &[
    together(
        &["PLUGIN_REPO"],
        All,
        Text,
        "The image name. The registry is put in front, once, unless a host stands there already.",
    ),
    together(
        &["PLUGIN_REGISTRY"],
        All,
        Text,
        "The registry's host; `https://` in front and `/v1/` or `/v2/` behind are taken off.",
    ),
    together(
        &["PLUGIN_TAG", "PLUGIN_TAGS"],
        All,
        Commas,
        "The tags, separated by commas; without them, those in the file `.tags`.",
    ),
    together(&["PLUGIN_DEFAULT_TAGS", "PLUGIN_AUTO_TAG"], All, Flag, "Whether tags are made from the git tag or branch."),
    together(
        &["PLUGIN_DEFAULT_SUFFIX", "PLUGIN_AUTO_TAG_SUFFIX"],
        All,
        Text,
        "What is put behind each of those tags, after a `-`.",
    ),
    together(&["PLUGIN_EXPAND_TAG"], All, Flag, "Whether the tag v1.2.3 becomes the tags 1, 1.2 and 1.2.3."),
    together(&["PLUGIN_DRY_RUN"], All, Flag, "True builds without pushing."),
    together(&["PLUGIN_NO_PUSH", "KANIKO_NO_PUSH"], All, Flag, "True builds without pushing."),
    together(&["PLUGIN_PUSH_ONLY"], All, Flag, "Whether an image that is there already is pushed, and nothing is built."),
    together(
        &["PLUGIN_SOURCE_TAR_PATH"],
        All,
        Text,
        "What PLUGIN_PUSH_ONLY pushes: a docker archive, an OCI archive or an OCI layout.",
    ),
    together(
        &["PLUGIN_SOURCE_IMAGE"],
        All,
        Text,
        "An image of a docker daemon that PLUGIN_PUSH_ONLY pushes. It is an error, since there is no daemon: save it, and use PLUGIN_SOURCE_TAR_PATH.",
    ),
    step(
        &["PLUGIN_SKIP_PUSH_IF_TAG_EXISTS"],
        "skip-push-if-tag-exists",
        Flag,
        "Whether a tag that exists already is left alone.",
    ),
    together(&["PLUGIN_MIRROR", "DOCKER_PLUGIN_MIRROR"], All, Commas, "A mirror of Docker Hub."),
    together(&["PLUGIN_REGISTRY_MIRRORS", "KANIKO_REGISTRY_MIRROR"], All, Commas, "Mirrors of Docker Hub, separated by commas."),
    step(&["PLUGIN_INSECURE"], "insecure", Flag, "Whether the destination is spoken to over plain HTTP."),
    step(&["PLUGIN_INSECURE_PULL"], "insecure-pull", Flag, "Whether base images are pulled over plain HTTP."),
    step(&["PLUGIN_INSECURE_REGISTRY"], "insecure-registries", Commas, "Registries that are spoken to over plain HTTP."),
    together(&["PLUGIN_SKIP_TLS_VERIFY"], All, Flag, "Whether the destination's certificate is taken unseen."),
    together(&["PLUGIN_SKIP_TLS_VERIFY_REGISTRY"], All, Flag, "The same as PLUGIN_SKIP_TLS_VERIFY."),
    step(
        &["PLUGIN_SKIP_TLS_VERIFY_PULL"],
        "skip-tls-verify-pull",
        Flag,
        "Whether the certificates of base image registries are taken unseen.",
    ),
    step(&["PLUGIN_REGISTRY_CERTIFICATE"], "registry-certificates", StrictPairs, "Further certificate authorities as HOST=PATH."),
    step(&["PLUGIN_REGISTRY_CLIENT_CERT"], "registry-client-certs", Pairs, "Client certificates as HOST=CERTIFICATE,KEY."),
    step(&["PLUGIN_PUSH_RETRY"], "push-retry", Integer, "How often a failed push is tried again."),
    step(&["PLUGIN_IMAGE_DOWNLOAD_RETRY"], "pull-retry", Integer, "How often a failed pull is tried again."),
    ecr(
        &["PLUGIN_REGION", "ECR_REGION", "AWS_REGION"],
        "region",
        Text,
        "The AWS region; not needed where the registry's host names it.",
    ),
    ecr(&["PLUGIN_ACCOUNT"], "account", Text, "The AWS account's number, in place of PLUGIN_REGISTRY."),
    ecr(
        &["PLUGIN_CREATE_REPOSITORY", "ECR_CREATE_REPOSITORY"],
        "create-repository",
        Flag,
        "Whether a missing repository is created.",
    ),
    ecr(
        &["PLUGIN_SCAN_ON_PUSH"],
        "scan-on-push",
        Flag,
        "Switches the scan of pushed images on or off; left as it is when not given.",
    ),
    together(&["PLUGIN_LIFECYCLE_POLICY"], super::On::Ecr, Text, "The lifecycle policy to set: a JSON file."),
    together(&["PLUGIN_REPOSITORY_POLICY"], super::On::Ecr, Text, "The repository's access policy to set: a JSON file."),
    ignored(&["PLUGIN_EXPAND_REPO"], "The registry is always put in front of the repository, and never twice."),
    ignored(&["PLUGIN_SKIP_PUSH_PERMISSION_CHECK"], "No trial upload is made before the build."),
    ignored(&["PLUGIN_REGISTRY_TYPE"], "The registry adapter knows the kind of its registry."),
    refused(
        &["PLUGIN_SKIP_DEFAULT_REGISTRY_FALLBACK"],
        Flag,
        "A mirror that fails is passed over for the registry itself; map the registry with WINDLASS_REGISTRY_MAP to forbid that.",
    ),
    refused(&["KANIKO_REGISTRY_MAP"], Text, "Registries are mapped with WINDLASS_REGISTRY_MAP, as HOST=URL separated by commas."),
    Variable {
        on: Docker,
        ..refused(&["PLUGIN_CREATE_REPOSITORY"], Flag, "Only ECR repositories are created; other registries do so by themselves.")
    },
];
