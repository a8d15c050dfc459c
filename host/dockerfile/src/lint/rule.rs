//! The rules: their documented names and what each is about.

/// A build check of BuildKit, by its documented name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The documented name, which `skip=` and `experimental=` take.
    pub name: &'static str,
    /// What the rule asks for.
    pub description: &'static str,
    /// Whether it counts only where `experimental=` names it.
    pub is_experimental: bool,
}

/// Every rule that is known, in the order of BuildKit's reference.
pub const RULES: [Rule; 21] = [
    rule("StageNameCasing", "the name of a stage has small letters only"),
    rule("FromAsCasing", "AS is written in the case of its FROM"),
    rule("NoEmptyContinuation", "a continued instruction has no blank line within"),
    rule("ConsistentInstructionCasing", "all instructions are written in one case, large or small"),
    rule("DuplicateStageName", "no two stages have the same name"),
    rule("ReservedStageName", "no stage is called scratch or context"),
    rule("JSONArgsRecommended", "CMD and ENTRYPOINT are JSON arrays, so that signals reach the program"),
    rule("MaintainerDeprecated", "an author is named by a label and not by MAINTAINER"),
    rule("UndefinedArgInFrom", "the variables of FROM are declared by ARG before the first FROM"),
    rule("WorkdirRelativePath", "a relative WORKDIR has an absolute one before it in the Dockerfile"),
    rule("UndefinedVar", "variables are set before they are used"),
    rule("MultipleInstructionsDisallowed", "a stage has one CMD, one ENTRYPOINT and one HEALTHCHECK at most"),
    rule("LegacyKeyValueFormat", "ENV and LABEL are written NAME=value"),
    rule("RedundantTargetPlatform", "FROM does not ask for the platform that it has anyway"),
    rule("SecretsUsedInArgOrEnv", "ARG and ENV hold no secrets"),
    rule("InvalidDefaultArgInFrom", "the defaults of the global arguments make a valid FROM"),
    rule("FromPlatformFlagConstDisallowed", "the platform of FROM is a variable, not a constant"),
    rule("CopyIgnoredFile", "what COPY and ADD name is not left out by .dockerignore"),
    Rule {
        name: "InvalidDefinitionDescription",
        description: "a comment right above FROM or ARG begins with the name that it describes",
        is_experimental: true,
    },
    rule("ExposeProtoCasing", "the protocol of EXPOSE has small letters only"),
    rule("ExposeInvalidFormat", "EXPOSE names ports of the container, without address or host port"),
];

const fn rule(name: &'static str, description: &'static str) -> Rule {
    Rule { name, description, is_experimental: false }
}

/// What stands before a rule's name in [`windlass_core::Finding::rule`].
pub const PREFIX: &str = "check/";
