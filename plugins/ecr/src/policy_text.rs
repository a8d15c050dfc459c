//! Policies as they are given: JSON texts, which the host has read from files.

use windlass_plugin_sdk::Finding;

/// Refuses what cannot be a policy, before anything is sent.
pub(crate) fn check(setting: &str, text: Option<String>) -> Result<Option<String>, Vec<Finding>> {
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) if text.trim_start().starts_with('{') && text.trim_end().ends_with('}') => Ok(Some(text)),
        Some(_) => {
            let finding = Finding::deny("ecr/policy", format!("`{setting}` is not a JSON object"));
            Err(finding.about(setting).help("give the policy as the AWS documentation shows it, beginning with `{`").into())
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_objects_are_policies() {
        let check = |text: &str| check("lifecycle-policy", Some(text.to_owned()));
        assert_eq!(check(" {\"rules\": []}\n"), Ok(Some(" {\"rules\": []}\n".to_owned())));
        assert_eq!(check(""), Ok(None));
        assert!(check("policy.json").unwrap_err()[0].message.contains("not a JSON object"));
    }
}
