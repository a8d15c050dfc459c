//! What each step of a stage depended on when it was last built, so that a step that has to run again can say why.
//!
//! ```text
//! digests/steps-<hex>    a line for each step: its key, the digest of its text, and its inputs in JSON
//! ```
//!
//! Inputs are names and short digests, never values. A file that is lost or damaged costs an explanation and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{StepKey, Store, StoreError};

/// A step remembers at most this many files; those of more are put together by directory.
const MOST: usize = 1000;

/// A ledger is at most this large, in bytes.
const LARGEST: u64 = 16 << 20;

/// What stands for everything below a step.
const BELOW: &str = "the step before it";

/// While they are collected, at most this many are told apart. What would be put together here would be in the end as well.
const MOST_COLLECTED: usize = 4 * MOST;

/// Files and what stands for each, by their directories where they are many.
#[derive(Debug, Default)]
pub struct FileSums {
    /// How many parts of a path are told apart; `None` for all.
    depth: Option<usize>,
    sums: HashMap<PathBuf, u64>,
}

impl FileSums {
    /// Adds a file.
    pub fn add(&mut self, path: &Path, digest: u64) {
        let path: PathBuf = path.components().take(self.depth.unwrap_or(usize::MAX)).collect();
        if self.sums.len() >= MOST_COLLECTED && !self.sums.contains_key(&path) {
            // Files side by side in the top directory cannot be put together: of more than that nothing is told.
            if self.depth == Some(1) {
                return;
            }
            self.shrink(MOST_COLLECTED / 2);
            return self.add(&path, digest);
        }
        // The order of addition does not count, as that of a directory's entries does not.
        let sum = self.sums.entry(path).or_default();
        *sum = sum.wrapping_add(digest);
    }

    /// Puts files together by directory until there are no more than `most`, as far as that goes.
    fn shrink(&mut self, most: usize) {
        let deepest = || self.sums.keys().map(|path| path.components().count()).max().unwrap_or(0);
        let mut depth = self.depth.unwrap_or_else(deepest);
        while self.sums.len() > most && depth > 1 {
            depth -= 1;
            let mut grouped: HashMap<PathBuf, u64> = HashMap::new();
            for (path, digest) in std::mem::take(&mut self.sums) {
                let sum = grouped.entry(path.components().take(depth).collect()).or_default();
                *sum = sum.wrapping_add(digest);
            }
            self.sums = grouped;
        }
        self.depth = Some(depth);
    }
}

/// What a step's outcome depends on, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs(Vec<(String, String)>);

impl Inputs {
    /// Those of a step on top of what `below` stands for.
    #[must_use]
    pub fn on(below: &StepKey) -> Self {
        Self::default().and(BELOW, below.as_bytes())
    }

    /// Adds one by its name, as it reads before "changed".
    #[must_use]
    pub fn and(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.0.push((name.into(), short(value.as_ref())));
        self
    }

    /// Adds files.
    #[must_use]
    pub fn files(mut self, mut files: FileSums) -> Self {
        files.shrink(MOST);
        let files = BTreeMap::from_iter(files.sums).into_iter().take(MOST);
        self.0.extend(files.map(|(path, digest)| (path.to_string_lossy().into_owned(), format!("{digest:016x}"))));
        self
    }

    /// What of these is not as it was in `old`, in words.
    fn changes_since(&self, old: &Self) -> Vec<String> {
        let before: BTreeMap<&str, &str> = old.0.iter().map(|(name, digest)| (name.as_str(), digest.as_str())).collect();
        let now: BTreeMap<&str, &str> = self.0.iter().map(|(name, digest)| (name.as_str(), digest.as_str())).collect();
        let changed = self.0.iter().filter_map(|(name, digest)| match before.get(name.as_str()) {
            None => Some(format!("{name} is new")),
            Some(was) => (was != digest).then(|| format!("{name} changed")),
        });
        let gone = old.0.iter().filter(|(name, _)| !now.contains_key(name.as_str())).map(|(name, _)| format!("{name} is gone"));
        changed.chain(gone).collect()
    }
}

/// How a step stands to the one that was built here last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is the same.
    None,
    /// None is remembered.
    First,
    /// Another instruction stood in its place.
    Replaced,
    /// These inputs are others, each in words such as `src/main.c changed`; none where the one that is cannot be told.
    Inputs(Vec<String>),
}

/// The steps of one stage, as they were last built here and as they are now.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    old: Vec<Line>,
    new: Vec<Line>,
    /// Whether all steps of the stage were noted.
    is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    key: String,
    text: String,
    inputs: String,
}

impl Ledger {
    fn open(path: PathBuf) -> Self {
        let bytes = super::step::read_at_most(&path, LARGEST).unwrap_or_default();
        let line = |line: &str| {
            let mut parts = line.splitn(3, ' ').map(str::to_owned);
            Some(Line { key: parts.next()?, text: parts.next()?, inputs: parts.next()? })
        };
        let old = String::from_utf8_lossy(&bytes).lines().filter_map(line).collect();
        Self { path, old, new: Vec::new(), is_whole: false }
    }

    /// Notes the next step: its key, the text of its instruction, and its inputs, which are asked for only where they are
    /// not known. Tells how it stands to the one before.
    pub fn note(&mut self, key: &StepKey, text: &str, inputs: impl FnOnce() -> Inputs) -> Change {
        let (key, text) = (key.to_string(), short(text.as_bytes()));
        let position = self.new.len();
        if let Some(line) = self.old.get(position).filter(|line| line.key == key && line.text == text) {
            self.new.push(line.clone());
            return Change::None;
        }
        let inputs = inputs();
        let json = serde_json::to_string(&inputs.0).unwrap_or_default();
        let same_text = self.old.get(position).filter(|line| line.text == text);
        let same_text = same_text.or_else(|| self.old.iter().find(|line| line.text == text));
        let change = match same_text {
            Some(line) if line.key == key => Change::None,
            Some(line) => Change::Inputs(inputs.changes_since(&Inputs(serde_json::from_str(&line.inputs).unwrap_or_default()))),
            None if position < self.old.len() => Change::Replaced,
            None => Change::First,
        };
        self.new.push(Line { key, text, inputs: json });
        change
    }

    /// The file's new content, or `None` when it is what it was. Steps that were not come to stay as they were.
    fn to_bytes(&self) -> Option<Vec<u8>> {
        let rest = if self.is_whole { self.old.len() } else { self.new.len() };
        let lines: Vec<&Line> = self.new.iter().chain(self.old.iter().skip(rest)).collect();
        if lines.iter().copied().eq(self.old.iter()) {
            return None;
        }
        let text = |line: &&Line| format!("{} {} {}\n", line.key, line.text, line.inputs);
        Some(lines.iter().map(text).collect::<String>().into_bytes())
    }

    /// Says that all steps were noted: what is known of further ones is forgotten.
    pub fn end(&mut self) {
        self.is_whole = true;
    }
}

impl Store {
    /// What is remembered of a stage's steps; `stage` stands for the stage.
    #[must_use]
    pub fn ledger(&self, stage: &StepKey) -> Ledger {
        Ledger::open(self.root.join("digests").join(format!("steps-{stage}")))
    }

    /// Writes a stage's steps back, when they are not what they were.
    ///
    /// # Errors
    /// When the file cannot be written. A build can go on without it.
    pub fn save_ledger(&self, ledger: &Ledger) -> Result<(), StoreError> {
        match ledger.to_bytes() {
            Some(bytes) => self.workshop.write(&ledger.path, &bytes),
            None => Ok(()),
        }
    }
}

/// The change in words; `is_first` says that the step is its stage's first, so that below it is the base.
#[must_use]
pub fn in_words(change: &Change, is_first: bool) -> String {
    /// As many as a line holds.
    const SHOWN: usize = 3;
    match change {
        Change::None => "what it made is not in the store any more".to_owned(),
        Change::First => "first build of this step here".to_owned(),
        Change::Replaced => "the instruction changed".to_owned(),
        Change::Inputs(changes) if changes.is_empty() => "something that it depends on changed".to_owned(),
        Change::Inputs(changes) => {
            let mut text = changes.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            if changes.len() > SHOWN {
                text += &format!(" and {} more", changes.len() - SHOWN);
            }
            if is_first { text.replace(BELOW, "the base") } else { text }
        }
    }
}

fn short(value: &[u8]) -> String {
    blake3::hash(value).to_hex()[..16].to_owned()
}

/// Where `path` is only a name for a file of a listing.
pub(crate) fn shown(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, std::path::Component::Normal(_) | std::path::Component::ParentDir)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyBuilder;

    fn key(text: &str) -> StepKey {
        KeyBuilder::new("x").field("x", text).finish()
    }

    fn sums(files: &[(impl AsRef<Path>, u64)]) -> FileSums {
        let mut sums = FileSums::default();
        files.iter().for_each(|(path, digest)| sums.add(path.as_ref(), *digest));
        sums
    }

    fn inputs(files: &[(&str, u64)]) -> Inputs {
        Inputs::on(&key("base")).files(sums(files))
    }

    #[test]
    fn changed_new_and_gone_inputs_are_named_in_the_next_build() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        assert_eq!(ledger.note(&key("1"), "COPY . /", || inputs(&[("a", 1), ("b", 1), ("c", 1)])), Change::First);
        store.save_ledger(&ledger).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        let change = ledger.note(&key("2"), "COPY . /", || inputs(&[("a", 2), ("b", 1), ("d", 1)]));
        assert_eq!(in_words(&change, false), "a changed, d is new, c is gone");
        store.save_ledger(&ledger).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        assert_eq!(ledger.note(&key("2"), "COPY . /", || unreachable!("they are known")), Change::None);
        assert_eq!(ledger.to_bytes(), None);
        assert_eq!(store.ledger(&key("other")).note(&key("2"), "COPY . /", Inputs::default), Change::First);
    }

    #[test]
    fn a_step_is_known_again_when_another_was_put_before_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        ledger.note(&key("1"), "RUN a", || Inputs::on(&key("base")));
        store.save_ledger(&ledger).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        assert_eq!(ledger.note(&key("0"), "RUN new", || Inputs::on(&key("base"))), Change::Replaced);
        let change = ledger.note(&key("2"), "RUN a", || Inputs::on(&key("0")));
        assert_eq!(in_words(&change, false), "the step before it changed");
        assert_eq!(in_words(&change, true), "the base changed");
    }

    #[test]
    fn many_files_are_put_together_by_directory() {
        for count in [MOST as u64 + 1, 9 * MOST_COLLECTED as u64] {
            let many: Vec<_> = (0..count).map(|number| (PathBuf::from(format!("d{}/e/f{number}", number % 7)), number)).collect();
            let before = Inputs::default().files(sums(&many));
            assert_eq!(before.0.len(), 7);
            let mut changed = many;
            changed[3].1 += 1;
            assert_eq!(Inputs::default().files(sums(&changed)).changes_since(&before), ["d3/e changed"]);
        }
    }

    #[test]
    fn more_files_side_by_side_than_are_told_apart_take_no_more_memory() {
        let many: Vec<_> = (0..MOST_COLLECTED as u64 + 10).map(|number| (PathBuf::from(number.to_string()), number)).collect();
        let sums = sums(&many);
        assert_eq!(sums.sums.len(), MOST_COLLECTED);
        assert_eq!(Inputs::default().files(sums).0.len(), MOST);
    }

    #[test]
    fn a_damaged_file_costs_the_explanation_only() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let mut ledger = store.ledger(&key("stage"));
        ledger.note(&key("1"), "RUN a", || inputs(&[("a", 1)]));
        store.save_ledger(&ledger).unwrap();
        let good = std::fs::read(&ledger.path).unwrap();
        for length in 0..good.len() {
            std::fs::write(&ledger.path, &good[..length]).unwrap();
            store.ledger(&key("stage")).note(&key("2"), "RUN a", || inputs(&[("a", 2)]));
        }
    }
}
