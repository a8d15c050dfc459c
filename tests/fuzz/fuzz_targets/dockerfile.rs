//! Any bytes as a Dockerfile: read, checked, resolved, expanded. What is read once is read again from its own text.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};

use libfuzzer_sys::fuzz_target;
use windlass_core::Platform;
use windlass_dockerfile::graph::{self, Request};
use windlass_dockerfile::parse::{self, Statement};
use windlass_dockerfile::{Dockerfile, Instruction, Scope, history, ignore, lint};

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|&byte| byte == b'\n').count();
    let file = match parse::parse(bytes, "Dockerfile") {
        Ok(file) => file,
        Err(findings) => {
            assert!(!findings.is_empty());
            let places = findings.iter().filter_map(|finding| finding.place.as_ref());
            places.for_each(|place| assert!(place.line >= 1 && place.line as usize <= lines, "{place:?}"));
            return;
        }
    };
    let platform = Platform::parse("linux/amd64").expect("that is a platform");
    let request = Request {
        target: None,
        build_arguments: BTreeMap::from([("A".to_owned(), "given value".to_owned())]),
        contexts: BTreeSet::from(["c".to_owned()]),
        build_platform: platform.clone(),
        target_platform: platform,
    };
    let graph = graph::build(&file, &request).ok();
    let rules = ignore::IgnoreRules::default();
    let subject =
        lint::Subject { source: bytes, dockerfile: &file, request: &request, graph: graph.as_ref(), ignore: Some(&rules) };
    let _ = lint::check(&subject, &lint::Options::default());
    if let Some(graph) = &graph {
        assert_eq!(graph.needed().last(), Some(&graph.target()));
    }
    walk(&file);
});

fn walk(file: &Dockerfile) {
    for stage in &file.stages {
        let mut scope = Scope::default();
        for statement in &stage.statements {
            assert!(statement.span.start <= statement.span.end);
            read_again(statement, file);
            match &statement.instruction {
                Instruction::Arg(arg) => drop(scope.declare(arg, statement.escape)),
                _ => told(scope.expand(statement).ok(), &mut scope),
            }
        }
    }
}

/// Takes over what an instruction sets, and says what it is called in the history.
fn told(instruction: Option<Instruction>, scope: &mut Scope) {
    match instruction {
        Some(Instruction::Env(env)) => {
            env.pairs.iter().for_each(|pair| scope.set(&pair.name, &pair.value));
            let _ = history::env(&env.pairs);
        }
        Some(Instruction::Run(run)) => {
            let execution = run.execution(&[]);
            let _ = history::run(&execution.arguments, &scope.run_arguments());
        }
        Some(Instruction::Copy(copy)) => drop(history::copy(&copy)),
        _ => {}
    }
}

/// The text of a statement without heredocs means the same by itself.
fn read_again(statement: &Statement, file: &Dockerfile) {
    if statement.text.contains("<<") {
        return;
    }
    let escape = file.directives.escape.character();
    let text = format!("# escape={escape}\nFROM x\n{}\n", statement.text);
    let again = parse::parse(text.as_bytes(), "again").unwrap_or_else(|findings| panic!("{:?}: {findings:?}", statement.text));
    let found: Vec<_> = again.stages.iter().flat_map(|stage| &stage.statements).map(|found| &found.instruction).collect();
    assert_eq!(found, [&statement.instruction], "{:?}", statement.text);
}
