//! What the crate `parse-dockerfile` makes of a Dockerfile.

use parse_dockerfile::{Command, Flag, HealthcheckArguments, HereDoc, Instruction, JsonOrStringArray, Source, UnescapedString};

use crate::{Line, Shape, flag};

/// Reads a Dockerfile; the error is its mistake.
///
/// # Errors
/// When it is none.
pub fn read(text: &str) -> Result<Shape, String> {
    let mut parsed = parse_dockerfile::parse_iter(text).map_err(|error| error.to_string())?;
    let instructions: Vec<_> = parsed.by_ref().collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    // The directives are told only with a whole file, in which no name of a stage may stand twice.
    let directives = match parse_dockerfile::parse(text) {
        Ok(file) => directives(&file.parser_directives),
        Err(error) => return Err(error.to_string()),
    };
    let escape = directives.iter().find(|(name, _)| *name == "escape").map_or('\\', |_| '`');
    Ok(Shape { directives, instructions: instructions.iter().map(|instruction| line(instruction, escape)).collect() })
}

fn directives(given: &parse_dockerfile::ParserDirectives<'_>) -> Vec<(&'static str, String)> {
    let syntax = given.syntax.as_ref().map(|directive| ("syntax", directive.value.value.to_owned()));
    let escape = given.escape.as_ref().map(|directive| directive.value.value).filter(|&escape| escape != '\\');
    let check = given.check.as_ref().map(|directive| ("check", directive.value.value.to_owned()));
    syntax.into_iter().chain(escape.map(|escape| ("escape", escape.to_string()))).chain(check).collect()
}

fn line(instruction: &Instruction<'_>, escape: char) -> Line {
    let words = |name: &str, words: &[UnescapedString<'_>]| Line { words: texts(words), ..named(name) };
    let text = |name: &str, text: &UnescapedString<'_>| words(name, std::slice::from_ref(text));
    match instruction {
        Instruction::From(from) => {
            let name = from.as_.as_ref().map(|(_, name)| name.value.to_lowercase());
            let words = std::iter::once(from.image.value.clone().into_owned()).chain(name).collect();
            Line { flags: flags(&from.options), words, ..named("FROM") }
        }
        Instruction::Run(run) => Line {
            flags: flags(&run.options),
            heredocs: run.here_docs.iter().map(heredoc).collect(),
            ..command("RUN", &run.arguments, escape)
        },
        Instruction::Copy(copy) => sources("COPY", &copy.options, &copy.src, &copy.dest),
        Instruction::Add(add) => sources("ADD", &add.options, &add.src, &add.dest),
        Instruction::Env(env) => text("ENV", &env.arguments),
        Instruction::Arg(arg) => text("ARG", &arg.arguments),
        Instruction::Label(label) => text("LABEL", &label.arguments),
        Instruction::Maintainer(maintainer) => text("MAINTAINER", &maintainer.name),
        Instruction::Workdir(workdir) => text("WORKDIR", &workdir.arguments),
        Instruction::User(user) => text("USER", &user.arguments),
        Instruction::Stopsignal(signal) => text("STOPSIGNAL", &signal.arguments),
        Instruction::Expose(expose) => {
            let mut line = words("EXPOSE", &expose.arguments);
            line.words.sort();
            line
        }
        Instruction::Volume(volume) => match &volume.arguments {
            JsonOrStringArray::Json(paths) => words("VOLUME", &paths.value),
            JsonOrStringArray::String(paths) => words("VOLUME", paths),
        },
        Instruction::Entrypoint(entrypoint) => command("ENTRYPOINT", &entrypoint.arguments, escape),
        Instruction::Cmd(cmd) => command("CMD", &cmd.arguments, escape),
        Instruction::Shell(shell) => Line { is_exec: true, ..words("SHELL", &shell.arguments) },
        Instruction::Healthcheck(check) => match &check.arguments {
            HealthcheckArguments::Cmd { arguments, .. } => {
                Line { flags: flags(&check.options), ..command("HEALTHCHECK CMD", arguments, escape) }
            }
            _ => named("HEALTHCHECK NONE"),
        },
        Instruction::Onbuild(on_build) => {
            let inner = line(&on_build.instruction, escape);
            Line { name: format!("ONBUILD {}", inner.name), ..inner }
        }
        other => named(&format!("{other:?}")),
    }
}

fn named(name: &str) -> Line {
    Line { name: name.to_owned(), ..Line::default() }
}

fn texts(words: &[UnescapedString<'_>]) -> Vec<String> {
    words.iter().map(|word| word.value.clone().into_owned()).collect()
}

fn flags(given: &[Flag<'_>]) -> Vec<String> {
    let mut flags: Vec<String> = given
        .iter()
        .filter_map(|given| flag(&given.name.value, given.value.as_ref().map(|value| value.value.as_ref())))
        .collect();
    flags.sort();
    flags
}

fn heredoc(heredoc: &HereDoc<'_>) -> (String, bool) {
    (heredoc.value.clone().into_owned(), heredoc.expand)
}

fn sources(name: &str, options: &[Flag<'_>], sources: &[Source<'_>], destination: &UnescapedString<'_>) -> Line {
    let mut line = Line { flags: flags(options), ..named(name) };
    for source in sources {
        match source {
            Source::Path(path) => line.words.push(path.value.clone().into_owned()),
            Source::HereDoc(body) => line.heredocs.push(heredoc(body)),
            other => line.words.push(format!("{other:?}")),
        }
    }
    line.words.push(destination.value.clone().into_owned());
    line
}

fn command(name: &str, command: &Command<'_>, escape: char) -> Line {
    match command {
        Command::Exec(words) => Line { is_exec: true, words: texts(&words.value), ..named(name) },
        Command::Shell(text) => Line { words: vec![joined(text.value, escape).trim_end().to_owned()], ..named(name) },
        other => named(&format!("{name} {other:?}")),
    }
}

/// The lines of a command as one: the crate gives them as they stand in the file.
fn joined(text: &str, escape: char) -> String {
    let mut whole = String::new();
    for (index, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if index > 0 && (line.trim_start().starts_with('#') || line.trim().is_empty()) {
            continue;
        }
        whole.push_str(line.trim_end().strip_suffix(escape).unwrap_or(line));
    }
    whole
}
