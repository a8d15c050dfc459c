//! A registry adapter that does what its setting `mode` says.

use windlass_plugin_sdk::registry_adapter::exchange::{
    Assertion, ClaimValue, Encoding, ExchangeError, Extraction, Header, Part, Piece, Request, SignatureAlgorithm, send,
};
use windlass_plugin_sdk::registry_adapter::{
    self, Authorization, AwsError, Basic, Bearer, Destination, Link, RegistryAdapter, RepositoryOptions, Session, Settings,
    Source, secret,
};
use windlass_plugin_sdk::{Describe, Description, Finding, Grant, Setting, log};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("guest-adapter", "0.1.0", "does what its setting says")
            .setting(Setting::text("mode", "What to do.").default("docker-config"))
            .setting(Setting::text("registry", "Where to.").default("registry.example.com"))
            .setting(Setting::text("repository", "What.").default("team/app"))
            .setting(Setting::secret("password", "A password."))
            .setting(Setting::text("endpoint", "Which endpoint.").default("token"))
            .setting(Setting::text("path", "Which path.").default("/oauth2/token?scope=push"))
            .setting(Setting::integer("extract", "How many further values to take out."))
            .setting(Setting::text("peek", "What to read.").default("/expires_in"))
            .grant(
                Grant::endpoint("token", "https://token.example.com", "to exchange")
                    .readable("/expires_in")
                    .readable("/access_token")
                    .readable("/error"),
            )
            .grant(Grant::endpoint("own", "https://{registry}", "to exchange at the registry itself"))
            .grant(Grant::aws_ecr("to get a password"))
    }
}

fn deny(message: impl Into<String>) -> Vec<Finding> {
    Finding::deny("guest/failed", message).into()
}

impl RegistryAdapter for Guest {
    fn resolve(settings: &Settings, _source: &Source) -> Result<Destination, Vec<Finding>> {
        log::info(&format!("password: {:?} {}", settings.text("password"), settings.is_set("password")));
        Ok(Destination {
            registry: settings.text("registry").unwrap_or_default(),
            repository: settings.text("repository").unwrap_or_default(),
            kind: "Guest".to_owned(),
            attributes: vec![("note".to_owned(), "kept".to_owned())],
        })
    }

    fn authorize(settings: &Settings, destination: Destination) -> Result<Authorization, Vec<Finding>> {
        match settings.text("mode").unwrap_or_default().as_str() {
            "anonymous" => Ok(Authorization::Anonymous),
            "docker-config" => Ok(Authorization::DockerConfig),
            "setting" => match secret(settings, "password") {
                Some(password) => {
                    Ok(Authorization::Basic(Basic { user: destination.attributes[0].1.clone(), password, expires: Some(7) }))
                }
                None => Err(deny("no password")),
            },
            "aws" => match session(settings).authorize() {
                Ok(found) => {
                    Ok(Authorization::Basic(Basic { user: found.user(), password: found.password(), expires: found.expires() }))
                }
                Err(error) => Err(deny(aws(error))),
            },
            "exchange" => exchange(settings),
            "sessions" => {
                let sessions: Vec<Session> = (0..1_000_000).map(|_| Session::new("eu-west-1")).collect();
                Err(deny(format!("{} sessions", sessions.len())))
            }
            "long-region" => Err(deny(format!("{:?}", Session::new(&"x".repeat(100_000)).authorize().is_ok()))),
            other => Err(deny(format!("no mode `{other}`"))),
        }
    }

    fn prepare(settings: &Settings, destination: Destination) -> Result<Vec<String>, Vec<Finding>> {
        let options =
            RepositoryOptions { scan_on_push: true, immutable_tags: false, resource_tags: Vec::new(), attributes: Vec::new() };
        match session(settings).create_repository(&destination.repository, &options) {
            Ok(created) => Ok(vec![format!("created {}", created.uri().unwrap_or_default())]),
            Err(AwsError::Exists(_)) => Ok(Vec::new()),
            Err(error) => Err(deny(aws(error))),
        }
    }

    fn links(settings: &Settings, _destination: Destination, digest: String) -> Result<Vec<Link>, Vec<Finding>> {
        let scheme = if settings.text("mode").as_deref() == Some("plain-link") { "http" } else { "https" };
        Ok(vec![Link { title: "image".to_owned(), url: format!("{scheme}://example.com/{digest}") }])
    }
}

fn session(settings: &Settings) -> Session {
    let session = Session::new("eu-west-1");
    session.use_registry("012345678901");
    session.assume_role("arn:aws:iam::012345678901:role/push", Some("x-1"));
    if let Some(key) = secret(settings, "password") {
        session.use_access_key(&key, &key, None);
    }
    session
}

fn aws(error: AwsError) -> String {
    match error {
        AwsError::NotGranted(why) => format!("not granted: {why}"),
        AwsError::Denied(why) => format!("denied: {why}"),
        other => format!("{other:?}"),
    }
}

fn exchange(settings: &Settings) -> Result<Authorization, Vec<Finding>> {
    let password = secret(settings, "password").ok_or_else(|| deny("no password"))?;
    let plain = |text: &str| Part { encoding: Encoding::Plain, pieces: vec![Piece::Text(text.to_owned())] };
    let assertion = Assertion {
        algorithm: SignatureAlgorithm::Hs256,
        key: &password,
        key_pointer: None,
        key_id: None,
        claims: vec![("iss".to_owned(), ClaimValue::Text("guest".to_owned()))],
        lifetime: 60,
    };
    let peek = settings.text("peek").unwrap_or_default();
    let request = Request {
        endpoint: settings.text("endpoint").unwrap_or_default(),
        method: "POST".to_owned(),
        path: settings.text("path").unwrap_or_default(),
        headers: vec![Header {
            name: "Authorization".to_owned(),
            value: vec![
                plain("Basic "),
                Part { encoding: Encoding::Base64, pieces: vec![Piece::Text("user:".to_owned()), Piece::Secret(&password)] },
            ],
        }],
        body: vec![
            plain("grant_type=password&password="),
            Part { encoding: Encoding::Form, pieces: vec![Piece::Secret(&password)] },
            plain("&assertion="),
            Part { encoding: Encoding::Plain, pieces: vec![Piece::Assertion(assertion)] },
        ],
        extract: vec![
            Extraction { name: "token".to_owned(), pointer: "/access_token".to_owned(), is_secret: true },
            Extraction { name: "peek".to_owned(), pointer: peek, is_secret: false },
        ]
        .into_iter()
        .chain((0..settings.integer("extract").unwrap_or_default()).map(|number| Extraction {
            name: number.to_string(),
            pointer: "/access_token".to_owned(),
            is_secret: true,
        }))
        .collect(),
        attributes: Vec::new(),
    };
    let answer = send(&request).map_err(|error| match error {
        ExchangeError::NotGranted(why) => deny(format!("not granted: {why}")),
        ExchangeError::Invalid(why) => deny(format!("invalid: {why}")),
        other => deny(format!("{other:?}")),
    })?;
    let peeked = answer.text("peek");
    match answer.secret("token") {
        Some(token) => Ok(Authorization::Bearer(Bearer { token, expires: peeked.and_then(|text| text.parse().ok()) })),
        None => Err(deny(format!("{}: {peeked:?} {:?}", answer.status(), answer.text("token")))),
    }
}

registry_adapter::export!(Guest);
