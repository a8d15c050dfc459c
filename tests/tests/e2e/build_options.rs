//! The options of `windlass build` that change what a RUN step meets, and what is told of the image.

use serde_json::Value;
use windlass_core::ExitCode;
use windlass_e2e::base_images::Busybox;
use windlass_e2e::{DockerRegistry, Image, Run, Workspace};

fn place(steps: &str) -> (DockerRegistry, Workspace) {
    let (registry, workspace) = (DockerRegistry::open(), Workspace::new());
    let base = Busybox::default().push(&registry, "base:latest");
    workspace.write("Dockerfile", format!("FROM {base} AS one\n{steps}"));
    (registry, workspace)
}

fn build(workspace: &Workspace, options: &[&str]) -> Run {
    workspace.windlass(["build", ".", "-o", "oci:out"]).args(options).run()
}

fn image(workspace: &Workspace) -> Image {
    Image::read(&format!("oci:{}", workspace.path("out").display()), None)
}

#[test]
fn hosts_and_name_servers_reach_a_step_and_stay_out_of_the_image() {
    let (_registry, workspace) = place("RUN cat /etc/hosts > /hosts && cat /etc/resolv.conf > /names\n");
    let options = [
        "--add-host",
        "one:10.0.0.1",
        "--add-host",
        "two=10.0.0.2",
        "--add-host",
        "six:2001:db8::6",
        "--add-host",
        "seven=[2001:db8::7]",
        "--add-host",
        "host.docker.internal:host-gateway",
        "--dns",
        "10.9.8.7",
        "--dns",
        "2001:db8::53",
        "--dns-search",
        "a.example",
    ];
    let _ = build(&workspace, &options).succeeds();
    let image = image(&workspace);
    for line in ["10.0.0.1\tone", "10.0.0.2\ttwo", "2001:db8::6\tsix", "2001:db8::7\tseven", "127.0.0.1\thost.docker.internal"] {
        assert!(image.text("hosts").lines().any(|known| known == line), "{line}: {}", image.text("hosts"));
    }
    assert_eq!(image.text("names"), "nameserver 10.9.8.7\nnameserver 2001:db8::53\nsearch a.example\n");
    assert!(image.files.get("etc/resolv.conf").is_none_or(|file| file.content.is_empty()));
    let _ = build(&workspace, &["--add-host", "nowhere"]).fails_with(ExitCode::Settings).says("not HOST:ADDRESS");
    let _ = build(&workspace, &["--dns", "nameserver"]).fails_with(ExitCode::Settings).says("no address of a name server");
}

/// Both files are read line by line: what ends a line would give a step addresses that nobody asked for.
#[test]
fn no_setting_writes_further_lines_into_the_files_of_names() {
    let (registry, workspace) = place("RUN echo ran\n");
    let (host, domain, server) = ("db\n6.6.6.6 registry:10.0.0.1", "a\nnameserver 6.6.6.6", "10.0.0.2\n6");
    let options = ["--add-host", host, "--add-host", "x:\u{1b}", "--dns-search", domain, "--dns", server];
    let step = format!(
        "type: BuildAndPushDockerRegistry\nname: b\nidentifier: b\nspec:\n  connectorRef: c\n  repo: {}/app\n  tags: [latest]\n  envVariables:\n    \
         PLUGIN_ADD_HOST: {host:?}\n    PLUGIN_CUSTOM_DNS_SEARCH: {domain:?}\n    PLUGIN_CUSTOM_DNS: {:?}\n",
        registry.host(),
        "10.0.0.2 6"
    );
    workspace.write("step.yaml", step);
    let variables = [
        ("PLUGIN_REGISTRY", registry.host()),
        ("PLUGIN_REPO", "app"),
        ("PLUGIN_ADD_HOST", host),
        ("PLUGIN_CUSTOM_DNS_SEARCH", domain),
        ("PLUGIN_CUSTOM_DNS", "10.0.0.2 6"),
    ];
    let flags = build(&workspace, &options).says(r"`10.0.0.2\n6`").says("--dns-search").says(r"`\u{1b}` is not the address");
    let from_variables = workspace.windlass(["run", "--from-env", "docker"]).envs(&variables).run();
    let from_file = workspace.windlass(["run", "step.yaml"]).run();
    for run in [flags.says("--add-host"), from_variables.says("PLUGIN_ADD_HOST"), from_file.says("PLUGIN_ADD_HOST")] {
        let run = run.fails_with(ExitCode::Settings).says(r"`db\n6.6.6.6 registry` is not the name").never_says("ran");
        let _ = run.says(r"`a\nnameserver 6.6.6.6` is not the name").says("no address of a name server");
    }
}

#[test]
fn name_servers_of_a_steps_variables_reach_it_too() {
    let (registry, workspace) = place("RUN cat /etc/resolv.conf > /names\n");
    let variables = [
        ("PLUGIN_REGISTRY", registry.host()),
        ("PLUGIN_REPO", "app"),
        ("PLUGIN_CUSTOM_DNS", "10.9.8.7,10.9.8.8"),
        ("PLUGIN_CUSTOM_DNS_SEARCH", "b.example"),
    ];
    workspace.windlass(["run", "--from-env", "docker"]).envs(&variables).run().succeeds();
    let image = Image::read(&format!("docker://{}/app:latest", registry.host()), None);
    assert_eq!(image.text("names"), "nameserver 10.9.8.7\nnameserver 10.9.8.8\nsearch b.example\n");
}

#[test]
fn shared_memory_limits_and_the_network_are_those_asked_for() {
    let (_registry, workspace) = place(
        "RUN df -k /dev/shm | tail -n 1 | awk '{print $2}' > /shm; ulimit -n > /files; ulimit -Hn >> /files; ls /sys/class/net > /net\n",
    );
    let _ = build(&workspace, &["--shm-size", "8m", "--ulimit", "nofile=100:200", "--network", "none"]).succeeds();
    let image = image(&workspace);
    assert_eq!(
        (image.text("shm"), image.text("files"), image.text("net")),
        ("8192\n".to_owned(), "100\n200\n".to_owned(), "lo\n".to_owned())
    );
    let bad = build(&workspace, &["--shm-size", "big", "--ulimit", "files=1"]).fails_with(ExitCode::Settings);
    let _ = bad.says("`big` is not a size").says("`files` is not the name of a limit");
}

#[test]
fn what_a_dockerfile_may_not_ask_for_by_itself_takes_a_permission() {
    let (_registry, workspace) =
        place("RUN echo first > /first\nRUN --security=insecure grep CapEff /proc/self/status > /capabilities\n");
    let refused = build(&workspace, &[]).fails_with(ExitCode::Plan).says("--allow security.insecure").says("Dockerfile:3");
    let _ = refused.never_says("[one 1/2]");
    let _ = build(&workspace, &["--allow", "security.insecure"]).succeeds();
    let more = image(&workspace).text("capabilities");
    assert_ne!(more.trim(), "CapEff:\t00000000a80425fb", "an insecure step has more than docker's default capabilities");
}

#[test]
fn steps_run_again_for_one_stage_or_for_all() {
    let (_registry, workspace) =
        place("RUN head -c 8 /dev/urandom | od -x > /one\nFROM one AS two\nRUN head -c 8 /dev/urandom | od -x > /two\n");
    let both = |options: &[&str]| {
        let _ = build(&workspace, options).succeeds();
        (image(&workspace).text("one"), image(&workspace).text("two"))
    };
    let first = both(&[]);
    assert_eq!(both(&[]), first);
    let second = both(&["--no-cache-filter", "TWO"]);
    assert!(second.0 == first.0 && second.1 != first.1);
    assert_eq!(both(&[]), second, "what was made last is what the cache has");
    let third = both(&["--no-cache"]);
    assert!(third.0 != second.0 && third.1 != second.1);
    let _ = build(&workspace, &["--no-cache-filter", "three"]).succeeds().says("no stage `three`");
}

#[test]
fn a_step_on_top_of_one_that_ran_again_sees_what_that_made() {
    let (_registry, workspace) = place("RUN head -c 8 /dev/urandom | od -x > /made\n");
    let _ = build(&workspace, &[]).succeeds();
    let _ = build(&workspace, &["--no-cache"]).succeeds();
    let dockerfile = workspace.read("Dockerfile");
    workspace.write("Dockerfile", dockerfile + "RUN cp /made /copy\n");
    let _ = build(&workspace, &[]).succeeds();
    assert_eq!(image(&workspace).text("made"), image(&workspace).text("copy"));
}

#[test]
fn a_tag_that_has_moved_is_noticed_with_and_without_pull() {
    let (registry, workspace) = place("RUN echo x > /x\n");
    for (number, options) in [&[][..], &["--pull"]].into_iter().enumerate() {
        let _ = build(&workspace, options).succeeds();
        let base = Busybox { variables: vec![format!("NUMBER={number}")], ..Busybox::default() };
        base.push(&registry, "base:latest");
        let _ = build(&workspace, options).succeeds();
        let variables = image(&workspace).config["config"]["Env"].to_string();
        assert!(variables.contains(&format!("NUMBER={number}")), "{variables}");
    }
}

#[test]
fn secrets_come_from_files_and_variables_in_every_form() {
    let (_registry, workspace) = place(
        "RUN --mount=type=secret,id=a --mount=type=secret,id=b --mount=type=secret,id=c --mount=type=secret,id=d,env=D \
         cat /run/secrets/a /run/secrets/b /run/secrets/c > /seen.sum; echo $D >> /seen.sum; md5sum < /seen.sum > /sum; rm /seen.sum\n",
    );
    workspace.write("file", "from-file-canary\n");
    let options =
        ["--secret", "id=a,src=file", "--secret", "id=b,env=B", "--secret", "id=c", "--secret", "type=env,id=d,src=OTHER"];
    let run = workspace.windlass(["build", ".", "-o", "oci:out"]).args(options);
    let run = run.env("B", "from-b-canary\n").env("c", "from-c-canary\n").env("OTHER", "from-other-canary").run().succeeds();
    let seen = "from-file-canary\nfrom-b-canary\nfrom-c-canary\nfrom-other-canary\n";
    let mut sum =
        std::process::Command::new("md5sum").stdin(std::fs::File::open(workspace.write("seen", seen)).unwrap()).output().unwrap();
    sum.stdout.retain(|byte| *byte != b'\r');
    assert_eq!(image(&workspace).text("sum"), String::from_utf8(sum.stdout).unwrap(), "{}", run.all());
    let _ = run.never_says("canary");
    let _ = build(&workspace, &["--secret", "id=a,env=X,src=Y"]).fails_with(ExitCode::Settings).says("not from both");
}

#[test]
fn a_quiet_build_prints_the_digest_alone_and_files_tell_of_the_image() {
    let (registry, workspace) = place("LABEL a=b\n");
    let name = format!("{}/app:1", registry.host());
    let options = [
        "build",
        ".",
        "-q",
        "-t",
        &name,
        "--push",
        "--iidfile",
        "id",
        "--digest-file",
        "digest",
        "--metadata-file",
        "metadata",
        "--label",
        "k=v",
    ];
    let run = workspace.windlass(options).run().succeeds();
    let image = Image::read(&format!("docker://{name}"), None);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (format!("{}\n", image.digest).as_str(), ""));
    assert_eq!(workspace.read("digest"), image.digest);
    assert_eq!(workspace.read("id"), image.manifest["config"]["digest"].as_str().unwrap());
    let metadata: Value = serde_json::from_str(&workspace.read("metadata")).unwrap();
    assert_eq!(metadata["containerimage.digest"], image.digest.as_str());
    assert_eq!(metadata["containerimage.config.digest"], image.manifest["config"]["digest"]);
    assert_eq!(metadata["image.name"], name.as_str());
    let descriptor = &metadata["containerimage.descriptor"];
    let size = windlass_e2e::http::request(
        "GET",
        registry.host(),
        &format!("/v2/app/manifests/{}", image.digest),
        &[("Accept", "application/vnd.oci.image.manifest.v1+json")],
        "",
    );
    assert_eq!(descriptor["size"], size.unwrap().body.len());
    assert_eq!((descriptor["digest"].as_str(), image.label("k")), (Some(image.digest.as_str()), Some("v")));
}
