//! `windlass build`

use std::path::PathBuf;
use std::process::ExitCode;

use windlass::step::{ArgumentValue, BuildArgument, BuildSettings, Outputs, Step, parse_host, parse_secret};
use windlass::{Failure, Input, Request};
use windlass_core::{ExitCode as Code, Finding, Platform, Reference};

use super::{carry_out, failed};
use crate::arguments::BuildArguments;

pub(crate) fn main(arguments: BuildArguments) -> ExitCode {
    let mode = arguments.common.progress;
    match request(&arguments) {
        Ok(request) => carry_out(request, &arguments.common),
        Err(findings) => failed(&Failure::new(Code::Settings, findings), mode),
    }
}

/// Reads what was typed; every mistake is told at once.
fn request(arguments: &BuildArguments) -> Result<Request, Vec<Finding>> {
    let mut reader = Reader::default();
    let references = reader.all("--tag", &arguments.tags, |text| Reference::parse(text).map_err(|error| error.to_string()));
    if arguments.push && arguments.tags.is_empty() {
        let finding = Finding::deny("settings/missing", "--push needs a name to push to").about("--push");
        reader.problems.push(finding.help("name the image with -t REGISTRY/REPOSITORY:TAG"));
    }
    let step =
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
                annotations: reader.all("--annotation", &arguments.annotations, pair),
                no_cache: arguments.no_cache,
                pull: arguments.pull,
                add_hosts: reader.all("--add-host", &arguments.add_hosts, |text| {
                    parse_host(text).ok_or_else(|| format!("`{text}` is not HOST:ADDRESS"))
                }),
                secrets: reader.all("--secret", &arguments.secrets, parse_secret),
                contexts: reader.all("--build-context", &arguments.build_contexts, |text| {
                    pair(text).and_then(|(name, place)| {
                        if name.is_empty() { Err(format!("`{text}` is not NAME=PATH")) } else { Ok((name, place)) }
                    })
                }),
                source_date_epoch: reader.epoch(),
                ..BuildSettings::default()
            },
            push: arguments.push,
            outputs: reader.outputs(arguments),
            ..Step::default()
        };
    if !reader.problems.is_empty() {
        return Err(reader.problems);
    }
    Ok(Request {
        input: Input::CommandLine { step: Box::new(step), references },
        engine: arguments.engine.clone(),
        policies: arguments.policies.clone(),
        overrides: arguments.set.clone(),
        registry_map: arguments.common.registry_map.clone(),
        no_push: false,
        report: arguments.report.clone(),
    })
}

#[derive(Default)]
struct Reader {
    problems: Vec<Finding>,
}

impl Reader {
    fn all<T>(&mut self, option: &str, texts: &[String], read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let mut values = Vec::new();
        for text in texts {
            match read(text) {
                Ok(value) => values.push(value),
                Err(message) => self.problems.push(Finding::deny("settings/value", message).about(option)),
            }
        }
        values
    }

    fn epoch(&mut self) -> Option<i64> {
        let text = std::env::var("SOURCE_DATE_EPOCH").ok().filter(|text| !text.is_empty())?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            let message = format!("SOURCE_DATE_EPOCH must be seconds since 1970, not `{text}`");
            self.problems.push(Finding::deny("settings/value", message).about("SOURCE_DATE_EPOCH"));
        }
        parsed
    }

    fn outputs(&mut self, arguments: &BuildArguments) -> Outputs {
        let mut outputs = Outputs {
            digest_file: arguments.digest_file.clone(),
            image_id_file: arguments.iidfile.clone(),
            ..Outputs::default()
        };
        for text in &arguments.outputs {
            match output(text) {
                Some(("oci", path)) => outputs.oci_layouts.push(path),
                Some(("oci-tar", path)) => outputs.oci_archives.push(path),
                Some(("docker-tar", path)) => outputs.docker_archives.push(path),
                _ => {
                    let finding = Finding::deny("settings/value", format!("`{text}` is not an output")).about("--output");
                    self.problems.push(finding.help("write oci:DIR, oci-tar:FILE or docker-tar:FILE"));
                }
            }
        }
        outputs
    }
}

fn output(text: &str) -> Option<(&str, PathBuf)> {
    let (kind, path) = text.split_once(':')?;
    Some((kind, PathBuf::from(path))).filter(|(_, path)| !path.as_os_str().is_empty())
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
    fn outputs_have_a_kind_and_a_path() {
        assert_eq!(output("oci:/x:y"), Some(("oci", PathBuf::from("/x:y"))));
        assert_eq!(output("oci:"), None);
        assert_eq!(output("dir"), None);
    }

    #[test]
    fn pairs_may_have_empty_values_but_no_empty_keys() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a"), Ok(("a".to_owned(), String::new())));
        assert!(pair("=x").is_err());
    }
}
