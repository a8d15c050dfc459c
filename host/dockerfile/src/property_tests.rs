//! Whatever the input, nothing panics and everything ends soon.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use windlass_core::Platform;

use crate::expand::{self, Empty};
use crate::glob::{PathPatterns, Wildcard};
use crate::graph::{self, Request};
use crate::ignore::IgnoreRules;
use crate::parse::tests::folded;
use crate::{Escape, parse};

/// Far beyond what any of these inputs takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pieces of Dockerfiles, so that arbitrary texts get past the first word.
const PIECES: [&str; 48] = [
    "FROM ",
    "RUN ",
    "COPY ",
    "ADD ",
    "ENV ",
    "ARG ",
    "LABEL ",
    "ONBUILD ",
    "HEALTHCHECK ",
    "CMD ",
    "EXPOSE ",
    "VOLUME ",
    "SHELL ",
    "USER ",
    " AS a",
    "a",
    "b",
    "scratch",
    "\n",
    "\n",
    "\r\n",
    "\\\n",
    "`\n",
    " ",
    "\t",
    "--from=",
    "--mount=",
    "--link ",
    "type=cache,",
    "<<EOF",
    "<<-'X'",
    "EOF\n",
    "X\n",
    "$A",
    "${A:-",
    "}",
    "/",
    "//",
    "#",
    "# escape=`\n",
    "\"",
    "'",
    "\\",
    "[\"",
    "\"]",
    "=",
    "é",
    "\u{feff}",
];

fn dockerfile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => (0..PIECES.len()).prop_map(|index| PIECES[index].as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn request() -> Request {
    let platform = Platform::parse("linux/amd64").unwrap();
    Request {
        target: None,
        build_arguments: BTreeMap::new(),
        contexts: BTreeSet::from(["a".to_owned()]),
        build_platform: platform.clone(),
        target_platform: platform,
    }
}

/// Reads, resolves and expands, as far as the text allows.
fn go_through(bytes: &[u8]) {
    let Ok(file) = parse::parse(bytes, "Dockerfile") else { return };
    let env = BTreeMap::from([("A".to_owned(), "value/of a".to_owned())]);
    for stage in &file.stages {
        for statement in &stage.statements {
            let _ = statement.expand(&env);
            assert!(statement.span.start <= statement.span.end);
        }
    }
    if let Ok(graph) = graph::build(&file, &request()) {
        assert_eq!(graph.needed().last(), Some(&graph.target()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        go_through(&[b"FROM x\n", bytes.as_slice()].concat());
        go_through(&bytes);
    }

    #[test]
    fn arbitrary_dockerfiles_are_read_and_expanded_without_a_panic(bytes in dockerfile()) {
        let begin = Instant::now();
        go_through(&[b"FROM x\n", bytes.as_slice()].concat());
        prop_assert!(begin.elapsed() < PATIENCE);
    }

    #[test]
    fn findings_stand_within_the_file(bytes in dockerfile()) {
        let text = [b"FROM x\n", bytes.as_slice()].concat();
        let lines = text.split(|&byte| byte == b'\n').count();
        for finding in parse::parse(&text, "Dockerfile").err().unwrap_or_default() {
            let place = finding.place.unwrap();
            prop_assert!(place.line >= 1 && place.line as usize <= lines);
        }
    }

    #[test]
    fn arbitrary_words_are_expanded_without_a_panic(word in "[a$\\{\\}:/#%*?+\"'\\\\ -]{0,40}", value in "[ab*\n/]{0,20}") {
        let begin = Instant::now();
        let env = BTreeMap::from([("a".to_owned(), value)]);
        for escape in [Escape::Backslash, Escape::Backtick] {
            let _ = expand::word(&word, &env, escape);
            let _ = expand::words(&word, &Empty, escape);
        }
        let _ = expand::document(&word, &env);
        prop_assert!(begin.elapsed() < PATIENCE);
    }

    #[test]
    fn a_word_without_special_characters_is_itself(word in "[^$\"'\\\\]{0,40}") {
        prop_assert_eq!(expand::word(&word, &Empty, Escape::Backslash).unwrap(), word);
    }

    #[test]
    fn stripping_agrees_with_trying_every_cut(pattern in "[ab?*]{1,5}", value in "[ab]{0,8}") {
        // The shortest and the longest prefix, found by matching each prefix with a matcher of another kind.
        let wildcard = Wildcard::parse(pattern.as_bytes()).unwrap();
        let cuts: Vec<usize> = (0..=value.len()).filter(|&cut| wildcard.matches(&value.as_bytes()[..cut])).collect();
        let env = BTreeMap::from([("V".to_owned(), value.clone()), ("P".to_owned(), pattern)]);
        let strip = |text: &str| expand::word(text, &env, Escape::Backslash).unwrap();
        prop_assert_eq!(strip("${V##$P}"), &value[cuts.last().copied().unwrap_or(0)..]);
        // A pattern that begins with the mark itself would be the longest form; none of these does.
        prop_assert_eq!(strip("${V#$P}"), &value[cuts.first().copied().unwrap_or(0)..]);
    }

    #[test]
    fn arbitrary_patterns_are_matched_without_a_panic(pattern in "[a/*?\\[\\]^!\\\\.-]{0,30}", path in "[a/.b]{0,30}") {
        let begin = Instant::now();
        if let Ok(wildcard) = Wildcard::parse(pattern.as_bytes()) {
            let _ = (wildcard.matches(path.as_bytes()), wildcard.may_match_below(path.as_bytes()));
        }
        if let Ok(patterns) = PathPatterns::parse([pattern.as_bytes()]) {
            let _ = patterns.is_matched(path.as_bytes());
        }
        prop_assert!(begin.elapsed() < PATIENCE);
    }

    #[test]
    fn nothing_is_left_in_below_a_closed_directory(lines in proptest::collection::vec("!?(\\*\\*/|\\*/|a/|b/)?(a|b|\\*|\\?|\\*\\*)", 0..5), path in "[ab](/[ab]){0,4}") {
        let rules = IgnoreRules::parse(lines.join("\n").as_bytes(), "f").unwrap();
        let mut directory = rules.root();
        let mut is_closed = false;
        for name in path.split('/') {
            let entry = rules.entry(&directory, name.as_bytes());
            prop_assert!(!is_closed || entry.is_ignored, "{lines:?} {path}");
            is_closed |= entry.is_closed;
            directory = entry.directory;
        }
    }
}

#[test]
fn large_hostile_files_end_soon() {
    let hostile = [
        "FROM a\n".repeat(200_000),
        format!("FROM a\nCOPY {}/\n", folded(&"<<A ".repeat(200_000))),
        format!("FROM a\nRUN {}\n", folded(&"<<<".repeat(500_000))),
        format!("FROM a\nENV {}\n", folded(&"A=\"".repeat(300_000))),
        format!("FROM a\nCMD {}\n", folded(&"[".repeat(500_000))),
        format!("FROM a\nRUN {}x\n", folded(&"--mount=type=bind,target=/a ".repeat(50_000))),
        format!("FROM a\nRUN {}x\n", "a \\\n".repeat(300_000)),
        format!("FROM a AS p\n{}{}", "ONBUILD RUN x\n".repeat(5_000), "FROM p\n".repeat(5_000)),
        format!("FROM a\n{}", "ARG A=${A}${A}\n".repeat(1_000)),
        format!("ARG A=aaaaaaaaaa\n{}FROM a\n", "ARG A=${A}${A}\n".repeat(1_000)),
    ];
    for text in hostile {
        let begin = Instant::now();
        go_through(text.as_bytes());
        assert!(begin.elapsed() < PATIENCE, "{:?} for {}…", begin.elapsed(), &text[..30]);
    }
}
