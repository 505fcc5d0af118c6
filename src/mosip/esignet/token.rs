//! The token request: the code of a login against tokens (RFC 6749 4.1.3), with a client assertion (RFC 7523).

use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Challenge, Login, answer, broken};
use crate::clock::Timestamp;
use crate::crypto::secret::SecretWriter;
use crate::error::Result;
use crate::mosip::jwt::Signer;

const SETTING: &str = "esignet.token_url";

/// How long an assertion is good, in seconds: for one request, and for clocks that are a little apart.
const LIFETIME: i64 = 120;

/// RFC 7523 2.2.
pub(super) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The assertion by which the client `client_id` proves itself to `audience`. `jti` is never used twice.
pub(crate) fn assertion(
    signer: Signer<'_>,
    client_id: &str,
    audience: &str,
    jti: &str,
    now: Timestamp,
) -> Result<Zeroizing<String>> {
    #[derive(Serialize)]
    struct Header {
        alg: &'static str,
        typ: &'static str,
    }
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        sub: &'a str,
        aud: &'a str,
        jti: &'a str,
        iat: i64,
        exp: i64,
    }
    let header = Header { alg: signer.alg(), typ: "JWT" };
    let (iat, exp) = (now.seconds(), now.seconds().saturating_add(LIFETIME));
    signer
        .sign(&header, &Claims { iss: client_id, sub: client_id, aud: audience, jti, iat, exp })
        .map(Zeroizing::new)
}

impl Login {
    /// The form that is posted for the tokens.
    pub(crate) fn form(&self, assertion: &str) -> Bytes {
        let mut form = Form::default();
        form.push("grant_type", "authorization_code");
        form.push("code", &self.code);
        form.push("client_id", &self.client_id);
        form.push("redirect_uri", &self.redirect_uri);
        form.push("client_assertion_type", ASSERTION_TYPE);
        form.push("client_assertion", assertion);
        if let Some(verifier) = &self.code_verifier {
            form.push("code_verifier", verifier);
        }
        form.into_bytes()
    }
}

/// `application/x-www-form-urlencoded`, wiped when it is dropped.
#[derive(Default)]
pub(super) struct Form(SecretWriter, bool);

impl Form {
    pub(super) fn push(&mut self, name: &str, value: &str) {
        let Self(writer, has_fields) = self;
        if std::mem::replace(has_fields, true) {
            writer.push(b"&");
        }
        writer.push(name.as_bytes());
        writer.push(b"=");
        byte_serialize(value.as_bytes()).for_each(|piece| writer.push(piece.as_bytes()));
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

/// The answer to a token request.
pub(crate) enum TokenReply {
    /// The tokens.
    Given(Tokens),
    /// A proof of possession is wanted. The code was not used.
    Challenged(Challenge),
}

/// The tokens of a login. No `Debug`.
pub(crate) struct Tokens {
    /// For the userinfo.
    pub(crate) access_token: Zeroizing<String>,
    /// It goes with proofs of possession.
    pub(crate) wants_proof: bool,
    /// What the next proof is to hold, where the server says so beforehand.
    pub(crate) nonce: Option<String>,
    /// Says who logged in; unverified.
    pub(crate) id_token: Zeroizing<String>,
}

impl TokenReply {
    /// Reads the answer. [`Code::Field`](crate::error::Code::Field) where eSignet does not take the code, [`Code::Partner`](crate::error::Code::Partner) where it does not take the client,
    /// [`Code::Upstream`](crate::error::Code::Upstream) where it is broken. eSignet's own words travel in the error.
    pub(crate) fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Reply {
            access_token: Option<String>,
            token_type: Option<String>,
            id_token: Option<String>,
        }
        let reply: Reply = match answer::read(status, body, SETTING)? {
            Ok(reply) => reply,
            Err(refusal) => {
                let challenge = Challenge::of(&refusal.word, headers)?;
                return challenge.map(Self::Challenged).ok_or_else(|| refusal.into());
            }
        };
        let token_type = reply.token_type.unwrap_or_default();
        let wants_proof = token_type.eq_ignore_ascii_case("DPoP");
        if !wants_proof && !token_type.eq_ignore_ascii_case("Bearer") {
            return Err(broken("a token that is neither Bearer nor DPoP"));
        }
        let access_token = Zeroizing::new(reply.access_token.ok_or_else(|| broken("no access_token"))?);
        // A token is a b64token (RFC 6750 2.1).
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if access_token.is_empty() || !access_token.bytes().all(fits) {
            return Err(broken("an access_token that is none"));
        }
        let id_token = reply.id_token.ok_or_else(|| {
            broken("no id_token")
                .advise("Let the login ask for the scope `openid`: without it nobody says who logged in.")
        })?;
        let (nonce, id_token) = (Challenge::nonce(headers), Zeroizing::new(id_token));
        Ok(Self::Given(Tokens { access_token, wants_proof, nonce, id_token }))
    }
}
