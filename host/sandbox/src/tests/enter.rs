//! Choosing an isolation. Each choice is made in a copy of this program, before its threads start.

use std::process::Command;

use super::harness::as_is;
use crate::Isolation;

/// Starts this program as another user, with a filter or limits around it that `prefix` sets up.
fn entered_by(prefix: &[&str], isolation: &str) -> (bool, String) {
    let program = std::fs::read_link("/proc/self/exe").unwrap();
    let mut command = Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(program).arg("--list").env("WINDLASS_SANDBOX_TEST_ISOLATION", isolation);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

const NOBODY: [&str; 5] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];

#[test]
fn a_user_without_subordinate_ids_is_told_what_is_missing() {
    as_is(|| {
        let (success, text) = entered_by(&NOBODY, "subordinate-ids");
        assert!(!success && text.contains("/etc/subuid has no line for user nobody"), "{text}");
    });
}

#[test]
fn forbidden_setuid_programs_are_told() {
    as_is(|| {
        let prefix = [&NOBODY[..4], &["--no-new-privs", "--"]].concat();
        let (success, text) = entered_by(&prefix, "subordinate-ids");
        assert!(!success && text.contains("no_new_privs"), "{text}");
        let (success, text) = entered_by(&prefix, "single-id");
        assert!(success, "{text}");
    });
}

#[test]
fn a_user_cannot_have_the_isolation_of_root() {
    as_is(|| {
        let (success, text) = entered_by(&NOBODY, "root");
        assert!(!success && text.contains("machine's root"), "{text}");
    });
}

#[test]
fn a_masked_proc_is_told() {
    as_is(|| {
        // As in a container: parts of /proc are covered, and a user namespace must not uncover them.
        let script = "mount -t tmpfs none /proc/scsi 2>/dev/null || mount --bind /dev/null /proc/keys; exec \"$@\"";
        let prefix = [&["unshare", "--mount", "sh", "-c", script, "sh"], &NOBODY[..]].concat();
        let (success, text) = entered_by(&prefix, "single-id");
        assert!(!success && text.contains("mount a fresh /proc"), "{text}");
    });
}

#[test]
fn missing_rights_and_exhausted_user_namespaces_are_told() {
    as_is(|| {
        // The limit is that of a user namespace made for the test, so the machine's is left alone.
        let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
        let prefix = [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            script,
            "sh",
            "setpriv",
            "--bounding-set=-sys_admin",
            "--inh-caps=-sys_admin",
            "--",
        ];
        let (success, text) = entered_by(&prefix, "single-id");
        assert!(!success && text.contains("CAP_SYS_ADMIN is missing"), "{text}");
        assert!(text.contains("sysctl user.max_user_namespaces"), "{text}");
    });
}

#[test]
fn no_isolation_runs_nothing() {
    let spec = crate::RunSpec::new(Isolation::Nothing, crate::Tree::Directory("/".into()), vec!["true".to_owned()]);
    let error = crate::run(&spec, &crate::Cancel::new().unwrap(), |_, _| {}).unwrap_err();
    assert!(matches!(error, crate::RunError::Unsupported(Isolation::Nothing)));
}
