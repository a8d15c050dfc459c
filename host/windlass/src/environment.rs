//! Directories that the environment names.

use std::path::PathBuf;

pub use windlass_credentials::Environment;

/// The directory for caches: `$XDG_CACHE_HOME`, else `~/.cache` (XDG base directory specification).
#[must_use]
pub fn cache_home(environment: &Environment) -> PathBuf {
    directory(environment, "XDG_CACHE_HOME", ".cache")
}

/// The directory for configuration: `$XDG_CONFIG_HOME`, else `~/.config`.
#[must_use]
pub fn config_home(environment: &Environment) -> PathBuf {
    directory(environment, "XDG_CONFIG_HOME", ".config")
}

/// A user without a home, as some containers have it, gets a directory of their own below the temporary one.
fn directory(environment: &Environment, variable: &str, below_home: &str) -> PathBuf {
    let absolute = |path: &&str| path.starts_with('/');
    if let Some(path) = environment.get(variable).filter(absolute) {
        return PathBuf::from(path);
    }
    match environment.get("HOME").filter(absolute) {
        Some(home) => PathBuf::from(home).join(below_home),
        None => std::env::temp_dir().join(format!("windlass-{}", rustix::process::getuid().as_raw())).join(below_home),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_follow_the_xdg_specification() {
        assert_eq!(cache_home(&Environment::from_iter([("HOME", "/h")])), PathBuf::from("/h/.cache"));
        assert_eq!(cache_home(&Environment::from_iter([("HOME", "/h"), ("XDG_CACHE_HOME", "/c")])), PathBuf::from("/c"));
        assert_eq!(cache_home(&Environment::from_iter([("HOME", "/h"), ("XDG_CACHE_HOME", "rel")])), PathBuf::from("/h/.cache"));
    }
}
