//! Loading plugins: what is taken, what is refused, and where compiled code comes from.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use crate::support::component;
use sha2::{Digest as _, Sha256};
use windlass_core::{Digest, EventSink, chain};
use windlass_runtime::host::source::SourceFacts;
use windlass_runtime::{BuiltIn, Compiler, Context, Limits, LoadError, Options, Plugin, Role, Runtime, compile, tag_policy};

fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn runtime(cache: Option<&Path>, compiler: Compiler, limits: Limits) -> Runtime {
    Runtime::new(Options { limits, cache: cache.map(Path::to_owned), compiler }).unwrap()
}

fn child() -> Compiler {
    Compiler::Child { program: env!("CARGO_BIN_EXE_windlass-precompile").into() }
}

fn load(wasm: Vec<u8>) -> Result<Plugin, LoadError> {
    tokio().block_on(Plugin::from_bytes(&runtime(None, Compiler::InProcess, Limits::default()), "x.wasm", wasm, None))
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn a_component_says_what_it_is() {
    let plugin = load(component("guest_tagger")).unwrap();
    assert_eq!((plugin.name(), plugin.role(), plugin.origin()), ("guest-tagger", Role::TagPolicy, "x.wasm"));
    let description = plugin.description();
    assert_eq!((description.version.as_str(), description.settings.len(), description.grants.len()), ("1.2.3", 3, 2));
    let planned = plugin.planned();
    assert_eq!(planned.role, "tag-policy");
    assert!(planned.digest.starts_with("sha256:"));
}

#[test]
fn an_import_that_is_not_offered_is_named() {
    let error = load(wat(
        r#"(component (import "acme:database/query@1.0.0" (instance)) (instance $i) (export "windlass:plugin/tagger@0.1.0" (instance $i)))"#,
    ))
    .unwrap_err();
    assert!(
        matches!(&error, LoadError::UnknownImport { import, role: None, .. } if import == "acme:database/query@1.0.0"),
        "{error}"
    );
    let error = load(wat(
        r#"(component (import "windlass:plugin/aws-ecr@0.1.0" (instance)) (instance $i) (export "windlass:plugin/tagger@0.1.0" (instance $i)))"#,
    ))
    .unwrap_err();
    assert!(matches!(&error, LoadError::UnknownImport { role: Some(Role::TagPolicy), .. }), "{error}");
    assert!(error.to_string().contains("of the world tag-policy; it may import types"), "{error}");
}

#[test]
fn a_component_without_a_world_with_two_or_with_half_of_one_is_refused() {
    assert!(matches!(load(wat("(component)")), Err(LoadError::NoRole { .. })));
    let two = r#"(component (instance $i) (export "windlass:plugin/tagger@0.1.0" (instance $i)) (export "windlass:plugin/mapper@0.1.0" (instance $i)))"#;
    assert!(matches!(load(wat(two)), Err(LoadError::TwoRoles { .. })));
    let half = r#"(component (instance $i) (export "windlass:plugin/tagger@0.1.0" (instance $i)))"#;
    let error = load(wat(half)).unwrap_err();
    assert!(matches!(error, LoadError::Interface { .. }), "{}", chain(&error));
    let newer = r#"(component (instance $i) (export "windlass:plugin/tagger@0.2.0" (instance $i)))"#;
    let error = chain(&load(wat(newer)).unwrap_err());
    assert!(error.contains("windlass:plugin@0.1.0"), "{error}");
}

#[test]
fn what_is_no_component_is_called_by_its_name() {
    assert!(matches!(load(wat("(module)")), Err(LoadError::CoreModule { .. })));
    let foreign = wat(r#"(module (@custom "component-type:x" "nonsense"))"#);
    assert!(matches!(load(foreign), Err(LoadError::Invalid { .. })));
    assert!(matches!(load(b"\x7fELF\x02\x01".to_vec()), Err(LoadError::NativeCode { .. })));
    assert!(matches!(load(compile::precompile("x", &component("guest_tagger")).unwrap()), Err(LoadError::NativeCode { .. })));
    assert!(matches!(load(b"#!/bin/sh".to_vec()), Err(LoadError::Invalid { .. })));
    assert!(matches!(load(Vec::new()), Err(LoadError::Invalid { .. })));
    let mut broken = component("guest_tagger");
    broken.truncate(broken.len() / 2);
    assert!(matches!(load(broken), Err(LoadError::Invalid { .. })));
    let large = runtime(None, Compiler::InProcess, Limits { component_bytes: 10, ..Limits::default() });
    let error = tokio().block_on(Plugin::from_bytes(&large, "x", vec![0; 11], None)).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { limit: 10, .. }), "{error}");
}

#[test]
fn a_digest_that_is_not_the_expected_one_is_refused_before_anything_is_compiled() {
    let expected = Digest::from_sha256([0; 32]);
    let runtime = runtime(None, Compiler::Child { program: "/nonexistent".into() }, Limits::default());
    let error = tokio().block_on(Plugin::from_bytes(&runtime, "x", component("guest_tagger"), Some(&expected))).unwrap_err();
    assert!(matches!(error, LoadError::Digest { .. }), "{error}");
}

#[test]
fn a_file_is_compiled_in_a_child_process_once_and_then_mapped_from_the_cache() {
    let directory = tempfile::tempdir().unwrap();
    let (file, cache) = (directory.path().join("guest.wasm"), directory.path().join("cache"));
    std::fs::write(&file, component("guest_tagger")).unwrap();
    let plugin = tokio().block_on(Plugin::from_file(&runtime(Some(&cache), child(), Limits::default()), &file)).unwrap();
    assert_eq!(plugin.name(), "guest-tagger");
    let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let no_compiler = runtime(Some(&cache), Compiler::Child { program: "/nonexistent".into() }, Limits::default());
    assert!(tokio().block_on(Plugin::from_file(&no_compiler, &file)).is_ok());
    // Code that was cut short is made anew.
    std::fs::write(&files[0], b"\x7fELF").unwrap();
    assert!(tokio().block_on(Plugin::from_file(&no_compiler, &file)).is_err());
    assert!(tokio().block_on(Plugin::from_file(&runtime(Some(&cache), child(), Limits::default()), &file)).is_ok());
}

#[test]
fn the_compilers_child_has_limits_and_gives_its_reason() {
    let broken = wat(r#"(component (import "x" (func)))"#)[..12].to_vec();
    let run = |wasm: Vec<u8>, limits| tokio().block_on(Plugin::from_bytes(&runtime(None, child(), limits), "x", wasm, None));
    let error = run(broken, Limits::default()).unwrap_err();
    assert!(matches!(&error, LoadError::Invalid { reason, .. } if !reason.is_empty()), "{error}");
    let small = Limits { compile_memory_bytes: 16 << 20, ..Limits::default() };
    let error = run(component("guest_tagger"), small).unwrap_err();
    assert!(matches!(error, LoadError::CompileLimit { .. }), "{error}");
}

#[test]
fn wasi_has_nothing_behind_it() {
    // A guest for wasm32-wasip2, whose standard library imports WASI; see ../fixtures/README.md.
    let plugin = load(include_bytes!("../fixtures/wasi-tagger.wasm").to_vec()).unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let copy = std::sync::Arc::clone(&seen);
    let context = Context::closed(EventSink::new(move |event| {
        if let windlass_core::Event::Notice { finding } = event {
            copy.lock().unwrap().push(finding.message);
        }
    }));
    let settings = plugin.check_settings(&[]).unwrap();
    let call = || {
        let told = tokio().block_on(tag_policy::tags(&plugin, &context, &settings, &SourceFacts::default(), &[])).unwrap();
        let tag_policy::Tagging::Tags(tags) = told else { panic!("{told:?}") };
        tags.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = call();
    assert_eq!(told[..4], ["env-0", "args-0", "root-false", "connect-false"], "{told:?}");
    assert_eq!(told[4], "time-946684800");
    assert_eq!(call(), told, "randomness and time are the same every time");
    assert_eq!(seen.lock().unwrap()[0], "printed");
}

#[test]
fn a_guest_of_every_released_interface_still_works() {
    let plugin = load(include_bytes!("../fixtures/interface-0.1.0.wasm").to_vec()).unwrap();
    let settings = plugin.check_settings(&[]).unwrap();
    let context = Context::closed(EventSink::silent());
    let so_far = [windlass_core::Tag::parse("1").unwrap()];
    let told = tokio().block_on(tag_policy::tags(&plugin, &context, &settings, &SourceFacts::default(), &so_far)).unwrap();
    assert_eq!(told, tag_policy::Tagging::Tags(so_far.to_vec()));
}

/// Prints what a call costs. Nothing is asserted about time, which other work on the machine decides.
#[test]
fn a_built_in_plugin_is_loaded_linked_and_called() {
    let wasm = component("guest_tagger");
    let sha256 = Digest::from_sha256(Sha256::digest(&wasm).into()).hex().to_owned();
    let code = compile::precompile("guest", &wasm).unwrap();
    let built_in = BuiltIn { name: "guest-tagger", wasm_sha256: sha256.leak(), cwasm: code.leak() };
    let runtime = runtime(None, Compiler::Child { program: "/nonexistent".into() }, Limits::default());
    let context = Context::closed(EventSink::silent());
    let tokio = tokio();
    let mut costs = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        let plugin = tokio.block_on(Plugin::built_in(&runtime, &built_in)).unwrap();
        let loaded = begin.elapsed();
        let settings = plugin.check_settings(&[]).unwrap();
        tokio.block_on(tag_policy::tags(&plugin, &context, &settings, &SourceFacts::default(), &[])).unwrap();
        costs.push((begin.elapsed(), loaded));
        assert_eq!(plugin.origin(), "built in");
    }
    costs.sort_unstable();
    let (all, loaded) = costs[costs.len() / 2];
    println!(
        "component {} bytes, code {} bytes: load, link and describe {loaded:?}, with a call {all:?}",
        wasm.len(),
        built_in.cwasm.len()
    );
    let lying = BuiltIn { name: "other", ..built_in };
    assert!(tokio.block_on(Plugin::built_in(&runtime, &lying)).is_err());
}
