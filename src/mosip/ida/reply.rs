//! Reads the replies of IDA. A success counts only if a configured signer signed exactly these bytes, and if transaction, service and time
//! are those of the call. A refusal counts without a signature too, but never with a wrong one, and it never yields a token or an identity.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::sealed::{self, SealedIdentity};
use super::{Service, TransactionId};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::json::Object;
use crate::keys::{Peer, Ring};
use crate::mosip::codes::{self, Reason, UpstreamError};
use crate::mosip::{Attested, Evidence, Stated, Transport, Verified};
use crate::refusal;

/// `mosip.signed.response.header`
const SIGNATURE: &str = "response-signature";

/// Whose signature was expected.
const SIGNER: &str = "Check that the peers in upstream.ida.reply_signers have the certificate that IDA signs with now, and that no proxy changes its replies.";

/// How far `responseTime` may lie from our clock, milliseconds.
const WINDOW: u64 = 5 * 60 * 1000;

/// A reply of IDA, unread.
#[derive(Clone, Copy)]
pub struct RawReply<'a> {
    /// The status. IDA answers refusals with 200, too.
    pub status: StatusCode,
    /// The headers, of which `response-signature` is read.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// What a reply is checked against.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The service that was called.
    pub service: Service,
    /// The transaction of the call.
    pub transaction: &'a TransactionId,
    /// The peers whose signature counts.
    pub signers: &'a [&'a Peer],
    /// `upstream.ida.danger_accept_unsigned_replies`: an absent signature is accepted, never a wrong one.
    pub danger_accept_unsigned: bool,
    /// The connection that the reply came over.
    pub transport: Transport,
    /// The time of our clock.
    pub now: Timestamp,
}

/// The answer of IDA.
pub enum Answer<T> {
    /// IDA did what was asked.
    Given(Verified<T>),
    /// IDA looked at the person and does not confirm them. Holds at least one reason.
    Refused(Stated<Vec<Reason>>),
}

impl<T> Answer<T> {
    /// Reads the value of a success into another type.
    pub fn try_map<U>(self, read: impl FnOnce(Verified<T>) -> Result<Verified<U>>) -> Result<Answer<U>> {
        match self {
            Self::Given(given) => read(given).map(Answer::Given),
            Self::Refused(reasons) => Ok(Answer::Refused(reasons)),
        }
    }

    /// The value of a success, or the problem of the first reason.
    pub fn given(self) -> Result<Verified<T>> {
        match self {
            Self::Given(given) => Ok(given),
            Self::Refused(reasons) => Err(reasons
                .into_inner()
                .into_iter()
                .next()
                .map_or_else(|| Error::field("/individualId", "IDA refuses the person"), Error::from)),
        }
    }
}

/// The member `response` of a reply. No `Debug`: it is personal.
pub struct Response(Box<RawValue>);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplyMembers<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "transactionID")]
    transaction_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response_time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    errors: Option<Vec<UpstreamError>>,
}

/// The setting that holds the URL.
const SETTING: &str = "upstream.ida.url";

/// Reads `reply`. [`Code::Tampered`] for what does not verify; the problem of the code table for errors that are no verdict.
pub fn read(reply: RawReply<'_>, expected: Expected<'_>) -> Result<Answer<Response>> {
    let Object(members): Object<ReplyMembers<'_>> =
        serde_json::from_slice(reply.body).map_err(|_| refusal::of_body("IDA", reply.status, SETTING))?;
    let evidence = evidence(reply, expected)?;
    match members.errors {
        Some(errors) if !errors.is_empty() => {
            if members.transaction_id.as_deref().is_some_and(|named| named != expected.transaction.as_str()) {
                return Err(tampered("it belongs to another transaction"));
            }
            let reasons = codes::verdict(errors)?;
            if !reply.status.is_success() {
                return Err(refusal::of_status("IDA", reply.status, SETTING));
            }
            // Errors may come without transaction and service. A signature over them then says nothing about this call.
            let is_ours = members.transaction_id.is_some()
                && members.id.as_deref().is_none_or(|id| id == expected.service.id());
            Ok(Answer::Refused(match evidence.filter(|_| is_ours) {
                Some(evidence) => Stated::Signed(Verified::new(reasons, evidence, None)),
                None => Stated::Unsigned(Attested::new(reasons, expected.transport)),
            }))
        }
        _ if !reply.status.is_success() => Err(refusal::of_status("IDA", reply.status, SETTING)),
        _ => {
            let evidence = match evidence {
                Some(evidence) => evidence,
                None if expected.danger_accept_unsigned => Evidence::DangerUnsigned,
                None => {
                    return Err(tampered("it bears no signature").advise(
                        "Ask the MOSIP administrator whether IDA signs its replies, and look for a proxy that drops the header response-signature.",
                    ));
                }
            };
            if members.transaction_id.as_deref() != Some(expected.transaction.as_str()) {
                return Err(tampered("it belongs to another transaction"));
            }
            if members.id.as_deref() != Some(expected.service.id()) {
                return Err(tampered("it is the reply of another service"));
            }
            let time = members.response_time.as_deref().and_then(Timestamp::from_iso);
            if time.is_none_or(|time| time.millis().abs_diff(expected.now.millis()) > WINDOW) {
                return Err(tampered("its responseTime is not within five minutes of our clock")
                    .advise("Set the clocks of this machine and of MOSIP by NTP. If they agree, an old reply was played back."));
            }
            let response = members.response.ok_or_else(|| tampered("it holds no response"))?;
            Ok(Answer::Given(Verified::new(Response(response.to_owned()), evidence, None)))
        }
    }
}

/// What the signature covers, or `None` where there is no signature.
fn evidence(reply: RawReply<'_>, expected: Expected<'_>) -> Result<Option<Evidence>> {
    let mut signatures = reply.headers.get_all(SIGNATURE).iter();
    let Some(signature) = signatures.next() else { return Ok(None) };
    if signatures.next().is_some() {
        return Err(tampered("it bears several signatures"));
    }
    let signature = signature.to_str().map_err(|_| tampered("its signature is no token"))?;
    sealed::verify_body(expected.signers, reply.body, signature, expected.now).map_err(|error| {
        let advice = if error.advice() == error.code().advice() { SIGNER } else { error.advice() };
        tampered(error.detail()).advise(advice)
    })?;
    Ok(Some(Evidence::Envelope))
}

/// The reply of `/auth`.
pub struct Authenticated {
    /// Whether the person is who they claim to be.
    pub auth_status: bool,
    /// The UINTOKEN, where the person is confirmed and the policy shares it.
    pub token: Option<String>,
}

/// Reads the reply of `/auth`.
pub fn read_authenticated(response: Verified<Response>) -> Result<Verified<Authenticated>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Given {
        auth_status: bool,
        auth_token: Option<String>,
    }
    response.try_map(|response| {
        let given: Given = response.parse()?;
        Ok(Authenticated::new(given.auth_status, given.auth_token))
    })
}

impl Authenticated {
    fn new(auth_status: bool, token: Option<String>) -> Self {
        Self { auth_status, token: token.filter(|token| auth_status && !token.is_empty()) }
    }
}

/// The reply of `/kyc`.
pub struct Known {
    /// The same as for `/auth`.
    pub authenticated: Authenticated,
    /// The JSON object of attributes, where the person is confirmed and the policy shares any.
    pub identity: Option<Box<RawValue>>,
}

/// Reads the reply of `/kyc`. The identity is opened with the own key that its thumbprint names.
pub fn read_known(response: Verified<Response>, ring: &Ring) -> Result<Verified<Known>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Given {
        kyc_status: bool,
        auth_token: Option<String>,
        identity: Option<String>,
        session_key: Option<String>,
        thumbprint: Option<String>,
    }
    response.try_map(|response| {
        let given: Given = response.parse()?;
        let sealed = match (given.identity, given.session_key, given.thumbprint) {
            (Some(identity), Some(session_key), Some(thumbprint)) => {
                Some(SealedIdentity { thumbprint, session_key, identity })
            }
            (None, ..) => None,
            _ if !given.kyc_status => None,
            // It is signed as it is, so it is unaltered.
            (Some(_), Some(_), None) => {
                return Err(broken("a sealed identity without the thumbprint that names its key").advise(
                    "Ask MOSIP for a release of IDA that sends `thumbprint` in the response of kyc.",
                ));
            }
            (Some(_), None, _) => return Err(broken("a sealed identity without its sessionKey")),
        };
        let identity = sealed.filter(|_| given.kyc_status).map(|sealed| open(ring, &sealed)).transpose()?;
        Ok(Known { authenticated: Authenticated::new(given.kyc_status, given.auth_token), identity })
    })
}

/// Opens an identity whose signature was good. An unknown thumbprint means that MOSIP seals to a certificate whose key is not loaded.
fn open(ring: &Ring, sealed: &SealedIdentity) -> Result<Box<RawValue>> {
    let opened = sealed::open_identity(ring, sealed).map_err(|error| match error.code() {
        Code::UnknownKey => Error::new(Code::Keys, error.detail()).advise(
            "IDA seals identities to the certificate that MOSIP's partner management shows: put its key into keys.own, use decrypt.",
        ),
        Code::KeyUnavailable => error,
        _ => tampered("the identity does not open")
            .for_operator(error.operator_detail().unwrap_or(error.code().as_str())),
    })?;
    serde_json::from_slice::<Box<RawValue>>(&opened)
        .ok()
        .filter(|identity| identity.get().starts_with('{'))
        .ok_or_else(|| tampered("the identity is not a JSON object"))
}

/// The reply of `/otp`: where the one-time password went, masked by IDA.
pub struct OtpSent {
    /// E.g. `XXXXXX3210`.
    pub masked_mobile: Option<String>,
    /// E.g. `aXXXXn@example.org`.
    pub masked_email: Option<String>,
}

/// Reads the reply of `/otp`.
pub fn read_otp_sent(response: Verified<Response>) -> Result<Verified<OtpSent>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Given {
        masked_mobile: Option<String>,
        masked_email: Option<String>,
    }
    response.try_map(|response| {
        let given: Given = response.parse()?;
        Ok(OtpSent { masked_mobile: given.masked_mobile, masked_email: given.masked_email })
    })
}

impl Response {
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        let Object(response) =
            serde_json::from_str(self.0.get()).map_err(|_| broken("a response of another form"))?;
        Ok(response)
    }
}

fn broken(what: &str) -> Error {
    Error::new(Code::Upstream, format!("IDA answered {what}"))
        .advise(format!("Check {SETTING}: something else than IDA answers there."))
}

fn tampered(why: &str) -> Error {
    Error::new(Code::Tampered, format!("the reply of IDA does not verify: {why}")).advise(
        "Look for what changes, mixes up or plays back replies between IDA and the gateway, such as a proxy; if nothing does, ask the MOSIP administrator.",
    )
}

#[cfg(test)]
mod tests;
