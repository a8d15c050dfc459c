//! A package, and how it is named.

/// A package, as a package URL (purl) names it, and what else is told of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    /// Such as `deb/debian` or `cargo`.
    pub(super) kind: String,
    pub(super) name: String,
    /// Without the epoch, where that is told apart.
    pub(super) version: String,
    pub(super) epoch: Option<u32>,
    /// In the order of their names.
    qualifiers: Vec<(&'static str, String)>,
    /// Who gave it out.
    pub(super) supplier: Option<String>,
    pub(super) license: Option<String>,
    /// The file name of the package that it was built from.
    pub(super) source: Option<String>,
}

impl Package {
    pub(super) fn new(kind: &str, name: &str, version: &str) -> Self {
        let (kind, name, version) = (kind.to_owned(), name.to_owned(), version.to_owned());
        Self { kind, name, version, epoch: None, qualifiers: Vec::new(), supplier: None, license: None, source: None }
    }

    /// Adds a qualifier, if it has a value; its name comes after those that are there.
    pub(super) fn qualify(&mut self, name: &'static str, value: Option<String>) {
        self.qualifiers.extend(value.filter(|value| !value.is_empty()).map(|value| (name, value)));
    }

    pub(super) fn url(&self) -> String {
        let mut url = format!("pkg:{}/{}@{}", self.kind, escaped(&self.name, true), escaped(&self.version, false));
        for (index, (name, value)) in self.qualifiers.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            url.push_str(&format!("{mark}{name}={}", escaped(value, false)));
        }
        url
    }

    /// The version as package managers show it.
    pub(super) fn full_version(&self) -> String {
        self.epoch.map_or_else(|| self.version.clone(), |epoch| format!("{epoch}:{}", self.version))
    }

    /// How many bytes all that is told of it has.
    pub(super) fn text_length(&self) -> usize {
        let told = [&self.supplier, &self.license, &self.source].into_iter().flatten();
        let qualifiers = self.qualifiers.iter().map(|(_, value)| value.len());
        self.kind.len() + self.name.len() + self.version.len() + told.map(String::len).chain(qualifiers).sum::<usize>()
    }
}

/// Percent-encoding of a purl's parts.
fn escaped(text: &str, may_have_slashes: bool) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (may_have_slashes && byte == b'/');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_escaped() {
        assert_eq!(Package::new("deb/debian", "libstdc++6", "1:2+b~3").url(), "pkg:deb/debian/libstdc%2B%2B6@1%3A2%2Bb~3");
        assert_eq!(Package::new("npm", "@scope/name", "1.0.0").url(), "pkg:npm/%40scope/name@1.0.0");
        let mut package = Package::new("rpm/fedora", "curl", "7.50.3-1.fc25");
        package.qualify("arch", Some("x86_64".to_owned()));
        package.qualify("distro", None);
        package.qualify("epoch", Some("1".to_owned()));
        assert_eq!(package.url(), "pkg:rpm/fedora/curl@7.50.3-1.fc25?arch=x86_64&epoch=1");
    }
}
