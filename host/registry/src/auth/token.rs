//! Tokens: the distribution project's "Token Authentication Specification" (GET) and its OAuth2 form (POST).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use serde_json::Value;
use url::Url;
use windlass_core::Secret;

use super::grant::{Asked, basic_header};
use crate::answer::Told;
use crate::credential::Credential;
use crate::error::Error;
use crate::transport::body::read_whole;
use crate::transport::fault::Failure;
use crate::transport::payload::Payload;
use crate::transport::redirect::Call;
use crate::transport::retry::{Retry, Verdict, is_temporary, retry_after};

const WHAT: &str = "the request for a token";
const LARGEST_ANSWER: u64 = 1024 * 1024;
/// What the specification says of a token whose end is not told.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A token and when it ends.
pub(super) struct Token {
    pub(super) text: Secret,
    pub(super) ends: Instant,
}

/// Asks for a token for `scopes`. The inner error is a refusal of the credential, in the token server's words.
pub(super) async fn request(
    realm: &Url,
    service: Option<&str>,
    scopes: &BTreeSet<String>,
    credential: &Credential,
    asked: Asked<'_>,
) -> Result<Result<Token, Told>, Error> {
    let mut retry = Retry::new(asked.wire.options);
    loop {
        let (call, payload) = call(realm, service, scopes, credential, asked)?;
        let answered = match asked.wire.send(call, &payload, &|_| {}).await {
            Ok(response) => read(response, asked).await,
            Err(failure) => Err(failure),
        };
        let (verdict, error) = match answered {
            Ok(Answer::Token(token)) => return Ok(Ok(token)),
            Ok(Answer::Refused(told)) => return Ok(Err(told)),
            Ok(Answer::Later(wait, error)) => (retry.after_answer(wait), error),
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Fault(url, fault)) => {
                (retry.after_fault(&fault), fault.into_error(asked.wire.registry, asked.repository, WHAT, &url))
            }
        };
        match verdict {
            Verdict::Again(pause) => tokio::time::sleep(pause).await,
            Verdict::Enough => return Err(error),
        }
    }
}

fn call<'a>(
    realm: &Url,
    service: Option<&str>,
    scopes: &BTreeSet<String>,
    credential: &Credential,
    asked: Asked<'_>,
) -> Result<(Call<'a>, Payload<'static>), Error> {
    let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
    let patience = asked.wire.options.limits.response;
    if let Credential::IdentityToken(token) = credential {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "windlass");
        form.append_pair("service", service.unwrap_or_default());
        form.append_pair("scope", &scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        form.append_pair("refresh_token", token.expose());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let call = Call { method: Method::POST, url: realm.clone(), headers, authorization: None, patience, what: WHAT };
        return Ok((call, Payload::Bytes(form.finish().into())));
    }
    let mut url = realm.clone();
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    for scope in scopes {
        url.query_pairs_mut().append_pair("scope", scope);
    }
    let mut authorization = None;
    if let Credential::Basic { user, password } = credential {
        let text = Secret::new(basic_header(user, password));
        crate::text::never_show(text.expose().trim_start_matches("Basic "));
        let mut header = HeaderValue::from_str(text.expose()).expect("base64 is made of letters, digits, `+`, `/` and `=`");
        header.set_sensitive(true);
        authorization = Some(header);
    }
    Ok((Call { method: Method::GET, url, headers, authorization, patience, what: WHAT }, Payload::None))
}

enum Answer {
    Token(Token),
    Refused(Told),
    Later(Option<Duration>, Error),
}

async fn read(response: Response, asked: Asked<'_>) -> Result<Answer, Failure> {
    let status = response.status();
    let registry = asked.wire.registry.to_owned();
    if is_temporary(status) {
        let wait = retry_after(response.headers());
        let told = Told::read(response).await;
        let error = if status.as_u16() == 429 {
            Error::RateLimited { registry, retry_after: wait, told }
        } else {
            refused(asked, status.as_u16(), told)
        };
        return Ok(Answer::Later(wait, error));
    }
    if matches!(status.as_u16(), 400 | 401 | 403) {
        return Ok(Answer::Refused(Told::read(response).await));
    }
    if !status.is_success() {
        return Err(Failure::Final(refused(asked, status.as_u16(), Told::read(response).await)));
    }
    let url = Box::new(response.url().clone());
    let body = read_whole(response, LARGEST_ANSWER, asked.wire.options.limits.response).await;
    match body.map_err(|fault| Failure::Fault(url, fault))?.and_then(|body| token(&body)) {
        Some(token) => Ok(Answer::Token(token)),
        None => Err(Failure::Final(asked.wire.protocol(WHAT, "the answer holds no token".to_owned()))),
    }
}

fn refused(asked: Asked<'_>, status: u16, told: Told) -> Error {
    Error::Refused { repository: asked.repository.clone(), what: WHAT.to_owned(), status, told }
}

fn token(body: &[u8]) -> Option<Token> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text =
        ["token", "access_token"].into_iter().filter_map(|name| answer.get(name)?.as_str()).find(|text| !text.is_empty())?;
    let life = match answer.get("expires_in") {
        None | Some(Value::Null) => DEFAULT_LIFE,
        Some(value) => seconds(value).unwrap_or(DEFAULT_LIFE),
    };
    Some(Token { text: Secret::new(text), ends: Instant::now() + life.min(LONGEST_LIFE) })
}

/// Some servers write the number as text, and some write a negative one for a token that has ended.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Some(Duration::try_from_secs_f64(number.max(0.0)).unwrap_or(LONGEST_LIFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(body: &str) -> Option<u64> {
        token(body.as_bytes()).map(|token| (token.ends - Instant::now()).as_secs_f64().round() as u64)
    }

    #[test]
    fn every_way_to_write_a_lifetime_is_read() {
        assert_eq!(life(r#"{"token":"t"}"#), Some(60));
        assert_eq!(life(r#"{"access_token":"t","token":"","expires_in":300}"#), Some(300));
        assert_eq!(life(r#"{"token":"t","expires_in":"300"}"#), Some(300));
        assert_eq!(life(r#"{"token":"t","expires_in":-5}"#), Some(0));
        assert_eq!(life(r#"{"token":"t","expires_in":1e300}"#), Some(86_400));
        assert_eq!(life(r#"{"token":"t","expires_in":null}"#), Some(60));
        for text in ["", "[]", "{}", r#"{"token":1}"#, r#"{"token":""}"#] {
            assert_eq!(life(text), None, "{text}");
        }
    }
}
