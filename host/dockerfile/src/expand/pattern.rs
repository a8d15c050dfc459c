//! The patterns of `${name#…}`, `${name%…}` and `${name/…/…}`: `*` and `?`, `\` before one of them, and no classes.
//!
//! Neither wildcard matches a line feed.

use super::lexer::{Budget, WordError};

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `\` before a character that needs none.
    #[error("`\\{0}` is not an escape: `\\` may stand before `*`, `?`, `\\`, `/` and `}}` only")]
    Escape(char),
    /// `\` at the end.
    #[error("the `\\` at the end escapes nothing")]
    TrailingEscape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

/// A pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut tokens = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            tokens.push(match character {
                '*' => Token::Any,
                '?' => Token::One,
                // These two end a part of `${…}`, so they have to be escaped without the escape being meant.
                '\\' if matches!(characters.peek(), Some('}' | '/')) => continue,
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Literal(escaped),
                    Some(other) => return Err(PatternError::Escape(other)),
                    None => return Err(PatternError::TrailingEscape),
                },
                literal => Token::Literal(literal),
            });
        }
        tokens.dedup_by(|next, before| *next == Token::Any && *before == Token::Any);
        Ok(Self(tokens))
    }

    /// The end of the match that begins at `start`: the longest or the shortest one.
    fn end_at(&self, text: &[char], start: usize, is_longest: bool, budget: &mut Budget) -> Result<Option<usize>, WordError> {
        let mut parts = self.0.split(|token| *token == Token::Any);
        let first = parts.next().unwrap_or_default();
        let mut parts: Vec<&[Token]> = parts.collect();
        let last = parts.pop();
        let Some(mut at) = fits(first, text, start, budget)? else { return Ok(None) };
        let Some(last) = last else { return Ok(Some(at)) };
        for part in parts {
            let Some(end) = search(part, text, at, false, budget)? else { return Ok(None) };
            at = end;
        }
        search(last, text, at, is_longest, budget)
    }
}

/// The end of `part` at exactly `at`.
fn fits(part: &[Token], text: &[char], at: usize, budget: &mut Budget) -> Result<Option<usize>, WordError> {
    let Some(window) = text.get(at..at + part.len()) else { return Ok(None) };
    for (count, (token, character)) in part.iter().zip(window).enumerate() {
        let fits = match token {
            Token::Literal(literal) => literal == character,
            Token::One | Token::Any => *character != '\n',
        };
        if !fits {
            budget.spend(count + 1)?;
            return Ok(None);
        }
    }
    budget.spend(part.len() + 1)?;
    Ok(Some(at + part.len()))
}

/// The end of the first or last occurrence of `part` after a `*` that begins at `from` and stays in its line.
fn search(part: &[Token], text: &[char], from: usize, is_last: bool, budget: &mut Budget) -> Result<Option<usize>, WordError> {
    let line = text[from..].iter().position(|&c| c == '\n').map_or(text.len(), |at| from + at);
    budget.spend(line - from)?;
    let mut candidates: Box<dyn Iterator<Item = usize>> =
        if is_last { Box::new((from..=line).rev()) } else { Box::new(from..=line) };
    candidates.find_map(|at| fits(part, text, at, budget).transpose()).transpose()
}

/// `value` without the longest or shortest beginning that matches.
pub(super) fn without_prefix(pattern: Pattern, value: &str, is_longest: bool, budget: &mut Budget) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let end = pattern.end_at(&text, 0, is_longest, budget)?.unwrap_or(0);
    Ok(text[end..].iter().collect())
}

/// `value` without the longest or shortest end that matches.
pub(super) fn without_suffix(pattern: Pattern, value: &str, is_longest: bool, budget: &mut Budget) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().rev().collect();
    let reversed = Pattern(pattern.0.into_iter().rev().collect());
    let end = reversed.end_at(&text, 0, is_longest, budget)?.unwrap_or(0);
    Ok(text[end..].iter().rev().collect())
}

/// The leftmost match at or after `from`, the longest of those that begin there.
fn find(pattern: &Pattern, text: &[char], from: usize, budget: &mut Budget) -> Result<Option<(usize, usize)>, WordError> {
    for start in from..=text.len() {
        if let Some(end) = pattern.end_at(text, start, true, budget)? {
            return Ok(Some((start, end)));
        }
    }
    Ok(None)
}

/// `value` with its first match replaced.
pub(super) fn replace_first(pattern: &Pattern, value: &str, replacement: &str, budget: &mut Budget) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let Some((start, end)) = find(pattern, &text, 0, budget)? else { return Ok(value.to_owned()) };
    let mut result: String = text[..start].iter().collect();
    result.push_str(replacement);
    result.extend(&text[end..]);
    Ok(result)
}

/// `value` with all matches replaced; a match of nothing right behind another match does not count.
///
/// As BuildKit hands the replacement to Go's `ReplaceAllString`, `$0` in it is the match, `$$` a dollar, and any
/// other `$name` nothing.
pub(super) fn replace_all(
    pattern: &Pattern,
    value: &str,
    replacement: &str,
    maximum: usize,
    budget: &mut Budget,
) -> Result<String, WordError> {
    let text: Vec<char> = value.chars().collect();
    let mut result = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some((start, end)) = find(pattern, &text, from, budget)? {
        result.extend(&text[copied..start]);
        if end > copied || start == 0 {
            fill_in(replacement, &text[start..end], &mut result);
        }
        copied = end;
        if result.len() > maximum {
            return Err(WordError::TooLong);
        }
        budget.spend(replacement.len() + 1)?;
        from = if end > from { end } else { from + 1 };
        if from > text.len() {
            break;
        }
    }
    result.extend(&text[copied..]);
    Ok(result)
}

/// Writes `template` with Go's `$` references to a match without groups.
fn fill_in(template: &str, matched: &[char], result: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        let name_end = |text: &str| text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => match inner[name_end(inner)..].strip_prefix('}') {
                Some(after) => (&inner[..name_end(inner)], after),
                None => ("", rest),
            },
            None => rest.split_at(name_end(rest)),
        };
        if name.is_empty() {
            result.push('$');
            continue;
        }
        if name == "0" {
            result.extend(matched);
        }
        rest = after;
    }
    result.push_str(rest);
}
