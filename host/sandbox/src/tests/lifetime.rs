//! Beginnings and ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::harness::{Step, as_is, unprivileged};
use crate::{Cancel, ExitStatus, RunError, run};

super::scenarios! {
    processes_in_the_background_are_killed
    a_cancelled_step_ends_at_once
    a_step_over_its_time_limit_ends
    a_step_can_be_cancelled_before_it_starts
    huge_output_needs_little_memory
    a_panic_of_the_caller_ends_the_step
}

/// The processes whose command line has this text.
fn processes_with(text: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            line.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .count()
}

/// A number of seconds to sleep that no other process on this machine sleeps.
fn marker(line: u32) -> String {
    format!("9{line}{}", std::process::id())
}

fn wait_until_gone(marker: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while processes_with(marker) > 0 {
        assert!(Instant::now() < end, "sleep {marker} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn processes_in_the_background_are_killed() {
    let marker = marker(line!());
    let begin = Instant::now();
    let step = Step::new(&format!("(sleep {marker} & sleep {marker} & ) ; trap '' TERM; echo done"));
    assert_eq!(step.run().ok(), "done\n");
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(processes_with(&marker), 0);
}

fn a_cancelled_step_ends_at_once() {
    // Other tests run at the same time, so the best of a few counts.
    let taken = (0..5).map(|_| time_of_cancelling()).min().unwrap();
    assert!(taken < Duration::from_millis(100), "{taken:?}");
}

fn time_of_cancelling() -> Duration {
    let marker = marker(line!());
    let step = Step::new(&format!("trap '' TERM INT HUP; sleep {marker} & echo started; sleep {marker}"));
    let cancel = Cancel::new().unwrap();
    let mut asked = None;
    let error = run(&step.spec, &cancel, |_, line| {
        assert_eq!(line, b"started");
        let cancel = cancel.clone();
        asked = Some(Instant::now());
        std::thread::spawn(move || cancel.cancel());
    });
    let taken = asked.unwrap().elapsed();
    assert!(matches!(error, Err(RunError::Cancelled)), "{error:?}");
    assert_eq!(processes_with(&marker), 0);
    taken
}

fn a_step_over_its_time_limit_ends() {
    let mut step = Step::new("echo before; while :; do :; done");
    step.spec.time_limit = Some(Duration::from_millis(1500));
    let mut seen = Vec::new();
    let begin = Instant::now();
    let error = run(&step.spec, &Cancel::new().unwrap(), |_, line| seen.push(line.to_vec()));
    assert!(matches!(error, Err(RunError::TimeLimit(_))), "{error:?}");
    assert!(begin.elapsed() >= Duration::from_millis(1500) && begin.elapsed() < Duration::from_secs(10));
    assert_eq!(seen, [b"before"]);
    step.spec.time_limit = Some(Duration::MAX);
    step.spec.arguments = vec!["true".to_owned()];
    fs::remove_dir_all(step.directory.path().join("work")).unwrap();
    step.place("work");
    assert_eq!(run(&step.spec, &Cancel::new().unwrap(), |_, _| {}).unwrap(), ExitStatus::Code(0));
}

fn a_step_can_be_cancelled_before_it_starts() {
    let cancel = Cancel::new().unwrap();
    cancel.cancel();
    let error = run(&Step::new("echo never").spec, &cancel, |_, _| panic!("it has run"));
    assert!(matches!(error, Err(RunError::Cancelled)), "{error:?}");
}

fn huge_output_needs_little_memory() {
    let step = Step::new("head -c 100000000 /dev/zero");
    let (mut bytes, mut longest) = (0, 0);
    let before = peak_memory();
    run(&step.spec, &Cancel::new().unwrap(), |_, piece| {
        bytes += piece.len();
        longest = longest.max(piece.len());
    })
    .unwrap();
    assert_eq!(bytes, 100_000_000);
    assert!(longest <= crate::lines::LIMIT);
    assert!(peak_memory() - before < 2_000, "{} kB", peak_memory() - before);
}

/// In kB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn a_panic_of_the_caller_ends_the_step() {
    let marker = marker(line!());
    let step = Step::new(&format!("echo started; sleep {marker}"));
    let result = std::panic::catch_unwind(|| run(&step.spec, &Cancel::new().unwrap(), |_, _| panic!("on purpose")));
    assert!(result.is_err());
    assert_eq!(processes_with(&marker), 0);
}

mod killed_caller {
    mod root {
        /// Runs in the copy that is killed.
        #[test]
        #[ignore = "never ends by itself"]
        fn inner() {
            let marker = std::env::var("MARKER").unwrap();
            let step = super::super::Step::new(&format!("sleep {marker} & echo; echo started; sleep {marker}"));
            let _ = crate::run(&step.spec, &crate::Cancel::new().unwrap(), |_, line| {
                println!("{}", String::from_utf8_lossy(line));
            });
        }
    }
}

/// Kills the caller, and with it the supervisors of which `and` is true.
fn kill_caller(isolation: &str, and_supervisor: bool) {
    let marker = marker(line!() * 10 + u32::from(and_supervisor) + isolation.len() as u32 * 100);
    let Some(mut command) = unprivileged(isolation) else { return };
    if isolation == "root" {
        command = std::process::Command::new("/proc/self/exe");
    }
    command.args(["tests::lifetime::killed_caller::root::inner", "--exact", "--include-ignored", "--nocapture"]);
    let temporary = tempfile::tempdir().unwrap();
    fs::set_permissions(temporary.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    command.env("MARKER", &marker).env("TMPDIR", temporary.path()).stdout(Stdio::piped());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "started"));
    let supervisor = supervisor_of(child.id());
    child.kill().unwrap();
    if and_supervisor {
        let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(supervisor).unwrap(), rustix::process::Signal::KILL);
    }
    child.wait().unwrap();
    wait_until_gone(&marker);
    wait_until_dead(supervisor);
    assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), mounts);
    // Overlay lets go of the directories with the last mount; only their owner's rights are needed then.
    fs::remove_dir_all(temporary.path()).unwrap();
    fs::create_dir(temporary.path()).unwrap();
}

/// Gone, or dead and not yet waited for by whoever has inherited it.
fn wait_until_dead(process: i32) {
    let is_alive = || fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    let end = Instant::now() + Duration::from_secs(10);
    while is_alive() {
        assert!(Instant::now() < end, "process {process} still runs");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The child of the thread that runs the step.
fn supervisor_of(caller: u32) -> i32 {
    let threads = fs::read_dir(format!("/proc/{caller}/task")).unwrap().flatten();
    let children = threads.map(|thread| fs::read_to_string(thread.path().join("children")).unwrap()).collect::<String>();
    children.trim().parse().unwrap()
}

#[test]
fn nothing_is_left_when_the_caller_is_killed() {
    as_is(|| ["root", "single-id", "subordinate-ids"].into_iter().for_each(|isolation| kill_caller(isolation, false)));
}

#[test]
fn nothing_is_left_when_the_whole_tree_is_killed() {
    as_is(|| ["root", "single-id", "subordinate-ids"].into_iter().for_each(|isolation| kill_caller(isolation, true)));
}

#[test]
fn a_killed_supervisor_is_told() {
    as_is(|| {
        let marker = marker(line!());
        let step = Step::new(&format!("echo started; sleep {marker}"));
        let error = run(&step.spec, &Cancel::new().unwrap(), |_, _| {
            let supervisor =
                fs::read_to_string(format!("/proc/self/task/{}/children", rustix::thread::gettid().as_raw_nonzero()));
            let supervisor: i32 = supervisor.unwrap().trim().parse().unwrap();
            rustix::process::kill_process(rustix::process::Pid::from_raw(supervisor).unwrap(), rustix::process::Signal::KILL)
                .unwrap();
        });
        assert!(matches!(error, Err(RunError::Lost)), "{error:?}");
        wait_until_gone(&marker);
    });
}

#[test]
fn steps_run_side_by_side() {
    as_is(|| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                std::thread::spawn(move || Step::new(&format!("echo {number}; sleep 0.1; ls /proc/self/fd | wc -l")).run().ok())
            })
            .collect();
        for (number, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap(), format!("{number}\n4\n"));
        }
    });
}
