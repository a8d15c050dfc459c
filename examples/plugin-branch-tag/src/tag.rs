//! What decides: no host in here, so that it is tested like any other Rust code.

use windlass_plugin_sdk::Finding;

/// The longest tag that registries take.
const LONGEST: usize = 128;

/// The setting `length`, checked.
pub(crate) fn length(given: i64) -> Result<usize, Finding> {
    usize::try_from(given).ok().filter(|length| (4..=40).contains(length)).ok_or_else(|| {
        Finding::deny("branch-tag/length", format!("{given} characters of a commit make no good tag"))
            .about("length")
            .help("give a number from 4 to 40")
    })
}

/// The tag of a branch and commit. What no tag may have becomes `-`; a branch that is too long is cut.
pub(crate) fn of(branch: &str, commit: &str, length: usize) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '.' { c } else { '-' };
    let commit: String = commit.chars().take(length).collect();
    let room = LONGEST - commit.len() - 1;
    let branch: String = branch.chars().map(legal).collect();
    let branch = branch.trim_start_matches(['-', '.']);
    format!("{}-{commit}", branch.get(..room).unwrap_or(branch))
}

/// The tags so far with one more, once.
pub(crate) fn added(mut so_far: Vec<String>, tag: String) -> Vec<String> {
    if !so_far.contains(&tag) {
        so_far.push(tag);
    }
    so_far
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_tag_may_have_becomes_a_dash() {
        assert_eq!(of("feature/login#2", "1a2b3c4d5e", 7), "feature-login-2-1a2b3c4");
        assert_eq!(of("/.hidden", "1a2b3c4d5e", 4), "hidden-1a2b");
    }

    #[test]
    fn a_long_branch_is_cut_so_that_the_commit_stays() {
        let tag = of(&"x".repeat(300), "1a2b3c4d5e", 7);
        assert_eq!(tag.len(), LONGEST);
        assert!(tag.ends_with("x-1a2b3c4"));
    }

    #[test]
    fn a_length_that_makes_no_sense_is_named() {
        assert_eq!(length(7).unwrap(), 7);
        assert_eq!(length(-1).unwrap_err().subject.as_deref(), Some("length"));
    }
}
