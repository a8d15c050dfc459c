//! What words become longer by when their variables are filled in, all together.

use std::cell::Cell;

use super::{ExpandError, Lookup, document, word};
use crate::parse::Escape;

/// How many bytes the words of one stage may become longer by together.
pub const MAXIMUM_TOTAL_GROWTH: usize = 16 << 20;

/// Counts the bytes. A few lines of `ENV A=$A$A` would otherwise fill any memory.
#[derive(Debug, Default)]
pub struct Growth(Cell<usize>);

impl Growth {
    /// A count that goes on from `total` bytes.
    #[must_use]
    pub fn from(total: usize) -> Self {
        Self(Cell::new(total))
    }

    /// How many bytes it is by now.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.get()
    }

    /// Expands a word as [`word`] does, and counts.
    ///
    /// # Errors
    /// As [`word`], and when all words together are too long.
    pub fn word(&self, text: &str, env: &dyn Lookup, escape: Escape) -> Result<String, ExpandError> {
        self.add(0, text)?;
        self.counted(text, word(text, env, escape)?)
    }

    /// The same for [`document`].
    pub(super) fn document(&self, text: &str, env: &dyn Lookup) -> Result<String, ExpandError> {
        self.add(0, text)?;
        self.counted(text, document(text, env)?)
    }

    fn counted(&self, text: &str, expanded: String) -> Result<String, ExpandError> {
        self.add(expanded.len().saturating_sub(text.len()), text)?;
        Ok(expanded)
    }

    /// Counts bytes that come of `text`.
    pub(crate) fn add(&self, bytes: usize, text: &str) -> Result<(), ExpandError> {
        let total = self.0.get().saturating_add(bytes);
        self.0.set(total);
        if total > MAXIMUM_TOTAL_GROWTH { Err(ExpandError::TotalGrowth(super::clip(text))) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::MAXIMUM_TOTAL_GROWTH;
    use crate::expand::ExpandError;
    use crate::parse::parse;
    use crate::parse::tests::folded;
    use crate::scope::Scope;

    /// Carries out the `ENV`, `ARG` and `LABEL` instructions of the first stage.
    fn expand(text: &str) -> Result<usize, ExpandError> {
        let dockerfile = parse(text.as_bytes(), "Dockerfile").unwrap();
        let mut scope = Scope::default();
        for statement in &dockerfile.stages[0].statements {
            match &statement.instruction {
                crate::Instruction::Arg(arg) => drop(scope.declare(arg, statement.escape)?),
                _ => {
                    if let crate::Instruction::Env(env) = scope.expand(statement)? {
                        env.pairs.iter().for_each(|pair| scope.set(&pair.name, &pair.value));
                    }
                }
            }
        }
        Ok(scope.variables().map(|(_, value)| value.len()).sum())
    }

    #[test]
    fn the_words_of_a_stage_are_bounded_together() {
        let seed = format!("FROM x\nENV S={}\n", folded(&"x".repeat(1 << 19)));
        let one = |name: &str| format!("{seed}{name} {}\n", (0..64).map(|n| format!("k{n}=$S ")).collect::<String>());
        let many = |name: &str| seed.clone() + &(0..64).map(|n| format!("{name} k{n}=$S\n")).collect::<String>();
        for text in ["ENV", "ARG", "LABEL"].into_iter().flat_map(|name| [one(name), many(name)]) {
            let refused = expand(&text).unwrap_err();
            assert!(matches!(refused, ExpandError::TotalGrowth(_)), "{refused}");
        }
        let again = seed.clone() + &"ENV a=$S\n".repeat(64);
        assert!(matches!(expand(&again).unwrap_err(), ExpandError::TotalGrowth(_)), "the history has every value");
        assert!(expand(&(seed + &"ENV a=$S\n".repeat(16))).unwrap() < MAXIMUM_TOTAL_GROWTH);
    }
}
