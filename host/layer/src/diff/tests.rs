use std::path::{Path, PathBuf};

use super::*;
use crate::testing::{Space, describe, directory, file, hard_link, lines, listing_of, run, symlink, view};
use crate::{Entry, Layer, Listing, SnapshotFormat};

fn base() -> Vec<Entry> {
    vec![
        directory("etc"),
        file("etc/a", "a"),
        file("etc/b", "b"),
        directory("etc/conf.d"),
        file("etc/conf.d/x", "x"),
        directory("home"),
        directory("home/app"),
        file("home/app/.profile", "p"),
        directory("usr"),
        directory("usr/share"),
        file("usr/share/one", "one"),
        directory("usr/share/doc"),
        file("usr/share/doc/index", "i"),
        symlink("var", "usr"),
    ]
}

/// What a shell script changes on an overlay of the base.
fn changed(script: &str) -> (Space, View, Snapshot, Listing) {
    changed_with(script, &[])
}

fn changed_with(script: &str, ignore: &[PathBuf]) -> (Space, View, Snapshot, Listing) {
    let space = Space::new();
    let lower = space.materialised("base", &base());
    let upper = space.snapshot("upper");
    std::fs::create_dir(space.path("work")).unwrap();
    std::fs::create_dir(space.path("empty")).unwrap();
    let options = format!(
        "redirect_dir=off,metacopy=off,index=off,lowerdir={}:{},upperdir={},workdir={}",
        lower.files().display(),
        space.path("empty").display(),
        upper.files().display(),
        space.path("work").display()
    );
    let script = format!("mount -t overlay overlay -o {options} /mnt && cd /mnt && umask 022 && {{ {script}\n}}");
    run("unshare", &["-m", "sh", "-ec", &script], &[]);
    let lower = view(&[&lower]);
    let listing = listing_of(diff(&upper, &lower, ignore));
    (space, lower, upper, listing)
}

/// The listing on top of the base must show what the overlay has shown.
fn applied(space: &Space, lower: &View, upper: &Snapshot, listing: &Listing) {
    let mut blob = Vec::new();
    crate::write_layer(listing, &crate::LayerOptions::default(), &mut blob).unwrap();
    let (again, _) = space.unpack("again", &blob, Some(lower));
    let expected = lines(&lower.with(Layer::directory(upper).unwrap()));
    assert_eq!(lines(&lower.with(Layer::directory(&again).unwrap())), expected);
    let paths = |view: View| crate::testing::listing(&view).into_iter().map(|entry| entry.path).collect::<Vec<_>>();
    assert_eq!(
        paths(lower.with(Layer::listing(listing.clone()))),
        paths(lower.with(Layer::directory(upper).unwrap())),
        "as a listing"
    );
}

#[test]
fn a_step_that_changes_nothing_gives_no_entry() {
    let script = "true; cat etc/a > /dev/null; chmod 600 etc/a; chmod 644 etc/a; touch -r etc/a etc/ref; rm etc/ref; mkdir -p etc/x/y; rm -r etc/x";
    let (_space, _, _, listing) = changed(script);
    assert_eq!(describe(&listing), [""; 0]);
}

#[test]
fn additions_changes_and_removals_come_with_their_parents() {
    let (space, lower, upper, listing) = changed(
        "echo new > etc/new; rm etc/a; echo more >> usr/share/one; chmod 700 home; ln -sfn /opt var; mkfifo -m 640 home/p; mknod -m 600 home/n c 1 3",
    );
    assert_eq!(
        describe(&listing),
        [
            "dir 755 0:0 etc",
            "gone etc/a",
            "file 644 0:0 etc/new new",
            "dir 700 0:0 home",
            "char 600 0:0 home/n 1:3",
            "fifo 640 0:0 home/p",
            "dir 755 0:0 usr",
            "dir 755 0:0 usr/share",
            "file 644 0:0 usr/share/one onemore",
            "link 777 0:0 var -> /opt",
        ]
    );
    applied(&space, &lower, &upper, &listing);
}

#[test]
fn directories_made_anew_are_opaque_and_hold_all_of_theirs() {
    let (space, lower, upper, listing) = changed(
        "rm -rf usr/share/doc; mkdir usr/share/doc; echo n > usr/share/doc/new; mv etc/conf.d etc/old.d; mkdir etc/conf.d; mkdir brand; mkdir brand/new; echo f > brand/new/f",
    );
    assert_eq!(
        describe(&listing),
        [
            "dir 755 0:0 brand",
            "dir 755 0:0 brand/new",
            "file 644 0:0 brand/new/f f",
            "dir 755 0:0 etc",
            "dir 755 0:0 etc/conf.d opaque",
            "dir 755 0:0 etc/old.d",
            "file 644 0:0 etc/old.d/x x",
            "dir 755 0:0 usr",
            "dir 755 0:0 usr/share",
            "dir 755 0:0 usr/share/doc opaque",
            "file 644 0:0 usr/share/doc/new n",
        ]
    );
    applied(&space, &lower, &upper, &listing);
}

#[test]
fn kinds_may_change_into_one_another() {
    let (space, lower, upper, listing) = changed(
        "rm -r etc/conf.d; echo f > etc/conf.d; rm etc/a; mkdir etc/a; echo in > etc/a/in; rm var; mkdir var; rm -r home; ln -s usr home",
    );
    assert_eq!(
        describe(&listing),
        [
            "dir 755 0:0 etc",
            "dir 755 0:0 etc/a",
            "file 644 0:0 etc/a/in in",
            "file 644 0:0 etc/conf.d f",
            "link 777 0:0 home -> usr",
            "dir 755 0:0 var",
        ]
    );
    applied(&space, &lower, &upper, &listing);
}

/// BuildKit lists the new name only, as a file of its own: the old one is unchanged.
#[test]
fn hard_links_are_kept_among_what_has_changed() {
    let (_space, _, _, listing) =
        changed("ln etc/a etc/linked; echo 1 > x; ln x y; mkdir z; ln x z/z; rm etc/b; echo w > etc/w; rm etc/w");
    assert_eq!(
        describe(&listing),
        [
            "dir 755 0:0 etc",
            "gone etc/b",
            "file 644 0:0 etc/linked a",
            "file 644 0:0 x 1",
            "hard 644 0:0 y = x",
            "dir 755 0:0 z",
            "hard 644 0:0 z/z = x",
        ]
    );
}

#[test]
fn content_decides_when_times_are_the_same() {
    let (_space, _, _, listing) =
        changed("printf b > etc/a.new; touch -r etc/a etc/a.new; mv etc/a.new etc/a; touch -d @5 etc/b; chown 5 usr/share/one");
    assert_eq!(
        describe(&listing)[1..],
        [
            "file 644 0:0 etc/a b",
            "file 644 0:0 etc/b b",
            "dir 755 0:0 usr",
            "dir 755 0:0 usr/share",
            "file 644 5:0 usr/share/one one",
        ]
    );
}

#[test]
fn what_mounts_needed_is_left_out_unless_the_step_added_to_it() {
    let ignore = ["proc", "etc/resolv.conf", "run", "run/lock", "tmp"].map(PathBuf::from);
    let (_space, _, _, listing) = changed_with("mkdir -p proc run/lock tmp; touch etc/resolv.conf; echo x > tmp/left", &ignore);
    assert_eq!(describe(&listing), ["dir 755 0:0 tmp", "file 644 0:0 tmp/left x"]);
}

#[test]
fn capabilities_setuid_odd_names_and_sockets_are_handled() {
    let (space, lower, upper, listing) = changed(
        "echo x > cap; setcap cap_net_raw+ep cap; echo s > suid; chown 1000 suid; chmod 6755 suid; touch \"$(printf 'a\\nb\\377')\"; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
    );
    assert_eq!(listing.len(), 3);
    let named = |name: &str| listing.iter().find(|entry| entry.path == Path::new(name)).unwrap();
    assert_eq!(named("cap").xattrs[0].0, "security.capability");
    assert_eq!((named("suid").mode, named("suid").uid), (0o6755, 1000));
    applied(&space, &lower, &upper, &listing);
}

#[test]
fn recorded_owners_count_as_the_files_own() {
    let space = Space::new();
    let format = SnapshotFormat { ownership: crate::Ownership::Recorded, overlay_xattrs: crate::OverlayXattrs::User };
    let upper = Snapshot::create(space.path("upper"), format).unwrap();
    std::fs::write(upper.files().join("f"), "x").unwrap();
    std::os::unix::fs::chown(upper.files().join("f"), Some(1234), Some(1234)).unwrap();
    std::fs::write(upper.files().join("g"), "y").unwrap();
    let mut owners = upper.owners().unwrap();
    owners.insert("g".into(), crate::Recorded { uid: 33, gid: 34, mode: 0o4755, ..crate::Recorded::default() });
    upper.save_owners(&owners).unwrap();
    let listing = listing_of(diff(&upper, &View::empty(), &[]));
    assert_eq!(describe(&listing), ["file 644 0:0 f x", "file 4755 33:34 g y"]);
}

#[test]
fn user_attributes_mark_opaque_directories_where_the_mount_says_so() {
    let space = Space::new();
    let lower = space.materialised("base", &[directory("d"), file("d/old", "o"), directory("w"), file("w/gone", "g")]);
    let format = SnapshotFormat { ownership: crate::Ownership::Apply, overlay_xattrs: crate::OverlayXattrs::User };
    let upper = Snapshot::create(space.path("upper"), format).unwrap();
    let entries = [Entry { kind: EntryKind::Directory { opaque: true }, ..directory("d") }, directory("w"), file("w/kept", "")];
    crate::materialise(&entries, &upper, None).unwrap();
    // The form that a kernel gives a whiteout where no device can be made.
    std::fs::write(upper.files().join("w/gone"), "").unwrap();
    for (path, name, value) in [("w/gone", "user.overlay.whiteout", b"y"), ("w", "user.overlay.opaque", b"x")] {
        rustix::fs::lsetxattr(upper.files().join(path), name, value, rustix::fs::XattrFlags::empty()).unwrap();
    }
    let listing = listing_of(diff(&upper, &view(&[&lower]), &[]));
    assert_eq!(describe(&listing), ["dir 755 0:0 d opaque", "dir 755 0:0 w", "gone w/gone", "file 644 0:0 w/kept "]);
}

#[test]
fn hard_links_of_a_listing_are_one_file_on_disk() {
    use std::os::unix::fs::MetadataExt;
    let space = Space::new();
    let snapshot = space.materialised("s", &[file("a", "x"), hard_link("b", "a")]);
    assert_eq!(std::fs::metadata(snapshot.files().join("b")).unwrap().nlink(), 2);
}
