//! An engine mapper: how an outside program is asked for a build.

pub use crate::bindings::engine_mapper::mapper::{File, Guest as EngineMapper, HandOff, Invocation, Piece, Slot, Variable};
pub use crate::bindings::host::build_request::BuildRequest;
pub use crate::bindings::host::settings::Settings;
#[doc(inline)]
pub use crate::export_engine_mapper as export;

/// Makes a type that implements [`crate::Describe`] and [`EngineMapper`] the component's engine mapper.
#[macro_export]
macro_rules! export_engine_mapper {
    ($plugin:ident) => {
        $crate::bindings::described::export!($plugin with_types_in $crate::bindings::described);
        $crate::bindings::engine_mapper::export!($plugin with_types_in $crate::bindings::engine_mapper);
    };
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Piece {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Slot> for Piece {
    fn from(slot: Slot) -> Self {
        Self::Slot(slot)
    }
}
