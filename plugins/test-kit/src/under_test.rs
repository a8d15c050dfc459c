//! The plugin under test, with what it may reach.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use windlass_core::setting::{Assignment, Origin, Settings, Value};
use windlass_core::{Digest, Event, EventSink, Finding, Secret, Tag, chain};
use windlass_runtime::dialect::Translation;
use windlass_runtime::engine_mapper::Mapped;
use windlass_runtime::host::aws_ecr::AwsEcr;
use windlass_runtime::host::build_request::BuildRequest;
use windlass_runtime::host::exchange::Transport;
use windlass_runtime::host::image_view::ImageView;
use windlass_runtime::host::plan_view::PlanFacts;
use windlass_runtime::host::raw_settings::{Files, Raw};
use windlass_runtime::host::registry_view::RegistryView;
use windlass_runtime::host::source::SourceFacts;
use windlass_runtime::registry_adapter::{Authorization, Destination, Link};
use windlass_runtime::tag_policy::Tagging;
use windlass_runtime::{
    Allowed, Compiler, Context, Limits, LoadError, Options, Plugin, PluginError, Runtime, dialect, engine_mapper, policy,
    registry_adapter, tag_policy,
};

use crate::build;

/// A plugin under test. It is given every grant that it declares; what has no fake behind it answers "not granted".
#[derive(Debug)]
pub struct PluginUnderTest {
    plugin: Plugin,
    context: Context,
    said: Arc<Mutex<Vec<Finding>>>,
    tokio: tokio::runtime::Runtime,
}

/// The tags of these names.
///
/// # Panics
/// When one is illegal.
#[must_use]
pub fn tags(names: &[&str]) -> Vec<Tag> {
    names.iter().map(|name| Tag::parse(name).unwrap_or_else(|error| panic!("{error}"))).collect()
}

impl PluginUnderTest {
    /// Builds a package of the workspace and loads it.
    ///
    /// # Panics
    /// When it cannot be built or loaded.
    #[must_use]
    pub fn build(package: &str) -> Self {
        Self::from_component(package, build::component(package, None), Limits::default())
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Loads a component, or a core module as cargo builds it, from a file.
    ///
    /// # Panics
    /// When it cannot be read or loaded.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let wasm = std::fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        Self::from_component(&path.display().to_string(), wasm, Limits::default())
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    }

    /// Loads a component with other limits than the usual ones.
    ///
    /// # Errors
    /// When it cannot be loaded.
    ///
    /// # Panics
    /// When there can be no runtime at all.
    pub fn from_component(origin: &str, component: Vec<u8>, limits: Limits) -> Result<Self, LoadError> {
        let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let runtime = Runtime::new(Options { limits, cache: None, compiler: Compiler::InProcess })?;
        let plugin = tokio.block_on(Plugin::from_bytes(&runtime, origin, component, None))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&said);
        let events = EventSink::new(move |event| {
            if let Event::Notice { finding } = event {
                copy.lock().unwrap_or_else(PoisonError::into_inner).push(finding);
            }
        });
        Ok(Self { plugin, context: Context::closed(events).allow(Allowed::Declared), said, tokio })
    }

    /// The same plugin, with AWS to talk to.
    #[must_use]
    pub fn aws(mut self, fake: Arc<dyn AwsEcr>) -> Self {
        self.context.aws_ecr = Some(fake);
        self
    }

    /// The same plugin, with something to exchange credentials with.
    #[must_use]
    pub fn exchange(mut self, fake: Arc<dyn Transport>) -> Self {
        self.context.exchange = Some(fake);
        self
    }

    /// The same plugin, with a destination to look at.
    #[must_use]
    pub fn registry(mut self, fake: Arc<dyn RegistryView>) -> Self {
        self.context.registry_view = Some(fake);
        self
    }

    /// The same plugin, with files in the working directory.
    #[must_use]
    pub fn files(mut self, files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        self.context.files = Some(Arc::new(FakeFiles(files)));
        self
    }

    /// The same plugin, with these grants only.
    #[must_use]
    pub fn allow(mut self, allowed: Allowed) -> Self {
        self.context.allowed = allowed;
        self
    }

    /// The plugin itself.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// What it has said in its log, debug lines excepted.
    #[must_use]
    pub fn said(&self) -> Vec<Finding> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Checked settings, from texts as a user types them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn settings(&self, given: &[(&str, &str)]) -> Result<Settings, Vec<Finding>> {
        let specs = &self.plugin.description().settings;
        let assignment = |(name, text): &(&str, &str)| {
            let secret = specs.iter().any(|spec| spec.name == *name && spec.kind == windlass_core::setting::Kind::Secret);
            let value = if secret { Value::Secret(Secret::new(*text)) } else { Value::Text((*text).to_owned()) };
            Assignment { name: (*name).to_owned(), value, origin: Origin::named(*name) }
        };
        self.plugin.check_settings(&given.iter().map(assignment).collect::<Vec<_>>())
    }

    fn checked(&self, given: &[(&str, &str)]) -> Settings {
        self.settings(given).unwrap_or_else(|findings| panic!("the settings do not fit: {findings:?}"))
    }

    /// Asks a dialect what settings mean.
    ///
    /// # Errors
    /// What it finds wrong, or what went wrong with it.
    pub fn translate(&self, raw: &Raw, source: &SourceFacts) -> Result<Translation, PluginError> {
        self.tokio.block_on(dialect::translate(&self.plugin, &self.context, raw, source))
    }

    /// Asks a registry adapter where the image goes.
    ///
    /// # Errors
    /// What it finds wrong, or what went wrong with it.
    pub fn resolve(&self, settings: &[(&str, &str)], source: &SourceFacts) -> Result<Destination, PluginError> {
        self.tokio.block_on(registry_adapter::resolve(&self.plugin, &self.context, &self.checked(settings), source))
    }

    /// Asks a registry adapter for credentials.
    ///
    /// # Errors
    /// Why there are none, or what went wrong with it.
    pub fn authorize(&self, settings: &[(&str, &str)], destination: &Destination) -> Result<Authorization, PluginError> {
        self.tokio.block_on(registry_adapter::authorize(&self.plugin, &self.context, &self.checked(settings), destination))
    }

    /// Has a registry adapter prepare a destination.
    ///
    /// # Errors
    /// Why it cannot, or what went wrong with it.
    pub fn prepare(&self, settings: &[(&str, &str)], destination: &Destination) -> Result<Vec<String>, PluginError> {
        self.tokio.block_on(registry_adapter::prepare(&self.plugin, &self.context, &self.checked(settings), destination))
    }

    /// Asks a registry adapter for links.
    ///
    /// # Errors
    /// What went wrong with it.
    pub fn links(&self, settings: &[(&str, &str)], destination: &Destination, digest: &Digest) -> Result<Vec<Link>, PluginError> {
        let settings = self.checked(settings);
        self.tokio.block_on(registry_adapter::links(&self.plugin, &self.context, &settings, destination, digest))
    }

    /// Asks a tag policy for tags.
    ///
    /// # Errors
    /// What it finds wrong, or what went wrong with it.
    pub fn tags(&self, settings: &[(&str, &str)], source: &SourceFacts, so_far: &[Tag]) -> Result<Tagging, PluginError> {
        self.tokio.block_on(tag_policy::tags(&self.plugin, &self.context, &self.checked(settings), source, so_far))
    }

    /// Asks an engine mapper how a build is asked for.
    ///
    /// # Errors
    /// What the engine cannot do, or what went wrong with the mapper.
    pub fn map(&self, settings: &[(&str, &str)], request: &BuildRequest) -> Result<Mapped, PluginError> {
        self.tokio.block_on(engine_mapper::map(&self.plugin, &self.context, &self.checked(settings), request))
    }

    /// Shows a policy a plan.
    ///
    /// # Errors
    /// Why it cannot check it, or what went wrong with it.
    pub fn check_plan(&self, settings: &[(&str, &str)], plan: PlanFacts) -> Result<Vec<Finding>, PluginError> {
        self.tokio.block_on(policy::check_plan(&self.plugin, &self.context, &self.checked(settings), Arc::new(plan)))
    }

    /// Shows a policy an image.
    ///
    /// # Errors
    /// Why it cannot check it, or what went wrong with it.
    pub fn check_image(&self, settings: &[(&str, &str)], image: Arc<dyn ImageView>) -> Result<Vec<Finding>, PluginError> {
        self.tokio.block_on(policy::check_image(&self.plugin, &self.context, &self.checked(settings), image))
    }
}

/// Files that are texts by path.
struct FakeFiles(BTreeMap<String, String>);

#[async_trait]
impl Files for FakeFiles {
    async fn read(&self, path: &str) -> Result<Option<String>, String> {
        Ok(self.0.get(path).cloned())
    }
}
