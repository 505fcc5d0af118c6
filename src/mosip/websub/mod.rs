//! Messages of MOSIP's WebSub hub: a subscription and the hub's answer, which kind of message a push is, and what is published back.

pub(crate) mod credential;
pub(crate) mod status;
mod subscription;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde::Deserialize;
use serde_json::json;

pub(crate) use self::status::readable;
pub(crate) use self::subscription::{
    AWAY, Answer, Denial, Mode, is_already_registered, lease, read_answer, request,
};
use super::Stated;
use super::push::{Notice, PushKind, Trust};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};

/// The topic that the issuer of credentials listens on.
const STATUS_TOPIC: &str = "CREDENTIAL_STATUS_UPDATE";

/// A message of the hub on a topic that is none of ours.
pub(crate) const HUB: PushKind = PushKind { name: "hub", topic: None, verify: refuse_unknown };

/// `websub.topics`: each as the hub names it, with its setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Topics(Vec<(&'static str, String)>);

impl Topics {
    /// Those that are set, each with the name of its setting.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(setting, topic)| (*setting, topic.as_str()))
    }

    /// The topic of the setting `setting`.
    pub(crate) fn of(&self, setting: &str) -> Option<&str> {
        self.set().find(|(of, _)| *of == setting).map(|(_, topic)| topic)
    }

    /// The topic of credentials, `<partner>/CREDENTIAL_ISSUED`.
    pub(crate) fn credential(&self) -> Option<&str> {
        self.of(credential::SETTING)
    }
}

impl FromIterator<(&'static str, String)> for Topics {
    fn from_iter<T: IntoIterator<Item = (&'static str, String)>>(topics: T) -> Self {
        Self(topics.into_iter().collect())
    }
}

/// Which kind of message `body` is, by the topic that stands in it. Messages of the registration processor may hold none: what they
/// hold says what they are. Nothing that the hub did not sign, such as a header, decides.
pub(crate) fn kind_of(body: &[u8], topics: &Topics) -> PushKind {
    let Ok(Object(Peek { topic })) = serde_json::from_slice(body) else { return HUB };
    let fits = |of: &super::push::Topic| match (topics.of(of.setting), &topic) {
        (Some(ours), Some(theirs)) => ours == theirs,
        (Some(_), None) => (of.is_like)(body),
        (None, _) => false,
    };
    PushKind::of_hub().find(|(_, of)| fits(of)).map_or(HUB, |(kind, _)| kind)
}

#[derive(Deserialize)]
struct Peek {
    topic: Option<String>,
}

/// A message of the hub whose topic is none of `websub.topics` stays in quarantine until a start with settings that name it.
fn refuse_unknown(body: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    let Object(Peek { .. }) = json::read(body)?;
    Err(Error::field("/topic", "the topic of this message is none of websub.topics").advise(
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
