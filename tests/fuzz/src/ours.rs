//! What Windlass makes of a Dockerfile.

use windlass_dockerfile::instruction::{
    AddInstruction, CommandLine, CopyInstruction, HealthcheckInstruction, Instruction, RunInstruction, Sources,
};
use windlass_dockerfile::parse::{self, Statement, heredoc};

use crate::{Line, Shape, flag};

/// Reads a Dockerfile; the error is the first mistake.
///
/// # Errors
/// When it is none.
pub fn read(text: &str) -> Result<Shape, String> {
    let file = parse::parse(text.as_bytes(), "Dockerfile").map_err(|findings| findings[0].message.clone())?;
    let mut directives: Vec<_> = file.directives.syntax.map(|syntax| ("syntax", syntax)).into_iter().collect();
    if file.directives.escape != parse::Escape::default() {
        directives.push(("escape", file.directives.escape.character().to_string()));
    }
    directives.extend(file.directives.check.map(|(check, _)| ("check", check)));
    let in_stages = file.stages.iter().flat_map(|stage| std::iter::once(&stage.statement).chain(&stage.statements));
    let instructions = file.globals.iter().chain(in_stages).map(line).collect::<Result<_, _>>()?;
    Ok(Shape { directives, instructions })
}

fn line(statement: &Statement) -> Result<Line, String> {
    let name = statement.instruction.name().to_owned();
    let text = |text: &String| Line { name: name.clone(), words: vec![text.clone()], ..Line::default() };
    let words = |words: &[String]| Line { name: name.clone(), words: words.to_vec(), ..Line::default() };
    Ok(match &statement.instruction {
        Instruction::From(from) => Line {
            flags: from.platform.iter().filter_map(|platform| flag("platform", Some(platform))).collect(),
            ..words(&std::iter::once(&from.base).chain(&from.name).cloned().collect::<Vec<_>>())
        },
        Instruction::Run(run) => self::run(run, name),
        Instruction::Copy(copy) => self::copy(copy, name),
        Instruction::Add(add) => self::add(add, name),
        // The other parser does not take their words apart.
        Instruction::Env(_) | Instruction::Arg(_) | Instruction::Label(_) => text(&behind_keyword(&statement.text)),
        Instruction::Maintainer(value) | Instruction::Workdir(value) | Instruction::User(value) => text(value),
        Instruction::StopSignal(value) => text(value),
        Instruction::Expose(expose) => words(&expose.ports),
        Instruction::Volume(paths) => words(paths),
        Instruction::Entrypoint(command) | Instruction::Cmd(command) => self::command(command, name),
        Instruction::Shell(shell) => Line { is_exec: true, ..words(shell) },
        Instruction::Healthcheck(check) => self::health(check, name),
        Instruction::OnBuild(on_build) => {
            let escape = statement.escape.character();
            let trigger = read(&format!("# escape={escape}\nFROM x\n{}", on_build.trigger))?;
            let inner = trigger.instructions.into_iter().nth(1).ok_or("ONBUILD without an instruction")?;
            Line { name: format!("{name} {}", inner.name), ..inner }
        }
    })
}

fn behind_keyword(text: &str) -> String {
    let rest = text.trim_start_matches(|c: char| !c.is_ascii_whitespace());
    rest.trim().to_owned()
}

fn command(command: &CommandLine, name: String) -> Line {
    match command {
        CommandLine::Shell(text) => Line { name, words: vec![text.clone()], ..Line::default() },
        CommandLine::Exec(words) => Line { name, is_exec: true, words: words.clone(), ..Line::default() },
    }
}

fn run(run: &RunInstruction, name: String) -> Line {
    let mut flags: Vec<String> = run.mounts.iter().filter_map(|mount| flag("mount", Some(&mount.text))).collect();
    let network = format!("{:?}", run.network).to_lowercase();
    let security = format!("{:?}", run.security).to_lowercase();
    flags.extend(flag("network", Some(&network)).into_iter().chain(flag("security", Some(&security))));
    flags.extend(run.devices.iter().filter_map(|device| flag("device", Some(&device.name))));
    flags.sort();
    let heredocs = run.heredocs.iter().map(|heredoc| (heredoc.without_tabs(), heredoc.expands)).collect();
    let mut line = Line { flags, heredocs, ..command(&run.command, name) };
    // The other parser leaves out the word of the heredoc that a command begins with.
    if let [text] = line.words.as_mut_slice()
        && let Some((first, rest)) = text.split_once(char::is_whitespace).or(Some((text.as_str(), "")))
        && heredoc::recognise(first).is_some()
    {
        *text = rest.trim_start().to_owned();
    }
    line
}

fn sources(sources: &Sources, name: String, flags: Vec<Option<String>>) -> Line {
    let mut flags: Vec<String> = flags.into_iter().flatten().collect();
    flags.sort();
    let words = sources.paths.iter().chain([&sources.destination]).cloned().collect();
    let heredocs = sources.files.iter().map(|file| (file.content.clone(), file.expands)).collect();
    Line { name, flags, is_exec: false, words, heredocs }
}

fn copy(copy: &CopyInstruction, name: String) -> Line {
    let mut flags = vec![
        copy.from.as_deref().and_then(|value| flag("from", Some(value))),
        copy.owner.as_deref().and_then(|value| flag("chown", Some(value))),
        copy.mode.as_deref().and_then(|value| flag("chmod", Some(value))),
        copy.links.then(|| "link".to_owned()),
        copy.keeps_parents.then(|| "parents".to_owned()),
    ];
    flags.extend(copy.exclude.iter().map(|value| flag("exclude", Some(value))));
    sources(&copy.sources, name, flags)
}

fn add(add: &AddInstruction, name: String) -> Line {
    let mut flags = vec![
        add.owner.as_deref().and_then(|value| flag("chown", Some(value))),
        add.mode.as_deref().and_then(|value| flag("chmod", Some(value))),
        add.links.then(|| "link".to_owned()),
        add.checksum.as_deref().and_then(|value| flag("checksum", Some(value))),
        add.keeps_git_directory.map(|value| format!("keep-git-dir={value}")),
        add.unpacks.map(|value| format!("unpack={value}")),
    ];
    flags.extend(add.exclude.iter().map(|value| flag("exclude", Some(value))));
    sources(&add.sources, name, flags)
}

fn health(check: &HealthcheckInstruction, name: String) -> Line {
    let HealthcheckInstruction::Check(check) = check else {
        return Line { name: format!("{name} NONE"), ..Line::default() };
    };
    let times = [
        ("interval", check.interval),
        ("timeout", check.timeout),
        ("start-period", check.start_period),
        ("start-interval", check.start_interval),
    ];
    let mut flags: Vec<String> =
        times.iter().filter_map(|(name, nanoseconds)| flag(name, Some(&format!("{nanoseconds}ns")))).collect();
    flags.extend(flag("retries", Some(&check.retries.to_string())));
    flags.sort();
    Line { flags, ..command(&check.command, format!("{name} CMD")) }
}
