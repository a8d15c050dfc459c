//! What a registry was shown and accepted: one header for a set of scopes, kept until it ends or is refused.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::Mutex;
use url::Url;
use windlass_core::{Repository, Secret};

use super::challenge::{Challenge, challenges};
use super::token;
use crate::answer::Told;
use crate::credential::{Credential, CredentialSource};
use crate::error::Error;
use crate::transport::host;
use crate::transport::redirect::Wire;

/// A token is renewed this long before its end, so that it does not end on the way.
const MARGIN: Duration = Duration::from_secs(10);
/// The longest scope that is taken over from a registry's challenge.
const LONGEST_SCOPE: usize = 1000;

/// Who asks for what.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) wire: Wire<'a>,
    pub(crate) credentials: &'a dyn CredentialSource,
    /// The repository that the credential is looked up by.
    pub(crate) repository: &'a Repository,
    /// The registry's own URL: a realm in plain HTTP is taken only from a registry in plain HTTP.
    pub(crate) base: &'a Url,
}

/// A header that opens a registry.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) header: HeaderValue,
    /// How errors speak of it.
    pub(crate) tried: String,
    scopes: BTreeSet<String>,
    ends: Option<Instant>,
}

impl Grant {
    /// Whether it is the credential itself, and not a token that was got with it.
    pub(crate) fn is_credential(&self) -> bool {
        self.ends.is_none()
    }
}

/// The grants of one registry, for one action.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    demand: Option<Demand>,
    grants: Vec<Grant>,
}

/// How a registry wants to be shown who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    Basic,
    Bearer { realm: Url, service: Option<String> },
}

impl Grants {
    /// A header for `scopes`; `None` when the registry has demanded none so far.
    ///
    /// One request for a token is made at a time, so that parallel blobs share it.
    pub(crate) async fn get(&self, asked: Asked<'_>, scopes: &BTreeSet<String>) -> Result<Option<Grant>, Error> {
        let mut state = self.state.lock().await;
        let Some(demand) = state.demand.clone() else { return Ok(None) };
        let now = Instant::now();
        state.grants.retain(|grant| grant.ends.is_none_or(|ends| ends > now + MARGIN));
        if let Some(grant) = state.grants.iter().find(|grant| grant.scopes.is_superset(scopes)) {
            return Ok(Some(grant.clone()));
        }
        let grant = make(&demand, asked, scopes).await?;
        // A grant that has already ended is good for this one use.
        if grant.ends.is_none_or(|ends| ends > Instant::now() + MARGIN) {
            state.grants.push(grant.clone());
        }
        Ok(Some(grant))
    }

    /// Forgets a grant that was refused; returns whether it was still known. Of parallel requests that are refused
    /// with the same grant, only the first gets a yes.
    pub(crate) async fn forget(&self, grant: &Grant) -> bool {
        let mut state = self.state.lock().await;
        let before = state.grants.len();
        state.grants.retain(|known| known.header != grant.header);
        state.grants.len() < before
    }

    /// Learns from an answer with status 401 what the registry demands, and adds to `scopes` what it asks for.
    pub(crate) async fn learn(&self, asked: Asked<'_>, headers: &HeaderMap, scopes: &mut BTreeSet<String>) -> Result<(), String> {
        let found = challenges(headers);
        let demand = demand(&found, asked)?;
        scopes.extend(found.iter().filter(|c| c.scheme == "bearer").filter_map(|c| c.parameter("scope")).flat_map(scopes_in));
        self.state.lock().await.demand = Some(demand);
        Ok(())
    }
}

/// The scopes of a challenge that are of the form `type:name:actions`.
fn scopes_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let sound = |scope: &&str| {
        scope.len() <= LONGEST_SCOPE && scope.split(':').count() >= 3 && scope.bytes().all(|b| b.is_ascii_graphic())
    };
    text.split(' ').filter(sound).take(4).map(str::to_owned)
}

/// The best demand that can be met: a token where one is offered, else Basic.
fn demand(found: &[Challenge], asked: Asked<'_>) -> Result<Demand, String> {
    let mut fault = match found {
        [] => "it answers 401 without saying how to authenticate".to_owned(),
        [first, ..] => format!("it demands `{}` authentication, which is not supported", crate::text::clean(&first.scheme, 40)),
    };
    for challenge in found.iter().filter(|c| c.scheme == "bearer") {
        match realm(challenge, asked) {
            Ok(realm) => return Ok(Demand::Bearer { realm, service: challenge.parameter("service").map(str::to_owned) }),
            Err(reason) => fault = reason,
        }
    }
    if found.iter().any(|c| c.scheme == "basic") { Ok(Demand::Basic) } else { Err(fault) }
}

fn realm(challenge: &Challenge, asked: Asked<'_>) -> Result<Url, String> {
    let text = challenge.parameter("realm").unwrap_or_default();
    let shown = || crate::text::clean(text, 200);
    let mut url = Url::parse(text).map_err(|_| format!("its token address `{}` is not a URL", shown()))?;
    if !matches!(url.scheme(), "http" | "https") || url.set_username("").is_err() || url.set_password(None).is_err() {
        return Err(format!("its token address `{}` is not a web address", shown()));
    }
    let url = asked.wire.options.mapped(url);
    if url.scheme() == "https" {
        return Ok(url);
    }
    if asked.base.scheme() == "https" {
        return Err(format!("its token address `{}` is not https", shown()));
    }
    if !may_be_plain(&url, asked) {
        return Err(format!("its token address `{}` is plain HTTP on another host, which was not declared insecure", shown()));
    }
    Ok(url)
}

/// Whether a password may go to `url` in plain HTTP: the registry's own host gets it that way already.
fn may_be_plain(url: &Url, asked: Asked<'_>) -> bool {
    url.host_str() == asked.base.host_str()
        || host::is_loopback(url)
        || asked.wire.options.insecure.contains(&host::authority(url), asked.wire.action)
}

async fn make(demand: &Demand, asked: Asked<'_>, scopes: &BTreeSet<String>) -> Result<Grant, Error> {
    let mut credential = credential(asked).await?;
    let Demand::Bearer { realm, service } = demand else { return basic(&credential, asked, scopes) };
    if let Credential::Bearer(token) = &credential {
        return grant(format!("Bearer {}", token.expose()), credential.described(), scopes, None, asked);
    }
    let mut renewed_before = false;
    loop {
        let told = match token::request(realm, service.as_deref(), scopes, &credential, asked).await? {
            Ok(token) => {
                let header = format!("Bearer {}", token.text.expose());
                return grant(header, credential.described(), scopes, Some(token.ends), asked);
            }
            Err(told) => told,
        };
        if credential == Credential::Anonymous {
            return Err(unauthorized(asked, credential.described(), told));
        }
        asked.credentials.rejected(asked.repository, asked.wire.action).await;
        let renewed = self::credential(asked).await?;
        if renewed_before || renewed == credential {
            return Err(unauthorized(asked, credential.described(), told));
        }
        credential = renewed;
        renewed_before = true;
    }
}

/// The error for a credential that was not taken.
pub(crate) fn unauthorized(asked: Asked<'_>, tried: String, told: Told) -> Error {
    Error::Unauthorized { repository: asked.repository.clone(), action: asked.wire.action, tried, told }
}

async fn credential(asked: Asked<'_>) -> Result<Credential, Error> {
    let action = asked.wire.action;
    let found = asked.credentials.credential(asked.repository, action).await;
    if let Ok(Credential::Basic { password: secret, .. } | Credential::Bearer(secret) | Credential::IdentityToken(secret)) =
        &found
    {
        crate::text::never_show(secret.expose());
    }
    found.map_err(|source| Error::Credential { repository: asked.repository.clone(), action, source })
}

fn basic(credential: &Credential, asked: Asked<'_>, scopes: &BTreeSet<String>) -> Result<Grant, Error> {
    match credential {
        Credential::Basic { user, password } => grant(basic_header(user, password), credential.described(), scopes, None, asked),
        // Some registries take their own tokens while they announce Basic.
        Credential::Bearer(token) => grant(format!("Bearer {}", token.expose()), credential.described(), scopes, None, asked),
        Credential::Anonymous | Credential::IdentityToken(_) => Err(unauthorized(asked, credential.described(), Told::default())),
    }
}

/// The value of a Basic `Authorization` header.
pub(super) fn basic_header(user: &str, password: &Secret) -> String {
    let pair = zeroizing(format!("{user}:{}", password.expose()));
    format!("Basic {}", STANDARD.encode(pair.expose()))
}

fn zeroizing(text: String) -> Secret {
    Secret::new(text)
}

fn grant(
    header: String,
    tried: String,
    scopes: &BTreeSet<String>,
    ends: Option<Instant>,
    asked: Asked<'_>,
) -> Result<Grant, Error> {
    let header = zeroizing(header);
    crate::text::never_show(header.expose().split_once(' ').map_or(header.expose(), |(_, secret)| secret));
    let mut header = HeaderValue::from_str(header.expose()).map_err(|_| Error::Protocol {
        registry: asked.wire.registry.to_owned(),
        what: "authentication".to_owned(),
        fault: "the token or password has characters that a header cannot carry".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(Grant { header, tried, scopes: scopes.clone(), ends })
}
