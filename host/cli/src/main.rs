//! The `windlass` command: arguments in, exit code out. The only crate that prints.

mod allocator;
mod arguments;
mod commands;
mod errors;
mod json;
mod progress;
mod sarif;
mod table;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    allocator::give_back_at_once();
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
