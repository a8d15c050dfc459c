//! Registry adapters: where an image goes, with which credentials, and what has to be prepared there.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::Resource;
use windlass_core::setting::Settings;
use windlass_core::{Digest, Repository, Secret};

use crate::answer::Answer;
use crate::bindings::registry_adapter::RegistryAdapterPre;
use crate::bindings::registry_adapter::exports::windlass::plugin::adapter as wit;
use crate::call::{self, HostState};
use crate::context::Context;
use crate::error::PluginError;
use crate::host::exchange::endpoints;
use crate::host::handle::{SecretHandle, SettingsHandle, SourceHandle};
use crate::host::source::SourceFacts;
use crate::linker::Linked;
use crate::plugin::Plugin;
use crate::role::Role;

/// Where an image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The registry and the repository's path.
    pub repository: Repository,
    /// The kind of registry, for the artifact file.
    pub kind: String,
    /// Further facts by name, which the adapter gets back.
    pub attributes: Vec<(String, String)>,
    registry: String,
    path: String,
}

/// How the host introduces itself to a registry. Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authorization {
    /// Not at all.
    Anonymous,
    /// By user name and password.
    Basic {
        /// The user name.
        user: String,
        /// The password.
        password: Secret,
        /// Until when it holds.
        expires: Option<i64>,
    },
    /// By a token.
    Bearer {
        /// The token.
        token: Secret,
        /// Until when it holds.
        expires: Option<i64>,
    },
    /// By the credentials that the user gave for pushing, else as the user's docker configuration says.
    DockerConfig,
}

/// A link for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What is to be seen there.
    pub title: String,
    /// The address, HTTPS.
    pub url: String,
}

/// Asks where the image goes. Nothing outside is asked.
///
/// # Errors
/// What the adapter finds wrong with the settings; or what went wrong with the adapter.
pub async fn resolve(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    source: &SourceFacts,
) -> Result<Destination, PluginError> {
    const FUNCTION: &str = "resolve";
    let linked = linked(plugin, FUNCTION)?;
    let (settings, source) = (SettingsHandle(settings.clone()), SourceHandle(Arc::new(source.clone())));
    // Offline by construction: a plan asks nobody.
    let context = Context { aws_ecr: None, exchange: None, ..context.clone() };
    let (told, _) = call::run(plugin.loaded(), FUNCTION, plugin.state(&context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = lend(store, settings)?;
            let source = Resource::new_borrow(store.data_mut().push(source)?.rep());
            instance.windlass_plugin_adapter().call_resolve(&mut *store, settings, source).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    told.map_err(|findings| answer.refusal(findings)).and_then(|told| destination(&answer, told))
}

/// Gets credentials for a destination.
///
/// # Errors
/// Why there are none; or what went wrong with the adapter.
pub async fn authorize(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    destination: &Destination,
) -> Result<Authorization, PluginError> {
    const FUNCTION: &str = "authorize";
    let linked = linked(plugin, FUNCTION)?;
    let (settings, told) = (SettingsHandle(settings.clone()), destination.told());
    let (told, state) = call::run(plugin.loaded(), FUNCTION, state(plugin, context, destination), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = lend(store, settings)?;
            instance.windlass_plugin_adapter().call_authorize(&mut *store, settings, &told).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    told.map_err(|findings| answer.refusal(findings)).and_then(|told| authorization(&answer, told, &state))
}

/// Has the destination prepared; gives what was created or changed, in words. It is called once, only when pushing.
///
/// # Errors
/// Why it cannot be prepared; or what went wrong with the adapter.
pub async fn prepare(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    destination: &Destination,
) -> Result<Vec<String>, PluginError> {
    const FUNCTION: &str = "prepare";
    let linked = linked(plugin, FUNCTION)?;
    let (settings, told) = (SettingsHandle(settings.clone()), destination.told());
    let (told, _) = call::run(plugin.loaded(), FUNCTION, state(plugin, context, destination), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = lend(store, settings)?;
            instance.windlass_plugin_adapter().call_prepare(&mut *store, settings, &told).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    told.map_err(|findings| answer.refusal(findings)).and_then(|told| answer.texts("what was changed", told))
}

/// Asks for links to an image that was pushed. Nothing outside is asked.
///
/// # Errors
/// What went wrong with the adapter; a link that is not HTTPS is nonsense.
pub async fn links(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    destination: &Destination,
    digest: &Digest,
) -> Result<Vec<Link>, PluginError> {
    const FUNCTION: &str = "links";
    let linked = linked(plugin, FUNCTION)?;
    let context = Context { aws_ecr: None, exchange: None, ..context.clone() };
    let (settings, told) = (SettingsHandle(settings.clone()), destination.told());
    let digest = digest.to_string();
    let (told, _) = call::run(plugin.loaded(), FUNCTION, plugin.state(&context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = lend(store, settings)?;
            let adapter = instance.windlass_plugin_adapter();
            adapter.call_links(&mut *store, settings, &told, &digest).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    let told = told.map_err(|findings| answer.refusal(findings))?;
    answer.list("links", told, |answer, told| {
        let link = Link { title: answer.line("a link's title", told.title)?, url: answer.line("a link", told.url)? };
        if link.url.starts_with("https://") {
            Ok(link)
        } else {
            Err(answer.nonsense(format!("the link `{}`", link.url), "an HTTPS address"))
        }
    })
}

fn linked(plugin: &Plugin, function: &'static str) -> Result<RegistryAdapterPre<HostState>, PluginError> {
    match plugin.linked() {
        Linked::RegistryAdapter(linked) => Ok(linked.clone()),
        _ => Err(plugin.wrong_role(function, Role::RegistryAdapter)),
    }
}

fn state(plugin: &Plugin, context: &Context, destination: &Destination) -> HostState {
    let mut state = plugin.state(context);
    state.endpoints = endpoints(context, plugin.description(), &destination.registry);
    state
}

fn lend(store: &mut Store<HostState>, settings: SettingsHandle) -> wasmtime::Result<Resource<SettingsHandle>> {
    Ok(Resource::new_borrow(store.data_mut().push(settings)?.rep()))
}

fn destination(answer: &Answer<'_>, told: wit::Destination) -> Result<Destination, PluginError> {
    let registry = answer.line("a registry", told.registry)?;
    let path = answer.line("a repository", told.repository)?;
    let repository = Repository::new(&registry, &path)
        .map_err(|error| answer.nonsense(format!("the destination `{registry}/{path}`: {error}"), "a legal repository"))?;
    let kind = answer.line("a kind", told.kind)?;
    let attributes = answer.pairs("attributes", told.attributes)?;
    Ok(Destination { repository, kind, attributes, registry, path })
}

impl Destination {
    /// A destination that no adapter has named.
    #[must_use]
    pub fn new(repository: Repository, kind: &str) -> Self {
        let (registry, path) = (repository.registry().to_owned(), repository.path().to_owned());
        Self { repository, kind: kind.to_owned(), attributes: Vec::new(), registry, path }
    }

    /// As the adapter named it.
    fn told(&self) -> wit::Destination {
        wit::Destination {
            registry: self.registry.clone(),
            repository: self.path.clone(),
            kind: self.kind.clone(),
            attributes: self.attributes.clone(),
        }
    }
}

fn authorization(answer: &Answer<'_>, told: wit::Authorization, state: &HostState) -> Result<Authorization, PluginError> {
    let secret = |handle: &Resource<SecretHandle>| {
        state.secret(handle).map_err(|_| answer.nonsense("a secret that is not there", "a handle to a secret"))
    };
    Ok(match told {
        wit::Authorization::Anonymous => Authorization::Anonymous,
        wit::Authorization::DockerConfig => Authorization::DockerConfig,
        wit::Authorization::Basic(basic) => Authorization::Basic {
            user: answer.line("a user name", basic.user)?,
            password: secret(&basic.password)?,
            expires: basic.expires,
        },
        wit::Authorization::Bearer(bearer) => Authorization::Bearer { token: secret(&bearer.token)?, expires: bearer.expires },
        wit::Authorization::Other(kind) => {
            return Err(answer.nonsense(format!("the authorization `{kind}`"), "one that this version knows"));
        }
    })
}
