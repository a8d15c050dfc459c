//! What can go wrong with a plugin: when it is loaded, and when it is called.

use std::path::PathBuf;

use windlass_core::{Digest, Finding};

use crate::role::Role;

/// Why a plugin could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The WebAssembly engine could not be set up.
    #[error("cannot set up the WebAssembly engine")]
    Engine(#[source] wasmtime::Error),
    /// The file could not be read.
    #[error("cannot read the plugin {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than a component may be.
    #[error("the plugin {origin} is larger than {limit} bytes; the limit `component-bytes` can be raised")]
    TooLarge {
        /// The file.
        origin: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is native code, which is never taken from outside.
    #[error("the plugin {origin} is compiled code; expected a WebAssembly component (.wasm)")]
    NativeCode {
        /// The file.
        origin: String,
    },
    /// The file is a core module that does not say which world it implements.
    #[error(
        "{origin} is a WebAssembly module, but no plugin: expected a component, or a module that was built with the plugin SDK and has an `export!`"
    )]
    CoreModule {
        /// The file.
        origin: String,
    },
    /// The file is no component, or one that needs features that are not offered.
    #[error("the plugin {origin} is no valid WebAssembly component: {reason}")]
    Invalid {
        /// The file.
        origin: String,
        /// What the compiler says.
        reason: String,
    },
    /// The compiler used more time or memory than it may.
    #[error("compiling the plugin {origin} took more than {limit}")]
    CompileLimit {
        /// The file.
        origin: String,
        /// Which limit was reached, in words.
        limit: String,
    },
    /// The process that compiles could not be run.
    #[error("cannot run the compiler for the plugin {origin}")]
    Compiler {
        /// The file.
        origin: String,
        /// Why.
        source: std::io::Error,
    },
    /// The directory for compiled code cannot be trusted or used.
    #[error("cannot use the directory {} for compiled plugins: {reason}", path.display())]
    Cache {
        /// The directory or a file in it.
        path: PathBuf,
        /// What is wrong with it, and how to mend it.
        reason: String,
    },
    /// Compiled code does not fit this program.
    #[error("the compiled code of the plugin {origin} does not fit this version of windlass")]
    Code {
        /// The plugin.
        origin: String,
        /// Why.
        source: wasmtime::Error,
    },
    /// The component exports none of the worlds.
    #[error("{origin} is a component, but no windlass plugin: expected one export of {}", worlds())]
    NoRole {
        /// The file.
        origin: String,
    },
    /// The component exports several worlds.
    #[error("the plugin {origin} is both {first} and {second}; expected one world a component")]
    TwoRoles {
        /// The file.
        origin: String,
        /// One of its roles.
        first: Role,
        /// Another one.
        second: Role,
    },
    /// The component imports something that plugins are never given.
    #[error("the plugin {origin} imports `{import}`, which is not offered to plugins{}", offered(role))]
    UnknownImport {
        /// The file.
        origin: String,
        /// The import as the component names it.
        import: String,
        /// The plugin's role, when the import is one of ours that this role is not given.
        role: Option<Role>,
    },
    /// The component was made for an interface that this host does not have.
    #[error("the plugin {origin} does not fit the interface windlass:plugin@{version}")]
    Interface {
        /// The file.
        origin: String,
        /// The version of the interface that this host has.
        version: &'static str,
        /// What does not fit.
        source: wasmtime::Error,
    },
    /// The component is not the one that was expected.
    #[error("the plugin {origin} has the digest {found}; expected {expected}")]
    Digest {
        /// The file.
        origin: String,
        /// What was expected.
        expected: Digest,
        /// What it has.
        found: Digest,
    },
    /// What the plugin says about itself makes no sense.
    #[error("cannot understand how the plugin {origin} describes itself")]
    Description {
        /// The file.
        origin: String,
        /// What is wrong.
        #[source]
        source: PluginError,
    },
}

fn worlds() -> String {
    Role::ALL.map(Role::interface).join(", ")
}

fn offered(role: &Option<Role>) -> String {
    match role {
        Some(role) => format!(" of the world {role}; it may import {}", role.imports().join(", ")),
        None => "; plugins import interfaces of windlass:plugin@0.1.0, and WASI 0.2 with nothing behind it".to_owned(),
    }
}

/// Why a call of a plugin did not give an answer that can be used.
#[derive(Debug, thiserror::Error)]
#[error("plugin `{plugin}`, function `{function}`: {problem}")]
pub struct PluginError {
    /// The plugin's name.
    pub plugin: String,
    /// The function that was called.
    pub function: &'static str,
    /// What happened.
    #[source]
    pub problem: Problem,
}

/// What happened in a call of a plugin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The plugin says what is wrong: not a failure of the plugin, but its answer.
    #[error("{}", summary(.0))]
    Findings(Vec<Finding>),
    /// It ran into an instruction or host call that ends it.
    #[error("it crashed: {reason}")]
    Trapped {
        /// What the engine says, in one line.
        reason: String,
    },
    /// It computed for too long.
    #[error("it computed for more than {milliseconds} ms; the limit `computing-milliseconds` can be raised")]
    OutOfTime {
        /// The limit.
        milliseconds: u64,
    },
    /// It waited for too long.
    #[error("it took more than {milliseconds} ms; the limit `call-milliseconds` can be raised")]
    TimedOut {
        /// The limit.
        milliseconds: u64,
    },
    /// It asked for too much memory.
    #[error("it asked for more memory than it may have: {limit}")]
    OutOfMemory {
        /// Which limit was reached, with its name.
        limit: String,
    },
    /// It called itself too deeply.
    #[error("it used up its stack")]
    StackOverflow,
    /// It gave too much at once.
    #[error("it gave {what}; the limit `{limit}` allows {allowed}")]
    TooMuch {
        /// What it gave.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// The limit.
        allowed: u64,
    },
    /// It gave something that makes no sense.
    #[error("it gave {what}; expected {expected}")]
    Nonsense {
        /// What it gave.
        what: String,
        /// What would have been right.
        expected: String,
    },
    /// The plugin is of another role.
    #[error("it is a plugin for {found}; expected one for {expected}")]
    WrongRole {
        /// What it is.
        found: Role,
        /// What is needed.
        expected: Role,
    },
}

fn summary(findings: &[Finding]) -> String {
    match findings {
        [] => "it refused without a reason".to_owned(),
        [one] => one.to_string(),
        [first, rest @ ..] => format!("{first}, and {} more", rest.len()),
    }
}

impl PluginError {
    /// What the plugin found, when that is why there is no answer; else one finding that says what happened to the plugin.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        match self.problem {
            Problem::Findings(findings) if !findings.is_empty() => findings,
            _ => vec![Finding::deny("plugin/failed", self.to_string()).about(self.plugin)],
        }
    }
}
