//! Variables of the environment, with the variant that says whose they are.

use windlass_drone_settings::{Given, Input, Variant, translate};
use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::dialect::{Outcome, Translation, Verdict};

/// The raw name under which the host gives the variant.
pub(crate) const VARIANT: &str = "variant";
/// What it may be.
pub(crate) const VARIANTS: [&str; 2] = ["ecr", "docker"];

/// What the variables mean.
pub(crate) fn read(written: &[(String, Given)]) -> Result<Translation, Vec<Finding>> {
    let given = written.iter().find(|(name, _)| name == VARIANT).map(|(_, given)| given);
    let variant = match given {
        Some(Given::Text(text)) if text == VARIANTS[0] => Variant::Ecr,
        Some(Given::Text(text)) if text == VARIANTS[1] => Variant::Docker,
        Some(Given::Text(text)) => {
            let finding = Finding::deny("drone-kaniko/variant", format!("there is no variant `{text}` of the kaniko plugin"));
            return Err(finding.about(VARIANT).help("use `ecr` or `docker`").into());
        }
        _ => {
            return Err(Finding::deny("drone-kaniko/variant", "the variant is missing")
                .about(VARIANT)
                .help("use `ecr` or `docker`")
                .into());
        }
    };
    let inputs: Vec<Input> =
        written.iter().filter(|(name, _)| name != VARIANT).map(|(name, given)| Input::variable(name, given.clone())).collect();
    let mut made = translate(&variant, &inputs);
    made.outcomes.push(Outcome { name: VARIANT.to_owned(), verdict: Verdict::Used });
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, value: &str) -> (String, Given) {
        (name.to_owned(), Given::Text(value.to_owned()))
    }

    #[test]
    fn the_variant_chooses_the_adapter_and_what_the_names_mean() {
        for (variant, adapter) in [("ecr", "ecr"), ("docker", "docker-registry")] {
            let written = [text(VARIANT, variant), text("PLUGIN_REPO", "r.example/app"), text("PLUGIN_TAGS", "1")];
            let made = read(&written).unwrap();
            assert_eq!(made.adapter.as_deref(), Some(adapter));
            assert_eq!(made.outcomes.len(), 3);
            assert!(made.outcomes.iter().all(|outcome| outcome.verdict == Verdict::Used), "{:?}", made.outcomes);
        }
    }

    #[test]
    fn a_missing_or_other_variant_is_refused() {
        assert!(read(&[]).unwrap_err()[0].message.contains("missing"));
        assert!(read(&[text(VARIANT, "gcr")]).unwrap_err()[0].message.contains("`gcr`"));
    }
}
