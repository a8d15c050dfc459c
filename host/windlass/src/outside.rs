//! Outside engines: what the mapper says, and what the host puts into its slots.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use windlass_core::plan;
use windlass_core::setting::Settings;
use windlass_core::{EventSink, ExitCode, Finding, Invocation, Reference, Repository, Secret, chain};
use windlass_engines::{Engine, Fill};
use windlass_registry::{Action, Blobs, Credential, CredentialSource};
use windlass_runtime::host::build_request::BuildRequest;
use windlass_runtime::{Context, Plugin, engine_mapper};
use windlass_sandbox::Limits;

use crate::archive;
use crate::bases::Facts;
use crate::credentials::Credentials;
use crate::engine::secret_value;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::images::Image;
use crate::plugins::refused;
use crate::step::{Annotation, AnnotationPlace, ArgumentValue, BuildSettings, Step};

/// An outside engine, asked for a build.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    pub(crate) mapper: Plugin,
    pub(crate) invocation: Invocation,
}

impl Outside {
    /// How it stands in a plan.
    pub(crate) fn planned(&self) -> plan::Engine {
        plan::Engine {
            name: self.mapper.name().to_owned(),
            command: self.invocation.command(),
            hand_off: Some(self.invocation.hand_off.to_string()),
        }
    }
}

/// Asks the mapper how its engine is called for this step.
pub(crate) async fn map(
    mapper: Plugin,
    context: &Context,
    settings: &Settings,
    step: &Step,
    facts: &Facts,
) -> Result<Outside, Failure> {
    let build = &step.build;
    check_attestations(build)?;
    check_limits(build)?;
    let mut request = BuildRequest {
        target: build.target.clone(),
        platforms: build.platforms.clone(),
        labels: build.labels.clone(),
        annotations: manifest_annotations(build)?,
        secrets: build.secrets.iter().map(|secret| secret.id.clone()).collect(),
        named_contexts: build.contexts.iter().map(|(name, _)| name.clone()).collect(),
        no_cache: build.no_cache,
        squash: build.squash,
        pull: build.pull,
        add_hosts: build.add_hosts.iter().map(|entry| (entry.name().to_owned(), entry.address().to_string())).collect(),
        memory: build.limits.memory,
        processor: build.limits.processor,
        dns: build.dns.iter().map(ToString::to_string).collect(),
        dns_search: build.dns_search.iter().map(ToString::to_string).collect(),
        registry_map: step.registries.map.clone(),
        insecure_registries: insecure_registries(step, facts),
        bases: full_names(facts),
        source_date_epoch: build.source_date_epoch.and_then(|seconds| u64::try_from(seconds).ok()),
        ..BuildRequest::default()
    };
    for argument in &build.arguments {
        match &argument.value {
            ArgumentValue::Open(text) => request.arguments.push((argument.name.clone(), text.clone())),
            ArgumentValue::Secret(_) => request.secret_arguments.push(argument.name.clone()),
        }
    }
    let mapped = engine_mapper::map(&mapper, context, settings, &request).await;
    let mapped = mapped.map_err(|error| refused(ExitCode::Plan, error))?;
    let denied: Vec<Finding> = mapped.findings.iter().filter(|f| f.severity == windlass_core::Severity::Deny).cloned().collect();
    if !denied.is_empty() {
        return Err(Failure::new(ExitCode::Plan, denied));
    }
    mapped.findings.iter().for_each(|finding| context.events.notice(finding.clone()));
    Ok(Outside { mapper, invocation: mapped.invocation })
}

/// What an outside engine cannot be asked for is not left out in silence.
fn check_limits(build: &BuildSettings) -> Result<(), Failure> {
    let passed_on = Limits { memory: build.limits.memory, processor: build.limits.processor, ..Limits::default() };
    if build.limits == passed_on {
        return Ok(());
    }
    let message = "an outside engine is told how much memory and how many processors RUN steps may use, and no other limit";
    let finding = Finding::deny("settings/limits", message).about("limits");
    Err(Failure::one(
        ExitCode::Settings,
        finding.help("build with the embedded engine, or leave out all but --memory and --cpus"),
    ))
}

/// Provenance without the digests of base images would look as if there were none.
fn check_attestations(build: &BuildSettings) -> Result<(), Failure> {
    if build.provenance.is_none() {
        return Ok(());
    }
    let message = "an outside engine does not tell which base images it has used, and provenance must name them";
    let finding = Finding::deny("settings/provenance", message).about("provenance");
    Err(Failure::one(ExitCode::Settings, finding.help("build with the embedded engine, or ask for no provenance")))
}

/// Engines annotate the manifest; an annotation of anything else is none that they could be asked for.
fn manifest_annotations(build: &BuildSettings) -> Result<Vec<(String, String)>, Failure> {
    let of_manifest = |annotation: &Annotation| annotation.places == [AnnotationPlace::Manifest];
    if let Some(other) = build.annotations.iter().find(|annotation| !of_manifest(annotation)) {
        let message = format!("an outside engine annotates manifests only, and `{}` goes elsewhere", other.key);
        return Err(Failure::one(ExitCode::Settings, Finding::deny("settings/annotations", message).about("annotations")));
    }
    let platform = build.target_platforms().remove(0);
    let given = build.annotations.iter().filter(|annotation| annotation.is_for(AnnotationPlace::Manifest, &platform));
    Ok(given.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect())
}

/// Every image that the build begins with or copies from, as written and in full: an engine must not look short names up
/// in another place than the policies have judged.
fn full_names(facts: &Facts) -> Vec<(String, String)> {
    let named = facts.bases.iter().chain(&facts.further).filter(|base| base.repository.is_some());
    let full = |base: &plan::Base| Reference::parse(&base.reference).ok().map(|full| (base.reference.clone(), full.to_string()));
    named.filter_map(full).collect()
}

/// What the host puts into the engine's slots.
pub(crate) async fn fill(
    step: &Step,
    dockerfile: &Path,
    facts: &Facts,
    environment: &Environment,
    credentials: &Credentials,
) -> Result<Fill, Failure> {
    let build = &step.build;
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut fill = Fill { context: absolute(&build.context), dockerfile: absolute(dockerfile), ..Fill::default() };
    for secret in &build.secrets {
        let value =
            secret_value(&secret.source, &secret.id, environment).map_err(|finding| Failure::one(ExitCode::Settings, finding))?;
        fill.secrets.insert(secret.id.clone(), value);
    }
    for argument in &build.arguments {
        if let ArgumentValue::Secret(secret) = &argument.value {
            fill.arguments.insert(argument.name.clone(), secret.clone());
        }
    }
    for (name, place) in &build.contexts {
        if !Path::new(place).is_dir() {
            let message = format!("the named context `{name}` is {place}, and an outside engine is given directories only");
            return Err(Failure::one(ExitCode::Settings, Finding::deny("settings/value", message).about("build-context")));
        }
    }
    fill.named_contexts = build.contexts.iter().map(|(name, place)| (name.clone(), absolute(Path::new(place)))).collect();
    fill.docker_config = Some(docker_config(facts, credentials).await?);
    Ok(fill)
}

/// Runs the engine and takes its image over.
pub(crate) async fn build(
    outside: &Outside,
    fill: Fill,
    environment: &Environment,
    scratch: PathBuf,
    blobs: &Blobs,
    events: &EventSink,
) -> Result<Image, Failure> {
    let variables = environment.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let engine = Engine { environment: variables, scratch, events: events.clone() };
    let handed = engine.run(&outside.invocation, &fill).await?;
    archive::read(&handed.path, blobs).await.map_err(|why| {
        let message = format!("the engine `{}` handed over no usable image: {why}", outside.invocation.program);
        Failure::one(ExitCode::Build, Finding::deny("engine/image", message))
    })
}

/// A docker `config.json` with what the base images are read with, and nothing else (containers-auth.json(5)).
async fn docker_config(facts: &Facts, credentials: &Credentials) -> Result<Secret, Failure> {
    let mut entries = serde_json::Map::new();
    for repository in facts.bases.iter().chain(&facts.further).filter_map(|base| base.repository.as_ref()) {
        let credential = credentials.credential(repository, Action::Pull).await.map_err(|source| {
            let error = windlass_registry::Error::Credential { repository: repository.clone(), action: Action::Pull, source };
            let finding = Finding::deny("build/credentials", chain(&error));
            let finding = match error.help() {
                Some(help) => finding.help(help),
                None => finding,
            };
            Failure::one(ExitCode::Credentials, finding)
        })?;
        let entry = match credential {
            Credential::Anonymous => continue,
            Credential::Basic { user, password } => {
                json!({"auth": BASE64.encode(format!("{user}:{}", password.expose()))})
            }
            Credential::IdentityToken(token) => json!({"identitytoken": token.expose()}),
            Credential::Bearer(token) => json!({"registrytoken": token.expose()}),
        };
        entries.insert(repository.to_string(), entry);
    }
    Ok(Secret::new(json!({"auths": entries}).to_string()))
}

/// Which registries the engine is to reach without TLS: those that the user has named, and those on this machine.
fn insecure_registries(step: &Step, facts: &Facts) -> Vec<String> {
    let bases = facts.bases.iter().chain(&facts.further).filter_map(|base| base.repository.as_ref());
    let here = bases.map(Repository::registry).filter(|registry| windlass_registry::is_on_this_machine(registry));
    let mut registries = step.registries.insecure.clone();
    registries.extend(here.map(str::to_owned));
    registries.sort();
    registries.dedup();
    registries
}
