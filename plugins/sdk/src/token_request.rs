//! The commonest exchange: a POST whose JSON answer has a token. Built on [`crate::registry_adapter::exchange`].

use crate::bindings::host::exchange::{self, Encoding, ExchangeError, Extraction, Header, Part, Piece, Request};
use crate::registry_adapter::Secret;

const TOKEN: &str = "token";
const WHY: &str = "why";

/// A value of a form.
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// A literal text.
    Text(&'a str),
    /// A secret.
    Secret(&'a Secret),
}

/// A request for a token.
#[derive(Debug)]
pub struct TokenRequest<'a> {
    request: Request<'a>,
}

/// Why there is no token. The texts are for people and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The service answered without a token: its status, and its reason where it gives one.
    Answer(u16, Option<String>),
    /// The plugin may not speak to it.
    NotGranted(String),
    /// It could not be asked.
    Unreachable(String),
}

impl<'a> TokenRequest<'a> {
    /// A POST to `path` of the endpoint that the grant `endpoint` names. `token` and `why` are the JSON pointers (RFC 6901) of
    /// the token and of the reason for its absence; the grant must make the latter readable.
    #[must_use]
    pub fn new(endpoint: &str, path: &str, token: &str, why: &str) -> Self {
        let extraction =
            |name: &str, pointer: &str, is_secret| Extraction { name: name.to_owned(), pointer: pointer.to_owned(), is_secret };
        let request = Request {
            endpoint: endpoint.to_owned(),
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            extract: vec![extraction(TOKEN, token, true), extraction(WHY, why, false)],
            attributes: Vec::new(),
        };
        Self { request }
    }

    /// The same request with the fields of a form as its body.
    #[must_use]
    pub fn form(mut self, fields: &[(&str, Field<'a>)]) -> Self {
        self.request.headers.push(header("content-type", vec![literal("application/x-www-form-urlencoded")]));
        for (index, (name, value)) in fields.iter().enumerate() {
            let separator = if index == 0 { "" } else { "&" };
            self.request.body.push(literal(&format!("{separator}{name}=")));
            let piece = match value {
                Field::Text(text) => Piece::Text((*text).to_owned()),
                Field::Secret(secret) => Piece::Secret(secret),
            };
            self.request.body.push(Part { encoding: Encoding::Form, pieces: vec![piece] });
        }
        self
    }

    /// The same request with a JSON text as its body.
    #[must_use]
    pub fn json(mut self, text: &str) -> Self {
        self.request.headers.push(header("content-type", vec![literal("application/json")]));
        self.request.body.push(literal(text));
        self
    }

    /// The same request, authorised by a token.
    #[must_use]
    pub fn bearer(mut self, token: &'a Secret) -> Self {
        let pieces = vec![Piece::Text("Bearer ".to_owned()), Piece::Secret(token)];
        self.request.headers.push(header("authorization", vec![Part { encoding: Encoding::Plain, pieces }]));
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// When there is no token in the answer, or no answer.
    pub fn send(&self) -> Result<Secret, Refused> {
        match exchange::send(&self.request) {
            Ok(response) => response.secret(TOKEN).ok_or_else(|| Refused::Answer(response.status(), response.text(WHY))),
            Err(ExchangeError::NotGranted(why)) => Err(Refused::NotGranted(why)),
            Err(
                ExchangeError::Invalid(why)
                | ExchangeError::Unreachable(why)
                | ExchangeError::Timeout(why)
                | ExchangeError::Unreadable(why)
                | ExchangeError::Other(why),
            ) => Err(Refused::Unreachable(why)),
        }
    }
}

fn literal(text: &str) -> Part<'static> {
    Part { encoding: Encoding::Plain, pieces: vec![Piece::Text(text.to_owned())] }
}

fn header<'a>(name: &str, value: Vec<Part<'a>>) -> Header<'a> {
    Header { name: name.to_owned(), value }
}
