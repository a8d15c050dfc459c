//! The table of variables that are known: what each is called, what it looks like, and what becomes of it.
//!
//! It covers the Drone plugins `kaniko-docker` and `kaniko-ecr`, and those names of `drone-docker` and `drone-buildx`
//! that Harness hands to its build-and-push steps.

mod build;
mod credentials;
mod engine;
mod registry;

/// A variable, with every name it goes by.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its names; the first of them that is given and not empty holds.
    pub names: &'static [&'static str],
    /// Which steps know it.
    pub on: On,
    /// What its value looks like.
    pub shape: Shape,
    /// What becomes of it.
    pub rule: Rule,
    /// One or two sentences for users.
    pub help: &'static str,
}

/// The kind of step, which decides what some variables mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variant {
    /// Any registry that takes a user name and a password.
    Docker,
    /// Amazon ECR.
    Ecr,
    /// Google's Artifact Registry and Container Registry.
    Google,
    /// Azure's Container Registry.
    Azure,
}

/// Which steps know a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// All of them.
    All,
    /// The docker step only.
    Docker,
    /// All but the docker step.
    Cloud,
    /// The ECR step only.
    Ecr,
    /// The GAR and GCR steps only.
    Google,
    /// The ACR step only.
    Azure,
    /// The docker, GAR and GCR steps.
    DockerOrGoogle,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A text.
    Text,
    /// True or false, in Go's spelling.
    Flag,
    /// A whole number, zero or more.
    Integer,
    /// Texts separated by commas.
    Commas,
    /// Specifications separated by `;`, or by commas where they have none inside.
    Specifications,
    /// `key=value` pairs separated by commas; a piece without `=` belongs to the value before it.
    Pairs,
    /// `key=value` pairs separated by commas, neither of them empty.
    StrictPairs,
    /// A text that only the host reads.
    Secret,
}

/// What becomes of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// It is this setting of the step.
    Step(&'static str),
    /// It is this setting of the registry adapter.
    Adapter(&'static str),
    /// It counts together with others: a file of its own says how.
    Together,
    /// It has no effect here, for the reason that the help gives.
    Ignored,
    /// It asks for something that Windlass does not do: refused unless it is empty or false.
    Refused,
}

const fn step(names: &'static [&'static str], setting: &'static str, shape: Shape, help: &'static str) -> Variable {
    Variable { names, on: On::All, shape, rule: Rule::Step(setting), help }
}

const fn google(names: &'static [&'static str], setting: &'static str, shape: Shape, help: &'static str) -> Variable {
    Variable { names, on: On::Google, shape, rule: Rule::Adapter(setting), help }
}

const fn azure(names: &'static [&'static str], setting: &'static str, shape: Shape, help: &'static str) -> Variable {
    Variable { names, on: On::Azure, shape, rule: Rule::Adapter(setting), help }
}

const fn ecr(names: &'static [&'static str], setting: &'static str, shape: Shape, help: &'static str) -> Variable {
    Variable { names, on: On::Ecr, shape, rule: Rule::Adapter(setting), help }
}

const fn together(names: &'static [&'static str], on: On, shape: Shape, help: &'static str) -> Variable {
    Variable { names, on, shape, rule: Rule::Together, help }
}

const fn ignored(names: &'static [&'static str], help: &'static str) -> Variable {
    Variable { names, on: On::All, shape: Shape::Text, rule: Rule::Ignored, help }
}

const fn refused(names: &'static [&'static str], shape: Shape, help: &'static str) -> Variable {
    Variable { names, on: On::All, shape, rule: Rule::Refused, help }
}

impl Variable {
    /// What it is called in messages, and what the rest of this crate knows it by.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Whether a step of this kind knows it.
    #[must_use]
    pub fn applies_to(&self, variant: &Variant) -> bool {
        match self.on {
            On::All => true,
            On::Docker => *variant == Variant::Docker,
            On::Cloud => *variant != Variant::Docker,
            On::Ecr => *variant == Variant::Ecr,
            On::Google => *variant == Variant::Google,
            On::Azure => *variant == Variant::Azure,
            On::DockerOrGoogle => matches!(variant, Variant::Docker | Variant::Google),
        }
    }
}

impl Variant {
    /// The registry adapter that answers for such a step.
    #[must_use]
    pub fn adapter(&self) -> &str {
        match self {
            Self::Docker => "docker-registry",
            Self::Ecr => "ecr",
            Self::Google => "gar",
            Self::Azure => "acr",
        }
    }
}

/// Every variable.
pub fn all() -> impl Iterator<Item = &'static Variable> {
    build::TABLE.iter().chain(registry::TABLE).chain(credentials::TABLE).chain(engine::TABLE)
}

/// Every variable that a step of this kind knows.
pub fn known_to(variant: &Variant) -> impl Iterator<Item = &'static Variable> {
    all().filter(move |variable| variable.applies_to(variant))
}

/// Every name with the variable that declares it first, for a dialect's `describe`: no name comes twice.
#[must_use]
pub fn declarations() -> Vec<(&'static Variable, Vec<&'static str>)> {
    let mut taken: Vec<&str> = Vec::new();
    let mut declared = Vec::new();
    for variable in all() {
        let names: Vec<&str> = variable.names.iter().copied().filter(|name| !taken.contains(name)).collect();
        taken.extend(&names);
        if !names.is_empty() {
            declared.push((variable, names));
        }
    }
    declared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_step_knows_a_name_twice() {
        for variant in [Variant::Docker, Variant::Ecr, Variant::Google, Variant::Azure] {
            let mut names: Vec<&str> = known_to(&variant).flat_map(|variable| variable.names).copied().collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{variant:?}");
        }
    }

    #[test]
    fn a_name_that_is_secret_in_one_step_is_secret_in_all() {
        for variable in all().filter(|variable| variable.shape == Shape::Secret) {
            for name in variable.names {
                assert!(all().filter(|other| other.names.contains(name)).all(|other| other.shape == Shape::Secret), "{name}");
            }
        }
    }

    #[test]
    fn everything_is_documented_in_a_sentence() {
        for variable in all() {
            assert!(variable.help.len() > 15 && variable.help.ends_with('.'), "{}", variable.name());
        }
    }
}
