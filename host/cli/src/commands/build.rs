//! `windlass build`

use std::io::IsTerminal;
use std::process::ExitCode;

use windlass::sandbox::{Limits, Ulimit};
use windlass::step::{
    ArgumentValue, BuildArgument, BuildSettings, HostEntry, Output, Outputs, Place, SearchDomain, Step, parse_annotation,
    parse_control_group, parse_memory, parse_memory_and_swap, parse_name_server, parse_output, parse_period, parse_processors,
    parse_provenance, parse_quota, parse_secret, parse_set, parse_shares, parse_ssh, size,
};
use windlass::{Failure, Input, Request};
use windlass_core::{ExitCode as Code, Finding, Platform, Reference};

use super::reader::Reader;
use super::{carry_out, failed};
use crate::arguments::{BuildArguments, Entitlement, Network};
use crate::progress::Mode;

pub(crate) fn main(mut arguments: BuildArguments) -> ExitCode {
    if arguments.quiet {
        arguments.common.progress = Mode::Quiet;
    }
    let mode = arguments.common.progress;
    match request(&arguments) {
        Ok(Request { input: Input::CommandLine { step, .. }, .. }) if arguments.check => {
            super::check::main(&step.build, arguments.format.unwrap_or_default())
        }
        Ok(request) => carry_out(request, &arguments.common, arguments.explain),
        Err(findings) => failed(&Failure::new(Code::Settings, findings), mode),
    }
}

/// Reads what was typed; every mistake is told at once.
fn request(arguments: &BuildArguments) -> Result<Request, Vec<Finding>> {
    let mut reader = Reader::default();
    let mut references = reader.all("--tag", &arguments.tags, reference);
    let mut push = arguments.push;
    let outputs = reader.outputs(arguments, &mut references, &mut push);
    if push && references.is_empty() {
        let finding = Finding::deny("settings/missing", "a push needs a name to push to").about("--push");
        reader.problems.push(finding.help("name the image with -t REGISTRY/REPOSITORY:TAG"));
    }
    let mut step =
        Step {
            build: BuildSettings {
                context: arguments.context.clone(),
                dockerfile: arguments.file.clone(),
                target: arguments.target.clone(),
                platforms: reader
                    .all("--platform", &arguments.platforms, |text| Platform::parse(text).map_err(|error| error.to_string())),
                arguments: reader
                    .all("--build-arg", &arguments.build_args, |text| Ok(argument(text)))
                    .into_iter()
                    .flatten()
                    .collect(),
                labels: reader.all("--label", &arguments.labels, pair),
                annotations: reader.all("--annotation", &arguments.annotations, parse_annotation),
                no_cache: arguments.no_cache,
                no_cache_stages: arguments.no_cache_filter.clone(),
                squash: arguments.squash,
                cache_from: reader.cache_from(&arguments.caches),
                cache_to: reader.cache_to(&arguments.caches),
                shared_cache: reader.shared_cache(&arguments.caches),
                pull: arguments.pull,
                no_network: arguments.network == Network::None,
                allows_insecure: arguments.allow.contains(&Entitlement::SecurityInsecure),
                shm_size: reader.all("--shm-size", arguments.shm_size.as_slice(), size).pop(),
                limits: reader.limits(arguments),
                ulimits: reader.all("--ulimit", &arguments.ulimits, Ulimit::parse),
                dns: reader.all("--dns", &arguments.dns, parse_name_server),
                dns_search: reader.all("--dns-search", &arguments.dns_search, SearchDomain::parse),
                ssh: reader.all("--ssh", &arguments.ssh, parse_ssh),
                add_hosts: reader.all("--add-host", &arguments.add_hosts, HostEntry::parse),
                secrets: reader.all("--secret", &arguments.secrets, parse_secret),
                contexts: reader.all("--build-context", &arguments.build_contexts, |text| {
                    pair(text).and_then(|(name, place)| {
                        if name.is_empty() { Err(format!("`{text}` is not NAME=PATH")) } else { Ok((name, place)) }
                    })
                }),
                provenance: reader.all("--provenance", arguments.provenance.as_slice(), parse_provenance).pop().flatten(),
                sbom: arguments.sbom.unwrap_or_default(),
                ..BuildSettings::default()
            },
            push,
            outputs,
            ..Step::default()
        };
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok();
    reader.problems.extend(step.build.take_epoch(epoch.as_deref()).err());
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    Ok(Request {
        engine: arguments.engine.clone(),
        policies: arguments.policies.clone(),
        overrides: arguments.set.clone(),
        registry_map: arguments.common.registry_map.clone(),
        report: arguments.report.clone(),
        ..Request::new(Input::CommandLine { step: Box::new(step), references })
    })
}

impl Reader {
    fn limits(&mut self, arguments: &BuildArguments) -> Limits {
        let quota = self.one("--cpu-quota", arguments.cpu_quota.as_deref(), parse_quota);
        let period = self.one("--cpu-period", arguments.cpu_period.as_deref(), parse_period);
        let limits = Limits {
            memory: self.one("--memory", arguments.memory.as_deref(), parse_memory),
            memory_and_swap: self.one("--memory-swap", arguments.memory_swap.as_deref(), parse_memory_and_swap),
            processor: self.one("--cpus", arguments.cpus.as_deref(), parse_processors),
            quota: quota.map(|quota| (quota, period.unwrap_or(Limits::DEFAULT_PERIOD))),
            shares: self.one("--cpu-shares", arguments.cpu_shares.as_deref(), parse_shares),
            processors: self.one("--cpuset-cpus", arguments.cpuset_cpus.as_deref(), parse_set),
            nodes: self.one("--cpuset-mems", arguments.cpuset_mems.as_deref(), parse_set),
            parent: self.one("--cgroup-parent", arguments.cgroup_parent.as_deref(), parse_control_group),
        };
        if limits.memory_and_swap.is_some_and(|both| limits.memory.is_some_and(|memory| both < memory)) {
            let message = "memory and swap together cannot be less than the memory that --memory allows";
            self.problems.push(Finding::deny("settings/value", message).about("--memory-swap"));
        }
        limits
    }

    /// What `--output` says. Names of a pushed output take the place of those given with `-t`, as with docker.
    fn outputs(&mut self, arguments: &BuildArguments, references: &mut Vec<Reference>, push: &mut bool) -> Outputs {
        let mut outputs = Outputs {
            digest_file: arguments.digest_file.clone(),
            image_id_file: arguments.iidfile.clone(),
            metadata_file: arguments.metadata_file.clone(),
            ..Outputs::default()
        };
        let mut named: Option<Vec<Reference>> = None;
        for output in self.all("--output", &arguments.outputs, parse_output) {
            match output {
                Output::Export(export) => outputs.exports.push(export),
                Output::Image { names, push: pushes, encoding } => {
                    let names = self.all("--output", &names, reference);
                    if !names.is_empty() {
                        named.get_or_insert_default().extend(names);
                    }
                    *push |= pushes;
                    outputs.pushed = encoding;
                }
                Output::CacheOnly => {}
            }
        }
        if let Some(names) = named {
            if *push && arguments.push {
                references.extend(names);
            } else {
                *references = names;
            }
        }
        let to_standard_output = outputs.exports.iter().filter(|export| export.place == Place::StandardOutput).count();
        if to_standard_output > 1 {
            let finding = Finding::deny("settings/value", "standard output takes one output only").about("--output");
            self.problems.push(finding.help("give the others a dest"));
        } else if to_standard_output == 1 && std::io::stdout().is_terminal() {
            let finding = Finding::deny("settings/value", "an archive is not written to a terminal").about("--output");
            self.problems.push(finding.help("give it a dest, or send standard output to a file"));
        }
        outputs
    }
}

fn reference(text: &str) -> Result<Reference, String> {
    Reference::parse(text).map_err(|error| error.to_string())
}

/// `NAME=VALUE`, or `NAME` alone with the value of that variable, which is then not shown; nothing when it is not set.
fn argument(text: &str) -> Option<BuildArgument> {
    match text.split_once('=') {
        Some((name, value)) => Some(BuildArgument { name: name.to_owned(), value: ArgumentValue::Open(value.to_owned()) }),
        None => {
            let value = std::env::var(text).ok()?;
            Some(BuildArgument { name: text.to_owned(), value: ArgumentValue::Secret(value.into()) })
        }
    }
}

/// `KEY=VALUE`, or `KEY` alone with an empty value.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() { Err(format!("`{text}` is not KEY=VALUE")) } else { Ok((name.to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_may_have_empty_values_but_no_empty_keys() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a"), Ok(("a".to_owned(), String::new())));
        assert!(pair("=x").is_err());
    }
}
