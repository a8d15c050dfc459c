//! Runs a pattern over a path in all ways at once, so that no pattern takes exponential time.

use super::class::Class;
use super::first_character;

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// This character.
    Literal(char),
    /// `?`: one character but `/`.
    One,
    /// `*`: any number of characters but `/`.
    Star,
    /// `[…]`
    Class(Class),
    /// `**/`: nothing, or any number of whole parts with their `/`.
    Parents,
    /// `**` at the end: anything.
    Rest,
}

/// The places in a pattern that the characters read so far may have led to: before which token a match may go on.
#[derive(Debug, Clone)]
struct States {
    is_active: Vec<bool>,
    count: usize,
    /// Within a `**/` whose `/` is still to come.
    within: Vec<bool>,
    within_count: usize,
}

impl States {
    fn new(tokens: &[Token]) -> Self {
        Self { is_active: vec![false; tokens.len() + 1], count: 0, within: vec![false; tokens.len()], within_count: 0 }
    }

    fn start(tokens: &[Token]) -> Self {
        let mut states = Self::new(tokens);
        states.enter(tokens, 0);
        states
    }

    /// Comes before the token `at`, and behind those that may stand for nothing.
    fn enter(&mut self, tokens: &[Token], mut at: usize) {
        while !std::mem::replace(&mut self.is_active[at], true) {
            self.count += 1;
            match tokens.get(at) {
                Some(Token::Star | Token::Parents | Token::Rest) => at += 1,
                _ => return,
            }
        }
    }

    fn stay_within(&mut self, at: usize) {
        if !std::mem::replace(&mut self.within[at], true) {
            self.within_count += 1;
        }
    }

    fn is_dead(&self) -> bool {
        self.count == 0 && self.within_count == 0
    }

    fn advance(&self, tokens: &[Token], character: char) -> Self {
        let mut next = Self::new(tokens);
        for (at, token) in tokens.iter().enumerate() {
            let is_active = self.is_active[at];
            match token {
                Token::Literal(literal) if is_active && *literal == character => next.enter(tokens, at + 1),
                Token::One if is_active && character != '/' => next.enter(tokens, at + 1),
                Token::Class(class) if is_active && class.contains(character) => next.enter(tokens, at + 1),
                Token::Star if is_active && character != '/' => next.enter(tokens, at),
                Token::Rest if is_active => next.enter(tokens, at),
                Token::Parents if is_active || self.within[at] => {
                    next.stay_within(at);
                    if character == '/' {
                        next.enter(tokens, at + 1);
                    }
                }
                _ => {}
            }
        }
        next
    }

    fn run(tokens: &[Token], mut path: &[u8]) -> Self {
        let mut states = Self::start(tokens);
        while let Some((character, length)) = first_character(path).filter(|_| !states.is_dead()) {
            states = states.advance(tokens, character);
            path = &path[length..];
        }
        states
    }
}

/// Whether the whole path matches.
pub(super) fn matches(tokens: &[Token], path: &[u8]) -> bool {
    States::run(tokens, path).is_active[tokens.len()]
}

/// Whether something below the directory `path` may match; `path` is not empty.
pub(super) fn may_match_below(tokens: &[Token], path: &[u8]) -> bool {
    let states = States::run(tokens, path);
    if states.is_dead() {
        return false;
    }
    let below = states.advance(tokens, '/');
    // Something must follow, so the end of the pattern alone is not enough.
    below.within_count > 0 || below.is_active[..tokens.len()].contains(&true)
}
