//! `plan-view`: a complete plan with the Dockerfile's stages.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::Resource;
use windlass_core::plan::Base;
use windlass_core::{Place, Plan, Platform, Reference, Tag};

use super::registry_view::RegistryView;
use super::source::SourceFacts;
use crate::answer::place;
use crate::bindings::host::plan_view::{
    Host, HostBase, HostInstruction, HostPlanView, HostPlannedDestination, HostPlannedPlugin, HostStage,
};
use crate::bindings::host::types::Place as WitPlace;
use crate::call::HostState;
use crate::description::Capability;
use crate::host::handle::{
    BaseHandle, DestinationHandle, InstructionHandle, PlanHandle, PluginHandle, RegistryViewHandle, SourceHandle, StageHandle,
};

/// A plan, and what a policy sees of the Dockerfile.
#[derive(Clone)]
pub struct PlanFacts {
    /// The plan.
    pub plan: Plan,
    /// The stages of the Dockerfile, in order.
    pub stages: Vec<StageFacts>,
    /// Images that `COPY --from` and `RUN --mount` name, besides the plan's bases.
    pub further_bases: Vec<Base>,
    /// The source that is built.
    pub source: SourceFacts,
    /// A look at each destination, in the order of the plan's.
    pub views: Vec<Option<Arc<dyn RegistryView>>>,
}

/// One stage of the Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StageFacts {
    /// Its name.
    pub name: Option<String>,
    /// What it begins with, variables expanded.
    pub from: String,
    /// Whether the target needs it.
    pub needed: bool,
    /// Its instructions, `FROM` not included.
    pub instructions: Vec<InstructionFacts>,
    /// Where its `FROM` stands.
    pub place: Place,
}

/// One instruction of the Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstructionFacts {
    /// The keyword in upper case.
    pub keyword: String,
    /// What follows, without flags and heredocs.
    pub text: String,
    /// The flags, in order; the value is empty for a flag without one.
    pub flags: Vec<(String, String)>,
    /// The texts of its heredocs.
    pub heredocs: Vec<String>,
    /// Where it stands.
    pub place: Place,
}

impl PlanFacts {
    /// A plan of which nothing more is known.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { plan, stages: Vec::new(), further_bases: Vec::new(), source: SourceFacts::default(), views: Vec::new() }
    }
}

impl fmt::Debug for PlanFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanFacts").field("plan", &self.plan).field("stages", &self.stages).finish_non_exhaustive()
    }
}

impl StageHandle {
    fn stage(&self) -> &StageFacts {
        &self.0.stages[self.1]
    }
}

impl InstructionHandle {
    fn instruction(&self) -> &InstructionFacts {
        &self.0.stages[self.1].instructions[self.2]
    }
}

impl BaseHandle {
    fn reference(&self) -> Option<Reference> {
        Reference::parse(&self.0.reference).ok().filter(|_| self.0.repository.is_some())
    }
}

impl HostState {
    fn plan<T>(&self, handle: &Resource<PlanHandle>, fact: impl Fn(&Plan) -> T) -> wasmtime::Result<T> {
        Ok(fact(&self.get(handle)?.0.plan))
    }

    fn push_all<T: Send + 'static>(&mut self, values: Vec<T>) -> wasmtime::Result<Vec<Resource<T>>> {
        values.into_iter().map(|value| self.push(value)).collect()
    }
}

impl Host for HostState {}

impl HostPlanView for HostState {
    fn destinations(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<Resource<DestinationHandle>>> {
        let views = self.get(&handle)?.0.views.clone();
        let destinations = self.plan(&handle, |plan| plan.destinations.clone())?;
        let views = views.into_iter().chain(std::iter::repeat(None));
        self.push_all(
            destinations.into_iter().zip(views).map(|(destination, view)| DestinationHandle(destination, view)).collect(),
        )
    }

    fn push(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<bool> {
        self.plan(&handle, |plan| plan.push)
    }

    fn engine(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<String> {
        self.plan(&handle, |plan| plan.engine.name.clone())
    }

    fn plugins(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<Resource<PluginHandle>>> {
        let plugins = self.plan(&handle, |plan| plan.plugins.iter().cloned().map(PluginHandle).collect())?;
        self.push_all(plugins)
    }

    fn context(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<String> {
        self.plan(&handle, |plan| plan.build.context.clone())
    }

    fn dockerfile(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<String> {
        self.plan(&handle, |plan| plan.build.dockerfile.clone().unwrap_or_default())
    }

    fn target(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Option<String>> {
        self.plan(&handle, |plan| plan.build.target.clone())
    }

    fn platforms(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<String>> {
        self.plan(&handle, |plan| plan.build.platforms.iter().map(Platform::to_string).collect())
    }

    fn arguments(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<(String, Option<String>)>> {
        self.plan(&handle, |plan| plan.build.build_args.clone())
    }

    fn labels(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<(String, String)>> {
        self.plan(&handle, |plan| plan.build.labels.clone())
    }

    fn bases(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<Resource<BaseHandle>>> {
        let mut bases = self.plan(&handle, |plan| plan.build.bases.clone())?;
        bases.extend_from_slice(&self.get(&handle)?.0.further_bases);
        self.push_all(bases.into_iter().map(BaseHandle).collect())
    }

    fn stages(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Vec<Resource<StageHandle>>> {
        let facts = Arc::clone(&self.get(&handle)?.0);
        self.push_all((0..facts.stages.len()).map(|index| StageHandle(Arc::clone(&facts), index)).collect())
    }

    fn source(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<Resource<SourceHandle>> {
        let source = self.get(&handle)?.0.source.clone();
        HostState::push(self, SourceHandle(Arc::new(source)))
    }

    fn drop(&mut self, handle: Resource<PlanHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostPlannedDestination for HostState {
    fn registry(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.registry.clone())
    }

    fn repository(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.repository.clone())
    }

    fn tags(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.0.tags.iter().map(Tag::to_string).collect())
    }

    fn kind(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.kind.clone())
    }

    fn adapter(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.adapter.clone())
    }

    fn view(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<Option<Resource<RegistryViewHandle>>> {
        let granted = self.description.as_ref().is_some_and(|d| self.context.is_granted(d, &Capability::RegistryView));
        let view = self.get(&handle)?.1.clone().filter(|_| granted);
        view.map(|view| HostState::push(self, RegistryViewHandle(view))).transpose()
    }

    fn drop(&mut self, handle: Resource<DestinationHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostPlannedPlugin for HostState {
    fn name(&mut self, handle: Resource<PluginHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.name.clone())
    }

    fn role(&mut self, handle: Resource<PluginHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.role.clone())
    }

    fn version(&mut self, handle: Resource<PluginHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.version.clone())
    }

    fn digest(&mut self, handle: Resource<PluginHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.digest.clone())
    }

    fn drop(&mut self, handle: Resource<PluginHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostBase for HostState {
    fn reference(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.0.reference.clone())
    }

    fn is_scratch(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<bool> {
        let base = &self.get(&handle)?.0;
        Ok(base.repository.is_none() && base.reference == "scratch")
    }

    fn registry(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.0.repository.as_ref().map(|repository| repository.registry().to_owned()))
    }

    fn repository(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.0.repository.as_ref().map(|repository| repository.path().to_owned()))
    }

    fn tag(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.reference().and_then(|reference| reference.tag().map(Tag::to_string)))
    }

    fn digest(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.reference().and_then(|reference| reference.digest().map(ToString::to_string)))
    }

    fn place(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<WitPlace> {
        Ok(place(&self.get(&handle)?.0.place))
    }

    fn drop(&mut self, handle: Resource<BaseHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostStage for HostState {
    fn name(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<Option<String>> {
        Ok(self.get(&handle)?.stage().name.clone())
    }

    fn from(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.stage().from.clone())
    }

    fn is_needed(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<bool> {
        Ok(self.get(&handle)?.stage().needed)
    }

    fn instructions(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<Vec<Resource<InstructionHandle>>> {
        let stage = self.get(&handle)?;
        let (facts, index, count) = (Arc::clone(&stage.0), stage.1, stage.stage().instructions.len());
        self.push_all((0..count).map(|number| InstructionHandle(Arc::clone(&facts), index, number)).collect())
    }

    fn place(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<WitPlace> {
        Ok(place(&self.get(&handle)?.stage().place))
    }

    fn drop(&mut self, handle: Resource<StageHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}

impl HostInstruction for HostState {
    fn keyword(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.instruction().keyword.clone())
    }

    fn text(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<String> {
        Ok(self.get(&handle)?.instruction().text.clone())
    }

    fn flags(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.get(&handle)?.instruction().flags.clone())
    }

    fn heredocs(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<Vec<String>> {
        Ok(self.get(&handle)?.instruction().heredocs.clone())
    }

    fn place(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<WitPlace> {
        Ok(place(&self.get(&handle)?.instruction().place))
    }

    fn drop(&mut self, handle: Resource<InstructionHandle>) -> wasmtime::Result<()> {
        self.delete(handle).map(drop)
    }
}
