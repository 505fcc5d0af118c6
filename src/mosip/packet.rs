//! Packets: `PUT createPacket` of MOSIP's packet manager, and `POST workflowinstance` of its registration processor, which begins to process
//! the packet. Both report errors inside HTTP 200.

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::body;
use super::codes::{self, UpstreamError};
use super::{Attested, Transport};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::json::Object;
use crate::refusal;

/// What a packet is made of. Whatever the registration brought travels on as it came.
pub struct Packet<'a, F> {
    /// The registration id.
    pub id: &'a str,
    /// `<center>_<machine>`
    pub ref_id: &'a str,
    /// E.g. `CRVS_NEW`.
    pub process: &'a str,
    /// E.g. `OPENCRVS`.
    pub source: &'a str,
    /// E.g. `0.100`.
    pub schema_version: &'a str,
    /// The identity schema, a JSON text in a JSON string; without it the member is left out.
    pub schema_json: Option<&'a RawValue>,
    /// An object.
    pub fields: F,
    /// An object.
    pub meta_info: &'a RawValue,
    /// An object.
    pub audit: &'a RawValue,
    /// How many bytes all of these are, about.
    pub len: usize,
}

/// The body of `createPacket`. Names and order are those that `mosip-api` sends.
pub fn create_request(packet: &Packet<'_, impl Serialize>, now: Timestamp) -> Result<Bytes> {
    #[derive(Serialize)]
    struct Wrapper<'a, F> {
        id: &'a str,
        version: &'a str,
        requesttime: &'a str,
        request: Request<'a, F>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Request<'a, F> {
        id: &'a str,
        ref_id: &'a str,
        offline_mode: bool,
        process: &'a str,
        source: &'a str,
        schema_version: &'a str,
        fields: &'a F,
        meta_info: &'a RawValue,
        audits: [&'a RawValue; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        schema_json: Option<&'a RawValue>,
    }
    let Packet { id, ref_id, process, source, schema_version, schema_json, fields, meta_info, audit, len } =
        packet;
    let wrapper = Wrapper {
        // The packet manager looks at neither of the two; MOSIP's own examples write `string`.
        id: "string",
        version: "string",
        requesttime: &now.to_iso(),
        request: Request {
            id,
            ref_id,
            offline_mode: false,
            process,
            source,
            schema_version,
            fields,
            meta_info,
            audits: [audit],
            schema_json: *schema_json,
        },
    };
    body::to_json(&wrapper, *len).map(Bytes::from)
}

/// Whom MOSIP tells how it ended. No `Debug`: it is about a person.
#[derive(Serialize)]
pub struct NotificationInfo<'a> {
    /// Their name.
    pub name: &'a str,
    /// Their telephone number.
    pub phone: &'a str,
    /// Their mail address.
    pub email: &'a str,
}

/// The body of `workflowinstance`: the packet under `id` is to be processed.
pub fn process_request(
    id: &str,
    process: &str,
    source: &str,
    notification: &NotificationInfo<'_>,
    now: Timestamp,
) -> Result<Bytes> {
    #[derive(Serialize)]
    struct Wrapper<'a> {
        id: &'a str,
        requesttime: &'a str,
        version: &'a str,
        request: Request<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Request<'a> {
        registration_id: &'a str,
        process: &'a str,
        source: &'a str,
        additional_info_req_id: &'a str,
        notification_info: &'a NotificationInfo<'a>,
    }
    let wrapper = Wrapper {
        id: "mosip.registration.processor.workflow.instance",
        requesttime: &now.to_iso(),
        version: "v1",
        request: Request {
            registration_id: id,
            process,
            source,
            additional_info_req_id: "",
            notification_info: notification,
        },
    };
    body::to_json(&wrapper, 0).map(Bytes::from)
}

/// The packet is in MOSIP's packet manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created;

/// MOSIP's registration processor has the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken;

/// The code of an answer that is a success and holds no packet.
const NO_PACKET: &str = "no-packet";

/// A packet is created with a 2xx status and a JSON object whose `errors` is absent, null or empty. Where the packet manager fails while it
/// writes the packet, it logs that and answers a success whose `response` is null: no packet is there then.
pub fn read_created(status: StatusCode, body: &[u8], over: Transport) -> Result<Attested<Created>> {
    let response = read(status, body, "upstream.packets.create")?;
    let is_empty = match &response {
        Some(Value::Array(packets)) => packets.is_empty(),
        Some(response) => response.is_null(),
        // Some that stand in for the packet manager have no such member.
        None => false,
    };
    if is_empty {
        return Err(Error::new(Code::Upstream, "MOSIP answered a success without a packet")
            .advise(
                "MOSIP's packet manager made no packet and does not say why: a field, the identity schema or the audit does not fit, or \
                 its object store is away. Its log says why. The registration is tried again by itself.",
            )
            .with_upstream(NO_PACKET, ""));
    }
    Ok(Attested::new(Created, over))
}

/// A packet is taken with a 2xx status and a JSON object whose `errors` is absent, null or empty.
pub fn read_taken(status: StatusCode, body: &[u8], over: Transport) -> Result<Attested<Taken>> {
    read(status, body, "upstream.packets.process").map(|_| Attested::new(Taken, over))
}

const TOKEN: &str =
    "Check upstream.packets.token with the MOSIP administrator: the client id, its secret and its roles.";

/// `response` of an answer without errors; `None`: it has no such member. `setting` holds the URL.
fn read(status: StatusCode, body: &[u8], setting: &str) -> Result<Option<Value>> {
    #[derive(Deserialize)]
    struct Answer {
        errors: Option<Vec<UpstreamError>>,
        #[serde(default, deserialize_with = "present")]
        response: Option<Value>,
    }
    let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let refused = || Error::new(Code::Partner, format!("MOSIP answered {}", status.as_u16())).advise(TOKEN);
    let read: Result<Object<Answer>, _> = serde_json::from_slice(body);
    let Ok(Object(answer)) = read else {
        return Err(if is_refused { refused() } else { refusal::of_body("MOSIP", status, setting) });
    };
    codes::check(answer.errors).map_err(|error| match error.upstream() {
        Some(said) if codes::is_of_token(&said.code) => error.advise(TOKEN),
        _ => error,
    })?;
    match status {
        _ if status.is_success() => Ok(answer.response),
        _ if is_refused => Err(refused()),
        _ => Err(refusal::of_status("MOSIP", status, setting)),
    }
}

/// A member that is there, though it may be null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests;
