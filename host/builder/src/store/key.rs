//! The key under which a step's outcome is found again.

use std::fmt;

/// The form of the fields; a change of what goes into a key, or of how, needs a new one.
const CONTEXT: &str = "windlass step key 1";

/// The digest of all that a step's outcome depends on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepKey([u8; 32]);

impl StepKey {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lower-case hexadecimal digits, as `Display` writes them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let key = Self(*blake3::Hash::from_hex(text).ok()?.as_bytes());
        (key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StepKey({self})")
    }
}

/// Collects the fields of a key. Names and values carry their lengths, so no two lists of fields give the same bytes.
#[derive(Debug, Clone)]
pub struct KeyBuilder {
    hasher: blake3::Hasher,
}

impl KeyBuilder {
    /// Starts the key of a step of that kind, such as `run` or `copy`.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        Self { hasher: blake3::Hasher::new_derive_key(CONTEXT) }.field("kind", kind)
    }

    /// Adds one field. The order of fields counts.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.add(name.as_bytes());
        self.add(value.as_ref());
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(self, name: &str, value: u64) -> Self {
        self.field(name, value.to_le_bytes())
    }

    /// Adds a list; its length is part of it.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(mut self, name: &str, values: impl IntoIterator<Item = T>) -> Self {
        let mut count = 0u64;
        for value in values {
            self = self.field(name, value);
            count += 1;
        }
        self.number(name, count)
    }

    /// The key of the fields so far.
    #[must_use]
    pub fn finish(&self) -> StepKey {
        StepKey(*self.hasher.finalize().as_bytes())
    }

    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }
}

impl TryFrom<String> for StepKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a step key is 64 hexadecimal digits")
    }
}

impl From<StepKey> for String {
    fn from(key: StepKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_run_together_give_other_keys() {
        let key = |a: &str, b: &str| KeyBuilder::new("x").field(a, b).finish();
        assert_ne!(key("a", "bc"), key("ab", "c"));
        assert_ne!(KeyBuilder::new("x").field("a", "").finish(), KeyBuilder::new("x").finish());
        assert_ne!(KeyBuilder::new("run").finish(), KeyBuilder::new("copy").finish());
        let list = |values: &[&str]| KeyBuilder::new("x").list("l", values).finish();
        assert_ne!(list(&[]), list(&[""]));
        assert_ne!(list(&["a", "b"]), list(&["ab"]));
    }

    #[test]
    fn a_key_is_read_back_from_its_text() {
        let key = KeyBuilder::new("x").number("n", 1).finish();
        assert_eq!(StepKey::parse(&key.to_string()), Some(key));
        assert_eq!(StepKey::parse(&key.to_string().to_uppercase()), None);
        assert_eq!(StepKey::parse("../../etc/passwd"), None);
    }
}
