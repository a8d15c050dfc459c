//! Collects the words of a text while it is expanded.

/// Words are cut at blanks that are neither quoted nor escaped; blanks that come out of a variable do cut.
#[derive(Debug, Default)]
pub(super) struct Words {
    done: Vec<String>,
    open: String,
}

impl Words {
    /// A character of the text itself or of a variable's value.
    pub(super) fn push(&mut self, character: char) {
        if !character.is_whitespace() {
            self.open.push(character);
        } else if !self.open.is_empty() {
            self.done.push(std::mem::take(&mut self.open));
        }
    }

    /// A character that is quoted or escaped.
    pub(super) fn push_literal(&mut self, text: &str) {
        self.open.push_str(text);
    }

    pub(super) fn finish(mut self) -> Vec<String> {
        if !self.open.is_empty() {
            self.done.push(self.open);
        }
        self.done
    }
}
