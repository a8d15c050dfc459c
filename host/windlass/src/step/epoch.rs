//! `SOURCE_DATE_EPOCH`, the latest time that stands in an image (reproducible-builds.org/specs/source-date-epoch).

use windlass_core::Finding;

use super::{ArgumentValue, BuildArgument, BuildSettings};

const NAME: &str = "SOURCE_DATE_EPOCH";

impl BuildSettings {
    /// Takes the epoch from the build argument of that name. Without one, `variable`, which is what the environment says, becomes
    /// that argument, as with docker: an `ARG SOURCE_DATE_EPOCH` has it.
    ///
    /// # Errors
    /// When it is not a number of seconds.
    pub fn take_epoch(&mut self, variable: Option<&str>) -> Result<(), Finding> {
        if let (None, Some(text)) = (self.epoch_argument(), variable.filter(|text| !text.is_empty())) {
            self.arguments.push(BuildArgument { name: NAME.to_owned(), value: ArgumentValue::Open(text.to_owned()) });
        }
        let Some(argument) = self.epoch_argument() else { return Ok(()) };
        let text = match &argument.value {
            ArgumentValue::Open(text) => text,
            ArgumentValue::Secret(secret) => secret.expose(),
        };
        if text.is_empty() {
            return Ok(());
        }
        let seconds = text.parse().map_err(|_| {
            let shown = argument.shown().map_or_else(String::new, |text| format!(", not `{text}`"));
            Finding::deny("settings/value", format!("{NAME} must be seconds since 1970{shown}")).about(NAME)
        })?;
        self.source_date_epoch = Some(seconds);
        Ok(())
    }

    fn epoch_argument(&self) -> Option<&BuildArgument> {
        self.arguments.iter().find(|argument| argument.name == NAME)
    }
}

#[cfg(test)]
mod tests {
    use windlass_core::Secret;

    use super::*;

    fn taken(argument: Option<ArgumentValue>, variable: Option<&str>) -> Result<BuildSettings, Finding> {
        let mut settings = BuildSettings::default();
        settings.arguments.extend(argument.map(|value| BuildArgument { name: NAME.to_owned(), value }));
        settings.take_epoch(variable).map(|()| settings)
    }

    #[test]
    fn the_argument_comes_before_the_variable_which_becomes_one() {
        let open = |text: &str| Some(ArgumentValue::Open(text.to_owned()));
        for (argument, variable, epoch, arguments) in [
            (open("5"), Some("7"), Some(5), 1),
            (None, Some("7"), Some(7), 1),
            (open(""), Some("7"), None, 1),
            (None, Some(""), None, 0),
            (None, None, None, 0),
            (Some(ArgumentValue::Secret(Secret::new("9"))), None, Some(9), 1),
        ] {
            let settings = taken(argument, variable).unwrap();
            assert_eq!((settings.source_date_epoch, settings.arguments.len()), (epoch, arguments));
        }
    }

    #[test]
    fn what_is_no_number_is_refused_and_shown_only_when_it_is_no_secret() {
        assert!(taken(None, Some("yesterday")).unwrap_err().message.contains("not `yesterday`"));
        let secret = taken(Some(ArgumentValue::Secret(Secret::new("hidden"))), None).unwrap_err();
        assert!(!secret.message.contains("hidden"), "{}", secret.message);
    }
}
