//! `\` in the patterns of `.dockerignore` and `--exclude`.
//!
//! moby makes regular expressions of these patterns and leaves `\` and what follows it as they are. Before a letter it
//! therefore means what it means there: `dir\file` has a form feed in it, and no separator.

use super::automaton::Token;
use super::class::Class;

/// What `\` and `character` stand for.
pub(super) fn token(character: char) -> Result<Token, &'static str> {
    Ok(match character {
        'd' | 'D' => Token::Class(Class::of(&[('0', '9')], character == 'D')),
        'w' | 'W' => Token::Class(Class::of(&[('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')], character == 'W')),
        's' | 'S' => Token::Class(Class::of(&[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')], character == 'S')),
        'a' => Token::Literal('\x07'),
        'f' => Token::Literal('\x0c'),
        'n' => Token::Literal('\n'),
        'r' => Token::Literal('\r'),
        't' => Token::Literal('\t'),
        'v' => Token::Literal('\x0b'),
        // Ends of words and of the text, where in a path something always follows: nothing that is there fits.
        'A' | 'B' | 'b' | 'z' => Token::Class(Class::of(&[], false)),
        other if other.is_ascii_alphanumeric() || !other.is_ascii() => {
            return Err("a `\\` before this letter or digit has no meaning; use `/` between directories");
        }
        other => Token::Literal(other),
    })
}

#[cfg(test)]
mod tests {
    use super::super::PathPatterns;

    fn matches(pattern: &str, path: &str) -> bool {
        PathPatterns::parse([pattern.as_bytes()]).unwrap().is_matched(path.as_bytes())
    }

    #[test]
    fn before_a_letter_it_is_what_regular_expressions_make_of_it() {
        assert!(matches(r"v\d.txt", "v1.txt") && !matches(r"v\d.txt", "vd.txt") && matches(r"\D\w", "x_"));
        assert!(!matches(r"dir\file", "dirfile") && matches(r"dir\file", "dir\u{c}ile") && matches(r"a\sb", "a b"));
        assert!(!matches(r"a\bc", "abc") && !matches(r"a\bc", "ac"));
        for pattern in [r"a\ec", r"\1", r"x\p", r"\é"] {
            assert!(PathPatterns::parse([pattern.as_bytes()]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn before_anything_else_it_takes_the_meaning_away() {
        assert!(matches(r"\.env", ".env") && matches(r"a\*", "a*") && !matches(r"a\*", "ab") && matches(r"\#x", "#x"));
    }
}
