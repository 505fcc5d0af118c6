//! Public keys as JSON Web Keys (RFC 7517), and their thumbprints (RFC 7638).

use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::der::Decode as _;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;

use super::{base64, ec, rsa as keys, sha256};

/// The members that a key has to have and no others, in the order and form that a thumbprint is made of. They are base64url, so that
/// nothing of them needs an escape.
pub struct Jwk(String);

impl Jwk {
    /// Of a key on P-256.
    pub fn of_ec(key: &ec::PublicKey) -> Self {
        let (x, y) = key.coordinates();
        let [x, y] = [x, y].map(base64::encode_url);
        Self(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
    }

    /// Of an RSA key. `None`: its DER does not read, which no key that was loaded has.
    pub fn of_rsa(key: &keys::PublicKey) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::from_der(key.spki_der()).ok()?;
        let numbers = RsaPublicKeyRef::from_der(spki.subject_public_key.as_bytes()?).ok()?;
        let [e, n] =
            [numbers.public_exponent, numbers.modulus].map(|number| base64::encode_url(number.as_bytes()));
        Some(Self(format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)))
    }

    /// Its JSON.
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// Base64url of the SHA-256 of its JSON.
    pub fn thumbprint(&self) -> String {
        base64::encode_url(&sha256(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers are jwcrypto's, and the one of RFC 7638 3.1.
    #[test]
    fn thumbprints_are_those_of_another_library_and_of_the_rfc() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/esignet.json")).unwrap();
        let cases = file["thumbprints"].as_array().unwrap();
        assert!(cases.len() > 3);
        for case in cases {
            let number = |name: &str| {
                base64::decode_url_strict(case["jwk"][name].as_str().unwrap().as_bytes()).unwrap()
            };
            let jwk = match case["jwk"]["kty"].as_str() {
                Some("EC") => {
                    Jwk::of_ec(&ec::PublicKey::from_coordinates(&number("x"), &number("y")).unwrap())
                }
                _ => {
                    let [n, e] = ["n", "e"].map(|name| rsa::BoxedUint::from_be_slice_vartime(&number(name)));
                    let key = rsa::PublicKey::new(n, e).unwrap();
                    let spki = rsa::pkcs8::EncodePublicKey::to_public_key_der(&key).unwrap();
                    Jwk::of_rsa(&keys::PublicKey::from_spki_der(spki.as_bytes()).unwrap()).unwrap()
                }
            };
            assert_eq!(jwk.thumbprint(), case["thumbprint"].as_str().unwrap());
        }
    }
}
