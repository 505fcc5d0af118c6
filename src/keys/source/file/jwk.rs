//! JSON Web Keys and sets of them (RFC 7517, 7518 6.2 and 6.3): how eSignet hands out `esignet-jwk.txt`.

use rsa::BoxedUint;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::LoadError;
use super::contents::{Contents, Kind};
use super::numbers::{NUMBERS, check_private, check_public, significant};
use crate::crypto::{base64, ec};
use crate::json::{Object, Text};

/// Members of RSA and of EC keys, borrowed where they can be, so that no copy of a private one is left behind. The CRT members are made again, not
/// believed. A member that is null counts as absent: writers with empty fields are common.
#[derive(Deserialize)]
struct Jwk<'a> {
    #[serde(borrow)]
    kty: Option<Text<'a>>,
    #[serde(rename = "use", borrow)]
    purpose: Option<Text<'a>>,
    #[serde(borrow)]
    n: Option<Text<'a>>,
    #[serde(borrow)]
    e: Option<Text<'a>>,
    #[serde(borrow)]
    d: Option<Text<'a>>,
    #[serde(borrow)]
    p: Option<Text<'a>>,
    #[serde(borrow)]
    q: Option<Text<'a>>,
    #[serde(borrow)]
    crv: Option<Text<'a>>,
    #[serde(borrow)]
    x: Option<Text<'a>>,
    #[serde(borrow)]
    y: Option<Text<'a>>,
    #[serde(borrow)]
    x5c: Option<Vec<Text<'a>>>,
}

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Option<Vec<&'a RawValue>>,
}

/// Adds the keys of a JWK or a set: a private one where `d` is there, else a public one. Keys of a set that are for encryption come
/// after the others, since of several keys the first one is used. Each is read by itself: an odd one does not spoil the others.
pub(super) fn read(json: &[u8], contents: &mut Contents) {
    let Ok(json) = std::str::from_utf8(json) else {
        return contents.refuse(Kind::Container, LoadError::Damaged("not JSON throughout"));
    };
    let set = serde_json::from_str::<JwkSet<'_>>(json).ok().and_then(|set| set.keys);
    let members = set.map_or_else(|| vec![json], |keys| keys.into_iter().map(RawValue::get).collect());
    if members.is_empty() {
        contents.refuse(Kind::Container, LoadError::NoKeyMaterial("a JWK set without keys"));
    }
    let mut keys = Vec::new();
    for member in members {
        match serde_json::from_str::<Object<Jwk<'_>>>(member) {
            Ok(Object(key)) => keys.push(key),
            Err(error) => contents.refuse(Kind::Container, refusal(&error)),
        }
    }
    keys.sort_by_key(|key| key.purpose.as_deref() == Some("enc"));
    for key in &keys {
        add(key, contents);
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
    match jwk.kty.as_deref() {
        Some("RSA") => {}
        Some("EC") if jwk.d.is_some() && jwk.crv.as_deref() == Some("P-256") => {
            return match on_p256(jwk) {
                Ok(key) => contents.add_ec(Ok(key)),
                Err(error) => contents.refuse(kind, error),
            };
        }
        Some(kty) => {
            let kty = kty.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            return contents.refuse(kind, LoadError::NotRsa(kty));
        }
        None => return contents.refuse(kind, LoadError::NotJwk),
    }
    for certificate in jwk.x5c.iter().flatten() {
        match base64::decode(certificate.as_bytes()) {
            Ok(der) => contents.add_certificate(&der),
            Err(_) => {
                contents.refuse(Kind::Public, LoadError::Damaged("x5c of the JSON Web Key is not base64"))
            }
        }
    }
    if jwk.d.is_some() {
        contents.add_private(|| private(jwk));
        return;
    }
    match public(jwk) {
        Ok(key) => contents.add_public(&key),
        Err(error) => contents.refuse(kind, error),
    }
}

fn on_p256(jwk: &Jwk<'_>) -> Result<ec::PrivateKey, LoadError> {
    let (d, x, y) = (member(jwk.d.as_ref())?, member(jwk.x.as_ref())?, member(jwk.y.as_ref())?);
    ec::PrivateKey::from_numbers(&d, &x, &y).map_err(|_| LoadError::BadEcKey)
}

fn public(jwk: &Jwk<'_>) -> Result<rsa::PublicKey, LoadError> {
    let (n, e) = (member(jwk.n.as_ref())?, member(jwk.e.as_ref())?);
    check_public(&n, &e)?;
    rsa::PublicKey::new(number(&n, &n)?, BoxedUint::from_be_slice_vartime(significant(&e)))
        .map_err(|_| NUMBERS)
}

/// Where the primes are not there, they are found again.
fn private(jwk: &Jwk<'_>) -> Result<rsa::PrivateKey, LoadError> {
    let (n, e, d) = (member(jwk.n.as_ref())?, member(jwk.e.as_ref())?, member(jwk.d.as_ref())?);
    let primes = match (&jwk.p, &jwk.q) {
        (None, None) => Vec::new(),
        (p, q) => vec![member(p.as_ref())?, member(q.as_ref())?],
    };
    let octets: Vec<&[u8]> = primes.iter().map(|prime| prime.as_slice()).collect();
    check_private(&n, &e, &d, &octets)?;
    let primes = octets.iter().map(|prime| number(prime, &n)).collect::<Result<_, _>>()?;
    let e = BoxedUint::from_be_slice_vartime(significant(&e));
    rsa::PrivateKey::from_components(number(&n, &n)?, e, number(&d, &n)?, primes).map_err(|_| NUMBERS)
}

/// `octets` as a number with the precision of the modulus `n`.
fn number(octets: &[u8], n: &[u8]) -> Result<BoxedUint, LoadError> {
    let precision = u32::try_from(significant(n).len() * 8).map_err(|_| NUMBERS)?;
    BoxedUint::from_be_slice(significant(octets), precision).map_err(|_| NUMBERS)
}

fn member(text: Option<&Text<'_>>) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let text = text.ok_or(LoadError::BadKey("a member of the JSON Web Key is missing"))?;
    let bytes = base64::decode(text.as_bytes())
        .map_err(|_| LoadError::Damaged("a member of the JSON Web Key is not base64"))?;
    Ok(Zeroizing::new(bytes))
}
