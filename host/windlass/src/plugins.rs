//! The plugins of a run: those that are part of the program, and component files that the user names.

use std::path::PathBuf;

use tokio::sync::OnceCell;
use windlass_core::{ExitCode, Finding, chain, suggest};
use windlass_runtime::{Allowed, BuiltIn, Compiler, Limits, LoadError, Options, Plugin, PluginError, Role, Runtime};

use crate::failure::Failure;

/// Where plugins come from.
pub struct Plugins {
    runtime: OnceCell<Runtime>,
    built_in: &'static [BuiltIn],
    files: Vec<PathBuf>,
    cache: PathBuf,
    loaded: OnceCell<Vec<Plugin>>,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("built_in", &self.built_in).field("files", &self.files).finish_non_exhaustive()
    }
}

impl Plugins {
    /// The plugins of the program and those in `files`; native code of the latter is kept below `cache`.
    #[must_use]
    pub fn new(built_in: &'static [BuiltIn], files: Vec<PathBuf>, cache: PathBuf) -> Self {
        Self { runtime: OnceCell::new(), built_in, files, cache, loaded: OnceCell::new() }
    }

    /// Every plugin, described.
    ///
    /// # Errors
    /// The first that cannot be loaded.
    pub async fn all(&self) -> Result<Vec<Plugin>, Failure> {
        let mut plugins = self.further().await?.to_vec();
        for built_in in self.built_in {
            plugins.push(self.load_built_in(built_in).await?);
        }
        Ok(plugins)
    }

    /// The plugin that a user means: one that is part of the program, one of the further files, or a path.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be loaded.
    pub async fn named(&self, name: &str) -> Result<Plugin, Failure> {
        if name.contains('/') || name.ends_with(".wasm") {
            return self.load_file(&PathBuf::from(name)).await;
        }
        if let Some(plugin) = self.further().await?.iter().find(|plugin| plugin.name() == name) {
            return Ok(plugin.clone());
        }
        match self.built_in.iter().find(|built_in| built_in.name == name) {
            Some(built_in) => self.load_built_in(built_in).await,
            None => Err(self.missing(name)),
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
            let options = Options { limits: Limits::default(), cache: Some(self.cache.clone()), compiler };
            Runtime::new(options).map_err(|error| unloadable(&error))
        });
        started.await
    }

    fn missing(&self, name: &str) -> Failure {
        let known = self.built_in.iter().map(|built_in| built_in.name);
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
}

/// Plugins that are part of the program get what they declare; others get nothing until the user allows it.
pub(crate) fn allowed(plugin: &Plugin) -> Allowed {
    if plugin.origin() == "built in" { Allowed::Declared } else { Allowed::Nothing }
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
