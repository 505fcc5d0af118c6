//! `Authorization: Bearer` (RFC 6750 2.1).

use http::HeaderValue;

/// The token of `Bearer <token>`; the scheme in any case, behind it one blank or more (RFC 9110 11.1 and 11.4).
pub(crate) fn token(authorization: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = authorization.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii_start())
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
