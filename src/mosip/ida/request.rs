//! Makes the body and the signature of a request to IDA.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::Service;
use super::input::{Authentication, Demographics, IdType, Intent, OtpChannel, OtpOrder};
use super::sealed::{self, OVERHEAD, Sealed};
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};
use crate::keys::{Certificate, OwnKey, Thumbprint};

/// The origin that the request names. Both members have to equal those that a capture device writes into biometrics.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// `domainUri`
    pub domain_uri: Option<&'a str>,
    /// `env`
    pub env: Option<&'a str>,
}

/// A request to IDA, byte for byte.
pub struct SignedRequest {
    /// The body.
    pub body: Bytes,
    /// The `Signature` header: a detached JWS over the body.
    pub signature: String,
    /// The certificate that the inner request is sealed to. The request for a one-time password is not sealed.
    pub sealed_to: Option<Thumbprint>,
}

/// Builds the request for `intent` with the time `now`. IDA accepts a time up to 60 s in the past and 30 s in the future.
pub fn request(
    intent: &Intent,
    origin: Origin<'_>,
    to: &Certificate,
    signer: &OwnKey,
    now: Timestamp,
) -> Result<SignedRequest> {
    let stamp = now.to_iso();
    let (body, sealed_to) = match intent {
        Intent::Auth(asked) => (authentication(Service::Auth, asked, origin, to, &stamp)?, true),
        Intent::Kyc(asked) => (authentication(Service::Kyc, asked, origin, to, &stamp)?, true),
        Intent::Otp(order) => (otp(order, &stamp)?, false),
    };
    let signature = sealed::sign_body(signer, body.as_bytes())?;
    Ok(SignedRequest { body: body.into(), signature, sealed_to: sealed_to.then(|| to.thumbprint()) })
}

/// The members that all requests have.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    id: &'static str,
    version: &'static str,
    individual_id: &'a str,
    individual_id_type: IdType,
    #[serde(rename = "transactionID")]
    transaction_id: &'a str,
    request_time: &'a str,
}

impl<'a> Head<'a> {
    fn new(
        service: Service,
        individual: &'a super::Individual,
        transaction: &'a super::TransactionId,
        stamp: &'a str,
    ) -> Self {
        Self {
            id: service.id(),
            version: "1.0",
            individual_id: individual.id(),
            individual_id_type: individual.id_type(),
            transaction_id: transaction.as_str(),
            request_time: stamp,
        }
    }
}

fn otp(order: &OtpOrder, stamp: &str) -> Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct OtpBody<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        otp_channel: &'a [OtpChannel],
    }
    let head = Head::new(Service::Otp, &order.individual, &order.transaction, stamp);
    serde_json::to_string(&OtpBody { head, otp_channel: &order.channels }).map_err(not_serialised)
}

fn authentication(
    service: Service,
    asked: &Authentication,
    origin: Origin<'_>,
    to: &Certificate,
    stamp: &str,
) -> Result<String> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Open<'a> {
        #[serde(flatten)]
        head: Head<'a>,
        spec_version: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        domain_uri: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        env: Option<&'a str>,
        /// An intent does not exist without it.
        consent_obtained: bool,
        thumbprint: String,
    }
    let open = Open {
        head: Head::new(service, &asked.individual, &asked.transaction, stamp),
        spec_version: "1.0",
        domain_uri: origin.domain_uri,
        env: origin.env,
        consent_obtained: true,
        thumbprint: to.thumbprint().to_base64url(),
    };
    let open = serde_json::to_string(&open).map_err(not_serialised)?;
    let Sealed { request, session_key, hmac } = Sealed::new(inner(asked, stamp)?, to)?;
    let sealed = [("request", &request), ("requestSessionKey", &session_key), ("requestHMAC", &hmac)];

    // base64 needs no escapes, so it is written directly into the body and never copied again.
    let room = |(name, bytes): &(&str, &Vec<u8>)| name.len() + 6 + base64::encoded_url_len(bytes.len());
    let mut body = String::with_capacity(open.len() + sealed.iter().map(room).sum::<usize>());
    body.push_str(open.strip_suffix('}').ok_or_else(|| Error::new(Code::Bug, "a struct is no JSON object"))?);
    for (name, bytes) in sealed {
        body.push_str(",\"");
        body.push_str(name);
        body.push_str("\":\"");
        base64::encode_url_append(bytes, &mut body);
        body.push('"');
    }
    body.push('}');
    Ok(body)
}

/// The inner request, which is sealed. As in MOSIP's SDK, a factor that is not used is present and empty.
fn inner(asked: &Authentication, stamp: &str) -> Result<Zeroizing<Vec<u8>>> {
    #[derive(Serialize)]
    struct Inner<'a> {
        otp: &'a str,
        timestamp: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        demographics: Option<&'a Demographics>,
        biometrics: &'a [Box<RawValue>],
    }
    let inner = Inner {
        otp: asked.otp.as_deref().unwrap_or_default(),
        timestamp: stamp,
        demographics: asked.demographics.as_ref(),
        biometrics: &asked.biometrics,
    };
    /// Room for everything but biometrics.
    const USUAL: usize = 2048;
    let biometrics: usize = asked.biometrics.iter().map(|item| item.get().len() + 1).sum();
    let mut buffer = SecretWriter::with_capacity(USUAL + biometrics + OVERHEAD);
    serde_json::to_writer(&mut buffer, &inner).map_err(not_serialised)?;
    Ok(buffer.finish())
}

fn not_serialised(_: serde_json::Error) -> Error {
    Error::new(Code::Bug, "the request does not serialise")
}

#[cfg(test)]
mod tests;
