//! From the source to its tags, as Drone's image plugins do it.

use windlass_plugin_sdk::Finding;

use crate::version::Version;

/// What is known about the source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The full name of the ref.
    pub(crate) reference: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) tag: Option<String>,
    pub(crate) default_branch: Option<String>,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Derived {
    Tags(Vec<String>),
    DoesNotApply(String),
}

const LATEST: &str = "latest";

/// The tags of a source: those of its version for a git tag, `latest` for the default branch, and for a source of which
/// nothing is known. Other branches and pull requests have none.
pub(crate) fn tags(facts: &Facts, suffix: &str) -> Result<Derived, Vec<Finding>> {
    check(suffix)?;
    let reference = facts.reference.as_deref().filter(|reference| !reference.is_empty());
    let tag = match reference {
        Some(reference) => reference.strip_prefix("refs/tags/"),
        None => facts.tag.as_deref().filter(|tag| !tag.is_empty()),
    };
    let tags = match tag {
        Some(tag) => Version::parse(tag).map_err(|why| no_version(tag, why))?.tags(),
        None => match other_than_default(facts, reference) {
            Some(reason) => return Ok(Derived::DoesNotApply(reason)),
            None => vec![LATEST.to_owned()],
        },
    };
    Ok(Derived::Tags(tags.into_iter().map(|tag| with_suffix(tag, suffix)).collect()))
}

/// The tags that were given, and the derived ones behind them. A lone `latest` is what users write where a tag is
/// demanded of them: the derived tags take its place, so that a patch of an old version does not become the latest.
pub(crate) fn combine(given: Vec<String>, derived: Vec<String>) -> Vec<String> {
    let mut tags = if given == [LATEST] { Vec::new() } else { given };
    for tag in derived {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// Why a source that is no git tag is not its default branch; none when it is, or when nothing is known about it.
fn other_than_default(facts: &Facts, reference: Option<&str>) -> Option<String> {
    let branch = match reference {
        Some(reference) => reference.strip_prefix("refs/heads/").unwrap_or(reference),
        None => facts.branch.as_deref().filter(|branch| !branch.is_empty())?,
    };
    match facts.default_branch.as_deref().filter(|default| !default.is_empty()) {
        Some(default) if default == branch => None,
        Some(default) => Some(format!("`{branch}` is neither a git tag nor the default branch `{default}`")),
        None => Some(format!("`{branch}` is no git tag, and the default branch is not known")),
    }
}

fn with_suffix(tag: String, suffix: &str) -> String {
    match (tag.as_str(), suffix) {
        (_, "") => tag,
        (LATEST, suffix) => suffix.to_owned(),
        (tag, suffix) => format!("{tag}-{suffix}"),
    }
}

fn check(suffix: &str) -> Result<(), Vec<Finding>> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    if suffix.bytes().all(legal) && !suffix.starts_with(['.', '-']) {
        return Ok(());
    }
    let finding = Finding::deny("auto-tag/suffix", format!("`{suffix}` cannot be a part of a tag")).about("suffix");
    Err(finding.help("use letters, digits, `_`, `.` and `-`, and begin with a letter, a digit or `_`").into())
}

fn no_version(tag: &str, why: &str) -> Finding {
    let finding =
        Finding::deny("auto-tag/version", format!("the git tag `{tag}` is no version: {why}")).about(format!("refs/tags/{tag}"));
    finding.help("name git tags like v1.2.3 or 1.2.3-rc.1, or name the image's tags without auto-tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(reference: &str, default_branch: &str, suffix: &str) -> String {
        let facts =
            Facts { reference: Some(reference.to_owned()), default_branch: Some(default_branch.to_owned()), ..Facts::default() };
        match tags(&facts, suffix) {
            Ok(Derived::Tags(tags)) => tags.join(", "),
            Ok(Derived::DoesNotApply(_)) => "not applicable".to_owned(),
            Err(_) => "error".to_owned(),
        }
    }

    #[test]
    fn the_examples_of_the_replaced_plugins_hold() {
        for (reference, default_branch, suffix, expected) in [
            ("", "master", "", "latest"),
            ("", "", "", "latest"),
            ("refs/heads/master", "master", "", "latest"),
            ("refs/heads/master", "master", "linux-amd64", "linux-amd64"),
            ("refs/heads/develop", "master", "", "not applicable"),
            ("refs/heads/master", "", "", "not applicable"),
            ("refs/pull/7/head", "master", "", "not applicable"),
            ("refs/tags/0.9.0", "master", "", "0.9, 0.9.0"),
            ("refs/tags/1.0.0", "master", "", "1, 1.0, 1.0.0"),
            ("refs/tags/v1.0.0", "", "", "1, 1.0, 1.0.0"),
            ("refs/tags/v1.0.0-alpha.1", "master", "", "1.0.0-alpha.1"),
            ("refs/tags/v1.0.0", "master", "linux-amd64", "1-linux-amd64, 1.0-linux-amd64, 1.0.0-linux-amd64"),
            ("refs/tags/v18.06.0", "master", "nanoserver", "18-nanoserver, 18.06-nanoserver, 18.06.0-nanoserver"),
            ("refs/tags/x1.0.0", "master", "", "error"),
            ("refs/tags/20190203", "master", "", "error"),
            ("refs/tags/v1.2", "master", "", "error"),
            ("refs/tags/cmd/foo/v1.2.3", "master", "", "error"),
            ("refs/tags/V1.2.3", "master", "", "error"),
            ("refs/tags/vv1.2.3", "master", "", "error"),
            ("refs/tags/v1.2.3-", "master", "", "error"),
            ("refs/tags/v1.2.3-a..b", "master", "", "error"),
            ("refs/tags/v1.2.99999999999999999999", "master", "", "error"),
            ("refs/tags/v1.-2.3", "master", "", "error"),
        ] {
            assert_eq!(show(reference, default_branch, suffix), expected, "{reference} {default_branch} {suffix}");
        }
    }

    #[test]
    fn where_the_replaced_plugins_give_what_nobody_wants_we_differ() {
        assert_eq!(show("refs/tags/v1.2.3+build.5", "master", ""), "1.2.3-build.5");
        assert_eq!(show("refs/tags/v1.2.3-rc.1+build-5", "master", ""), "1.2.3-rc.1-build-5");
        assert_eq!(show("refs/tags/v18.06.0-rc1", "master", ""), "18.06.0-rc1");
        assert_eq!(show("refs/tags/v1.2.3-rc1", "master", "arm64"), "1.2.3-rc1-arm64");
    }

    #[test]
    fn branch_and_tag_stand_in_for_a_missing_ref() {
        let facts = |tag: Option<&str>, branch: Option<&str>| Facts {
            reference: None,
            tag: tag.map(str::to_owned),
            branch: branch.map(str::to_owned),
            default_branch: Some("main".to_owned()),
        };
        let show = |facts: Facts| tags(&facts, "").unwrap();
        assert_eq!(show(facts(Some("v2.1.0"), Some("main"))), Derived::Tags(vec!["2".into(), "2.1".into(), "2.1.0".into()]));
        assert_eq!(show(facts(None, Some("main"))), Derived::Tags(vec!["latest".into()]));
        assert_eq!(
            show(facts(None, Some("feature"))),
            Derived::DoesNotApply("`feature` is neither a git tag nor the default branch `main`".to_owned())
        );
    }

    #[test]
    fn given_tags_stay_and_a_lone_latest_makes_way() {
        let list = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
        let derived = || list(&["1", "1.2", "1.2.3"]);
        assert_eq!(combine(list(&[]), derived()), derived());
        assert_eq!(combine(list(&["latest"]), derived()), derived());
        assert_eq!(combine(list(&["stable", "1.2"]), derived()), list(&["stable", "1.2", "1", "1.2.3"]));
        assert_eq!(combine(list(&["latest", "stable"]), derived()), list(&["latest", "stable", "1", "1.2", "1.2.3"]));
    }

    #[test]
    fn what_cannot_be_in_a_tag_is_refused_as_a_suffix() {
        for suffix in ["linux/amd64", "-x", ".x", "a b", "ä"] {
            let finding = &tags(&Facts::default(), suffix).unwrap_err()[0];
            assert_eq!((finding.rule.as_str(), finding.subject.as_deref()), ("auto-tag/suffix", Some("suffix")), "{suffix}");
        }
    }

    #[test]
    fn a_git_tag_that_is_no_version_says_why() {
        let facts = Facts { reference: Some("refs/tags/v1.2".to_owned()), ..Facts::default() };
        assert_eq!(
            tags(&facts, "").unwrap_err()[0].message,
            "the git tag `v1.2` is no version: it does not have three numbers, as in 1.2.3"
        );
    }
}
