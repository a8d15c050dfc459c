//! The configuration of a stage's image while the stage is built.
//!
//! Thousands of stages may be built on one another. What grows with the number of instructions is therefore a list that a
//! stage shares with the one it begins with, and is put together only for the image that is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use rpds::ListSync;
use serde_json::{Map, Value};
use windlass_dockerfile::instruction::Instruction;
use windlass_dockerfile::port;
use windlass_registry::image::{History, ImageConfig, RunConfig};

use super::error::Problem;
use super::metadata::{self, OwnCommand};

/// A configuration on top of that of a base. Clones share all that is long.
#[derive(Clone)]
pub(crate) struct StageImage {
    base: Arc<ImageConfig>,
    /// What it says by now, without variables, labels, ports and volumes.
    pub(crate) config: RunConfig,
    /// Who made it.
    pub(crate) author: Option<String>,
    /// What has been added, the last one first.
    changes: ListSync<Change>,
}

#[derive(Clone)]
enum Change {
    Variable { name: String, value: String },
    Label { name: String, value: String },
    Port(String),
    Volume(String),
    History(History),
}

impl StageImage {
    /// The configuration of a stage that begins with `base`, whose triggers have had their turn.
    pub(crate) fn on(mut base: ImageConfig) -> Self {
        base.config.on_build.clear();
        let config = RunConfig {
            env: Vec::new(),
            labels: Default::default(),
            exposed_ports: Default::default(),
            volumes: Default::default(),
            ..base.config.clone()
        };
        Self { config, author: base.author.clone(), base: Arc::new(base), changes: ListSync::new_sync() }
    }

    /// Applies an expanded instruction that changes no file. Others are left to the caller.
    ///
    /// # Errors
    /// When a port is none.
    pub(crate) fn apply(&mut self, own_command: &mut OwnCommand, instruction: &Instruction) -> Result<(), Problem> {
        match instruction {
            Instruction::Env(env) => env.pairs.iter().for_each(|pair| {
                self.add(Change::Variable { name: pair.name.clone(), value: pair.value.clone() });
            }),
            Instruction::Label(labels) => labels.pairs.iter().for_each(|pair| {
                self.add(Change::Label { name: pair.name.clone(), value: pair.value.clone() });
            }),
            Instruction::Expose(expose) => {
                let ports = port::exposed(&expose.ports).map_err(|error| Problem::new(error.to_string()))?;
                ports.into_iter().for_each(|port| self.add(Change::Port(port)));
            }
            Instruction::Volume(paths) => paths.iter().for_each(|path| self.add(Change::Volume(path.clone()))),
            _ => metadata::apply(&mut self.config, own_command, instruction),
        }
        Ok(())
    }

    /// Adds a line to the history.
    pub(crate) fn note(&mut self, line: History) {
        self.add(Change::History(line));
    }

    /// Takes the layers from the lines of the history that have come to the base's, and adds the `line` of the one in
    /// their place.
    pub(crate) fn squash(&mut self, line: Option<History>) {
        let changes: Vec<Change> = self.changes.iter().cloned().collect();
        self.changes = ListSync::new_sync();
        for change in changes.into_iter().rev() {
            self.add(match change {
                Change::History(line) => Change::History(History { empty_layer: Some(true), ..line }),
                other => other,
            });
        }
        line.into_iter().for_each(|line| self.note(line));
    }

    fn add(&mut self, change: Change) {
        self.changes.push_front_mut(change);
    }

    /// The whole configuration.
    pub(crate) fn finish(&self) -> ImageConfig {
        let mut image = (*self.base).clone();
        let RunConfig { env, labels, exposed_ports, volumes, .. } = std::mem::take(&mut image.config);
        image.config = RunConfig { labels, exposed_ports, volumes, ..self.config.clone() };
        image.author.clone_from(&self.author);
        let mut variables = Variables::new(env);
        let changes: Vec<&Change> = self.changes.iter().collect();
        for change in changes.into_iter().rev() {
            match change {
                Change::Variable { name, value } => variables.set(name, value),
                Change::Label { name, value } => drop(image.config.labels.insert(name.clone(), value.clone())),
                Change::Port(port) => drop(image.config.exposed_ports.insert(port.clone(), Value::Object(Map::new()))),
                Change::Volume(path) => drop(image.config.volumes.insert(path.clone(), Value::Object(Map::new()))),
                Change::History(line) => image.history.push(line.clone()),
            }
        }
        image.config.env = variables.entries;
        image
    }
}

/// The environment of a configuration: `NAME=VALUE`, in order.
struct Variables {
    entries: Vec<String>,
    /// Where a name stands first.
    places: HashMap<String, usize>,
}

impl Variables {
    fn new(entries: Vec<String>) -> Self {
        let mut places = HashMap::new();
        for (place, entry) in entries.iter().enumerate() {
            let name = entry.split('=').next().unwrap_or_default();
            places.entry(name.to_owned()).or_insert(place);
        }
        Self { entries, places }
    }

    /// Sets a variable where it stands, or behind the others.
    fn set(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        match self.places.get(name) {
            Some(&place) => self.entries[place] = entry,
            None => {
                self.places.insert(name.to_owned(), self.entries.len());
                self.entries.push(entry);
            }
        }
    }
}

/// Sets a variable of a configuration unless it has one.
pub(crate) fn set_default(env: &mut Vec<String>, name: &str, value: &str) {
    if !env.iter().any(|entry| entry.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))) {
        let mut variables = Variables::new(std::mem::take(env));
        variables.set(name, value);
        *env = variables.entries;
    }
}

#[cfg(test)]
mod tests {
    use windlass_dockerfile::instruction::{EnvInstruction, Pair};

    use super::*;

    fn env(name: &str, value: &str) -> Instruction {
        Instruction::Env(EnvInstruction { pairs: vec![Pair { name: name.to_owned(), value: value.to_owned() }] })
    }

    #[test]
    fn a_variable_is_replaced_where_it_stands() {
        let mut base = ImageConfig::default();
        base.config.env = vec!["A=1".to_owned(), "AB=2".to_owned(), "A=again".to_owned(), "BARE".to_owned()];
        let mut image = StageImage::on(base);
        for (name, value) in [("A", "3=4"), ("C", ""), ("BARE", "5"), ("C", "6")] {
            image.apply(&mut false, &env(name, value)).unwrap();
        }
        assert_eq!(image.finish().config.env, ["A=3=4", "AB=2", "A=again", "BARE=5", "C=6"]);
    }

    #[test]
    fn a_path_is_added_unless_there_is_one() {
        for (before, after) in [(vec![], vec!["PATH=/x"]), (vec!["PATH=/y"], vec!["PATH=/y"]), (vec!["PATH"], vec!["PATH=/x"])] {
            let mut env: Vec<String> = before.into_iter().map(str::to_owned).collect();
            set_default(&mut env, "PATH", "/x");
            assert_eq!(env, after);
        }
    }

    #[test]
    fn a_history_that_is_squashed_has_the_layers_of_its_base_and_one() {
        let first = History { created_by: Some("base".to_owned()), ..History::default() };
        let mut image = StageImage::on(ImageConfig { history: vec![first], ..ImageConfig::default() });
        let line = |text: &str, empty| History { created_by: Some(text.to_owned()), empty_layer: empty, ..History::default() };
        image.note(line("a", None));
        image.note(line("b", Some(true)));
        image.squash(Some(line("merged", None)));
        image.apply(&mut false, &env("LATER", "1")).unwrap();
        let told: Vec<_> = image.finish().history.into_iter().map(|line| (line.created_by.unwrap(), line.empty_layer)).collect();
        let expected = [("base", None), ("a", Some(true)), ("b", Some(true)), ("merged", None)];
        assert_eq!(told, expected.map(|(text, empty)| (text.to_owned(), empty)));
    }

    #[test]
    fn stages_share_what_came_before_and_nothing_that_came_after() {
        let mut first = StageImage::on(ImageConfig::default());
        let note = |text: &str| History { created_by: Some(text.to_owned()), ..History::default() };
        first.note(note("a"));
        let mut second = first.clone();
        second.note(note("b"));
        first.note(note("c"));
        let told = |image: &StageImage| -> Vec<String> {
            image.finish().history.into_iter().filter_map(|line| line.created_by).collect()
        };
        assert_eq!((told(&first), told(&second)), (vec!["a".to_owned(), "c".to_owned()], vec!["a".to_owned(), "b".to_owned()]));
    }
}
