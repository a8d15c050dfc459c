//! The plugins of a run: those that are part of the program, and component files that the user names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::OnceCell;
use windlass_core::{ExitCode, Finding, chain, suggest};
use windlass_runtime::{Allowed, BuiltIn, Compiler, Limits, LoadError, Options, Plugin, PluginError, Role, Runtime};

use crate::built_in::PLUGINS;
use crate::configuration::is_file;
use crate::failure::Failure;

/// Where plugins come from.
pub struct Plugins {
    runtime: OnceCell<Runtime>,
    files: Vec<PathBuf>,
    grants: BTreeMap<String, Vec<String>>,
    limits: Limits,
    cache: PathBuf,
    loaded: OnceCell<Vec<Plugin>>,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("files", &self.files).field("grants", &self.grants).finish_non_exhaustive()
    }
}

impl Plugins {
    /// The first-party plugins and those in `files`; native code of the latter is kept below `cache`.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, cache: PathBuf) -> Self {
        Self {
            runtime: OnceCell::new(),
            files,
            grants: BTreeMap::new(),
            limits: Limits::default(),
            cache,
            loaded: OnceCell::new(),
        }
    }

    /// The same plugins, with the grants that the user allows those in `files`, by the plugin's name.
    #[must_use]
    pub fn grant(mut self, grants: BTreeMap<String, Vec<String>>) -> Self {
        self.grants = grants;
        self
    }

    /// The same plugins, under these limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Every plugin, described.
    ///
    /// # Errors
    /// The first that cannot be loaded.
    pub async fn all(&self) -> Result<Vec<Plugin>, Failure> {
        let mut plugins = self.further().await?.to_vec();
        for built_in in PLUGINS {
            plugins.push(self.load_built_in(built_in).await?);
        }
        Ok(plugins)
    }

    /// The plugin that a user means: one that is part of the program, one of the further files, or a path.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be loaded.
    pub async fn named(&self, name: &str) -> Result<Plugin, Failure> {
        if is_file(name) {
            return self.load_file(&PathBuf::from(name)).await;
        }
        if let Some(plugin) = self.further().await?.iter().find(|plugin| plugin.name() == name) {
            return Ok(plugin.clone());
        }
        match PLUGINS.iter().find(|built_in| built_in.name == name) {
            Some(built_in) => self.load_built_in(built_in).await,
            None => Err(missing(name)),
        }
    }

    /// The plugin of that name in that role.
    ///
    /// # Errors
    /// As [`Plugins::named`], and when it has another role.
    pub(crate) async fn in_role(&self, name: &str, role: Role) -> Result<Plugin, Failure> {
        let plugin = self.named(name).await?;
        if plugin.role() == role {
            return Ok(plugin);
        }
        let message = format!("the plugin `{name}` is a {}, and a {} is wanted here", plugin.role().name(), role.name());
        Err(Failure::one(ExitCode::Settings, Finding::deny("plugin/role", message).about(name)))
    }

    /// Loads the plugins that were given as files.
    ///
    /// # Errors
    /// When one is no plugin.
    pub async fn load_files(&self) -> Result<(), Failure> {
        self.further().await.map(drop)
    }

    /// The names of the first-party plugins and of those in files.
    pub(crate) async fn names(&self) -> Result<Vec<String>, Failure> {
        let further = self.further().await?.iter().map(|plugin| plugin.name().to_owned());
        Ok(PLUGINS.iter().map(|built_in| built_in.name.to_owned()).chain(further).collect())
    }

    /// Plugins that are part of the program get what they declare; others get what the user allows them.
    pub(crate) fn allowed(&self, plugin: &Plugin) -> Allowed {
        match self.grants.get(plugin.name()) {
            _ if plugin.origin() == "built in" => Allowed::Declared,
            Some(names) => Allowed::Named(names.clone()),
            None => Allowed::Nothing,
        }
    }

    async fn further(&self) -> Result<&[Plugin], Failure> {
        let loaded = self.loaded.get_or_try_init(|| async {
            let mut plugins = Vec::new();
            for file in &self.files {
                plugins.push(self.load_file(file).await?);
            }
            Ok::<_, Failure>(plugins)
        });
        Ok(loaded.await?)
    }

    async fn load_file(&self, path: &std::path::Path) -> Result<Plugin, Failure> {
        Plugin::from_file(self.runtime().await?, path).await.map_err(|error| unloadable(&error))
    }

    async fn load_built_in(&self, built_in: &BuiltIn) -> Result<Plugin, Failure> {
        Plugin::built_in(self.runtime().await?, built_in).await.map_err(|error| unloadable(&error))
    }

    async fn runtime(&self) -> Result<&Runtime, Failure> {
        let started = self.runtime.get_or_try_init(|| async {
            let compiler = Compiler::this_program().map_err(|error| internal(&error))?;
            let options = Options { limits: self.limits.clone(), cache: Some(self.cache.clone()), compiler };
            Runtime::new(options).map_err(|error| unloadable(&error))
        });
        started.await
    }
}

fn missing(name: &str) -> Failure {
    let known = PLUGINS.iter().map(|built_in| built_in.name);
    let finding = Finding::deny("plugin/missing", format!("there is no plugin `{name}`")).about(name);
    let finding = match suggest::nearest(name, known.clone()) {
        Some(near) => finding.help(format!("did you mean `{near}`?")),
        None => finding.help(format!(
            "built in are {}; name others by their component file with --plugin",
            known.collect::<Vec<_>>().join(", ")
        )),
    };
    Failure::one(ExitCode::Settings, finding)
}

fn unloadable(error: &LoadError) -> Failure {
    Failure::one(ExitCode::Plan, Finding::deny("plugin/load", chain(error)))
}

fn internal(error: &dyn std::error::Error) -> Failure {
    Failure::one(ExitCode::Internal, Finding::deny("internal", chain(error)))
}

/// What a plugin refuses, or what went wrong with it.
pub(crate) fn refused(code: ExitCode, error: PluginError) -> Failure {
    Failure::new(code, error.into_findings())
}
