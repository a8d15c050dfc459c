//! One file a command: what was typed becomes what is asked of the library, and what it says becomes text and exit code.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod plan;
pub(crate) mod plugin;
mod reader;
pub(crate) mod run;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::ValueEnum as _;
use windlass::configuration::{self, Configuration};
use windlass::environment::{Environment, cache_home};
use windlass::sandbox::{self, Cancel, Isolation};
use windlass::{Failure, Input, Machine, Plugins, Report, Request, Surroundings};
use windlass_core::{EventSink, ExitCode as Code, Finding, chain};

use crate::arguments::{CommonArguments, StepArguments};
use crate::progress::{Mode, Progress};
use crate::{errors, json};

/// How long a cancelled run may take to stop its processes and clean up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints what clap says: help and version on standard output with success, mistakes on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // Nobody reads a closed pipe, and nothing else depends on it.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { Code::Settings.code() } else { Code::Success.code() })
}

/// Becomes root of a user namespace where that is needed, before any thread starts.
fn prepare_machine(
    store: Option<&Path>,
    isolation: &str,
    environment: &Environment,
    configuration: &Configuration,
) -> Result<Machine, Failure> {
    let store = store_directory(store, environment, configuration);
    let wanted = match isolation {
        "auto" => None,
        text => Some(text.parse::<Isolation>().map_err(|error| {
            let finding = Finding::deny("settings/isolation", error.to_string()).about("--isolation");
            Failure::one(Code::Settings, finding)
        })?),
    };
    let refused = |message: String| Failure::one(Code::Build, Finding::deny("sandbox/unavailable", message));
    // The place where layers will be decides what the kernel can do there.
    std::fs::create_dir_all(&store).map_err(|error| {
        let finding = Finding::deny("store/unusable", format!("cannot create the store {}: {error}", store.display()));
        Failure::one(Code::Build, finding.help("name another directory with --store or WINDLASS_STORE"))
    })?;
    let request = sandbox::Request { wanted, store: Some(store.clone()) };
    let probe = sandbox::enter_user_namespace(&request).map_err(|error| refused(chain(&error)))?;
    let cancel = Cancel::new().map_err(|error| refused(error.to_string()))?;
    Ok(Machine { store, probe, cancel })
}

fn configuration(file: Option<&Path>, environment: &Environment) -> Result<Configuration, Failure> {
    configuration::load(file, environment).map_err(|finding| Failure::one(Code::Settings, finding))
}

/// Where layers and caches are kept.
fn store_directory(named: Option<&Path>, environment: &Environment, configuration: &Configuration) -> PathBuf {
    let named = named.or(configuration.store.as_deref());
    named.map_or_else(|| cache_home(environment).join("windlass"), Path::to_path_buf)
}

/// What every command needs: environment, configuration, plugins.
fn surroundings(
    common: &CommonArguments,
    environment: Environment,
    configuration: Configuration,
    events: EventSink,
) -> Surroundings {
    let files = configuration.plugins.iter().chain(&common.plugins).cloned().collect();
    let plugins = Plugins::new(files, cache_home(&environment).join("windlass/plugins"))
        .grant(configuration.grants.clone())
        .limits(configuration.limits.clone());
    let store = store_directory(common.store.as_deref(), &environment, &configuration);
    Surroundings { environment, configuration, plugins, directory: PathBuf::new(), store, events }
}

fn request(step: &StepArguments) -> Request {
    let input = match (&step.file, step.from_env) {
        (Some(path), _) => Input::File { path: path.clone(), step: step.step.clone() },
        (None, variant) => Input::Variables {
            variant: variant
                .and_then(|variant| variant.to_possible_value())
                .map_or_else(String::new, |value| value.get_name().to_owned()),
        },
    };
    Request {
        engine: step.engine.clone(),
        tag_policies: step.tag_policies.clone(),
        policies: step.policies.clone(),
        overrides: step.set.clone(),
        registry_map: step.common.registry_map.clone(),
        ..Request::new(input)
    }
}

/// Runs `work` until it ends or a signal asks to stop; `cancel` then ends what runs.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>, cancel: Option<&Cancel>) -> Result<T, Failure> {
    let started = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = started.map_err(|error| Failure::one(Code::Internal, Finding::deny("internal", error.to_string())))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = work => result,
            signal = stopped() => {
                if let Some(cancel) = cancel {
                    cancel.cancel();
                }
                Err(Failure::cancelled(&format!("stopped by {signal}")))
            }
        }
    });
    runtime.shutdown_timeout(PATIENCE);
    result
}

async fn stopped() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    }
}

/// Carries out a request, with progress, and prints how it ended.
fn carry_out(request: Request, common: &CommonArguments, explains: bool) -> ExitCode {
    let environment = Environment::of_this_process();
    let prepared = configuration(common.config.as_deref(), &environment).and_then(|mut configuration| {
        configuration.store_limit = common.store_limit.unwrap_or(configuration.store_limit);
        let machine = prepare_machine(common.store.as_deref(), &common.isolation, &environment, &configuration)?;
        Ok((machine, configuration))
    });
    let (machine, configuration) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return failed(&failure, common.progress),
    };
    let (progress, events) = Progress::start(common.progress, explains);
    let takes_standard_output = match &request.input {
        Input::CommandLine { step, .. } => step.outputs.takes_standard_output(),
        Input::File { .. } | Input::Variables { .. } => false,
    };
    let work = async {
        let surroundings = surroundings(common, environment, configuration, events);
        let planned = windlass::plan(&request, &surroundings).await?;
        let (report, result) = windlass::run(planned, &surroundings, &machine).await;
        result.map(|()| report)
    };
    let result = block_on(work, Some(&machine.cancel));
    progress.close();
    match result {
        Ok(report) => succeeded(&report, common.progress, takes_standard_output),
        Err(failure) => failed(&failure, common.progress),
    }
}

/// The digest goes to standard output, where scripts take it from; what people want to know goes to standard error.
fn succeeded(report: &Report, mode: Mode, takes_standard_output: bool) -> ExitCode {
    let Some(image) = &report.image else { return ExitCode::SUCCESS };
    if !matches!(mode, Mode::Quiet | Mode::Json) {
        let mut text = String::new();
        for reference in &report.pushed {
            text += &format!("pushed {reference}\n");
        }
        for link in &report.links {
            text += &format!("{}: {}\n", link.title, link.url);
        }
        if let Some(first) = report.pushed.first() {
            text += &format!("look at it with: skopeo inspect docker://{first}\n");
        }
        error_text(&text);
    }
    if !takes_standard_output {
        let _ = writeln!(std::io::stdout(), "{}", image.digest);
    }
    ExitCode::SUCCESS
}

/// Every problem, with the source line where there is one, then the last output of what failed.
fn failed(failure: &Failure, mode: Mode) -> ExitCode {
    if mode == Mode::Json {
        for finding in &failure.findings {
            let error = serde_json::json!({"event": "error", "code": failure.code.code(), "finding": finding});
            error_text(&json::line(&error));
        }
        return ExitCode::from(failure.code.code());
    }
    let colour = std::io::stderr().is_terminal();
    let mut text = String::new();
    if !failure.output.is_empty() {
        text += "last output:\n";
        for line in &failure.output {
            text += &format!("  {}\n", crate::progress::clean(line));
        }
    }
    for finding in &failure.findings {
        text += &errors::in_full(finding, colour);
    }
    error_text(&text);
    ExitCode::from(failure.code.code())
}

fn error_text(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn output_text(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
