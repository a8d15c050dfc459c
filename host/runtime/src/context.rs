//! What a call of a plugin may reach: the host's side of each capability, and what the user allows.

use std::fmt;
use std::sync::Arc;

use windlass_core::EventSink;

use crate::description::{Capability, Description, Grant};
use crate::host::aws_ecr::AwsEcr;
use crate::host::exchange::Transport;
use crate::host::raw_settings::Files;
use crate::host::registry_view::RegistryView;

/// Which of the grants that a plugin asks for it is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Allowed {
    /// None.
    #[default]
    Nothing,
    /// All that it declares; for plugins that are part of the program.
    Declared,
    /// Those that it declares and that are named here.
    Named(Vec<String>),
}

/// What calls of a plugin may reach. A capability takes a port here, a declaration of the plugin and the user's allowance; what
/// lacks one of them answers "not granted".
#[derive(Clone)]
pub struct Context {
    /// Where the plugin's log goes.
    pub events: EventSink,
    /// What the user allows.
    pub allowed: Allowed,
    /// The ECR API.
    pub aws_ecr: Option<Arc<dyn AwsEcr>>,
    /// What sends the requests of exchanges.
    pub exchange: Option<Arc<dyn Transport>>,
    /// A look at the destination.
    pub registry_view: Option<Arc<dyn RegistryView>>,
    /// The files of the working directory, for dialects.
    pub files: Option<Arc<dyn Files>>,
}

impl Context {
    /// A context in which nothing can be reached.
    #[must_use]
    pub fn closed(events: EventSink) -> Self {
        Self { events, allowed: Allowed::Nothing, aws_ecr: None, exchange: None, registry_view: None, files: None }
    }

    /// The same context, with `allowed`.
    #[must_use]
    pub fn allow(mut self, allowed: Allowed) -> Self {
        self.allowed = allowed;
        self
    }

    /// The grants of a plugin that hold here.
    pub(crate) fn grants<'a>(&'a self, description: &'a Description) -> impl Iterator<Item = &'a Grant> {
        description.grants.iter().filter(|grant| match &self.allowed {
            Allowed::Nothing => false,
            Allowed::Declared => true,
            Allowed::Named(names) => names.contains(&grant.name),
        })
    }

    /// Whether a plugin has declared a capability and been allowed it.
    #[must_use]
    pub fn is_granted(&self, description: &Description, capability: &Capability) -> bool {
        self.grants(description).any(|grant| grant.capability == *capability)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("allowed", &self.allowed)
            .field("aws_ecr", &self.aws_ecr.is_some())
            .field("exchange", &self.exchange.is_some())
            .field("registry_view", &self.registry_view.is_some())
            .field("files", &self.files.is_some())
            .finish_non_exhaustive()
    }
}
