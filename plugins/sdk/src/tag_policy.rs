//! A tag policy: what an image is called.

pub use crate::bindings::host::registry_view::{RegistryError, RegistryView};
pub use crate::bindings::host::settings::Settings;
pub use crate::bindings::host::source::Source;
pub use crate::bindings::tag_policy::tagger::{Guest as TagPolicy, Tagging};
#[doc(inline)]
pub use crate::export_tag_policy as export;

/// Makes a type that implements [`crate::Describe`] and [`TagPolicy`] the component's tag policy.
#[macro_export]
macro_rules! export_tag_policy {
    ($plugin:ident) => {
        $crate::bindings::described::export!($plugin with_types_in $crate::bindings::described);
        $crate::bindings::tag_policy::export!($plugin with_types_in $crate::bindings::tag_policy);
    };
}
