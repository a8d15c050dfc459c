//! A policy: what a plan or an image must be like.

pub use crate::bindings::host::image_view::{Entry, EntryKind, ImageError, ImageView, Layer};
pub use crate::bindings::host::plan_view::{Base, Instruction, PlanView, PlannedDestination, PlannedPlugin, Stage};
pub use crate::bindings::host::registry_view::{RegistryError, RegistryView};
pub use crate::bindings::host::settings::Settings;
pub use crate::bindings::host::source::Source;
pub use crate::bindings::policy::checker::Guest as Policy;
#[doc(inline)]
pub use crate::export_policy as export;

/// Makes a type that implements [`crate::Describe`] and [`Policy`] the component's policy.
#[macro_export]
macro_rules! export_policy {
    ($plugin:ident) => {
        $crate::bindings::described::export!($plugin with_types_in $crate::bindings::described);
        $crate::bindings::policy::export!($plugin with_types_in $crate::bindings::policy);
    };
}
