//! The four primitives of the plain API and of the command line: their requests and answers, without the transport.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::envelope::{
    self, Flavour, Format, Over, Plaintext, Policy, SealOptions, Sealed, SealedMessage, SignOver,
};
use super::signature::{self, Form};
use super::{Verified, roles};
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::rsa::PrivateKey;
use crate::error::{Code, Error, Result};
use crate::json;
use crate::keys::{Certificate, Ring};

/// How a plaintext is sealed: the query of `/v1/seal`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Seal {
    /// Peer that it is sealed to.
    pub to: String,
    /// Layout of the envelope.
    #[serde(default)]
    #[param(inline)]
    pub format: Format,
    /// What is signed.
    #[serde(default)]
    #[param(inline)]
    pub sign: SignOver,
    /// Alphabet of the answer.
    #[serde(default)]
    #[param(inline)]
    pub base64: Flavour,
    /// Own key that signs; absent: the first with use `sign`.
    pub key: Option<String>,
}

impl Seal {
    /// Seals `plaintext` (may be empty) with the keys of `ring`.
    pub(crate) fn seal(&self, ring: &Ring, now: Timestamp, plaintext: &[u8]) -> Result<SealedMessage> {
        let (to, signer) = self.keys(ring, now)?;
        envelope::seal_message(to, signer, plaintext, self.options())
    }

    /// As [`Self::seal`], as a JSON object; the plaintext is dropped once it is sealed.
    pub(crate) fn seal_json(
        &self,
        ring: &Ring,
        now: Timestamp,
        plaintext: impl AsRef<[u8]>,
    ) -> Result<Vec<u8>> {
        let (to, signer) = self.keys(ring, now)?;
        envelope::seal_json(to, signer, plaintext, self.options())
    }

    fn keys<'r>(&self, ring: &'r Ring, now: Timestamp) -> Result<(&'r Certificate, Option<&'r PrivateKey>)> {
        let to = roles::asked_recipient(ring, &self.to, "to", now)?;
        let signer = match self.sign {
            SignOver::None => None,
            _ => Some(&roles::asked_signer(ring, self.key.as_deref(), "key", now)?.private),
        };
        Ok((to, signer))
    }

    fn options(&self) -> SealOptions {
        SealOptions { format: self.format, sign: self.sign, base64: self.base64 }
    }
}

// No `Debug`: it holds a message.
/// A message to open: the body of `/v1/open`.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(from = "Pushed<'a>")]
pub struct Open<'a> {
    /// base64 of an envelope, or a compact JWE.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub data: Cow<'a, str>,
    /// base64 of SHA512withRSA over envelope or plaintext.
    pub signature: Option<String>,
    /// Peer whose message this is; absent: the only configured one.
    pub from: Option<String>,
    /// base64 of the additional data (AAD) that the sender bound to a legacy envelope.
    pub aad: Option<String>,
    /// What was signed, where the caller knows: the signature is accepted over that alone, and is judged by one verification. Absent: it is
    /// accepted over either. It says nothing where there is no signature.
    #[schema(inline)]
    pub over: Option<Over>,
}

/// [`Open`] with the members that MOSIP writes beside the message, so that a push can be read unchanged. A misspelt member is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pushed<'a> {
    #[serde(borrow, deserialize_with = "json::base64")]
    data: Cow<'a, str>,
    signature: Option<String>,
    from: Option<String>,
    aad: Option<String>,
    over: Option<Over>,
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(rename = "requestTime", alias = "requesttime")]
    _request_time: Option<IgnoredAny>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}

impl<'a> From<Pushed<'a>> for Open<'a> {
    fn from(pushed: Pushed<'a>) -> Self {
        let Pushed { data, signature, from, aad, over, .. } = pushed;
        Self { data, signature, from, aad, over }
    }
}

impl<'a> Open<'a> {
    /// From the bytes of a file: a JSON object with `data` (of `/v1/open`, of `/v1/seal`, of `/birthReceiveNid`; other members
    /// are skipped), the text of `data` itself in any line lengths, or a raw envelope.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Carried<'a> {
            #[serde(borrow)]
            data: Cow<'a, str>,
            signature: Option<String>,
            from: Option<String>,
            aad: Option<String>,
            over: Option<Over>,
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(Self::unsigned(base64::encode(bytes))) };
        if !text.trim_start().starts_with('{') {
            return Ok(Self::unsigned(text.split_ascii_whitespace().collect()));
        }
        let Carried { data, signature, from, aad, over } = serde_json::from_str(text).map_err(|_| {
            Error::new(Code::Malformed, "the JSON is not a message: an object with the text `data`")
                .advise("Give a JSON object with `data`, base64 of an envelope, or a compact JWE.")
        })?;
        Ok(Self { data, signature, from, aad, over })
    }

    fn unsigned(data: String) -> Self {
        Self { data: data.into(), signature: None, from: None, aad: None, over: None }
    }

    /// Opens and verifies with the keys of `ring`.
    pub fn open(&self, ring: &Ring, policy: Policy) -> Result<Verified<Plaintext>> {
        let from = roles::peer_or_only(ring, self.from.as_deref())?;
        let aad = base64_member("/aad", self.aad.as_deref().unwrap_or_default())?;
        let message =
            Sealed { data: &self.data, signature: self.signature.as_deref(), aad: &aad, over: self.over };
        envelope::open(ring, from, message, policy)
    }
}

/// How a payload is signed: the query of `/v1/sign`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Sign {
    /// What is written.
    #[param(inline)]
    pub form: Form,
    /// Own key that signs; absent: the first with use `sign`.
    pub key: Option<String>,
}

/// The answer of `/v1/sign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Signed {
    /// The signature, in the form that was asked for.
    pub signature: String,
}

impl Sign {
    /// Signs `payload` with a key of `ring`.
    pub(crate) fn sign(&self, ring: &Ring, now: Timestamp, payload: &[u8]) -> Result<Signed> {
        let own = roles::asked_signer(ring, self.key.as_deref(), "key", now)?;
        Ok(Signed { signature: signature::sign_as(own, payload, self.form)? })
    }
}

// No `Debug`: it holds a payload.
/// A token to verify: the body of `/v1/verify`.
#[derive(Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verify {
    /// Compact or detached JWS.
    pub token: String,
    /// Payload of a detached token, as text.
    pub payload: Option<String>,
    /// Payload of a detached token, in base64.
    pub payload_b64: Option<String>,
    /// Peer whose token this is; absent: the only configured one.
    pub from: Option<String>,
}

// No `Debug`: it holds a payload.
/// The answer of `/v1/verify`. A token that does not verify is a refusal, so `valid` is always true.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Valid {
    valid: bool,
    /// The payload, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payload: Option<String>,
    /// base64 of the payload, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub payload_b64: Option<String>,
    /// The algorithm that verified.
    pub alg: &'static str,
    /// Lower-case hex thumbprint of the certificate that verified; absent under a bare public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub key: Option<String>,
}

impl Verify {
    /// From the bytes of a file: a JSON object with `token` (the body of `/v1/verify`) or `signature` (the answer of `/v1/sign`), other
    /// members skipped, or the token itself.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Carried {
            #[serde(alias = "signature")]
            token: String,
            payload: Option<String>,
            payload_b64: Option<String>,
            from: Option<String>,
        }
        let refused = |what| {
            Error::new(Code::Malformed, what).advise("Give a JWS, or a JSON object with the text `token`.")
        };
        let text = std::str::from_utf8(bytes).map_err(|_| refused("this is not text"))?.trim();
        if !text.starts_with('{') {
            let token = text.to_owned();
            return Ok(Self { token, payload: None, payload_b64: None, from: None });
        }
        let Carried { token, payload, payload_b64, from } =
            serde_json::from_str(text).map_err(|_| refused("the JSON holds no text `token`"))?;
        Ok(Self { token, payload, payload_b64, from })
    }

    /// Verifies under the key of the peer and no other.
    pub(crate) fn verify(self, ring: &Ring, now: Timestamp) -> Result<Valid> {
        let detached = match (self.payload, self.payload_b64) {
            (Some(_), Some(_)) => {
                return Err(Error::field("/payload_b64", "give payload or payload_b64, not both"));
            }
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(text)) => Some(base64_member("/payload_b64", &text)?),
            (None, None) => None,
        };
        let from = roles::peer_or_only(ring, self.from.as_deref())?;
        let verified = signature::verify(from, &self.token, detached.as_deref(), now)?;
        let (payload, payload_b64) = match String::from_utf8(verified.bytes.into_owned()) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(base64::encode(bytes.as_bytes()))),
        };
        let key = from.certificate.as_ref().map(Certificate::thumbprint).map(|key| key.to_string());
        Ok(Valid { valid: true, payload, payload_b64, alg: verified.alg.name(), key })
    }
}

fn base64_member(pointer: &str, text: &str) -> Result<Vec<u8>> {
    base64::decode(text.as_bytes())
        .map_err(|error| Error::field(pointer, format!("this does not read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::{Keeper, SignatureAlgorithm};
    use crate::keys::ring::fake::ring;
    use crate::keys::settings::UnknownThumbprint::Reject;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn partner() -> Ring {
        ring(&[("partner", &Keeper::there("files"))], Reject)
    }

    fn seal(sign: SignOver) -> Seal {
        Seal { to: "mosip".to_owned(), format: Format::Legacy, sign, base64: Flavour::Url, key: None }
    }

    #[test]
    fn a_message_is_sealed_and_signed_as_is_asked() {
        let ring = partner();
        let sealed = seal(SignOver::Plaintext).seal(&ring, NOW, b"hello").unwrap();
        let signature = base64::decode_url_strict(sealed.signature.unwrap().as_bytes()).unwrap();
        let key = ring.own()[0].private.public_key();
        assert!(key.verify(SignatureAlgorithm::Rs512, &[b"hello"], &signature).is_ok());
        let envelope = base64::decode_url_strict(sealed.data.as_bytes()).unwrap();
        assert!(!envelope.starts_with(b"VER_R2"));
    }

    #[test]
    fn what_is_not_signed_needs_no_key_of_ours() {
        let keyless = ring(&[], Reject);
        assert_eq!(seal(SignOver::None).seal(&keyless, NOW, b"hello").unwrap().signature, None);
        for over in [SignOver::Envelope, SignOver::Plaintext] {
            assert!(seal(over).seal(&keyless, NOW, b"hello").is_err(), "{over:?}");
        }
    }

    #[test]
    fn what_stands_in_base64_is_used_as_it_was_or_refused_by_its_member() {
        let ring = partner();
        let policy = Policy { danger_accept_unsigned: true };
        let envelopes: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/vectors/envelope.json")).unwrap();
        let bound = envelopes.iter().find(|case| case["name"] == "legacy-with-caller-aad").unwrap();
        let text = |name: &str| bound[name].as_str().unwrap().to_owned();
        let open = |aad: &str| {
            let open = Open {
                aad: Some(aad.to_owned()),
                from: Some("mosip".to_owned()),
                ..Open::unsigned(text("envelope"))
            };
            open.open(&ring, policy)
        };
        assert!(open(&text("aad_b64")).is_ok());
        assert_eq!(open("AAAA").err().unwrap().code(), Code::Decrypt);
        assert_eq!(open("#").err().unwrap().pointer(), Some("/aad"));

        let of_mosip = self::ring(&[("mosip", &Keeper::there("files"))], Reject);
        let signed = Sign { form: Form::JwsDetached, key: None }.sign(&of_mosip, NOW, b"hello").unwrap();
        let verify = |payload_b64: &str| {
            let (token, from) = (signed.signature.clone(), Some("mosip".to_owned()));
            Verify { token, payload: None, payload_b64: Some(payload_b64.to_owned()), from }
                .verify(&of_mosip, NOW)
        };
        assert_eq!(verify("aGVsbG8=").unwrap().payload.as_deref(), Some("hello"));
        assert_eq!(verify("AAAA").err().unwrap().code(), Code::SignatureInvalid);
        assert_eq!(verify("#").err().unwrap().pointer(), Some("/payload_b64"));
    }
}
