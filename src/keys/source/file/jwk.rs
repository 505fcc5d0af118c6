//! JSON Web Keys and sets of them (RFC 7517, 7518 6.3): how eSignet hands out `esignet-jwk.txt`.

use std::borrow::Cow;

use rsa::BoxedUint;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::LoadError;
use super::contents::{Contents, Kind, NUMBERS, of_size};
use crate::crypto::base64;
use crate::crypto::rsa::bits;

/// RSA members, borrowed, so that no copy of a private one is left behind. The CRT members are made anew, not believed.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: Cow<'a, str>,
    #[serde(rename = "use", borrow)]
    purpose: Option<Cow<'a, str>>,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
    #[serde(borrow, default)]
    x5c: Vec<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<Jwk<'a>>,
}

/// Adds the keys of a JWK or a set: a private one where `d` is there, else a public one. Keys of a set that are for encryption come
/// after the others, since of several keys the first one is used.
pub(super) fn read(json: &[u8], contents: &mut Contents) {
    let mut keys = match serde_json::from_slice::<JwkSet<'_>>(json).map(|set| set.keys) {
        Ok(keys) => keys,
        Err(_) => match serde_json::from_slice(json) {
            Ok(key) => vec![key],
            Err(error) => return contents.refuse(Kind::Container, refusal(&error)),
        },
    };
    keys.sort_by_key(|key| key.purpose.as_deref() == Some("enc"));
    for key in &keys {
        add(key, contents);
    }
    if keys.is_empty() {
        contents.refuse(Kind::Container, LoadError::NoKeyMaterial("a JWK set without keys"));
    }
}

fn refusal(error: &serde_json::Error) -> LoadError {
    match error.classify() {
        serde_json::error::Category::Eof => LoadError::Truncated,
        serde_json::error::Category::Data => LoadError::NotJwk,
        _ => LoadError::Damaged("not JSON throughout"),
    }
}

fn add(jwk: &Jwk<'_>, contents: &mut Contents) {
    let kind = if jwk.d.is_some() { Kind::Key } else { Kind::Container };
    if jwk.kty != "RSA" {
        let kty = jwk.kty.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
        return contents.refuse(kind, LoadError::NotRsa(kty));
    }
    for certificate in &jwk.x5c {
        match base64::decode(certificate.as_bytes()) {
            Ok(der) => contents.add_certificate(&der),
            Err(_) => {
                contents.refuse(Kind::Public, LoadError::Damaged("x5c of the JSON Web Key is not base64"))
            }
        }
    }
    match Numbers::of(jwk) {
        Ok(Numbers { n, e, secrets: None }) => match rsa::PublicKey::new(n, e) {
            Ok(key) => contents.add_public(&key),
            Err(_) => contents.refuse(Kind::Public, NUMBERS),
        },
        Ok(Numbers { n, e, secrets: Some((d, primes)) }) => {
            contents.add_private(rsa::PrivateKey::from_components(n, e, d, primes).map_err(|_| NUMBERS));
        }
        Err(error) => contents.refuse(kind, error),
    }
}

struct Numbers {
    n: BoxedUint,
    e: BoxedUint,
    /// `d`, and `p` and `q` where they are there; else they are found anew.
    secrets: Option<(BoxedUint, Vec<BoxedUint>)>,
}

impl Numbers {
    fn of(jwk: &Jwk<'_>) -> Result<Self, LoadError> {
        let modulus = member(jwk.n)?;
        let significant = modulus.get(modulus.iter().take_while(|byte| **byte == 0).count()..).and_then(bits);
        if let Some(refused) = significant.and_then(of_size) {
            return Err(refused);
        }
        let precision = u32::try_from(modulus.len() * 8).map_err(|_| NUMBERS)?;
        let number = |text| BoxedUint::from_be_slice(&member(text)?, precision).map_err(|_| NUMBERS);
        let (n, e) = (number(jwk.n)?, BoxedUint::from_be_slice_vartime(&member(jwk.e)?));
        let secrets = match (jwk.d, jwk.p, jwk.q) {
            (None, _, _) => None,
            (d, None, None) => Some((number(d)?, Vec::new())),
            (d, p, q) => Some((number(d)?, vec![number(p)?, number(q)?])),
        };
        Ok(Self { n, e, secrets })
    }
}

fn member(text: Option<&str>) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let text = text.ok_or(LoadError::BadKey("a member of the JSON Web Key is missing"))?;
    let bytes = base64::decode(text.as_bytes())
        .map_err(|_| LoadError::Damaged("a member of the JSON Web Key is not base64"))?;
    Ok(Zeroizing::new(bytes))
}
