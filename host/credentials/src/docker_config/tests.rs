//! The configurations as a run meets them: files, helper scripts, places.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use windlass_core::Redactor;

const CANARY: &str = "canary-5e1f/b+c";

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, path: &str, text: &str) -> String {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn helper(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn environment(&self, more: &[(&str, &str)]) -> Environment {
        let home = self.0.path().display().to_string();
        let path = format!("{home}/bin:/usr/bin:/bin");
        [("HOME", home.as_str()), ("PATH", path.as_str())].into_iter().chain(more.iter().copied()).collect()
    }
}

fn inline(user: &str) -> String {
    format!(r#"{{"auths": {{"r.example": {{"username": "{user}", "password": "{CANARY}"}}}}}}"#)
}

async fn user(config: &DockerConfig, repository: &str) -> String {
    match config.find(&Repository::parse(repository).unwrap()).await {
        Ok(None) => "none".to_owned(),
        Ok(Some(Credential::Basic { username, .. })) => username,
        Ok(Some(Credential::IdentityToken(token))) => format!("identity {}", token.expose()),
        Ok(Some(Credential::Bearer(_))) => "bearer".to_owned(),
        Err(error) => {
            let shown = format!("{error} / {error:?}");
            assert!(!Redactor::new([&Secret::new(CANARY)]).finds(&shown), "{shown}");
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("error: {error}{source}")
        }
    }
}

fn with_helper(home: &Home) -> DockerConfig {
    home.write(".docker/config.json", r#"{"credHelpers": {"r.example": "test"}}"#);
    DockerConfig::discover(&home.environment(&[])).unwrap()
}

#[tokio::test]
async fn places_are_asked_in_order_and_docker_config_replaces_the_home_directory() {
    let home = Home::new();
    home.write(".docker/config.json", &inline("home"));
    assert_eq!(user(&DockerConfig::discover(&home.environment(&[])).unwrap(), "r.example/x").await, "home");
    home.write("run/containers/auth.json", &inline("runtime"));
    let runtime = home.0.path().join("run").display().to_string();
    let file = home.write("auth.json", &inline("file"));
    let directory = home.0.path().join("docker").display().to_string();
    let mut more = vec![("XDG_RUNTIME_DIR", runtime.as_str())];
    assert_eq!(user(&DockerConfig::discover(&home.environment(&more)).unwrap(), "r.example/x").await, "runtime");
    more.push(("REGISTRY_AUTH_FILE", &file));
    assert_eq!(user(&DockerConfig::discover(&home.environment(&more)).unwrap(), "r.example/x").await, "file");
    home.write("docker/config.json", r#"{"auths": {"q.example": {"username": "q", "password": "x"}}}"#);
    more.push(("DOCKER_CONFIG", &directory));
    let config = DockerConfig::discover(&home.environment(&more)).unwrap();
    assert_eq!(user(&config, "q.example/x").await, "q");
    assert_eq!(user(&config, "r.example/x").await, "file", "the next file answers for what the first lacks");
    assert_eq!(config.origins().count(), 3);
}

#[tokio::test]
async fn nothing_configured_is_anonymous_and_no_error() {
    let home = Home::new();
    assert_eq!(user(&DockerConfig::discover(&home.environment(&[])).unwrap(), "busybox").await, "none");
    home.write(".docker/config.json", " \n");
    assert_eq!(user(&DockerConfig::discover(&home.environment(&[])).unwrap(), "busybox").await, "none");
}

#[test]
fn a_file_that_is_broken_is_an_error_that_names_it() {
    let home = Home::new();
    home.write(".docker/config.json", &format!(r#"{{"auths": "{CANARY}"}}"#));
    let error = DockerConfig::discover(&home.environment(&[])).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(".docker/config.json") && shown.contains("`auths` is not an object"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_directory_in_the_place_of_a_file_and_a_giant_are_errors() {
    let home = Home::new();
    home.write(".docker/config.json/x", "");
    assert!(matches!(DockerConfig::discover(&home.environment(&[])), Err(DockerConfigError::Read { .. })));
    let home = Home::new();
    let path = home.write(".docker/config.json", "");
    std::fs::File::options().write(true).open(path).unwrap().set_len(SIZE_LIMIT * 1000).unwrap();
    assert!(matches!(DockerConfig::discover(&home.environment(&[])), Err(DockerConfigError::Read { .. })));
}

#[tokio::test]
async fn json_text_is_taken_as_a_configuration() {
    let text = Secret::new(inline("text"));
    let config = DockerConfig::from_json(&text, "PLUGIN_CONFIG", &Environment::default()).unwrap();
    assert_eq!(user(&config, "r.example/x").await, "text");
    let error = DockerConfig::from_json(&Secret::new(CANARY), "PLUGIN_CONFIG", &Environment::default()).unwrap_err().to_string();
    assert!(error.contains("PLUGIN_CONFIG") && !error.contains("canary"), "{error}");
}

#[tokio::test]
async fn a_helper_is_asked_by_the_registry_name() {
    let home = Home::new();
    home.helper("test", r#"read server; echo "{\"ServerURL\":\"x\",\"Username\":\"for $server\",\"Secret\":\"s\"}""#);
    let config = with_helper(&home);
    assert_eq!(user(&config, "r.example/x").await, "for r.example");
    home.write(".docker/config.json", r#"{"credsStore": "test"}"#);
    let config = DockerConfig::discover(&home.environment(&[])).unwrap();
    assert_eq!(user(&config, "busybox").await, "for https://index.docker.io/v1/");
}

#[tokio::test]
async fn a_helper_may_hand_out_an_identity_token_or_nothing() {
    let home = Home::new();
    home.helper("test", r#"echo '{"Username":"<token>","Secret":"refresh"}'"#);
    let config = with_helper(&home);
    assert_eq!(user(&config, "r.example/x").await, "identity refresh");
    home.helper("test", "echo credentials not found in native keychain; exit 1");
    assert_eq!(user(&config, "r.example/x").await, "none");
}

#[tokio::test]
async fn a_helper_that_is_configured_but_broken_is_an_error_without_secrets() {
    let home = Home::new();
    let config = with_helper(&home).with_helper_limit(Duration::from_secs(2));
    let missing = user(&config, "r.example/x").await;
    assert!(missing.contains("docker-credential-test") && missing.contains("not on PATH"), "{missing}");
    for (script, expected) in [
        (
            format!("echo '{CANARY}'; echo 'vault is locked: {CANARY}' >&2; exit 3"),
            "exit status: 3): vault is locked: [redacted]",
        ),
        (format!(r#"echo '{{"Secret":"{CANARY}"}}'; echo '{CANARY}' >&2; exit 1"#), "[redacted]"),
        (format!("echo '{CANARY}'"), "not JSON"),
        (format!(r#"echo '["{CANARY}"]'"#), "not an object"),
        (format!(r#"echo '{{"Secret":"{CANARY}"}}'"#), "no `Username`"),
        (r#"echo '{"Username":"u"}'"#.to_owned(), "no `Secret`"),
        ("sleep 30".to_owned(), "did not answer within 2 seconds"),
        ("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxx; done".to_owned(), "printed more than"),
        ("kill -9 $$".to_owned(), "signal: 9"),
    ] {
        home.helper("test", &script);
        let shown = user(&config, "r.example/x").await;
        assert!(shown.contains(expected), "{script}: {shown}");
    }
    home.write(".docker/config.json", r#"{"credsStore": "../../bin/x"}"#);
    let shown = user(&DockerConfig::discover(&home.environment(&[])).unwrap(), "r.example/x").await;
    assert!(shown.contains("without `/`"), "{shown}");
}

#[test]
fn debug_of_a_configuration_shows_no_secret() {
    let config = DockerConfig::from_json(&Secret::new(inline("u")), "x", &Environment::from_iter([("A", CANARY)])).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
}
