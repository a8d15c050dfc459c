//! The databases of dpkg and apk.

use std::path::Path;

use super::package::Package;

/// A distribution, as `os-release` has it; what it does not tell is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Distribution {
    /// Such as `fedora`.
    pub(super) id: String,
    version: String,
}

impl Distribution {
    pub(super) fn of(release: &str) -> Self {
        // Names have no other characters than these (os-release(5)); anything else would become a part of URLs.
        let may_have = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let value = |name: &str| {
            let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            let value = value.trim().trim_matches(['"', '\'']);
            value.bytes().all(may_have).then(|| value.to_owned())
        };
        Self { id: value("ID").unwrap_or_default(), version: value("VERSION_ID").unwrap_or_default() }
    }

    /// Such as `fedora-41`.
    pub(super) fn full(&self) -> Option<String> {
        let has_both = !self.id.is_empty() && !self.version.is_empty();
        has_both.then(|| format!("{}-{}", self.id, self.version))
    }
}

pub(super) fn is_database(path: &Path) -> bool {
    path == Path::new("var/lib/dpkg/status") || path.starts_with("var/lib/dpkg/status.d") || is_apk(path)
}

fn is_apk(path: &Path) -> bool {
    path == Path::new("lib/apk/db/installed") || path == Path::new("usr/lib/apk/db/installed")
}

/// The packages of a database; none of any other file.
pub(super) fn read(path: &Path, text: &str, distribution: &Distribution) -> Vec<Package> {
    if !is_database(path) {
        return Vec::new();
    }
    let or = |usual: &str| if distribution.id.is_empty() { usual.to_owned() } else { distribution.id.clone() };
    if is_apk(path) { apk(text, &or("alpine")) } else { dpkg(text, &or("debian")) }
}

/// Paragraphs of `Name: value` lines (deb822(5)). What was removed but for its configuration is not there.
fn dpkg(text: &str, distribution: &str) -> Vec<Package> {
    let package = |paragraph: &str| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim);
        // The files of images without a dpkg have no status.
        let is_there = field("Status").is_none_or(|status| status.ends_with(" installed"));
        is_there.then(|| Some(Package::new(&format!("deb/{distribution}"), field("Package")?, field("Version")?)))?
    };
    text.split("\n\n").filter_map(package).collect()
}

/// Paragraphs of lines with a letter and a colon before the value.
fn apk(text: &str, distribution: &str) -> Vec<Package> {
    let package = |paragraph: &str| {
        let field = |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name));
        Some(Package::new(&format!("apk/{distribution}"), field("P:")?, field("V:")?))
    };
    text.split("\n\n").filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_read_and_removed_ones_are_not() {
        let status = "Package: a\nStatus: install ok installed\nVersion: 1-2\nDescription: x\n Package: no\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 3\n";
        assert_eq!(dpkg(status, "debian"), [Package::new("deb/debian", "a", "1-2")]);
        let installed = "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1.36\n";
        let names: Vec<String> = apk(installed, "alpine").into_iter().map(|package| package.name).collect();
        assert_eq!(names, ["musl", "busybox"]);
    }

    #[test]
    fn a_distribution_has_a_name_that_can_stand_in_a_url() {
        let ubuntu = Distribution::of("NAME=x\nID=\"ubuntu\"\nVERSION_ID='24.04'\n");
        assert_eq!((ubuntu.id.as_str(), ubuntu.full().as_deref()), ("ubuntu", Some("ubuntu-24.04")));
        assert_eq!(Distribution::of("ID=arch\n").full(), None);
        assert_eq!(Distribution::of("ID=a/b@1?x=y\nVERSION_ID=1\n"), Distribution { version: "1".into(), id: String::new() });
    }
}
