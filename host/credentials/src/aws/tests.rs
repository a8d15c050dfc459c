//! Sessions against moto, and against servers that misbehave.

use std::time::UNIX_EPOCH;

use windlass_core::Tag;

use super::testing::{CANARY, Fake, Moto, all_of, assert_clean};
use super::*;

fn keys() -> Source {
    let key = |text: &str| Secret::new(text);
    let keys = Keys::from_settings(Some(&key("AKIACANARY")), Some(&key(CANARY)), None).unwrap().unwrap();
    Source::Keys(keys)
}

async fn session(moto: &Moto, role: Option<Role>) -> EcrSession {
    let options = EcrOptions { region: Some("eu-west-1".to_owned()), source: keys(), role, ..EcrOptions::default() };
    EcrSession::open(options, moto.environment(&[])).await.unwrap()
}

fn role(account: &str, token: Option<&str>) -> Option<Role> {
    let arn = format!("arn:aws:iam::{account}:role/pusher");
    Role::from_settings(Some(&arn), Some("external"), None, token.map(Secret::new).as_ref()).unwrap()
}

fn id(name: &str) -> RepositoryId {
    RepositoryId { registry_id: None, name: name.to_owned() }
}

async fn fake_session(url: &str) -> EcrSession {
    let environment = Environment::from_iter([("AWS_ENDPOINT_URL", url)]);
    let options = EcrOptions { region: Some("us-east-1".to_owned()), source: keys(), ..EcrOptions::default() };
    EcrSession::open(options, environment).await.unwrap()
}

#[tokio::test]
async fn a_login_gives_user_password_and_endpoint_and_an_old_expiry_means_use_once() {
    let moto = Moto::start();
    let session = session(&moto, None).await;
    let login = session.authorize(&[]).await.unwrap().swap_remove(0);
    assert_eq!((login.username.as_str(), login.password.expose()), ("AWS", "123456789012-auth-token"));
    assert_eq!(login.endpoint, "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com");
    assert!(login.expires_at.is_some());
    assert_eq!(login.reusable_until(SystemTime::now()), None);
    assert!(!format!("{login:?} {session:?}").contains("auth-token"));
    let others = session.authorize(&["111111111111".to_owned(), "222222222222".to_owned()]).await.unwrap();
    assert_eq!(others.len(), 2);
    assert!(others[1].endpoint.contains("222222222222"), "{}", others[1].endpoint);
}

#[tokio::test]
async fn repositories_are_made_described_and_set_up() {
    let moto = Moto::start();
    let session = session(&moto, None).await;
    let app = id("team/app");
    let error = session.repository(&app).await.unwrap_err();
    assert!(matches!(error, AwsError::NotFound(_)), "{error}");
    assert!(error.to_string().contains("team/app") && error.help().unwrap().contains("create"), "{error}");
    let made = session.create_repository(&app, NewRepository { immutable_tags: true, scan_on_push: false }).await.unwrap();
    assert_eq!(made.uri, "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app");
    assert!(made.immutable_tags && !made.scan_on_push);
    let error = session.create_repository(&app, NewRepository::default()).await.unwrap_err();
    assert!(matches!(error, AwsError::Exists(_)), "{error}");
    session.put_image_scanning_configuration(&app, true).await.unwrap();
    assert!(session.repository(&app).await.unwrap().scan_on_push);
    let lifecycle = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7},"action":{"type":"expire"}}]}"#;
    session.put_lifecycle_policy(&app, lifecycle).await.unwrap();
    assert!(matches!(session.put_lifecycle_policy(&app, "{").await, Err(AwsError::Other(_))));
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":["ecr:DescribeImages"]}]}"#;
    session.set_repository_policy(&app, policy).await.unwrap();
    assert!(matches!(session.set_repository_policy(&id("none"), policy).await, Err(AwsError::NotFound(_))));
}

#[tokio::test]
async fn images_are_found_by_tag() {
    let moto = Moto::start();
    let session = session(&moto, None).await;
    let app = id("app");
    session.create_repository(&app, NewRepository::default()).await.unwrap();
    let client = session.ready().await.map_err(|error| all_of(&error)).unwrap().client;
    let manifest = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}"#;
    client.put_image().repository_name("app").image_manifest(manifest).image_tag("1.0").send().await.unwrap();
    let image = session.image(&app, &Tag::parse("1.0").unwrap()).await.unwrap();
    assert_eq!(image.tags, ["1.0"]);
    assert_eq!(image.digest.algorithm(), "sha256");
    assert!(image.pushed_at.is_some_and(|time| time > UNIX_EPOCH));
    let error = session.image(&app, &Tag::parse("2.0").unwrap()).await.unwrap_err();
    assert!(matches!(error, AwsError::NotFound(_)), "{error}");
}

#[tokio::test]
async fn every_operation_runs_under_the_role_that_is_taken_on() {
    let moto = Moto::start();
    for (account, token) in [("222222222222", None), ("333333333333", Some(CANARY))] {
        let session = session(&moto, role(account, token)).await;
        let made = session.create_repository(&id("app"), NewRepository::default()).await.unwrap();
        assert!(made.uri.starts_with(account), "{}", made.uri);
        let login = session.authorize(&[]).await.unwrap().swap_remove(0);
        assert_eq!(login.password.expose(), format!("{account}-auth-token"));
        session.put_image_scanning_configuration(&id("app"), true).await.unwrap();
        assert!(session.repository(&id("app")).await.unwrap().scan_on_push);
        assert_clean(&format!("{session:?} {login:?}"));
    }
    let own = session(&moto, None).await;
    assert!(matches!(own.repository(&id("app")).await, Err(AwsError::NotFound(_))));
}

#[tokio::test]
async fn ecr_login_needs_no_program() {
    use crate::docker_config::DockerConfig;
    let moto = Moto::start();
    let environment = moto.environment(&[("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", CANARY)]);
    for text in
        [r#"{"credHelpers": {"123456789012.dkr.ecr.eu-west-1.amazonaws.com": "ecr-login"}}"#, r#"{"credsStore": "ecr-login"}"#]
    {
        let config = DockerConfig::from_json(&Secret::new(text), "test", &environment).unwrap();
        let app = windlass_core::Repository::parse("123456789012.dkr.ecr.eu-west-1.amazonaws.com/app").unwrap();
        let credential = config.find(&app).await.unwrap().unwrap();
        let password = Secret::new("123456789012-auth-token");
        assert_eq!(credential, crate::Credential::Basic { username: "AWS".to_owned(), password });
        let elsewhere = windlass_core::Repository::parse("registry.example/app").unwrap();
        assert!(!text.contains("credsStore") || config.find(&elsewhere).await.is_err());
    }
}

/// moto leaves scanning on when it is switched off, so what is sent is looked at.
#[tokio::test]
async fn scanning_is_switched_off_by_a_configuration_without_it() {
    let fake = Fake::start(|_| (200, "{}".to_owned())).await;
    fake_session(&fake.url).await.put_image_scanning_configuration(&id("app"), false).await.unwrap();
    let request = fake.seen().swap_remove(0);
    assert!(request.head.contains("putimagescanningconfiguration"), "{request:?}");
    assert!(request.body.contains(r#""imageScanningConfiguration":{}"#), "{request:?}");
}

fn refuse(code: &str, status: u16) -> impl Fn(&super::testing::Request) -> (u16, String) + Send + Sync + 'static {
    let body = format!(r#"{{"__type":"{code}","message":"no {CANARY} for you"}}"#);
    move |_| (status, body.clone())
}

#[tokio::test]
async fn refusals_are_told_apart_and_hold_no_secret() {
    for (code, status, expected) in [
        ("AccessDeniedException", 400, "Denied"),
        ("ExpiredTokenException", 400, "Expired"),
        ("UnrecognizedClientException", 400, "InvalidToken"),
        ("InvalidSignatureException", 403, "InvalidToken"),
        ("ThrottlingException", 400, "Throttled"),
        ("ServerException", 500, "Other"),
    ] {
        let fake = Fake::start(refuse(code, status)).await;
        let error = fake_session(&fake.url).await.authorize(&[]).await.unwrap_err();
        let shown = all_of(&error);
        assert!(format!("{error:?}").starts_with(expected), "{shown}");
        assert!(shown.contains("no [redacted] for you") && shown.contains("GetAuthorizationToken"), "{shown}");
        assert_clean(&shown);
        let tries = fake.seen().len();
        assert_eq!(tries, if matches!(expected, "Throttled" | "Other") { 3 } else { 1 }, "{code}");
    }
}

#[tokio::test]
async fn answers_that_make_no_sense_are_errors_without_their_content() {
    for body in [
        "<html>canary/7f3a+9b</html>",
        "{}",
        r#"{"authorizationData":[]}"#,
        r#"{"authorizationData":[{"authorizationToken":"canary/7f3a+9b!","proxyEndpoint":"x"}]}"#,
        r#"{"authorizationData":[{"authorizationToken":"Y2FuYXJ5LzdmM2ErOWI=","proxyEndpoint":"x"}]}"#,
        r#"{"authorizationData":[{"authorizationToken":{"canary/7f3a+9b":1}}]}"#,
        r#"{"authorizationData":[{"proxyEndpoint":"x"}]}"#,
    ] {
        let fake = Fake::start(move |_| (200, body.to_owned())).await;
        let error = fake_session(&fake.url).await.authorize(&[]).await.unwrap_err();
        assert!(matches!(error, AwsError::Answer { .. }), "{body}: {error:?}");
        assert_clean(&all_of(&error));
    }
}

#[tokio::test]
async fn a_fresh_token_may_be_used_again_until_shortly_before_its_end() {
    let body = r#"{"authorizationData":[{"authorizationToken":"QVdTOnB3","expiresAt":4000000000,"proxyEndpoint":"https://x"}]}"#;
    let fake = Fake::start(move |_| (200, body.to_owned())).await;
    let login = fake_session(&fake.url).await.authorize(&[]).await.unwrap().swap_remove(0);
    let end = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    assert_eq!(login.reusable_until(SystemTime::now()), Some(end - MARGIN));
    assert_eq!(login.reusable_until(end - Duration::from_secs(60)), None);
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let error = fake_session(&url).await.authorize(&[]).await.unwrap_err();
    let shown = all_of(&error);
    assert!(matches!(error, AwsError::Unreachable { .. }), "{shown}");
    assert!(error.to_string().contains(&url) && shown.to_lowercase().contains("connection refused"), "{shown}");
    assert!(error.help().unwrap().contains("HTTPS_PROXY"));
}

#[tokio::test]
async fn requests_go_through_the_proxy_unless_the_host_is_excepted() {
    let proxy = Fake::start(refuse("AccessDeniedException", 400)).await;
    let with_user = proxy.url.replace("http://", "http://user:canary@");
    let mut pairs = vec![("AWS_ENDPOINT_URL", "http://ecr.invalid"), ("HTTP_PROXY", with_user.as_str())];
    let ask = async |pairs: &[(&str, &str)]| {
        let options = EcrOptions { region: Some("us-east-1".to_owned()), source: keys(), ..EcrOptions::default() };
        let session = EcrSession::open(options, pairs.iter().copied().collect()).await.unwrap();
        session.authorize(&[]).await.unwrap_err()
    };
    let error = ask(&pairs).await;
    assert!(matches!(error, AwsError::Denied(_)), "{error:?}");
    let seen = proxy.seen();
    assert!(seen[0].line.starts_with("POST http://ecr.invalid/"), "{:?}", seen[0].line);
    assert!(seen[0].header("proxy-authorization").is_some());
    pairs.push(("NO_PROXY", "ecr.invalid"));
    let error = ask(&pairs).await;
    assert!(matches!(error, AwsError::Unreachable { .. }), "{error:?}");
    assert_eq!(proxy.seen().len(), 1);
    assert!(!all_of(&error).contains("canary"));
}

#[tokio::test]
async fn the_region_is_found_where_it_is_set_and_checked() {
    let open = async |region: Option<&str>, pairs: &[(&str, &str)]| {
        let options = EcrOptions { region: region.map(str::to_owned), ..EcrOptions::default() };
        EcrSession::open(options, pairs.iter().copied().collect()).await
    };
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), "[default]\nregion = ap-south-1\n[profile p]\nregion=eu-north-1\n").unwrap();
    let home = home.path().display().to_string();
    let set = [("AWS_DEFAULT_REGION", "eu-west-3"), ("HOME", home.as_str())];
    assert_eq!(open(Some("us-west-2"), &set).await.unwrap().region(), "us-west-2");
    assert_eq!(open(Some(""), &set).await.unwrap().region(), "eu-west-3");
    assert_eq!(open(None, &set[1..]).await.unwrap().region(), "ap-south-1");
    assert_eq!(open(None, &[set[1], ("AWS_PROFILE", "p")]).await.unwrap().region(), "eu-north-1");
    assert!(open(None, &[]).await.unwrap_err().to_string().contains("AWS_REGION"));
    for bad in ["us east", "evil.example/x?", "US-EAST-1", "-x"] {
        assert!(open(Some(bad), &[]).await.unwrap_err().to_string().contains(bad), "{bad}");
    }
}
