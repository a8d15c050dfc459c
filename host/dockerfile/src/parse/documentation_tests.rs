//! `docs/dockerfile.md` tells of all that the parser knows, and of nothing else.

use std::collections::BTreeSet;

use super::{directive, flags};
use crate::instruction::{NAMES, mount};
use crate::lint;

/// What stands in backticks in the first cells of the tables below a heading.
fn table(heading: &str) -> BTreeSet<&'static str> {
    let documentation = include_str!("../../../../docs/dockerfile.md");
    let section = documentation.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("docs/dockerfile.md has no section on {heading}"));
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")).filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`'))).collect()
}

fn tells(heading: &str, known: impl IntoIterator<Item = String>) {
    let known: BTreeSet<String> = known.into_iter().collect();
    let told: BTreeSet<String> = table(heading).into_iter().map(str::to_owned).collect();
    assert_eq!(told, known, "left: {heading} of docs/dockerfile.md; right: the parser");
}

#[test]
fn every_instruction_and_flag_is_documented() {
    tells(
        "Instructions",
        NAMES.into_iter().flat_map(|name| {
            let flags = flags::known(name).iter().map(move |(flag, _)| format!("{name} --{flag}"));
            std::iter::once(name.to_owned()).chain(flags)
        }),
    );
}

/// What the tables say is refused, each with a Dockerfile that is.
const REFUSED: [(&str, &str); 3] = [
    ("`COPY --from`", "FROM a\nARG b\nCOPY --from=$b / /"),
    ("`RUN --device`", "FROM a\nRUN --device=x.test/y,required true"),
    ("`from`", "FROM a\nARG b\nRUN --mount=from=$b,target=/x true"),
];

#[test]
fn what_the_tables_call_refused_is_and_nothing_else_is_called_so() {
    let rows = include_str!("../../../../docs/dockerfile.md").lines().filter(|line| line.starts_with("| `"));
    let told: Vec<&str> = rows.filter(|row| row.contains("refused")).filter_map(|row| row[2..].split(" | ").next()).collect();
    assert_eq!(told, REFUSED.map(|(name, _)| name));
    let request = crate::graph::Request {
        target: None,
        build_arguments: std::collections::BTreeMap::new(),
        contexts: BTreeSet::new(),
        build_platform: windlass_core::Platform::host(),
        target_platform: windlass_core::Platform::host(),
    };
    for (name, text) in REFUSED {
        let built = super::parse(text.as_bytes(), "Dockerfile").and_then(|read| crate::graph::build(&read, &request));
        assert!(built.is_err(), "{name}");
    }
}

#[test]
fn every_directive_mount_and_check_is_documented() {
    let owned = |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
    tells("Directives", owned(&directive::NAMES));
    tells("Mounts", owned(&[mount::TYPES.as_slice(), &mount::OPTIONS].concat()));
    tells("Checks", lint::RULES.iter().map(|rule| rule.name.to_owned()));
}
