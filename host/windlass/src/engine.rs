//! The embedded engine: a step's build settings become a request, and the request an image.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windlass_builder::execute::{self, Argument, BuildError, BuildRequest, BuiltImage, Dns, Layout, NamedContext, Workshop};
use windlass_core::{Finding, Platform, Reference, Secret};
use windlass_dockerfile::Dockerfile;
use windlass_dockerfile::parse::parse;
use windlass_dockerfile::remote::parse_context;
use windlass_layer::Compression;
use windlass_sandbox::Probe;

use crate::agents::agents;
use crate::environment::Environment;
use crate::remote::contexts::Supply;
use crate::step::{ArgumentValue, BuildSettings, HostAddress, SecretSource};

/// A Dockerfile is text that people write; a larger one is something else.
const LARGEST_DOCKERFILE: u64 = 16 << 20;

/// A Dockerfile that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) path: PathBuf,
    /// The path as the user knows it.
    pub(crate) title: String,
    pub(crate) dockerfile: Arc<Dockerfile>,
}

/// A Dockerfile's path, what the user calls it, and its bytes.
pub(crate) type Source = (PathBuf, String, Vec<u8>);

/// Finds and parses the Dockerfile.
pub(crate) fn recipe(build: &BuildSettings, supply: Option<&Supply>) -> Result<Recipe, Vec<Finding>> {
    let (path, title, bytes) = source(build, supply)?;
    let dockerfile = parse(&bytes, &title)?;
    Ok(Recipe { path, title, dockerfile: Arc::new(dockerfile) })
}

/// Finds and reads the Dockerfile: as given, else below the context, else `Dockerfile` or `dockerfile` in the context.
pub(crate) fn source(build: &BuildSettings, supply: Option<&Supply>) -> Result<Source, Vec<Finding>> {
    if !build.context.is_dir() {
        let message = format!("the context {} is not a directory", build.context.display());
        return Err(vec![
            Finding::deny("build/context", message)
                .about("context")
                .help("give the directory that holds the files to build from"),
        ]);
    }
    let (path, title) = match supply {
        Some(Supply { dockerfile: Some(alone), .. }) => alone.clone(),
        Some(supply) if supply.context.is_some() => foreign(build, supply)?,
        _ => local(build),
    };
    let bytes = read(&path, &title, &build.context).map_err(|finding| vec![finding])?;
    Ok((path, title, bytes))
}

fn local(build: &BuildSettings) -> (PathBuf, String) {
    let path = match &build.dockerfile {
        None => unnamed(&build.context),
        Some(path) if path.is_file() => path.clone(),
        Some(path) => {
            let below = build.context.join(path);
            if below.is_file() { below } else { path.clone() }
        }
    };
    let title = path.display().to_string();
    (path, title)
}

/// `Dockerfile`, or `dockerfile` where there is only that.
fn unnamed(context: &Path) -> PathBuf {
    let names = ["Dockerfile", "dockerfile"].map(|name| context.join(name));
    let found = names.iter().find(|path| path.symlink_metadata().is_ok()).unwrap_or(&names[0]);
    found.clone()
}

/// The Dockerfile of a context that came from elsewhere: a file in it and nothing else of this machine.
fn foreign(build: &BuildSettings, supply: &Supply) -> Result<(PathBuf, String), Vec<Finding>> {
    let default = PathBuf::from(unnamed(&build.context).file_name().unwrap_or_default());
    let name = build.dockerfile.as_deref().unwrap_or(&default);
    let context = supply.context.as_deref().unwrap_or_default();
    let Some(path) = supply.inside(&build.context, name) else {
        let message = format!("there is no file {} in the context {context}", name.display());
        let finding = Finding::deny("dockerfile/unreadable", message).about("dockerfile");
        return Err(vec![finding.help("name the Dockerfile by its path in the context, with -f")]);
    };
    let mut ignore = path.clone().into_os_string();
    ignore.push(".dockerignore");
    if Path::new(&ignore).symlink_metadata().is_ok() && supply.inside(&build.context, Path::new(&ignore)).is_none() {
        let message = format!("{}.dockerignore is no file in the context {context}", name.display());
        return Err(vec![Finding::deny("build/context", message).about("context")]);
    }
    Ok((path, format!("{context}/{}", name.display())))
}

/// What lies in the context was written by whoever wrote the context: there, only a file of the context is read. Elsewhere
/// it is the user's choice, and may be a pipe.
fn read(path: &Path, title: &str, context: &Path) -> Result<Vec<u8>, Finding> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let title = if Path::new(title) == path { absolute.display().to_string() } else { title.to_owned() };
    let unreadable = |error: std::io::Error| {
        Finding::deny("dockerfile/unreadable", format!("cannot read the Dockerfile {title}: {error}"))
            .about("dockerfile")
            .help("name it with `dockerfile` in the step, or with -f")
    };
    let context = context.canonicalize().map_err(unreadable)?;
    let parent = absolute.parent().and_then(|parent| parent.canonicalize().ok());
    if parent.is_some_and(|parent| parent.starts_with(&context)) {
        let real = path.canonicalize().map_err(unreadable)?;
        if !real.starts_with(&context) {
            return Err(unreadable(std::io::Error::other("it is a link that leads out of the context")));
        }
        if !real.is_file() {
            return Err(unreadable(std::io::Error::other("it is not a regular file")));
        }
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST_DOCKERFILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_DOCKERFILE {
        let message = format!("{title} has more than {LARGEST_DOCKERFILE} bytes: that is no Dockerfile");
        return Err(Finding::deny("dockerfile/large", message));
    }
    Ok(bytes)
}

/// What a build needs besides the step.
pub(crate) struct Circumstances<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) probe: &'a Probe,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) compression: Compression,
}

/// Builds the image of `recipe` for every platform.
pub(crate) async fn build(
    build: &BuildSettings,
    recipe: &Recipe,
    circumstances: &Circumstances<'_>,
    workshop: Workshop,
) -> Result<Vec<BuiltImage>, Arc<BuildError>> {
    let request = request(build, recipe, circumstances).map_err(|findings| Arc::new(BuildError::Dockerfile(findings)))?;
    execute::build(request, workshop).await
}

fn request(build: &BuildSettings, recipe: &Recipe, circumstances: &Circumstances<'_>) -> Result<BuildRequest, Vec<Finding>> {
    let mut problems = Vec::new();
    let secrets = collect(
        &mut problems,
        build
            .secrets
            .iter()
            .map(|secret| Ok((secret.id.clone(), secret_value(&secret.source, &secret.id, circumstances.environment)?))),
    );
    let named_contexts: Vec<(String, NamedContext)> =
        collect(&mut problems, build.contexts.iter().map(|(name, place)| Ok((name.clone(), named_context(name, place)?))));
    let agents = agents(build, circumstances.environment).unwrap_or_else(|findings| {
        problems.extend(findings);
        BTreeMap::new()
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    let argument = |value: &ArgumentValue| match value {
        ArgumentValue::Open(text) => Argument::Open(text.clone()),
        ArgumentValue::Secret(secret) => Argument::Secret(secret.clone()),
    };
    Ok(BuildRequest {
        dockerfile: Arc::clone(&recipe.dockerfile),
        dockerfile_path: recipe.path.clone(),
        context: build.context.clone(),
        named_contexts: named_contexts.into_iter().collect(),
        target: build.target.clone(),
        platforms: circumstances.platforms.clone(),
        arguments: build.arguments.iter().map(|a| (a.name.clone(), argument(&a.value))).collect(),
        labels: build.labels.clone(),
        secrets: secrets.into_iter().collect(),
        agents,
        hosts: build.add_hosts.iter().map(|entry| (entry.name().to_owned(), address_here(entry.address()))).collect(),
        dns: Dns { servers: build.dns.clone(), search: build.dns_search.iter().map(ToString::to_string).collect() },
        no_cache: build.no_cache,
        no_cache_stages: build.no_cache_stages.clone(),
        has_network: !build.no_network,
        allows_insecure: build.allows_insecure,
        shm_size: build.shm_size,
        ulimits: build.ulimits.clone(),
        limits: build.limits.clone(),
        probe: circumstances.probe.clone(),
        source_date_epoch: build.source_date_epoch,
        compression: circumstances.compression,
        squash: build.squash,
    })
}

/// RUN steps are on this machine's network: the host is where they are.
fn address_here(address: HostAddress) -> IpAddr {
    match address {
        HostAddress::Gateway => IpAddr::V4(Ipv4Addr::LOCALHOST),
        HostAddress::Ip(address) => address,
    }
}

fn collect<T>(problems: &mut Vec<Finding>, items: impl Iterator<Item = Result<T, Finding>>) -> Vec<T> {
    items.filter_map(|item| item.map_err(|finding| problems.push(finding)).ok()).collect()
}

fn wrong(setting: &str, message: String) -> Finding {
    Finding::deny("settings/value", message).about(setting)
}

pub(crate) fn secret_value(source: &SecretSource, id: &str, environment: &Environment) -> Result<Secret, Finding> {
    match source {
        SecretSource::Variable(name) => environment.get(name).map(Secret::new).ok_or_else(|| {
            wrong("secret", format!("the variable {name} of the build secret `{id}` is not set"))
                .help("set it, or leave the secret out")
        }),
        SecretSource::File(path) => std::fs::read_to_string(path)
            .map(Secret::new)
            .map_err(|error| wrong("secret", format!("cannot read {} of the build secret `{id}`: {error}", path.display()))),
        SecretSource::Either(name) if environment.get(name).is_some() => {
            secret_value(&SecretSource::Variable(name.clone()), id, environment)
        }
        SecretSource::Either(name) => secret_value(&SecretSource::File(PathBuf::from(name)), id, environment).map_err(|_| {
            wrong("secret", format!("the build secret `{id}` is neither a variable nor a file"))
                .help("add src=PATH or env=VARIABLE")
        }),
    }
}

/// `docker-image://REF`, `oci-layout://DIR`, a directory, or what has to be fetched.
fn named_context(name: &str, place: &str) -> Result<NamedContext, Finding> {
    if let Some(text) = place.strip_prefix("docker-image://") {
        if text == "scratch" {
            return Ok(NamedContext::Nothing);
        }
        let reference = Reference::parse(text).map_err(|error| wrong("build-context", format!("{name}: {error}")))?;
        return Ok(NamedContext::Image(reference));
    }
    if let Some(text) = place.strip_prefix("oci-layout://") {
        return Layout::parse(text)
            .map(NamedContext::Layout)
            .ok_or_else(|| wrong("build-context", format!("{name}: `{place}` is not oci-layout://DIR[:TAG|@DIGEST]")));
    }
    let path = PathBuf::from(place);
    if path.is_dir() {
        return Ok(NamedContext::Directory(path));
    }
    match parse_context(place) {
        Ok(Some(source)) => return Ok(NamedContext::Remote(source)),
        Ok(None) => {}
        Err(error) => return Err(wrong("build-context", format!("{name}: {error}"))),
    }
    Err(wrong("build-context", format!("the named context `{name}` is {place}, which is not a directory"))
        .help("give a directory, a git or archive URL, docker-image://REFERENCE or oci-layout://DIR"))
}
