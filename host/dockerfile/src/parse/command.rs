//! `RUN`, `CMD`, `ENTRYPOINT` and `HEALTHCHECK`.

use super::flags::Flags;
use super::json::{self, Json};
use super::problem::Problem;
use super::statement::Arguments;
use super::words;
use crate::expand::clip;
use crate::go;
use crate::instruction::health::Healthcheck;
use crate::instruction::mount::{MountError, MountOptions};
use crate::instruction::run::{Device, Network, Security};
use crate::instruction::{CommandLine, HealthcheckInstruction, RunInstruction};

/// The shortest duration of a health check, in nanoseconds.
const MINIMUM_DURATION: i64 = 1_000_000;

/// The rest of the line in exec or shell form.
pub(super) fn command_line(arguments: &mut Arguments<'_>) -> Option<CommandLine> {
    match json::read(arguments.text()) {
        Json::Strings(words) => Some(CommandLine::Exec(words)),
        Json::Text => Some(CommandLine::Shell(arguments.text().to_owned())),
        Json::OtherArray => {
            arguments.report_other_array();
            None
        }
    }
}

pub(super) fn run(arguments: &mut Arguments<'_>) -> Option<RunInstruction> {
    let flags = arguments.flags();
    let mounts = mounts(&flags, arguments);
    let network =
        chosen(&flags, "network", &[("default", Network::Default), ("none", Network::None), ("host", Network::Host)], arguments);
    let security = chosen(&flags, "security", &[("sandbox", Security::Sandbox), ("insecure", Security::Insecure)], arguments);
    let devices = devices(&flags, arguments);
    let command = command_line(arguments)?;
    Some(RunInstruction { command, heredocs: std::mem::take(&mut arguments.heredocs), mounts, network, security, devices })
}

fn chosen<T: Copy + Default>(flags: &Flags, name: &str, known: &[(&str, T)], arguments: &mut Arguments<'_>) -> T {
    let Some(value) = flags.text(name) else { return T::default() };
    if let Some((_, chosen)) = known.iter().find(|(text, _)| *text == value) {
        return *chosen;
    }
    let names: Vec<&str> = known.iter().map(|(text, _)| *text).collect();
    let problem = Problem::new("dockerfile/flag", format!("`{}` is not a value of --{name}", clip(&value)));
    arguments.report(problem.at(flags.range(name)).help(format!("it is one of {}", names.join(", "))));
    T::default()
}

/// The mounts. Their options are checked once their variables are filled in, but for `from`, which takes none.
fn mounts(flags: &Flags, arguments: &mut Arguments<'_>) -> Vec<MountOptions> {
    let mut mounts = Vec::new();
    for (text, range) in flags.texts("mount") {
        match MountOptions::parse(text) {
            Ok(mount) => {
                if mount.from().is_some_and(|from| from.trim_end_matches('$').contains('$')) {
                    let problem = Problem::new("dockerfile/mount", "variables are not supported in the from of a mount");
                    arguments.report(problem.at(range).help(
                        "give the image a stage of its own, `FROM image:$TAG AS name` with a global ARG, and mount from that",
                    ));
                }
                mounts.push(mount);
            }
            Err(error) => arguments.report(mount_problem(&error).at(range)),
        }
    }
    mounts
}

fn mount_problem(error: &MountError) -> Problem {
    Problem::new("dockerfile/mount", format!("read --mount: {error}"))
}

fn devices(flags: &Flags, arguments: &mut Arguments<'_>) -> Vec<Device> {
    let mut devices = Vec::new();
    for (text, range) in flags.texts("device") {
        match device(text) {
            Ok(device) => devices.push(device),
            Err(message) => arguments.report(Problem::new("dockerfile/flag", message).at(range)),
        }
    }
    devices
}

/// `name[,required]`, where the name may also be written `name=…` or be one of a class, `vendor.com/class=…`.
fn device(text: &str) -> Result<Device, String> {
    let mut device = Device { name: String::new(), is_required: false };
    for field in go::comma_separated(text).unwrap_or_default() {
        match field.split_once('=') {
            None if field == "required" => device.is_required = true,
            None if device.name.is_empty() => device.name = field,
            Some(("name", name)) if device.name.is_empty() => device.name = name.to_owned(),
            // The names of the container device interface: `vendor.com/class=name`.
            Some((class, _)) if device.name.is_empty() && class.contains('/') => device.name = field,
            Some(("required", value)) => {
                let expected = || format!("`{}` is not a value of required: expected true or false", clip(value));
                device.is_required = go::parse_bool(value).ok_or_else(expected)?;
            }
            _ => return Err(format!("`{}` is not an option of --device: it takes a name and `required`", clip(&field))),
        }
    }
    if device.name.is_empty() { Err("--device lacks the device's name".to_owned()) } else { Ok(device) }
}

pub(super) fn healthcheck(arguments: &mut Arguments<'_>) -> Option<HealthcheckInstruction> {
    let flags = arguments.flags();
    let (kind, rest) = words::name_and_rest(arguments.line, arguments.range.clone());
    let text = arguments.line[kind.clone()].to_ascii_uppercase();
    match text.as_str() {
        "NONE" if rest.is_empty() => Some(HealthcheckInstruction::None),
        "CMD" => {
            arguments.range = rest;
            check(&flags, arguments).map(HealthcheckInstruction::Check)
        }
        "" => {
            arguments.report(Problem::arguments("HEALTHCHECK requires at least one argument"));
            None
        }
        "NONE" => {
            arguments.report(Problem::arguments("HEALTHCHECK NONE takes no arguments").at(rest));
            None
        }
        _ => {
            let problem = Problem::arguments(format!("`{}` is not a kind of HEALTHCHECK: expected CMD or NONE", clip(&text)));
            arguments.report(problem.at(kind));
            None
        }
    }
}

fn check(flags: &Flags, arguments: &mut Arguments<'_>) -> Option<Healthcheck> {
    let [interval, timeout, start_period, start_interval] =
        ["interval", "timeout", "start-period", "start-interval"].map(|name| duration(flags, name, arguments));
    let retries = retries(flags, arguments);
    let command = command_line(arguments)?;
    let is_empty = match &command {
        CommandLine::Shell(text) => text.is_empty(),
        CommandLine::Exec(words) => words.is_empty(),
    };
    if is_empty {
        arguments.report(Problem::arguments("HEALTHCHECK CMD lacks its command"));
        return None;
    }
    Some(Healthcheck { command, interval, timeout, start_period, start_interval, retries })
}

fn duration(flags: &Flags, name: &str, arguments: &mut Arguments<'_>) -> i64 {
    let Some(text) = flags.text(name) else { return 0 };
    let message = match go::parse_duration(&text) {
        Some(duration) if duration == 0 || duration >= MINIMUM_DURATION => return duration,
        Some(_) => format!("--{name} must be 0 or at least 1ms, not `{}`", clip(&text)),
        None => format!("`{}` is not a duration: --{name} takes one such as 30s or 1m30s", clip(&text)),
    };
    arguments.report(Problem::new("dockerfile/flag", message).at(flags.range(name)));
    0
}

fn retries(flags: &Flags, arguments: &mut Arguments<'_>) -> u32 {
    let Some(text) = flags.text("retries") else { return 0 };
    match text.parse::<i32>().ok().and_then(|retries| u32::try_from(retries).ok()) {
        Some(retries) => retries,
        None => {
            let message = format!("`{}` is not a number of --retries: expected 0 or more", clip(&text));
            arguments.report(Problem::new("dockerfile/flag", message).at(flags.range("retries")));
            0
        }
    }
}
