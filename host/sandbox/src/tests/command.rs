//! How a command is found, and what is told when it cannot be executed.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::harness::{Step, as_is};
use crate::RunError;

fn failing(arguments: &[&str], prepare: impl FnOnce(&mut Step)) -> RunError {
    let mut step = Step::new("");
    step.spec.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    prepare(&mut step);
    step.try_run().unwrap_err()
}

fn program(step: &Step, name: &str, mode: u32, content: &[u8]) {
    let path = step.lower().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_program_is_named_with_the_path_that_was_searched() {
    as_is(|| {
        let error = failing(&["nowhere"], |_| {});
        assert_eq!(error.to_string(), "start `nowhere`: not found in the image (PATH is /bin)");
        let error = failing(&["/bin/bash", "-c", "x"], |_| {});
        assert_eq!(error.to_string(), "start `/bin/bash`: not found in the image");
    });
}

#[test]
fn a_file_that_is_not_executable_is_told() {
    as_is(|| {
        let error = failing(&["/data"], |step| program(step, "data", 0o644, b"x"));
        assert!(matches!(&error, RunError::CommandDenied { path } if path == "/data"), "{error:?}");
        assert!(matches!(failing(&["/bin"], |_| {}), RunError::CommandDenied { .. }));
    });
}

#[test]
fn a_program_of_another_architecture_is_told_with_its_name() {
    as_is(|| {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[16] = 2;
        header[18] = 22;
        let error = failing(&["x"], |step| program(step, "bin/x", 0o755, &header));
        assert!(error.to_string().contains("made for s390x"), "{error}");
        let error = failing(&["/x"], |step| program(step, "x", 0o755, b"echo no first line\n"));
        assert!(matches!(&error, RunError::CommandFormat { detail, .. } if detail.contains("#!")), "{error:?}");
    });
}

#[test]
fn a_missing_interpreter_is_told_by_its_path() {
    as_is(|| {
        let error = failing(&["/x"], |step| program(step, "x", 0o755, b"#!/usr/bin/python3 -u\n"));
        assert_eq!(error.to_string(), "start /x: it needs /usr/bin/python3, which is not in the image");
        let dynamic = fs::read("/usr/bin/setpriv").unwrap();
        let error = failing(&["/x"], |step| program(step, "x", 0o755, &dynamic));
        assert!(matches!(&error, RunError::InterpreterNotFound { interpreter, .. } if interpreter.contains("/ld-")), "{error:?}");
    });
}

#[test]
fn a_program_without_a_path_is_searched_where_docker_searches() {
    as_is(|| {
        let mut step = Step::new("echo found");
        step.spec.environment.clear();
        assert_eq!(step.run().ok(), "found\n");
        step.spec.environment = vec![("PATH".to_owned(), "/nowhere:/etc/passwd:/bin".to_owned())];
        fs::remove_dir_all(step.directory.path().join("work")).unwrap();
        step.place("work");
        assert_eq!(step.run().ok(), "found\n");
    });
}

#[test]
fn a_missing_working_directory_is_named() {
    as_is(|| {
        let error = failing(&["true"], |step| step.spec.directory = "/not/there".into());
        assert_eq!(error.to_string(), "enter the working directory /not/there");
    });
}

#[test]
fn a_working_directory_behind_a_link_of_proc_is_refused() {
    as_is(|| {
        for directory in ["/proc/self/fd/7", "/proc/1/cwd", "/proc/1/root"] {
            let error = failing(&["ls"], |step| step.spec.directory = directory.into());
            assert!(matches!(error, RunError::Directory { .. }), "{directory}: {error:?}");
        }
    });
}

mod unknown_user {
    mod root {
        #[test]
        fn inner() {
            if super::super::super::harness::isolation() == crate::Isolation::SubordinateIds {
                let error = super::super::failing(&["true"], |step| step.spec.user.uid = 100_000);
                assert!(matches!(error, crate::RunError::User { uid: 100_000, .. }), "{error:?}");
            }
        }
    }

    #[test]
    fn a_user_that_the_namespace_does_not_know_is_told() {
        super::super::harness::again(concat!(module_path!(), "::x"), "inner", "subordinate-ids");
    }
}
