//! moto's server in AWS's place: ECR's control plane and STS.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Server, bound_to_us, on_a_free_port};
use crate::http;

/// A server that answers for every service of AWS on one address.
#[derive(Debug)]
pub struct Moto {
    host: String,
    _directory: TempDir,
    _server: Server,
}

impl Moto {
    /// Starts it: the program `WINDLASS_MOTO` names, else the one of the workspace's own `.venv`, else the one on `PATH`.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let (host, server) = on_a_free_port(|port| {
            let host = format!("127.0.0.1:{port}");
            let ready = || http::request("GET", &host, "/moto-api/data.json", &[], "").is_ok_and(|answer| answer.status == 200);
            let mut command = bound_to_us(program());
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).current_dir(directory.path());
            let server = Server::start(&mut command, &directory.path().join("log"), ready)?;
            Some((host, server))
        });
        Self { host, _directory: directory, _server: server }
    }

    /// Its URL, for `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The password that it hands out for the registry of `account`.
    #[must_use]
    pub fn password(account: &str) -> String {
        format!("{account}-auth-token")
    }

    /// Makes a repository in the registry of `account`.
    pub fn create_repository(&self, account: &str, region: &str, name: &str) {
        let answer = self.ecr(region, "AKIATEST", "CreateRepository", &json!({"registryId": account, "repositoryName": name}));
        assert!(answer.get("repository").is_some(), "moto did not make {name}: {answer}");
    }

    /// Calls ECR's `operation` with the access key `key`, which decides on the account.
    #[must_use]
    pub fn ecr(&self, region: &str, key: &str, operation: &str, input: &Value) -> Value {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        let signature =
            format!("AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/ecr/aws4_request, SignedHeaders=host, Signature=0");
        let headers = [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", target.as_str()),
            ("Authorization", signature.as_str()),
        ];
        let answer = http::request("POST", &self.host, "/", &headers, &input.to_string()).expect("moto answers");
        serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("moto's answer is not JSON: {answer:?}"))
    }

    /// An access key of `account`, by way of a role in it.
    #[must_use]
    pub fn key_of(&self, account: &str) -> String {
        let arn = format!("arn:aws:iam::{account}:role/test");
        let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={arn}&RoleSessionName=test");
        let signature =
            "AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=0";
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", signature)];
        let answer = http::request("POST", &self.host, "/", &headers, &body).expect("moto answers");
        let key = answer.body.split_once("<AccessKeyId>").and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
        key.unwrap_or_else(|| panic!("moto gave no key: {answer:?}")).0.to_owned()
    }
}

fn program() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/moto_server");
    match std::env::var_os("WINDLASS_MOTO") {
        Some(path) => path.into(),
        None if own.exists() => own,
        None => "moto_server".into(),
    }
}
