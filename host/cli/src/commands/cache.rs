//! `windlass cache`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use windlass::cache::{self, Entry, Kind, Limits};
use windlass::environment::Environment;

use super::{configuration, failed, output_text, prepare_machine};
use crate::arguments::Format;
use crate::json;
use crate::progress::Mode;
use crate::table::aligned;

#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    #[command(subcommand)]
    command: CacheCommand,
    /// The store's directory
    #[arg(long, value_name = "DIR", env = "WINDLASS_STORE", global = true)]
    store: Option<PathBuf>,
    /// The configuration file, which may name the store; default $XDG_CONFIG_HOME/windlass/config.toml
    #[arg(long, value_name = "FILE", env = "WINDLASS_CONFIG", global = true)]
    config: Option<PathBuf>,
    /// The isolation that the builds have: auto, root, subordinate-ids or single-id
    #[arg(long, default_value = "auto", env = "WINDLASS_ISOLATION", global = true)]
    isolation: String,
    /// How the result is printed
    #[arg(long, value_enum, default_value = "table", global = true)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Show what the store holds
    Du,
    /// Remove what was used longest ago
    Prune(PruneArguments),
    /// Write the directories of RUN --mount=type=cache to a file
    Save(SaveArguments),
    /// Put the directories in such a file into the place of those in the store
    Load {
        /// The file that `save` has written
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct SaveArguments {
    /// The file, a tar archive compressed with zstd
    file: PathBuf,
    /// Only the directory of this id; without `id=` the mount's target is its id (repeatable)
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
}

#[derive(Debug, Args)]
struct PruneArguments {
    /// Remove until at most this much is left, such as 20GB or 512MiB
    #[arg(long, value_name = "SIZE", value_parser = cache::size, required_unless_present = "older_than")]
    max_size: Option<u64>,
    /// Remove what has not been used for this long, such as 7d or 12h
    #[arg(long, value_name = "DURATION", value_parser = cache::age)]
    older_than: Option<Duration>,
    /// Keep everything of this kind: steps, digests, snapshots, blobs or mounts (repeatable)
    #[arg(long, value_name = "KIND", value_parser = kind)]
    keep: Vec<Kind>,
}

pub(crate) fn main(arguments: &CacheArguments) -> ExitCode {
    // Files of rootless builds belong to ids that only their user namespace may touch.
    let environment = Environment::of_this_process();
    let machine = configuration(arguments.config.as_deref(), &environment)
        .and_then(|found| prepare_machine(arguments.store.as_deref(), &arguments.isolation, &environment, &found));
    let entries = |entries: Vec<Entry>| shown(&entries, arguments.format);
    let result = machine.and_then(|machine| match &arguments.command {
        CacheCommand::Du => cache::entries(&machine.store).map(entries),
        CacheCommand::Prune(prune) => cache::prune(&machine.store, &limits(prune)).map(entries),
        CacheCommand::Save(save) => cache::save(&machine, &save.file, &save.ids).map(|count| carried(count, arguments.format)),
        CacheCommand::Load { file } => cache::load(&machine, file).map(|count| carried(count, arguments.format)),
    });
    match result {
        Ok(text) => {
            output_text(&text);
            ExitCode::SUCCESS
        }
        Err(failure) => failed(&failure, Mode::Plain),
    }
}

fn limits(arguments: &PruneArguments) -> Limits {
    Limits { older_than: arguments.older_than, max_size: arguments.max_size, keep: arguments.keep.clone() }
}

/// How many directories were saved or loaded.
fn carried(count: usize, format: Format) -> String {
    match format {
        Format::Json => json::document(&json!({"mounts": count})),
        Format::Table => format!("{count} cache {}\n", if count == 1 { "directory" } else { "directories" }),
    }
}

/// One line a kind, then the sum.
fn shown(entries: &[Entry], format: Format) -> String {
    let sums = Kind::ALL.map(|kind| {
        let of_kind = entries.iter().filter(move |entry| entry.kind == kind);
        (kind.name(), of_kind.clone().count(), of_kind.map(|entry| entry.size).sum::<u64>())
    });
    let total: u64 = sums.iter().map(|(_, _, size)| size).sum();
    if format == Format::Json {
        let kinds: Vec<Value> =
            sums.iter().map(|(kind, count, size)| json!({"kind": kind, "count": count, "bytes": size})).collect();
        return json::document(&json!({"kinds": kinds, "bytes": total}));
    }
    let row = |cells: [String; 3]| cells.to_vec();
    let mut rows = vec![row(["KIND", "COUNT", "SIZE"].map(str::to_owned))];
    rows.extend(sums.iter().map(|(kind, count, size)| row([(*kind).to_owned(), count.to_string(), megabytes(*size)])));
    rows.push(row(["total".to_owned(), entries.len().to_string(), megabytes(total)]));
    aligned(&rows)
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

fn kind(text: &str) -> Result<Kind, String> {
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| format!("expected one of {}", Kind::ALL.map(Kind::name).join(", ")))
}
