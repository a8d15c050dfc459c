//! Platforms, as in the OCI image specification, section "Image Index", property `platform`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An operating system, an architecture and, where there is one, a variant (`linux/arm64/v8`).
///
/// Names are normalised as containerd does it: `x86_64` is `amd64`, `aarch64` is `arm64`, and the variants that
/// are an architecture's only one (`arm64/v8`, `amd64/v1`) are left out.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/amd64 or linux/arm/v7")]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// Reads `os/architecture[/variant]`, or an architecture alone, which means `linux/…`.
    ///
    /// # Errors
    /// When a part is empty, there are more than three, or one has a character outside `[A-Za-z0-9_.-]`.
    pub fn parse(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let valid =
            |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if !parts.iter().all(valid) {
            return Err(PlatformError { text: text.chars().take(200).collect() });
        }
        match parts.as_slice() {
            ["linux" | "windows" | "darwin" | "freebsd"] => Err(PlatformError { text: text.to_owned() }),
            [architecture] => Ok(Self::new("linux", architecture, None)),
            [os, architecture] => Ok(Self::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Self::new(os, architecture, Some(variant))),
            _ => Err(PlatformError { text: text.chars().take(200).collect() }),
        }
    }

    /// A platform from names that were already taken apart, normalised as [`Platform::parse`] does.
    #[must_use]
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let architecture = architecture.to_ascii_lowercase();
        let variant = variant.map(str::to_ascii_lowercase).filter(|v| !v.is_empty());
        let (architecture, variant) = match (architecture.as_str(), variant.as_deref()) {
            ("x86_64" | "x86-64" | "amd64", None | Some("v1")) => ("amd64", None),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", None | Some("8" | "v8")) => ("arm64", None),
            ("aarch64", variant) => ("arm64", variant),
            ("i386" | "i486" | "i586" | "i686" | "386", _) => ("386", None),
            ("armhf", _) => ("arm", Some("v7")),
            ("armel", _) => ("arm", Some("v6")),
            ("arm", None | Some("7")) => ("arm", Some("v7")),
            ("arm", Some("5")) => ("arm", Some("v5")),
            ("arm", Some("6")) => ("arm", Some("v6")),
            (architecture, variant) => (architecture, variant),
        };
        Self { os: os.to_ascii_lowercase(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) }
    }

    /// The platform that this program was compiled for.
    #[must_use]
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, None)
    }

    /// The operating system, such as `linux`.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture in Go's spelling, such as `amd64`.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant, such as `v7`, where the architecture has several.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// Whether an image for `offered` runs where `self` was asked for: equal, or an older variant of ARM.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        if self == offered {
            return true;
        }
        let number = |p: &Self| p.variant.as_deref().and_then(|v| v.strip_prefix('v')).and_then(|v| v.parse::<u8>().ok());
        self.os == offered.os
            && self.architecture == "arm"
            && offered.architecture == "arm"
            && matches!((number(self), number(offered)), (Some(wanted), Some(has)) if has <= wanted)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Platform {
    type Error = PlatformError;

    fn try_from(text: String) -> Result<Self, PlatformError> {
        Self::parse(&text)
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        Platform::parse(text).map(|p| p.to_string()).unwrap_or_else(|e| e.to_string())
    }

    #[test]
    fn spellings_are_normalised() {
        assert_eq!(show("linux/x86_64"), "linux/amd64");
        assert_eq!(show("linux/arm64/v8"), "linux/arm64");
        assert_eq!(show("linux/arm"), "linux/arm/v7");
        assert_eq!(show("arm64"), "linux/arm64");
        assert_eq!(show("linux/amd64/v3"), "linux/amd64/v3");
    }

    #[test]
    fn what_is_no_platform_is_refused() {
        for text in ["", "linux", "linux/", "a/b/c/d", "linux/a b"] {
            assert!(Platform::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn newer_arm_takes_older_but_not_the_other_way() {
        let (v6, v7) = (Platform::new("linux", "arm", Some("v6")), Platform::new("linux", "arm", Some("v7")));
        assert!(v7.accepts(&v6) && !v6.accepts(&v7));
        assert!(!Platform::new("linux", "amd64", None).accepts(&v7));
    }
}
