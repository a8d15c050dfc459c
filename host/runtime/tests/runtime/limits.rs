//! Plugins that crash, loop, eat memory or flood: each ends in an error that names plugin, function and limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use windlass_core::{Digest, Tag};

use crate::support::{component, guest, limited, message};
use windlass_plugin_test::{FakeRegistry, PluginUnderTest, SourceFacts, Tagging, tags};
use windlass_runtime::host::registry_view::{RegistryError, RegistryView};
use windlass_runtime::{Limits, PluginError, Problem};

fn run(plugin: &PluginUnderTest, mode: &str, count: &str) -> Result<Tagging, PluginError> {
    plugin.tags(&[("mode", mode), ("count", count)], &SourceFacts::default(), &[])
}

#[test]
fn a_plugin_that_panics_is_named_and_the_next_call_works() {
    let plugin = guest("guest_tagger");
    let error = run(&plugin, "panic", "0").unwrap_err();
    assert!(matches!(error.problem, Problem::Trapped { .. }), "{error}");
    assert!(error.to_string().starts_with("plugin `guest-tagger`, function `tags`: it crashed"), "{error}");
    assert_eq!(run(&plugin, "add", "0").unwrap(), Tagging::Tags(Vec::new()));
}

#[test]
fn a_plugin_that_loops_is_stopped_after_its_time() {
    let plugin = limited("guest_tagger", Limits { computing_milliseconds: 200, ..Limits::default() });
    for mode in ["loop", "ask"] {
        let begin = Instant::now();
        let error = run(&plugin, mode, "0").unwrap_err();
        assert!(matches!(error.problem, Problem::OutOfTime { milliseconds: 200 }), "{mode}: {error}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{mode} took {:?}", begin.elapsed());
    }
}

#[test]
fn a_looping_plugin_does_not_hold_up_the_others_of_its_thread() {
    let runtime = windlass_runtime::Runtime::new(windlass_runtime::Options {
        limits: Limits { computing_milliseconds: 500, ..Limits::default() },
        cache: None,
        compiler: windlass_runtime::Compiler::InProcess,
    })
    .unwrap();
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let wasm = component("guest_tagger");
        let plugin = windlass_runtime::Plugin::from_bytes(&runtime, "guest", wasm, None).await.unwrap();
        let context = windlass_runtime::Context::closed(windlass_core::EventSink::silent());
        let settings = plugin
            .check_settings(&[windlass_core::setting::Assignment {
                name: "mode".to_owned(),
                value: windlass_core::setting::Value::Text("loop".to_owned()),
                origin: windlass_core::setting::Origin::default(),
            }])
            .unwrap();
        let source = SourceFacts::default();
        let looping = windlass_runtime::tag_policy::tags(&plugin, &context, &settings, &source, &[]);
        let ticks = async {
            let mut ticks = 0_u32;
            loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                ticks += 1;
                if ticks == 10 {
                    return ticks;
                }
            }
        };
        tokio::pin!(looping);
        tokio::select! {
            biased;
            ticks = ticks => assert_eq!(ticks, 10),
            result = &mut looping => panic!("the loop ended first: {result:?}"),
        }
    });
}

#[test]
fn a_plugin_that_eats_memory_is_stopped_at_its_limit() {
    let plugin = limited("guest_tagger", Limits { memory_bytes: 8 << 20, ..Limits::default() });
    let error = run(&plugin, "memory", "0").unwrap_err();
    assert!(matches!(&error.problem, Problem::OutOfMemory { limit } if limit.contains("memory-bytes")), "{error}");
    let tiny = limited_error(Limits { memory_bytes: 1 << 16, ..Limits::default() });
    assert!(tiny.contains("memory-bytes"), "{tiny}");
}

/// Loads the guest under limits that do not even let it start.
fn limited_error(limits: Limits) -> String {
    let error = PluginUnderTest::from_component("guest", component("guest_tagger"), limits).unwrap_err();
    windlass_core::chain(&error)
}

#[test]
fn a_plugin_that_calls_itself_without_end_uses_up_its_stack_and_not_ours() {
    let error = run(&guest("guest_tagger"), "stack", "0").unwrap_err();
    assert!(matches!(error.problem, Problem::StackOverflow | Problem::Trapped { .. }), "{error}");
}

#[test]
fn answers_that_are_too_large_name_their_limit() {
    let plugin = limited("guest_tagger", Limits { text_bytes: 1000, list_items: 10, answer_bytes: 1 << 20, ..Limits::default() });
    let error = message(run(&plugin, "long", "1001"));
    assert!(error.contains("a finding's message of 1001 bytes; the limit `text-bytes` allows 1000"), "{error}");
    let error = message(run(&plugin, "many", "11"));
    assert!(error.contains("11 tags; the limit `list-items` allows 10"), "{error}");
    let error = run(&plugin, "long", "2000000").unwrap_err();
    assert!(matches!(error.problem, Problem::TooMuch { limit: "answer-bytes", .. }), "{error}");
    let error = run(&plugin, "many", "1000000").unwrap_err();
    assert!(matches!(error.problem, Problem::TooMuch { limit: "answer-bytes", .. }), "{error}");
}

#[test]
fn a_flood_of_log_lines_is_cut_in_number_and_length_and_has_no_escapes() {
    let plugin = limited("guest_tagger", Limits { log_lines: 3, log_line_bytes: 20, ..Limits::default() });
    run(&plugin, "log", "100").unwrap();
    let said = plugin.said();
    assert_eq!(said.len(), 3);
    assert_eq!(said[0].message, "line 0 yyyyyyyyyyyyy…");
    assert_eq!(said[0].subject.as_deref(), Some("guest-tagger"));
}

#[test]
fn nonsense_is_named_with_what_was_expected() {
    let plugin = guest("guest_tagger");
    let error = message(run(&plugin, "illegal", "0"));
    assert!(error.contains("an illegal tag") && error.contains("'/' at position 8"), "{error}");
    let error = message(run(&plugin, "other", "0"));
    assert!(error.contains("the answer `someday`; expected tags"), "{error}");
    let refused = plugin.translate(&windlass_plugin_test::variables(&[]), &SourceFacts::default());
    let error = message(refused);
    assert!(error.contains("it is a plugin for tag-policy; expected one for dialect"), "{error}");
}

#[test]
fn findings_and_reasons_come_without_escapes() {
    let plugin = guest("guest_tagger");
    let Problem::Findings(findings) = run(&plugin, "refuse", "0").unwrap_err().problem else { panic!("no findings") };
    assert_eq!((findings[0].message.as_str(), findings[0].help.as_deref()), ("no way", Some("say yes")));
    assert_eq!(run(&plugin, "never", "0").unwrap(), Tagging::DoesNotApply("not on this branch".to_owned()));
    assert_eq!(plugin.tags(&[("add", "b,a")], &SourceFacts::default(), &tags(&["a"])).unwrap(), Tagging::Tags(tags(&["a", "b"])));
}

/// A registry that never answers.
struct Silent;

#[async_trait]
impl RegistryView for Silent {
    async fn tags(&self, _prefix: &str) -> Result<Vec<Tag>, RegistryError> {
        std::future::pending().await
    }

    async fn digest(&self, _tag: &Tag) -> Result<Option<Digest>, RegistryError> {
        std::future::pending().await
    }
}

#[test]
fn a_host_that_does_not_answer_holds_a_plugin_up_for_a_limited_time() {
    let plugin = limited("guest_tagger", Limits { request_milliseconds: 50, ..Limits::default() }).registry(Arc::new(Silent));
    assert_eq!(run(&plugin, "registry", "0").unwrap(), Tagging::Tags(tags(&["unreachable"])), "the plugin is told, and goes on");
    let plugin = limited("guest_tagger", Limits { call_milliseconds: 50, ..Limits::default() }).registry(Arc::new(Silent));
    let error = run(&plugin, "registry", "0").unwrap_err();
    assert!(matches!(error.problem, Problem::TimedOut { milliseconds: 50 }), "{error}");
}

#[test]
fn a_plugin_that_pesters_the_host_is_stopped() {
    let plugin =
        limited("guest_tagger", Limits { requests: 5, ..Limits::default() }).registry(FakeRegistry::with_tags(&["latest"]));
    assert_eq!(run(&plugin, "pester", "5").unwrap(), Tagging::Tags(tags(&["5"])));
    let error = run(&plugin, "pester", "6").unwrap_err();
    assert!(matches!(error.problem, Problem::TooMuch { limit: "requests", allowed: 5, .. }), "{error}");
}
