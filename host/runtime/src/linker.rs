//! What is put behind a component's imports: our interfaces, as far as its role is given them, and WASI with nothing behind.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::bindings::described::DescribedPre;
use crate::bindings::dialect::{Dialect, DialectPre};
use crate::bindings::engine_mapper::{EngineMapper, EngineMapperPre};
use crate::bindings::policy::{Policy, PolicyPre};
use crate::bindings::registry_adapter::{RegistryAdapter, RegistryAdapterPre};
use crate::bindings::tag_policy::{TagPolicy, TagPolicyPre};
use crate::call::HostState;
use crate::error::LoadError;
use crate::role::Role;

/// The version of the interface that this host has.
pub(crate) const INTERFACE: &str = "0.1.0";

/// The WASI packages that foreign language runtimes import.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// The role that a component's exports give it. Exports that are no world's are not looked at.
pub(crate) fn role(origin: &str, engine: &Engine, component: &Component) -> Result<Role, LoadError> {
    let mut found = None;
    for (name, _) in component.component_type().exports(engine) {
        let Some(role) = Role::ALL.into_iter().find(|role| interface(name) == role.interface()) else { continue };
        if let Some(first) = found.replace(role) {
            return Err(LoadError::TwoRoles { origin: origin.to_owned(), first, second: role });
        }
    }
    found.ok_or_else(|| LoadError::NoRole { origin: origin.to_owned() })
}

/// A linked component with the exports of its world.
pub(crate) enum Linked {
    Dialect(DialectPre<HostState>),
    RegistryAdapter(RegistryAdapterPre<HostState>),
    TagPolicy(TagPolicyPre<HostState>),
    EngineMapper(EngineMapperPre<HostState>),
    Policy(PolicyPre<HostState>),
}

impl Linked {
    fn new(instance: InstancePre<HostState>, role: Role) -> wasmtime::Result<Self> {
        Ok(match role {
            Role::Dialect => Self::Dialect(DialectPre::new(instance)?),
            Role::RegistryAdapter => Self::RegistryAdapter(RegistryAdapterPre::new(instance)?),
            Role::TagPolicy => Self::TagPolicy(TagPolicyPre::new(instance)?),
            Role::EngineMapper => Self::EngineMapper(EngineMapperPre::new(instance)?),
            Role::Policy => Self::Policy(PolicyPre::new(instance)?),
        })
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Dialect(_) => Role::Dialect,
            Self::RegistryAdapter(_) => Role::RegistryAdapter,
            Self::TagPolicy(_) => Role::TagPolicy,
            Self::EngineMapper(_) => Role::EngineMapper,
            Self::Policy(_) => Role::Policy,
        }
    }

    /// What all worlds have in common.
    pub(crate) fn described(&self) -> wasmtime::Result<DescribedPre<HostState>> {
        DescribedPre::new(match self {
            Self::Dialect(linked) => linked.instance_pre().clone(),
            Self::RegistryAdapter(linked) => linked.instance_pre().clone(),
            Self::TagPolicy(linked) => linked.instance_pre().clone(),
            Self::EngineMapper(linked) => linked.instance_pre().clone(),
            Self::Policy(linked) => linked.instance_pre().clone(),
        })
    }
}

/// Links a component, and says whether it imports WASI.
pub(crate) fn link(origin: &str, engine: &Engine, component: &Component, role: Role) -> Result<(Linked, bool), LoadError> {
    let mut wasi = false;
    for (name, _) in component.component_type().imports(engine) {
        wasi |= check(origin, name, role)?;
    }
    let failed = |source| LoadError::Interface { origin: origin.to_owned(), version: INTERFACE, source };
    let mut linker = Linker::new(engine);
    add(&mut linker, role).map_err(LoadError::Engine)?;
    if wasi {
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(LoadError::Engine)?;
    }
    let linked = linker.instantiate_pre(component).and_then(|instance| Linked::new(instance, role)).map_err(failed)?;
    Ok((linked, wasi))
}

fn interface(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

/// Whether an import is WASI's; an error when it is neither that nor one of the role's.
fn check(origin: &str, name: &str, role: Role) -> Result<bool, LoadError> {
    if WASI.iter().any(|package| name.starts_with(package)) {
        return Ok(true);
    }
    let unknown = |role| LoadError::UnknownImport { origin: origin.to_owned(), import: name.to_owned(), role };
    match interface(name).strip_prefix("windlass:plugin/") {
        Some(ours) if role.imports().contains(&ours) => Ok(false),
        Some(_) => Err(unknown(Some(role))),
        None => Err(unknown(None)),
    }
}

fn add(linker: &mut Linker<HostState>, role: Role) -> wasmtime::Result<()> {
    type Us = HasSelf<HostState>;
    match role {
        Role::Dialect => Dialect::add_to_linker::<_, Us>(linker, |state| state),
        Role::RegistryAdapter => RegistryAdapter::add_to_linker::<_, Us>(linker, |state| state),
        Role::TagPolicy => TagPolicy::add_to_linker::<_, Us>(linker, |state| state),
        Role::EngineMapper => EngineMapper::add_to_linker::<_, Us>(linker, |state| state),
        Role::Policy => Policy::add_to_linker::<_, Us>(linker, |state| state),
    }
}
