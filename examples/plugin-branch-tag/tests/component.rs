//! The built component under the real runtime: it loads, takes its settings, and asks the host for the right things.

use windlass_plugin_test::{PluginUnderTest, SourceFacts, Tagging, tags};

fn source(branch: &str) -> SourceFacts {
    SourceFacts { branch: Some(branch.to_owned()), commit: Some("1a2b3c4d5e6f".to_owned()), ..SourceFacts::default() }
}

#[test]
fn a_branch_with_a_slash_becomes_a_legal_tag_behind_the_others() {
    let plugin = PluginUnderTest::build("branch-tag");
    let answer = plugin.tags(&[("length", "8")], &source("feature/login"), &tags(&["latest"])).unwrap();
    assert_eq!(answer, Tagging::Tags(tags(&["latest", "feature-login-1a2b3c4d"])));
}

#[test]
fn without_a_branch_it_does_not_apply() {
    let plugin = PluginUnderTest::build("branch-tag");
    let answer = plugin.tags(&[], &SourceFacts::default(), &[]).unwrap();
    assert!(matches!(answer, Tagging::DoesNotApply(_)), "{answer:?}");
}

#[test]
fn a_wrong_length_is_refused_with_advice() {
    let plugin = PluginUnderTest::build("branch-tag");
    let error = plugin.tags(&[("length", "100")], &source("main"), &[]).unwrap_err();
    assert!(error.to_string().contains("100 characters of a commit"), "{error}");
    assert_eq!(error.into_findings()[0].help.as_deref(), Some("give a number from 4 to 40"));
}
