//! `COPY` and `ADD`.

use std::collections::BTreeMap;

use super::flags::Flags;
use super::heredoc;
use super::problem::Problem;
use super::statement::Arguments;
use crate::expand::{self, Empty, clip};
use crate::instruction::{AddInstruction, CopyInstruction, InlineFile, Sources};

pub(super) fn copy(arguments: &mut Arguments<'_>) -> Option<CopyInstruction> {
    let flags = arguments.flags();
    let sources = sources(arguments);
    let from = flags.text("from");
    if from.as_deref().is_some_and(|from| expand::word(from, &Empty, arguments.escape).as_deref() != Ok(from)) {
        let problem = Problem::new("dockerfile/stage", "variables, quotes and escapes are not supported in --from");
        arguments.report(
            problem
                .at(flags.range("from"))
                .help("give the image a stage of its own, `FROM image:$TAG AS name` with a global ARG, and copy from that"),
        );
    }
    Some(CopyInstruction {
        sources: sources?,
        from,
        owner: flags.text("chown"),
        mode: flags.text("chmod"),
        links: flags.switch("link").unwrap_or(false),
        keeps_parents: flags.switch("parents").unwrap_or(false),
        exclude: exclude(&flags),
    })
}

pub(super) fn add(arguments: &mut Arguments<'_>) -> Option<AddInstruction> {
    let flags = arguments.flags();
    Some(AddInstruction {
        sources: sources(arguments)?,
        owner: flags.text("chown"),
        mode: flags.text("chmod"),
        links: flags.switch("link").unwrap_or(false),
        exclude: exclude(&flags),
        checksum: flags.text("checksum"),
        keeps_git_directory: flags.switch("keep-git-dir"),
        unpacks: flags.switch("unpack"),
    })
}

fn exclude(flags: &Flags) -> Vec<String> {
    flags.texts("exclude").map(|(pattern, _)| pattern.to_owned()).collect()
}

fn sources(arguments: &mut Arguments<'_>) -> Option<Sources> {
    let name = arguments.name;
    let (mut words, is_array) = arguments.array_or_words()?;
    let destination = words.pop().filter(|_| !words.is_empty());
    let Some(destination) = destination else {
        let range = arguments.range.clone();
        let problem = Problem::arguments(format!("{name} requires at least one source and a destination"));
        arguments.report(if range.is_empty() { problem } else { problem.at(range) });
        return None;
    };
    let heredoc_of = |word: &str| if is_array { None } else { heredoc::recognise(word) };
    if heredoc_of(&destination).is_some() {
        arguments.report(Problem::new("dockerfile/heredoc", format!("a heredoc cannot be the destination of {name}")));
        return None;
    }
    let bodies: BTreeMap<&str, &heredoc::Heredoc> =
        arguments.heredocs.iter().map(|heredoc| (heredoc.name.as_str(), heredoc)).collect();
    let mut size = 0;
    let mut sources = Sources { paths: Vec::new(), files: Vec::new(), destination };
    for word in words {
        let Some(marker) = heredoc_of(&word) else {
            sources.paths.push(word);
            continue;
        };
        let content = bodies.get(marker.name.as_str()).map(|heredoc| heredoc.without_tabs()).unwrap_or_default();
        size += content.len();
        if size > super::MAXIMUM_SIZE {
            let message = format!(
                "the heredocs of {name} are larger than a Dockerfile may be: `{}` is named several times",
                clip(&marker.name)
            );
            arguments.report(Problem::new("dockerfile/heredoc", message).help("give every heredoc a delimiter of its own"));
            return None;
        }
        sources.files.push(InlineFile { name: marker.name, content, expands: marker.expands });
    }
    Some(sources)
}
