//! What the documentation says is so: its commands run, its options exist, its links lead somewhere, its exit codes are ours.

use std::collections::BTreeSet;

use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::documentation::{Action, Command, Page, pages, root};
use windlass_e2e::{DockerRegistry, Moto, Run, Workspace};

/// The names that the pages use for registries: one of somebody's own, and one of ECR.
const OWN: &str = "registry.example.com";
const ACCOUNT: &str = "123456789012";
const ECR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
/// A step as Harness writes it.
const STEP: &str = "type: BuildAndPushECR\nname: build and push\nidentifier: build\nspec:\n  connectorRef: aws\n  region: us-east-1\n  \
                    account: \"123456789012\"\n  imageName: team/app\n  tags: [\"1.0\"]\n";
/// How many blocks of all pages may be left out.
const OMISSIONS: usize = 6;

/// Everything that a page may speak of, without any name being looked up.
struct Place {
    open: DockerRegistry,
    ecr: DockerRegistry,
    moto: Moto,
    plugins: Vec<std::path::PathBuf>,
}

impl Place {
    fn new() -> Self {
        let open = DockerRegistry::open();
        for name in ["library/busybox:latest", "library/debian:latest", "team/base:1"] {
            Busybox::default().push(&open, name);
        }
        let ecr = DockerRegistry::with_login("AWS", &Moto::password(ACCOUNT));
        let plugins = ["branch-tag", "forbidden-files"].map(crate::plugin_author::build).to_vec();
        Self { open, ecr, moto: Moto::start(), plugins }
    }

    /// A directory as a user has one: a project, a step, a pipeline.
    fn workspace(&self) -> Workspace {
        let workspace = Workspace::new();
        workspace.write("app.txt", "the application\n");
        workspace.write("token.txt", "token\n");
        workspace.write("src/main.txt", "source\n");
        workspace.write(
            "Dockerfile",
            "FROM busybox AS build\nARG VERSION=none\nRUN echo \"$VERSION\" > /version\n\
             FROM busybox AS release\nCOPY app.txt /app/\nCOPY --from=build /version /app/\nENTRYPOINT [\"cat\", \"/app/version\"]\n",
        );
        workspace.write("step.yaml", STEP);
        for plugin in &self.plugins {
            let file = plugin.file_name().expect("a plugin has a name").to_string_lossy();
            let place = format!("target/wasm32-unknown-unknown/release/{file}");
            workspace.write(&place, std::fs::read(plugin).expect("it was built"));
        }
        workspace
    }

    fn run(&self, workspace: &Workspace, command: &Command) -> Run {
        let map = format!("{OWN}={0},docker.io={0},{ECR}={1}", self.open.url(), self.ecr.url());
        let script = format!("set -eu; program=$1; windlass() {{ \"$program\" \"$@\"; }}; {}", command.text);
        let mut run = workspace.windlass(Vec::<String>::new()).wrapped(["sh", "-c", &script, "sh"]);
        run = run.aws(&self.moto).env("WINDLASS_REGISTRY_MAP", map).env("DRONE_COMMIT_REF", "refs/heads/main");
        run = run.envs(&[("DRONE_COMMIT_SHA", "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"), ("DRONE_REPO_BRANCH", "main")]);
        run = run.envs(&[("DRONE_COMMIT_BRANCH", "main"), ("TOKEN", "secret-token"), ("VERSION", "1.0")]);
        // A page that shows no variables means those that the CI has set.
        if command.text.contains("--from-env") && !command.text.contains("PLUGIN_") {
            let host = if command.text.contains("--from-env ecr") { ECR } else { OWN };
            run = run.envs(&[("PLUGIN_REGISTRY", host), ("PLUGIN_REPO", "team/app"), ("PLUGIN_TAGS", "1.0")]);
        }
        run.run()
    }
}

/// Follows a page and tells what is not as it says.
fn follow(place: &Place, page: &Page) -> Vec<String> {
    let workspace = place.workspace();
    let mut wrong = Vec::new();
    for action in page.actions() {
        match action {
            Action::Write { file, content } => drop(workspace.write(&file, content)),
            Action::Skip { .. } => {}
            Action::Run(command) => {
                let run = place.run(&workspace, &command);
                let said = format!("{}\n{}", run.stderr, run.stdout);
                let ended = run.status.code() == Some(i32::from(command.exits));
                let missing = command.prints.iter().find(|line| !said.lines().any(|said| matches(line, said)));
                if !ended || missing.is_some() {
                    let what = missing.map_or_else(|| format!("exit {}", command.exits), |line| format!("`{line}`"));
                    wrong.push(format!("{}:{}: {}: expected {what}\n{}", page.name, command.line, command.text, run.all()));
                }
            }
        }
    }
    wrong
}

/// Whether `said` holds the pieces of `line` between its `…`, in order.
fn matches(line: &str, said: &str) -> bool {
    let mut rest = said;
    line.split('…').all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn every_command_of_the_documentation_runs_as_it_says() {
    let place = Place::new();
    let pages = pages();
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let place = &place;
        let workers: Vec<_> = pages.iter().map(|page| scope.spawn(move || follow(place, page))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a page is followed to its end")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let count = |wanted: fn(&Action) -> bool| pages.iter().flat_map(Page::actions).filter(wanted).count();
    assert!(count(|action| matches!(action, Action::Run(_))) > 25, "the pages have commands");
    let omitted = count(|action| matches!(action, Action::Skip { .. }));
    assert!(omitted <= OMISSIONS, "{omitted} blocks are marked `not run`; at most {OMISSIONS} may be");
}

/// The long options of a command, as its help lists them.
fn options(workspace: &Workspace, command: &[&str]) -> BTreeSet<String> {
    let help = workspace.windlass(command).args(["--help"]).run().succeeds().stdout;
    let listed = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = listed.flat_map(|line| line.split([' ', ',', '[', '<', '=']).take(3).map(str::to_owned).collect::<Vec<_>>());
    words.filter(|word| word.starts_with("--")).collect()
}

/// The commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.split_once("Commands:").map(|(_, listed)| listed).unwrap_or_default();
    let lines = listed.lines().skip(1).take_while(|line| !line.trim().is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_option_is_documented_and_every_documented_option_exists() {
    let workspace = Workspace::new();
    let help = workspace.windlass(["--help"]).run().succeeds().stdout;
    let mut known = BTreeSet::new();
    for command in &commands(&help) {
        known.extend(options(&workspace, &[command]));
        let help = workspace.windlass([command.as_str(), "--help"]).run().succeeds().stdout;
        known.extend(commands(&help).iter().flat_map(|further| options(&workspace, &[command, further])));
    }
    assert!(["--push", "--registry-map", "--older-than"].iter().all(|option| known.contains(*option)), "{known:?}");
    let pages = pages();
    let cli = pages.iter().find(|page| page.name == "docs/cli.md").expect("there is a page of the command line");
    let documented: BTreeSet<String> = cli.spans().into_iter().flat_map(|(_, span)| named(&span)).collect();
    let missing: Vec<_> = known.iter().filter(|option| *option != "--help" && !documented.contains(*option)).collect();
    assert!(missing.is_empty(), "docs/cli.md does not have {missing:?}");
    let absent = |command: &str| !help.contains(&format!("\n  {command} "));
    for page in &pages {
        for (line, span) in page.spans() {
            let Some(rest) = span.strip_prefix("windlass ") else { continue };
            let command = rest.split_whitespace().next().unwrap_or_default();
            if command.chars().all(|c| c.is_ascii_lowercase()) {
                assert!(!absent(command), "{}:{line}: there is no command `{command}`", page.name);
            }
            let unknown: Vec<_> =
                named(&span).into_iter().filter(|option| !known.contains(option) && option != "--help").collect();
            assert!(unknown.is_empty(), "{}:{line}: `{span}` has options that are none: {unknown:?}", page.name);
        }
    }
}

/// The long options in a text.
fn named(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.filter(|word| word.len() > 2 && word.starts_with("--")).map(str::to_owned).collect()
}

#[test]
fn every_link_leads_to_a_page_and_a_heading_of_it() {
    let pages = pages();
    for page in &pages {
        for link in page.links().iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let here = root().join(&page.name);
            let target = if file.is_empty() { here.clone() } else { here.parent().expect("a file lies somewhere").join(file) };
            // `make bench` writes that page, and only where it runs.
            assert!(target.exists() || file.ends_with("benchmarks.md"), "{}: {link} leads nowhere", page.name);
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).expect("a page can be read");
                let anchors = Page { name: link.clone(), text }.anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{}: {link} has no such heading: {anchors:?}", page.name);
            }
        }
    }
}

#[test]
fn the_page_of_exit_codes_has_every_code_under_its_name() {
    let page = std::fs::read_to_string(root().join("docs/exit-codes.md")).expect("there is a page of exit codes");
    for code in ExitCode::ALL {
        let row = format!("| {} | {} |", code.code(), code.name());
        assert!(page.contains(&row), "docs/exit-codes.md does not have `{row}`");
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| ")).count(), ExitCode::ALL.len() + 1);
}
