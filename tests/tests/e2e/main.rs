//! End to end: one module a user story, all with the real binary and real servers.
#![expect(clippy::unwrap_used, reason = "a test ends by a panic")]

mod bad_dockerfile;
mod bad_plugin;
mod bad_registry;
mod bad_step;
mod base_image_policy;
mod build_command;
mod build_options;
mod cloud_registries;
mod conformance;
mod documentation;
mod ecr;
mod ecr_step;
mod ecr_variables;
mod embedding;
mod engine_buildah;
mod full_disk;
mod hostile;
mod hostile_contexts;
mod hostile_dockerfiles;
mod hostile_images;
mod hostile_registries;
mod image_outputs;
mod interrupted;
mod larger_images;
mod outputs;
mod plan;
mod platforms;
mod plugin_author;
mod plugin_command;
mod progress;
mod rebuild;
mod reproducible;
mod secrets;
mod ssh;
mod unprivileged;
