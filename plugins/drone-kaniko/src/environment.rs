//! Variables of the environment, with the variant that says whose they are.

use windlass_drone_settings::{Given, Input, Variant, translate};
use windlass_plugin_sdk::Finding;
use windlass_plugin_sdk::dialect::{Outcome, Translation, Verdict};

/// The raw name under which the host gives the variant.
pub(crate) const VARIANT: &str = "variant";
/// What it may be.
pub(crate) const VARIANTS: [&str; 5] = ["ecr", "docker", "gar", "gcr", "acr"];

/// What the variables mean.
pub(crate) fn read(written: &[(String, Given)]) -> Result<Translation, Vec<Finding>> {
    let given = written.iter().find(|(name, _)| name == VARIANT).map(|(_, given)| given);
    let refused = |message: String| {
        let help = format!("use one of {}", VARIANTS.join(", "));
        Err(vec![Finding::deny("drone-kaniko/variant", message).about(VARIANT).help(help)])
    };
    let variant = match given {
        Some(Given::Text(text)) => match text.as_str() {
            "ecr" => Variant::Ecr,
            "docker" => Variant::Docker,
            "gar" | "gcr" => Variant::Google,
            "acr" => Variant::Azure,
            other => return refused(format!("there is no variant `{other}` of the kaniko plugin")),
        },
        _ => return refused("the variant is missing".to_owned()),
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
        for (variant, adapter) in [("ecr", "ecr"), ("docker", "docker-registry"), ("gar", "gar"), ("gcr", "gar"), ("acr", "acr")]
        {
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
        assert!(read(&[text(VARIANT, "quay")]).unwrap_err()[0].message.contains("`quay`"));
    }
}
