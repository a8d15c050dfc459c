//! What the CI says of the code that is built: commit, ref, branch, pull request.

use windlass_runtime::host::source::SourceFacts;

use crate::environment::Environment;

/// The variables for each fact, in order of precedence: Drone and Harness, then Woodpecker and GitLab, then GitHub.
struct Names {
    commit: &'static [&'static str],
    reference: &'static [&'static str],
    branch: &'static [&'static str],
    tag: &'static [&'static str],
    default_branch: &'static [&'static str],
    pull_request: &'static [&'static str],
    remote: &'static [&'static str],
    event: &'static [&'static str],
    build_number: &'static [&'static str],
}

const NAMES: Names = Names {
    commit: &["DRONE_COMMIT_SHA", "CI_COMMIT_SHA", "GITHUB_SHA"],
    reference: &["DRONE_COMMIT_REF", "CI_COMMIT_REF", "GITHUB_REF"],
    branch: &["DRONE_COMMIT_BRANCH", "DRONE_BRANCH", "CI_COMMIT_BRANCH"],
    tag: &["DRONE_TAG", "CI_COMMIT_TAG"],
    default_branch: &["DRONE_REPO_BRANCH", "CI_REPO_DEFAULT_BRANCH", "CI_DEFAULT_BRANCH"],
    pull_request: &["DRONE_PULL_REQUEST", "CI_COMMIT_PULL_REQUEST", "CI_MERGE_REQUEST_IID"],
    remote: &["DRONE_REMOTE_URL", "DRONE_GIT_HTTP_URL", "CI_REPO_CLONE_URL", "CI_REPOSITORY_URL"],
    event: &["DRONE_BUILD_EVENT", "CI_PIPELINE_EVENT", "CI_PIPELINE_SOURCE", "GITHUB_EVENT_NAME"],
    build_number: &["DRONE_BUILD_NUMBER", "CI_PIPELINE_NUMBER", "CI_PIPELINE_IID", "GITHUB_RUN_NUMBER"],
};

/// Reads the facts from `environment`.
#[must_use]
pub fn detect(environment: &Environment) -> SourceFacts {
    let fact = |names: &[&str]| environment.first(names).map(|(_, value)| value.to_owned());
    let mut source = SourceFacts {
        commit: fact(NAMES.commit),
        reference: fact(NAMES.reference),
        branch: fact(NAMES.branch),
        tag: fact(NAMES.tag),
        default_branch: fact(NAMES.default_branch),
        pull_request: fact(NAMES.pull_request),
        remote: fact(NAMES.remote).map(|url| without_credentials(&url)),
        event: fact(NAMES.event),
        build_number: fact(NAMES.build_number),
        ..SourceFacts::default()
    };
    complete(&mut source);
    source
}

/// Fills in what follows from the other facts.
fn complete(source: &mut SourceFacts) {
    if source.reference.is_none() {
        source.reference = match (&source.tag, &source.branch) {
            (Some(tag), _) => Some(format!("refs/tags/{tag}")),
            (None, Some(branch)) => Some(format!("refs/heads/{branch}")),
            (None, None) => None,
        };
    }
    let reference = source.reference.clone().unwrap_or_default();
    if source.tag.is_none() {
        source.tag = reference.strip_prefix("refs/tags/").map(str::to_owned);
    }
    if source.branch.is_none() {
        source.branch = reference.strip_prefix("refs/heads/").map(str::to_owned);
    }
    if source.pull_request.is_none() {
        source.pull_request = reference.strip_prefix("refs/pull/").and_then(|rest| rest.split('/').next()).map(str::to_owned);
    }
}

/// A clone URL may hold a token (`https://token@host/…`), which must not get into a label.
fn without_credentials(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed)
            if parsed.password().is_some() || (!parsed.username().is_empty() && parsed.scheme().starts_with("http")) =>
        {
            let cleared = parsed.set_username("").is_ok() && parsed.set_password(None).is_ok();
            if cleared { parsed.to_string() } else { String::new() }
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(pairs: &[(&str, &str)]) -> SourceFacts {
        detect(&Environment::from_iter(pairs.iter().copied()))
    }

    #[test]
    fn a_tag_build_knows_its_tag_from_the_ref_alone() {
        let source = detected(&[("DRONE_COMMIT_REF", "refs/tags/v1.2.3"), ("DRONE_COMMIT_SHA", "abc")]);
        assert_eq!((source.tag.as_deref(), source.commit.as_deref()), (Some("v1.2.3"), Some("abc")));
        assert_eq!(detected(&[("GITHUB_REF", "refs/pull/7/merge")]).pull_request.as_deref(), Some("7"));
    }

    #[test]
    fn gitlab_branches_become_refs() {
        let source = detected(&[("CI_COMMIT_BRANCH", "main"), ("CI_DEFAULT_BRANCH", "main")]);
        assert_eq!(source.reference.as_deref(), Some("refs/heads/main"));
    }

    #[test]
    fn a_token_in_the_clone_url_is_dropped() {
        let source = detected(&[("CI_REPOSITORY_URL", "https://gitlab-ci-token:canary@git.example/a/b.git")]);
        assert_eq!(source.remote.as_deref(), Some("https://git.example/a/b.git"));
    }
}
