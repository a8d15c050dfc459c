//! Image configurations: OCI image specification, "Image Configuration", with docker's fields and every unknown one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use windlass_core::{Digest, Platform};

/// What an image is and how it is run. Fields that nobody here knows are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// When it was made, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The architecture, in Go's spelling.
    #[serde(default)]
    pub architecture: String,
    /// The architecture's variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system, for Windows.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Features of the operating system, for Windows.
    #[serde(rename = "os.features", default, skip_serializing_if = "Option::is_none")]
    pub os_features: Option<Vec<String>>,
    /// How it is run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: RunConfig,
    /// Its layers, uncompressed.
    #[serde(default, deserialize_with = "null_is_default")]
    pub rootfs: RootFs,
    /// How its layers came to be.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// How containers of an image are run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RunConfig {
    /// The user, as `user`, `uid`, `user:group`, ….
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Ports, as `80/tcp`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub exposed_ports: BTreeMap<String, Value>,
    /// Environment, as `NAME=VALUE`, in order.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// The entry point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the entry point's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How it is found out whether a container is well; a docker field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Whether the command is already quoted, on Windows; a docker field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_escaped: Option<bool>,
    /// Directories that hold data.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Value>,
    /// The working directory.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Instructions for images that are built from this one; a docker field.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub on_build: Vec<String>,
    /// Labels.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// The shell of the shell form of instructions; a docker field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Docker's health check. Durations are in nanoseconds; 0 leaves the default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Between two checks.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// For one check.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// During which failures do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Between two checks during the start period.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make a container unhealthy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retries: i64,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The layers of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", default = "layers")]
    pub kind: String,
    /// The digests of the uncompressed layers, the lowest first.
    #[serde(default, deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of an image's history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// When, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What made it, such as `buildkit.dockerfile.v0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether it made no layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_layer: Option<bool>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not JSON, or a known field is of another kind than the specification says.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The configuration as JSON; the same value always gives the same bytes.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings, numbers and maps with text keys are always JSON")
    }

    /// The platform that the image is for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform::new(&self.os, &self.architecture, self.variant.as_deref())
    }
}

impl Default for RootFs {
    fn default() -> Self {
        Self { kind: layers(), diff_ids: Vec::new() }
    }
}

fn layers() -> String {
    "layers".to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

/// Docker writes `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCKER: &str = r#"{"architecture":"amd64","os":"linux","container":"abc","docker_version":"20.10",
        "config":{"Hostname":"x","User":"","Cmd":["sh"],"Entrypoint":null,"Labels":null,"Volumes":{"/data":{}},"OnBuild":null,
          "ExposedPorts":{"80/tcp":{}},"ArgsEscaped":true,"Shell":["/bin/bash","-c"],"StopTimeout":9,
          "Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Odd":1}},
        "rootfs":{"type":"layers","diff_ids":null},"history":[{"created_by":"x","empty_layer":true,"odd":[1]}]}"#;

    #[test]
    fn fields_of_docker_and_fields_that_nobody_knows_are_kept() {
        let config = ImageConfig::parse(DOCKER.as_bytes()).unwrap();
        assert_eq!(config.config.shell.as_deref(), Some(&["/bin/bash".to_owned(), "-c".to_owned()][..]));
        assert_eq!(config.config.healthcheck.as_ref().unwrap().interval, 1_000_000_000);
        let again: Value = serde_json::from_slice(&config.to_json()).unwrap();
        for (pointer, value) in [
            ("/container", Value::from("abc")),
            ("/docker_version", Value::from("20.10")),
            ("/config/StopTimeout", Value::from(9)),
            ("/config/Hostname", Value::from("x")),
            ("/config/ArgsEscaped", Value::from(true)),
            ("/config/Healthcheck/Odd", Value::from(1)),
            ("/history/0/odd/0", Value::from(1)),
        ] {
            assert_eq!(again.pointer(pointer), Some(&value), "{pointer}");
        }
        assert_eq!(ImageConfig::parse(&config.to_json()).unwrap(), config);
    }

    #[test]
    fn nesting_without_end_is_an_error() {
        let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(ImageConfig::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_diff_id_that_is_no_digest_is_an_error() {
        assert!(ImageConfig::parse(br#"{"rootfs":{"type":"layers","diff_ids":["../x"]}}"#).is_err());
    }
}
