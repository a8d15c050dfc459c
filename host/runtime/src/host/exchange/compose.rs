//! Putting a request together: literals and secrets, each in its encoding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;
use windlass_core::Secret;

use super::Request;
use super::assertion;
use crate::bindings::host::exchange::{
    ClaimValue, Encoding, ExchangeError as Wit, Part, Piece, Request as WitRequest, SecretField,
};
use crate::call::HostState;

/// Headers that the transport itself decides on.
const OURS: [&str; 8] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "proxy-authorization"];

/// All but the unreserved characters of RFC 3986, which forms leave as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most that a request may be made of. Each piece may repeat a long secret, and each extraction a long token.
const MOST_PIECES: usize = 256;
const MOST_EXTRACTIONS: usize = 32;

/// A result inside a result: the outer one ends the call, the inner one is told to the plugin.
type Told<T> = wasmtime::Result<Result<T, Wit>>;

/// Leaves a function with what is told to the plugin.
macro_rules! told {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

fn invalid(why: impl Into<String>) -> Wit {
    Wit::Invalid(why.into())
}

impl HostState {
    /// The request with its secrets filled in.
    pub(super) fn compose(&self, origin: &Url, asked: &WitRequest) -> Told<Request> {
        let method = match asked.method.as_str() {
            "GET" => "GET",
            "POST" => "POST",
            other => return Ok(Err(invalid(format!("the method `{other}`; expected GET or POST")))),
        };
        if let Some((unknown, _)) = asked.attributes.first() {
            return Ok(Err(invalid(format!("this host does not know the attribute `{unknown}`"))));
        }
        told!(check_size(asked));
        let url = told!(address(origin, &asked.path));
        let mut headers = Vec::new();
        for header in &asked.headers {
            told!(check_name(&header.name));
            let value = told!(self.parts(&header.value)?);
            if value.expose().bytes().any(|byte| byte.is_ascii_control()) {
                return Ok(Err(invalid(format!("the header `{}` holds a control character", header.name))));
            }
            headers.push((header.name.clone(), value));
        }
        let body = if asked.body.is_empty() { None } else { Some(told!(self.parts(&asked.body)?)) };
        Ok(Ok(Request { method, url, headers, body, most: self.limits.exchange_bytes }))
    }

    fn parts(&self, parts: &[Part]) -> Told<Secret> {
        let mut whole = String::new();
        for part in parts {
            let mut text = String::new();
            for piece in &part.pieces {
                text.push_str(told!(self.piece(piece)?).expose());
            }
            whole.push_str(&told!(encode(&part.encoding, text)));
            if whole.len() as u64 > self.limits.exchange_bytes {
                return Ok(Err(invalid(format!("more than {} bytes", self.limits.exchange_bytes))));
            }
        }
        Ok(Ok(Secret::new(whole)))
    }

    fn piece(&self, piece: &Piece) -> Told<Secret> {
        Ok(match piece {
            Piece::Text(text) => Ok(Secret::new(text.clone())),
            Piece::Secret(secret) => Ok(self.secret(secret)?),
            Piece::Field(field) => self.field(field)?,
            Piece::Assertion(asked) => {
                let key = self.secret(&asked.key)?;
                let key = match &asked.key_pointer {
                    Some(pointer) => told!(pick(&key, pointer)),
                    None => key,
                };
                let key_id = match &asked.key_id {
                    Some(value) => Some(told!(self.claim(value)?)),
                    None => None,
                };
                let mut claims = serde_json::Map::new();
                for (name, value) in &asked.claims {
                    claims.insert(name.clone(), told!(self.claim(value)?));
                }
                assertion::sign(&asked.algorithm, &key, key_id, claims, asked.lifetime)
            }
            Piece::Other(kind) => Err(invalid(format!("this host does not know the piece `{kind}`"))),
        })
    }

    fn field(&self, field: &SecretField) -> Told<Secret> {
        Ok(pick(&self.secret(&field.secret)?, &field.pointer))
    }

    fn claim(&self, value: &ClaimValue) -> Told<serde_json::Value> {
        Ok(match value {
            ClaimValue::Text(text) => Ok(text.clone().into()),
            ClaimValue::Integer(number) => Ok((*number).into()),
            ClaimValue::Field(field) => self.field(field)?.map(|secret| secret.expose().into()),
            ClaimValue::Other(kind) => Err(invalid(format!("this host does not know the claim value `{kind}`"))),
        })
    }
}

/// The text at a pointer of a secret that is JSON.
fn pick(secret: &Secret, pointer: &str) -> Result<Secret, Wit> {
    let json: serde_json::Value = serde_json::from_str(secret.expose()).map_err(|_| invalid("the secret is no JSON text"))?;
    let text = json.pointer(pointer).and_then(serde_json::Value::as_str);
    text.map(Secret::new).ok_or_else(|| invalid(format!("the secret has no text at `{pointer}`")))
}

fn encode(encoding: &Encoding, text: String) -> Result<String, Wit> {
    Ok(match encoding {
        Encoding::Plain => text,
        Encoding::Base64 => STANDARD.encode(text),
        Encoding::Form => utf8_percent_encode(&text, RESERVED).to_string(),
        Encoding::Json => {
            let quoted = serde_json::Value::String(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
        Encoding::Other(name) => return Err(invalid(format!("this host does not know the encoding `{name}`"))),
    })
}

/// The address of a path at an origin; nothing in the path can lead to another origin.
fn address(origin: &Url, path: &str) -> Result<Url, Wit> {
    let plain = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    let whole = format!("{}{path}", origin.as_str().trim_end_matches('/'));
    match Url::parse(&whole) {
        Ok(url) if plain && url.origin() == origin.origin() && url.username().is_empty() => Ok(url),
        _ => Err(invalid(format!("the path `{path}`; expected `/` and characters that are legal in an address"))),
    }
}

/// Refuses a request of more parts than any exchange has.
fn check_size(asked: &WitRequest) -> Result<(), Wit> {
    let in_parts =
        |parts: &[Part]| parts.len() + parts.iter().map(|part| part.pieces.iter().map(weight).sum::<usize>()).sum::<usize>();
    let headers: usize = asked.headers.iter().map(|header| 1 + in_parts(&header.value)).sum();
    if headers + in_parts(&asked.body) > MOST_PIECES {
        return Err(invalid(format!("more than {MOST_PIECES} headers, parts and pieces")));
    }
    if asked.extract.len() > MOST_EXTRACTIONS {
        return Err(invalid(format!("{} extractions; expected at most {MOST_EXTRACTIONS}", asked.extract.len())));
    }
    Ok(())
}

fn weight(piece: &Piece) -> usize {
    match piece {
        Piece::Assertion(assertion) => 2 + assertion.claims.len(),
        Piece::Text(_) | Piece::Secret(_) | Piece::Field(_) | Piece::Other(_) => 1,
    }
}

fn check_name(name: &str) -> Result<(), Wit> {
    let token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !token || OURS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(invalid(format!("the header name `{name}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_to_another_origin() {
        let origin = Url::parse("https://sts.example.com").unwrap();
        assert_eq!(address(&origin, "/v1/token?x=1").unwrap().as_str(), "https://sts.example.com/v1/token?x=1");
        assert_eq!(address(&origin, "//evil.example/x").unwrap().host_str(), Some("sts.example.com"));
        for path in ["", "v1", "@evil.example/", ".evil.example/", ":80/", "/a b", "/a\r\nx", "/a#b", "/\\evil"] {
            assert!(address(&origin, path).is_err(), "{path}");
        }
    }

    #[test]
    fn encodings_do_what_they_say() {
        let text = || "a\"b c/+".to_owned();
        assert_eq!(encode(&Encoding::Form, text()).unwrap(), "a%22b%20c%2F%2B");
        assert_eq!(encode(&Encoding::Json, text()).unwrap(), "a\\\"b c/+");
        assert_eq!(encode(&Encoding::Base64, "AWS:x".to_owned()).unwrap(), "QVdTOng=");
        assert!(matches!(encode(&Encoding::Other("rot13".to_owned()), text()), Err(Wit::Invalid(_))));
    }

    #[test]
    fn header_names_that_the_transport_owns_are_refused() {
        assert!(check_name("Authorization").is_ok());
        for name in ["", "Host", "content-length", "x y", "a:b", "Proxy-Authorization"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
