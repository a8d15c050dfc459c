//! The environment of a stage while it is built: the base image's variables, `ENV`, `ARG`, and the proxies.

use std::collections::BTreeMap;
use std::sync::Arc;

use rpds::{RedBlackTreeMapSync, VectorSync};

use crate::expand::{ExpandError, Growth, Lookup};
use crate::instruction::{ArgInstruction, Instruction};
use crate::parse::{Escape, Statement};

/// The search path of an image that names none; it is added to its configuration.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The proxy arguments, which reach every `RUN` without an `ARG`, in any spelling of their case.
pub const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Arguments that speak to the frontend and never become variables.
const NOT_VARIABLES: [&str; 2] = ["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"];

/// The build arguments of one build: those that were given, and the global ones of the Dockerfile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildArguments {
    /// Given for this build.
    pub given: BTreeMap<String, String>,
    /// The values of `ARG` before the first `FROM`, and those that describe the platforms.
    pub globals: BTreeMap<String, String>,
}

/// The variables of a stage.
///
/// The one set last counts, be it by `ENV` or by `ARG`. A stage `FROM` another stage begins with a clone of that stage's
/// scope, arguments included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    build: Arc<BuildArguments>,
    // Thousands of stages may be built on one another: clones share what they have in common.
    variables: RedBlackTreeMapSync<String, Variable>,
    /// Every argument declared so far, once, with the value it was given.
    declared: VectorSync<Declared>,
    /// Where an argument stands among the declared ones.
    declared_at: RedBlackTreeMapSync<String, usize>,
    /// How many variables have been set.
    clock: u64,
    /// How many bytes longer the stage's words have become.
    grown: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    value: String,
    /// When it was set last.
    set_at: u64,
}

/// An argument that `ARG` declared: its name and its value, where it has one.
pub type Declared = (String, Option<String>);

impl Scope {
    /// The scope at the beginning of a stage whose base is no stage: the environment of the image's configuration, as
    /// `NAME=value`, and [`DEFAULT_PATH`] where that has no `PATH`.
    #[must_use]
    pub fn new<'a>(build: Arc<BuildArguments>, environment: impl IntoIterator<Item = &'a str>) -> Self {
        let mut scope = Self { build, ..Self::default() };
        for variable in environment {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            scope.set(name, value);
        }
        if scope.get("PATH").is_none() {
            scope.set("PATH", DEFAULT_PATH);
        }
        scope
    }

    /// Sets a variable, as `ENV` does.
    pub fn set(&mut self, name: &str, value: &str) {
        self.clock += 1;
        self.variables.insert_mut(name.to_owned(), Variable { value: value.to_owned(), set_at: self.clock });
    }

    /// How much the stage's words have grown so far, to go on from.
    pub(crate) fn growth(&self) -> Growth {
        Growth::from(self.grown)
    }

    /// Takes over what `growth` has counted.
    pub(crate) fn grew(&mut self, growth: &Growth) {
        self.grown = growth.total();
    }

    /// The instruction of a statement with the variables filled in: see [`Instruction::expand`].
    ///
    /// # Errors
    /// As there, and when the words of the stage become too long together: see [`crate::expand::MAXIMUM_TOTAL_GROWTH`].
    pub fn expand(&mut self, statement: &Statement) -> Result<Instruction, ExpandError> {
        let growth = self.growth();
        let expanded = statement.instruction.expand_within(self, statement.escape, &growth);
        self.grew(&growth);
        expanded
    }

    /// Declares the arguments of an `ARG`, one after the other, and returns them with their values.
    ///
    /// An argument's value is the one given for the build, else its default, else the global one of its name. A default
    /// is not expanded where a value is given. One without a value sets no variable.
    ///
    /// # Errors
    /// When a default is malformed, or the words of the stage become too long together.
    pub fn declare(&mut self, arg: &ArgInstruction, escape: Escape) -> Result<Vec<Declared>, ExpandError> {
        let growth = self.growth();
        let mut declared = Vec::new();
        for argument in &arg.arguments {
            let name = argument.name.as_str();
            let value = match (self.build.given.get(name), &argument.default) {
                (Some(given), _) => {
                    growth.add(given.len(), name)?;
                    Some(given.clone())
                }
                (None, Some(default)) => Some(growth.word(default, self, escape)?),
                (None, None) => self.build.globals.get(name).cloned(),
            };
            if let Some(value) = value.as_deref().filter(|_| !NOT_VARIABLES.contains(&name)) {
                self.set(name, value);
            }
            let told = (name.to_owned(), value);
            match self.declared_at.get(name) {
                Some(&at) => drop(self.declared.set_mut(at, told.clone())),
                None => {
                    self.declared_at.insert_mut(name.to_owned(), self.declared.len());
                    self.declared.push_back_mut(told.clone());
                }
            }
            declared.push(told);
            self.grew(&growth);
        }
        Ok(declared)
    }

    /// Whether an `ARG` has declared the argument, with or without a value.
    #[must_use]
    pub fn is_declared(&self, name: &str) -> bool {
        self.declared_at.contains_key(name)
    }

    /// The variables, in the order in which they were set last.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut variables: Vec<_> = self.variables.iter().collect();
        variables.sort_by_key(|(_, variable)| variable.set_at);
        variables.into_iter().map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// What a `RUN` finds in its environment: the variables, and the given proxies in capital and in small letters.
    ///
    /// Proxies belong neither into the image nor into a cache key.
    #[must_use]
    pub fn run_environment(&self) -> Vec<(String, String)> {
        let mut environment: Vec<(String, String)> =
            self.variables().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        for (name, value) in self.proxies() {
            environment.retain(|(known, _)| *known != name);
            environment.push((name, value));
        }
        environment
    }

    /// The proxies that were given for the build, each in capital and in small letters.
    #[must_use]
    pub fn proxies(&self) -> Vec<(String, String)> {
        let mut proxies = Vec::new();
        for proxy in PROXIES {
            let given = self.build.given.iter().rfind(|(name, value)| name.eq_ignore_ascii_case(proxy) && !value.is_empty());
            if let Some((_, value)) = given {
                proxies.push((proxy.to_owned(), value.clone()));
                proxies.push((proxy.to_ascii_lowercase(), value.clone()));
            }
        }
        proxies
    }

    /// The declared arguments and the values that a `RUN` finds under their names, as its history entry tells them.
    #[must_use]
    pub fn run_arguments(&self) -> Vec<(String, String)> {
        let value = |name: &str, given: &Option<String>| self.get(name).map(str::to_owned).or_else(|| given.clone());
        self.declared.iter().map(|(name, given)| (name.clone(), value(name, given).unwrap_or_default())).collect()
    }
}

impl Lookup for Scope {
    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instruction::Argument;

    fn build(given: &[(&str, &str)], globals: &[(&str, &str)]) -> Arc<BuildArguments> {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Arc::new(BuildArguments { given: map(given), globals: map(globals) })
    }

    fn declare(scope: &mut Scope, arguments: &[(&str, Option<&str>)]) {
        let arguments = arguments
            .iter()
            .map(|(name, default)| Argument { name: (*name).to_owned(), default: default.map(str::to_owned) })
            .collect();
        scope.declare(&ArgInstruction { arguments }, Escape::Backslash).unwrap();
    }

    #[test]
    fn the_last_of_env_and_arg_counts() {
        let mut scope = Scope::new(build(&[("A", "cli"), ("B", "cli")], &[]), []);
        scope.set("A", "env");
        declare(&mut scope, &[("A", Some("arg")), ("B", Some("arg"))]);
        scope.set("B", "env");
        assert_eq!((scope.get("A"), scope.get("B")), (Some("cli"), Some("env")));
        assert_eq!(scope.run_arguments(), [("A".to_owned(), "cli".to_owned()), ("B".to_owned(), "env".to_owned())]);
    }

    #[test]
    fn later_arguments_of_a_line_see_earlier_ones() {
        let mut scope = Scope::new(build(&[("C", "3")], &[]), []);
        declare(&mut scope, &[("A", Some("1")), ("B", Some("2")), ("C", None)]);
        declare(&mut scope, &[("D", Some("$A$B")), ("E", Some("$D"))]);
        assert_eq!(["A", "B", "C", "D", "E"].map(|name| scope.get(name).unwrap()), ["1", "2", "3", "12", "12"]);
    }

    #[test]
    fn a_global_argument_has_its_value_only_once_it_is_declared() {
        let mut scope = Scope::new(build(&[], &[("WORD", "global")]), []);
        assert_eq!(scope.get("WORD"), None);
        declare(&mut scope, &[("WORD", None), ("OTHER", None)]);
        assert_eq!((scope.get("WORD"), scope.get("OTHER")), (Some("global"), None));
        declare(&mut scope, &[("WORD", Some("own"))]);
        assert_eq!(scope.get("WORD"), Some("own"));
    }

    #[test]
    fn a_default_is_not_looked_at_where_a_value_is_given() {
        let arg =
            ArgInstruction { arguments: vec![Argument { name: "A".to_owned(), default: Some("${B:?must be set}".to_owned()) }] };
        let mut given = Scope::new(build(&[("A", "1")], &[]), []);
        assert!(given.declare(&arg, Escape::Backslash).is_ok());
        assert!(Scope::new(build(&[], &[]), []).declare(&arg, Escape::Backslash).is_err());
    }

    #[test]
    fn proxies_reach_a_run_without_being_variables() {
        let scope = Scope::new(build(&[("HTTP_PROXY", "http://p"), ("no_proxy", "localhost")], &[]), []);
        assert_eq!(scope.get("HTTP_PROXY"), None);
        let environment: BTreeMap<_, _> = scope.run_environment().into_iter().collect();
        assert_eq!(environment["http_proxy"], "http://p");
        assert_eq!(environment["NO_PROXY"], "localhost");
        assert!(!environment.contains_key("FTP_PROXY"));
        assert_eq!(scope.run_arguments(), []);
    }

    #[test]
    fn a_path_is_there_unless_the_image_has_one() {
        assert_eq!(Scope::new(build(&[], &[]), ["X=1=2", "BARE"]).get("PATH"), Some(DEFAULT_PATH));
        let scope = Scope::new(build(&[], &[]), ["PATH=/x", "X=1=2", "BARE"]);
        assert_eq!((scope.get("PATH"), scope.get("X"), scope.get("BARE")), (Some("/x"), Some("1=2"), Some("")));
    }
}
