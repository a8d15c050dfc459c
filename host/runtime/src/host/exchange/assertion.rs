//! Signed assertions: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515, section 7.1.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value, json};
use windlass_core::Secret;

use crate::bindings::host::exchange::{ExchangeError as Wit, SignatureAlgorithm};

/// The longest time that an assertion is valid, in seconds.
const LONGEST: u32 = 3600;

/// Signs claims, to which `iat` and `exp` are added.
pub(super) fn sign(
    algorithm: &SignatureAlgorithm,
    key: &Secret,
    key_id: Option<Value>,
    mut claims: Map<String, Value>,
    lifetime: u32,
) -> Result<Secret, Wit> {
    if lifetime == 0 || lifetime > LONGEST {
        return Err(Wit::Invalid(format!("a lifetime of {lifetime} seconds; expected 1 to {LONGEST}")));
    }
    let name = match algorithm {
        SignatureAlgorithm::Rs256 => "RS256",
        SignatureAlgorithm::Es256 => "ES256",
        SignatureAlgorithm::Hs256 => "HS256",
        SignatureAlgorithm::Other(name) => {
            return Err(Wit::Invalid(format!("this host does not know the signature algorithm `{name}`")));
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    claims.insert("iat".to_owned(), now.into());
    claims.insert("exp".to_owned(), (now + u64::from(lifetime)).into());
    let mut header = json!({ "alg": name, "typ": "JWT" });
    if let Some(key_id) = key_id {
        header["kid"] = key_id;
    }
    let encode = |json: String| URL_SAFE_NO_PAD.encode(json);
    let message = format!("{}.{}", encode(header.to_string()), encode(Value::Object(claims).to_string()));
    let signature = signature(algorithm, key, message.as_bytes())?;
    Ok(Secret::new(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn signature(algorithm: &SignatureAlgorithm, key: &Secret, message: &[u8]) -> Result<Vec<u8>, Wit> {
    let random = SystemRandom::new();
    let unusable = |what: &str| Wit::Invalid(format!("the key is no {what} in PEM"));
    let pkcs8 = |what: &str| PrivatePkcs8KeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| unusable(what));
    match algorithm {
        SignatureAlgorithm::Rs256 => {
            let what = "PKCS #8 RSA key of 2048 bits or more";
            let pair = RsaKeyPair::from_pkcs8(pkcs8(what)?.secret_pkcs8_der()).map_err(|_| unusable(what))?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| unusable(what))?;
            Ok(signature)
        }
        SignatureAlgorithm::Es256 => {
            let what = "PKCS #8 P-256 key";
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8(what)?.secret_pkcs8_der(), &random)
                .map_err(|_| unusable(what))?;
            Ok(pair.sign(&random, message).map_err(|_| unusable(what))?.as_ref().to_vec())
        }
        SignatureAlgorithm::Hs256 | SignatureAlgorithm::Other(_) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
            Ok(hmac::sign(&key, message).as_ref().to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, KeyPair, UnparsedPublicKey};

    use super::*;

    fn claims() -> Map<String, Value> {
        Map::from_iter([("iss".to_owned(), json!("me@example.com"))])
    }

    #[test]
    fn an_es256_assertion_is_verified_by_its_public_key() {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            base64::engine::general_purpose::STANDARD.encode(der.as_ref())
        );
        let token = sign(&SignatureAlgorithm::Es256, &Secret::new(pem), Some(json!("k1")), claims(), 60).unwrap();
        let (message, signature) = token.expose().rsplit_once('.').unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
            .verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        let payload: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(message.split_once('.').unwrap().1).unwrap()).unwrap();
        assert_eq!(payload["iss"], "me@example.com");
        assert_eq!(payload["exp"].as_u64().unwrap() - payload["iat"].as_u64().unwrap(), 60);
    }

    #[test]
    fn a_key_that_does_not_fit_and_a_long_lifetime_are_named() {
        let error = sign(&SignatureAlgorithm::Rs256, &Secret::new("canary"), None, claims(), 60).unwrap_err();
        assert!(matches!(&error, Wit::Invalid(why) if why.contains("RSA") && !why.contains("canary")), "{error:?}");
        assert!(sign(&SignatureAlgorithm::Hs256, &Secret::new("k"), None, claims(), 3601).is_err());
    }
}
