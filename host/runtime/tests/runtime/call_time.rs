//! How long a plugin call takes from the precompiled form. A measurement of `make bench`: nothing is asserted of the time.

use std::path::PathBuf;
use std::time::Instant;

use windlass_core::setting::Settings;
use windlass_core::{EventSink, Tag};
use windlass_runtime::host::source::SourceFacts;
use windlass_runtime::tag_policy::{self, Tagging};
use windlass_runtime::{BuiltIn, Compiler, Context, Limits, Options, Plugin, Runtime};

const CALLS: usize = 201;

/// The plugin `auto-tag`, as `make plugins` has compiled it.
fn auto_tag() -> BuiltIn {
    let given = std::env::var_os("WINDLASS_PLUGINS_DIR").map(PathBuf::from);
    let directory = given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")));
    let digest = std::fs::read_to_string(directory.join("auto-tag.sha256")).expect("`make plugins` has been run");
    let code = std::fs::read(directory.join("auto-tag.cwasm")).unwrap();
    BuiltIn { name: "auto-tag", wasm_sha256: digest.trim().to_owned().leak(), cwasm: code.leak() }
}

#[tokio::test]
#[ignore = "a measurement, which `make bench` asks for"]
async fn a_call_from_the_precompiled_form() {
    let built_in = auto_tag();
    let runtime =
        Runtime::new(Options { limits: Limits::default(), cache: None, compiler: Compiler::this_program().unwrap() }).unwrap();
    let context = Context::closed(EventSink::silent());
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let begin = Instant::now();
        // Loading links it, and asks for its description, which is a call by itself.
        let plugin = Plugin::built_in(&runtime, &built_in).await.unwrap();
        let told = tag_policy::tags(&plugin, &context, &Settings::default(), &SourceFacts::default(), &[]).await.unwrap();
        times.push(begin.elapsed());
        assert_eq!(told, Tagging::Tags(vec![Tag::parse("latest").unwrap()]), "what a build without branch and tag gets");
    }
    times.sort();
    println!("plugin call: {:.3} ms", times[CALLS / 2].as_secs_f64() * 1000.0);
}
