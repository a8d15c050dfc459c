//! `/etc/resolv.conf` and `/etc/hosts`, read-only. As with BuildKit, `/etc/hostname` is the image's own affair.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::scaffold::Scaffold;
use crate::failure::{Attempt, Step};
use crate::mount::{self, DATA_ONLY};
use crate::spec::{Dns, RunSpec};

/// The files' contents, with their paths.
pub(super) struct Files([(&'static str, OwnedFd); 2]);

impl Files {
    /// Writes the files to the scaffold, while the machine's `/etc` can be reached.
    pub(super) fn write(spec: &RunSpec, scaffold: &Scaffold) -> Step<Self> {
        let file = |path, content: &[u8]| write(scaffold, content).map(|file| (path, file)).to(&format!("write {path}"));
        Ok(Self([file("/etc/resolv.conf", &resolv_conf(spec.dns.as_ref()))?, file("/etc/hosts", hosts(spec).as_bytes())?]))
    }

    /// Mounts them. A link in the image is followed inside the image.
    pub(super) fn mount(&self, root: BorrowedFd<'_>) -> Step<()> {
        self.0.iter().try_for_each(|(path, file)| {
            let place = mount::place_inside(root, Path::new(path)).to(&format!("find the place of {path}"))?;
            mount::attach(file, place.as_fd()).to(&format!("mount {path}"))
        })
    }
}

fn write(scaffold: &Scaffold, content: &[u8]) -> Result<OwnedFd, Errno> {
    let mut file = File::from(scaffold.file(Mode::from_raw_mode(0o644))?);
    file.write_all(content).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    let copy = mount::copy_mount(file.as_fd(), false)?;
    mount::restrict(&copy, DATA_ONLY | MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    Ok(copy)
}

/// A machine without name servers is possible, and so is a step without them.
pub(crate) fn resolv_conf(dns: Option<&Dns>) -> Vec<u8> {
    let Some(dns) = dns else { return std::fs::read("/etc/resolv.conf").unwrap_or_default() };
    let mut text: String = dns.servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    for (keyword, values) in [("search", &dns.search), ("options", &dns.options)] {
        if !values.is_empty() {
            let _ = writeln!(text, "{keyword} {}", values.join(" "));
        }
    }
    text.into_bytes()
}

pub(crate) fn hosts(spec: &RunSpec) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", spec.hostname);
    for host in &spec.hosts {
        let _ = writeln!(text, "{}\t{}", host.address, host.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_and_domains_are_written_in_order() {
        let dns = Dns {
            servers: vec!["10.0.0.2".parse().unwrap(), "::1".parse().unwrap()],
            search: vec!["a.example".to_owned(), "b.example".to_owned()],
            options: vec!["ndots:2".to_owned()],
        };
        let text = String::from_utf8(resolv_conf(Some(&dns))).unwrap();
        assert_eq!(text, "nameserver 10.0.0.2\nnameserver ::1\nsearch a.example b.example\noptions ndots:2\n");
    }
}
