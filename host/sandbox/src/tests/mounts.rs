//! `RUN --mount`.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::harness::{Step, isolation, make_directory};
use crate::{Isolation, Mount, MountKind, RunError, SecretContent, Tree, Upper};

super::scenarios! {
    a_bind_mount_shows_a_part_of_a_tree_read_only
    a_bind_mount_of_layers_can_be_written_and_thrown_away
    a_bind_mount_of_one_file_works
    a_source_link_does_not_lead_out_of_its_tree
    a_cache_keeps_what_is_written
    a_tmpfs_has_its_size_and_is_gone
    a_secret_is_seen_by_its_step_only
    a_socket_can_be_connected_to
    places_that_were_not_there_do_not_stay
    a_target_link_does_not_lead_to_the_machine
    mounts_lie_in_each_other
    nothing_is_mounted_in_proc
    a_target_of_the_wrong_kind_is_told
    a_deleted_place_is_made_again
}

fn add(step: &mut Step, target: &str, kind: MountKind) {
    step.spec.mounts.push(Mount { target: target.into(), kind });
}

fn secret(text: &str) -> MountKind {
    MountKind::Secret { content: SecretContent::from(text.as_bytes().to_vec()), mode: 0o440, uid: 0, gid: 0 }
}

fn bind(tree: &Path, source: &str) -> MountKind {
    MountKind::Bind { tree: Tree::Directory(tree.to_owned()), source: source.into() }
}

fn a_bind_mount_shows_a_part_of_a_tree_read_only() {
    let mut step = Step::new("cat /context/f; echo x > /context/g; true");
    let context = step.place("context");
    make_directory(&context.join("sub"));
    fs::write(context.join("sub/f"), "content\n").unwrap();
    add(&mut step, "/context", bind(&context, "sub"));
    let output = step.run();
    assert_eq!(output.stdout, "content\n");
    assert!(output.stderr.contains("Read-only file system"), "{output:?}");
}

fn a_bind_mount_of_layers_can_be_written_and_thrown_away() {
    let mut step = Step::new("cat /m/d/low /m/d/high; echo changed > /m/d/low; cat /m/d/low");
    let (low, high, upper, work) = (step.place("low"), step.place("high"), step.place("u"), step.place("w"));
    for (layer, name) in [(&low, "low"), (&high, "high")] {
        make_directory(&layer.join("d"));
        fs::write(layer.join("d").join(name), format!("{name}\n")).unwrap();
    }
    let tree = Tree::Layers { lower: vec![high, low.clone()], upper: Some(Upper { directory: upper, work }) };
    add(&mut step, "/m", MountKind::Bind { tree, source: "/".into() });
    assert_eq!(step.run().ok(), "low\nhigh\nchanged\n");
    assert_eq!(fs::read_to_string(low.join("d/low")).unwrap(), "low\n");
    assert_eq!(step.changes(), [""; 0]);
}

fn a_bind_mount_of_one_file_works() {
    let mut step = Step::new("cat /a/b/c");
    let context = step.place("context");
    fs::write(context.join("f"), "one\n").unwrap();
    add(&mut step, "/a/b/c", bind(&context, "/f"));
    assert_eq!(step.run().ok(), "one\n");
}

fn a_source_link_does_not_lead_out_of_its_tree() {
    for link in ["/etc", "../../../../../../../etc", "/proc/self/root/etc"] {
        let mut step = Step::new("ls /m");
        let context = step.place("context");
        make_directory(&context.join("etc"));
        fs::write(context.join("etc/inside"), "").unwrap();
        symlink(link, context.join("link")).unwrap();
        add(&mut step, "/m", bind(&context, "link"));
        match step.try_run() {
            Ok(output) => assert_eq!(output.ok(), "inside\n", "{link}"),
            Err(error) => assert!(matches!(error, RunError::Mount { .. }), "{error:?}"),
        }
    }
}

fn a_cache_keeps_what_is_written() {
    let mut step = Step::new("echo kept > /cache/f");
    let directory = step.place("cache");
    add(&mut step, "/cache", MountKind::Cache { directory: directory.clone(), read_only: false });
    step.run().ok();
    assert_eq!(fs::read_to_string(directory.join("f")).unwrap(), "kept\n");
    let mut step = Step::new("cat /cache/f; rm /cache/f; true");
    add(&mut step, "/cache", MountKind::Cache { directory, read_only: true });
    let output = step.run();
    assert!(output.stdout == "kept\n" && output.stderr.contains("Read-only"), "{output:?}");
}

fn a_tmpfs_has_its_size_and_is_gone() {
    let mut step = Step::new(
        "df -k /t | tail -n1 | tr -s ' ' | cut -d' ' -f2; head -c 2000000 /dev/zero > /t/f; stat -c %s /t/f; stat -c %a /t",
    );
    add(&mut step, "/t", MountKind::Tmpfs { size: Some(1 << 20) });
    let output = step.run();
    assert_eq!(output.stdout, "1024\n1048576\n1777\n");
    assert_eq!(step.changes(), [""; 0]);
}

fn a_secret_is_seen_by_its_step_only() {
    let script = "cat /run/secrets/token; stat -c '%a %u %g' /run/secrets/token /s2; echo x > /run/secrets/token; ls -l /proc/self/fd | grep -c secret; true";
    let mut step = Step::new(script);
    add(&mut step, "/run/secrets/token", secret("canary-41\n"));
    add(&mut step, "/s2", MountKind::Secret { content: SecretContent::from(vec![0, 255]), mode: 0o400, uid: 1000, gid: 2000 });
    let output = step.run();
    let owner = if isolation() == Isolation::SingleId { "0 0" } else { "1000 2000" };
    assert_eq!(output.stdout, format!("canary-41\n440 0 0\n400 {owner}\n0\n"));
    assert!(output.stderr.contains("Read-only"), "{output:?}");
    assert_eq!(step.changes(), [""; 0]);
    assert_eq!(Step::new("ls /run 2>&1; true").run().ok(), "ls: /run: No such file or directory\n");
}

fn a_socket_can_be_connected_to() {
    let mut step = Step::new("test -S /run/agent.sock && echo socket");
    let path = step.place("ssh").join("agent");
    let _listener = UnixListener::bind(&path).unwrap();
    add(&mut step, "/run/agent.sock", MountKind::Socket { path });
    assert_eq!(step.run().ok(), "socket\n");
    assert_eq!(step.changes(), [""; 0]);
}

fn places_that_were_not_there_do_not_stay() {
    let mut step = Step::new("echo x > /new/tmpfs/f; echo x > /opt/cache/f; ls /a/b; echo kept > /kept");
    let cache = step.place("cache");
    add(&mut step, "/new/tmpfs", MountKind::Tmpfs { size: None });
    add(&mut step, "/a/b/c", bind(&cache, ""));
    add(&mut step, "/opt/cache", MountKind::Cache { directory: cache, read_only: false });
    assert_eq!(step.run().ok(), "c\n");
    assert_eq!(step.changes(), ["kept"]);
}

fn a_target_link_does_not_lead_to_the_machine() {
    let machine = tempfile::tempdir().unwrap();
    let path = machine.path().to_str().unwrap();
    for link in [path.to_owned(), format!("../../../../..{path}"), format!("/proc/1/root{path}")] {
        let mut step = Step::new("echo x > /link/f && cat /link/f; ls /link/");
        symlink(&link, step.lower().join("link")).unwrap();
        add(&mut step, "/link", MountKind::Tmpfs { size: None });
        match step.try_run() {
            Ok(output) => assert!(output.stdout.starts_with("x\nf\n") || link.starts_with("/proc"), "{link}: {output:?}"),
            Err(error) => assert!(matches!(error, RunError::Mount { .. }), "{error:?}"),
        }
        assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    }
}

fn mounts_lie_in_each_other() {
    let mut step = Step::new("echo x > /a/b/c/f; cat /a/b/c/f /a/secret; ls /a; ls /dev/shm");
    add(&mut step, "/a/b/c", MountKind::Tmpfs { size: None });
    add(&mut step, "/a/secret", secret("s\n"));
    add(&mut step, "/a", MountKind::Tmpfs { size: None });
    add(&mut step, "/dev/shm", MountKind::Tmpfs { size: Some(4096) });
    assert_eq!(step.run().ok(), "x\ns\nb\nsecret\n");
    assert_eq!(step.changes(), [""; 0]);
    let mut step = Step::new("true");
    let context = step.place("context");
    add(&mut step, "/src", bind(&context, ""));
    add(&mut step, "/src/missing", MountKind::Tmpfs { size: None });
    let error = step.try_run().unwrap_err();
    assert!(matches!(&error, RunError::Mount { target, .. } if target == Path::new("/src/missing")), "{error:?}");
}

fn nothing_is_mounted_in_proc() {
    for target in ["/proc/self/attr", "/sys/kernel", "/proc"] {
        let mut step = Step::new("true");
        add(&mut step, target, MountKind::Tmpfs { size: None });
        let error = step.try_run().unwrap_err();
        assert!(matches!(&error, RunError::Mount { .. }), "{target}: {error:?}");
    }
}

fn a_target_of_the_wrong_kind_is_told() {
    let mut step = Step::new("true");
    add(&mut step, "/etc", secret("x"));
    assert!(step.try_run().unwrap_err().to_string().contains("is the target a directory?"));
    let mut step = Step::new("true");
    add(&mut step, "/etc/passwd/x", MountKind::Tmpfs { size: None });
    assert!(matches!(step.try_run().unwrap_err(), RunError::Mount { .. }));
}

fn a_deleted_place_is_made_again() {
    let mut first = Step::new("rm -r /root /tmp");
    first.run().ok();
    let second = first.place("second");
    for name in ["upper", "work"] {
        make_directory(&second.join(name));
    }
    first.spec.root = Step::tree_in(&second, vec![first.upper(), first.lower()]);
    first.spec.arguments = ["sh", "-c", "echo x > /root/cache/f && ls /"].map(ToOwned::to_owned).to_vec();
    add(&mut first, "/root/cache", MountKind::Tmpfs { size: None });
    assert_eq!(first.run().ok(), "bin\ndev\netc\nproc\nroot\nsys\n");
    assert_eq!(fs::read_dir(second.join("upper")).unwrap().count(), 0);
}
