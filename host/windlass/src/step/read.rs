//! Checked settings become a [`Step`].

use std::path::PathBuf;

use windlass_core::setting::{Origin, Settings};
use windlass_core::{Finding, Platform, Secret};
use windlass_sandbox::{Limits, Ulimit};

use super::caches::{parse_cache_source, parse_cache_target};
use super::declared::without_effect;
use super::export::compression;
use super::limits::{parse_memory, parse_processors};
use super::network::{HostEntry, SearchDomain, parse_name_server};
use super::words::{parse_provenance, parse_secret, parse_ssh, size};
use super::{
    Annotation, ArgumentValue, BuildArgument, BuildSecret, BuildSettings, Encoding, Export, ExportKind, Outputs, Place,
    RegistrySettings, SecretSource, SshSource, Step,
};
use crate::duration;
use crate::environment::Environment;

/// Reads the step, and tells what it says that has no effect.
///
/// # Errors
/// Every value that does not mean what its setting asks for.
pub(crate) fn read(settings: &Settings, environment: &Environment) -> Result<(Step, Vec<Finding>), Vec<Finding>> {
    let mut reader = Reader { settings, environment, problems: Vec::new() };
    let step = Step {
        name: settings.text("name").map(str::to_owned),
        build: reader.build(),
        archive: reader.archive(),
        tags: settings.texts("tags").to_vec(),
        push: settings.flag("push"),
        skip_push_if_tag_exists: settings.flag("skip-push-if-tag-exists"),
        outputs: reader.outputs(),
        registries: reader.registries(),
        timeout: reader.parsed("timeout", duration::parse).flatten(),
    };
    reader.refuse_the_image_of_a_daemon();
    let notices = ignored(settings);
    if reader.problems.is_empty() { Ok((step, notices)) } else { Err(reader.problems) }
}

/// Settings that leave the result as it is.
fn ignored(settings: &Settings) -> Vec<Finding> {
    let told = |(name, instead): (&str, &str)| {
        let (_, origin) = settings.get(name).filter(|_| asks(settings, name))?;
        let message = format!("`{name}` has no effect; the build goes on without it");
        Some(located(Finding::warn("settings/no-effect", message), origin).help(instead))
    };
    without_effect().filter_map(told).collect()
}

/// Whether a setting is there and asks for something.
fn asks(settings: &Settings, name: &str) -> bool {
    settings.get(name).is_some_and(|(value, _)| !matches!(value.to_string().as_str(), "" | "false"))
}

pub(super) struct Reader<'a> {
    pub(super) settings: &'a Settings,
    environment: &'a Environment,
    problems: Vec<Finding>,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, name: &str, message: impl Into<String>, help: &str) {
        let origin = self.settings.get(name).map(|(_, origin)| origin.clone()).unwrap_or_default();
        self.problems.push(located(Finding::deny("settings/value", message), &origin).help(help));
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.settings.text(name).filter(|text| !text.is_empty()).map(PathBuf::from)
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match self.settings.text(name).map(parse)? {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(name, message, "see the setting's documentation");
                None
            }
        }
    }

    fn build(&mut self) -> BuildSettings {
        let settings = self.settings;
        let mut build = BuildSettings {
            context: self.path("context").unwrap_or_else(|| PathBuf::from(".")),
            dockerfile: self.path("dockerfile"),
            target: settings.text("target").filter(|t| !t.is_empty()).map(str::to_owned),
            platforms: self.platforms(),
            arguments: self.arguments(),
            labels: settings.pairs("labels").to_vec(),
            annotations: settings
                .pairs("annotations")
                .iter()
                .cloned()
                .map(|(key, value)| Annotation::of_manifest(key, value))
                .collect(),
            no_cache: settings.flag("no-cache"),
            pull: settings.flag("pull"),
            no_cache_stages: settings.texts("no-cache-filter").to_vec(),
            squash: settings.flag("squash") || settings.flag("single-layer"),
            shared_cache: self.shared_cache(),
            cache_from: self.each("cache-from", parse_cache_source, "write such as `type=registry,ref=REF`"),
            cache_to: self.each("cache-to", parse_cache_target, "write such as `type=registry,ref=REF,mode=max`"),
            no_network: false,
            allows_insecure: false,
            shm_size: self.parsed("shm-size", size),
            ulimits: self.each("ulimits", Ulimit::parse, "write such as `nofile=1024:4096`"),
            limits: Limits {
                memory: self.parsed("memory-limit", parse_memory),
                processor: self.parsed("cpu-limit", parse_processors),
                ..Limits::default()
            },
            add_hosts: self.each("add-hosts", HostEntry::parse, "write such as `db.internal:10.0.0.1`"),
            dns: self.each("custom-dns", parse_name_server, "write such as `10.0.0.53`"),
            dns_search: self.each("custom-dns-search", SearchDomain::parse, "write such as `corp.example`"),
            secrets: self.secrets(),
            ssh: self.ssh(),
            ssh_key: settings.secret("ssh-key").filter(|key| !key.is_empty()).cloned(),
            contexts: Vec::new(),
            provenance: self.parsed("provenance", parse_provenance).flatten(),
            sbom: settings.flag("sbom"),
            source_date_epoch: None,
        };
        self.epoch(&mut build);
        build
    }

    fn each<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>, help: &str) -> Vec<T> {
        let mut values = Vec::new();
        for text in self.settings.texts(name).iter().filter(|text| !text.is_empty()) {
            match parse(text) {
                Ok(value) => values.push(value),
                Err(message) => self.problem(name, message, help),
            }
        }
        values
    }

    /// What is pushed without a build.
    fn archive(&mut self) -> Option<PathBuf> {
        if !self.settings.flag("push-only") {
            return None;
        }
        let archive = self.path("source-tar-path");
        if archive.is_none() && !asks(self.settings, "source-image") {
            let message = "only a push is wanted, and no archive is named whose image is pushed";
            self.problem("push-only", message, "name a docker archive, an OCI archive or a layout with `source-tar-path`");
        }
        let attested = "nothing is built that could be attested: only a push is wanted";
        let merged = "nothing is built whose layers could become one: only a push is wanted";
        for (name, message) in [("provenance", attested), ("sbom", attested), ("squash", merged), ("single-layer", merged)] {
            if asks(self.settings, name) {
                self.problem(name, message, "take the setting out");
            }
        }
        archive
    }

    fn platforms(&mut self) -> Vec<Platform> {
        let mut platforms = Vec::new();
        for text in self.settings.texts("platforms") {
            match Platform::parse(text) {
                Ok(platform) => platforms.push(platform),
                Err(error) => self.problem("platforms", error.to_string(), "name platforms such as linux/amd64"),
            }
        }
        platforms
    }

    /// Arguments as given; one without a value takes it from the environment, as the executors of old did.
    fn arguments(&self) -> Vec<BuildArgument> {
        let open = self.settings.pairs("build-args").iter();
        let mut arguments: Vec<BuildArgument> =
            open.map(|(name, value)| BuildArgument { name: name.clone(), value: ArgumentValue::Open(value.clone()) }).collect();
        for name in self.settings.texts("build-args-from-env") {
            let upper = name.to_ascii_uppercase();
            let Some((_, value)) = self.environment.first(&[name, &upper, &format!("HARNESS_{upper}")]) else { continue };
            if !arguments.iter().any(|argument| argument.name == *name) {
                arguments.push(BuildArgument { name: name.clone(), value: ArgumentValue::Secret(Secret::new(value)) });
            }
        }
        arguments
    }

    fn secrets(&mut self) -> Vec<BuildSecret> {
        let variable =
            |(id, name): &(String, String)| BuildSecret { id: id.clone(), source: SecretSource::Variable(name.clone()) };
        let file =
            |(id, path): &(String, String)| BuildSecret { id: id.clone(), source: SecretSource::File(PathBuf::from(path)) };
        let mut secrets: Vec<BuildSecret> = self.settings.pairs("build-secrets-from-env").iter().map(variable).collect();
        secrets.extend(self.settings.pairs("build-secrets-from-file").iter().map(file));
        if let Some(text) = self.settings.text("build-secret").filter(|text| !text.is_empty()) {
            match parse_secret(text) {
                Ok(secret) => secrets.push(secret),
                Err(message) => self.problem("build-secret", message, "write `id=ID,src=PATH` or `id=ID,env=VARIABLE`"),
            }
        }
        secrets
    }

    fn ssh(&mut self) -> Vec<SshSource> {
        let mut sources = Vec::new();
        for text in self.settings.texts("ssh") {
            match parse_ssh(text) {
                Ok(source) => sources.push(source),
                Err(message) => self.problem("ssh", message, "write `default`, `default=SOCKET` or `default=KEYFILE`"),
            }
        }
        sources
    }

    fn epoch(&mut self, build: &mut BuildSettings) {
        match build.take_epoch(self.environment.get("SOURCE_DATE_EPOCH")) {
            Ok(()) if self.settings.flag("reproducible") => build.source_date_epoch = build.source_date_epoch.or(Some(0)),
            Ok(()) => {}
            Err(finding) => self.problems.push(finding),
        }
    }

    fn outputs(&mut self) -> Outputs {
        let encoding = Encoding { compression: self.compression(), ..Encoding::default() };
        let exports = [("oci-layout-path", ExportKind::OciLayout), ("tar-path", ExportKind::DockerArchive)];
        let exports = exports
            .into_iter()
            .filter_map(|(name, kind)| Some(Export { kind, place: Place::Path(self.path(name)?), encoding }))
            .collect();
        let mut output_files: Vec<PathBuf> = self.path("output-file").into_iter().collect();
        for variable in ["DRONE_OUTPUT", "GITHUB_OUTPUT"] {
            output_files.extend(self.environment.get(variable).map(PathBuf::from));
        }
        output_files.dedup();
        Outputs {
            exports,
            pushed: encoding,
            artifact_file: self.path("artifact-file"),
            digest_file: self.path("digest-file"),
            image_id_file: None,
            name_with_digest_file: self.path("image-name-with-digest-file"),
            name_tag_with_digest_file: self.path("image-name-tag-with-digest-file"),
            output_files,
            metadata_file: self.path("metadata-file"),
            report: None,
        }
    }

    fn compression(&mut self) -> Option<windlass_layer::Compression> {
        let level = self.settings.integer("compression-level").map(|level| u8::try_from(level).ok().filter(|level| *level <= 22));
        if level == Some(None) {
            self.problem("compression-level", "a compression level is 0 to 22", "give a number such as 3");
        }
        let name = self.settings.text("compression").filter(|name| !name.is_empty());
        compression(name, level.flatten()).unwrap_or_else(|message| {
            self.problem("compression", message, "give gzip, zstd or uncompressed");
            None
        })
    }

    fn registries(&mut self) -> RegistrySettings {
        let settings = self.settings;
        let mut client_certificates = Vec::new();
        for (host, files) in settings.pairs("registry-client-certs") {
            match files.split_once(',') {
                Some((certificate, key)) => {
                    client_certificates.push((host.clone(), PathBuf::from(certificate), PathBuf::from(key)))
                }
                None => self.problem(
                    "registry-client-certs",
                    format!("`{host}={files}` is not HOST=CERTIFICATE,KEY"),
                    "name both files",
                ),
            }
        }
        RegistrySettings {
            map: Vec::new(),
            mirrors: settings.texts("registry-mirrors").to_vec(),
            insecure: settings.texts("insecure-registries").to_vec(),
            insecure_push: settings.flag("insecure"),
            insecure_pull: settings.flag("insecure-pull"),
            skip_tls_verify_push: settings.flag("skip-tls-verify"),
            skip_tls_verify_pull: settings.flag("skip-tls-verify-pull"),
            certificates: settings
                .pairs("registry-certificates")
                .iter()
                .map(|(host, path)| (host.clone(), PathBuf::from(path)))
                .collect(),
            client_certificates,
            push_retries: settings.integer("push-retry").and_then(|n| u32::try_from(n).ok()),
            pull_retries: settings.integer("pull-retry").and_then(|n| u32::try_from(n).ok()),
        }
    }

    fn refuse_the_image_of_a_daemon(&mut self) {
        if asks(self.settings, "source-image") {
            self.problem(
                "source-image",
                "`source-image` names an image of a docker daemon, and Windlass has no daemon to take one from",
                "write the image to an archive with `docker save`, or from a registry with `skopeo copy`, and name that with \
                 `source-tar-path`",
            );
        }
    }
}

fn located(finding: Finding, origin: &Origin) -> Finding {
    let finding = finding.about(&origin.name);
    match &origin.place {
        Some(place) => finding.at(place.clone()),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::setting::{Assignment, Value, check};

    use super::*;

    fn step(pairs: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<(Step, Vec<Finding>), Vec<Finding>> {
        let given: Vec<Assignment> = pairs
            .iter()
            .map(|(name, text)| Assignment {
                name: (*name).to_owned(),
                value: Value::Text((*text).to_owned()),
                origin: Origin::named(name.to_uppercase()),
            })
            .collect();
        let environment = Environment::from_iter(variables.iter().copied());
        read(&check("the step", &super::super::specs(), &given)?, &environment)
    }

    #[test]
    fn defaults_push_the_context_here() {
        let (step, notices) = step(&[], &[]).unwrap();
        assert!(step.push && notices.is_empty());
        assert_eq!(step.build.context, PathBuf::from("."));
    }

    #[test]
    fn arguments_from_the_environment_are_secret() {
        let (step, _) = step(&[("build-args-from-env", "token,absent")], &[("TOKEN", "canary")]).unwrap();
        assert_eq!(step.build.arguments.len(), 1);
        assert!(!format!("{step:?}").contains("canary"));
    }

    #[test]
    fn every_wrong_value_is_told_at_once() {
        let problems =
            step(&[("platforms", "linux"), ("timeout", "10"), ("add-hosts", "nohost"), ("push-only", "true")], &[]).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems.iter().all(|p| p.help.is_some()));
    }

    #[test]
    fn one_layer_is_asked_for_under_either_name_and_never_of_a_mere_push() {
        for name in ["squash", "single-layer"] {
            assert!(step(&[(name, "true")], &[]).unwrap().0.build.squash);
            assert!(!step(&[(name, "false")], &[]).unwrap().0.build.squash);
            let pushed = [(name, "true"), ("push-only", "true"), ("source-tar-path", "image.tar")];
            assert!(step(&pushed, &[]).unwrap_err()[0].to_string().contains("only a push is wanted"));
        }
    }

    #[test]
    fn what_has_no_effect_is_said_with_what_has() {
        let (_, notices) = step(&[("quiet", "true"), ("verbosity", "")], &[]).unwrap();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].to_string().contains("`quiet` has no effect;"));
        assert!(notices[0].help.as_ref().unwrap().contains("--progress quiet"));
    }

    #[test]
    fn an_image_of_a_daemon_is_refused_once_with_what_is_pushed_without_one() {
        let problems = step(&[("push-only", "true"), ("source-image", "built:1")], &[]).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains("no daemon") && problems[0].help.as_ref().unwrap().contains("`source-tar-path`"));
        assert!(step(&[("source-image", "")], &[]).is_ok());
    }

    #[test]
    fn a_shared_cache_is_asked_for_by_its_flag_or_its_repository() {
        let cache = |settings: &[(&str, &str)]| step(settings, &[]).unwrap().0.build.shared_cache;
        assert_eq!(cache(&[]), None);
        assert_eq!(cache(&[("cache", "false"), ("cache-repo", "r.example/x")]), None);
        use crate::step::SharedCache;
        let unnamed = cache(&[("cache", "true"), ("cache-ttl-hours", "0")]).unwrap();
        assert_eq!(unnamed, SharedCache { repository: None, max_age: SharedCache::MAX_AGE });
        let named = cache(&[("cache-repo", "r.example/x"), ("cache-ttl-hours", "2")]).unwrap();
        assert_eq!((named.repository.unwrap().to_string(), named.max_age.as_secs()), ("r.example/x".to_owned(), 7200));
        let problems = step(&[("cache-repo", "r.example/X"), ("cache-ttl-hours", "-1")], &[]).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
