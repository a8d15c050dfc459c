//! Harness expressions, `<+…>`. Harness replaces them before a step runs; one that is still there was not replaced.

/// The first expression in `text`, its nested ones included.
pub(crate) fn first(text: &str) -> Option<&str> {
    let start = text.find("<+")?;
    let mut depth = 0_usize;
    for (at, character) in text[start..].char_indices() {
        match character {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&text[start..=start + at]);
        }
    }
    Some(&text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_found_with_what_is_nested_in_it() {
        assert_eq!(first("v.<+pipeline.sequenceId>-x"), Some("<+pipeline.sequenceId>"));
        assert_eq!(first("<+secrets.getValue(\"<+stage.name>\")>.y"), Some("<+secrets.getValue(\"<+stage.name>\")>"));
        assert_eq!(first("<+input"), Some("<+input"));
        assert_eq!(first("a<b>+c"), None);
    }
}
