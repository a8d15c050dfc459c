//! The rules, and one base image against them.

use windlass_plugin_sdk::{Finding, Place};

use crate::pattern::Pattern;

/// What is allowed.
#[derive(Debug)]
pub(crate) struct Rules {
    allow: Vec<Pattern>,
    allowed: String,
    deny: Vec<Pattern>,
    digest: bool,
}

/// A base image of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// As the Dockerfile names it.
    pub(crate) reference: String,
    /// The registry's host and the path in it, where they are known.
    pub(crate) repository: Option<(String, String)>,
    pub(crate) has_digest: bool,
    pub(crate) place: Place,
}

impl Rules {
    /// Reads the settings; every pattern that is none is told.
    pub(crate) fn new(allow: &[String], deny: &[String], digest: bool) -> Result<Self, Vec<Finding>> {
        let mut wrong = Vec::new();
        let mut read = |setting: &str, texts: &[String]| {
            let mut patterns = Vec::new();
            for text in texts {
                match Pattern::parse(setting, text) {
                    Ok(pattern) => patterns.push(pattern),
                    Err(findings) => wrong.extend(findings),
                }
            }
            patterns
        };
        let rules = Self { allow: read("allow", allow), allowed: allow.join(", "), deny: read("deny", deny), digest };
        if wrong.is_empty() { Ok(rules) } else { Err(wrong) }
    }

    /// What is wrong with a base image.
    pub(crate) fn check(&self, base: &Base) -> Vec<Finding> {
        let name = &base.reference;
        let Some((registry, path)) = &base.repository else {
            let finding = Finding::deny("base-images/unknown", format!("nobody can tell which image `{name}` is"));
            return vec![
                finding
                    .about(name)
                    .at(base.place.clone())
                    .help("name the image without variables that are not known before the build"),
            ];
        };
        let repository = format!("{registry}/{path}");
        let mut found = Vec::new();
        if self.deny.iter().any(|pattern| pattern.matches(&repository)) {
            found.push(Finding::deny(
                "base-images/denied",
                format!("base image `{name}` comes from {repository}, which is denied"),
            ));
        } else if !self.allow.is_empty() && !self.allow.iter().any(|pattern| pattern.matches(&repository)) {
            let finding = Finding::deny(
                "base-images/not-allowed",
                format!("base image `{name}` comes from {repository}, which is not allowed"),
            );
            found.push(finding.help(format!("base images may come from {}", self.allowed)));
        }
        if self.digest && !base.has_digest {
            let finding = Finding::deny("base-images/digest", format!("base image `{name}` is named without its digest"));
            found.push(finding.help(format!("name it as {name}@sha256:…, which always means the same image")));
        }
        found.into_iter().map(|finding| finding.about(name).at(base.place.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(registry: &str, path: &str, has_digest: bool) -> Base {
        let place = Place { file: "Dockerfile".to_owned(), line: 3, column: 6, length: 4 };
        Base { reference: "name".to_owned(), repository: Some((registry.to_owned(), path.to_owned())), has_digest, place }
    }

    fn rules(allow: &[&str], deny: &[&str], digest: bool) -> Rules {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Rules::new(&owned(allow), &owned(deny), digest).unwrap()
    }

    fn told(rules: &Rules, base: &Base) -> Vec<String> {
        rules.check(base).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn without_patterns_everything_is_allowed() {
        assert!(told(&rules(&[], &[], false), &base("docker.io", "library/alpine", false)).is_empty());
    }

    #[test]
    fn what_is_not_allowed_is_denied_with_its_place_and_what_would_be() {
        let rules = rules(&["docker.io/library/*", "r.example/**"], &[], false);
        assert!(told(&rules, &base("docker.io", "library/alpine", false)).is_empty());
        assert!(told(&rules, &base("r.example", "a/b", false)).is_empty());
        let finding = &rules.check(&base("docker.io", "team/app", false))[0];
        assert_eq!(finding.message, "base image `name` comes from docker.io/team/app, which is not allowed");
        assert_eq!(finding.place.as_ref().map(|place| place.line), Some(3));
        assert_eq!(finding.help.as_deref(), Some("base images may come from docker.io/library/*, r.example/**"));
    }

    #[test]
    fn deny_wins_over_allow() {
        let rules = rules(&["docker.io/**"], &["docker.io/library/centos"], false);
        assert_eq!(told(&rules, &base("docker.io", "library/centos", false)), ["base-images/denied"]);
    }

    #[test]
    fn a_digest_can_be_demanded() {
        let rules = rules(&["r.example"], &[], true);
        assert!(told(&rules, &base("r.example", "a", true)).is_empty());
        assert_eq!(told(&rules, &base("docker.io", "a/b", false)), ["base-images/not-allowed", "base-images/digest"]);
    }

    #[test]
    fn an_image_that_nobody_knows_is_denied() {
        let unknown = Base { repository: None, ..base("", "", false) };
        assert_eq!(told(&rules(&[], &[], false), &unknown), ["base-images/unknown"]);
    }

    #[test]
    fn every_wrong_pattern_is_told() {
        let texts = ["a//b".to_owned(), "r.example/x:1".to_owned()];
        assert_eq!(Rules::new(&texts, &["".to_owned()], false).unwrap_err().len(), 3);
    }
}
