//! A plugin: a component that was compiled, linked and asked what it is.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use windlass_core::plan::PluginUse;
use windlass_core::setting::{Assignment, Settings};
use windlass_core::{Digest, EventSink, Finding};

use crate::answer::Answer;
use crate::built_in::BuiltIn;
use crate::call::{self, HostState};
use crate::code;
use crate::context::Context;
use crate::description::Description;
use crate::engine::Ticking;
use crate::error::{LoadError, PluginError, Problem};
use crate::limits::Limits;
use crate::linker::{self, Linked};
use crate::role::Role;
use crate::runtime::Runtime;

/// A plugin that can be called. Clones share its code; every call gets a store of its own.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

/// What is known of a plugin.
pub(crate) struct Loaded {
    runtime: Runtime,
    origin: String,
    digest: Digest,
    linked: Linked,
    wasi: bool,
    description: Option<Description>,
}

impl Plugin {
    /// Loads a plugin that is part of this program.
    ///
    /// # Errors
    /// When its code was made by another version of this crate, or it does not describe itself under its name.
    pub async fn built_in(runtime: &Runtime, built_in: &BuiltIn) -> Result<Self, LoadError> {
        let origin = built_in.name.to_owned();
        let component = code::from_program(runtime.engine(), built_in.cwasm)
            .map_err(|source| LoadError::Code { origin: origin.clone(), source })?;
        let digest = Digest::parse(&format!("sha256:{}", built_in.wasm_sha256))
            .map_err(|error| LoadError::Code { origin: origin.clone(), source: wasmtime::Error::msg(error.to_string()) })?;
        let plugin = Self::describe(runtime, "built in".to_owned(), digest, component).await?;
        if plugin.name() == built_in.name {
            return Ok(plugin);
        }
        let source = plugin.answer("describe").nonsense(format!("the name `{}`", plugin.name()), built_in.name);
        Err(LoadError::Description { origin, source })
    }

    /// Loads a component from a file, compiling it when that was not done before.
    ///
    /// # Errors
    /// When the file cannot be read, is too large or no component, imports what is not offered, implements no world or several, or
    /// describes itself in a way that makes no sense.
    pub async fn from_file(runtime: &Runtime, path: &Path) -> Result<Self, LoadError> {
        let (runtime_copy, path_copy) = (runtime.clone(), path.to_owned());
        let wasm = blocking(move || runtime_copy.read(&path_copy)).await?;
        Self::from_bytes(runtime, &path.display().to_string(), wasm, None).await
    }

    /// Loads a component that was read already; `origin` is named in messages and plans, and `expected` is the digest that it must
    /// have.
    ///
    /// # Errors
    /// As [`Plugin::from_file`], and when the digest is another one.
    pub async fn from_bytes(
        runtime: &Runtime,
        origin: &str,
        wasm: Vec<u8>,
        expected: Option<&Digest>,
    ) -> Result<Self, LoadError> {
        let limit = runtime.limits().component_bytes;
        if wasm.len() as u64 > limit {
            return Err(LoadError::TooLarge { origin: origin.to_owned(), limit });
        }
        let found = Digest::from_sha256(Sha256::digest(&wasm).into());
        if let Some(expected) = expected.filter(|expected| **expected != found) {
            return Err(LoadError::Digest { origin: origin.to_owned(), expected: expected.clone(), found });
        }
        let (runtime_copy, origin_copy, digest) = (runtime.clone(), origin.to_owned(), found.clone());
        let component = blocking(move || runtime_copy.compile(&origin_copy, &digest, &wasm)).await?;
        Self::describe(runtime, origin.to_owned(), found, component).await
    }

    async fn describe(runtime: &Runtime, origin: String, digest: Digest, component: Component) -> Result<Self, LoadError> {
        let role = linker::role(&origin, runtime.engine(), &component)?;
        let (linked, wasi) = linker::link(&origin, runtime.engine(), &component, role)?;
        let failed = |source| LoadError::Interface { origin: origin.clone(), version: linker::INTERFACE, source };
        let described = linked.described().map_err(failed)?;
        let mut loaded = Loaded { runtime: runtime.clone(), origin, digest, linked, wasi, description: None };
        let state = HostState::new(&loaded, &Context::closed(EventSink::silent()));
        let told = call::run(&loaded, "describe", state, |store| {
            Box::pin(async move {
                let instance = described.instantiate_async(&mut *store).await?;
                instance.windlass_plugin_describe().call_describe(&mut *store).await
            })
        })
        .await;
        let answer = Answer { plugin: &loaded.origin, function: "describe", limits: loaded.limits() };
        let description = told
            .and_then(|(told, _)| Description::read(&answer, told))
            .map_err(|source| LoadError::Description { origin: loaded.origin.clone(), source })?;
        loaded.description = Some(description);
        Ok(Self(Arc::new(loaded)))
    }

    /// What it says about itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        self.0.description.as_ref().expect("a plugin is only made with its description")
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.description().name
    }

    /// Its role.
    #[must_use]
    pub fn role(&self) -> Role {
        self.0.linked.role()
    }

    /// The digest of its component.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.0.digest
    }

    /// `built in`, or the file it came from.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.0.origin
    }

    /// How it stands in a plan.
    #[must_use]
    pub fn planned(&self) -> PluginUse {
        PluginUse {
            name: self.name().to_owned(),
            role: self.role().name().to_owned(),
            version: self.description().version.clone(),
            digest: self.digest().to_string(),
            source: self.origin().to_owned(),
        }
    }

    /// Checks given settings against the ones that it declares; see [`windlass_core::setting::check`].
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check_settings(&self, given: &[Assignment]) -> Result<Settings, Vec<Finding>> {
        self.description().check(given)
    }

    pub(crate) fn loaded(&self) -> &Loaded {
        &self.0
    }

    /// A description of the answer of one of its functions.
    pub(crate) fn answer(&self, function: &'static str) -> Answer<'_> {
        Answer { plugin: self.name(), function, limits: self.0.limits() }
    }

    /// Its linked component.
    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }

    /// The error for calling a function that its role does not have.
    pub(crate) fn wrong_role(&self, function: &'static str, expected: Role) -> PluginError {
        self.answer(function).error(Problem::WrongRole { found: self.role(), expected })
    }

    /// A state for a call, in which nothing was used yet.
    pub(crate) fn state(&self, context: &Context) -> HostState {
        HostState::new(&self.0, context)
    }
}

impl Loaded {
    /// The name, or the origin while the name is not known.
    pub(crate) fn name(&self) -> &str {
        self.description.as_ref().map_or(&self.origin, |description| &description.name)
    }

    pub(crate) fn description(&self) -> Option<&Description> {
        self.description.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.runtime.limits()
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.runtime.engine()
    }

    pub(crate) fn wants_wasi(&self) -> bool {
        self.wasi
    }

    pub(crate) fn run_clock(&self) -> Ticking {
        self.runtime.run_clock()
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("name", &self.name()).field("role", &self.role()).field("origin", &self.origin()).finish()
    }
}

/// Runs what blocks where it holds up nobody.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
