//! Proofs of possession (RFC 9449): a token is of use only to whoever has the key that it was asked for with.

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::Serialize;
use serde_json::value::RawValue;

use super::broken;
use crate::clock::Timestamp;
use crate::crypto::jwk::Jwk;
use crate::crypto::{base64, ec, sha256};
use crate::error::{Code, Error, Result};
use crate::mosip::jwt::Signer;

/// The header of a proof.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The header in which the server says what the next proof has to hold.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Longest value of that header, bytes.
const LONGEST_NONCE: usize = 1024;

/// The key of one login. It is made for it, and kept nowhere. No `Debug`.
pub(crate) struct DpopKey {
    key: ec::PrivateKey,
    jwk: Box<RawValue>,
}

/// What a proof is good for.
pub(crate) struct Proof<'a> {
    /// The method of the request.
    pub(crate) method: &'static str,
    /// The URL of the request.
    pub(crate) url: &'a Uri,
    /// What the server demanded of the proof.
    pub(crate) nonce: Option<&'a str>,
    /// The token that goes with the request.
    pub(crate) access_token: Option<&'a str>,
    /// The same is never used twice.
    pub(crate) jti: &'a str,
    /// The moment of the request.
    pub(crate) now: Timestamp,
}

impl DpopKey {
    /// A fresh one.
    pub(crate) fn generate() -> Result<Self> {
        let key = ec::PrivateKey::generate()?;
        let jwk = RawValue::from_string(Jwk::of_ec(key.public_key()).as_json().to_owned())
            .map_err(|_| Error::new(Code::Bug, "a JSON Web Key is no JSON"))?;
        Ok(Self { key, jwk })
    }

    /// The value of the header [`DPOP`] (RFC 9449 4.2).
    pub(crate) fn prove(&self, proof: &Proof<'_>) -> Result<HeaderValue> {
        #[derive(Serialize)]
        struct Header<'a> {
            typ: &'static str,
            alg: &'static str,
            jwk: &'a RawValue,
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            jti: &'a str,
            htm: &'static str,
            htu: String,
            iat: i64,
            #[serde(skip_serializing_if = "Option::is_none")]
            nonce: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            ath: Option<String>,
        }
        let signer = Signer::Ec(&self.key);
        let header = Header { typ: "dpop+jwt", alg: signer.alg(), jwk: &self.jwk };
        let claims = Claims {
            jti: proof.jti,
            htm: proof.method,
            htu: without_query(proof.url),
            iat: proof.now.seconds(),
            nonce: proof.nonce,
            ath: proof.access_token.map(|token| base64::encode_url(&sha256(token.as_bytes()))),
        };
        let mut value = HeaderValue::try_from(signer.sign(&header, &claims)?)
            .map_err(|_| Error::new(Code::Bug, "a proof does not fit into a header"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// `htu`: the URL without query and fragment.
fn without_query(url: &Uri) -> String {
    let text = url.to_string();
    text.split(['?', '#']).next().unwrap_or_default().to_owned()
}

/// What the next proof answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    /// For the next proof. `None`: nothing is demanded of it.
    pub(crate) nonce: Option<String>,
    /// The server refuses the proof that it got, if it got one.
    refuses: bool,
}

impl Challenge {
    /// A proof that goes before the server asks for it, with the nonce that it named beforehand.
    pub(crate) const fn unasked(nonce: Option<String>) -> Self {
        Self { nonce, refuses: false }
    }

    /// The nonce in the head of an answer. `None`: there is none that a proof could hold.
    pub(super) fn nonce(headers: &HeaderMap) -> Option<String> {
        let nonce = headers.get(DPOP_NONCE)?.to_str().ok()?;
        (1..=LONGEST_NONCE).contains(&nonce.len()).then(|| nonce.to_owned())
    }

    /// The challenge of an answer whose error is `word`. `None`: it is about something else.
    pub(super) fn of(word: &str, headers: &HeaderMap) -> Result<Option<Self>> {
        let refuses = match word {
            "use_dpop_nonce" => false,
            "invalid_dpop_proof" => true,
            _ => return Ok(None),
        };
        match Self::nonce(headers) {
            None if !refuses => Err(broken("a challenge without a DPoP-Nonce that a proof could hold")),
            nonce => Ok(Some(Self { nonce, refuses })),
        }
    }

    /// This one, unless it says that the proof which answered `former` is refused though it held whatever nonce is demanded: another proof
    /// of ours would be refused, too. [`Code::Partner`] then.
    pub(crate) fn after(self, former: Option<&Self>) -> Result<Self> {
        let was_complete = |former: &Self| former.nonce.is_some() || self.nonce.is_none();
        if self.refuses && former.is_some_and(was_complete) {
            return Err(Error::new(Code::Partner, "eSignet refuses our proof of possession (DPoP)")
                .with_upstream("invalid_dpop_proof", "")
                .advise(
                    "Check that the clocks agree, and that eSignet knows its endpoints by the URLs that the gateway calls, which the proof \
                     names. Where eSignet demands no proof, esignet.dpop = \"off\" sends none.",
                ));
        }
        Ok(self)
    }
}
