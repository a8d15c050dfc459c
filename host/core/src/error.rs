//! Errors in words.

use std::error::Error;

/// An error and its causes as one sentence; what a cause repeats is said once.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let part = cause.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Link {
        text: &'static str,
        source: Option<Box<Link>>,
    }

    fn link(text: &'static str, source: Option<Link>) -> Link {
        Link { text, source: source.map(Box::new) }
    }

    #[test]
    fn every_cause_is_named_once() {
        let error =
            link("cannot push", Some(link("cannot connect: refused", Some(link("refused", Some(link("errno 111", None)))))));
        assert_eq!(chain(&error), "cannot push: cannot connect: refused: errno 111");
    }
}
