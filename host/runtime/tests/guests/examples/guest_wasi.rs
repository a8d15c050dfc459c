//! A tag policy whose tags say what WASI gives it: nothing. Built for `wasm32-wasip2`.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
use windlass_plugin_sdk::{Describe, Description, Finding};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("wasi-tagger", "0.1.0", "says what WASI gives it")
    }
}

impl TagPolicy for Guest {
    #[expect(clippy::print_stdout, reason = "what is printed must end up in the log")]
    fn tags(
        _settings: &Settings,
        _source: &Source,
        _registry: Option<&RegistryView>,
        _so_far: Vec<String>,
    ) -> Result<Tagging, Vec<Finding>> {
        println!("printed");
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        Ok(Tagging::Tags(vec![
            format!("env-{}", std::env::vars().count()),
            format!("args-{}", std::env::args().count()),
            format!("root-{}", std::fs::read_dir("/").is_ok()),
            format!("connect-{}", std::net::TcpStream::connect("127.0.0.1:1").is_ok()),
            format!("time-{time}"),
            format!("random-{}", RandomState::new().hash_one("x")),
        ]))
    }
}

tag_policy::export!(Guest);
