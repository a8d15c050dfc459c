//! Stand-ins for `/dev`, `/proc` and `/sys`, as far as they can be had without mounts.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The device nodes that every program may expect.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// What tells about the machine and its kernel, and nothing of its processes. Copies as of the start of the step.
const TELLING: [&str; 13] = [
    "cpuinfo",
    "meminfo",
    "stat",
    "version",
    "filesystems",
    "loadavg",
    "uptime",
    "sys/kernel/ostype",
    "sys/kernel/osrelease",
    "sys/kernel/cap_last_cap",
    "sys/kernel/ngroups_max",
    "sys/kernel/pid_max",
    "sys/vm/overcommit_memory",
];

/// Makes `/dev`, with the pipes through which the command's output goes as `stdout` and `stderr`.
pub(super) fn dev(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o755).create(path)?;
    for name in NODES {
        node(path, name)?;
    }
    for name in ["stdout", "stderr"] {
        mknodat(CWD, path.join(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        fs::set_permissions(path.join(name), Permissions::from_mode(0o666))?;
    }
    fs::create_dir(path.join("shm"))?;
    fs::set_permissions(path.join("shm"), Permissions::from_mode(0o1777))
}

/// A node for the device that the machine has under that name. Where none can be made, or a file system without devices
/// holds the root directory, `null` is an empty file and the others are not there.
fn node(dev: &Path, name: &str) -> io::Result<()> {
    let path = dev.join(name);
    let Ok(original) = fs::metadata(Path::new("/dev").join(name)) else { return Ok(()) };
    let made = mknodat(CWD, &path, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, original.rdev());
    // Without a terminal, `tty` cannot be opened anywhere.
    if made.is_err() || name != "tty" && fs::File::open(&path).is_err() {
        let _ = fs::remove_file(&path);
        if name != "null" {
            return Ok(());
        }
        fs::write(&path, "")?;
    }
    fs::set_permissions(&path, Permissions::from_mode(0o666))
}

/// Makes `/proc`: files that tell about the machine. Nothing about processes can be had.
pub(super) fn proc(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path.join("sys/kernel"))?;
    fs::create_dir(path.join("sys/vm"))?;
    for name in TELLING {
        if let Ok(content) = fs::read(Path::new("/proc").join(name)) {
            fs::write(path.join(name), content)?;
        }
    }
    fs::write(path.join("mounts"), "rootfs / rootfs rw 0 0\n")
}

/// Makes `/sys`, which is empty.
pub(super) fn sys(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o555).create(path)
}
