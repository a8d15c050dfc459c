//! The `windlass` command: arguments in, exit code out. The only crate that prints.

mod arguments;
mod commands;
mod errors;
mod progress;
mod sarif;
mod table;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// The allocator of musl takes a lock for every allocation, which threads that compress wait for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(code) = windlass::init() {
        return code;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return commands::usage(&error),
    };
    match arguments.command {
        Command::Run(arguments) => commands::run::main(arguments),
        Command::Plan(arguments) => commands::plan::main(arguments),
        Command::Build(arguments) => commands::build::main(*arguments),
        Command::Plugin(arguments) => commands::plugin::main(arguments),
        Command::Cache(arguments) => commands::cache::main(&arguments),
    }
}
