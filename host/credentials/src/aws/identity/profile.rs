//! Profiles of the shared configuration, `~/.aws/config` and `~/.aws/credentials`, and the roles they chain.

use std::io;
use std::path::PathBuf;

use aws_config::profile::{Profile, ProfileSet};
use aws_credential_types::Credentials;
use windlass_core::Secret;

use windlass_core::chain;

use super::{Keys, Role, Step, credentials, environment, machine, process, sts, with_token_file};
use crate::aws::context::Context;
use crate::environment::Environment;

/// The name of the profile that counts where none is named.
const DEFAULT: &str = "default";
/// The longest chain of profiles that is followed.
const LONGEST_CHAIN: usize = 16;

/// The region that the profile `name`, or the one that counts by itself, sets.
pub(in crate::aws) async fn region(environment: &Environment, name: Option<&str>) -> Option<String> {
    let name = name.or_else(|| environment.get("AWS_PROFILE")).unwrap_or(DEFAULT);
    let set = load(environment).await.ok()?;
    set.get_profile(name)?.get("region").map(str::to_owned)
}

/// The identity of the profile `explicit`, else of `AWS_PROFILE`, else of `default`.
pub(super) async fn step(context: &Context, explicit: Option<&str>) -> Step {
    let named = explicit.or_else(|| context.environment.get("AWS_PROFILE"));
    let name = named.unwrap_or(DEFAULT);
    let set = match load(&context.environment).await {
        Ok(set) => set,
        Err(why) => return Step::Broken(why, None),
    };
    let absent = |what: String| if named.is_some() { Step::Broken(what, None) } else { Step::Absent(what) };
    if set.get_profile(name).is_none() {
        return absent(format!("no profile `{name}` in {}", places(&context.environment)));
    }
    match plan(&set, name) {
        Ok(Plan { base: None, .. }) => absent(format!("the profile `{name}` holds no credentials")),
        Ok(Plan { base: Some(base), roles }) => follow(context, base, roles).await,
        Err(why) => Step::Broken(why, None),
    }
}

/// How to come to a profile's credentials: where to begin, and the roles to take on from there.
struct Plan {
    base: Option<Base>,
    roles: Vec<Role>,
}

enum Base {
    Keys(Keys),
    Process(String),
    WebIdentity { file: String, role: Role },
    Environment,
    Container,
    Instance,
}

async fn follow(context: &Context, base: Base, roles: Vec<Role>) -> Step {
    let first = match base {
        Base::Keys(keys) => Step::Found(credentials(&keys, None, "profile")),
        Base::Process(command) => process::step(context, &command).await,
        Base::WebIdentity { file, role } => with_token_file(context, &file, &role.arn, role.session_name.as_deref()).await,
        Base::Environment => environment(context),
        Base::Container => machine::container(context).await,
        Base::Instance => machine::instance(context).await,
    };
    let mut credentials: Credentials = match first {
        Step::Found(credentials) => credentials,
        Step::Absent(why) => return Step::Broken(format!("the profile's `credential_source` gives nothing: {why}"), None),
        broken @ Step::Broken(..) => return broken,
    };
    for role in roles {
        credentials = match sts::assume(context, &role, credentials).await {
            Ok(credentials) => credentials,
            Err(error) => return Step::from(error),
        };
    }
    Step::Found(credentials)
}

fn plan(set: &ProfileSet, name: &str) -> Result<Plan, String> {
    let mut roles = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    let mut name = name.to_owned();
    loop {
        let profile = set.get_profile(&name).ok_or_else(|| format!("no profile `{name}`, which `source_profile` names"))?;
        let text = |key: &str| profile.get(key).filter(|value| !value.is_empty()).map(str::to_owned);
        seen.push(name.clone());
        let Some(arn) = text("role_arn") else { return Ok(Plan { base: base(profile)?, roles: in_order(roles) }) };
        let (external_id, session_name) = (text("external_id"), text("role_session_name"));
        let role = Role { arn, external_id, session_name, web_identity_token: None };
        if text("mfa_serial").is_some() {
            return Err(format!("the profile `{name}` asks for a second factor (`mfa_serial`), which cannot be given here"));
        }
        if let Some(file) = text("web_identity_token_file") {
            return Ok(Plan { base: Some(Base::WebIdentity { file, role }), roles: in_order(roles) });
        }
        roles.push(role);
        let Some(source) = text("source_profile") else {
            let base = named_source(&name, text("credential_source").as_deref())?;
            return Ok(Plan { base: Some(base), roles: in_order(roles) });
        };
        // A profile may name itself: its own keys are the base then.
        if source == name {
            return Ok(Plan { base: base(profile)?, roles: in_order(roles) });
        }
        if seen.contains(&source) || seen.len() >= LONGEST_CHAIN {
            return Err(format!("the profiles {} form a circle by `source_profile`", seen.join(", ")));
        }
        name = source;
    }
}

/// Roles were met from the last to the first.
fn in_order(mut roles: Vec<Role>) -> Vec<Role> {
    roles.reverse();
    roles
}

fn named_source(profile: &str, source: Option<&str>) -> Result<Base, String> {
    match source {
        Some("Environment") => Ok(Base::Environment),
        Some("EcsContainer") => Ok(Base::Container),
        Some("Ec2InstanceMetadata") => Ok(Base::Instance),
        Some(other) => Err(format!(
            "the profile `{profile}` has the `credential_source` `{other}`; expected Environment, EcsContainer or Ec2InstanceMetadata"
        )),
        None => Err(format!(
            "the profile `{profile}` has a `role_arn`, but no `source_profile` or `credential_source` to take it on with"
        )),
    }
}

fn base(profile: &Profile) -> Result<Option<Base>, String> {
    let name = profile.name();
    let text = |key: &str| profile.get(key).filter(|value| !value.is_empty());
    match (text("aws_access_key_id"), text("aws_secret_access_key")) {
        (Some(access), Some(secret)) => {
            return Ok(Some(Base::Keys(Keys {
                access_key_id: Secret::new(access),
                secret_access_key: Secret::new(secret),
                session_token: text("aws_session_token").map(Secret::new),
            })));
        }
        (None, None) => {}
        _ => return Err(format!("the profile `{name}` has only one of `aws_access_key_id` and `aws_secret_access_key`")),
    }
    if let Some(command) = text("credential_process") {
        return Ok(Some(Base::Process(command.to_owned())));
    }
    if ["sso_session", "sso_start_url", "sso_account_id", "login_session"].iter().any(|key| text(key).is_some()) {
        return Err(format!(
            "the profile `{name}` signs in by browser (SSO), which is not supported; use `credential_process = aws configure export-credentials --profile {name}` in another profile"
        ));
    }
    Ok(None)
}

fn files(environment: &Environment) -> [Option<PathBuf>; 2] {
    let place = |variable: &str, usual: &str| match environment.get(variable) {
        Some(path) => match path.strip_prefix("~/") {
            Some(rest) => environment.home().map(|home| home.join(rest)),
            None => Some(PathBuf::from(path)),
        },
        None => environment.home().map(|home| home.join(usual)),
    };
    [place("AWS_CONFIG_FILE", ".aws/config"), place("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")]
}

fn places(environment: &Environment) -> String {
    let names: Vec<_> = files(environment).into_iter().flatten().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "~/.aws (HOME is not set)".to_owned() } else { names.join(" and ") }
}

/// Reads both files; what does not exist counts as empty, what cannot be read does not.
async fn load(environment: &Environment) -> Result<ProfileSet, String> {
    for path in files(environment).iter().flatten() {
        match std::fs::File::open(path).and_then(|file| file.metadata()) {
            Ok(meta) if meta.len() > 4 * 1024 * 1024 => return Err(format!("`{}` is larger than 4 MiB", path.display())),
            Ok(meta) if meta.is_dir() => return Err(format!("`{}` is a directory", path.display())),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(format!("`{}` cannot be read: {error}", path.display())),
        }
    }
    let variables: std::collections::HashMap<String, String> = environment
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let loaded = aws_config::profile::load(&Default::default(), &variables.into(), &Default::default(), None).await;
    loaded.map_err(|error| chain(&error))
}
