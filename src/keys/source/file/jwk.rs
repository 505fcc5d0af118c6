//! JSON Web Keys (RFC 7517, 7518 6.3), bare or in base64: how eSignet hands out `esignet-jwk.txt`.

use rsa::BoxedUint;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::LoadError;
use super::contents::Contents;
use crate::crypto::base64;

/// RSA members, borrowed, so that no copy of a private one is left behind. The CRT members are made anew, not believed.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    n: Option<&'a str>,
    e: Option<&'a str>,
    d: Option<&'a str>,
    p: Option<&'a str>,
    q: Option<&'a str>,
}

/// The JSON text where `bytes` are a JSON object or the base64 of one.
pub(super) fn json(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let is_object = |text: &[u8]| text.trim_ascii_start().first() == Some(&b'{');
    if is_object(bytes) {
        return Some(Zeroizing::new(bytes.to_vec()));
    }
    let mut characters = Zeroizing::new(Vec::with_capacity(bytes.len()));
    characters.extend(bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
    base64::decode(&characters).ok().map(Zeroizing::new).filter(|text| is_object(text))
}

/// The key of a JWK: a private one where `d` is there, else a public one.
pub(super) fn read(json: &[u8], contents: &mut Contents) -> Result<(), LoadError> {
    let jwk: Jwk<'_> = serde_json::from_slice(json).map_err(|error| {
        if error.is_eof() { LoadError::Truncated } else { LoadError::Damaged("not a JSON Web Key") }
    })?;
    if jwk.kty != "RSA" {
        return Err(LoadError::NotRsa(
            jwk.kty.chars().filter(char::is_ascii_alphanumeric).take(16).collect(),
        ));
    }
    let modulus = member(jwk.n)?;
    let bits = u32::try_from(modulus.len() * 8).map_err(|_| NUMBERS)?;
    let number = |text| BoxedUint::from_be_slice(&member(text)?, bits).map_err(|_| NUMBERS);
    let (n, e) = (number(jwk.n)?, BoxedUint::from_be_slice_vartime(&member(jwk.e)?));
    if jwk.d.is_none() {
        return contents.add_public(&rsa::PublicKey::new(n, e).map_err(|_| NUMBERS)?);
    }
    let primes = vec![number(jwk.p)?, number(jwk.q)?];
    let key = rsa::PrivateKey::from_components(n, e, number(jwk.d)?, primes).map_err(|_| NUMBERS)?;
    contents.keys.push(key);
    Ok(())
}

const NUMBERS: LoadError = LoadError::BadKey("its numbers do not fit together");

fn member(text: Option<&str>) -> Result<Zeroizing<Vec<u8>>, LoadError> {
    let text = text.ok_or(LoadError::Damaged("a member of the JSON Web Key is missing"))?;
    let bytes = base64::decode(text.as_bytes())
        .map_err(|_| LoadError::Damaged("a member of the JSON Web Key is not base64"))?;
    Ok(Zeroizing::new(bytes))
}
