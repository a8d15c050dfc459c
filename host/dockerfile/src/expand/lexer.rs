//! The lexer itself: quotes, escapes, `$name` and the forms of `${name…}`.

use std::iter::Peekable;
use std::str::Chars;

use super::Lookup;
use super::pattern::{self, Pattern, PatternError};
use super::words::Words;
use crate::parse::Escape;

/// How many bytes the result of one word may have beyond the length of the word.
pub const MAXIMUM_GROWTH: usize = 1 << 20;
/// How deep `${…}` may be nested.
pub const MAXIMUM_DEPTH: usize = 64;
/// How many characters may be handled for one word, those included that do not get into its result.
const MAXIMUM_WORK: u64 = 1 << 26;

/// What is wrong with a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote that is not closed.
    #[error("the {0} quote is not closed")]
    UnclosedQuote(&'static str),
    /// `${` without its `}`.
    #[error("a `${{` lacks its `}}`")]
    MissingBrace,
    /// `${name/pattern` without the `/` before the replacement.
    #[error("a `${{name/pattern/replacement}}` lacks its second `/`")]
    MissingSlash,
    /// `${}`, `${{` or `${:`.
    #[error("a `${{` is not followed by a name")]
    BadSubstitution,
    /// `${name=…}` and the like.
    #[error("`{0}` is not supported in a substitution: use one of :- - :+ + :? ? # ## % %% / //")]
    UnsupportedModifier(String),
    /// `${name:?message}` or `${name?message}` of a variable without a value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the Dockerfile says about it, or that it is not set.
        message: String,
    },
    /// A pattern of `#`, `%` or `/` that is malformed.
    #[error("read the pattern `{pattern}`")]
    Pattern {
        /// The pattern, its variables filled in.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// The result is too large.
    #[error("the result is longer than {MAXIMUM_GROWTH} bytes more than the word itself")]
    TooLong,
    /// Too many `${` within each other.
    #[error("substitutions are nested more than {MAXIMUM_DEPTH} deep")]
    TooDeep,
    /// Too much to do for one word.
    #[error("the substitutions of this word take too much work")]
    TooMuchWork,
}

/// How a text is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    /// The character that escapes.
    pub(crate) escape: Escape,
    /// Quotes stay in the result.
    pub(crate) keeps_quotes: bool,
    /// Escape characters stay in the result.
    pub(crate) keeps_escapes: bool,
    /// Quotes are plain characters.
    pub(crate) skips_quotes: bool,
    /// References to variables that are not set stay as they are.
    pub(crate) keeps_unset: bool,
}

/// What is left of the work that one word may cause.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    pub(super) fn spend(&mut self, amount: usize) -> Result<(), WordError> {
        self.0 = self.0.checked_sub(amount as u64).ok_or(WordError::TooMuchWork)?;
        Ok(())
    }
}

/// Expands one text.
pub(crate) struct Lexer<'a> {
    source: Peekable<Chars<'a>>,
    env: &'a dyn Lookup,
    options: Options,
    budget: Budget,
    maximum: usize,
    depth: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str, env: &'a dyn Lookup, options: Options) -> Self {
        let maximum = text.len().saturating_add(MAXIMUM_GROWTH);
        let budget = Budget(MAXIMUM_WORK.saturating_add(text.len() as u64));
        Self { source: text.chars().peekable(), env, options, budget, maximum, depth: 0 }
    }

    /// The text expanded, as one word.
    pub(crate) fn word(mut self) -> Result<String, WordError> {
        self.until(None, self.options.keeps_escapes, None)
    }

    /// The text expanded and cut at blanks.
    pub(crate) fn words(mut self) -> Result<Vec<String>, WordError> {
        let mut words = Words::default();
        self.until(None, self.options.keeps_escapes, Some(&mut words))?;
        Ok(words.finish())
    }

    /// Reads up to `stop`, which is eaten, or to the end where there is none.
    fn until(&mut self, stop: Option<char>, keeps_escapes: bool, mut words: Option<&mut Words>) -> Result<String, WordError> {
        let outer = std::mem::replace(&mut self.options.keeps_escapes, keeps_escapes);
        let result = self.read_until(stop, &mut words);
        self.options.keeps_escapes = outer;
        result
    }

    fn read_until(&mut self, stop: Option<char>, words: &mut Option<&mut Words>) -> Result<String, WordError> {
        let escape = self.options.escape.character();
        let mut result = String::new();
        while let Some(&next) = self.source.peek() {
            if stop == Some(next) {
                self.source.next();
                return Ok(result);
            }
            match next {
                '$' => {
                    let value = self.dollar()?;
                    if let Some(words) = words {
                        value.chars().for_each(|character| words.push(character));
                    }
                    self.append(&mut result, &value)?;
                }
                '\'' | '"' if !self.options.skips_quotes => {
                    let value = if next == '"' { self.double_quote()? } else { self.single_quote()? };
                    if let Some(words) = words {
                        words.push_literal(&value);
                    }
                    self.append(&mut result, &value)?;
                }
                _ if next == escape => self.escaped(&mut result, words)?,
                _ => {
                    self.source.next();
                    if let Some(words) = words {
                        words.push(next);
                    }
                    self.append_character(&mut result, next)?;
                }
            }
        }
        // Only the ends of `${…}` are ever looked for, and whoever does says what is missing.
        if stop.is_some() { Err(WordError::MissingBrace) } else { Ok(result) }
    }

    fn escaped(&mut self, result: &mut String, words: &mut Option<&mut Words>) -> Result<(), WordError> {
        let escape = self.source.next();
        let kept = escape.filter(|_| self.options.keeps_escapes);
        for character in kept.into_iter().chain(self.source.next()) {
            if let Some(words) = words {
                words.push_literal(character.encode_utf8(&mut [0; 4]));
            }
            self.append_character(result, character)?;
        }
        Ok(())
    }

    fn single_quote(&mut self) -> Result<String, WordError> {
        self.source.next();
        let mut result = String::new();
        self.append_quote(&mut result, '\'');
        loop {
            match self.source.next() {
                None => return Err(WordError::UnclosedQuote("single")),
                Some('\'') => break,
                Some(character) => self.append_character(&mut result, character)?,
            }
        }
        self.append_quote(&mut result, '\'');
        Ok(result)
    }

    fn double_quote(&mut self) -> Result<String, WordError> {
        let escape = self.options.escape.character();
        self.source.next();
        let mut result = String::new();
        self.append_quote(&mut result, '"');
        loop {
            match self.source.peek() {
                None => return Err(WordError::UnclosedQuote("double")),
                Some('"') => break,
                Some('$') => {
                    let value = self.dollar()?;
                    self.append(&mut result, &value)?;
                }
                Some(_) => {
                    let Some(mut character) = self.source.next() else { continue };
                    if character == escape {
                        if self.options.keeps_escapes {
                            self.append_character(&mut result, character)?;
                        }
                        // Within double quotes only these can be escaped; other escapes are plain characters.
                        match self.source.peek() {
                            None => continue,
                            Some(&next) if next == '"' || next == '$' || next == escape => {
                                character = next;
                                self.source.next();
                            }
                            Some(_) => {}
                        }
                    }
                    self.append_character(&mut result, character)?;
                }
            }
        }
        self.source.next();
        self.append_quote(&mut result, '"');
        Ok(result)
    }

    fn dollar(&mut self) -> Result<String, WordError> {
        self.source.next();
        if self.source.peek() != Some(&'{') {
            let name = self.name();
            return Ok(match self.env.get(&name) {
                _ if name.is_empty() => "$".to_owned(),
                Some(value) => value.to_owned(),
                None if self.options.keeps_unset => format!("${name}"),
                None => self.unset(&name),
            });
        }
        self.source.next();
        if self.depth == MAXIMUM_DEPTH {
            return Err(WordError::TooDeep);
        }
        self.depth += 1;
        let result = self.substitution();
        self.depth -= 1;
        result
    }

    fn unset(&self, name: &str) -> String {
        self.env.missing(name);
        String::new()
    }

    /// What follows `${`.
    fn substitution(&mut self) -> Result<String, WordError> {
        match self.source.peek() {
            None => return Err(WordError::MissingBrace),
            Some('{' | '}' | ':') => return Err(WordError::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.source.next() {
            None => Err(WordError::MissingBrace),
            Some('}') => Ok(match self.env.get(&name) {
                Some(value) => value.to_owned(),
                None if self.options.keeps_unset => format!("${{{name}}}"),
                None => self.unset(&name),
            }),
            Some('/') => self.replacement(&name),
            Some(':') => match self.source.next() {
                None => Err(WordError::MissingBrace),
                Some(modifier) => self.modified(&name, modifier, true),
            },
            Some(modifier @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&name, modifier, false),
            Some(other) => Err(WordError::UnsupportedModifier(other.to_string())),
        }
    }

    /// `${name-word}` and its like, `${name:-word}` where `empty_is_unset`.
    fn modified(&mut self, name: &str, modifier: char, empty_is_unset: bool) -> Result<String, WordError> {
        let is_pattern = matches!(modifier, '#' | '%');
        let word = self.until(Some('}'), is_pattern, None).map_err(|error| self.missing(error, WordError::MissingBrace))?;
        let spelling = if empty_is_unset { format!(":{modifier}") } else { modifier.to_string() };
        let value = self.env.get(name);
        if value.is_none() && self.options.keeps_unset {
            return Ok(format!("${{{name}{spelling}{word}}}"));
        }
        let present = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match modifier {
            '-' => Ok(present.map_or(word, str::to_owned)),
            '+' => Ok(present.map_or_else(String::new, |_| word)),
            '?' => present.map(str::to_owned).ok_or_else(|| {
                let default = if value.is_none() { "is not set" } else { "is empty" };
                WordError::Required {
                    name: name.to_owned(),
                    message: if word.is_empty() { default.to_owned() } else { super::clip(&word) },
                }
            }),
            '#' | '%' => {
                let (is_longest, pattern) = match word.strip_prefix(modifier) {
                    Some(rest) => (true, rest),
                    None => (false, word.as_str()),
                };
                let pattern = Self::pattern(pattern)?;
                let value = value.unwrap_or_default();
                self.budget.spend(value.len())?;
                if modifier == '#' {
                    pattern::without_prefix(pattern, value, is_longest, &mut self.budget)
                } else {
                    pattern::without_suffix(pattern, value, is_longest, &mut self.budget)
                }
            }
            _ => Err(WordError::UnsupportedModifier(spelling)),
        }
    }

    /// `${name/pattern/replacement}` and `${name//pattern/replacement}`.
    fn replacement(&mut self, name: &str) -> Result<String, WordError> {
        let is_global = self.source.next_if_eq(&'/').is_some();
        let pattern = self.until(Some('/'), true, None).map_err(|error| self.missing(error, WordError::MissingSlash))?;
        let replacement = self.until(Some('}'), true, None).map_err(|error| self.missing(error, WordError::MissingBrace))?;
        let value = self.env.get(name);
        if value.is_none() && self.options.keeps_unset {
            return Ok(format!("${{{name}/{pattern}/{replacement}}}"));
        }
        let pattern = Self::pattern(&pattern)?;
        let value = value.unwrap_or_default();
        self.budget.spend(value.len())?;
        let result = if is_global {
            pattern::replace_all(&pattern, value, &replacement, self.maximum, &mut self.budget)?
        } else {
            pattern::replace_first(&pattern, value, &replacement, &mut self.budget)?
        };
        Ok(result)
    }

    fn pattern(text: &str) -> Result<Pattern, WordError> {
        Pattern::parse(text).map_err(|source| WordError::Pattern { pattern: super::clip(text), source })
    }

    /// A mistake within `${…}` at the end of the text is its missing end; limits stay what they are.
    fn missing(&mut self, error: WordError, missing: WordError) -> WordError {
        let is_limit = matches!(error, WordError::TooLong | WordError::TooDeep | WordError::TooMuchWork);
        if !is_limit && self.source.peek().is_none() { missing } else { error }
    }

    /// A variable's name: letters, digits and `_`; digits alone when it begins with one; or one special character.
    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(special) = self.source.next_if(|c| matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!')) {
            name.push(special);
            return name;
        }
        let is_number = self.source.peek().is_some_and(|c| c.is_numeric());
        while let Some(character) = self.source.next_if(|&c| c.is_numeric() || (!is_number && (c.is_alphabetic() || c == '_'))) {
            name.push(character);
        }
        name
    }

    fn append_quote(&self, result: &mut String, quote: char) {
        if self.options.keeps_quotes {
            result.push(quote);
        }
    }

    fn append_character(&mut self, result: &mut String, character: char) -> Result<(), WordError> {
        self.append(result, character.encode_utf8(&mut [0; 4]))
    }

    fn append(&mut self, result: &mut String, text: &str) -> Result<(), WordError> {
        if result.len() + text.len() > self.maximum {
            return Err(WordError::TooLong);
        }
        self.budget.spend(text.len())?;
        result.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
#[path = "lexer_tests.rs"]
mod tests;
