//! What the command's process is like.

use super::harness::{Step, isolation, sh};
use crate::{ExitStatus, Isolation, Network, Security, User};

super::scenarios! {
    exit_codes_are_reported
    a_fatal_signal_is_reported
    the_environment_is_exactly_what_was_given
    no_file_but_the_standard_streams_is_open
    the_process_is_number_one_and_alone
    capabilities_are_dockers_defaults
    system_calls_are_filtered
    the_user_and_the_groups_are_set
    the_umask_is_022
    both_outputs_are_told_apart
    standard_input_is_given_or_empty
    the_host_name_is_set
    the_network_can_be_taken_away
    insecure_steps_keep_their_rights
    there_is_no_controlling_terminal
    the_working_directory_is_entered
    changes_of_owners_succeed
}

fn exit_codes_are_reported() {
    for code in [0, 1, 42, 255] {
        assert_eq!(Step::new(&format!("exit {code}")).run().status, Some(ExitStatus::Code(code)));
    }
    assert_eq!(Step::new("sleep 100 & kill -TERM $!; wait $!").run().status, Some(ExitStatus::Code(143)));
}

const MISBEHAVE: &str = "WINDLASS_SANDBOX_TEST_MISBEHAVE";

/// In a copy of this program that runs inside of a sandbox: what no shell can do.
pub(super) fn misbehave_if_asked() {
    match std::env::var(MISBEHAVE).as_deref() {
        Ok("abort") => std::process::abort(),
        Ok("change-own-program") => {
            let result = std::fs::set_permissions("/proc/self/exe", std::os::unix::fs::PermissionsExt::from_mode(0o777));
            println!("{}", result.unwrap_err());
            crate::sys::exit(0);
        }
        _ => {}
    }
}

fn a_fatal_signal_is_reported() {
    let mut step = Step::new("");
    std::fs::copy("/proc/self/exe", step.lower().join("bin/self")).unwrap();
    step.spec.arguments = vec!["/bin/self".to_owned()];
    step.spec.environment.push((MISBEHAVE.to_owned(), "abort".to_owned()));
    // Process 1 cannot raise SIGABRT for itself; the C library then executes an instruction that is not allowed.
    assert_eq!(step.run().status, Some(ExitStatus::Signal(11)));
}

#[test]
fn our_own_program_cannot_be_changed_from_inside() {
    super::harness::as_is(|| {
        let mut step = Step::new("");
        // The kernel takes the interpreter from the command's process while that still runs our own program.
        step.spec.arguments = vec!["/bin/script".to_owned()];
        std::fs::write(step.lower().join("bin/script"), "#!/proc/self/exe\n").unwrap();
        std::fs::set_permissions(step.lower().join("bin/script"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        step.spec.environment.push((MISBEHAVE.to_owned(), "change-own-program".to_owned()));
        let output = step.run().ok();
        assert!(output.contains("Read-only file system"), "{output}");
    });
}

fn the_environment_is_exactly_what_was_given() {
    let mut step = Step::new("");
    step.spec.arguments = vec!["env".to_owned()];
    step.spec.environment.push(("A".to_owned(), "x y=z".to_owned()));
    assert_eq!(step.run().ok(), "PATH=/bin\nA=x y=z\n");
}

fn no_file_but_the_standard_streams_is_open() {
    // One that the caller itself was started with, such as a lock of the CI agent.
    let _inherited = rustix::io::dup(rustix::stdio::stderr()).unwrap();
    // The fourth is the directory that `ls` reads.
    assert_eq!(sh("exec ls /proc/self/fd"), "0\n1\n2\n3\n");
}

fn the_process_is_number_one_and_alone() {
    let output = sh("echo $$; ls -d /proc/[0-9]*; true");
    assert_eq!(output, "1\n/proc/1\n");
    assert_eq!(sh("readlink /proc/self/exe; exec cat /proc/1/comm"), "/bin/busybox\ncat\n");
}

fn capabilities_are_dockers_defaults() {
    let output = sh("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status | tr -d '\\t'");
    let expected = "CapInh:0000000000000000\nCapPrm:00000000a80425fb\nCapEff:00000000a80425fb\nCapBnd:00000000a80425fb\n\
                    CapAmb:0000000000000000\nNoNewPrivs:0\nSeccomp:2\n";
    assert_eq!(output, expected);
    let mut step = Step::new("grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status | cut -f2 | sort -u");
    step.spec.user = User { uid: 1000, gid: 1000, groups: Vec::new() };
    assert_eq!(step.run().ok(), "0000000000000000\n");
}

fn system_calls_are_filtered() {
    let step = Step::new("mount -t tmpfs x /tmp; umount /proc; hostname other; chmod 700 /root && echo goes on");
    let output = step.run();
    assert_eq!(
        output.stderr.matches("Operation not permitted").count() + output.stderr.matches("permission denied").count(),
        3,
        "{output:?}"
    );
    assert_eq!(output.stdout, "goes on\n");
}

fn the_user_and_the_groups_are_set() {
    let mut step = Step::new("id -u; id -g; id -G; touch /tmp/mine; echo seen > /dev/stderr");
    step.spec.user = User { uid: 1000, gid: 1001, groups: vec![1001, 7] };
    let _ = std::fs::set_permissions(step.lower().join("tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o1777));
    let output = step.run();
    assert_eq!(output.stderr, "seen\n");
    let groups = if isolation() == Isolation::SingleId { "1001" } else { "1001 7" };
    assert!(output.ok().starts_with(&format!("1000\n1001\n{groups}")));
}

fn the_umask_is_022() {
    assert_eq!(sh("umask; mkdir /d; touch /d/f; stat -c %a /d /d/f"), "0022\n755\n644\n");
}

fn both_outputs_are_told_apart() {
    let output = Step::new("echo out; echo err >&2; printf 'no newline'").run();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\nno newline\n", "err\n"));
}

fn standard_input_is_given_or_empty() {
    assert_eq!(sh("wc -c; stat -c %F -L /dev/stdin"), "0\ncharacter special file\n");
    let mut step = Step::new("cat; cat /dev/stdin | wc -c");
    step.spec.stdin = b"line one\nline two\n".to_vec();
    assert_eq!(step.run().ok(), "line one\nline two\n18\n");
}

fn the_host_name_is_set() {
    assert_eq!(sh("hostname; cat /proc/sys/kernel/hostname"), "windlass\nwindlass\n");
}

fn the_network_can_be_taken_away() {
    let mut step = Step::new("cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '; ifconfig lo | grep -c UP");
    step.spec.network = Network::None;
    assert_eq!(step.run().ok(), "lo\n1\n");
}

fn insecure_steps_keep_their_rights() {
    let mut step =
        Step::new("mount -t tmpfs x /tmp && grep -c ' /tmp tmpfs' /proc/mounts; grep Seccomp: /proc/self/status | cut -f2");
    step.spec.security = Security::Insecure;
    let seccomp = if isolation() == Isolation::SingleId { "2" } else { "0" };
    assert_eq!(step.run().ok(), format!("1\n{seccomp}\n"));
}

fn there_is_no_controlling_terminal() {
    let output = Step::new("cut -d' ' -f7 /proc/self/stat; : < /dev/tty").run();
    assert_eq!(output.stdout, "0\n");
    assert!(output.stderr.contains("No such device"), "{output:?}");
}

fn the_working_directory_is_entered() {
    let mut step = Step::new("pwd; ls");
    std::fs::create_dir(step.lower().join("tmp/w")).unwrap();
    std::fs::write(step.lower().join("tmp/w/here"), "").unwrap();
    step.spec.directory = "/tmp/w".into();
    assert_eq!(step.run().ok(), "/tmp/w\nhere\n");
}

fn changes_of_owners_succeed() {
    let output = sh("touch /f && chown 1000:1000 /f && mknod /fifo p && stat -c %u /f");
    assert_eq!(output, if isolation() == Isolation::SingleId { "0\n" } else { "1000\n" });
}
