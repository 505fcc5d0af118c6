//! The ID token (OpenID Connect Core 2 and 3.1.3.7): who logged in, for whom, and until when.

use super::{Tokens, unbelieved};
use crate::clock::Timestamp;
use crate::crypto::{base64, sha256};
use crate::mosip::jwks::{Denied, Jwks};
use crate::mosip::jwt::{Audience, Claims, Refusal};

/// The `sub` of a verified ID token: the person who logged in, as eSignet calls them for one client. No `Debug`.
pub(crate) struct Subject(String);

impl Subject {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// From the ID token among `tokens`, signed by one of `keys`, made by `issuer` for `client_id`. It holds `nonce` where that is there.
    pub(crate) fn read(
        tokens: &Tokens,
        keys: &Jwks,
        (issuer, client_id, nonce): (&str, &str, Option<&str>),
        now: Timestamp,
    ) -> Result<Self, Denied> {
        let refuse = |why: &str| unbelieved("ID token", why);
        let claims = keys.verify(&tokens.id_token).map_err(|unverified| unverified.denied(refuse))?;
        let check = || -> Result<String, Refusal> {
            let claims = Claims::read(&claims)?;
            claims.check_ends(now)?;
            claims.check_issued(now)?.ok_or("iat is absent")?;
            if claims.iss.as_deref() != Some(issuer) {
                return Err("iss is not esignet.issuer");
            }
            let audience = claims.aud.as_ref().map(Audience::all).unwrap_or_default();
            if !audience.iter().any(|name| name == client_id) {
                return Err("aud does not hold the client id");
            }
            if claims.azp.as_deref().is_some_and(|azp| azp != client_id) {
                return Err("azp is not the client id");
            }
            if nonce.is_some() && claims.nonce.as_deref() != nonce {
                return Err("nonce is not that of the login");
            }
            if claims.at_hash.as_ref().is_some_and(|hash| *hash != half_hash(&tokens.access_token)) {
                return Err("at_hash is of another access token");
            }
            claims.sub.filter(|sub| !sub.is_empty()).ok_or("sub is absent")
        };
        check().map(Self).map_err(|why| Denied::Refused(refuse(why)))
    }
}

/// OpenID Connect Core 3.1.3.6; every accepted algorithm hashes with SHA-256.
fn half_hash(token: &str) -> String {
    let [half, _] = *sha256(token.as_bytes()).as_chunks::<16>().0 else { return String::new() };
    base64::encode_url(&half)
}
