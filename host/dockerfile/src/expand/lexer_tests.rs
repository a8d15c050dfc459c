use std::collections::BTreeMap;
use std::error::Error as _;

use super::super::{document, word, words};
use super::*;

fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The word expanded, or what is wrong with it.
fn expand(text: &str, pairs: &[(&str, &str)]) -> String {
    word(text, &env(pairs), Escape::Backslash).unwrap_or_else(|error| {
        let mut message = "error".to_owned();
        let mut source = error.source();
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        message
    })
}

#[test]
fn names_end_at_the_first_character_that_cannot_be_in_one() {
    let pairs = [("A", "1"), ("AB", "2"), ("A_B", "3"), ("é", "4")];
    for (text, result) in [
        ("$A.x", "1.x"),
        ("$AB", "2"),
        ("$A_B", "3"),
        ("$A-B", "1-B"),
        ("${A}B", "1B"),
        ("$A$AB", "12"),
        ("x$", "x$"),
        ("$1y", "y"),
        ("a$-b", "ab"),
        ("$12A", "A"),
        ("$é", "4"),
        ("$$A", "A"),
        ("$ x", "$ x"),
        ("$.", "$."),
    ] {
        assert_eq!(expand(text, &pairs), result, "{text}");
    }
}

#[test]
fn quotes_and_escapes_are_removed() {
    let pairs = [("X", "v")];
    for (text, result) in [
        (r#""it's $X""#, "it's v"),
        (r#"'say "$X"'"#, r#"say "$X""#),
        (r#""two  blanks""#, "two  blanks"),
        (r"\$X", "$X"),
        (r#""\"quoted\" \$X \\ \n""#, r#""quoted" $X \ \n"#),
        (r"a\nb\ c", "anb c"),
        (r#"a"b"'c'd"#, "abcd"),
        ("trailing\\", "trailing"),
        (r#""""#, ""),
    ] {
        assert_eq!(expand(text, &pairs), result, "{text}");
    }
    let backtick = |text| word(text, &env(&pairs), Escape::Backtick).unwrap();
    assert_eq!(backtick("x`y"), "xy");
    assert_eq!(backtick("b\\"), "b\\");
    assert_eq!(backtick(r"\$X"), r"\v");
    assert_eq!(backtick("\"`$X `\\\""), "$X `\\");
}

#[test]
fn defaults_tell_empty_from_unset() {
    let pairs = [("SET", "value"), ("EMPTY", "")];
    for (text, result) in [
        ("${SET:-d}", "value"),
        ("${EMPTY:-d}", "d"),
        ("${UNSET:-d}", "d"),
        ("${SET-d}", "value"),
        ("[${EMPTY-d}]", "[]"),
        ("${UNSET-d}", "d"),
        ("${SET:+a}", "a"),
        ("[${EMPTY:+a}]", "[]"),
        ("${EMPTY+a}", "a"),
        ("[${UNSET+a}]", "[]"),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("${UNSET:-\"a } $SET\"}", "a } value"),
        ("${UNSET:-a\\}b}", "a}b"),
        ("${SET:?m}${EMPTY?m}", "value"),
    ] {
        assert_eq!(expand(text, &pairs), result, "{text}");
    }
}

#[test]
fn a_required_variable_fails_with_its_message() {
    let pairs = [("EMPTY", ""), ("WHO", "you")];
    assert_eq!(expand("${X:?ask $WHO}", &pairs), "error: X: ask you");
    assert_eq!(expand("${X?}", &pairs), "error: X: is not set");
    assert_eq!(expand("${EMPTY:?}", &pairs), "error: EMPTY: is empty");
}

#[test]
fn prefixes_and_suffixes_are_stripped_at_their_shortest_and_longest() {
    let pairs = [("P", "/usr/local/lib/name.tar.gz"), ("S", "a***yy*"), ("X", "x")];
    for (text, result) in [
        ("${P#/usr}", "/local/lib/name.tar.gz"),
        ("${P#*/}", "usr/local/lib/name.tar.gz"),
        ("${P##*/}", "name.tar.gz"),
        ("${P#nomatch}", "/usr/local/lib/name.tar.gz"),
        ("${P#/u?r}", "/local/lib/name.tar.gz"),
        ("${P##*}", ""),
        ("${P#*}", "/usr/local/lib/name.tar.gz"),
        ("${P%.*}", "/usr/local/lib/name.tar"),
        ("${P%%.*}", "/usr/local/lib/name"),
        ("${P%/*}", "/usr/local/lib"),
        ("${P%gz}", "/usr/local/lib/name.tar."),
        ("${P:#/usr}", "/local/lib/name.tar.gz"),
        ("${S%%\\**\\*}", "a"),
        ("${S%\\**\\*}", "a**"),
        ("${X#$X}${UNSET#a}", ""),
        ("${P#/*/*/l*/}", "name.tar.gz"),
    ] {
        assert_eq!(expand(text, &pairs), result, "{text}");
    }
    assert_eq!(expand("${T##*}", &[("T", "one\ntwo")]), "\ntwo", "a `*` stays in its line");
    assert_eq!(expand("${T%%*}", &[("T", "one\ntwo")]), "one\n");
    assert_eq!(expand("${T##a*\n*c}", &[("T", "axx\nbcbcd")]), "d");
    assert_eq!(expand("${F#()[]{\\}^$.\\*\\?|\\\\}", &[("F", "()[]{}^$.*?|\\x")]), "x");
}

#[test]
fn matches_are_replaced_once_or_everywhere() {
    let pairs = [("S", "a-b-a-b"), ("P", "/tmp/tmp/bar.txt"), ("N", "/tmp"), ("E", ""), ("U", "http://h"), ("D", "[$0]$$$x")];
    for (text, result) in [
        ("${S/b/q}", "a-q-a-b"),
        ("${S//b/q}", "a-q-a-q"),
        ("${S//a?/}", "b-b"),
        ("${S/-*-/+}", "a+b"),
        ("${S//\\//x}", "a-b-a-b"),
        ("${P/$N/}", "/tmp/bar.txt"),
        ("${P//$N/}", "/bar.txt"),
        ("${P//\\//\\/}", "\\/tmp\\/tmp\\/bar.txt"),
        ("${U/http:\\/\\//https:\\/\\/}", "https:\\/\\/h"),
        ("${S/$E/w}", "wa-b-a-b"),
        ("${S//$E/w}", "waw-wbw-waw-wbw"),
        ("${S//*/w}", "w"),
        ("${S//-/$D}", "a[-]$b[-]$a[-]$b"),
        ("${S/-/$D}", "a[$0]$$$xb-a-b"),
        ("${UNSET//a/b}", ""),
        ("${S///}", "a-b-a-b"),
    ] {
        assert_eq!(expand(text, &pairs), result, "{text}");
    }
}

#[test]
fn every_mistake_is_told() {
    let pairs = [("S", "a-b")];
    for (text, told) in [
        ("\"open", "double quote"),
        ("'open", "single quote"),
        ("${", "lacks its `}`"),
        ("${S", "lacks its `}`"),
        ("${S:", "lacks its `}`"),
        ("${S:-x", "lacks its `}`"),
        ("${S:-\"x}", "lacks its `}`"),
        ("${}", "not followed by a name"),
        ("${{S}}", "not followed by a name"),
        ("${:S}", "not followed by a name"),
        ("${S=x}", "`=`"),
        ("${S:=x}", "`:=`"),
        ("${S^^}", "`^`"),
        ("${S//ww}", "second `/`"),
        ("${S//a\\-b/q}", "a\\-b"),
        ("${S//a\\-b/q}", "`\\-` is not an escape"),
        ("${S#x\\\\\\\\\\y}", "`\\y`"),
    ] {
        assert!(
            expand(text, &pairs).starts_with("error") && expand(text, &pairs).contains(told),
            "{text}: {}",
            expand(text, &pairs)
        );
    }
}

#[test]
fn words_are_cut_at_blanks_after_expansion_unless_quoted() {
    let env = env(&[("X", "a  b "), ("E", "")]);
    let cut = |text| words(text, &env, Escape::Backslash).unwrap();
    assert_eq!(cut("$X c"), ["a", "b", "c"]);
    assert_eq!(cut("\"$X\"c d\\ e"), ["a  b c", "d e"]);
    assert_eq!(cut("  $E \"\" "), [""; 0]);
    assert_eq!(cut("8000-$X"), ["8000-a", "b"]);
}

#[test]
fn documents_know_escapes_but_no_quotes() {
    let env = env(&[("X", "v")]);
    assert_eq!(document("it's \"$X\" \\$X a\\nb\n", &env).unwrap(), "it's \"v\" $X anb\n");
    assert_eq!(document("${Y:-'q'}", &env).unwrap(), "'q'");
}

#[test]
fn bombs_end_in_errors() {
    let big = "x".repeat(600_000);
    let pairs = [("BIG", big.as_str()), ("A", "a")];
    assert!(expand("$BIG$BIG", &pairs).contains("longer than"));
    assert!(expand(&"${U:+$BIG}".repeat(200), &pairs).contains("too much work"));
    assert!(expand("${BIG//x/$BIG}", &pairs).contains("longer than"));
    assert!(expand(&format!("${{BIG//{}y/z}}", "x".repeat(2000)), &pairs).contains("too much work"));
    assert!(expand(&format!("${{BIG//{}y/z}}", "*x".repeat(2000)), &pairs).contains("too much work"));
    let deep = |depth: usize| "${U:-".repeat(depth) + "x" + &"}".repeat(depth);
    assert_eq!(expand(&deep(MAXIMUM_DEPTH), &pairs), "x");
    assert!(expand(&deep(100_000), &pairs).contains("nested"));
}
