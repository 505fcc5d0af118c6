//! `Authorization: Bearer` (RFC 6750 2.1).

use http::HeaderValue;

/// The token of `Bearer <token>`; the scheme in any case, behind it one blank or more (RFC 9110 11.1 and 11.4).
pub(crate) fn token(authorization: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = authorization.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
}
