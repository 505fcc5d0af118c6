//! The ID token (OpenID Connect Core 2 and 3.1.3.7): who logged in, for whom, and until when.

use super::{Login, Tokens, unbelieved};
use crate::clock::Timestamp;
use crate::crypto::{base64, sha256};
use crate::error::{Error, Result};
use crate::mosip::jwks::{Denied, Jwks};
use crate::mosip::jwt::{Audience, Claims, Refusal};

/// The `sub` of a verified ID token: the person who logged in, as eSignet calls them for one client. No `Debug`.
pub(crate) struct Subject(String);

impl Subject {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// From the ID token among `tokens`, signed by one of `keys`, made by `issuer` for the client of `login`. It holds the nonce of the login
    /// where that is there. [`Code::Field`](crate::error::Code::Field) where the token is good, and of another login or client of `clients`
    /// than the caller says.
    pub(crate) fn read(
        tokens: &Tokens,
        keys: &Jwks,
        issuer: &str,
        (login, clients): (&Login, &[String]),
        now: Timestamp,
    ) -> Result<Self, Denied> {
        let json = keys.verify(&tokens.id_token).map_err(|unverified| unverified.denied(refuse))?;
        let claims = check(&json, issuer, &tokens.access_token, now).map_err(refuse);
        let claims = claims.and_then(|claims| check_login(&claims, login, clients).map(|()| claims));
        let sub = claims.and_then(|claims| {
            claims.sub.filter(|sub| !sub.is_empty()).ok_or_else(|| refuse("sub is absent"))
        });
        sub.map(Self).map_err(Denied::Refused)
    }
}

fn refuse(why: &str) -> Error {
    unbelieved("ID token", why)
}

fn check(json: &[u8], issuer: &str, access_token: &str, now: Timestamp) -> Result<Claims, Refusal> {
    let claims = Claims::read(json)?;
    claims.check_ends(now)?;
    claims.check_issued(now)?.ok_or("iat is absent")?;
    if claims.iss.as_deref() != Some(issuer) {
        return Err("iss is not esignet.issuer");
    }
    if claims.at_hash.as_ref().is_some_and(|hash| *hash != half_hash(access_token)) {
        return Err("at_hash is of another access token");
    }
    Ok(claims)
}

/// That eSignet made it for the client and the login that the caller names (3.1.3.7, 3 to 5 and 11).
fn check_login(claims: &Claims, login: &Login, clients: &[String]) -> Result<()> {
    let audience = claims.aud.as_ref().map(Audience::all).unwrap_or_default();
    let azp = claims.azp.as_deref();
    if !audience.contains(&login.client_id) {
        return Err(match clients.iter().any(|client| audience.contains(client)) {
            true => Error::field("/clientId", "the person logged in for another client id")
                .advise("Send the client id that the login began with."),
            false => refuse("aud does not hold the client id"),
        });
    }
    if audience.len() > 1 && azp.is_none() {
        return Err(refuse("aud names others beside the client id, and azp is absent"));
    }
    if azp.is_some_and(|azp| azp != login.client_id) {
        return Err(refuse("azp is not the client id"));
    }
    if login.nonce.is_some() && claims.nonce != login.nonce {
        return Err(Error::field("/nonce", "the login did not begin with this nonce").advise(
            "Send the nonce that the login began with. A code that came from elsewhere must not be used.",
        ));
    }
    Ok(())
}

/// OpenID Connect Core 3.1.3.6; every accepted algorithm hashes with SHA-256.
fn half_hash(token: &str) -> String {
    let [half, _] = *sha256(token.as_bytes()).as_chunks::<16>().0 else { return String::new() };
    base64::encode_url(&half)
}
