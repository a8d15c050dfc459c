//! Variables that hold credentials.

use super::On::{Cloud, Docker, Ecr};
use super::Shape::{Secret, Text};
use super::{On, Rule, Variable, azure, ecr, google, refused, together};

pub(super) const TABLE: &[Variable] = &[
    together(&["PLUGIN_CONFIG", "DOCKER_PLUGIN_CONFIG"], On::All, Secret, "A docker config.json, or the path of one."),
    together(&["PLUGIN_USERNAME"], Docker, Text, "The user name for pushing; in the ECR step, for base images."),
    together(&["PLUGIN_PASSWORD"], Docker, Secret, "The password for pushing; in the ECR step, for base images."),
    together(&["ACCESS_TOKEN"], On::DockerOrGoogle, Secret, "An OAuth token for pushing, where no password is given."),
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
    together(
        &["PLUGIN_OIDC_TOKEN_ID"],
        On::All,
        Secret,
        "An OpenID Connect token that is exchanged for the role or identity that pushes.",
    ),
    google(
        &["PLUGIN_JSON_KEY", "GCR_JSON_KEY", "GOOGLE_CREDENTIALS"],
        "json-key",
        Secret,
        "The key of a Google service account, as JSON text.",
    ),
    google(&["PLUGIN_LOCATION"], "location", Text, "The location of the Artifact Registry, in place of its host."),
    google(&["PLUGIN_PROJECT_NUMBER"], "project-number", Text, "The number of the project with the workload identity pool."),
    google(&["PLUGIN_POOL_ID"], "pool-id", Text, "The workload identity pool."),
    google(&["PLUGIN_PROVIDER_ID"], "provider-id", Text, "The provider in the workload identity pool."),
    google(&["PLUGIN_SERVICE_ACCOUNT_EMAIL"], "service-account", Text, "The service account that pushes."),
    Variable {
        on: On::Google,
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_WORKLOAD_IDENTITY"], Text, "A key, a token and a federated identity are told apart without it.")
    },
    azure(
        &["PLUGIN_CLIENT_ID", "CLIENT_ID", "AZURE_CLIENT_ID", "AZURE_APP_ID", "SERVICE_PRINCIPAL_CLIENT_ID"],
        "client-id",
        Text,
        "The application id of the service principal or managed identity.",
    ),
    azure(
        &["PLUGIN_CLIENT_SECRET", "CLIENT_SECRET", "SERVICE_PRINCIPAL_CLIENT_SECRET"],
        "client-secret",
        Secret,
        "The secret of the service principal.",
    ),
    azure(
        &["PLUGIN_TENANT_ID", "TENANT_ID", "AZURE_TENANT_ID"],
        "tenant-id",
        Text,
        "The directory that the identity belongs to.",
    ),
    Variable {
        on: On::Azure,
        ..refused(
            &["PLUGIN_CLIENT_CERTIFICATE", "CLIENT_CERTIFICATE"],
            Secret,
            "Certificates of service principals are not supported: use PLUGIN_CLIENT_SECRET or PLUGIN_OIDC_TOKEN_ID.",
        )
    },
    Variable {
        on: On::Azure,
        ..refused(
            &["PLUGIN_AZURE_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST"],
            Text,
            "Sovereign clouds are not supported: log in by PLUGIN_CLIENT_ID and PLUGIN_CLIENT_SECRET, which needs no directory.",
        )
    },
    Variable {
        on: On::Azure,
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_SUBSCRIPTION_ID", "SUBSCRIPTION_ID"], Text, "It only made the address of a page of Azure's portal.")
    },
    Variable {
        on: On::Azure,
        rule: Rule::Ignored,
        ..refused(&["PLUGIN_DAEMON_REGISTRY", "DAEMON_REGISTRY"], Text, "It named the registry for another plugin.")
    },
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
