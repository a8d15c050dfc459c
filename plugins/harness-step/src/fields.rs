//! The fields of Harness's build-and-push steps, as its YAML schema has them, and what becomes of each.

use windlass_drone_settings::Variant;

/// The kinds of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepType {
    Ecr,
    Gar,
    Gcr,
    Acr,
    Docker,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// Its path in the step.
    pub(crate) name: &'static str,
    /// Which steps have it.
    pub(crate) on: &'static [StepType],
    /// Which steps are refused without it.
    pub(crate) required: &'static [StepType],
    pub(crate) form: Form,
    pub(crate) becomes: Becomes,
    pub(crate) help: &'static str,
}

/// How a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Flag,
    Texts,
    Pairs,
}

/// What becomes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Becomes {
    /// It counts as this variable.
    Variable(&'static str),
    /// It is this setting of the step.
    Step(&'static str),
    /// It chooses the dialect's own way.
    Choice,
    /// It holds other fields, and no value of its own.
    Holds,
    /// It has no effect, for the reason that the help gives.
    Ignored,
}

use Becomes::{Choice, Holds, Ignored, Step, Variable};
use Form::{Flag, Pairs, Text, Texts};
use StepType::{Acr, Docker, Ecr, Gar, Gcr};

const ALL: &[StepType] = &[Ecr, Gar, Gcr, Acr, Docker];
const GOOGLE: &[StepType] = &[Gar, Gcr];
const NAMED: &[StepType] = &[Ecr, Gar, Gcr];
const CACHED: &[StepType] = &[Ecr, Gar, Gcr, Docker];
const REMOTE: &[StepType] = &[Ecr, Gar, Gcr, Acr];
const CONNECTOR: &str = "Credentials come from the environment, not from a connector.";

const fn field(name: &'static str, on: &'static [StepType], form: Form, becomes: Becomes, help: &'static str) -> Field {
    Field { name, on, required: &[], form, becomes, help }
}

const fn required(name: &'static str, on: &'static [StepType], form: Form, becomes: Becomes, help: &'static str) -> Field {
    Field { name, on, required: on, form, becomes, help }
}

/// Every field that holds a value, in the order of the schema.
pub(crate) const FIELDS: &[Field] = &[
    required("type", ALL, Text, Choice, "The kind of step: BuildAndPush and ECR, GAR, GCR, ACR or DockerRegistry."),
    field("name", ALL, Text, Step("name"), "What the step is called."),
    field("identifier", ALL, Text, Choice, "What the step is found by in a pipeline file."),
    field("timeout", ALL, Text, Step("timeout"), "After how long the step is cancelled, such as 10m or 1h 30m."),
    required("spec.region", &[Ecr], Text, Variable("PLUGIN_REGION"), "The AWS region."),
    required("spec.account", &[Ecr], Text, Variable("PLUGIN_ACCOUNT"), "The AWS account's number, in quotes."),
    required("spec.host", GOOGLE, Text, Variable("PLUGIN_REGISTRY"), "The registry's host, such as us-docker.pkg.dev."),
    required("spec.projectID", GOOGLE, Text, Choice, "The Google Cloud project."),
    required("spec.imageName", NAMED, Text, Variable("PLUGIN_REPO"), "The image name, below the registry."),
    required("spec.repository", &[Acr], Text, Variable("PLUGIN_REPO"), "NAME.azurecr.io/IMAGE."),
    required(
        "spec.repo",
        &[Docker],
        Text,
        Variable("PLUGIN_REPO"),
        "The image name, with its registry unless that is Docker Hub.",
    ),
    required("spec.tags", ALL, Texts, Variable("PLUGIN_TAG"), "The tags."),
    field("spec.dockerfile", ALL, Text, Variable("PLUGIN_DOCKERFILE"), "The Dockerfile, relative to the working directory."),
    field("spec.context", ALL, Text, Variable("PLUGIN_CONTEXT"), "The build context: a directory."),
    field("spec.target", ALL, Text, Variable("PLUGIN_TARGET"), "The stage to build, when it is not the last one."),
    field("spec.labels", ALL, Pairs, Variable("PLUGIN_CUSTOM_LABELS"), "Labels to set on the image."),
    field("spec.buildArgs", ALL, Pairs, Variable("PLUGIN_BUILD_ARGS_NEW"), "Build arguments."),
    field("spec.remoteCacheImage", REMOTE, Text, Variable("PLUGIN_CACHE_REPO"), "The repository of the registry cache."),
    field("spec.remoteCacheRepo", &[Docker], Text, Variable("PLUGIN_CACHE_REPO"), "The repository of the registry cache."),
    field("spec.cacheFrom", CACHED, Texts, Variable("PLUGIN_CACHE_FROM"), "Caches to read."),
    field("spec.cacheTo", CACHED, Text, Variable("PLUGIN_CACHE_TO"), "A cache to write."),
    field("spec.envDockerSecrets", ALL, Pairs, Variable("PLUGIN_SECRETS_FROM_ENV"), "Build secrets: id and variable."),
    field("spec.fileDockerSecrets", ALL, Pairs, Variable("PLUGIN_SECRETS_FROM_FILE"), "Build secrets: id and path."),
    field("spec.resources.limits.memory", ALL, Text, Step("memory-limit"), "How much memory RUN steps may use, such as 2Gi."),
    field("spec.resources.limits.cpu", ALL, Text, Step("cpu-limit"), "How many cores RUN steps may use, such as 2 or 500m."),
    field(
        "spec.caching",
        CACHED,
        Flag,
        Ignored,
        "Steps are always cached; remoteCacheImage or remoteCacheRepo adds a registry cache.",
    ),
    field(
        "spec.optimize",
        ALL,
        Flag,
        Ignored,
        "There are no snapshot modes to choose from: changes are recorded as they happen.",
    ),
    field("spec.connectorRef", ALL, Text, Ignored, CONNECTOR),
    field("spec.registryRef", &[Docker], Text, Ignored, CONNECTOR),
    field(
        "spec.baseImageConnectorRefs",
        ALL,
        Texts,
        Ignored,
        "Credentials for base images come from PLUGIN_DOCKER_REGISTRY, PLUGIN_DOCKER_USERNAME and PLUGIN_DOCKER_PASSWORD.",
    ),
    field("spec.subscriptionId", &[Acr], Text, Ignored, "It only serves a link of Harness's own."),
    field("spec.runAsUser", ALL, Text, Ignored, "The step runs as the user who starts it, and needs no root."),
    field("spec.privileged", ALL, Flag, Ignored, "The step needs no privileged container."),
    field("spec.imagePullPolicy", ALL, Text, Ignored, "The step is no container image."),
    field(
        "spec.retry",
        ALL,
        Text,
        Ignored,
        "Failed requests are repeated as PLUGIN_PUSH_RETRY and PLUGIN_IMAGE_DOWNLOAD_RETRY say.",
    ),
    field("spec.resources.requests.memory", ALL, Text, Ignored, "Only limits are applied; there is no pod to schedule."),
    field("spec.resources.requests.cpu", ALL, Text, Ignored, "Only limits are applied; there is no pod to schedule."),
    field("spec", ALL, Text, Holds, "The fields of this kind of step."),
    field("spec.envVariables", ALL, Text, Holds, "Variables of the plugins that such a step ran before, such as PLUGIN_NO_PUSH."),
    field("spec.resources", ALL, Text, Holds, "The limits of RUN steps."),
    field("spec.resources.limits", ALL, Text, Holds, "The limits of RUN steps."),
    field("spec.resources.requests", ALL, Text, Holds, "What a pod would ask for."),
    field("description", ALL, Text, Ignored, "It is for readers of the file."),
];

/// Parts of a step that belong to the pipeline around it, whatever stands in them.
pub(crate) const PIPELINE_PARTS: &[&str] =
    &["when", "failureStrategies", "strategy", "enforce", "contextType", "delegateSelectors"];

/// Every kind of step with the name it has in YAML.
pub(crate) const TYPES: &[(&str, StepType)] = &[
    ("BuildAndPushECR", Ecr),
    ("BuildAndPushGAR", Gar),
    ("BuildAndPushGCR", Gcr),
    ("BuildAndPushACR", Acr),
    ("BuildAndPushDockerRegistry", Docker),
];

impl StepType {
    pub(crate) fn variant(self) -> Variant {
        match self {
            Ecr => Variant::Ecr,
            Docker => Variant::Docker,
            Gar | Gcr => Variant::Google,
            Acr => Variant::Azure,
        }
    }
}
