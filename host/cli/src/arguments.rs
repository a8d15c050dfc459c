//! What may be typed. What it means is decided in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use windlass::cache::StoreLimit;

use crate::progress::Mode;

/// Build a Dockerfile and push the image: no daemon, no root where the kernel allows, plugins that never see a secret.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, disable_help_subcommand = true, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a Build and Push step from a file or from PLUGIN_* variables
    Run(RunArguments),
    /// Print what `run` would do, and change nothing
    Plan(PlanArguments),
    /// Build a Dockerfile, as `docker build` does
    Build(Box<BuildArguments>),
    /// Look at plugins
    Plugin(PluginArguments),
    /// Look at the store that builds share, and make it smaller
    Cache(crate::commands::cache::CacheArguments),
}

/// Where a step comes from.
#[derive(Debug, Args)]
pub(crate) struct StepArguments {
    /// A file with a step, a list of steps or a whole pipeline
    #[arg(value_name = "STEP_FILE", required_unless_present = "from_env", conflicts_with = "from_env")]
    pub(crate) file: Option<PathBuf>,
    /// Read the step from PLUGIN_* variables instead
    #[arg(long, value_name = "KIND")]
    pub(crate) from_env: Option<Variant>,
    /// The identifier or name of the step, when the file has several
    #[arg(long, value_name = "NAME", conflicts_with = "from_env")]
    pub(crate) step: Option<String>,
    /// The build engine: windlass, or the name of an engine mapper
    #[arg(long, default_value = "windlass", env = "WINDLASS_ENGINE")]
    pub(crate) engine: String,
    /// A tag policy that the tags go through: a built-in name or a component file (repeatable)
    #[arg(long = "tag-policy", value_name = "NAME|FILE")]
    pub(crate) tag_policies: Vec<String>,
    /// A policy plugin that must agree: a built-in name or a component file (repeatable)
    #[arg(long = "policy", value_name = "NAME|FILE")]
    pub(crate) policies: Vec<String>,
    /// Set a plugin's or the step's setting, over what the step says (repeatable)
    #[arg(long = "set", value_name = "OWNER.SETTING=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Variant {
    /// In place of plugins/ecr and plugins/kaniko-ecr
    Ecr,
    /// In place of plugins/docker and plugins/kaniko
    Docker,
    /// In place of plugins/gar and plugins/kaniko-gar
    Gar,
    /// In place of plugins/gcr and plugins/kaniko-gcr
    Gcr,
    /// In place of plugins/acr and plugins/kaniko-acr
    Acr,
}

/// What every command that builds takes.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// A plugin to use besides the built-in ones: a component file (repeatable)
    #[arg(long = "plugin", value_name = "FILE")]
    pub(crate) plugins: Vec<PathBuf>,
    /// Send what is meant for registry HOST to URL (repeatable; comma-separated in the variable)
    #[arg(long, value_name = "HOST=URL", env = "WINDLASS_REGISTRY_MAP", value_delimiter = ',')]
    pub(crate) registry_map: Vec<String>,
    /// Where layers and caches are kept; default $XDG_CACHE_HOME/windlass
    #[arg(long, value_name = "DIR", env = "WINDLASS_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// How large the store may be when a build ends, such as 20GB, or none; default 20GB
    #[arg(long, value_name = "SIZE", env = "WINDLASS_STORE_LIMIT")]
    pub(crate) store_limit: Option<StoreLimit>,
    /// The configuration file; default $XDG_CONFIG_HOME/windlass/config.toml
    #[arg(long, value_name = "FILE", env = "WINDLASS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// How RUN steps are isolated
    #[arg(long, value_name = "KIND", default_value = "auto", env = "WINDLASS_ISOLATION")]
    pub(crate) isolation: String,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "WINDLASS_PROGRESS")]
    pub(crate) progress: Mode,
}

/// Where results of steps are shared, for builds and for steps, over whatever a step says.
#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    /// Share results of steps with other machines in this repository of a registry
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) cache_repo: Option<String>,
    /// How old an entry of the shared cache may be; default 336h
    #[arg(long, value_name = "DURATION", requires = "cache_repo")]
    pub(crate) cache_ttl: Option<String>,
    /// Take results of steps from there, such as type=registry,ref=REF or type=local,src=DIR; repeatable
    #[arg(long, value_name = "CACHE")]
    pub(crate) cache_from: Vec<String>,
    /// Write results of steps there, such as type=registry,ref=REF,mode=max, type=local,dest=DIR or type=inline; repeatable
    #[arg(long, value_name = "CACHE")]
    pub(crate) cache_to: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) step: StepArguments,
    /// Build, write outputs, but push nothing
    #[arg(long)]
    pub(crate) no_push: bool,
    #[command(flatten)]
    pub(crate) caches: CacheArguments,
    /// Say of each step why it runs and was not taken from the cache
    #[arg(long)]
    pub(crate) explain: bool,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE", env = "WINDLASS_REPORT")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) step: StepArguments,
    /// How the plan is printed
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people, with the lines that are meant
    #[default]
    Text,
    /// For programs
    Json,
    /// For code review: the Static Analysis Results Interchange Format 2.1.0
    Sarif,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// The files that the Dockerfile may copy: a directory, a git or archive URL, or - for a tar archive or Dockerfile on
    /// standard input
    #[arg(default_value = ".")]
    pub(crate) context: PathBuf,
    /// The image's name, and tag (repeatable)
    #[arg(short, long = "tag", value_name = "REF")]
    pub(crate) tags: Vec<String>,
    /// The Dockerfile; default CONTEXT/Dockerfile; - reads it from standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The stage to build; default the last
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// A value for an ARG; NAME alone takes it from the environment (repeatable)
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// A label for the image (repeatable)
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,
    /// An annotation for the manifest, or for what TYPE names (repeatable)
    #[arg(long = "annotation", value_name = "[TYPE:]KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// The platforms to build for; several make an index (repeatable, or separated by commas)
    #[arg(long = "platform", value_name = "OS/ARCH", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    /// Another context by name: a directory, a git or archive URL, docker-image://REF or oci-layout://DIR (repeatable)
    #[arg(long = "build-context", value_name = "NAME=PLACE")]
    pub(crate) build_contexts: Vec<String>,
    /// A secret for RUN --mount=type=secret (repeatable)
    #[arg(long = "secret", value_name = "id=ID[,src=PATH|,env=VARIABLE]")]
    pub(crate) secrets: Vec<String>,
    /// An ssh agent for RUN --mount=type=ssh: that of SSH_AUTH_SOCK, a socket, or key files (repeatable)
    #[arg(long = "ssh", value_name = "ID[=SOCKET|KEYFILE]")]
    pub(crate) ssh: Vec<String>,
    /// An entry for /etc/hosts in RUN steps (repeatable)
    #[arg(long = "add-host", value_name = "HOST:ADDRESS")]
    pub(crate) add_hosts: Vec<String>,
    /// Push to the registries of the names given with -t
    #[arg(long)]
    pub(crate) push: bool,
    /// Write the image or its files: oci:DIR, oci-tar:FILE, docker-tar:FILE, DIR, -, or type=TYPE,dest=PATH,… (repeatable)
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    /// A name server for RUN steps, in place of this machine's (repeatable)
    #[arg(long = "dns", value_name = "ADDRESS")]
    pub(crate) dns: Vec<String>,
    /// A search domain for RUN steps, in place of this machine's (repeatable)
    #[arg(long = "dns-search", value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// The network of RUN steps that say nothing about it: default, host or none
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub(crate) network: Network,
    /// Allow what a Dockerfile may not ask for by itself: security.insecure, network.host (repeatable)
    #[arg(long = "allow", value_name = "ENTITLEMENT", value_delimiter = ',')]
    pub(crate) allow: Vec<Entitlement>,
    /// The size of /dev/shm in RUN steps, such as 128m
    #[arg(long, value_name = "SIZE")]
    pub(crate) shm_size: Option<String>,
    /// How much memory RUN steps may use together, such as 2g or 500Mi
    #[arg(short, long, value_name = "SIZE")]
    pub(crate) memory: Option<String>,
    /// How much memory and swap they may use together; -1 is any amount of swap
    #[arg(long, value_name = "SIZE", requires = "memory", allow_hyphen_values = true)]
    pub(crate) memory_swap: Option<String>,
    /// How many processors RUN steps may use together, such as 2, 0.5 or 500m
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cpus: Option<String>,
    /// How much processor time they may use in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", conflicts_with = "cpus")]
    pub(crate) cpu_quota: Option<String>,
    /// The period for --cpu-quota; default 100000
    #[arg(long, value_name = "MICROSECONDS", requires = "cpu_quota")]
    pub(crate) cpu_period: Option<String>,
    /// Their share of processor time when others want some; usual is 1024
    #[arg(short, long, value_name = "NUMBER")]
    pub(crate) cpu_shares: Option<String>,
    /// Which processors they may use, such as 0-3 or 0,2
    #[arg(long, value_name = "SET")]
    pub(crate) cpuset_cpus: Option<String>,
    /// Which nodes of memory they may use
    #[arg(long, value_name = "SET")]
    pub(crate) cpuset_mems: Option<String>,
    /// The control group below which that of RUN steps is made, from the root of its hierarchy
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<String>,
    /// What processes of RUN steps may use, such as nofile=1024:4096 (repeatable)
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]")]
    pub(crate) ulimits: Vec<String>,
    /// Run every step again
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Run the steps of a stage again (repeatable, or separated by commas)
    #[arg(long = "no-cache-filter", value_name = "STAGE", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Make one layer of all that the build adds to the base
    #[arg(long)]
    pub(crate) squash: bool,
    /// Say of each step why it runs and was not taken from the cache
    #[arg(long)]
    pub(crate) explain: bool,
    #[command(flatten)]
    pub(crate) caches: CacheArguments,
    /// Ask for base images even when they are here; always so for tags
    #[arg(long)]
    pub(crate) pull: bool,
    /// Attach SLSA provenance: true, false, or a list of mode=min or mode=max and builder-id=URI
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) provenance: Option<String>,
    /// Attach an SPDX document of the packages in the image: true or false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) sbom: Option<bool>,
    /// Print nothing but the digest, warnings and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Build nothing: tell what is likely a mistake in the Dockerfile
    #[arg(long)]
    pub(crate) check: bool,
    /// How the findings of --check are printed
    #[arg(long, value_enum, requires = "check", value_name = "FORMAT")]
    pub(crate) format: Option<CheckFormat>,
    /// Write the image's digest to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) digest_file: Option<PathBuf>,
    /// Write the image's configuration digest to this file; the index's digest for several platforms
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write buildx's metadata JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// Write a JSON report of the run to this file
    #[arg(long, value_name = "FILE", env = "WINDLASS_REPORT")]
    pub(crate) report: Option<PathBuf>,
    /// A policy plugin that must agree: a built-in name or a component file (repeatable)
    #[arg(long = "policy", value_name = "NAME|FILE")]
    pub(crate) policies: Vec<String>,
    /// The build engine: windlass, or the name of an engine mapper
    #[arg(long, default_value = "windlass", env = "WINDLASS_ENGINE")]
    pub(crate) engine: String,
    /// Set a plugin's setting (repeatable)
    #[arg(long = "set", value_name = "OWNER.SETTING=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// The machine's network
    Default,
    /// The same
    Host,
    /// A loopback interface alone
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Entitlement {
    /// RUN --security=insecure
    #[value(name = "security.insecure")]
    SecurityInsecure,
    /// RUN --network=host, which is allowed anyway
    #[value(name = "network.host")]
    NetworkHost,
}

#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// List the plugins there are
    List {
        /// How the list is printed
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show a plugin's settings, grants and digest, all read from the component
    Inspect {
        /// A built-in plugin's name, or a component file
        plugin: String,
        /// How it is printed
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The sections of `docs/cli.md` by the command that their heading names.
    fn section<'d>(documentation: &'d str, command: &str) -> &'d str {
        let heading = format!("\n## `windlass {command}");
        let from = documentation.find(&heading).unwrap_or_else(|| panic!("docs/cli.md has no section on `windlass {command}`"));
        let rest = &documentation[from + heading.len()..];
        rest.split("\n## ").next().unwrap()
    }

    #[test]
    fn every_option_of_run_and_build_is_documented() {
        let documentation = include_str!("../../../docs/cli.md");
        let arguments = Arguments::command();
        for name in ["run", "build"] {
            let section = section(documentation, name);
            let command = arguments.find_subcommand(name).unwrap();
            for option in command.get_arguments().filter_map(clap::Arg::get_long).filter(|option| *option != "help") {
                let is_there = ["`", " ", "=", "[", "\\", ","].iter().any(|end| section.contains(&format!("--{option}{end}")));
                assert!(is_there, "docs/cli.md does not tell of `windlass {name} --{option}`");
            }
            for short in command.get_arguments().filter_map(clap::Arg::get_short).filter(|short| *short != 'h') {
                assert!(section.contains(&format!("`-{short}`")), "docs/cli.md does not tell of `windlass {name} -{short}`");
            }
        }
    }

    #[test]
    fn every_command_is_documented() {
        let documentation = include_str!("../../../docs/cli.md");
        for command in Arguments::command().get_subcommands() {
            let _ = section(documentation, command.get_name());
        }
    }
}
