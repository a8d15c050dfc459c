//! Saying what a plugin is, what settings it has and what it asks for.

pub use crate::bindings::described::describe::Guest as Describe;
pub use crate::bindings::host::description::{Capability, Description, Grant, Setting, SettingKind};

impl Description {
    /// A plugin without settings and grants. `name` is in kebab-case, `version` as in Semantic Versioning.
    #[must_use]
    pub fn new(name: &str, version: &str, summary: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            summary: summary.to_owned(),
            documentation: None,
            settings: Vec::new(),
            grants: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The same plugin with its documentation at an HTTPS address.
    #[must_use]
    pub fn documentation(mut self, url: &str) -> Self {
        self.documentation = Some(url.to_owned());
        self
    }

    /// The same plugin with one setting more.
    #[must_use]
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// The same plugin with more settings.
    #[must_use]
    pub fn settings(mut self, settings: impl IntoIterator<Item = Setting>) -> Self {
        self.settings.extend(settings);
        self
    }

    /// The same plugin with one wish more.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grants.push(grant);
        self
    }
}

impl Setting {
    /// An optional setting of any kind. `help` is one or two sentences for users.
    #[must_use]
    pub fn new(name: &str, kind: SettingKind, help: &str) -> Self {
        Self {
            name: name.to_owned(),
            aliases: Vec::new(),
            kind,
            default: None,
            required: false,
            choices: Vec::new(),
            help: help.to_owned(),
            attributes: Vec::new(),
        }
    }

    /// A text.
    #[must_use]
    pub fn text(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Text, help)
    }

    /// True or false.
    #[must_use]
    pub fn flag(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Flag, help)
    }

    /// A whole number.
    #[must_use]
    pub fn integer(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Integer, help)
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Texts, help)
    }

    /// `key=value` pairs.
    #[must_use]
    pub fn pairs(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Pairs, help)
    }

    /// A text that is never shown and that the plugin itself cannot read.
    #[must_use]
    pub fn secret(name: &str, help: &str) -> Self {
        Self::new(name, SettingKind::Secret, help)
    }

    /// The same setting under another name besides.
    #[must_use]
    pub fn alias(mut self, name: &str) -> Self {
        self.aliases.push(name.to_owned());
        self
    }

    /// The same setting under other names besides.
    #[must_use]
    pub fn aliases(mut self, names: &[&str]) -> Self {
        self.aliases.extend(names.iter().map(|name| (*name).to_owned()));
        self
    }

    /// The same setting with what holds when it is not given, as a user would type it.
    #[must_use]
    pub fn default(mut self, text: &str) -> Self {
        self.default = Some(text.to_owned());
        self
    }

    /// The same setting, without which a run is refused.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same setting, which takes only these values.
    #[must_use]
    pub fn choices(mut self, choices: &[&str]) -> Self {
        self.choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        self
    }
}

impl Grant {
    /// A wish. `name` is in kebab-case; `reason` is one sentence that a reviewer understands.
    #[must_use]
    pub fn new(name: &str, capability: Capability, reason: &str) -> Self {
        Self { name: name.to_owned(), capability, reason: reason.to_owned(), readable: Vec::new(), attributes: Vec::new() }
    }

    /// The wish to send requests to an origin such as `https://host`; `https://{registry}` is the destination's.
    #[must_use]
    pub fn endpoint(name: &str, origin: &str, reason: &str) -> Self {
        Self::new(name, Capability::Endpoint(origin.to_owned()), reason)
    }

    /// The wish to use the ECR API.
    #[must_use]
    pub fn aws_ecr(reason: &str) -> Self {
        Self::new("aws-ecr", Capability::AwsEcr, reason)
    }

    /// The wish to look at the destination.
    #[must_use]
    pub fn registry_view(reason: &str) -> Self {
        Self::new("registry-view", Capability::RegistryView, reason)
    }

    /// The wish to read a CI variable.
    #[must_use]
    pub fn variable(variable: &str, reason: &str) -> Self {
        Self::new(&variable.to_ascii_lowercase().replace('_', "-"), Capability::Variable(variable.to_owned()), reason)
    }

    /// The wish to have a file of the working directory moved into a setting.
    #[must_use]
    pub fn file(name: &str, path: &str, reason: &str) -> Self {
        Self::new(name, Capability::File(path.to_owned()), reason)
    }

    /// The same wish, with a value of the endpoint's answers that the plugin reads, as a JSON pointer.
    #[must_use]
    pub fn readable(mut self, pointer: &str) -> Self {
        self.readable.push(pointer.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_like_what_it_describes() {
        let region = Setting::text("region", "The region.").alias("aws-region").default("us-east-1").choices(&["us-east-1"]);
        let description = Description::new("ecr", "1.0.0", "pushes to ECR")
            .setting(region)
            .setting(Setting::secret("key", "The key.").required())
            .grant(Grant::endpoint("token", "https://example.com", "to log in").readable("/expires_in"))
            .grant(Grant::variable("CI_TAG", "to see the tag"));
        assert_eq!(description.settings[0].aliases, ["aws-region"]);
        assert!(description.settings[1].required && description.settings[1].kind == SettingKind::Secret);
        assert_eq!(description.grants[0].readable, ["/expires_in"]);
        assert_eq!(description.grants[1].name, "ci-tag");
    }
}
