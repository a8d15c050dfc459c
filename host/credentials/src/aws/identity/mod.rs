//! Who we are to AWS: the first identity, and the role taken on with it.

mod machine;
mod process;
mod profile;
mod sts;

use std::path::Path;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use serde_json::Value;
use windlass_core::{Redactor, Secret, chain};

use super::context::Context;
use super::error::{Attempt, AttemptOutcome, AwsError};
use super::options::{EcrOptions, Keys, Role, Source};

pub(super) use self::profile::region as profile_region;

/// The role session's name where none is given.
const SESSION_NAME: &str = "windlass";
/// The largest token or answer that is read, in bytes.
const SIZE_LIMIT: usize = 64 * 1024;

/// What one place has to say.
enum Step {
    Found(Credentials),
    /// It is not configured, and why it is taken for that.
    Absent(String),
    /// It is configured and broken.
    Broken(String, Option<AwsError>),
}

impl From<AwsError> for Step {
    fn from(error: AwsError) -> Self {
        Self::Broken(chain(&error), Some(error))
    }
}

/// The credentials of a session: the first identity, then the role.
pub(super) async fn resolve(context: &Context, options: &EcrOptions) -> Result<Credentials, AwsError> {
    if let Some(Role { web_identity_token: Some(token), .. }) = &options.role {
        let role = options.role.as_ref().expect("the pattern above matched a role");
        return sts::assume_with_web_identity(context, role, token).await;
    }
    let first = match &options.source {
        Source::Keys(keys) => credentials(keys, None, "settings"),
        Source::Profile(name) => search(vec![("profile", profile::step(context, Some(name)).await)])?,
        Source::DefaultChain => default_chain(context).await?,
    };
    match &options.role {
        Some(role) => sts::assume(context, role, first).await,
        None => Ok(first),
    }
}

/// Asks the places in the order in which AWS's own tools do, one after the other.
async fn default_chain(context: &Context) -> Result<Credentials, AwsError> {
    let mut steps = Vec::new();
    for place in ["environment", "profile", "web identity", "container", "instance"] {
        let step = match place {
            "environment" => environment(context),
            "profile" => profile::step(context, None).await,
            "web identity" => web_identity(context).await,
            "container" => machine::container(context).await,
            _ => machine::instance(context).await,
        };
        let last = !matches!(step, Step::Absent(_));
        steps.push((place, step));
        if last {
            break;
        }
    }
    search(steps)
}

/// The credentials of the last step, or what all of them said.
fn search(steps: Vec<(&'static str, Step)>) -> Result<Credentials, AwsError> {
    let mut tried = Vec::new();
    let mut cause = None;
    for (provider, step) in steps {
        let outcome = match step {
            Step::Found(credentials) => return Ok(credentials),
            Step::Absent(why) => AttemptOutcome::NotConfigured(why),
            Step::Broken(why, error) => {
                cause = error.map(Box::new);
                AttemptOutcome::Failed(why)
            }
        };
        tried.push(Attempt { provider, outcome });
    }
    Err(AwsError::NoCredentials { tried, source: cause })
}

fn environment(context: &Context) -> Step {
    let get = |name| context.environment.get(name).map(Secret::new);
    // `SECRET_ACCESS_KEY` is an old name that AWS's own tools still take.
    let secret = get("AWS_SECRET_ACCESS_KEY").or_else(|| get("SECRET_ACCESS_KEY"));
    match (get("AWS_ACCESS_KEY_ID"), secret) {
        (Some(access_key_id), Some(secret_access_key)) => {
            let keys = Keys { access_key_id, secret_access_key, session_token: get("AWS_SESSION_TOKEN") };
            Step::Found(credentials(&keys, None, "environment"))
        }
        (None, None) => Step::Absent("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set".to_owned()),
        (Some(_), None) => Step::Broken("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY".to_owned(), None),
        (None, Some(_)) => Step::Broken("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID".to_owned(), None),
    }
}

/// A token in a file, as EKS gives it to service accounts (IRSA).
async fn web_identity(context: &Context) -> Step {
    let get = |name| context.environment.get(name);
    match (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")) {
        (None, _) => Step::Absent("AWS_WEB_IDENTITY_TOKEN_FILE is not set".to_owned()),
        (Some(_), None) => Step::Broken("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN".to_owned(), None),
        (Some(file), Some(arn)) => with_token_file(context, file, arn, get("AWS_ROLE_SESSION_NAME")).await,
    }
}

async fn with_token_file(context: &Context, file: &str, arn: &str, session_name: Option<&str>) -> Step {
    let token = match read_small(Path::new(file)) {
        Ok(token) => token,
        Err(why) => return Step::Broken(format!("the web identity token in `{file}` cannot be read: {why}"), None),
    };
    let session_name = session_name.map(str::to_owned);
    let role = Role { arn: arn.to_owned(), external_id: None, session_name, web_identity_token: None };
    sts::assume_with_web_identity(context, &role, &token).await.map_or_else(Step::from, Step::Found)
}

/// The text of a small file, without white space around it.
fn read_small(path: &Path) -> Result<Secret, String> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(SIZE_LIMIT as u64 + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    match text.len() {
        0 => Err("it is empty".to_owned()),
        length if length > SIZE_LIMIT => Err(format!("it is larger than {SIZE_LIMIT} bytes")),
        _ => Ok(Secret::new(text.trim())),
    }
}

fn credentials(keys: &Keys, expiry: Option<SystemTime>, provider: &'static str) -> Credentials {
    let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
    Credentials::new(keys.access_key_id.expose(), keys.secret_access_key.expose(), token, expiry, provider)
}

/// Reads the JSON form in which containers, instances and processes hand out credentials. `token` is the name of the field with
/// the session token. Messages name fields and never quote values.
fn read_document(text: &str, token: &str, provider: &'static str) -> Result<Credentials, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "the answer is not JSON".to_owned())?;
    let field = |name: &str| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let required = |name: &str| field(name).map(Secret::new).ok_or_else(|| format!("the answer has no `{name}`"));
    let expiry = match field("Expiration") {
        Some(text) => Some(parse_time(text).ok_or("the answer's `Expiration` is not a time")?),
        None => None,
    };
    let keys = Keys {
        access_key_id: required("AccessKeyId")?,
        secret_access_key: required("SecretAccessKey")?,
        session_token: field(token).map(Secret::new),
    };
    Ok(credentials(&keys, expiry, provider))
}

fn parse_time(text: &str) -> Option<SystemTime> {
    use aws_smithy_types::date_time::{DateTime, Format};
    DateTime::from_str(text, Format::DateTimeWithOffset).ok()?.try_into().ok()
}

/// Knows what must not be shown of `credentials`.
pub(super) fn redactor(credentials: &Credentials) -> Redactor {
    let mut redactor = Redactor::default();
    redactor.add(&Secret::new(credentials.secret_access_key()));
    if let Some(token) = credentials.session_token() {
        redactor.add(&Secret::new(token));
    }
    redactor
}

#[cfg(test)]
mod tests;
