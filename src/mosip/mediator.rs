//! The MOSIP-side mediator: `/birth`, `/death` and `/generateAid` towards it, `/birthReceiveNid` from it.

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::body;
use super::codes::{self, UpstreamError};
use super::envelope::{self, Plaintext, Policy, SealOptions, Sealed};
use super::push::{Identity, Notice, PushKind, Trust};
use super::{Attested, Stated, Transport, Verified, roles};
use crate::clock::Timestamp;
use crate::crypto::rsa::PrivateKey;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object, Text};
use crate::keys::{Certificate, Peer, Ring};
use crate::refusal;
use crate::registration::{Aid, Subject};

/// What stands before `data` in the body that is posted for one event. Names and order are those of the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BeforeData<'a> {
    id: &'a str,
    request_time: &'a str,
}

/// What stands after it.
#[derive(Serialize)]
struct AfterData {
    signature: String,
}

/// The body for `POST /birth` and the like: `plaintext` as VER_R2 to MOSIP's certificate, signed over the envelope, both in padded
/// standard base64. `id` is the composition id.
pub fn event_request(
    id: &str,
    plaintext: &[u8],
    to: &Certificate,
    signer: &PrivateKey,
    now: Timestamp,
) -> Result<Bytes> {
    let options = SealOptions::default();
    let (envelope, signature) = envelope::seal_and_sign(to, Some(signer), plaintext, options)?;
    let before = BeforeData { id, request_time: &now.to_iso() };
    let after = AfterData { signature: signature.unwrap_or_default() };
    body::to_json_around(&before, &envelope, options.base64, &after).map(Bytes::from)
}

/// MOSIP took the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted;

/// An event is accepted with a 2xx status and a JSON object whose `errors` is absent, null or empty and whose `response` is an object.
pub fn read_acceptance(status: StatusCode, body: &[u8], over: Transport) -> Result<Attested<Accepted>> {
    #[derive(Deserialize)]
    struct EventReply {
        errors: Option<Vec<UpstreamError>>,
        response: Option<serde_json::Map<String, serde_json::Value>>,
    }
    let Object(reply): Object<EventReply> = read_json(status, body, EVENTS)?;
    codes::check(reply.errors)?;
    expect_success(status, EVENTS)?;
    reply
        .response
        .map(|_| Attested::new(Accepted, over))
        .ok_or_else(|| broken("no `response` in the answer", EVENTS))
}

/// `GET /generateAid` answers a bare JSON string.
pub fn read_aid(status: StatusCode, body: &[u8], over: Transport) -> Result<Attested<Aid>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum AidReply {
        Aid(String),
        Refusal { errors: Option<Vec<UpstreamError>> },
    }
    match read_json(status, body, AID)? {
        AidReply::Refusal { errors } => {
            codes::check(errors)?;
            expect_success(status, AID)?;
            Err(broken("an object where the application id should be", AID))
        }
        AidReply::Aid(text) => {
            expect_success(status, AID)?;
            let aid = Aid::parse(&text).ok_or_else(|| broken("no application id in the answer", AID))?;
            Ok(Attested::new(aid, over))
        }
    }
}

/// The settings that hold the URLs.
const EVENTS: &str = "the URL of this kind under [upstream.mediator]";
const AID: &str = "upstream.mediator.aid";

fn read_json<T: serde::de::DeserializeOwned>(status: StatusCode, body: &[u8], setting: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => refused(status),
        _ => refusal::of_body("MOSIP", status, setting),
    })
}

fn expect_success(status: StatusCode, setting: &str) -> Result<()> {
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refused(status)),
        status => Err(refusal::of_status("MOSIP", status, setting)),
    }
}

fn refused(status: StatusCode) -> Error {
    Error::new(Code::Partner, format!("MOSIP answered {}", status.as_u16()))
}

fn broken(what: &str, setting: &str) -> Error {
    Error::new(Code::Upstream, format!("MOSIP answered {what}"))
        .advise(format!("Check {setting}: something else than the MOSIP-side mediator answers there."))
}

/// The push of MOSIP once a birth has a number. No `Debug`: a token identifies a person.
pub struct Nid {
    /// The UINTOKEN.
    pub uin_token: String,
    /// The birth registration number it belongs to.
    pub brn: String,
}

/// Opens the body of `POST /birthReceiveNid`: envelope and signature in unpadded base64url, signed over the plaintext, `id` and
/// `requestTime` empty. Only a verified token is returned.
pub fn open_nid(ring: &Ring, from: &Peer, body: &[u8], policy: Policy) -> Result<Verified<Nid>> {
    #[derive(Deserialize)]
    struct Push<'a> {
        #[serde(borrow)]
        data: Option<Text<'a>>,
        #[serde(borrow)]
        signature: Option<Text<'a>>,
    }
    let Object(push): Object<Push<'_>> = json::read(body)?;
    let data = push.data.ok_or_else(|| Error::field("/data", "this is missing"))?;
    let signature = push.signature.as_deref().filter(|signature| !signature.is_empty());
    envelope::open(ring, from, Sealed { data: &data, signature, aad: &[], over: None }, policy)?
        .try_map(read_nid)
}

/// `POST /birthReceiveNid`: a UINTOKEN of the MOSIP-side mediator.
pub(crate) const BIRTH_NID: PushKind = PushKind { name: "birth-nid", topic: None, verify: verify_nid };

/// The UINTOKEN of a push, under the signature of peer `mosip`.
fn verify_nid(body: &[u8], trust: Trust<'_>) -> Result<Stated<Notice>> {
    let from = roles::peer(trust.ring, roles::MOSIP)?;
    let nid = open_nid(trust.ring, from, body, trust.policy)?;
    let notice = nid.try_map(|Nid { uin_token, brn }| {
        Ok::<_, Error>(Notice {
            kind: "uin-token.received",
            outcome: None,
            // The message bears no id: its `id` is always empty. A birth gets one token, once.
            identity: Identity::Once(format!("{brn}\0{uin_token}")),
            data: json!({ "uinToken": uin_token }),
            subject: Subject { brn: Some(brn), ..Subject::default() },
            uin_token: Some(uin_token),
            receipt: None,
        })
    });
    notice.map(Stated::Signed)
}

fn read_nid(plaintext: Plaintext) -> Result<Nid> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct NidMembers {
        uin_token: Option<String>,
        #[serde(rename = "opencrvsBRN")]
        brn: Option<String>,
    }
    let Object(members): Object<NidMembers> = json::read(&plaintext)?;
    for (value, pointer, what) in [
        (&members.uin_token, "/uinToken", "the opened message holds no UINTOKEN"),
        (&members.brn, "/opencrvsBRN", "the opened message holds no registration number"),
    ] {
        if value.as_deref().is_none_or(|value| value.trim().is_empty()) {
            return Err(Error::field(pointer, what).advise(
                "Ask the MOSIP administrator why the MOSIP-side mediator sent none; the message is kept.",
            ));
        }
    }
    Ok(Nid { uin_token: members.uin_token.unwrap_or_default(), brn: members.brn.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::Keeper;
    use crate::error::Fault;
    use crate::keys::ring::fake;
    use crate::keys::settings::UnknownThumbprint;

    fn acceptance(status: u16, body: &str) -> Result<Attested<Accepted>> {
        read_acceptance(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Transport::Protected)
    }

    #[test]
    fn push_whose_text_is_escaped_opens_as_one_without_escapes() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/vectors/signature.json")).unwrap();
        let case = cases.into_iter().find(|case| case["name"] == "from-mosip").unwrap();
        let ring = fake::ring(&[("partner", &Keeper::there("files"))], UnknownThumbprint::Try);
        let mosip = ring.peer("mosip").unwrap();
        let plain = json!({ "data": case["data"], "signature": case["signature"] }).to_string();
        // As Gson writes `=`, others `/`, and anybody may write every character.
        let escaped = plain.replace('-', "\\u002d").replace('_', "\\u005f");
        assert!(escaped.contains("\\u002d"));
        let tokens = [plain, escaped].map(|body| {
            let opened = open_nid(&ring, mosip, body.as_bytes(), Policy::default());
            opened.map(|nid| nid.get().uin_token.clone()).unwrap()
        });
        assert_eq!(tokens[0], tokens[1]);
    }

    #[test]
    fn accepted_is_a_response_without_errors() {
        for body in [
            r#"{"response":{}}"#,
            r#"{"errors":null,"response":{"message":"x"}}"#,
            r#"{"errors":[],"response":{}}"#,
        ] {
            assert!(acceptance(200, body).is_ok(), "{body}");
        }
    }

    #[test]
    fn a_list_is_not_taken_for_the_answer_member_by_member() {
        assert_eq!(acceptance(200, "[null,{}]").unwrap_err().code(), Code::Upstream);
    }

    #[test]
    fn errors_inside_http_200_are_errors() {
        let error =
            acceptance(200, r#"{"errors":[{"errorCode":"OPN-CRVS-026","errorMessage":"m"}],"response":{}}"#);
        let error = error.unwrap_err();
        assert_eq!((error.code(), error.fault()), (Code::Upstream, Fault::Upstream));
        assert_eq!(error.upstream().unwrap().code, "OPN-CRVS-026");
    }

    #[test]
    fn what_is_no_acceptance_is_upstreams_fault_and_can_be_sent_again() {
        let cases = [
            (200, "<html>login</html>"),
            (200, "{}"),
            (200, "[]"),
            (200, r#"{"response":"ok"}"#),
            (200, r#"{"response":null}"#),
            (502, "{}"),
            (302, r#"{"response":{}}"#),
            (500, ""),
        ];
        for (status, body) in cases {
            let error = acceptance(status, body).unwrap_err();
            assert_eq!((error.code(), error.retryable()), (Code::Upstream, true), "{status} {body}");
        }
    }

    #[test]
    fn an_answer_of_another_place_names_the_url_and_says_nothing_of_the_record() {
        for (status, body) in
            [(301, ""), (302, r#"{"response":{}}"#), (404, "{}"), (405, "<html>"), (413, "")]
        {
            let status = StatusCode::from_u16(status).unwrap();
            for (error, setting) in [
                (
                    read_acceptance(status, body.as_bytes(), Transport::Protected).unwrap_err(),
                    "[upstream.mediator]",
                ),
                (
                    read_aid(status, body.as_bytes(), Transport::Protected).unwrap_err(),
                    "upstream.mediator.aid",
                ),
            ] {
                assert!(error.advice().contains(setting), "{status} {body}: {}", error.advice());
            }
        }
    }

    #[test]
    fn a_refused_token_is_the_partners_fault() {
        for (status, body) in [
            (401, r#"{"errors":[{"errorCode":"OPN-AUT-003"}]}"#),
            (401, ""),
            (403, "<html>"),
            (403, r#"{"response":{}}"#),
        ] {
            assert_eq!(acceptance(status, body).unwrap_err().code(), Code::Partner, "{status} {body}");
        }
    }

    #[test]
    fn an_aid_is_a_bare_string_of_an_ids_form() {
        let aid = |body: &str| read_aid(StatusCode::OK, body.as_bytes(), Transport::Protected);
        assert_eq!(
            aid(r#""10001100770000120260101000000""#).unwrap().get().as_str(),
            "10001100770000120260101000000"
        );
        for body in [r#""""#, r#""a\"b""#, "7", "null", "{}", "", r#"{"errors":[]}"#] {
            assert_eq!(aid(body).unwrap_err().code(), Code::Upstream, "{body}");
        }
        let error = aid(r#"{"errors":[{"errorCode":"OPN-AUT-002"}]}"#).unwrap_err();
        assert_eq!(error.code(), Code::Partner);
    }
}
