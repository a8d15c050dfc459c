//! What a plugin can do: the world that its component implements.

use std::fmt;

/// The world of a plugin. A component implements exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Settings as some CI writes them become typed settings.
    Dialect,
    /// Where an image goes, with which credentials, and what has to be prepared.
    RegistryAdapter,
    /// What an image is called.
    TagPolicy,
    /// How an outside program is asked for a build.
    EngineMapper,
    /// What a plan or an image must be like.
    Policy,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Dialect, Self::RegistryAdapter, Self::TagPolicy, Self::EngineMapper, Self::Policy];

    /// The world's name, such as `registry-adapter`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dialect => "dialect",
            Self::RegistryAdapter => "registry-adapter",
            Self::TagPolicy => "tag-policy",
            Self::EngineMapper => "engine-mapper",
            Self::Policy => "policy",
        }
    }

    /// The interface that only this world exports, without its version.
    pub(crate) const fn interface(self) -> &'static str {
        match self {
            Self::Dialect => "windlass:plugin/translator",
            Self::RegistryAdapter => "windlass:plugin/adapter",
            Self::TagPolicy => "windlass:plugin/tagger",
            Self::EngineMapper => "windlass:plugin/mapper",
            Self::Policy => "windlass:plugin/checker",
        }
    }

    /// The interfaces that a plugin of this role may import, without their package and version.
    pub(crate) const fn imports(self) -> &'static [&'static str] {
        match self {
            Self::Dialect => &["types", "description", "log", "raw-settings", "source"],
            Self::RegistryAdapter => &["types", "description", "log", "settings", "source", "secrets", "exchange", "aws-ecr"],
            Self::TagPolicy => &["types", "description", "log", "settings", "source", "registry-view"],
            Self::EngineMapper => &["types", "description", "log", "settings", "build-request"],
            Self::Policy => &["types", "description", "log", "settings", "source", "registry-view", "plan-view", "image-view"],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
