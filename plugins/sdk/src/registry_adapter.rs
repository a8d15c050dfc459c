//! A registry adapter: where an image goes, with which credentials, and what has to be prepared there.

pub use crate::bindings::host::aws_ecr::{AwsError, Repository, RepositoryOptions, Session};
pub use crate::bindings::host::secrets::{Secret, from_settings as secret};
pub use crate::bindings::host::settings::Settings;
pub use crate::bindings::host::source::Source;
pub use crate::bindings::host::{aws_ecr, exchange, secrets};
pub use crate::bindings::registry_adapter::adapter::{Authorization, Basic, Bearer, Destination, Guest as RegistryAdapter, Link};
#[doc(inline)]
pub use crate::export_registry_adapter as export;

/// Makes a type that implements [`crate::Describe`] and [`RegistryAdapter`] the component's registry adapter.
#[macro_export]
macro_rules! export_registry_adapter {
    ($plugin:ident) => {
        $crate::bindings::described::export!($plugin with_types_in $crate::bindings::described);
        $crate::bindings::registry_adapter::export!($plugin with_types_in $crate::bindings::registry_adapter);
    };
}
