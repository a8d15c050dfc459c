//! Classes of characters: `[a-z]`, `[^ab]`, `[\]]`.

use super::first_character;

/// A class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    is_negated: bool,
    ranges: Vec<(char, char)>,
}

const UNCLOSED: &str = "a `[` is not closed";

impl Class {
    /// A class of these ranges.
    pub(super) fn of(ranges: &[(char, char)], is_negated: bool) -> Self {
        Self { is_negated, ranges: ranges.to_vec() }
    }

    /// Reads a class after its `[`; the result includes how many bytes it takes with its `]`.
    pub(super) fn read(text: &[u8]) -> Result<(Self, usize), &'static str> {
        let is_negated = text.first() == Some(&b'^');
        let mut at = usize::from(is_negated);
        let mut ranges = Vec::new();
        loop {
            match text.get(at) {
                None => return Err(UNCLOSED),
                Some(b']') if !ranges.is_empty() => return Ok((Self { is_negated, ranges }, at + 1)),
                Some(_) => {}
            }
            let low = Self::character(text, &mut at)?;
            let mut high = low;
            if text.get(at) == Some(&b'-') {
                at += 1;
                high = Self::character(text, &mut at)?;
            }
            if high < low {
                return Err("a range of characters ends before it begins");
            }
            ranges.push((low, high));
        }
    }

    fn character(text: &[u8], at: &mut usize) -> Result<char, &'static str> {
        match text.get(*at) {
            None => return Err(UNCLOSED),
            Some(b'-' | b']') => return Err("`-` and `]` need a `\\` before them in a class"),
            Some(b'\\') => *at += 1,
            Some(_) => {}
        }
        let (character, length) = text.get(*at..).and_then(first_character).ok_or(UNCLOSED)?;
        *at += length;
        Ok(character)
    }

    pub(super) fn contains(&self, character: char) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&character)) != self.is_negated
    }
}
