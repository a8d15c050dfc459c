//! Credentials for pushing and for base images. They never collide, whatever registry they are for.

use windlass_plugin_sdk::dialect::{Target, Value};

use crate::destination::{host, host_of_image};
use crate::draft::Draft;
use crate::variables::Variant;

const USER: &str = "PLUGIN_USERNAME";
const PASSWORD: &str = "PLUGIN_PASSWORD";
const TOKEN: &str = "ACCESS_TOKEN";
const OIDC: &str = "PLUGIN_OIDC_TOKEN_ID";
const BASE_REGISTRY: &str = "PLUGIN_DOCKER_REGISTRY";
const BASE_USER: &str = "PLUGIN_DOCKER_USERNAME";
const BASE_PASSWORD: &str = "PLUGIN_DOCKER_PASSWORD";

pub(crate) fn apply(draft: &mut Draft<'_>) {
    draft.pass("PLUGIN_CONFIG", Target::PushCredentials, "docker-config");
    match draft.variant {
        Variant::Docker => push(draft),
        Variant::Ecr => aws(draft),
        Variant::Google => {
            draft.pass(TOKEN, Target::Adapter, "access-token");
            draft.pass(OIDC, Target::Adapter, "oidc-token");
        }
        Variant::Azure => draft.pass(OIDC, Target::Adapter, "oidc-token"),
    }
    if *draft.variant == Variant::Docker {
        draft.ignore(OIDC, format!("it means nothing to the registry adapter `{}`", draft.variant.adapter()));
    }
    base(draft);
}

fn push(draft: &mut Draft<'_>) {
    if draft.is_given(PASSWORD) {
        draft.ignore(TOKEN, "`PLUGIN_PASSWORD` is given, and comes first");
    } else {
        draft.pass(TOKEN, Target::PushCredentials, "access-token");
    }
    let half = match (draft.is_given(USER), draft.is_given(PASSWORD)) {
        (true, false) if !draft.is_given(TOKEN) => Some((USER, PASSWORD)),
        (false, true) => Some((PASSWORD, USER)),
        _ => None,
    };
    if let Some((given, missing)) = half {
        let origin = draft.origin(given);
        draft.deny(
            "credentials/incomplete",
            missing,
            format!("`{origin}` is given, but `{missing}` is missing"),
            "give both or none",
        );
    }
    right_registry(draft);
    for (name, setting) in [(USER, "username"), (PASSWORD, "password")] {
        draft.pass(name, Target::PushCredentials, setting);
    }
}

/// Credentials for one registry must not be sent to another one.
fn right_registry(draft: &mut Draft<'_>) {
    let (Some(registry), Some(repository)) = (draft.text("PLUGIN_REGISTRY"), draft.text("PLUGIN_REPO")) else { return };
    let Some(destination) = host_of_image(&repository).filter(|destination| *destination != host(&registry)) else { return };
    let secret = [PASSWORD, TOKEN].into_iter().find(|name| draft.is_given(name));
    if let Some(secret) = secret {
        let (secret, origin, registry) = (draft.origin(secret), draft.origin("PLUGIN_REPO"), host(&registry));
        let message = format!("`{origin}` sends the image to {destination}, but `{secret}` is for {registry}");
        draft.deny("credentials/other-registry", &origin, message, "make PLUGIN_REGISTRY the registry that the image goes to");
    }
}

fn aws(draft: &mut Draft<'_>) {
    const ID: &str = "PLUGIN_ACCESS_KEY";
    const KEY: &str = "PLUGIN_SECRET_KEY";
    const SESSION: &str = "PLUGIN_SESSION_TOKEN";
    const ROLE: &str = "PLUGIN_ASSUME_ROLE";
    if draft.is_given(ID) != draft.is_given(KEY) {
        let (given, missing) = if draft.is_given(ID) { (ID, KEY) } else { (KEY, ID) };
        let origin = draft.origin(given);
        let message = format!("`{origin}` is given, but `{missing}` is missing");
        draft.deny("credentials/incomplete", missing, message, "give both, or none to use the identity of the environment");
    }
    draft.pass(ID, Target::Adapter, "access-key");
    draft.pass(KEY, Target::Adapter, "secret-key");
    if draft.is_given(ID) {
        draft.pass(SESSION, Target::Adapter, "session-token");
    } else {
        draft.ignore(SESSION, "it belongs to an access key, and `PLUGIN_ACCESS_KEY` is not given");
    }
    draft.pass(ROLE, Target::Adapter, "assume-role");
    if draft.is_given(ROLE) {
        draft.pass(OIDC, Target::Adapter, "oidc-token");
    } else {
        draft.ignore(OIDC, "it is exchanged for a role, and `PLUGIN_ASSUME_ROLE` is not given");
    }
}

fn base(draft: &mut Draft<'_>) {
    let Some(registry) = draft.text(BASE_REGISTRY) else {
        for name in [BASE_USER, BASE_PASSWORD] {
            draft.ignore(name, "`PLUGIN_DOCKER_REGISTRY` does not say which base image registry it is for");
        }
        return;
    };
    for missing in [BASE_USER, BASE_PASSWORD] {
        if !draft.is_given(missing) {
            let origin = draft.origin(BASE_REGISTRY);
            let message = format!("`{origin}` is given, but `{missing}` is missing");
            draft.deny(
                "credentials/incomplete",
                missing,
                message,
                "give registry, user name and password for base images, or none of them",
            );
        }
    }
    draft.assign(Target::BaseImageCredentials, "registry", Value::Text(host(&registry)), &[BASE_REGISTRY]);
    draft.pass(BASE_USER, Target::BaseImageCredentials, "username");
    draft.pass(BASE_PASSWORD, Target::BaseImageCredentials, "password");
}
