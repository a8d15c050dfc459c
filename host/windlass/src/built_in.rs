//! The plugins that are part of this program, as `build.rs` found them.

use windlass_runtime::BuiltIn;

include!(concat!(env!("OUT_DIR"), "/built_in.rs"));
