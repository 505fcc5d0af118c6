//! The userinfo (OpenID Connect Core 5.3): the claims of a person as a JWS, which may be sealed to us.

use http::{HeaderMap, StatusCode, header};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Challenge, ESIGNET, Subject, printable, unbelieved};
use crate::clock::Timestamp;
use crate::crypto::jwe::Jwe;
use crate::error::{Code, Error, Result};
use crate::keys::settings::UnknownThumbprint;
use crate::keys::{Ring, Thumbprint};
use crate::mosip::envelope::open_jwe_with_ring;
use crate::mosip::jwks::{Denied, Jwks};
use crate::mosip::jwt::{Audience, Claims, Refusal};
use crate::mosip::{Evidence, Verified};
use crate::refusal;

const SETTING: &str = "esignet.userinfo_url";

/// Largest sealed userinfo once it is inflated, bytes. A photograph stays far below it.
const MAX_INFLATED: usize = 8 << 20;

/// What eSignet says of a person. No `Debug`.
pub struct UserInfo {
    claims: Box<RawValue>,
    token: Zeroizing<String>,
}

impl UserInfo {
    /// The claims as they were signed: a JSON object in which no name stands twice.
    pub fn claims(&self) -> &RawValue {
        &self.claims
    }

    /// The JWS as it came, or as it came out of what was sealed: others can verify it again.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What the userinfo of a login has to say.
pub struct Expected<'a> {
    /// `iss`, where it is there.
    pub issuer: &'a str,
    /// In `aud`, where it is there.
    pub client_id: &'a str,
    /// `sub`
    pub subject: &'a str,
    /// By which `exp`, `nbf` and `iat` are compared, where they are there.
    pub now: Timestamp,
}

impl<'a> Expected<'a> {
    /// That of the person `subject`.
    pub(crate) fn of(subject: &'a Subject, issuer: &'a str, client_id: &'a str, now: Timestamp) -> Self {
        Self { issuer, client_id, subject: subject.as_str(), now }
    }
}

/// A userinfo that is unsealed and not verified yet. No `Debug`.
struct Opened {
    token: Zeroizing<String>,
    key: Option<Thumbprint>,
}

/// The proof of possession that the answer to the request for the userinfo wants. `None`: the userinfo is there.
pub(crate) fn challenge(status: StatusCode, headers: &HeaderMap) -> Result<Option<Challenge>> {
    if status.is_success() {
        return Ok(None);
    }
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    let words: Vec<_> = values.filter_map(|value| value.to_str().ok()).filter_map(error_of).collect();
    for word in &words {
        if let Some(challenge) = Challenge::of(word, headers)? {
            return Ok(Some(challenge));
        }
    }
    let error = refusal::of_status(ESIGNET, status, SETTING);
    Err(match words.first() {
        Some(word) => error.with_upstream(printable(word), ""),
        None => error,
    })
}

/// The value of `error` in `WWW-Authenticate` (RFC 6750 3), and of no parameter whose name ends so.
fn error_of(challenge: &str) -> Option<&str> {
    const NAME: &str = "error=";
    let begins = |at: &usize| challenge.get(..*at).is_some_and(|before| before.ends_with([' ', ',', '\t']));
    let at = challenge.match_indices(NAME).map(|(at, _)| at).find(|at| *at == 0 || begins(at))?;
    let rest = challenge.get(at + NAME.len()..)?;
    rest.trim_start_matches('"').split(['"', ',', ' ']).next().filter(|word| !word.is_empty())
}

/// Whether reading this userinfo takes no longer than handing it to another thread: it is small, and no private key is needed.
pub(crate) fn is_quick(body: &[u8]) -> bool {
    /// What other requests may wait for while it is read, bytes.
    const QUICK: usize = 64 << 10;
    body.len() <= QUICK && memchr::memchr_iter(b'.', body).count() == 2
}

fn unseal(body: &[u8], ring: &Ring) -> Result<Opened> {
    let refuse = |why: &str| unbelieved("userinfo", why);
    let text = std::str::from_utf8(body).map_err(|_| refuse("it is not text"))?.trim_ascii();
    match memchr::memchr_iter(b'.', text.as_bytes()).count() {
        2 => Ok(Opened { token: Zeroizing::new(text.to_owned()), key: None }),
        4 => {
            let opened = open_jwe_with_ring(ring, UnknownThumbprint::Try, text, MAX_INFLATED);
            let (plaintext, key) = opened.map_err(|error| match error.code() {
                // The key that it names is ours and is there, so that another certificate would not help.
                Code::Decrypt if names_ours(text, ring) => refuse(error.operator_detail().unwrap_or_default()),
                Code::Decrypt => Error::new(Code::Keys, "the userinfo of eSignet does not open")
                    .for_operator(error.operator_detail().unwrap_or_default())
                    .advise(
                        "Check that eSignet has the certificate of a key of keys.own with the use decrypt, and that the key is loaded.",
                    ),
                Code::KeyUnavailable => error,
                _ => refuse(error.detail()),
            })?;
            let token = std::str::from_utf8(&plaintext).map_err(|_| refuse("what was sealed is not text"))?;
            Ok(Opened { token: Zeroizing::new(token.trim_ascii().to_owned()), key })
        }
        _ => Err(refuse("it is neither a JWS nor a JWE: whoever is on the way could have written it")),
    }
}

/// Whether the JWE `text` names a key of `ring`.
fn names_ours(text: &str, ring: &Ring) -> bool {
    let jwe = Jwe::parse(text).ok();
    let named = jwe.as_ref().and_then(Jwe::kid).and_then(Thumbprint::parse);
    named.is_some_and(|thumbprint| ring.decryptor(&thumbprint).is_some())
}

/// The claims of the userinfo in `body`, which may be sealed to a key of `ring`, signed by one of `keys`, which are worth `evidence`.
pub(crate) fn verify(
    body: &[u8],
    ring: &Ring,
    keys: &Jwks,
    expected: &Expected<'_>,
    evidence: Evidence,
) -> Result<Verified<UserInfo>, Denied> {
    let refuse = |why: &str| unbelieved("userinfo", why);
    let Opened { token, key } = unseal(body, ring).map_err(Denied::Refused)?;
    let json = keys.verify(&token).map_err(|unverified| unverified.denied(refuse))?;
    check(&json, expected).map_err(|why| Denied::Refused(refuse(why)))?;
    let claims = String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok());
    let claims = claims.ok_or_else(|| Denied::Refused(refuse("the claims are not JSON")))?;
    Ok(Verified::new(UserInfo { claims, token }, evidence, key))
}

fn check(json: &[u8], expected: &Expected<'_>) -> Result<(), Refusal> {
    let claims = Claims::read(json)?;
    claims.check_dates(expected.now)?;
    claims.check_issued(expected.now)?;
    if claims.sub.as_deref() != Some(expected.subject) {
        return Err("sub is not that of the ID token");
    }
    if claims.iss.is_some_and(|iss| iss != expected.issuer) {
        return Err("iss is not esignet.issuer");
    }
    let is_for_us = |audience: &Audience| audience.all().iter().any(|name| name == expected.client_id);
    if !claims.aud.as_ref().is_none_or(is_for_us) {
        return Err("aud does not hold the client id");
    }
    Ok(())
}

/// The userinfo in `body`, as every login's is read, under the key set `jwks`. For tests and fuzzing.
///
/// # Errors
///
/// As for a login.
pub fn read(body: &[u8], jwks: &[u8], ring: &Ring, expected: &Expected<'_>) -> Result<Verified<UserInfo>> {
    let keys = super::read_keys(jwks)?;
    verify(body, ring, &keys, expected, Evidence::Plaintext).map_err(Error::from)
}
