//! The variables of a process as a value: tests run side by side, and what decides is visible in a signature.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A snapshot of environment variables. Cheap to clone; `Debug` shows names only, for values may be secret.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
}

impl Environment {
    /// The variables of this process, as they are now. Those that are not UTF-8 are left out.
    #[must_use]
    pub fn of_this_process() -> Self {
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
    }

    /// The value of `name`; a variable that is set to the empty text counts as not set, as CI systems mean it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of `names` that is set, and its value.
    #[must_use]
    pub fn first<'a>(&self, names: &[&'a str]) -> Option<(&'a str, &str)> {
        names.iter().find_map(|name| self.get(name).map(|value| (*name, value)))
    }

    /// Whether `name` is `true`, in any case, as AWS tools spell a switch.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Names and values, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The home directory, from `HOME`.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").map(PathBuf::from)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { variables: Arc::new(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()) }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_counts_as_not_set() {
        let environment = Environment::from_iter([("A", ""), ("B", "x"), ("C", "TRUE")]);
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.first(&["A", "B"]), Some(("B", "x")));
        assert!(environment.is_true("C") && !environment.is_true("B"));
    }

    #[test]
    fn debug_shows_names_only() {
        let environment = Environment::from_iter([("AWS_SECRET_ACCESS_KEY", "canary-1")]);
        assert_eq!(format!("{environment:?}"), r#"{"AWS_SECRET_ACCESS_KEY"}"#);
    }
}
