//! Global arguments: `ARG` before the first `FROM`, and those that describe the platforms.

use std::collections::BTreeMap;

use windlass_core::{Finding, Platform};

use super::Request;
use crate::expand::Growth;
use crate::instruction::Instruction;
use crate::parse::Dockerfile;
use crate::scope::{BuildArguments, PROXIES};

/// The arguments that every build has in its global scope.
pub const PLATFORM_ARGUMENTS: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// Whether a build argument has a meaning without being declared.
pub(super) fn is_predefined(name: &str) -> bool {
    PLATFORM_ARGUMENTS.contains(&name)
        || PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
        || name.starts_with("BUILDKIT_")
        || name == "SOURCE_DATE_EPOCH"
}

/// The given build arguments together with the values of the global ones.
///
/// A given value wins over a default, which is expanded with the globals before it; one without either has no value.
pub(crate) fn evaluate(dockerfile: &Dockerfile, request: &Request) -> Result<BuildArguments, Box<Finding>> {
    let given = &request.build_arguments;
    let mut globals = platform_arguments(dockerfile, request);
    for (name, value) in &mut globals {
        if let Some(given) = given.get(name) {
            value.clone_from(given);
        }
    }
    let growth = Growth::default();
    for statement in &dockerfile.globals {
        let Instruction::Arg(arg) = &statement.instruction else { continue };
        for argument in &arg.arguments {
            let value = match (given.get(&argument.name), &argument.default) {
                (Some(given), _) => given.clone(),
                (None, Some(default)) => growth
                    .word(default, &globals, statement.escape)
                    .map_err(|error| Box::new(statement.expand_finding(&error)))?,
                (None, None) => continue,
            };
            globals.insert(argument.name.clone(), value);
        }
    }
    Ok(BuildArguments { given: given.clone(), globals })
}

fn platform_arguments(dockerfile: &Dockerfile, request: &Request) -> BTreeMap<String, String> {
    let last = dockerfile.stages.last().and_then(|stage| stage.from.name.as_deref());
    let stage = request.target.as_deref().or(last).unwrap_or("default");
    let mut arguments = BTreeMap::from([("TARGETSTAGE".to_owned(), stage.to_owned())]);
    for (prefix, platform) in [("BUILD", &request.build_platform), ("TARGET", &request.target_platform)] {
        arguments.extend(describe(prefix, platform));
    }
    arguments
}

fn describe(prefix: &str, platform: &Platform) -> [(String, String); 5] {
    [
        ("PLATFORM", platform.to_string()),
        ("OS", platform.os().to_owned()),
        ("OSVERSION", String::new()),
        ("ARCH", platform.architecture().to_owned()),
        ("VARIANT", platform.variant().unwrap_or_default().to_owned()),
    ]
    .map(|(name, value)| (format!("{prefix}{name}"), value))
}
