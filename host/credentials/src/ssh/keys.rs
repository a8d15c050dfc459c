//! An agent that holds private keys.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use ssh_key::PrivateKey;
use ssh_key::private::{EcdsaKeypair, KeypairData};
use windlass_core::Secret;

use super::frame::{put_number, put_text, take_text, take_word};
use super::rsa::{self, Numbers};
use super::{REQUEST_IDENTITIES, serve};

const IDENTITIES_ANSWER: u8 = 12;
const SIGN_RESPONSE: u8 = 14;

/// Why a key cannot be held.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SshKeyError {
    problem: String,
    /// How to mend it.
    pub help: &'static str,
}

/// Keys, and their public halves as ssh names them.
pub struct KeyAgent {
    keys: Vec<Key>,
}

struct Key {
    public: Vec<u8>,
    comment: String,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(ring::rsa::KeyPair),
    Ecdsa { pair: EcdsaKeyPair, name: &'static str },
}

impl fmt::Debug for KeyAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyAgent({} keys)", self.keys.len())
    }
}

impl KeyAgent {
    /// An agent that holds these private keys, each the text of a file as `ssh-keygen` writes it.
    ///
    /// # Errors
    /// When one is no private key, is locked with a passphrase, or of a kind that cannot sign here.
    pub fn new<'k>(files: impl IntoIterator<Item = &'k Secret>) -> Result<Self, SshKeyError> {
        Ok(Self { keys: files.into_iter().map(|text| Key::read(text.expose())).collect::<Result<_, _>>()? })
    }

    /// Answers on one connection until its other side hangs up.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn serve(&self, connection: UnixStream) -> io::Result<()> {
        serve(connection, |message| Ok(self.answer(message)))
    }

    fn answer(&self, message: &[u8]) -> Option<Vec<u8>> {
        let (&kind, mut rest) = message.split_first()?;
        if kind == REQUEST_IDENTITIES {
            let mut out = vec![IDENTITIES_ANSWER];
            out.extend(u32::try_from(self.keys.len()).ok()?.to_be_bytes());
            for key in &self.keys {
                put_text(&mut out, &key.public);
                put_text(&mut out, key.comment.as_bytes());
            }
            return Some(out);
        }
        let (public, data, flags) = (take_text(&mut rest)?, take_text(&mut rest)?, take_word(&mut rest)?);
        let key = self.keys.iter().find(|key| key.public == public)?;
        let mut out = vec![SIGN_RESPONSE];
        put_text(&mut out, &key.pair.sign(data, flags)?);
        Some(out)
    }
}

impl Key {
    fn read(text: &str) -> Result<Self, SshKeyError> {
        let wrong = |problem: String, help| SshKeyError { problem, help };
        let key = PrivateKey::from_openssh(text.trim()).map_err(|error| {
            let problem = format!("it is not a private key in OpenSSH's format: {error}");
            wrong(problem, "bring the file into that format with `ssh-keygen -p -f FILE`")
        })?;
        if key.is_encrypted() {
            let problem = "the key is locked with a passphrase".to_owned();
            return Err(wrong(problem, "give the socket of an agent that has unlocked it, or a key without a passphrase"));
        }
        let pair = Pair::of(key.key_data())
            .map_err(|problem| wrong(problem, "give an Ed25519 key, RSA of 2048 bits or more, or ECDSA with P-256 or P-384"))?;
        let public = match &pair {
            Pair::Rsa(pair) => rsa::public(pair),
            Pair::Ed25519(_) | Pair::Ecdsa { .. } => {
                key.public_key().to_bytes().map_err(|error| wrong(error.to_string(), "make the key anew with ssh-keygen"))?
            }
        };
        Ok(Self { public, comment: key.comment().to_owned(), pair })
    }
}

impl Pair {
    fn of(data: &KeypairData) -> Result<Self, String> {
        let unusable = |error: ring::error::KeyRejected| format!("the key is not usable: {error}");
        match data {
            KeypairData::Ed25519(pair) => {
                let made = Ed25519KeyPair::from_seed_and_public_key(pair.private.as_ref(), pair.public.as_ref());
                made.map(Self::Ed25519).map_err(unusable)
            }
            KeypairData::Rsa(pair) => {
                let number = |number: &ssh_key::Mpint| number.as_positive_bytes().map(<[u8]>::to_vec).unwrap_or_default();
                let (n, e) = (number(&pair.public.n), number(&pair.public.e));
                let secret = |value: &ssh_key::Mpint| zeroize::Zeroizing::new(number(value));
                let (d, p, q, inverse) =
                    (secret(&pair.private.d), secret(&pair.private.p), secret(&pair.private.q), secret(&pair.private.iqmp));
                rsa::key(&Numbers { n: &n, e: &e, d: &d, p: &p, q: &q, inverse: &inverse }).map(Self::Rsa)
            }
            KeypairData::Ecdsa(pair) => {
                let (name, algorithm) = match pair {
                    EcdsaKeypair::NistP256 { .. } => ("ecdsa-sha2-nistp256", &ECDSA_P256_SHA256_FIXED_SIGNING),
                    EcdsaKeypair::NistP384 { .. } => ("ecdsa-sha2-nistp384", &ECDSA_P384_SHA384_FIXED_SIGNING),
                    EcdsaKeypair::NistP521 { .. } => return Err("ECDSA with P-521 cannot sign here".to_owned()),
                };
                let public = ssh_key::public::EcdsaPublicKey::from(pair);
                let made = EcdsaKeyPair::from_private_key_and_public_key(
                    algorithm,
                    pair.private_key_bytes(),
                    public.as_sec1_bytes(),
                    &SystemRandom::new(),
                );
                made.map(|pair| Self::Ecdsa { pair, name }).map_err(unusable)
            }
            _ => Err("keys of this kind cannot sign here".to_owned()),
        }
    }

    /// The signature as ssh sends it.
    fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::Rsa(pair) => return rsa::sign(pair, data, flags),
            Self::Ed25519(pair) => {
                put_text(&mut out, b"ssh-ed25519");
                put_text(&mut out, pair.sign(data).as_ref());
            }
            Self::Ecdsa { pair, name } => {
                let signature = pair.sign(&SystemRandom::new(), data).ok()?;
                let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
                let mut numbers = Vec::new();
                put_number(&mut numbers, r);
                put_number(&mut numbers, s);
                put_text(&mut out, name.as_bytes());
                put_text(&mut out, &numbers);
            }
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_with_advice_and_without_its_text() {
        let error = KeyAgent::new([&Secret::new("canary-text")]).unwrap_err();
        assert!(!error.to_string().contains("canary") && error.help.contains("ssh-keygen"), "{error}");
    }
}
