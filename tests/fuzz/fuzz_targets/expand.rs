//! Any text as a word with variables. The first line is the value of `A`, the second that of `B`, the rest is the word.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use windlass_dockerfile::Escape;
use windlass_dockerfile::expand::{self, Empty, MAXIMUM_GROWTH};

fuzz_target!(|text: &str| {
    let mut parts = text.splitn(3, '\n');
    let (a, b, word) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let env = BTreeMap::from([("A".to_owned(), a.to_owned()), ("B".to_owned(), b.to_owned())]);
    for escape in [Escape::Backslash, Escape::Backtick] {
        if let Ok(expanded) = expand::word(word, &env, escape) {
            assert!(expanded.len() <= word.len() + MAXIMUM_GROWTH);
            if !word.contains(['$', '"', '\'', escape.character()]) {
                assert_eq!(expanded, word);
            }
        }
        let whole = expand::word(word, &Empty, escape);
        // What one word can be made of, words can be made of, and the other way round.
        assert_eq!(whole.is_ok(), expand::words(word, &Empty, escape).is_ok());
    }
    let _ = expand::document(word, &env);
});
