//! `windlass plugin`

use std::process::ExitCode;

use serde_json::json;
use windlass::environment::{Environment, cache_home};
use windlass::{Plugin, Plugins};
use windlass_core::setting::Spec;

use super::{block_on, failed, output_text};
use crate::arguments::{Format, PluginArguments, PluginCommand};
use crate::json;
use crate::progress::{Mode, clean};
use crate::table::aligned;

pub(crate) fn main(arguments: PluginArguments) -> ExitCode {
    let plugins = Plugins::new(Vec::new(), cache_home(&Environment::of_this_process()).join("windlass/plugins"));
    let work = async {
        match &arguments.command {
            PluginCommand::List { format } => Ok(list(&plugins.all().await?, *format)),
            PluginCommand::Inspect { plugin, format } => Ok(inspect(&plugins.named(plugin).await?, *format)),
        }
    };
    match block_on(work, None) {
        Ok(text) => {
            output_text(&text);
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure, Mode::Plain),
    }
}

fn list(plugins: &[Plugin], format: Format) -> String {
    if format == Format::Json {
        let entries: Vec<_> = plugins.iter().map(Plugin::planned).collect();
        return json::document(&json!(entries));
    }
    let mut rows = vec![["NAME", "ROLE", "VERSION", "FROM", "SUMMARY"].map(str::to_owned).to_vec()];
    for plugin in plugins {
        let planned = plugin.planned();
        let summary = clean(&plugin.description().summary).into_owned();
        rows.push(vec![planned.name, planned.role, planned.version, planned.source, summary]);
    }
    aligned(&rows)
}

fn inspect(plugin: &Plugin, format: Format) -> String {
    let description = plugin.description();
    if format == Format::Json {
        let mut document = json!(description);
        document["role"] = json!(plugin.role().name());
        document["digest"] = json!(plugin.digest());
        document["source"] = json!(plugin.origin());
        return json::document(&document);
    }
    let mut rows = vec![
        vec!["name".to_owned(), description.name.clone()],
        vec!["role".to_owned(), plugin.role().name().to_owned()],
        vec!["version".to_owned(), description.version.clone()],
        vec!["digest".to_owned(), plugin.digest().to_string()],
        vec!["from".to_owned(), plugin.origin().to_owned()],
        vec!["summary".to_owned(), description.summary.clone()],
    ];
    rows.extend(description.documentation.iter().map(|link| vec!["documentation".to_owned(), link.clone()]));
    let mut text = aligned(&rows);
    if !description.settings.is_empty() {
        text += "\nSettings\n";
        description.settings.iter().for_each(|setting| text += &shown(setting));
    }
    if !description.grants.is_empty() {
        text += "\nGrants\n";
        for grant in &description.grants {
            let capability = serde_json::to_value(&grant.capability).map(|value| value.to_string()).unwrap_or_default();
            text += &format!("  {} {capability}\n      {}\n", grant.name, grant.reason);
        }
    }
    text.lines().map(|line| clean(line).into_owned() + "\n").collect()
}

fn shown(setting: &Spec) -> String {
    let mut facts = vec![setting.kind.to_string()];
    if setting.required {
        facts.push("required".to_owned());
    }
    facts.extend(setting.default.iter().map(|default| format!("default {default}")));
    if !setting.choices.is_empty() {
        facts.push(format!("one of {}", setting.choices.join(", ")));
    }
    if !setting.aliases.is_empty() {
        facts.push(format!("also {}", setting.aliases.join(", ")));
    }
    format!("  {} ({})\n      {}\n", setting.name, facts.join("; "), setting.help)
}
