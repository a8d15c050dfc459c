//! Overlay mounts.
//!
//! Layers are named by their descriptors, as entries of `/proc/self/fd`: paths of any length and with any character
//! work, and `/proc/mounts` inside does not tell where the machine keeps them.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, MountAttrFlags, MountFlags, fsconfig_set_string, fsopen};

use super::scaffold::Scaffold;
use crate::failure::{Attempt, Failure, Step};
use crate::isolation::Isolation;
use crate::mount::{self, FsOption};

/// The directories of an overlay.
pub(super) struct Overlay<'a> {
    /// The topmost first.
    pub(super) lower: Vec<&'a OwnedFd>,
    /// The upper and the work directory.
    pub(super) upper: Option<(&'a OwnedFd, &'a OwnedFd)>,
}

impl Overlay<'_> {
    /// Makes a detached mount.
    pub(super) fn mount(&self, isolation: Isolation, attributes: MountAttrFlags, scaffold: &Scaffold) -> Step<OwnedFd> {
        rustix::process::fchdir(scaffold.descriptors()).to("use the machine's /proc/self/fd")?;
        match self.mount_by_layer(isolation, attributes)? {
            Some(mount) => Ok(mount),
            None => self.mount_at_once(isolation, attributes, scaffold),
        }
    }

    /// Linux 6.7 and newer: one call a layer. Gives nothing where the kernel does not know that.
    fn mount_by_layer(&self, isolation: Isolation, attributes: MountAttrFlags) -> Step<Option<OwnedFd>> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).to("use overlay file systems")?;
        let explain = |errno: Errno| Failure::Setup {
            action: format!("mount the layers as an overlay{}", mount::kernel_messages(context.as_fd())),
            errno: errno.raw_os_error(),
        };
        fsconfig_set_string(&context, "source", "overlay").map_err(explain)?;
        let [first, rest @ ..] = &self.lower[..] else { return Err(explain(Errno::INVAL)) };
        if fsconfig_set_string(&context, "lowerdir+", name(first)).is_err() {
            return Ok(None);
        }
        for layer in rest {
            fsconfig_set_string(&context, "lowerdir+", name(layer)).map_err(explain)?;
        }
        if let Some((upper, work)) = self.upper {
            fsconfig_set_string(&context, "upperdir", name(upper)).map_err(explain)?;
            fsconfig_set_string(&context, "workdir", name(work)).map_err(explain)?;
        }
        mount::configure(context.as_fd(), &self.options(isolation)).map_err(explain)?;
        mount::create(context.as_fd(), attributes).map(Some).map_err(explain)
    }

    /// Older kernels: one text for all layers. It has room for a page, so about 800 layers with these short names.
    fn mount_at_once(&self, isolation: Isolation, attributes: MountAttrFlags, scaffold: &Scaffold) -> Step<OwnedFd> {
        let mut text = format!("lowerdir={}", self.lower.iter().copied().map(name).collect::<Vec<_>>().join(":"));
        if let Some((upper, work)) = self.upper {
            text += &format!(",upperdir={},workdir={}", name(upper), name(work));
        }
        for (option, value) in self.options(isolation) {
            text += &value.map_or_else(|| format!(",{option}"), |value| format!(",{option}={value}"));
        }
        let mount = || {
            let text = std::ffi::CString::new(text).map_err(|_| Errno::INVAL)?;
            let mut flags = MountFlags::empty();
            flags.set(MountFlags::NODEV, attributes.contains(MountAttrFlags::MOUNT_ATTR_NODEV));
            let mounted =
                scaffold.mounted(|place| rustix::mount::mount("overlay", name(&place), "overlay", flags, text.as_c_str()))?;
            mount::copy_mount(mounted.as_fd(), false)
        };
        mount().to("mount the layers as an overlay")
    }

    fn options(&self, isolation: Isolation) -> Vec<FsOption<'static>> {
        let mut options = vec![("index", Some("off"))];
        if isolation.is_rootless() {
            options.push(("userxattr", None));
        } else {
            // Layers must not need the overlay driver to be understood.
            options.extend([("redirect_dir", Some("off")), ("metacopy", Some("off"))]);
        }
        if self.upper.is_some() {
            // Whoever loses power builds again; flushing the whole disk at every step would cost more than the step.
            options.push(("volatile", None));
        }
        options
    }
}

fn name(file: &OwnedFd) -> String {
    file.as_raw_fd().to_string()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    const DIRECTORY: &str = "WINDLASS_SANDBOX_TEST_OVERLAY";

    /// In the copy of this program that the test starts, before its threads: mounts as kernels before 6.7 have it.
    pub(crate) fn mount_if_asked() {
        let Ok(directory) = std::env::var(DIRECTORY) else { return };
        let open = |name: &str| mount::place(&Path::new(&directory).join(name)).unwrap();
        crate::sys::unshare(rustix::thread::UnshareFlags::NEWNS).unwrap();
        let private = rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        let scaffold = Scaffold::new().unwrap();
        rustix::process::fchdir(scaffold.descriptors()).unwrap();
        let (first, second, upper, work) = (open("a:b"), open("second"), open("upper"), open("work"));
        let overlay = Overlay { lower: vec![&first, &second], upper: Some((&upper, &work)) };
        let merged = overlay.mount_at_once(Isolation::Root, MountAttrFlags::MOUNT_ATTR_NODEV, &scaffold).unwrap();
        scaffold.attach(&merged).unwrap();
        rustix::process::fchdir(&merged).unwrap();
        assert_eq!(std::fs::read_to_string("f").unwrap() + &std::fs::read_to_string("g").unwrap(), "ab");
        std::fs::write("f", "changed").unwrap();
        crate::sys::exit(0);
    }

    #[test]
    fn older_kernels_are_told_all_layers_at_once() {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("skipped: only root can mount an overlay");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["a:b", "second", "upper", "work"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        for (name, content) in [("a:b/f", "a"), ("second/f", "hidden"), ("second/g", "b")] {
            std::fs::write(path(name), content).unwrap();
        }
        let status = Command::new("/proc/self/exe").env(DIRECTORY, directory.path()).status().unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read_to_string(path("upper/f")).unwrap(), "changed");
    }
}
