use super::*;
use crate::parse::parse;
use std::collections::{BTreeMap, BTreeSet};
use windlass_core::Platform;

fn request() -> graph::Request {
    graph::Request {
        target: None,
        build_arguments: BTreeMap::new(),
        contexts: BTreeSet::new(),
        build_platform: Platform::parse("linux/amd64").unwrap(),
        target_platform: Platform::parse("linux/arm64").unwrap(),
    }
}

fn findings(text: &str, request: &graph::Request, ignore: &str) -> Vec<Finding> {
    let dockerfile = parse(text.as_bytes(), "Dockerfile").unwrap();
    let options = options(&dockerfile, request).unwrap();
    let rules = IgnoreRules::parse(ignore.as_bytes(), ".dockerignore").unwrap();
    let graph = graph::build(&dockerfile, request).ok();
    let subject =
        Subject { source: text.as_bytes(), dockerfile: &dockerfile, request, graph: graph.as_ref(), ignore: Some(&rules) };
    check(&subject, &options)
}

/// The rules that a text breaks, each with its line.
fn broken(text: &str) -> Vec<(String, u32)> {
    let found = findings(text, &request(), "*.log\n");
    found.into_iter().map(|finding| (finding.rule[PREFIX.len()..].to_owned(), finding.place.unwrap().line)).collect()
}

fn breaks(text: &str, rule: &str, line: u32) {
    assert_eq!(broken(text), [(rule.to_owned(), line)], "{text}");
}

fn breaks_nothing(text: &str) {
    assert_eq!(broken(text), [], "{text}");
}

#[test]
fn every_rule_is_broken_by_its_bad_example_and_not_by_its_good_one() {
    let cases = [
        ("StageNameCasing", "FROM a AS Base", "FROM a AS base", 1),
        ("FromAsCasing", "FROM a as b", "from a as b", 1),
        ("NoEmptyContinuation", "FROM a\nRUN b && \\\n\n c", "FROM a\nRUN b && \\\n# x\n c", 4),
        ("ConsistentInstructionCasing", "FROM a\nrun x\nUSER u", "FROM a\nRUN x\nUSER u", 2),
        ("ConsistentInstructionCasing", "from a\nrun x\nUSER u", "from a\nrun x\nuser u", 3),
        ("ConsistentInstructionCasing", "FROM a\nRun x", "FROM a\nRUN x", 2),
        ("DuplicateStageName", "FROM a AS x\nFROM b AS x", "FROM a AS x\nFROM b AS y", 2),
        ("ReservedStageName", "FROM a AS scratch", "FROM a AS builder", 1),
        ("ReservedStageName", "FROM a AS context", "FROM a AS contexts", 1),
        ("JSONArgsRecommended", "FROM a\nCMD run it", "FROM a\nCMD [\"run\", \"it\"]", 2),
        ("JSONArgsRecommended", "FROM a\nENTRYPOINT run", "FROM a\nSHELL [\"sh\", \"-c\"]\nENTRYPOINT run", 2),
        ("MaintainerDeprecated", "FROM a\nMAINTAINER me", "FROM a\nLABEL author=me", 2),
        ("UndefinedArgInFrom", "ARG TAG=1\nFROM a:${TGA}1", "ARG TAG=1\nFROM a:${TAG}1", 2),
        ("WorkdirRelativePath", "FROM a\nWORKDIR x", "FROM a\nWORKDIR /x\nWORKDIR y", 2),
        ("UndefinedVar", "FROM a\nCOPY $x .", "FROM a\nARG x\nCOPY $x y .", 2),
        ("UndefinedVar", "FROM a\nENV a=$b", "FROM a\nENV a=${b:-c}", 2),
        ("UndefinedVar", "ARG x=1\nFROM a\nUSER $x", "ARG x=1\nFROM a\nARG x\nUSER $x", 3),
        ("MultipleInstructionsDisallowed", "FROM a\nCMD [\"x\"]\nCMD [\"y\"]", "FROM a\nCMD [\"x\"]\nFROM a\nCMD [\"y\"]", 2),
        ("MultipleInstructionsDisallowed", "FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", "FROM a\nHEALTHCHECK CMD x", 2),
        ("LegacyKeyValueFormat", "FROM a\nENV x y", "FROM a\nENV x=y", 2),
        ("LegacyKeyValueFormat", "FROM a\nLABEL x y=z", "FROM a\nLABEL x=\"y z\"", 2),
        ("LegacyKeyValueFormat", "FROM a\nLABEL\tx y", "FROM a\nLABEL \"x y\"=z", 2),
        ("RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM a", "FROM --platform=$BUILDPLATFORM a", 1),
        ("SecretsUsedInArgOrEnv", "FROM a\nARG AWS_SECRET_ACCESS_KEY", "FROM a\nARG PUBLIC_KEY", 2),
        ("SecretsUsedInArgOrEnv", "FROM a\nENV db_password=x", "FROM a\nENV TOKENIZER=x MONKEY=y KEY_FILE=z TOKEN_VERSION=1", 2),
        ("InvalidDefaultArgInFrom", "ARG TAG\nFROM a:$TAG", "ARG TAG=1\nFROM a:$TAG", 2),
        ("FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 a", "FROM --platform=linux/amd64 a AS on_amd64", 1),
        ("CopyIgnoredFile", "FROM a\nCOPY ./x/../b.log /", "FROM a\nCOPY b.txt /", 2),
        ("CopyIgnoredFile", "FROM a\nADD b.log /", "FROM a AS x\nFROM a\nCOPY --from=x b.log /", 2),
        (
            "InvalidDefinitionDescription",
            "# check=experimental=all\n\n# bar the tag\nARG foo=1\nFROM a",
            "# check=experimental=all\n\n# foo the tag\nARG foo=1\n# other\n\nFROM a AS b",
            4,
        ),
        (
            "InvalidDefinitionDescription",
            "# check=experimental=all\n\nARG x=1\n# x first\n# then more\nARG foo=1 bar=2\nFROM a",
            "# check=experimental=all\n\n# more\n# bar the tag\nARG foo=1 bar=2\n#\nFROM a AS b",
            6,
        ),
        ("ExposeProtoCasing", "FROM a\nEXPOSE 80/TcP", "FROM a\nEXPOSE 80/tcp", 2),
        ("ExposeInvalidFormat", "FROM a\nEXPOSE 127.0.0.1:80:80", "FROM a\nEXPOSE 80", 2),
        ("ExposeInvalidFormat", "FROM a\nEXPOSE 5000:80", "FROM a\nEXPOSE 80-81", 2),
    ];
    for (rule, bad, good, line) in cases {
        breaks(bad, rule, line);
        breaks_nothing(good);
    }
    for rule in RULES {
        assert!(cases.iter().any(|(name, ..)| *name == rule.name), "{} has no example", rule.name);
    }
}

#[test]
fn what_a_stage_knows_its_children_know() {
    breaks_nothing("FROM a AS x\nWORKDIR /w\nSHELL [\"bash\", \"-c\"]\nENV A=1\nFROM x\nWORKDIR b\nCMD c\nUSER $A");
}

#[test]
fn only_the_word_that_is_meant_is_underlined() {
    let found = findings("FROM a AS x\nFROM b AS Build\n", &request(), "");
    let place = found[0].place.as_ref().unwrap();
    assert_eq!((place.line, place.column, place.length), (2, 11, 5));
}

#[test]
fn the_directive_and_the_build_argument_choose_rules() {
    breaks_nothing("# check=skip=StageNameCasing,JSONArgsRecommended\nFROM a AS B\nCMD x");
    breaks_nothing("# check=skip=all\nFROM a AS B\nRUN \\\n\nx");
    let text = "# check=skip=all\nFROM a AS B\n";
    let given = graph::Request { build_arguments: [(BUILD_ARGUMENT.to_owned(), "error=true".to_owned())].into(), ..request() };
    assert_eq!(findings(text, &given, "").len(), 1);
    assert!(options(&parse(text.as_bytes(), "Dockerfile").unwrap(), &given).unwrap().is_error);
    let finding = options(&parse(b"# syntax=x\n# check=skipp=all\nFROM a", "Dockerfile").unwrap(), &request()).unwrap_err();
    assert_eq!(finding.place.unwrap().line, 2);
}

#[test]
fn what_only_a_base_image_could_set_is_a_note_and_error_makes_errors_of_warnings() {
    let severity = |text: &str| findings(text, &request(), "")[0].severity;
    assert_eq!(severity("FROM a\nUSER $JAVA_USER"), Severity::Inform);
    assert_eq!(severity("# check=error=true\nFROM a\nUSER $JAVA_USER"), Severity::Inform);
    assert_eq!(severity("FROM scratch\nUSER $JAVA_USER"), Severity::Warn);
    assert_eq!(severity("FROM a\nARG JAVA_USR=x\nUSER $JAVA_USER"), Severity::Warn);
    assert_eq!(severity("# check=error=true\nFROM scratch\nUSER $JAVA_USER"), Severity::Deny);
}

#[test]
fn values_of_build_arguments_are_not_quoted() {
    let text = "FROM a\nARG S\nWORKDIR x$S\nEXPOSE 1:$S/TCP\nCOPY $S.log /\nFROM --platform=$S b\nFROM $S";
    let given = graph::Request { build_arguments: [("S".to_owned(), "7355608".to_owned())].into(), ..request() };
    let found = findings(text, &given, "*.log\n");
    assert!(found.len() >= 4, "{found:?}");
    assert!(found.iter().all(|finding| !format!("{finding:?}").contains("7355608")), "{found:?}");
}

#[test]
fn copies_of_what_is_ignored_are_told_where_that_is_certain() {
    let told = |ignore: &str, source: &str| findings(&format!("FROM a\nCOPY {source} /\n"), &request(), ignore).len();
    for everything in ["*", "**", "**/*"] {
        assert_eq!((told(everything, "."), told(everything, "/")), (1, 1), "{everything}");
    }
    assert_eq!((told("*.log", "."), told("dir", "dir/x"), told("*.log", "*.log")), (0, 1, 1));
    assert_eq!((told("*\n!x", "."), told("*.log\n!b.log", "a.log")), (0, 0), "an exception may let it in");
}

#[test]
fn a_target_leaves_the_stages_out_that_it_does_not_need() {
    let text = "FROM a AS one\nCMD x\nFROM b AS two\nCMD y\n";
    let one = graph::Request { target: Some("one".to_owned()), ..request() };
    assert_eq!(findings(text, &one, "").len(), 1);
    assert_eq!(findings(text, &request(), "").len(), 2);
}

#[test]
fn findings_are_bounded() {
    let text = "FROM a\n".to_owned() + &"RUN \\\n\nx\n".repeat(5000) + &"MAINTAINER x\n".repeat(5000);
    assert!(findings(&text, &request(), "").len() <= MAXIMUM_FINDINGS);
}
