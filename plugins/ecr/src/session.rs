//! Settings and calls to the host: everything that cannot be tried without it.

use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::registry_adapter::{AwsError, Destination, RepositoryOptions, Session, Settings, secret};

use crate::policy_text;
use crate::prepare::{Found, Repositories, Wishes};
use crate::resolve::{ACCOUNT, Location, REGION};

/// The settings that say where the image goes.
pub(crate) fn location(settings: &Settings) -> Location {
    Location {
        region: settings.text("region"),
        account: settings.text("account"),
        registry: settings.text("registry"),
        repository: settings.text("repository").unwrap_or_default(),
    }
}

/// The settings that say what the repository should be like.
pub(crate) fn wishes(settings: &Settings) -> Result<Wishes, Vec<Finding>> {
    Ok(Wishes {
        create: settings.flag("create-repository").unwrap_or(false),
        scan_on_push: settings.flag("scan-on-push"),
        lifecycle_policy: policy_text::check("lifecycle-policy", settings.text("lifecycle-policy"))?,
        repository_policy: policy_text::check("repository-policy", settings.text("repository-policy"))?,
    })
}

/// A session for the destination's region and account, as the settings' identity.
pub(crate) fn open(settings: &Settings, destination: &Destination) -> Result<Session, Vec<Finding>> {
    let attribute = |name: &str| destination.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let Some(region) = attribute(REGION) else {
        return Err(Finding::deny("ecr/region", "the destination has lost its region").about("region").into());
    };
    let session = Session::new(region);
    match (secret(settings, "access-key"), secret(settings, "secret-key")) {
        (Some(id), Some(key)) => session.use_access_key(&id, &key, secret(settings, "session-token").as_ref()),
        (None, None) => {}
        (id, _) => return Err(half_a_key(if id.is_some() { "secret-key" } else { "access-key" }).into()),
    }
    let token = secret(settings, "oidc-token");
    match settings.text("assume-role").filter(|role| !role.is_empty()) {
        Some(role) => session.assume_role(&role, settings.text("external-id").as_deref()),
        None if token.is_some() => {
            let finding = Finding::deny("ecr/role", "`oidc-token` is exchanged for a role, but `assume-role` is missing");
            return Err(finding.about("assume-role").help("set it to the role's ARN").into());
        }
        None => {}
    }
    if let Some(token) = token {
        session.use_web_identity(&token);
    }
    if let Some(account) = attribute(ACCOUNT) {
        session.use_registry(account);
    }
    Ok(session)
}

fn half_a_key(missing: &str) -> Finding {
    let finding = Finding::deny("ecr/access-key", format!("half of an access key is given: `{missing}` is missing"));
    finding.about(missing).help("give both `access-key` and `secret-key`, or neither")
}

/// The session's calls.
pub(crate) struct Api(pub(crate) Session);

impl Repositories for Api {
    fn find(&self, name: &str) -> Result<Found, AwsError> {
        self.0.repository(name).map(|repository| Found { scans: repository.scans_on_push() })
    }

    fn create(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
        let options =
            RepositoryOptions { scan_on_push, immutable_tags: false, resource_tags: Vec::new(), attributes: Vec::new() };
        self.0.create_repository(name, &options).map(drop)
    }

    fn set_scanning(&self, name: &str, scan_on_push: bool) -> Result<(), AwsError> {
        self.0.put_scanning(name, scan_on_push)
    }

    fn set_lifecycle_policy(&self, name: &str, policy: &str) -> Result<(), AwsError> {
        self.0.put_lifecycle_policy(name, policy)
    }

    fn set_repository_policy(&self, name: &str, policy: &str) -> Result<(), AwsError> {
        self.0.put_repository_policy(name, policy)
    }
}
