//! The harness of the end-to-end tests: it starts real servers, runs the real `windlass` binary in a place of its own, and reads
//! with other tools what came of it.
//!
//! What a story needs, `make test` installs: docker-registry, skopeo, buildah, busybox, moto, readers of statements. Everything listens on 127.0.0.1,
//! lives in a temporary directory and ends with the value that stands for it.
#![expect(
    clippy::missing_panics_doc,
    reason = "a test ends by a panic; that is what each of these functions does when a thing is not as it must be"
)]

pub mod attested;
pub mod base_images;
pub mod canary;
pub mod documentation;
pub mod http;
pub mod ports;
pub mod raw_tar;
pub mod servers;
pub mod skopeo;
pub mod windlass;
pub mod workspace;

pub use canary::Canary;
pub use servers::docker::Docker;
pub use servers::docker_registry::DockerRegistry;
pub use servers::images::Images;
pub use servers::moto::Moto;
pub use servers::proxy::Proxy;
pub use skopeo::Image;
pub use windlass::{Run, Windlass};
pub use workspace::{User, Workspace};
