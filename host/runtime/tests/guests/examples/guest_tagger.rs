//! A tag policy that does what its setting `mode` says.

use windlass_plugin_sdk::tag_policy::{self, RegistryView, Settings, Source, TagPolicy, Tagging};
use windlass_plugin_sdk::{Describe, Description, Finding, Grant, Setting, log};

struct Guest;

impl Describe for Guest {
    fn describe() -> Description {
        Description::new("guest-tagger", "1.2.3", "does what its setting says")
            .documentation("https://example.com/guest-tagger")
            .setting(Setting::text("mode", "What to do.").default("add"))
            .setting(Setting::texts("add", "Tags to add."))
            .setting(Setting::integer("count", "How much of it.").default("0"))
            .grant(Grant::registry_view("to see which tags there are"))
            .grant(Grant::variable("CI_CHANNEL", "to name the channel"))
    }
}

impl TagPolicy for Guest {
    fn tags(
        settings: &Settings,
        source: &Source,
        registry: Option<&RegistryView>,
        so_far: Vec<String>,
    ) -> Result<Tagging, Vec<Finding>> {
        let count = usize::try_from(settings.integer("count").unwrap_or_default()).unwrap_or_default();
        Ok(match settings.text("mode").unwrap_or_default().as_str() {
            "add" => Tagging::Tags([so_far, settings.texts("add")].concat()),
            "source" => Tagging::Tags(
                [source.branch(), source.variable("CI_CHANNEL"), source.variable("HOME")].into_iter().flatten().collect(),
            ),
            "registry" => Tagging::Tags(match registry.map(|registry| registry.tags("")) {
                Some(Ok(tags)) => tags,
                Some(Err(_)) => vec!["unreachable".to_owned()],
                None => vec!["not-granted".to_owned()],
            }),
            "pester" => {
                let answers = (0..count).filter_map(|_| registry.map(|registry| registry.digest("latest")));
                Tagging::Tags(vec![answers.count().to_string()])
            }
            "never" => Tagging::DoesNotApply("\u{1b}[31mnot\u{1b}[0m on this branch".to_owned()),
            "illegal" => Tagging::Tags(vec!["feature/login".to_owned()]),
            "other" => Tagging::Other("someday".to_owned()),
            "refuse" => return Err(Finding::deny("guest/no", "\u{1b}]0;owned\u{7}no\nway").about("mode").help("say yes").into()),
            "panic" => panic!("told to"),
            "loop" => endless(),
            "ask" => loop {
                std::hint::black_box(settings.names());
            },
            "memory" => Tagging::Tags(vec![eat()]),
            "stack" => Tagging::Tags(vec![deep(count).to_string()]),
            "long" => return Err(Finding::deny("guest/long", "x".repeat(count)).into()),
            "many" => Tagging::Tags(vec!["x".to_owned(); count]),
            "log" => {
                for line in 0..count {
                    log::warn(&format!("\u{1b}[1mline {line}\u{1b}[0m {}", "y".repeat(10_000)));
                }
                Tagging::Tags(so_far)
            }
            other => return Err(Finding::deny("guest/mode", format!("no mode `{other}`")).into()),
        })
    }
}

fn endless() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn eat() -> String {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

fn deep(depth: usize) -> usize {
    let kept = std::hint::black_box([depth; 64]);
    if depth == usize::MAX { 0 } else { deep(std::hint::black_box(depth + 1)) + kept[depth % 64] }
}

tag_policy::export!(Guest);
