//! Sums over a stream of bytes.

use sha2::{Digest as _, Sha256, Sha512};
use windlass_core::Digest;

/// A running SHA-256 or SHA-512 sum.
#[derive(Debug, Clone)]
pub(crate) enum Checksum {
    Sha256(Sha256),
    Sha512(Sha512),
}

impl Checksum {
    /// A SHA-256 sum of nothing yet.
    pub(crate) fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    /// A sum of nothing yet, by the algorithm of `digest`.
    pub(crate) fn like(digest: &Digest) -> Self {
        if digest.algorithm() == "sha512" { Self::Sha512(Sha512::new()) } else { Self::sha256() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Digest {
        match self {
            Self::Sha256(sum) => Digest::from_sha256(sum.finalize().into()),
            Self::Sha512(sum) => {
                let hex: String = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                Digest::parse(&format!("sha512:{hex}")).expect("a SHA-512 sum has 128 lower-case digits")
            }
        }
    }

    /// The sum of `bytes`, by the algorithm of `digest`.
    pub(crate) fn of(bytes: &[u8], digest: &Digest) -> Digest {
        let mut sum = Self::like(digest);
        sum.update(bytes);
        sum.finish()
    }
}

/// The SHA-256 digest of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut sum = Checksum::sha256();
    sum.update(bytes);
    sum.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_give_the_published_sums_of_nothing() {
        assert_eq!(sha256(b"").hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let long = Digest::parse(&format!("sha512:{}", "0".repeat(128))).unwrap();
        assert!(Checksum::of(b"", &long).hex().starts_with("cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"));
    }
}
