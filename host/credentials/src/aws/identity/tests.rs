//! Where identities come from, each place by itself and all of them in order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::aws::testing::{CANARY, Fake, Moto, all_of, assert_clean};
use crate::environment::Environment;

const DOCUMENT: &str = r#"{"Code":"Success","AccessKeyId":"AKIA1","SecretAccessKey":"canary/7f3a+9b","Token":"tok","Expiration":"2099-01-01T00:00:00Z"}"#;

fn context(pairs: &[(&str, &str)]) -> Context {
    let off = [("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")];
    let merged: BTreeMap<&str, &str> = off.iter().chain(pairs).copied().collect();
    let environment: Environment = merged.into_iter().collect();
    Context { environment, region: "us-east-1".to_owned(), endpoints: crate::aws::Endpoints::default() }
}

async fn found(pairs: &[(&str, &str)]) -> Result<String, AwsError> {
    let credentials = resolve(&context(pairs), &EcrOptions::default()).await?;
    assert_clean(&format!("{credentials:?}"));
    Ok(credentials.access_key_id().to_owned())
}

/// The outcomes of a search that failed, as `provider: text`, `!` before those that failed.
async fn tried(pairs: &[(&str, &str)]) -> Vec<String> {
    let error = found(pairs).await.unwrap_err();
    assert_clean(&all_of(&error));
    let AwsError::NoCredentials { tried, .. } = error else { panic!("{error:?}") };
    let show = |attempt: &Attempt| match &attempt.outcome {
        AttemptOutcome::NotConfigured(why) => format!("{}: {why}", attempt.provider),
        AttemptOutcome::Failed(why) => format!("!{}: {why}", attempt.provider),
    };
    tried.iter().map(show).collect()
}

struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str, credentials: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.0.path().join(".aws")).unwrap();
        std::fs::write(home.path(".aws/config"), config).unwrap();
        std::fs::write(home.path(".aws/credentials"), credentials).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self) -> String {
        self.0.path().display().to_string()
    }

    async fn found(&self, profile: &str, more: &[(&str, &str)]) -> Result<String, AwsError> {
        let home = self.text();
        let pairs: Vec<_> = [("HOME", home.as_str()), ("AWS_PROFILE", profile)].into_iter().chain(more.iter().copied()).collect();
        found(&pairs).await
    }

    async fn failure(&self, profile: &str) -> String {
        let error = self.found(profile, &[]).await.unwrap_err();
        assert_clean(&all_of(&error));
        error.to_string()
    }
}

#[tokio::test]
async fn nothing_anywhere_lists_every_place_in_order() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path().display().to_string();
    let tried = tried(&[("HOME", &home)]).await;
    let names: Vec<_> = tried.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(names, ["environment", "profile", "web identity", "container", "instance"]);
    assert!(tried[1].contains(&format!("no profile `default` in {home}/.aws/config")), "{tried:?}");
    assert!(tried[4].contains("AWS_EC2_METADATA_DISABLED"), "{tried:?}");
}

#[tokio::test]
async fn keys_of_the_environment_come_first_and_half_a_pair_ends_the_search() {
    let pairs = [("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", CANARY), ("AWS_PROFILE", "missing")];
    assert_eq!(found(&pairs).await.unwrap(), "AKIAENV");
    assert_eq!(tried(&pairs[..1]).await, ["!environment: AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"]);
    assert_eq!(tried(&pairs[1..]).await, ["!environment: AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID"]);
}

#[tokio::test]
async fn profiles_hold_keys_or_a_command() {
    let config = format!(
        "[default]\nregion = x\n[profile command]\ncredential_process = echo '{{\"Version\":1,\"AccessKeyId\":\"AKIAPROC\",\"SecretAccessKey\":\"{CANARY}\"}}'\n"
    );
    let keys =
        format!("[default]\naws_access_key_id = AKIADEF\naws_secret_access_key = {CANARY}\n[half]\naws_access_key_id = x\n");
    let home = Home::new(&config, &keys);
    assert_eq!(found(&[("HOME", &home.text())]).await.unwrap(), "AKIADEF");
    assert_eq!(home.found("command", &[]).await.unwrap(), "AKIAPROC");
    assert!(home.failure("half").await.contains("only one of `aws_access_key_id`"));
    assert!(home.failure("nobody").await.contains("no profile `nobody`"));
}

#[tokio::test]
async fn a_profile_that_cannot_be_used_is_an_error_and_not_skipped() {
    let config = format!(
        "[profile sso]\nsso_session = a\n[profile mfa]\nrole_arn = r\nmfa_serial = m\nsource_profile = sso\n\
         [profile one]\nrole_arn = r\nsource_profile = two\n[profile two]\nrole_arn = r\nsource_profile = one\n\
         [profile lonely]\nrole_arn = r\n[profile odd]\nrole_arn = r\ncredential_source = Moon\n\
         [profile dangling]\nrole_arn = r\nsource_profile = gone\n[profile empty]\nregion = x\n\
         [profile env]\nrole_arn = r\ncredential_source = Environment\n\
         [profile fails]\ncredential_process = echo {CANARY}; echo {CANARY} >&2; exit 4\n\
         [profile junk]\ncredential_process = echo {CANARY}\n\
         [profile old]\ncredential_process = echo '{{\"Version\":2,\"SecretAccessKey\":\"{CANARY}\"}}'\n\
         [profile less]\ncredential_process = echo '{{\"Version\":1,\"SecretAccessKey\":\"{CANARY}\"}}'\n"
    );
    let home = Home::new(&config, "");
    for (profile, expected) in [
        ("sso", "signs in by browser"),
        ("mfa", "second factor"),
        ("one", "one, two form a circle"),
        ("lonely", "no `source_profile` or `credential_source`"),
        ("odd", "`credential_source` `Moon`"),
        ("dangling", "no profile `gone`"),
        ("empty", "holds no credentials"),
        ("env", "`credential_source` gives nothing"),
        ("fails", "exit status: 4"),
        ("junk", "not an object with `Version`"),
        ("old", "has version 2"),
        ("less", "no `AccessKeyId`"),
    ] {
        let shown = home.failure(profile).await;
        assert!(shown.contains(expected) && shown.contains("failed"), "{profile}: {shown}");
    }
}

#[tokio::test]
async fn a_configuration_file_that_is_broken_is_named_without_its_content() {
    let home = Home::new(&format!("[default\naws_secret_access_key = {CANARY}\n"), "");
    let shown = home.failure("default").await;
    assert!(shown.contains(".aws/config"), "{shown}");
    let home = Home::new("", &format!("[default]\n{CANARY}\n"));
    let shown = home.failure("default").await;
    assert!(shown.contains(".aws/credentials"), "{shown}");
    let home = Home::new("", "");
    std::fs::remove_file(home.path(".aws/config")).unwrap();
    std::fs::create_dir(home.path(".aws/config")).unwrap();
    assert!(home.failure("default").await.contains("is a directory"));
}

#[tokio::test]
async fn profiles_chain_roles_and_web_identities_at_the_token_service() {
    let moto = Moto::start();
    let home = Home::new(
        "[profile direct]\nrole_arn = arn:aws:iam::111111111111:role/a\nsource_profile = base\nexternal_id = e\n\
         [profile chained]\nrole_arn = arn:aws:iam::222222222222:role/b\nsource_profile = direct\n\
         [profile env]\nrole_arn = arn:aws:iam::333333333333:role/c\ncredential_source = Environment\n\
         [profile web]\nrole_arn = arn:aws:iam::444444444444:role/d\nweb_identity_token_file = TOKENFILE\n",
        &format!("[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = {CANARY}\n"),
    );
    let token = home.path("token");
    std::fs::write(&token, format!("{CANARY}\n")).unwrap();
    let config = std::fs::read_to_string(home.path(".aws/config")).unwrap();
    std::fs::write(home.path(".aws/config"), config.replace("TOKENFILE", &token.display().to_string())).unwrap();
    let endpoint = ("AWS_ENDPOINT_URL_STS", moto.url.as_str());
    for profile in ["direct", "chained", "web"] {
        let found = home.found(profile, &[endpoint]).await.map_err(|error| all_of(&error)).unwrap();
        assert!(found.starts_with("ASIA"), "{profile}: {found}");
    }
    let profile = EcrOptions { source: Source::Profile("chained".to_owned()), ..EcrOptions::default() };
    let home_text = home.text();
    let context = context(&[endpoint, ("HOME", &home_text), ("AWS_ACCESS_KEY_ID", "AKIAENV"), ("AWS_SECRET_ACCESS_KEY", "x")]);
    assert!(resolve(&context, &profile).await.unwrap().access_key_id().starts_with("ASIA"), "a named profile comes before keys");
    let token = token.display().to_string();
    let irsa = [endpoint, ("AWS_WEB_IDENTITY_TOKEN_FILE", &token), ("AWS_ROLE_ARN", "arn:aws:iam::555555555555:role/irsa")];
    let credentials = resolve(&super::tests::context(&irsa), &EcrOptions::default()).await.unwrap();
    assert!(credentials.access_key_id().starts_with("ASIA") && credentials.expiry().is_some());
}

#[tokio::test]
async fn a_web_identity_that_is_half_configured_or_refused_ends_the_search() {
    let home = Home::new("", "");
    let token = home.path("token").display().to_string();
    let only_file = tried(&[("AWS_WEB_IDENTITY_TOKEN_FILE", &token)]).await;
    assert!(only_file.last().unwrap().contains("without AWS_ROLE_ARN"), "{only_file:?}");
    let both = [("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")];
    let missing = tried(&both).await;
    assert!(missing.last().unwrap().starts_with("!web identity: the web identity token in"), "{missing:?}");
    std::fs::write(&token, CANARY).unwrap();
    let refusal = format!(
        "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad token {CANARY}</Message></Error></ErrorResponse>"
    );
    let sts = Fake::start(move |_| (400, refusal.clone())).await;
    let mut pairs = both.to_vec();
    pairs.push(("AWS_ENDPOINT_URL_STS", &sts.url));
    let error = found(&pairs).await.unwrap_err();
    assert_clean(&all_of(&error));
    let AwsError::NoCredentials { source: Some(source), .. } = &error else { panic!("{error:?}") };
    assert!(matches!(**source, AwsError::InvalidToken(_)), "{source:?}");
    assert!(sts.seen()[0].header("authorization").is_none(), "the call is not signed");
}

#[tokio::test]
async fn a_container_asks_its_agent_with_the_token_it_was_given() {
    let agent =
        Fake::start(|request| if request.line == "GET /creds?x=1" { (200, DOCUMENT.to_owned()) } else { (404, String::new()) })
            .await;
    let url = format!("{}/creds?x=1", agent.url);
    let home = Home::new("", "");
    let token = home.path("token");
    std::fs::write(&token, "pod-token\n").unwrap();
    let token = token.display().to_string();
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let credentials =
        resolve(&context(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token)]), &EcrOptions::default()).await;
    let credentials = credentials.unwrap();
    assert_eq!((credentials.access_key_id(), credentials.session_token()), ("AKIA1", Some("tok")));
    assert!(credentials.expiry().is_some_and(|end| end > SystemTime::now()));
    assert_eq!(found(&[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "direct")]).await.unwrap(), "AKIA1");
    let seen = agent.seen();
    assert_eq!(seen[0].header("authorization"), Some("pod-token"));
    assert_eq!(seen[1].header("authorization"), Some("direct"));
}

#[tokio::test]
async fn a_container_endpoint_that_is_not_the_machines_own_is_refused() {
    for url in ["http://10.0.0.1/creds", "http://169.254.169.254/x", "ftp://127.0.0.1/x", "no url"] {
        let tried = tried(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)]).await;
        assert!(tried.last().unwrap().starts_with("!container: AWS_CONTAINER_CREDENTIALS_FULL_URI"), "{url}: {tried:?}");
    }
}

#[tokio::test]
async fn an_agent_that_misbehaves_is_an_error_without_its_answer() {
    for (status, body) in [
        (500, CANARY.to_owned()),
        (200, CANARY.to_owned()),
        (200, format!(r#"{{"SecretAccessKey":"{CANARY}"}}"#)),
        (200, DOCUMENT.replace("2099-01-01T00:00:00Z", CANARY)),
        (200, "x".repeat(SIZE_LIMIT + 1)),
    ] {
        let agent = Fake::start(move |_| (status, body.clone())).await;
        let url = format!("{}/{CANARY}?{CANARY}", agent.url);
        let tried = tried(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CANARY)]).await;
        let last = tried.last().unwrap();
        assert!(last.starts_with(&format!("!container: {}: the answer", agent.url)), "{tried:?}");
    }
}

fn instance(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let mut all = vec![("AWS_EC2_METADATA_DISABLED", "false".to_owned())];
    all.extend(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())));
    all
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test]
async fn an_instance_is_asked_by_version_2_of_its_metadata_service() {
    let service = Fake::start(|request| match request.line.as_str() {
        "PUT /latest/api/token" => (200, "imds-token".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/" => (200, "builder\n".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/builder" => (200, DOCUMENT.to_owned()),
        _ => (404, String::new()),
    })
    .await;
    let pairs = instance(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url), ("HTTP_PROXY", "http://127.0.0.1:9")]);
    assert_eq!(found(&borrowed(&pairs)).await.unwrap(), "AKIA1");
    let seen = service.seen();
    assert_eq!(seen[0].header("x-aws-ec2-metadata-token-ttl-seconds"), Some("300"));
    assert!(seen[1..].iter().all(|request| request.header("x-aws-ec2-metadata-token") == Some("imds-token")));
}

#[tokio::test]
async fn an_instance_without_a_role_or_without_a_service_is_not_configured() {
    let service =
        Fake::start(|request| if request.line.starts_with("PUT") { (200, "t".to_owned()) } else { (404, String::new()) }).await;
    let without_role = tried(&borrowed(&instance(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]))).await;
    assert_eq!(without_role.last().unwrap(), "instance: the instance has no role");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let begun = std::time::Instant::now();
    let none = tried(&borrowed(&instance(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)]))).await;
    assert!(none.last().unwrap().starts_with("instance: no metadata service at"), "{none:?}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_service_in_trouble_is_asked_again_and_then_an_error() {
    let service = Fake::start(|request| match request.line.as_str() {
        "PUT /latest/api/token" => (200, "t".to_owned()),
        _ => (503, CANARY.to_owned()),
    })
    .await;
    let tried = tried(&borrowed(&instance(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.url)]))).await;
    assert!(tried.last().unwrap().starts_with("!instance:") && tried.last().unwrap().contains("503"), "{tried:?}");
    assert_eq!(service.seen().len(), 3);
}

#[tokio::test]
async fn a_role_that_is_refused_is_denied_and_names_the_operation() {
    let refusal =
        format!("<ErrorResponse><Error><Code>AccessDenied</Code><Message>not {CANARY}</Message></Error></ErrorResponse>");
    let sts = Fake::start(move |_| (403, refusal.clone())).await;
    let key = Secret::new(CANARY);
    for token in [None, Some(&key)] {
        let role = Role::from_settings(Some("arn:aws:iam::1:role/x"), None, None, token).unwrap();
        let source = Source::Keys(Keys::from_settings(Some(&key), Some(&key), None).unwrap().unwrap());
        let options = EcrOptions { role, source, ..EcrOptions::default() };
        let error = resolve(&context(&[("AWS_ENDPOINT_URL", &sts.url)]), &options).await.unwrap_err();
        let AwsError::Denied(refusal) = &error else { panic!("{error:?}") };
        assert!(refusal.operation.starts_with("AssumeRole"));
        assert!(error.help().unwrap().contains("trust policy"));
        assert_clean(&format!("{} {options:?}", all_of(&error)));
    }
}
