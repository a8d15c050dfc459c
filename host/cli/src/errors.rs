//! Findings as text: one line for a log, or with the source line underlined.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use windlass_core::{Finding, Place, Severity};

use crate::progress::clean;

/// A finding on one line.
pub(crate) fn one_line(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Deny => "error",
        Severity::Warn => "warning",
        Severity::Inform => "note",
    };
    let help = finding.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
    clean(&format!("{level}: {finding}{help}").replace('\n', " ")).into_owned()
}

/// A finding with the line of the file it is about, where that file can be read.
pub(crate) fn in_full(finding: &Finding, colour: bool) -> String {
    let source = finding.place.as_ref().and_then(|place| Some((place, std::fs::read_to_string(&place.file).ok()?)));
    match source {
        Some((place, source)) if place.line > 0 => snippet(finding, place, &source, colour),
        _ => {
            let mut text = String::new();
            for (index, line) in one_line(&Finding { help: None, ..finding.clone() }).lines().enumerate() {
                let _ = writeln!(text, "{}{line}", if index == 0 { "" } else { "  " });
            }
            if let Some(help) = &finding.help {
                let _ = writeln!(text, "  help: {}", clean(help));
            }
            text
        }
    }
}

fn snippet(finding: &Finding, place: &Place, source: &str, colour: bool) -> String {
    let level = match finding.severity {
        Severity::Deny => Level::ERROR,
        Severity::Warn => Level::WARNING,
        Severity::Inform => Level::NOTE,
    };
    let Some(span) = byte_range(place, source) else {
        // An empty file has no line to underline.
        let message = format!("{}: {}", place.file, finding.message);
        return in_full(&Finding { place: None, message, ..finding.clone() }, colour);
    };
    let message = clean(&finding.message.replace('\n', " ")).into_owned();
    let shown = clip(source, &span);
    let (text, path, help) = (without_c1(shown.text), clean(&place.file), finding.help.as_deref().map(clean));
    let group = level.primary_title(&message).element(
        Snippet::source(text.as_str())
            .path(&*path)
            .line_start(shown.first_line)
            .annotation(AnnotationKind::Primary.span(shown.span)),
    );
    let group = match &help {
        Some(help) => group.element(Level::HELP.message(&**help)),
        None => group,
    };
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group]) + "\n"
}

/// The renderer shows other control characters as pictures, but leaves those that are two bytes in UTF-8, one of which begins an
/// escape sequence. What stands for them has two bytes as well: places stay where they are.
fn without_c1(text: &str) -> String {
    text.chars().map(|c| if ('\u{80}'..='\u{9f}').contains(&c) { '·' } else { c }).collect()
}

struct Clip<'a> {
    text: &'a str,
    first_line: usize,
    span: std::ops::Range<usize>,
}

/// How much of a line is shown from the place on, in bytes.
const SHOWN: usize = 1000;

/// The lines around the place only, and no more of a long one than anybody looks at: a file of a megabyte must not be rendered whole.
fn clip<'a>(source: &'a str, span: &std::ops::Range<usize>) -> Clip<'a> {
    let start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = source[span.end..].find('\n').map_or(source.len(), |at| span.end + at);
    let end = source.floor_char_boundary(end.min(span.start + SHOWN));
    let first_line = source[..start].bytes().filter(|&b| b == b'\n').count() + 1;
    Clip { text: &source[start..end], first_line, span: span.start - start..span.end.min(end) - start }
}

fn byte_range(place: &Place, source: &str) -> Option<std::ops::Range<usize>> {
    let mut offset = 0;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        if index + 1 == place.line as usize {
            let text = line.trim_end_matches(['\n', '\r']);
            let at = |column: usize| text.char_indices().nth(column).map_or(text.len(), |(at, _)| at);
            let start = at((place.column as usize).saturating_sub(1));
            let end = if place.column == 0 || place.length == 0 {
                text.len()
            } else {
                at(place.column as usize - 1 + place.length as usize)
            };
            return Some(offset + start..offset + end.max(start));
        }
        offset += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_line_is_underlined() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("Dockerfile");
        std::fs::write(&file, "FROM x\nRUNN make\n").unwrap();
        let place = Place { file: file.display().to_string(), line: 2, column: 1, length: 4 };
        let finding = Finding::deny("dockerfile/unknown", "unknown instruction RUNN").at(place).help("did you mean RUN?");
        let text = in_full(&finding, false);
        assert!(text.contains("RUNN make") && text.contains("^^^^") && text.contains("did you mean RUN?"), "{text}");
    }

    /// CVE-2021-25743 of kubectl and its kin: escape sequences of a file that is shown, here in their 8-bit form.
    #[test]
    fn control_characters_of_the_source_line_are_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("Dockerfile");
        std::fs::write(&file, "FROM x\nRUNN \u{9b}31m\u{1b}[2J\u{202e}x\n").unwrap();
        let place = Place { file: file.display().to_string(), line: 2, column: 1, length: 4 };
        let text = in_full(&Finding::deny("x", "m").at(place).help("h\u{9b}"), false);
        let unfit = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(text.contains("RUNN") && !text.contains(unfit), "{text:?}");
    }

    #[test]
    fn a_long_line_is_not_shown_whole() {
        let source = format!("FROM x\n{}é{}\nRUN x\n", "a".repeat(SHOWN - 1), "b".repeat(5000));
        let whole = byte_range(&Place { line: 2, ..Place::default() }, &source).unwrap();
        let shown = clip(&source, &whole);
        assert_eq!((shown.text, shown.first_line, shown.span), ("a".repeat(SHOWN - 1).as_str(), 2, 0..SHOWN - 1));
        let last = byte_range(&Place { line: 2, column: 6000, length: 1, ..Place::default() }, &source).unwrap();
        assert_eq!(clip(&source, &last).span, 6000..6001, "places stay where they are");
    }

    #[test]
    fn a_finding_without_a_readable_file_is_plain_text() {
        let finding = Finding::deny("x", "no \u{1b}[31mregion").help("set `region`");
        assert_eq!(in_full(&finding, false), "error: no region\n  help: set `region`\n");
    }
}
