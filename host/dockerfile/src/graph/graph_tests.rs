use super::*;
use crate::parse::parse;

fn request() -> Request {
    Request {
        target: None,
        build_arguments: BTreeMap::new(),
        contexts: BTreeSet::new(),
        build_platform: Platform::parse("linux/amd64").unwrap(),
        target_platform: Platform::parse("linux/arm/v7").unwrap(),
    }
}

fn with(text: &str, request: &Request) -> Result<BuildGraph, Vec<Finding>> {
    build(&parse(text.as_bytes(), "Dockerfile").unwrap(), request)
}

fn graph(text: &str) -> BuildGraph {
    with(text, &request()).unwrap_or_else(|findings| panic!("{findings:#?}"))
}

fn told(text: &str) -> String {
    with(text, &request()).unwrap_err()[0].to_string()
}

fn source(graph: &BuildGraph, stage: usize, step: usize) -> Origin {
    graph.stages()[stage].steps[step].sources[0].clone().unwrap()
}

fn image(text: &str) -> Origin {
    Origin::Image(text.to_owned())
}

#[test]
fn bases_are_found_through_global_arguments() {
    let text = "ARG TAG=1\nARG IMAGE=base:${TAG} WHICH=one\nFROM $IMAGE AS one\nFROM ${WHICH} AS two\nFROM --platform=$BUILDPLATFORM x\nFROM scratch";
    let graph = graph(text);
    let bases: Vec<_> = graph.stages().iter().map(|stage| stage.base.clone()).collect();
    assert_eq!(bases, [image("base:1"), Origin::Stage(0), image("x"), Origin::Scratch]);
    assert_eq!(graph.stages()[2].platform.as_ref().unwrap().to_string(), "linux/amd64");
    let given = BTreeMap::from([("TAG".to_owned(), "2".to_owned()), ("TARGETARCH".to_owned(), "x".to_owned())]);
    let graph = with(text, &Request { build_arguments: given, ..request() }).unwrap();
    assert_eq!(graph.stages()[0].base, image("base:2"));
    assert_eq!(graph.arguments().globals["TARGETARCH"], "x");
    assert_eq!(graph.arguments().globals["TARGETPLATFORM"], "linux/arm/v7");
    assert_eq!(graph.arguments().globals["TARGETVARIANT"], "v7");
    assert_eq!(graph.arguments().globals["TARGETSTAGE"], "default");
}

#[test]
fn a_base_that_is_empty_or_a_platform_that_is_none_is_named() {
    assert!(told("ARG IMG\nFROM ${IMG}").contains("${IMG}"));
    assert!(told("FROM --platform=$P x").contains("$P"));
    assert!(told("FROM --platform=a/b/c/d x").contains("a/b/c/d"));
    assert!(told("ARG A=${B:?unset}\nFROM x").contains("B: unset"));
}

#[test]
fn only_what_the_target_needs_is_needed() {
    let text = "FROM a AS one\nFROM gone AS unused\nFROM b AS two\nCOPY --from=one /x /x\nFROM two AS three\nRUN --mount=from=four-image,target=/f true\nFROM c AS last";
    assert_eq!(graph(text).needed(), [4]);
    let for_target = |target: &str| with(text, &Request { target: Some(target.to_owned()), ..request() });
    let graph = for_target("THREE").unwrap();
    assert_eq!((graph.target(), graph.needed()), (3, [0, 2, 3].as_slice()));
    assert_eq!((graph.dependencies(3), graph.dependencies(2)), (vec![2], vec![0]));
    assert!(for_target("0").unwrap_err()[0].help.as_ref().unwrap().starts_with("the stages are"));
    let missing = &for_target("tree").unwrap_err()[0];
    assert!(missing.message.contains("tree") && missing.help.as_ref().unwrap().contains("three"));
}

#[test]
fn what_is_no_image_name_is_refused_also_where_it_is_not_needed() {
    assert!(told("FROM UPPER AS unused\nFROM a").contains("UPPER"));
    assert!(told("FROM a AS unused\nCOPY --from=No:pe / /\nFROM a").contains("No"));
}

#[test]
fn only_devices_that_are_required_are_refused() {
    assert!(told("FROM a\nRUN --device=x.test/y=z,required true").contains("`x.test/y=z`"));
    assert_eq!(graph("FROM a\nRUN --device=x.test/y true").needed(), [0]);
    assert_eq!(graph("FROM a\nRUN --device=x.test/y,required true\nFROM b").needed(), [1]);
}

#[test]
fn a_name_used_twice_means_the_nearest_stage_before() {
    let graph = graph(
        "FROM a AS s\nFROM s AS t\nCOPY --from=s / /\nFROM b AS s\nFROM c\nCOPY --from=S /f /f\nCOPY --from=t /f /tf\nCOPY --from=0 /f /z",
    );
    assert_eq!(source(&graph, 1, 0), Origin::Stage(0));
    assert_eq!([0, 1, 2].map(|step| source(&graph, 3, step)), [Origin::Stage(2), Origin::Stage(1), Origin::Stage(0)]);
    assert_eq!(with("FROM a AS s\nFROM b AS s", &Request { target: Some("s".to_owned()), ..request() }).unwrap().target(), 1);
}

#[test]
fn a_source_that_is_no_stage_is_an_image() {
    let graph = graph(
        "FROM a\nCOPY --from=h.example/x:1 / /\nCOPY --from=scratch / /\nRUN --mount=from=0,target=/a x\nCOPY a b\nRUN --mount=type=tmpfs,target=/t x",
    );
    assert_eq!([0, 1, 2].map(|step| source(&graph, 0, step)), [image("h.example/x:1"), Origin::Scratch, image("0")]);
    assert_eq!(graph.stages()[0].steps[3].sources, []);
    assert_eq!(graph.stages()[0].steps[4].sources, [None]);
    assert!(told("FROM a\nCOPY --from=7 / /").contains("no stage 7"));
    assert!(told("FROM a\nCOPY --from=-1 / /").contains("no stage -1"));
}

#[test]
fn a_base_is_never_a_later_stage_nor_the_stage_itself() {
    assert_eq!(graph("FROM alpine AS alpine\nFROM b AS c").stages()[0].base, image("alpine"));
    assert_eq!(graph("FROM c\nFROM b AS c").stages()[0].base, image("c"));
    assert_eq!(graph("FROM b AS c\nFROM C").stages()[1].base, Origin::Stage(0));
}

#[test]
fn using_a_later_stage_is_refused_where_it_is_needed() {
    let text = "FROM a\nCOPY --from=later /f /f\nFROM b AS later\nFROM scratch\nCOPY --from=0 / /";
    assert!(told(text).contains("`later`") && told(text).contains("Dockerfile:2"));
    assert!(told("FROM a AS x\nRUN --mount=from=y,target=/y true\nFROM b AS y\nFROM x").contains("cannot mount from stage `y`"));
    assert_eq!(graph("FROM a\nCOPY --from=later /f /f\nFROM b AS later").needed(), [1]);
}

#[test]
fn circles_are_refused_even_where_they_are_not_needed() {
    let text = "FROM a AS a\nRUN --mount=from=b,target=/b true\nFROM x AS b\nCOPY --from=a /p /p\nFROM y";
    assert!(told(text).contains("circular") && told(text).contains("`a` needs `b`"));
    assert!(told("FROM a AS a\nCOPY --from=a / /").contains("circular"));
    assert!(told("FROM a AS a\nRUN --mount=from=b,target=/b x\nFROM a AS b").contains("circular"));
}

#[test]
fn long_chains_of_stages_do_not_exhaust_the_stack() {
    let text: String = (1..20_000).fold("FROM a AS s0\n".to_owned(), |text, n| text + &format!("FROM s{} AS s{n}\n", n - 1));
    assert_eq!(graph(&text).needed().len(), 20_000);
}

#[test]
fn named_contexts_stand_in_for_stages_and_images() {
    let contexts = ["Build", "docker.io/library/busybox:latest", "other", "h.example/x:2", "scratch"].map(str::to_owned).into();
    let text = "FROM gone AS build\nRUN x\nFROM build\nFROM busybox\nCOPY --from=other / /\nCOPY --from=h.example/x:2 / /\nCOPY --from=h.example/x / /\nCOPY --from=scratch / /";
    let graph = with(text, &Request { contexts, ..request() }).unwrap();
    let context = |name: &str| Origin::Context(name.to_owned());
    assert!(graph.stages()[0].is_replaced && graph.stages()[0].steps.is_empty());
    assert_eq!(graph.stages()[0].base, context("Build"));
    assert_eq!(graph.stages()[1].base, Origin::Stage(0));
    assert_eq!(graph.stages()[2].base, context("docker.io/library/busybox:latest"));
    let sources = [0, 1, 2, 3].map(|step| source(&graph, 2, step));
    assert_eq!(sources, [context("other"), context("h.example/x:2"), image("h.example/x"), Origin::Scratch]);
}

#[test]
fn triggers_of_a_stage_run_first_in_its_children_and_not_in_theirs() {
    let text =
        "FROM a AS tools\nFROM b AS p\nONBUILD ARG WHO=nobody\nONBUILD COPY --from=tools /t /t\nFROM p AS c\nRUN own\nFROM c";
    let graph = graph(text);
    let child: Vec<_> = graph.stages()[2].steps.iter().map(|step| (step.statement.text.as_str(), step.is_trigger)).collect();
    assert_eq!(child, [("ARG WHO=nobody", true), ("COPY --from=tools /t /t", true), ("RUN own", false)]);
    assert!(graph.stages()[3].steps.is_empty());
    assert_eq!(graph.needed(), [1, 0, 2, 3]);
}

#[test]
fn triggers_of_an_image_may_need_further_stages() {
    let mut graph = graph("FROM a AS tools\nFROM b\nRUN x");
    assert_eq!(graph.needed(), [1]);
    graph.add_image_triggers(1, &["COPY --from=tools / /".to_owned(), "ENV A=1".to_owned()]).unwrap();
    assert_eq!(graph.needed(), [0, 1]);
    assert_eq!(graph.stages()[1].steps.len(), 3);
    let findings = graph.add_image_triggers(0, &["NOPE".to_owned()]).unwrap_err();
    assert!(findings[0].message.contains("NOPE"));
    assert!(graph.add_image_triggers(0, &vec!["RUN x".to_owned(); 20_000]).is_err());
}

#[test]
fn plain_words_of_needed_stages_are_checked_before_anything_is_built() {
    let needed = |line: &str| told(&format!("FROM a\n{line}"));
    assert!(needed("LABEL a=\"open").contains("double quote"));
    assert!(needed("COPY \"with space.txt\" /q/").contains("double quote"));
    assert!(needed("RUN --mount=type=floppy,target=/a true").contains("floppy"));
    assert!(needed("EXPOSE eighty").contains("eighty"));
    assert!(needed("COPY --chmod=99x a /f").contains("99x"));
    assert!(needed("STOPSIGNAL SIGNOPE").contains("SIGNOPE"));
    assert!(needed("EXPOSE 1-65535 2-65535 3-65535 4-65535 5-65535 6-65535 7-65535").contains("more than"));
    assert_eq!(graph("FROM a\nLABEL a=\"open\nFROM b").needed(), [1]);
    assert_eq!(graph("FROM a\nEXPOSE $PORT\nARG X=\"open").needed(), [0]);
}

#[test]
fn build_arguments_that_nobody_knows_are_told() {
    let given = ["A", "B", "C", "D", "http_proxy", "TARGETARCH", "BUILDKIT_INLINE_CACHE", "SOURCE_DATE_EPOCH", "NOPE"];
    let build_arguments = given.map(|name| (name.to_owned(), "1".to_owned())).into();
    let text = "ARG A\nFROM a AS p\nARG B=1 C\nONBUILD ARG D\nFROM p";
    let graph = with(text, &Request { build_arguments, ..request() }).unwrap();
    assert_eq!(graph.unused_build_arguments(), ["NOPE"]);
}
