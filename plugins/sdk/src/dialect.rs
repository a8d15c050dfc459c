//! A dialect: settings as some CI writes them become typed settings.

pub use crate::bindings::dialect::translator::{Assignment, Guest as Dialect, Outcome, Target, Translation, Value, Verdict};
pub use crate::bindings::host::raw_settings::{RawKind, RawSettings};
pub use crate::bindings::host::source::Source;
#[doc(inline)]
pub use crate::export_dialect as export;

/// Makes a type that implements [`crate::Describe`] and [`Dialect`] the component's dialect.
#[macro_export]
macro_rules! export_dialect {
    ($plugin:ident) => {
        $crate::bindings::described::export!($plugin with_types_in $crate::bindings::described);
        $crate::bindings::dialect::export!($plugin with_types_in $crate::bindings::dialect);
    };
}
