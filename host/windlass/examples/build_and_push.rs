//! A CI agent in small: reads a step file, makes the plan, carries it out, and prints the report.
//!
//! `build_and_push STEP_FILE STORE`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use windlass::core::{Event, EventSink, Finding};
use windlass::environment::{Environment, cache_home};
use windlass::{Failure, Input, Machine, Plugins, Report, Request, Surroundings, sandbox};

fn main() -> ExitCode {
    // A build starts this program again, for RUN steps and to compile plugins: `init` does that work, and comes first.
    if let Some(code) = windlass::init() {
        return code;
    }
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(step), Some(store)) = (arguments.next(), arguments.next()) else {
        tell("usage: build_and_push STEP_FILE STORE");
        return ExitCode::from(2);
    };
    match machine(&store).and_then(|machine| carry_out(step, machine)) {
        Ok(report) => {
            let text = serde_json::to_string_pretty(&report).expect("a report is plain data");
            let _ = writeln!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            failure.findings.iter().for_each(|finding| tell(&finding.to_string()));
            ExitCode::from(failure.code.code())
        }
    }
}

/// Settles how RUN steps are isolated. It may enter a user namespace, which works only while the process has one thread.
fn machine(store: &Path) -> Result<Machine, Failure> {
    let failed = |message: String| Failure::one(windlass::core::ExitCode::Build, Finding::deny("agent/machine", message));
    std::fs::create_dir_all(store).map_err(|error| failed(error.to_string()))?;
    let request = sandbox::Request { wanted: None, store: Some(store.to_owned()) };
    let probe = sandbox::enter_user_namespace(&request).map_err(|error| failed(error.to_string()))?;
    let cancel = sandbox::Cancel::new().map_err(|error| failed(error.to_string()))?;
    Ok(Machine { store: store.to_owned(), probe, cancel })
}

#[tokio::main]
async fn carry_out(step: PathBuf, machine: Machine) -> Result<Report, Failure> {
    let environment = Environment::of_this_process();
    // Events come as data, from many threads; this agent shows the titles of what begins, and warnings.
    let events = EventSink::new(|event| match event {
        Event::Started { title, .. } => tell(&title),
        Event::Notice { finding } => tell(&finding.to_string()),
        _ => {}
    });
    let surroundings = Surroundings {
        plugins: Plugins::new(Vec::new(), cache_home(&environment).join("my-agent/plugins")),
        environment,
        configuration: windlass::configuration::Configuration::default(),
        directory: PathBuf::new(),
        store: machine.store.clone(),
        events,
    };
    let planned = windlass::plan(&Request::new(Input::File { path: step, step: None }), &surroundings).await?;
    // Nothing has changed yet: an agent may show `planned.plan`, or ask whether to go on.
    let (report, result) = windlass::run(planned, &surroundings, &machine).await;
    result.map(|()| report)
}

fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
