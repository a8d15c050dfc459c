//! Hostile Dockerfiles: steps that look for the host, its secrets and each other's, that leave things running, and that fill.

use std::process::Command;

use windlass_core::ExitCode;
use windlass_e2e::base_images::busybox_files;
use windlass_e2e::servers::scripted::Scripted;
use windlass_e2e::{Canary, Image, Images};

use crate::hostile::{Den, MOST_MEMORY};

const TOKEN: &str = "c4nary-token-5512";

fn registry() -> (Scripted, String) {
    let mut images = Images::new();
    images.image("base", &[busybox_files()]);
    let registry = images.serve();
    let name = format!("{}/a:base", registry.host());
    (registry, name)
}

/// A step that looks everywhere finds neither the host's files nor its environment nor its processes.
#[test]
fn a_step_sees_nothing_of_the_host() {
    let (_registry, base) = registry();
    let den = Den::new();
    let root = den.workspace.root().display();
    let dockerfile = format!(
        "FROM {base}\nRUN ls -d {root} && exit 9; cat /proc/*/environ /proc/*/cmdline /proc/*/mountinfo /proc/self/status > /seen 2>/dev/null; \
         for p in /proc/[0-9]*; do ls -l $p/root/ $p/cwd/ $p/fd/; done >> /seen 2>&1; \
         cat /proc/1/root{root}/outside/secret /proc/self/root{root}/outside/secret && exit 9; \
         mount -t proc p /mnt && exit 9; mknod /d b 254 0 && cat /d && exit 9; dmesg && exit 9; \
         echo x > /proc/sysrq-trigger && exit 9; echo x > /proc/sys/kernel/hostname && exit 9; \
         chroot /proc/1/root ls {root} && exit 9; cat /sys/kernel/debug/x /dev/mem /dev/kmsg && exit 9; \
         unshare -m true && exit 9; ls /dev >> /seen; true\n"
    );
    let run = den.build(&dockerfile).env("HOST_TOKEN", TOKEN).env("AWS_SECRET_ACCESS_KEY", TOKEN);
    let run = den.succeeds(run);
    Canary::new(TOKEN, &[]).assert_not_in("what is shown", &run.all());
    let image = Image::read(&format!("oci:{}", den.workspace.path("out").display()), None);
    let seen = image.text("seen");
    Canary::new(TOKEN, &[]).assert_not_in("what a step sees", &seen);
    assert!(!seen.contains("windlass\0build"), "the builder's command line is seen: {seen}");
}

/// A secret is in the step that mounts it, and in no layer, history, cache or log, even when the step prints it.
#[test]
fn secrets_and_build_arguments_are_in_their_step_alone() {
    let (_registry, base) = registry();
    for progress in ["plain", "json"] {
        let den = Den::new();
        let dockerfile = format!(
            "FROM {base}\n\
             RUN --mount=type=secret,id=s cat /run/secrets/s; cat /run/secrets/s >&2; test -s /run/secrets/s\n\
             RUN --mount=type=secret,id=s,env=S echo \"$S\"; printenv S | sed 's/./&/g'; test -n \"$S\"\n\
             RUN ls /run/secrets/s && exit 9; printenv S && exit 9; cat /proc/*/environ | grep -q S= && exit 9; true\n\
             RUN --mount=type=secret,id=s,target=/etc/shadow2 cp /etc/shadow2 /run/x; rm /run/x; true\n"
        );
        let run = den.build(&dockerfile).args(["--secret", "id=s,env=TOKEN", "--report", "report.json"]);
        let run = den.succeeds(run.env("TOKEN", TOKEN).env("WINDLASS_PROGRESS", progress));
        let canary = Canary::new(TOKEN, &[]);
        canary.assert_not_in("what is shown", &run.all());
        canary.assert_not_below(den.workspace.root());
    }
}

/// A step that fails tells no secret in the error either.
#[test]
fn a_failing_step_does_not_tell_its_secret() {
    let (_registry, base) = registry();
    let den = Den::new();
    let dockerfile = format!("FROM {base}\nRUN --mount=type=secret,id=s,env=S echo last words $S >&2; sh -c \"exit 3\" \"$S\"\n");
    let run = den.build(&dockerfile).args(["--secret", "id=s,env=TOKEN", "--report", "report.json"]).env("TOKEN", TOKEN);
    let run = den.fails(run).says("last words");
    Canary::new(TOKEN, &[]).assert_not_in("what is shown", &run.all());
    Canary::new(TOKEN, &[]).assert_not_below(den.workspace.root());
}

/// What a step leaves running ends with it, however it hides.
#[test]
fn what_a_step_leaves_running_is_ended() {
    let (_registry, base) = registry();
    let den = Den::new();
    let mark = format!("{}.{}", 86_000 + std::process::id() % 1000, std::process::id());
    let dockerfile = format!(
        "FROM {base}\nRUN sleep {mark} & setsid sleep {mark} & (trap '' TERM INT HUP; nohup setsid sh -c 'sleep {mark}; sleep {mark}' >/dev/null 2>&1 &) ; echo left\nRUN ps | grep -v grep | grep 'sleep {mark}' && exit 9; true\n"
    );
    den.succeeds(den.build(&dockerfile));
    let output = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    let left = String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(&format!("sleep {mark}"))).count();
    assert_eq!(left, 0);
}

/// Terminal escapes of a step, of an instruction and of a name do not reach the user.
#[test]
fn terminal_escapes_do_not_reach_the_user() {
    let (_registry, base) = registry();
    let den = Den::new();
    let escape = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}\u{9b}31m";
    den.succeeds(den.build(&format!(
        "FROM {base}\nRUN echo '{escape}'; printf '\\033[31m\\033]52;c;eA==\\007\\n\\r\\010'; echo\nLABEL a=\"{escape}\"\n"
    )));
    den.fails(den.build(&format!("FROM {base}\nRUN echo '{escape}' >&2; exit 3\n")));
    den.fails(den.build(&format!("FROM {base}\nCOPY \"{escape}\" /x\n")));
    for text in [
        "FROM x:ESC\n",
        "FROM BASE\nCOPPY ESC\n",
        "FROM BASE\nRUN --ESC=1 true\n",
        "FROM BASE AS ESC\n",
        "# syntax=ESC\nFROM BASE\nEXPOSE ESC\n",
        "FROM BASE\nUSER ESC\nRUN true\n",
        "FROM BASE\nWORKDIR ESC\nRUN true\n",
    ] {
        den.ends(den.build(&text.replace("ESC", escape).replace("BASE", &base)));
    }
    let run = den.build(&format!("FROM {base}\nRUN true\n")).args(["--target", escape, "--build-arg", escape]);
    den.ends(run);
}

/// `text` repeated over as many lines as it takes, which are joined again.
fn folded(text: &str, count: usize) -> String {
    let line = 60_000 / text.len();
    let lines = (0..count).step_by(line).map(|at| text.repeat(line.min(count - at)));
    lines.collect::<Vec<_>>().join("\\\n")
}

/// A Dockerfile that is large in a way no honest one is ends soon, and takes little memory.
#[test]
fn large_dockerfiles_are_errors_or_cheap() {
    let expansion = (0..60).fold("FROM scratch\nENV A0=xxxxxxxxxx\n".to_owned(), |text, number| {
        format!("{text}ENV A{}=$A{number}$A{number}$A{number}$A{number}\n", number + 1)
    });
    let arguments = (0..40).fold("ARG A0=xxxxxxxxxx\n".to_owned(), |text, number| {
        format!("{text}ARG A{}=${{A{number}}}${{A{number}}}${{A{number}}}\n", number + 1)
    }) + "FROM ${A40}\n";
    let nested = format!("FROM scratch\nENV A={}x{}\n", folded("${A:-", 50_000), folded("}", 50_000));
    let replaced = format!("FROM scratch\nENV A={}\nENV B=${{A//x/{}}}\n", folded("x", 100_000), folded("y", 100_000));
    let stages = (0..20_000).map(|number| format!("FROM scratch AS s{number}\n")).collect::<String>();
    let json = format!("FROM scratch\nCMD {}\n", folded("[", 200_000));
    let continued = format!("FROM scratch\nENV A=b{}\n", " \\\n".repeat(200_000));
    let line = format!("FROM scratch\nENV A={}\n", "x".repeat((16 << 20) - 20));
    let heredocs = format!("FROM scratch\nCOPY {} /\n", (0..5_000).map(|n| format!("<<E{n} ")).collect::<String>());
    let copies = format!("FROM scratch\nCOPY {}/\n", folded("Dockerfile ", 50_000));
    let variables = (0..20_000).fold("FROM scratch\n".to_owned(), |text, number| format!("{text}ENV A{number}=x\n"));
    let chain = (1..5_000).fold("FROM scratch AS s0\n".to_owned(), |text, number| {
        format!("{text}FROM s{} AS s{number}\nENV A{number}=x\nLABEL L{number}=x\n", number - 1)
    });
    let fan = (0..2_000).fold("FROM scratch AS s\n".to_owned(), |text, number| format!("{text}ENV A{number}=x\n"))
        + &(0..2_000).map(|number| format!("FROM s AS t{number}\nENV B=x\n")).collect::<String>()
        + "FROM scratch\n"
        + &(0..2_000).map(|number| format!("RUN --mount=from=t{number},target=/m true\n")).collect::<String>();
    let words = format!("FROM scratch\nENV {}\n", folded("A=b ", 1_000_000));
    let elements = format!("FROM scratch\nCMD [{}\"a\"]\n", folded("\"a\",", 1_000_000));
    let ports = format!("FROM scratch\nENV P=\"{}\"\nEXPOSE {}\n", folded("1 ", 30_000), "$P ".repeat(1_000));
    let layers = format!("FROM scratch\n{}", "COPY Dockerfile /\n".repeat(1_001));
    let texts = [
        expansion, arguments, nested, replaced, stages, json, continued, heredocs, copies, variables, chain, fan, words,
        elements, ports, layers, line,
    ];
    for (number, text) in texts.into_iter().enumerate() {
        let den = Den::new();
        let (run, memory) = den.measured(den.build(&text));
        assert!(memory < MOST_MEMORY, "case {number} takes {memory} MiB");
        assert!(run.stderr.len() < 100_000, "case {number} says {} bytes", run.stderr.len());
    }
}

/// A step that locks a cache twice, and steps that lock the same ones in opposite orders, do not wait for ever.
#[test]
fn locked_caches_do_not_wait_for_each_other() {
    let (_registry, base) = registry();
    let den = Den::new();
    let mount = |id: &str, target: &str| format!("--mount=type=cache,sharing=locked,id={id},target=/{target}");
    let (one, two, again) = (mount("one", "c"), mount("two", "d"), mount("one", "e"));
    let dockerfile = format!(
        "FROM {base} AS x\nRUN {one} {two} {again} touch /c/f && test -e /e/f && sleep 1\n\
         FROM {base} AS y\nRUN {two} {one} sleep 1\n\
         FROM scratch\nCOPY --from=x /etc /x\nCOPY --from=y /etc /y\n"
    );
    den.succeeds(den.build(&dockerfile));
}

/// A step that fills its disk is told so, and the next build has the room again.
#[test]
fn a_step_that_fills_the_disk_leaves_nothing_behind() {
    const SMALL: &str = "set -e; mkdir -p \"$1\"; mount -t tmpfs -o size=24m tmpfs \"$1\"; store=$1; shift; \"$@\" || rc=$?; used=$(du -sk \"$store\" | cut -f1); test \"$used\" -lt 20000 || exit 99; exit ${rc:-0}";
    let (_registry, base) = registry();
    let den = Den::new();
    let store = den.workspace.root().join("small").display().to_string();
    let run = den.build(&format!("FROM {base}\nRUN cat /dev/zero > /fill\n")).args(["--store", &store]);
    let run = run.wrapped(["unshare", "--mount", "sh", "-c", SMALL, "sh", &store]).run();
    run.fails_with(ExitCode::Build).says("no space left");
}

/// A step that forks without end does not outlive its build, and does not take the builder with it.
#[test]
fn a_step_that_forks_is_ended_whole() {
    let (_registry, base) = registry();
    let den = Den::new();
    let mark = format!("{}.{}", 87_000 + std::process::id() % 1000, std::process::id());
    let dockerfile =
        format!("FROM {base}\nRUN i=0; while [ $i -lt 300 ]; do (setsid sleep {mark} &) ; i=$((i+1)); done; exit 4\n");
    den.fails(den.build(&dockerfile)).says("4");
    let output = Command::new("ps").args(["-eo", "args"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&format!("sleep {mark}")));
}
