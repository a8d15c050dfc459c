//! Tag policies: what an image is called.

use std::sync::Arc;

use wasmtime::component::Resource;
use windlass_core::Tag;
use windlass_core::setting::Settings;

use crate::answer::Answer;
use crate::bindings::tag_policy::exports::windlass::plugin::tagger as wit;
use crate::call;
use crate::context::Context;
use crate::description::Capability;
use crate::error::PluginError;
use crate::host::handle::{RegistryViewHandle, SettingsHandle, SourceHandle};
use crate::host::source::SourceFacts;
use crate::linker::Linked;
use crate::plugin::Plugin;
use crate::role::Role;

const TAGS: &str = "tags";

/// What a tag policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagging {
    /// The tags that hold from now on, in order, each once.
    Tags(Vec<Tag>),
    /// It has nothing to say about this source, for this reason.
    DoesNotApply(String),
}

/// Asks a tag policy. `so_far` are the user's tags and those of the policies before; the registry is looked at only when the
/// context has a port for it and the plugin a grant.
///
/// # Errors
/// What the policy finds wrong; or what went wrong with the policy, illegal tags included.
pub async fn tags(
    plugin: &Plugin,
    context: &Context,
    settings: &Settings,
    source: &SourceFacts,
    so_far: &[Tag],
) -> Result<Tagging, PluginError> {
    let Linked::TagPolicy(linked) = plugin.linked() else { return Err(plugin.wrong_role(TAGS, Role::TagPolicy)) };
    let linked = linked.clone();
    let granted = context.is_granted(plugin.description(), &Capability::RegistryView);
    let view = context.registry_view.clone().filter(|_| granted).map(RegistryViewHandle);
    let (settings, source) = (SettingsHandle(settings.clone()), SourceHandle(Arc::new(source.clone())));
    let so_far: Vec<String> = so_far.iter().map(Tag::to_string).collect();
    let (told, _) = call::run(plugin.loaded(), TAGS, plugin.state(context), |store| {
        Box::pin(async move {
            let instance = linked.instantiate_async(&mut *store).await?;
            let settings = Resource::new_borrow(store.data_mut().push(settings)?.rep());
            let source = Resource::new_borrow(store.data_mut().push(source)?.rep());
            let view = match view {
                Some(view) => Some(Resource::new_borrow(store.data_mut().push(view)?.rep())),
                None => None,
            };
            instance.windlass_plugin_tagger().call_tags(&mut *store, settings, source, view, &so_far).await
        })
    })
    .await?;
    let answer = plugin.answer(TAGS);
    match told.map_err(|findings| answer.refusal(findings))? {
        wit::Tagging::Tags(tags) => read(&answer, tags).map(Tagging::Tags),
        wit::Tagging::DoesNotApply(reason) => Ok(Tagging::DoesNotApply(answer.line("a reason", reason)?)),
        wit::Tagging::Other(kind) => {
            Err(answer.nonsense(format!("the answer `{kind}`"), "tags, or that the policy does not apply"))
        }
    }
}

fn read(answer: &Answer<'_>, told: Vec<String>) -> Result<Vec<Tag>, PluginError> {
    let told = answer.list("tags", told, |answer, text| {
        let text = answer.data("a tag", text)?;
        Tag::parse(&text).map_err(|error| answer.nonsense(format!("an illegal tag: {error}"), "a legal tag"))
    })?;
    let mut tags = Vec::with_capacity(told.len());
    for tag in told {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}
