//! The token of the gateway's own OpenCRVS client. OpenCRVS's auth service issues it, and it is sent as a bearer token. Its content stays
//! opaque.

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::crypto::secret::{SecretBytes, SecretWriter};
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};
use crate::{bearer, refusal};

/// What to do where OpenCRVS does not take the client that is set in `section`.
pub(crate) fn refused(section: &str) -> String {
    format!(
        "Check {section}.client_id and its secret in OpenCRVS under Integrations, and that the client is active there."
    )
}

/// A token for OpenCRVS. No `Debug`.
pub(crate) struct ClientToken {
    /// `Bearer <token>`, marked sensitive.
    bearer: HeaderValue,
    expires: Option<Timestamp>,
}

impl ClientToken {
    /// The value of `Authorization`.
    pub(crate) fn bearer(&self) -> HeaderValue {
        self.bearer.clone()
    }

    /// When it expires: `exp` where it is a JWT that has one, else by `expires_in`. `None` where that is unknown; such a token is not kept.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// Path and query of the URL to post to, without a body: `<path of auth_url>/token?client_id&client_secret&grant_type=client_credentials`.
/// OpenCRVS 1.x reads only the query, so the URL is a secret and is not logged.
pub(crate) fn query(auth_path: &str, client_id: &str, client_secret: &SecretBytes) -> SecretWriter {
    let mut query = path(auth_path);
    query.push(b"?");
    write_fields(&mut query, client_id, client_secret);
    query
}

/// Path of the URL to post [`form`] to.
pub(crate) fn path(auth_path: &str) -> SecretWriter {
    let mut path = SecretWriter::default();
    path.push(auth_path.trim_end_matches('/').as_bytes());
    path.push(b"/token");
    path
}

/// The same members as a form, as OpenCRVS 2.0 and later read them.
pub(crate) fn form(client_id: &str, client_secret: &SecretBytes) -> SecretWriter {
    let mut form = SecretWriter::default();
    write_fields(&mut form, client_id, client_secret);
    form
}

fn write_fields(into: &mut SecretWriter, client_id: &str, client_secret: &SecretBytes) {
    into.field("client_id", client_id.as_bytes());
    into.field("client_secret", client_secret.expose());
    into.field("grant_type", b"client_credentials");
}

/// The token in the answer to the client of `section`: `{"access_token"}`. [`Code::Partner`] where OpenCRVS refuses the client, [`Code::Upstream`] where its auth
/// service is away or broken.
pub(crate) fn read(status: StatusCode, body: &[u8], section: &str, now: Timestamp) -> Result<ClientToken> {
    #[derive(Deserialize)]
    struct TokenReply {
        access_token: Option<String>,
        expires_in: Option<serde_json::Value>,
    }
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let what = format!("OpenCRVS's auth service answered {}", status.as_u16());
            return Err(Error::new(Code::Partner, what).advise(refused(section)));
        }
        status if !status.is_success() => {
            return Err(refusal::of_status("OpenCRVS's auth service", status, "opencrvs.auth_url"));
        }
        _ => {}
    }
    let Object(reply): Object<TokenReply> =
        serde_json::from_slice(body).map_err(|_| broken("a body that is not the expected JSON"))?;
    let token = Zeroizing::new(reply.access_token.ok_or_else(|| broken("no access_token"))?);
    // A token is a b64token (RFC 6750 2.1).
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(fits) {
        return Err(broken("a token that is none"));
    }
    let mut text = SecretWriter::default();
    text.push(b"Bearer ");
    text.push(token.as_bytes());
    let mut bearer =
        HeaderValue::from_maybe_shared(text.into_bytes()).map_err(|_| broken("a token that is none"))?;
    bearer.set_sensitive(true);
    let expires_in = reply.expires_in.as_ref().and_then(json::seconds);
    Ok(ClientToken { bearer, expires: bearer::expiry(&token, expires_in, now) })
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(Code::Upstream, format!("OpenCRVS's auth service answered {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn the_client_stands_in_the_query_or_in_a_form_and_cannot_break_out_of_it() {
        let secret = SecretBytes::new(b"a&b=c d#%".to_vec());
        let members = "client_id=id%26x&client_secret=a%26b%3Dc+d%23%25&grant_type=client_credentials";
        let text = |written: SecretWriter| String::from_utf8(written.into_bytes().to_vec()).unwrap();
        for (at, expected) in [("", "/token"), ("/", "/token"), ("/auth/", "/auth/token")] {
            assert_eq!(text(query(at, "id&x", &secret)), format!("{expected}?{members}"));
            assert_eq!(text(path(at)), expected);
        }
        assert_eq!(text(form("id&x", &secret)), members);
    }

    #[test]
    fn a_token_ends_by_exp_else_by_expires_in_else_it_is_not_kept() {
        let read = |body: &str| read(StatusCode::OK, body.as_bytes(), "opencrvs", NOW).unwrap();
        // {"alg":"RS256"}.{"exp":1800000600}
        let token =
            read(r#"{"access_token":"eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDA2MDB9.c2ln","expires_in":5}"#);
        assert_eq!(token.expires(), Some(Timestamp::from_seconds(1_800_000_600)));
        assert_eq!(token.bearer(), "Bearer eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE4MDAwMDA2MDB9.c2ln");
        assert!(token.bearer().is_sensitive());
        let token = read(r#"{"access_token":"opaque","expires_in":600}"#);
        assert_eq!(token.expires(), Some(Timestamp::from_seconds(1_800_000_600)));
        assert_eq!(read(r#"{"access_token":"opaque"}"#).expires(), None);
    }

    #[test]
    fn a_refused_client_is_the_registrations_fault_and_a_broken_answer_is_upstreams() {
        let error = |status, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            read(status, body.as_bytes(), "opencrvs.search", NOW).err().unwrap()
        };
        let fault = |status, body: &str| error(status, body).fault();
        for status in [400, 401, 403] {
            let error = error(status, r#"{"access_token":"a"}"#);
            assert_eq!(error.fault(), Fault::Partner, "{status}");
            let advice = error.advice();
            assert!(
                advice.contains("opencrvs.search.client_id"),
                "the client of another section is right: {advice}"
            );
        }
        for (status, body) in [
            (500, ""),
            (200, "<html>"),
            (200, "{}"),
            (200, "[\"a\",1]"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":"a b"}"#),
            (200, r#"{"access_token":"a\r\nX: y"}"#),
        ] {
            assert_eq!(fault(status, body), Fault::Upstream, "{status} {body}");
        }
        for status in [302, 404] {
            let error = error(status, "{}");
            assert!(error.advice().contains("opencrvs.auth_url"), "{status}: {}", error.advice());
        }
    }
}
