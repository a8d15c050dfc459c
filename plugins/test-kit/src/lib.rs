//! Runs a built plugin component under the real runtime with recorded host calls.
//!
//! A plugin's decisions are tested natively, without this crate. What it is for is the rest: that the component loads, that its
//! settings are what users type, and that it asks the host for the right things. A test of a tag policy:
//!
//! ```no_run
//! use windlass_plugin_test::{PluginUnderTest, SourceFacts, tags};
//!
//! let plugin = PluginUnderTest::build("my-tag-policy");
//! let source = SourceFacts { branch: Some("main".to_owned()), ..SourceFacts::default() };
//! let tagging = plugin.tags(&[("prefix", "v")], &source, &tags(&["1"])).unwrap();
//! assert_eq!(tagging, windlass_plugin_test::Tagging::Tags(tags(&["v1"])));
//! ```
//!
//! Everything that is not what the test asks about panics with a message: a component that cannot be built or loaded, settings that
//! do not fit.

mod build;
mod fake_aws;
mod fake_exchange;
mod fake_image;
mod fake_registry;
mod raw;
mod under_test;

pub use fake_aws::FakeAwsEcr;
pub use fake_exchange::{FakeExchange, Sent};
pub use fake_image::FakeImage;
pub use fake_registry::FakeRegistry;
pub use raw::{json, variables};
pub use under_test::{PluginUnderTest, tags};

pub use build::component;
pub use windlass_core as core;
pub use windlass_core::invocation::{HandOff, Invocation, Piece, Slot};
pub use windlass_runtime as runtime;
pub use windlass_runtime::dialect::{Target, Translation, Verdict};
pub use windlass_runtime::engine_mapper::Mapped;
pub use windlass_runtime::host::aws_ecr::AwsError;
pub use windlass_runtime::host::build_request::BuildRequest;
pub use windlass_runtime::host::plan_view::{InstructionFacts, PlanFacts, StageFacts};
pub use windlass_runtime::host::raw_settings::{Raw, RawEntry, RawValue};
pub use windlass_runtime::host::source::SourceFacts;
pub use windlass_runtime::registry_adapter::{Authorization, Destination, Link};
pub use windlass_runtime::tag_policy::Tagging;
