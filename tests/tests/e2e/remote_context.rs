//! Contexts that are no directory here: standard input, archives and repositories, and named contexts of every kind.

use std::process::Command;

use windlass_core::ExitCode;
use windlass_e2e::servers::scripted::{Response, Scripted};
use windlass_e2e::{Image, Windlass, Workspace};

/// The command with a file of the workspace on standard input.
fn fed<'a>(workspace: &'a Workspace, arguments: &[&str], input: &str) -> Windlass<'a> {
    // A layout takes a second image beside the first.
    let _ = std::fs::remove_dir_all(workspace.path("out"));
    let feed = format!("exec \"$0\" \"$@\" < '{}'", workspace.path(input).display());
    workspace.windlass(arguments).args(["-o", "oci:out", "-t", "app:1"]).wrapped(["sh", "-c", feed.as_str()])
}

fn built(workspace: &Workspace) -> Image {
    Image::read(&format!("oci:{}", workspace.path("out").display()), None)
}

fn archive(workspace: &Workspace, directory: &str, flags: &str) -> Vec<u8> {
    let tar = Command::new("tar").arg(flags).arg("-C").arg(workspace.path(directory)).arg(".").output().unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    tar.stdout
}

fn served(workspace: &Workspace, flags: &str) -> Scripted {
    let tar = archive(workspace, "in", flags);
    Scripted::start(move |_| Response { status: 200, headers: Vec::new(), body: tar.clone() })
}

/// A context in `in` whose ignore file leaves one of two files out.
fn context(workspace: &Workspace) {
    workspace.write("in/Dockerfile", "FROM scratch\nCOPY . /\n");
    workspace.write("in/other/Dockerfile", "FROM scratch\nCOPY a /renamed\n");
    workspace.write("in/.dockerignore", "b\n");
    workspace.write("in/a", "a");
    workspace.write("in/b", "b");
}

#[test]
fn a_context_comes_on_standard_input_in_any_compression() {
    let workspace = Workspace::new();
    context(&workspace);
    for flags in ["-c", "-cz", "-cJ"] {
        workspace.write("context.tar", archive(&workspace, "in", flags));
        fed(&workspace, &["build", "-"], "context.tar").run().succeeds();
        let image = built(&workspace);
        assert_eq!(image.text("a"), "a");
        assert!(!image.files.contains_key("b"), "{flags}: the ignore file counts");
    }
    fed(&workspace, &["build", "-f", "other/Dockerfile", "-"], "context.tar").run().succeeds();
    assert_eq!(built(&workspace).text("renamed"), "a");
    let _ =
        fed(&workspace, &["build", "-f", "../Dockerfile", "-"], "context.tar").run().fails_with(ExitCode::Plan).says("no file");
}

#[test]
fn a_dockerfile_comes_on_standard_input_with_and_without_a_context() {
    let workspace = Workspace::new();
    context(&workspace);
    workspace.write("text", "FROM scratch\nCOPY a /from-input\n");
    fed(&workspace, &["build", "-f", "-", "in"], "text").run().succeeds();
    assert_eq!(built(&workspace).text("from-input"), "a");
    workspace.write("alone", "FROM scratch\nCOPY <<x /x\ntext\nx\n");
    fed(&workspace, &["build", "-"], "alone").run().succeeds();
    assert_eq!(built(&workspace).text("x"), "text\n");
    let _ = fed(&workspace, &["build", "-f", "-", "-"], "alone").run().fails_with(ExitCode::Plan).says("at once");
}

#[test]
fn a_context_comes_from_the_web() {
    let workspace = Workspace::new();
    context(&workspace);
    let server = served(&workspace, "-cz");
    let url = format!("{}/context.tgz", server.url());
    workspace.windlass(["build", &url, "-o", "oci:out", "-t", "app:1"]).run().succeeds();
    let image = built(&workspace);
    assert_eq!(image.text("a"), "a");
    assert!(!image.files.contains_key("b"));
}

#[test]
fn hostile_archives_reach_nothing_of_this_machine() {
    let workspace = Workspace::new();
    workspace.write("secret", "canary");
    workspace.write("in/Dockerfile", "FROM scratch\nCOPY link /\n");
    std::os::unix::fs::symlink(workspace.path("secret"), workspace.path("in/link")).unwrap();
    workspace.write("context.tar", archive(&workspace, "in", "-c"));
    let run = fed(&workspace, &["build", "-"], "context.tar").run();
    assert!(!run.status.success());
    let _ = run.never_says("canary");
    // CVE-2019-13139's kin: the Dockerfile itself is a link to a file of this machine.
    std::fs::remove_file(workspace.path("in/Dockerfile")).unwrap();
    std::os::unix::fs::symlink(workspace.path("secret"), workspace.path("in/Dockerfile")).unwrap();
    workspace.write("context.tar", archive(&workspace, "in", "-c"));
    let _ = fed(&workspace, &["build", "-"], "context.tar").run().fails_with(ExitCode::Plan).says("no file").never_says("canary");
    // Names that lead up, as tar writes them when it is told to.
    workspace.write("up/x/Dockerfile", "FROM scratch\nCOPY . /\n");
    workspace.write("up/escaped", "x");
    let tar =
        Command::new("tar").args(["-cP", "-C"]).arg(workspace.path("up/x")).args(["Dockerfile", "../escaped"]).output().unwrap();
    workspace.write("context.tar", tar.stdout);
    let run = fed(&workspace, &["build", "-"], "context.tar").run();
    if run.status.success() {
        assert!(built(&workspace).files.contains_key("escaped"), "it is taken below the root");
    }
}

#[test]
fn named_contexts_come_from_the_web_and_from_layouts() {
    let workspace = Workspace::new();
    context(&workspace);
    let server = served(&workspace, "-c");
    workspace.write("first/Dockerfile", "FROM scratch\nCOPY <<x /layer\nbase\nx\nENV FROM_LAYOUT=1\n");
    workspace.windlass(["build", "first", "-o", "oci:base", "-t", "base:1"]).run().succeeds();
    workspace.write("Dockerfile", "FROM base\nCOPY --from=web /a /copied\nCOPY --from=base /layer /again\n");
    let contexts = [format!("web={}/x.tar", server.url()), format!("base=oci-layout://{}", workspace.path("base").display())];
    let run = workspace.windlass(["build", ".", "-o", "oci:out", "-t", "app:1"]);
    run.args(["--build-context", &contexts[0], "--build-context", &contexts[1]]).run().succeeds();
    let image = built(&workspace);
    assert_eq!((image.text("layer"), image.text("copied"), image.text("again")), ("base\n".into(), "a".into(), "base\n".into()));
    assert!(image.config["config"]["Env"].to_string().contains("FROM_LAYOUT=1"));
    // A Dockerfile cannot name a layout by itself.
    workspace.write("Dockerfile", format!("FROM oci-layout://{}\n", workspace.path("base").display()));
    let run = workspace.windlass(["build", ".", "-o", "oci:out", "-t", "app:1"]).run();
    assert!(!run.status.success(), "{}", run.all());
}

#[test]
fn a_stage_begins_with_the_files_of_a_named_context() {
    let workspace = Workspace::new();
    context(&workspace);
    let server = served(&workspace, "-cz");
    workspace.write("root/a", "of the root");
    workspace.write("root/deep/file", "deep");
    workspace.write("root/left", "x");
    workspace.write("root/.dockerignore", "left\n");
    workspace.write(
        "Dockerfile",
        "FROM root AS one\nENV A=1\nWORKDIR /made\nCOPY Dockerfile .\nFROM one AS two\nENV B=$A\n\
         FROM gone AS web\nRUN false\nFROM nothing\nCOPY --from=two / /two/\nCOPY --from=web /a /web\nCOPY --from=root deep /deep\n",
    );
    let contexts = [
        format!("root={}", workspace.path("root").display()),
        format!("web={}/x.tgz", server.url()),
        "nothing=docker-image://scratch".to_owned(),
    ];
    let build = |target: &[&str]| {
        let _ = std::fs::remove_dir_all(workspace.path("out"));
        let run = workspace.windlass(["build", ".", "-o", "oci:out", "-t", "app:1"]).args(target);
        run.args(contexts.iter().flat_map(|context| ["--build-context", context.as_str()])).run().succeeds()
    };
    build(&[]);
    let image = built(&workspace);
    assert_eq!(
        (image.text("two/a"), image.text("web"), image.text("deep/file")),
        ("of the root".into(), "a".into(), "deep".into())
    );
    assert!(!image.files.contains_key("two/left"), "the ignore file of the named context counts");
    assert_eq!(image.files["two/a"].owner, (0, 0));
    let _ = build(&["--target", "two"]).says("cached");
    let image = built(&workspace);
    assert_eq!((image.text("a"), image.text("deep/file")), ("of the root".into(), "deep".into()));
    let config = &image.config["config"];
    assert!(config["Env"].to_string().contains("B=1") && config["WorkingDir"] == "/made", "{config}");
    // A change in the context is seen.
    workspace.write("root/a", "changed");
    build(&["--target", "two"]);
    assert_eq!(built(&workspace).text("a"), "changed");
    // What stands in for a stage can be the target.
    build(&["--target", "web"]);
    assert_eq!(built(&workspace).text("a"), "a");
}

#[test]
fn a_dockerfile_in_small_letters_is_found_where_there_is_no_other() {
    let workspace = Workspace::new();
    workspace.write("in/dockerfile", "FROM scratch\nCOPY dockerfile /small\n");
    let build = || {
        let _ = std::fs::remove_dir_all(workspace.path("out"));
        workspace.windlass(["build", "in", "-o", "oci:out", "-t", "app:1"]).run().succeeds()
    };
    build();
    assert!(built(&workspace).files.contains_key("small"));
    workspace.write("in/Dockerfile", "FROM scratch\nCOPY Dockerfile /large\n");
    build();
    assert!(built(&workspace).files.contains_key("large"));
}
