//! What the `check` directive says: `skip=…;error=…;experimental=…`.

use std::collections::BTreeSet;

use crate::expand::clip;
use crate::go;

/// The build argument that takes the place of the directive.
pub const BUILD_ARGUMENT: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Which rules count, and whether a finding is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    skipped: Choice,
    experimental: Choice,
    /// A finding ends the build.
    pub is_error: bool,
}

/// Rules by name, or all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Choice {
    is_all: bool,
    names: BTreeSet<String>,
}

impl Options {
    /// Reads the options.
    ///
    /// # Errors
    /// A sentence about the part that is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').map_or((part, ""), |(key, value)| (key.trim(), value.trim()));
            match key {
                "skip" => options.skipped = Choice::parse(value),
                "experimental" => options.experimental = Choice::parse(value),
                "error" => {
                    options.is_error = go::parse_bool(value)
                        .ok_or_else(|| format!("`error` of the checks is true or false, not `{}`", clip(value)))?;
                }
                _ => return Err(format!("`{}` is not an option of the checks: expected skip, error or experimental", clip(key))),
            }
        }
        Ok(options)
    }

    /// Whether the rule counts.
    pub(super) fn includes(&self, name: &str, is_experimental: bool) -> bool {
        !self.skipped.has(name) && (!is_experimental || self.experimental.has(name))
    }
}

impl Choice {
    fn parse(text: &str) -> Self {
        let names: BTreeSet<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        Self { is_all: names.contains("all"), names }
    }

    fn has(&self, name: &str) -> bool {
        self.is_all || self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_skipped_by_name_or_all_at_once() {
        let options = Options::parse("skip=StageNameCasing, UndefinedVar;error=true").unwrap();
        assert!(options.is_error && !options.includes("UndefinedVar", false) && options.includes("FromAsCasing", false));
        assert!(!Options::parse("skip=all").unwrap().includes("FromAsCasing", false));
    }

    #[test]
    fn experimental_rules_count_only_where_they_are_named() {
        assert!(!Options::default().includes("X", true));
        assert!(Options::parse("experimental=X").unwrap().includes("X", true));
        assert!(Options::parse("experimental=all").unwrap().includes("X", true));
    }

    #[test]
    fn unknown_options_and_values_are_told() {
        assert!(Options::parse("skipp=x").unwrap_err().contains("skipp"));
        assert!(Options::parse("error=maybe").unwrap_err().contains("maybe"));
    }
}
