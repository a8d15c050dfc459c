//! Policies: what a plan or an image must be like.

use std::sync::Arc;

use wasmtime::component::Resource;
use windlass_core::Finding;
use windlass_core::setting::Settings;

use crate::bindings::policy::PolicyPre;
use crate::call::{self, HostState};
use crate::context::Context;
use crate::error::PluginError;
use crate::host::handle::{ImageHandle, PlanHandle, SettingsHandle};
use crate::host::image_view::ImageView;
use crate::host::plan_view::PlanFacts;
use crate::linker::Linked;
use crate::plugin::Plugin;
use crate::role::Role;

/// Shows a policy the plan. One finding that denies stops the run.
///
/// # Errors
/// Why the check could not be done, which stops the run as well.
pub async fn check_plan(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    plan: Arc<PlanFacts>,
) -> Result<Vec<Finding>, PluginError> {
    const FUNCTION: &str = "check-plan";
    let linked = linked(plugin, FUNCTION)?;
    let settings = SettingsHandle(settings.clone());
    let (told, _) = call::run(plugin.loaded(), FUNCTION, plugin.state(context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = Resource::new_borrow(store.data_mut().push(settings)?.rep());
            let plan = Resource::new_borrow(store.data_mut().push(PlanHandle(plan))?.rep());
            instance.windlass_plugin_checker().call_check_plan(&mut *store, settings, plan).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    told.map_err(|findings| answer.refusal(findings)).and_then(|told| answer.findings(told))
}

/// Shows a policy an image that was built. One finding that denies stops the run before anything is pushed.
///
/// # Errors
/// Why the check could not be done, which stops the run as well.
pub async fn check_image(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    image: Arc<dyn ImageView>,
) -> Result<Vec<Finding>, PluginError> {
    const FUNCTION: &str = "check-image";
    let linked = linked(plugin, FUNCTION)?;
    let settings = SettingsHandle(settings.clone());
    let (told, _) = call::run(plugin.loaded(), FUNCTION, plugin.state(context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = Resource::new_borrow(store.data_mut().push(settings)?.rep());
            let image = Resource::new_borrow(store.data_mut().push(ImageHandle(image))?.rep());
            instance.windlass_plugin_checker().call_check_image(&mut *store, settings, image).await
        })
    })
    .await?;
    let answer = plugin.answer(FUNCTION);
    told.map_err(|findings| answer.refusal(findings)).and_then(|told| answer.findings(told))
}

fn linked(plugin: &Plugin, function: &'static str) -> Result<PolicyPre<HostState>, PluginError> {
    match plugin.linked() {
        Linked::Policy(linked) => Ok(linked.clone()),
        _ => Err(plugin.wrong_role(function, Role::Policy)),
    }
}
