//! Messages of MOSIP's WebSub hub: a subscription and the hub's answer, which kind of message a push is, and what is published back.

mod credential;
pub(crate) mod status;
mod subscription;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde::Deserialize;
use serde_json::json;

pub(crate) use self::credential::verify_credential;
pub(crate) use self::subscription::{Answer, is_already_registered, lease, read_answer, subscribe};
use super::Stated;
use super::push::{self, Notice, PushKind, Trust};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};

/// The topic that the issuer of credentials listens on.
const STATUS_TOPIC: &str = "CREDENTIAL_STATUS_UPDATE";

/// `websub.topics`: as the hub names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topics {
    /// Credentials of registrations, `<partner>/CREDENTIAL_ISSUED`; `websub.topic` is the older name.
    pub(crate) credential: Option<String>,
    /// `REGISTRATION_PROCESSOR_WORKFLOW_COMPLETED_EVENT`
    pub(crate) packet_status: Option<String>,
    /// A country's own topic for registrations that fail.
    pub(crate) errors: Option<String>,
}

impl Topics {
    /// Those that are set, each with the name of its setting.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("credential", &self.credential),
            ("packet_status", &self.packet_status),
            ("errors", &self.errors),
        ];
        all.into_iter().filter_map(|(name, topic)| Some((name, topic.as_deref()?)))
    }
}

/// Which kind of message `body` is, by the topic that stands in it. Messages of the registration processor may hold none: what they
/// hold says what they are. Nothing that the hub did not sign, such as a header, decides.
pub(crate) fn kind_of(body: &[u8], topics: &Topics) -> PushKind {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Peek {
        topic: Option<String>,
        instance_id: Option<serde::de::IgnoredAny>,
        failure_reason: Option<serde::de::IgnoredAny>,
    }
    let Ok(peek) = serde_json::from_slice::<Peek>(body) else { return push::HUB };
    let ours = [
        (&topics.credential, push::CREDENTIAL, false),
        (&topics.packet_status, push::PACKET_STATUS, peek.instance_id.is_some()),
        (&topics.errors, push::REGISTRATION_ERROR, peek.failure_reason.is_some()),
    ];
    let fits = |(topic, _, looks_like_it): &(&Option<String>, PushKind, bool)| match (topic, &peek.topic) {
        (Some(ours), Some(theirs)) => ours == theirs,
        (Some(_), None) => *looks_like_it,
        (None, _) => false,
    };
    ours.into_iter().find(fits).map_or(push::HUB, |(_, kind, _)| kind)
}

/// A message of the hub whose topic is none of `websub.topics` stays in quarantine until a start with settings that name it.
pub(crate) fn refuse_unknown(_: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    Err(Error::new(Code::Field, "the topic of this message is none of websub.topics").advise(
        "Name the topic in websub.topics and start the gateway again, or discard the message and end its subscription at the hub.",
    ))
}

/// The body of `CREDENTIAL_STATUS_UPDATE`: the credential of the request `request_id` was received. Of a message the issuer reads
/// `requestId`, `status` and `url` alone.
pub(crate) fn credential_received(
    publisher: &str,
    id: &str,
    request_id: &str,
    now: Timestamp,
) -> Result<Vec<u8>> {
    let message = json!({
        "publisher": publisher,
        "topic": STATUS_TOPIC,
        "publishedOn": now.to_iso(),
        "event": {
            "id": id,
            "requestId": request_id,
            "status": "RECEIVED",
            "timestamp": now.to_iso(),
            "url": null,
        },
    });
    serde_json::to_vec(&message)
        .map_err(|_| Error::new(Code::Bug, "a message for the hub does not serialise"))
}

/// The post that publishes `body`, which [`credential_received`] made.
pub(crate) fn publish(hub: &Uri, body: Bytes) -> Result<(Uri, HeaderMap, Bytes)> {
    let base = hub.to_string();
    let separator = if hub.query().is_some() { '&' } else { '?' };
    let uri = format!("{base}{separator}hub.mode=publish&hub.topic={STATUS_TOPIC}");
    let uri = uri.parse().map_err(|_| Error::new(Code::Bug, "the hub's URL cannot be extended"))?;
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    Ok((uri, HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]), body))
}
