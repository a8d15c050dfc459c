//! Variables that hold credentials.

use super::On::{Cloud, Docker, Ecr};
use super::Shape::{Secret, Text};
use super::{On, Rule, Variable, ecr, refused, together};

const fn foreign(names: &'static [&'static str], shape: super::Shape) -> Variable {
    let help = "A setting of the GAR, GCR and ACR steps; it has no effect on the others.";
    Variable { names, on: On::All, shape, rule: Rule::Ignored, help }
}

pub(super) const TABLE: &[Variable] = &[
    together(&["PLUGIN_CONFIG", "DOCKER_PLUGIN_CONFIG"], On::All, Secret, "A docker config.json, or the path of one."),
    together(&["PLUGIN_USERNAME"], Docker, Text, "The user name for pushing; in the ECR step, for base images."),
    together(&["PLUGIN_PASSWORD"], Docker, Secret, "The password for pushing; in the ECR step, for base images."),
    together(&["ACCESS_TOKEN"], Docker, Secret, "An OAuth token for pushing, where no password is given."),
    together(
        &["PLUGIN_DOCKER_REGISTRY", "PLUGIN_BASE_IMAGE_REGISTRY", "DOCKER_REGISTRY", "DOCKER_BASE_IMAGE_REGISTRY"],
        Docker,
        Text,
        "The registry of base images that the credentials for base images are for.",
    ),
    together(
        &["PLUGIN_DOCKER_USERNAME", "PLUGIN_BASE_IMAGE_USERNAME", "DOCKER_USERNAME", "DOCKER_BASE_IMAGE_USERNAME"],
        Docker,
        Text,
        "The user name for base images.",
    ),
    together(
        &["PLUGIN_DOCKER_PASSWORD", "PLUGIN_BASE_IMAGE_PASSWORD", "DOCKER_PASSWORD", "DOCKER_BASE_IMAGE_PASSWORD"],
        Docker,
        Secret,
        "The password for base images.",
    ),
    together(
        &["PLUGIN_DOCKER_REGISTRY", "DOCKER_REGISTRY", "PLUGIN_BASE_IMAGE_REGISTRY", "DOCKER_BASE_IMAGE_REGISTRY"],
        Cloud,
        Text,
        "The registry of base images that the credentials for base images are for.",
    ),
    together(
        &[
            "PLUGIN_DOCKER_USERNAME",
            "PLUGIN_USERNAME",
            "PLUGIN_BASE_IMAGE_USERNAME",
            "DOCKER_USERNAME",
            "DOCKER_BASE_IMAGE_USERNAME",
        ],
        Cloud,
        Text,
        "The user name for base images.",
    ),
    together(
        &[
            "PLUGIN_DOCKER_PASSWORD",
            "PLUGIN_PASSWORD",
            "PLUGIN_BASE_IMAGE_PASSWORD",
            "DOCKER_PASSWORD",
            "DOCKER_BASE_IMAGE_PASSWORD",
        ],
        Cloud,
        Secret,
        "The password for base images.",
    ),
    together(
        &["PLUGIN_ACCESS_KEY", "ECR_ACCESS_KEY"],
        Ecr,
        Secret,
        "The AWS access key's id; without it, the environment's identity holds.",
    ),
    together(&["PLUGIN_SECRET_KEY", "ECR_SECRET_KEY"], Ecr, Secret, "The AWS access key's secret."),
    together(&["PLUGIN_SESSION_TOKEN"], Ecr, Secret, "The session token of a temporary access key."),
    together(&["PLUGIN_ASSUME_ROLE", "PLUGIN_USER_ROLE_ARN"], Ecr, Text, "The ARN of a role to assume."),
    ecr(&["PLUGIN_EXTERNAL_ID"], "external-id", Text, "The external id that the role asks for."),
    together(&["PLUGIN_OIDC_TOKEN_ID"], On::All, Secret, "An OpenID Connect token with which the role is assumed."),
    foreign(&["PLUGIN_JSON_KEY", "GCR_JSON_KEY", "GOOGLE_CREDENTIALS"], Secret),
    foreign(&["PLUGIN_WORKLOAD_IDENTITY"], Text),
    foreign(&["PLUGIN_PROJECT_NUMBER"], Text),
    foreign(&["PLUGIN_POOL_ID"], Text),
    foreign(&["PLUGIN_PROVIDER_ID"], Text),
    foreign(&["PLUGIN_SERVICE_ACCOUNT_EMAIL"], Text),
    foreign(&["PLUGIN_LOCATION"], Text),
    foreign(&["PLUGIN_CLIENT_ID"], Text),
    foreign(&["PLUGIN_CLIENT_SECRET"], Secret),
    foreign(&["PLUGIN_CLIENT_CERTIFICATE"], Secret),
    foreign(&["PLUGIN_TENANT_ID"], Text),
    foreign(&["PLUGIN_SUBSCRIPTION_ID"], Text),
    foreign(&["PLUGIN_DAEMON_REGISTRY"], Text),
    foreign(&["PLUGIN_AZURE_AUTHORITY_HOST"], Text),
    Variable {
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_EMAIL", "DOCKER_EMAIL"], Text, "Registries no longer ask for an address.")
    },
    refused(
        &["PLUGIN_COSIGN_PRIVATE_KEY"],
        Secret,
        "Windlass does not sign images: sign the pushed digest in a step of its own.",
    ),
    Variable {
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_COSIGN_PASSWORD"], Secret, "It has no effect without PLUGIN_COSIGN_PRIVATE_KEY.")
    },
    Variable {
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_COSIGN_PARAMS"], Text, "It has no effect without PLUGIN_COSIGN_PRIVATE_KEY.")
    },
];
