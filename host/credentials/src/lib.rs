//! Credentials: where secrets are found, exchanged and kept. The host alone uses this crate; plugins get handles.
//!
//! - [`aws`]: a session with Amazon ECR, from whatever identity there is;
//! - [`docker_config`]: `config.json`, `auth.json` and the helper programs they name;
//! - [`keychain`]: which of several sources answers for a repository, for pushing and for base images;
//! - [`environment`]: the process's variables as a value, so that nothing here reads them behind the caller's back;
//! - [`ssh`]: agents for build steps.
//!
//! No error, `Debug` or `Display` of this crate shows a secret.

pub mod aws;
pub mod docker_config;
pub mod environment;
pub mod keychain;
mod program;
pub mod ssh;

pub use environment::Environment;
pub use keychain::{Credential, CredentialError, Keychain, Provider};
