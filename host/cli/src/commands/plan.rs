//! `windlass plan`

use std::process::ExitCode;

use windlass::environment::Environment;
use windlass_core::Plan;
use windlass_core::plan::SettingState;

use super::{block_on, configuration, failed, output_text, request, surroundings};
use crate::arguments::{Format, PlanArguments};
use crate::json;
use crate::progress::{Progress, clean};
use crate::table::aligned;

pub(crate) fn main(arguments: PlanArguments) -> ExitCode {
    let common = &arguments.step.common;
    let (progress, events) = Progress::start(common.progress, false);
    let work = async {
        let environment = Environment::of_this_process();
        let configuration = configuration(common.config.as_deref(), &environment)?;
        let surroundings = surroundings(common, environment, configuration, events);
        windlass::plan(&request(&arguments.step), &surroundings).await
    };
    let result = block_on(work, None);
    progress.close();
    match result {
        Ok(planned) => {
            output_text(&match arguments.format {
                Format::Table => table(&planned.plan),
                Format::Json => json::document(&serde_json::json!(planned.plan)),
            });
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure, common.progress),
    }
}

fn table(plan: &Plan) -> String {
    let row = |cells: &[&str]| -> Vec<String> { cells.iter().map(|cell| clean(cell).into_owned()).collect() };
    let mut rows = Vec::new();
    for destination in &plan.destinations {
        let verb = if plan.push { "push to" } else { "name" };
        for tag in &destination.tags {
            rows.push(row(&[verb, &format!("{}/{}:{tag}", destination.registry, destination.repository)]));
        }
    }
    rows.push(row(&["engine", &plan.engine.name]));
    if !plan.engine.command.is_empty() {
        rows.push(row(&["command", &plan.engine.command.join(" ")]));
    }
    match &plan.build.archive {
        Some(archive) => rows.push(row(&["archive", archive])),
        None => rows.push(row(&["context", &plan.build.context])),
    }
    rows.extend(plan.build.dockerfile.as_ref().map(|dockerfile| row(&["dockerfile", dockerfile])));
    rows.extend(plan.build.target.as_ref().map(|target| row(&["target", target])));
    for platform in &plan.build.platforms {
        rows.push(row(&["platform", &platform.to_string()]));
    }
    for base in &plan.build.bases {
        rows.push(row(&["base", &base.reference]));
    }
    if plan.build.squash {
        rows.push(row(&["layers", "one for all that the build adds"]));
    }
    if let Some(cache) = &plan.build.cache_repository {
        rows.push(row(&["cache", &cache.to_string()]));
    }
    for (verb, caches) in [("cache from", &plan.build.cache_from), ("cache to", &plan.build.cache_to)] {
        rows.extend(caches.iter().map(|cache| row(&[verb, cache])));
    }
    for (name, value) in &plan.build.build_args {
        rows.push(row(&["build argument", &format!("{name}={}", value.as_deref().unwrap_or("[redacted]"))]));
    }
    for (name, value) in &plan.build.labels {
        rows.push(row(&["label", &format!("{name}={value}")]));
    }
    for output in &plan.outputs {
        rows.push(row(&[&output.kind, &output.path]));
    }
    let mut text = aligned(&rows);
    if !plan.plugins.is_empty() {
        let mut rows = vec![row(&["PLUGIN", "ROLE", "VERSION", "FROM", "DIGEST"])];
        rows.extend(
            plan.plugins.iter().map(|p| row(&[&p.name, &p.role, &p.version, &p.source, p.digest.get(..19).unwrap_or(&p.digest)])),
        );
        text += &format!("\n{}", aligned(&rows));
    }
    if !plan.settings.is_empty() {
        let mut rows = vec![row(&["SETTING", "STATE", "BECOMES", "VALUE", "NOTE"])];
        for setting in &plan.settings {
            let state = match setting.state {
                SettingState::Used => "used",
                SettingState::Ignored => "ignored",
                SettingState::Unknown => "unknown",
            };
            let value = setting.value.as_deref().unwrap_or("-");
            rows.push(row(&[
                &setting.origin,
                state,
                &setting.becomes.join(" "),
                value,
                setting.note.as_deref().unwrap_or_default(),
            ]));
        }
        text += &format!("\n{}", aligned(&rows));
    }
    for finding in &plan.findings {
        text += &format!("\n{}\n", crate::errors::one_line(finding));
    }
    text
}
