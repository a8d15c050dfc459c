//! RSA keys: what OpenSSH leaves out of them, and signatures.

use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use zeroize::Zeroizing;

use super::frame::{put_number, put_text};

/// Flag of a request for a signature with SHA-512; the other one, for SHA-256, is 2.
const WANTS_SHA512: u32 = 4;

/// The numbers of a key as OpenSSH keeps them, big-endian.
pub(super) struct Numbers<'k> {
    pub(super) n: &'k [u8],
    pub(super) e: &'k [u8],
    pub(super) d: &'k [u8],
    pub(super) p: &'k [u8],
    pub(super) q: &'k [u8],
    /// The inverse of `q` modulo `p`.
    pub(super) inverse: &'k [u8],
}

/// A key that can sign.
pub(super) fn key(numbers: &Numbers<'_>) -> Result<KeyPair, String> {
    let exponent = |prime: &[u8]| {
        let mut less = Zeroizing::new(prime.to_vec());
        // A prime above 2 is odd: taking one off changes its last bit only.
        if let Some(last) = less.last_mut() {
            *last &= !1;
        }
        Zeroizing::new(remainder(numbers.d, &less))
    };
    let (dp, dq) = (exponent(numbers.p), exponent(numbers.q));
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n: numbers.n, e: numbers.e },
        d: numbers.d,
        p: numbers.p,
        q: numbers.q,
        dP: &dp[..],
        dQ: &dq[..],
        qInv: numbers.inverse,
    };
    KeyPair::from_components(&components).map_err(|error| format!("the RSA key is not usable: {error}"))
}

/// The public key as ssh sends it (RFC 4253, section 6.6).
pub(super) fn public(key: &KeyPair) -> Vec<u8> {
    let numbers = PublicKeyComponents::<Vec<u8>>::from(key.public());
    let mut blob = Vec::new();
    put_text(&mut blob, b"ssh-rsa");
    put_number(&mut blob, &numbers.e);
    put_number(&mut blob, &numbers.n);
    blob
}

/// A signature (RFC 8332). The old one with SHA-1 is not made: no current server takes it.
pub(super) fn sign(key: &KeyPair, data: &[u8], flags: u32) -> Option<Vec<u8>> {
    let (name, encoding) =
        if flags & WANTS_SHA512 != 0 { ("rsa-sha2-512", &RSA_PKCS1_SHA512) } else { ("rsa-sha2-256", &RSA_PKCS1_SHA256) };
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(encoding, &SystemRandom::new(), data, &mut signature).ok()?;
    let mut blob = Vec::new();
    put_text(&mut blob, name.as_bytes());
    put_text(&mut blob, &signature);
    Some(blob)
}

/// `number` modulo `modulus`, both big-endian, without leading zeros: long division, bit by bit.
fn remainder(number: &[u8], modulus: &[u8]) -> Vec<u8> {
    let first = modulus.iter().position(|byte| *byte != 0).unwrap_or(modulus.len());
    let modulus = &modulus[first..];
    // One byte more, for the bit that doubling may push out.
    let mut rest = Zeroizing::new(vec![0u8; modulus.len() + 1]);
    for bit in (0..number.len() * 8).map(|index| number[index / 8] >> (7 - index % 8) & 1) {
        let mut carry = bit;
        for byte in rest.iter_mut().rev() {
            (*byte, carry) = (*byte << 1 | carry, *byte >> 7);
        }
        if rest[0] != 0 || &rest[1..] >= modulus {
            subtract(&mut rest, modulus);
        }
    }
    let first = rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len());
    rest[first..].to_vec()
}

/// Takes `small` off `large`, which is not below it and one byte longer.
fn subtract(large: &mut [u8], small: &[u8]) {
    let mut borrow = false;
    for (index, byte) in large.iter_mut().enumerate().rev() {
        let less = index.checked_sub(1).map_or(0, |index| small[index]);
        let (difference, first) = byte.overflowing_sub(less);
        let (difference, second) = difference.overflowing_sub(u8::from(borrow));
        *byte = difference;
        borrow = first || second;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_are_those_of_arithmetic() {
        for (number, modulus) in [(1_000_003u64, 997u64), (0, 5), (4, 5), (5, 5), (u64::MAX, 3), (u64::MAX, 0xffff_ffff_0000)] {
            let expected = (number % modulus).to_be_bytes();
            let first = expected.iter().position(|byte| *byte != 0).unwrap_or(8);
            assert_eq!(remainder(&number.to_be_bytes(), &modulus.to_be_bytes()), expected[first..], "{number} mod {modulus}");
        }
    }
}
