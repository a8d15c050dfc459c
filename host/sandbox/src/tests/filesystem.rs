//! The root file system, and what lies in every one of them.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, symlink};

use super::harness::{Step, isolation, make_directory, sh};
use crate::{Dns, Host, Isolation, RunError, Tree};

super::scenarios! {
    changes_are_in_the_upper_directory
    places_for_mounts_do_not_stay
    directories_above_a_place_keep_their_attributes
    proc_is_masked
    sys_is_read_only
    devices_can_be_used
    hosts_and_name_servers_are_given
    links_in_the_image_do_not_lead_to_the_machine
    a_root_without_an_upper_directory_is_read_only
    a_plain_directory_can_be_a_root
    two_hundred_layers_with_long_names_are_stacked
    the_machines_mounts_are_out_of_reach
    proc_as_a_link_is_refused
}

fn changes_are_in_the_upper_directory() {
    let step = Step::new("echo new > /new; rm /etc/passwd; mkdir /tmp/d");
    step.run().ok();
    assert_eq!(step.changes(), ["etc", "etc/passwd", "new", "tmp", "tmp/d"]);
    let whiteout = fs::symlink_metadata(step.upper().join("etc/passwd")).unwrap();
    assert_eq!((whiteout.mode() & 0o170_000, whiteout.rdev()), (0o020_000, 0));
}

fn places_for_mounts_do_not_stay() {
    let step = Step::new("ls -d /proc /sys /dev /etc/hosts /etc/resolv.conf");
    assert_eq!(step.run().ok().lines().count(), 5);
    assert_eq!(step.changes(), [""; 0]);
}

fn directories_above_a_place_keep_their_attributes() {
    let step = Step::new("stat -c '%a %Y' /etc; echo x > /etc/changed");
    fs::set_permissions(step.lower().join("etc"), std::os::unix::fs::PermissionsExt::from_mode(0o2751)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(step.lower().join("etc")).unwrap().set_modified(time).unwrap();
    assert_eq!(step.run().ok(), "2751 1000000000\n");
    assert_eq!(fs::metadata(step.upper().join("etc")).unwrap().mode() & 0o7777, 0o2751);
    assert_eq!(step.changes(), ["etc", "etc/changed"]);
}

fn proc_is_masked() {
    let step = Step::new(
        "wc -c < /proc/keys; wc -c < /proc/interrupts; ls /proc/scsi /proc/acpi; echo 1 > /proc/sys/vm/drop_caches; true",
    );
    let output = step.run();
    assert!(output.stdout.starts_with("0\n0\n"), "{output:?}");
    assert!(!output.stdout.contains("scsi\n"), "{output:?}");
    assert!(output.stderr.contains("drop_caches: Read-only file system"), "{output:?}");
}

fn sys_is_read_only() {
    let output = Step::new(
        "ls /sys/kernel > /dev/null && echo there; mkdir /sys/kernel/x; echo 1 > /sys/kernel/profiling; ls /sys/firmware; true",
    )
    .run();
    assert_eq!(output.stdout, "there\n");
    assert_eq!(output.stderr.matches("Read-only file system").count(), 2, "{output:?}");
}

fn devices_can_be_used() {
    let output = sh(
        "echo x > /dev/null; head -c1 /dev/urandom | wc -c; head -c3 /dev/zero | wc -c; echo x 2>/dev/null > /dev/full || echo full; \
                     ls /dev | tr '\\n' ' '; echo; echo x > /dev/shm/x; stat -c %a /dev /dev/shm; test -c /dev/ptmx && echo ptmx; echo out > /dev/stdout; ls /dev/pts",
    );
    assert_eq!(
        output,
        "1\n3\nfull\ncore fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero \n755\n1777\nptmx\nout\nptmx\n"
    );
    // A node of one's own opens nothing, wherever it is.
    let output = Step::new("for d in / /dev /dev/shm /tmp; do mknod $d/disk c 1 3 && head -c1 $d/disk; done; true").run();
    if isolation() == Isolation::Root {
        assert_eq!(output.stderr.matches("Permission denied").count(), 4, "{output:?}");
    } else {
        assert_eq!(output.stdout, "", "{output:?}");
    }
}

fn hosts_and_name_servers_are_given() {
    let machine = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert_eq!(sh("cat /etc/resolv.conf").trim(), machine.trim());
    let mut step = Step::new("cat /etc/hosts /etc/resolv.conf; echo x >> /etc/hosts");
    let address: IpAddr = "10.1.2.3".parse().unwrap();
    step.spec.hosts = vec![Host { name: "db.local".to_owned(), address }];
    step.spec.dns = Some(Dns { servers: vec![address], ..Dns::default() });
    let output = step.run();
    assert_eq!(
        output.stdout,
        "127.0.0.1\tlocalhost windlass\n::1\tlocalhost ip6-localhost ip6-loopback\n10.1.2.3\tdb.local\nnameserver 10.1.2.3\n"
    );
    assert!(output.stderr.contains("Read-only file system"));
}

fn links_in_the_image_do_not_lead_to_the_machine() {
    let target = tempfile::NamedTempFile::new().unwrap();
    let path = target.path().to_str().unwrap();
    for link in
        [format!("/proc/1/root{path}"), format!("../../../../../..{path}"), path.to_owned(), format!("/proc/self/cwd{path}")]
    {
        let mut step = Step::new("cat /etc/resolv.conf; test ! -L /etc/resolv.conf || readlink /etc/resolv.conf");
        step.spec.dns = Some(Dns { search: vec!["canary".to_owned()], ..Dns::default() });
        symlink(&link, step.lower().join("etc/resolv.conf")).unwrap();
        let output = step.run().ok();
        // A link by way of `/proc` leads to nothing once the step's own is mounted.
        assert!(output == format!("search canary\n{link}\n") || link.starts_with("/proc"), "{link}: {output}");
        assert_eq!(fs::read_to_string(path).unwrap(), "");
        assert_eq!(step.changes(), [""; 0]);
    }
}

fn a_root_without_an_upper_directory_is_read_only() {
    let mut step = Step::new("echo x > /file || cat /etc/hosts | wc -l");
    step.spec.root = Tree::Layers { lower: vec![step.lower()], upper: None };
    let output = step.run();
    assert!(output.stderr.contains("Read-only file system"), "{output:?}");
    assert_eq!(output.stdout, "2\n");
}

fn a_plain_directory_can_be_a_root() {
    let mut step = Step::new("echo x > /file || echo no");
    step.spec.root = Tree::Directory(step.lower());
    assert_eq!(step.run().ok(), "no\n");
    for name in ["proc", "sys", "dev"] {
        make_directory(&step.lower().join(name));
    }
    for name in ["etc/hosts", "etc/resolv.conf"] {
        fs::write(step.lower().join(name), "").unwrap();
    }
    assert_eq!(step.run().ok(), "no\n");
}

fn two_hundred_layers_with_long_names_are_stacked() {
    let mut step = Step::new("ls /layers | wc -l; cat /top");
    let mut lower = Vec::new();
    for number in 0..200 {
        let layer = step.directory.path().join(format!("{}-,:\\ {number}", "a-long-name".repeat(20)));
        make_directory(&layer.join("layers"));
        fs::write(layer.join(format!("layers/{number}")), "").unwrap();
        fs::write(layer.join("top"), number.to_string()).unwrap();
        lower.push(layer);
    }
    lower.push(step.lower());
    step.spec.root = Step::tree_in(step.directory.path(), lower);
    assert_eq!(step.run().ok(), "200\n0\n");
}

fn the_machines_mounts_are_out_of_reach() {
    let step = Step::new("cut -d' ' -f2 /proc/mounts | sort; cat /proc/mounts > /dev/stderr");
    let output = step.run();
    let host = step.directory.path().to_str().unwrap();
    assert!(!output.stderr.contains(host), "the paths of the machine are told: {output:?}");
    let first: Vec<&str> = output.stdout.lines().take(2).collect();
    assert_eq!(first, ["/", "/dev"], "{output:?}");
    assert_eq!(sh("ls / | tr '\\n' ' '"), "bin dev etc proc root sys tmp \n");
}

fn proc_as_a_link_is_refused() {
    let step = Step::new("true");
    symlink("/etc", step.lower().join("proc")).unwrap();
    let error = step.try_run().unwrap_err();
    assert!(matches!(&error, RunError::Setup { action, .. } if action.contains("/proc")), "{error:?}");
}
