//! Whole Dockerfiles, walked as an executor walks them, with what BuildKit makes of them.

use std::collections::{BTreeMap, BTreeSet};

use windlass_core::Platform;

use crate::expand::Lookup;
use crate::graph::{self, BuildGraph, Origin, Request};
use crate::instruction::{Instruction, Pair};
use crate::scope::Scope;
use crate::{history, parse};

/// What a stage's configuration has become.
#[derive(Debug, Default, Clone)]
struct Image {
    scope: Scope,
    env: Vec<(String, String)>,
    labels: BTreeMap<String, String>,
    history: Vec<String>,
    stop_signal: String,
    volumes: Vec<String>,
}

impl Image {
    fn label(&self, name: &str) -> &str {
        &self.labels[name]
    }

    fn env(&self, name: &str) -> &str {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap()
    }
}

fn walk(graph: &BuildGraph, stage: usize, done: &BTreeMap<usize, Image>) -> Image {
    let stage = &graph.stages()[stage];
    let mut image = match stage.base {
        Origin::Stage(base) => done[&base].clone(),
        _ => Image { scope: graph.scope([]), ..Image::default() },
    };
    for step in &stage.steps {
        apply(&mut image, &step.statement);
    }
    image
}

fn apply(image: &mut Image, statement: &parse::Statement) {
    if let Instruction::Arg(arg) = &statement.instruction {
        let declared = image.scope.declare(arg, statement.escape).unwrap();
        return image.history.push(history::arg(&declared));
    }
    match statement.expand(&image.scope).unwrap_or_else(|error| panic!("{}", statement.expand_finding(&error))) {
        Instruction::Env(env) => {
            for Pair { name, value } in &env.pairs {
                image.scope.set(name, value);
                match image.env.iter_mut().find(|(known, _)| known == name) {
                    Some((_, known)) => known.clone_from(value),
                    None => image.env.push((name.clone(), value.clone())),
                }
            }
        }
        Instruction::Label(label) => {
            image.labels.extend(label.pairs.into_iter().map(|Pair { name, value }| (name, value)));
        }
        Instruction::Run(run) => {
            image.history.push(history::run(&run.execution(&[]).arguments, &image.scope.run_arguments()));
        }
        Instruction::Copy(copy) => image.history.push(history::copy(&copy)),
        Instruction::Add(add) => image.history.push(history::add(&add)),
        Instruction::StopSignal(signal) => image.stop_signal = signal,
        Instruction::Volume(paths) => image.volumes.extend(paths),
        _ => {}
    }
}

fn build_with(text: &str, arguments: &[(&str, &str)]) -> Image {
    let file = parse::parse(text.as_bytes(), "Dockerfile").unwrap();
    let platform = Platform::parse("linux/amd64").unwrap();
    let request = Request {
        target: None,
        build_arguments: arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        contexts: BTreeSet::new(),
        build_platform: platform.clone(),
        target_platform: platform,
    };
    let graph = graph::build(&file, &request).unwrap();
    let mut done = BTreeMap::new();
    for &stage in graph.needed() {
        let image = walk(&graph, stage, &done);
        done.insert(stage, image);
    }
    done.remove(&graph.target()).unwrap()
}

fn build(text: &str) -> Image {
    build_with(text, &[])
}

#[test]
fn a_global_argument_is_empty_in_a_stage_until_it_is_declared() {
    let text = "ARG TAG=latest\nARG WORD=global\nFROM base:${TAG}\nLABEL before=\"[${WORD}]\"\nARG WORD\nLABEL after=\"[${WORD}]\" tag=\"[${TAG}]\"";
    let image = build(text);
    assert_eq!(["before", "after", "tag"].map(|name| image.label(name)), ["[]", "[global]", "[]"]);
}

#[test]
fn an_argument_gives_env_its_value_and_its_default() {
    let image = build_with("FROM b\nARG X\nARG Y\nENV X=${X:-dx} Y=${Y:-dy}", &[("Y", "cli")]);
    assert_eq!((image.env("X"), image.env("Y")), ("dx", "cli"));
}

#[test]
fn the_last_of_arg_and_env_counts_for_later_steps_and_only_env_for_the_image() {
    let text = "FROM b\nENV A=env\nARG A=arg\nARG B=arg\nENV B=env\nLABEL a=$A b=$B\nRUN x";
    let image = build_with(text, &[("A", "cli"), ("B", "cli")]);
    assert_eq!((image.label("a"), image.label("b")), ("cli", "env"));
    assert_eq!((image.env("A"), image.env("B")), ("env", "env"));
    assert_eq!(image.history.last().unwrap(), "RUN |2 A=cli B=env /bin/sh -c x # buildkit");
}

#[test]
fn arguments_are_inherited_from_the_base_stage_alone() {
    let text = "FROM b AS one\nARG X=one\nENV FROM_ONE=$X\nFROM b AS two\nLABEL x=\"[$X]\"\nFROM one\nLABEL x=\"[$X]\" env=\"[$FROM_ONE]\"\nCOPY --from=two / /";
    let image = build(text);
    assert_eq!((image.label("x"), image.label("env")), ("[one]", "[one]"));
}

#[test]
fn a_variable_is_empty_before_its_arg() {
    let image = build_with("FROM b\nLABEL early=\"[$LATE]\"\nARG LATE=def\nLABEL late=\"[$LATE]\"", &[("LATE", "cli")]);
    assert_eq!((image.label("early"), image.label("late")), ("[]", "[cli]"));
}

#[test]
fn pairs_of_one_line_see_the_environment_from_before_it() {
    let image = build("FROM b\nENV A=old\nENV A=new B=$A C=${A}\nENV D=$A");
    assert_eq!(["A", "B", "C", "D"].map(|name| image.env(name)), ["new", "old", "old", "new"]);
}

#[test]
fn labels_and_variables_lose_their_quotes() {
    let text = concat!(
        "FROM b\nLABEL a=1 b=\"two words\" \"quoted.key\"=\"q v\" \\\n      c='single' d=\"multi \\\nline\" e=\n",
        "LABEL a=again com.example.with-dash=\"x\"\nLABEL old style value\nENV V=var\nLABEL f=\"$V\" g='$V' h=\\$V i=\"\\\"quoted\\\"\"\n",
    );
    let image = build(text);
    let expected = [
        ("a", "again"),
        ("b", "two words"),
        ("c", "single"),
        ("com.example.with-dash", "x"),
        ("d", "multi line"),
        ("e", ""),
        ("f", "var"),
        ("g", "$V"),
        ("h", "$V"),
        ("i", "\"quoted\""),
        ("old", "style value"),
        ("quoted.key", "q v"),
    ];
    assert_eq!(image.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn the_search_path_of_the_base_can_be_extended() {
    let image = build("FROM b\nENV PATH=/opt/tool:$PATH");
    assert_eq!(image.env("PATH"), format!("/opt/tool:{}", crate::scope::DEFAULT_PATH));
}

#[test]
fn signals_owners_and_modes_come_from_variables() {
    let text = "FROM b\nARG S=TERM OWNER=app:tools MODE=640\nSTOPSIGNAL SIG$S\nCOPY --chmod=$MODE --chown=$OWNER $S.txt '/f'$S\nADD --chown=$NONE u /v";
    let image = build(text);
    assert_eq!(image.stop_signal, "SIGTERM");
    assert_eq!(image.history[1], "COPY --chown=app:tools --chmod=640 TERM.txt /fTERM # buildkit");
    assert_eq!(image.history[2], "ADD u /v # buildkit");
}

#[test]
fn volumes_have_two_forms() {
    let image = build("FROM b\nENV V=/v\nVOLUME /one /two\nVOLUME [\"/three\", \"/fo ur\", \"$V\"]");
    assert_eq!(image.volumes, ["/one", "/two", "/three", "/fo ur", "/v"]);
}

#[test]
fn a_directive_changes_the_escape_of_words() {
    let image = build("#   EscApe =   `\n# other=1\nFROM b\nENV A=x`y B=z\\\n");
    assert_eq!((image.env("A"), image.env("B")), ("xy", "z\\"));
}

#[test]
fn an_arg_trigger_makes_the_argument_usable_in_the_child() {
    let text = "FROM b AS p\nONBUILD ARG WHO=nobody\nONBUILD RUN echo \"$WHO\"\nFROM p\nLABEL who=$WHO";
    let image = build_with(text, &[("WHO", "cli")]);
    assert_eq!(image.label("who"), "cli");
    assert_eq!(image.history, ["ARG WHO=cli", "RUN |1 WHO=cli /bin/sh -c echo \"$WHO\" # buildkit"]);
}

#[test]
fn heredocs_are_filled_in_unless_their_delimiter_is_quoted() {
    let text = "FROM b\nENV X=v\nCOPY <<EOF <<'RAW' /d/\n$X \\$X 'q'\nEOF\n$X\nRAW\nRUN <<EOF\necho $X\nEOF";
    let file = parse::parse(text.as_bytes(), "Dockerfile").unwrap();
    let scope = Scope::new(std::sync::Arc::default(), ["X=v"]);
    let Instruction::Copy(copy) = file.stages[0].statements[1].expand(&scope).unwrap() else { panic!() };
    assert_eq!(copy.sources.files.iter().map(|file| file.content.as_str()).collect::<Vec<_>>(), ["v $X 'q'\n", "$X\n"]);
    let Instruction::Run(run) = file.stages[0].statements[2].expand(&scope).unwrap() else { panic!() };
    assert_eq!(run.execution(&[]).arguments[2], "echo $X\n");
    assert_eq!(scope.get("X"), Some("v"));
}

#[test]
fn mounts_are_filled_in_but_commands_are_not() {
    let file = parse::parse(b"FROM b\nRUN --mount=type=$T,target=/c,id=x-$T echo $T", "Dockerfile").unwrap();
    let scope = Scope::new(std::sync::Arc::default(), ["T=cache"]);
    let statement = &file.stages[0].statements[0];
    let Instruction::Run(run) = statement.expand(&scope).unwrap() else { panic!() };
    let crate::instruction::mount::MountKind::Cache { id, .. } = run.typed_mounts().unwrap().remove(0).kind else { panic!() };
    assert_eq!((id.as_deref(), run.execution(&[]).arguments[2].as_str()), (Some("x-cache"), "echo $T"));
    let error = statement.expand(&Scope::new(std::sync::Arc::default(), ["T=floppy"])).unwrap_err();
    let finding = statement.expand_finding(&error);
    assert!(finding.message.contains("floppy") && finding.place.unwrap().line == 2);
}

#[test]
fn what_turns_out_empty_is_refused_or_left_out() {
    let expand = |line: &str| {
        let file = parse::parse(format!("FROM b\n{line}").as_bytes(), "Dockerfile").unwrap();
        file.stages[0].statements[0].expand(&crate::expand::Empty)
    };
    assert!(expand("VOLUME $X").unwrap_err().to_string().contains("$X"));
    assert!(expand("ENV $X=1").unwrap_err().to_string().contains("$X"));
    let Instruction::Copy(copy) = expand("COPY --chown=$X --chmod=$X $X /").unwrap() else { panic!() };
    assert_eq!((copy.owner, copy.mode, copy.sources.paths), (None, None, vec![String::new()]));
    let Instruction::Expose(expose) = expand("EXPOSE $X 80 9-10").unwrap() else { panic!() };
    assert_eq!(crate::port::exposed(&expose.ports).unwrap(), ["80/tcp", "9/tcp", "10/tcp"]);
}
