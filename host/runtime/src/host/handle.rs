//! What is behind the handles that plugins hold. Nobody outside this crate sees these types.
#![expect(
    unreachable_pub,
    reason = "the generated bindings re-export them, and re-exports cannot be narrower than what they name"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_core::Secret;
use windlass_core::plan::{Base, Destination, PluginUse};
use windlass_core::setting::Settings;

use super::build_request::BuildRequest;
use super::exchange::Extracted;
use super::image_view::ImageView;
use super::plan_view::PlanFacts;
use super::raw_settings::RawName;
use super::registry_view::RegistryView;
use super::source::SourceFacts;
use crate::bindings::host::secrets::SecretKind;

/// What is behind a handle to settings.
pub struct SettingsHandle(pub(crate) Settings);

/// What is behind a handle to a source.
#[derive(Clone)]
pub struct SourceHandle(pub(crate) Arc<SourceFacts>);

/// What is behind a handle to a secret.
pub struct SecretHandle {
    pub(crate) name: String,
    pub(crate) kind: SecretKind,
    pub(crate) secret: Secret,
}

/// What is behind a handle to an answer.
pub struct ResponseHandle {
    pub(crate) status: u16,
    pub(crate) values: BTreeMap<String, Extracted>,
}

/// What is behind a handle to a registry.
#[derive(Clone)]
pub struct RegistryViewHandle(pub(crate) Arc<dyn RegistryView>);

/// The names that a dialect gets, and what is behind a handle to them.
#[derive(Clone)]
pub struct RawHandle(pub(crate) Arc<Vec<RawName>>);

/// What is behind a handle to a build request.
#[derive(Clone)]
pub struct BuildRequestHandle(pub(crate) Arc<BuildRequest>);

/// What is behind a handle to a plan.
#[derive(Clone)]
pub struct PlanHandle(pub(crate) Arc<PlanFacts>);

/// What is behind a handle to a destination.
pub struct DestinationHandle(pub(crate) Destination, pub(crate) Option<Arc<dyn RegistryView>>);

/// What is behind a handle to a plugin of the plan.
pub struct PluginHandle(pub(crate) PluginUse);

/// What is behind a handle to a base image.
pub struct BaseHandle(pub(crate) Base);

/// What is behind a handle to a stage.
pub struct StageHandle(pub(crate) Arc<PlanFacts>, pub(crate) usize);

/// What is behind a handle to an instruction.
pub struct InstructionHandle(pub(crate) Arc<PlanFacts>, pub(crate) usize, pub(crate) usize);

/// What is behind a handle to an image.
#[derive(Clone)]
pub struct ImageHandle(pub(crate) Arc<dyn ImageView>);
