//! Bearer tokens (RFC 6750): where they stand in a header, and when one ends.

use http::HeaderValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::json;

/// No lifetime beyond a day is believed.
const LONGEST_SECONDS: i64 = 86_400;

/// The token of `Bearer <token>`; the scheme in any case, behind it one blank or more (RFC 9110 11.1 and 11.4).
pub(crate) fn token(authorization: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = authorization.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}

/// When `token` ends: `exp` where it is a JWT that has one, else by `expires_in`. `None`: the end is unknown.
pub(crate) fn expiry(token: &str, expires_in: Option<i64>, now: Timestamp) -> Option<Timestamp> {
    let lifetime = expires_in.filter(|&seconds| seconds > 0).map(|seconds| seconds.min(LONGEST_SECONDS));
    let by_lifetime = || lifetime.map(|s| Timestamp::from_seconds(now.seconds().saturating_add(s)));
    jwt_exp(token).or_else(by_lifetime)
}

/// `exp` (RFC 7519 4.1.4), unverified: it only says how long to keep the token.
pub(crate) fn jwt_exp(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: serde_json::Value,
    }
    let Claims { exp } = unverified_claims(token)?;
    json::seconds(&exp).map(Timestamp::from_seconds)
}

/// The claims of `token`, whose signature nobody has checked, where it is a JWT whose claims are `T`.
pub(crate) fn unverified_claims<T: DeserializeOwned>(token: &str) -> Option<T> {
    let mut segments = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return None;
    };
    let claims = base64::decode_url_strict(claims.as_bytes()).ok()?;
    serde_json::from_slice(&claims).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_in_any_case_with_one_blank_or_more() {
        for text in ["Bearer t", "bearer t", "BEARER   t"] {
            assert_eq!(token(&HeaderValue::from_static(text)), Some(b"t".as_slice()), "{text}");
        }
        for text in ["Bearer", "Bearert", "Basic t", "t"] {
            assert_eq!(token(&HeaderValue::from_static(text)), None, "{text}");
        }
    }
}
