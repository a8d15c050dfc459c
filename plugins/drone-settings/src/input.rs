//! What was given: values by variable, each with the name that the user wrote.

/// One variable that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The variable it counts as, such as `PLUGIN_REPO`.
    pub variable: String,
    /// The name as the user wrote it: the variable itself, or a field such as `spec.imageName`.
    pub origin: String,
    /// Its precedence: a lower one comes first, whatever the variable's names are.
    pub rank: u8,
    /// Its value.
    pub given: Given,
}

/// A value as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// One text, not yet taken apart.
    Text(String),
    /// A list that was written as a list.
    Texts(Vec<String>),
    /// A map that was written as a map.
    Pairs(Vec<(String, String)>),
    /// A value that only the host can read.
    Secret,
    /// A value that the host does not give, since no dialect knows the name.
    Hidden,
}

impl Input {
    /// A variable that was given under its own name.
    #[must_use]
    pub fn variable(name: &str, given: Given) -> Self {
        Self { variable: name.to_owned(), origin: name.to_owned(), rank: 0, given }
    }

    /// Whether nothing stands in it, which counts as not given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.given {
            Given::Text(text) => text.trim().is_empty(),
            Given::Texts(texts) => texts.is_empty(),
            Given::Pairs(pairs) => pairs.is_empty(),
            Given::Secret | Given::Hidden => false,
        }
    }
}
