//! The Markdown of this project, as a reader follows it: files to write, commands to type, what they print.
//!
//! - An info string with a second word (`dockerfile Dockerfile.release`) is a file to write.
//! - A block of `console` has commands behind `$ `, each followed by lines that it prints; `…` stands for anything.
//! - An indented block, and a fence of `sh`, has commands, one a line; `\` goes on.
//! - `# exits N` behind a command says that it ends with that code; without it, it ends with 0.
//! - `<!-- not run: REASON -->` before a block leaves its commands to the reader.

use std::path::{Path, PathBuf};

/// The root of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page, and what it is made of.
#[derive(Debug)]
pub struct Page {
    /// Its path from the root, such as `docs/cli.md`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Something to do on the way through a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A file to write.
    Write {
        /// Its name.
        file: String,
        /// What is in it.
        content: String,
    },
    /// A command to type.
    Run(Command),
    /// Commands that are left to the reader.
    Skip {
        /// Why.
        reason: String,
    },
}

/// A command, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its line in the page, from 1.
    pub line: usize,
    /// The command line, for a shell.
    pub text: String,
    /// How it ends.
    pub exits: u8,
    /// Lines that it prints.
    pub prints: Vec<String>,
}

/// The README, and every page of `docs/`.
#[must_use]
pub fn pages() -> Vec<Page> {
    let mut names: Vec<String> = std::fs::read_dir(root().join("docs"))
        .expect("the project has a directory docs")
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.push("README.md".to_owned());
    names.sort();
    let read = |name: String| {
        let text = std::fs::read_to_string(root().join(&name)).unwrap_or_else(|error| panic!("cannot read {name}: {error}"));
        Page { name, text }
    };
    names.into_iter().map(read).collect()
}

impl Page {
    /// What a reader does with `windlass`, from top to bottom.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut reason: Option<String> = None;
        for block in self.blocks() {
            match block {
                Block::Comment(text) => reason = text.strip_prefix("not run:").map(|reason| reason.trim().to_owned()),
                Block::Code { info, lines } => {
                    let mut words = info.split_whitespace();
                    let (language, file) = (words.next().unwrap_or_default(), words.next());
                    let commands = match language {
                        "console" => dialogue(&lines),
                        "sh" | "bash" | "" => script(&lines),
                        _ => Vec::new(),
                    };
                    match (file, reason.take()) {
                        (_, Some(reason)) => actions.push(Action::Skip { reason }),
                        (Some(file), None) => {
                            let content = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
                            actions.push(Action::Write { file: file.to_owned(), content });
                        }
                        (None, None) => actions.extend(commands.into_iter().map(Action::Run)),
                    }
                }
            }
        }
        actions
    }

    /// The text of every code span, with its line, outside of blocks.
    #[must_use]
    pub fn spans(&self) -> Vec<(usize, String)> {
        let mut fenced = false;
        let mut spans = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced && !line.starts_with("    ") {
                spans.extend(line.split('`').skip(1).step_by(2).map(|span| (number + 1, span.to_owned())));
            }
        }
        spans
    }

    /// The targets of its links.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let targets = self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets.map(|target| target.split_whitespace().next().unwrap_or_default().to_owned()).collect()
    }

    /// The anchors of its headings, as GitHub makes them.
    #[must_use]
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        let legal = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let anchor = |heading: &str| {
            heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-").chars().filter(legal).collect()
        };
        headings.map(anchor).collect()
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines().enumerate().map(|(number, line)| (number + 1, line.to_owned())).peekable();
        let mut blank = true;
        while let Some((number, line)) = lines.next() {
            if let Some(info) = line.trim_start().strip_prefix("```") {
                let indent = line.len() - line.trim_start().len();
                let inside = std::iter::from_fn(|| lines.next_if(|(_, line)| !line.trim_start().starts_with("```")));
                let inside = inside.map(|(number, line)| (number, line.get(indent..).unwrap_or_default().to_owned())).collect();
                lines.next();
                blocks.push(Block::Code { info: info.trim().to_owned(), lines: inside });
            } else if let Some(comment) = line.trim().strip_prefix("<!--").and_then(|rest| rest.strip_suffix("-->")) {
                blocks.push(Block::Comment(comment.trim().to_owned()));
            } else if blank && line.starts_with("    ") {
                let mut inside = vec![(number, line[4..].to_owned())];
                while let Some((number, line)) = lines.next_if(|(_, line)| line.starts_with("    ")) {
                    inside.push((number, line[4..].to_owned()));
                }
                blocks.push(Block::Code { info: String::new(), lines: inside });
            }
            blank = line.trim().is_empty();
        }
        blocks
    }
}

enum Block {
    Comment(String),
    Code { info: String, lines: Vec<(usize, String)> },
}

/// Commands behind `$ `, and what they print.
fn dialogue(lines: &[(usize, String)]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for (number, line) in lines {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(text), _) => commands.push(command(*number, text)),
            (None, Some(command)) if command.text.ends_with('\\') => go_on(command, line),
            (None, Some(command)) if !line.trim().is_empty() => command.prints.push(line.trim().to_owned()),
            _ => {}
        }
    }
    commands.retain(|command| is_ours(&command.text));
    commands
}

/// Commands, one a line.
fn script(lines: &[(usize, String)]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for (number, line) in lines {
        match commands.last_mut() {
            Some(command) if command.text.ends_with('\\') => go_on(command, line),
            _ => commands.push(command(*number, line.strip_prefix("$ ").unwrap_or(line))),
        }
    }
    commands.retain(|command| is_ours(&command.text));
    commands
}

fn command(line: usize, text: &str) -> Command {
    let (text, exits) = ending(text);
    Command { line, text, exits, prints: Vec::new() }
}

fn go_on(command: &mut Command, line: &str) {
    command.text.pop();
    let (text, exits) = ending(line.trim_start());
    command.text.push_str(&text);
    command.exits = exits;
}

/// A command line without its comment, and the code that the comment names.
fn ending(text: &str) -> (String, u8) {
    let Some((text, comment)) = text.split_once(" #") else { return (text.trim_end().to_owned(), 0) };
    let code = comment.split_once("exits ").map(|(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    (text.trim_end().to_owned(), code.and_then(|code| code.parse().ok()).unwrap_or(0))
}

/// Whether a command line starts `windlass`, behind variables or in a pipe.
fn is_ours(text: &str) -> bool {
    text.split_whitespace().any(|word| word == "windlass")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Page {
        Page { name: "x.md".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn files_commands_outputs_codes_and_omissions_are_found() {
        let text = "As:\n\n    windlass build . \\\n      --push   # x\n    make\n\n```dockerfile A.Dockerfile\nFROM scratch\n```\n\n\
                    ```console\n$ windlass x   # exits 3\nerror: …\n\n$ ls\nother\n```\n<!-- not run: no AWS here -->\n```sh\nwindlass y\n```\n";
        let run = |line, text: &str, exits, prints: &[&str]| {
            let prints = prints.iter().map(|line| (*line).to_owned()).collect();
            Action::Run(Command { line, text: text.to_owned(), exits, prints })
        };
        let expected = [
            run(3, "windlass build . --push", 0, &[]),
            Action::Write { file: "A.Dockerfile".to_owned(), content: "FROM scratch\n".to_owned() },
            run(12, "windlass x", 3, &["error: …"]),
            Action::Skip { reason: "no AWS here".to_owned() },
        ];
        assert_eq!(page(text).actions(), expected);
    }

    #[test]
    fn links_anchors_and_spans_are_found() {
        let page = page("# A `b`, c\n[x](y.md#z) and `--push`\n```sh\n`no`\n```\n");
        assert_eq!(page.anchors(), ["a-b-c"]);
        assert_eq!(page.links(), ["y.md#z"]);
        assert_eq!(page.spans(), [(1, "b".to_owned()), (2, "--push".to_owned())]);
    }
}
