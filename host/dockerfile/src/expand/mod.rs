//! Variables, quotes and escapes: what BuildKit's shell lexer makes of a word.

mod growth;
mod instruction;
mod lexer;
mod pattern;
mod words;

use std::collections::BTreeMap;

use crate::file_mode::FileModeError;
use crate::instruction::mount::MountError;
use crate::parse::{Escape, MAXIMUM_WORDS};
use crate::port::PortError;
use crate::signal::SignalError;

pub use growth::{Growth, MAXIMUM_TOTAL_GROWTH};
pub(crate) use lexer::{Lexer, Options};
pub use lexer::{MAXIMUM_DEPTH, MAXIMUM_GROWTH, WordError};
pub use pattern::PatternError;

/// Where the values of variables come from.
pub trait Lookup {
    /// The value of `name`; `None` when it is not set, which is not the same as empty.
    fn get(&self, name: &str) -> Option<&str>;

    /// Is told of every `$name` and `${name}` that becomes nothing because `name` is not set.
    fn missing(&self, _name: &str) {}
}

/// No variable is set.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Lookup for Empty {
    fn get(&self, _: &str) -> Option<&str> {
        None
    }
}

impl Lookup for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<&str> {
        self.get(name).map(String::as_str)
    }
}

/// Why an instruction cannot be expanded, or is wrong now that it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A word that the lexer refuses.
    #[error("expand `{word}`")]
    Word {
        /// The word as written, shortened.
        word: String,
        /// What is wrong with it.
        source: WordError,
    },
    /// The words of a stage, or of all `FROM` lines, become too long together.
    #[error("expand `{0}`: with it, variables make the words of the stage more than {MAXIMUM_TOTAL_GROWTH} bytes longer")]
    TotalGrowth(String),
    /// The words of an `EXPOSE` become too many.
    #[error("expand `{0}`: with it, EXPOSE has more than {MAXIMUM_WORDS} ports")]
    TooManyPorts(String),
    /// A `--mount` that makes no sense.
    #[error("read the mount `{text}`")]
    Mount {
        /// The mount as written.
        text: String,
        /// What is wrong with it.
        source: MountError,
    },
    /// A `--chmod` that is no mode.
    #[error("read --chmod")]
    Mode(#[source] FileModeError),
    /// A port of `EXPOSE`.
    #[error("read EXPOSE")]
    Port(#[source] PortError),
    /// The signal of `STOPSIGNAL`.
    #[error("read STOPSIGNAL")]
    Signal(#[source] SignalError),
    /// A `VOLUME` that is empty once its variables are filled in.
    #[error("read VOLUME: `{0}` is empty once its variables are filled in")]
    EmptyVolume(String),
    /// A name of `ENV` that is empty once its variables are filled in.
    #[error("read the name `{0}`: it is empty once its variables are filled in")]
    EmptyName(String),
}

/// Expands one word: variables are filled in, quotes and escapes removed. Blanks stay.
///
/// # Errors
/// When the word is malformed, a `${name:?…}` has no value, or a limit is exceeded: see [`WordError`].
pub fn word(text: &str, env: &dyn Lookup, escape: Escape) -> Result<String, ExpandError> {
    let options = Options { escape, ..Options::default() };
    Lexer::new(text, env, options).word().map_err(|source| ExpandError::Word { word: clip(text), source })
}

/// Expands a word and cuts the result at the blanks that are neither quoted nor escaped.
///
/// # Errors
/// As [`word`].
pub fn words(text: &str, env: &dyn Lookup, escape: Escape) -> Result<Vec<String>, ExpandError> {
    let options = Options { escape, ..Options::default() };
    Lexer::new(text, env, options).words().map_err(|source| ExpandError::Word { word: clip(text), source })
}

/// Expands the body of a `COPY` or `ADD` heredoc: variables are filled in and `\` escapes, but quotes are plain text.
///
/// The escape is `\` whatever the `escape` directive says.
///
/// # Errors
/// As [`word`].
pub fn document(text: &str, env: &dyn Lookup) -> Result<String, ExpandError> {
    let options = Options { skips_quotes: true, ..Options::default() };
    Lexer::new(text, env, options).word().map_err(|source| ExpandError::Word { word: clip(text), source })
}

/// A text short enough for a message.
pub(crate) fn clip(text: &str) -> String {
    const LIMIT: usize = 120;
    if text.chars().count() <= LIMIT { text.to_owned() } else { text.chars().take(LIMIT).chain(['…']).collect() }
}
