//! The webhooks service of OpenCRVS 1.2 to 1.9: how a topic is subscribed there, how subscriptions are listed, and how one is ended.
//!
//! Read in the public sources of opencrvs-core, `packages/webhooks/src/features/manage/handler.ts`.

use http::StatusCode;
use percent_encoding::NON_ALPHANUMERIC;
use serde::{Deserialize, Serialize};

use crate::crypto::secret::{SecretBytes, SecretWriter};
use crate::error::{Code, Error, Fault, Result};
use crate::refusal;

/// The topics whose webhooks OpenCRVS sends. It takes subscriptions to others, too, and sends nothing for them.
pub(crate) const TOPICS: [&str; 2] = ["BIRTH_REGISTERED", "DEATH_REGISTERED"];
/// Where its service is, behind the URL.
const ROUTE: &str = "/webhooks";
/// Most subscriptions of one client that are looked at. A real one has a few.
const MOST: usize = 1000;
/// Longest id of a subscription, bytes. A real one is a UUID.
const LONGEST_ID: usize = 128;

const WHO: &str = "OpenCRVS's webhooks service";
const SETTING: &str = "opencrvs.webhooks.url";

/// A subscription as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// By which it is ended.
    pub id: String,
    /// Where its webhooks are posted.
    pub callback: String,
    /// What it is for; empty where the service does not say.
    pub topic: String,
    /// Whose it is; empty where the service does not say.
    pub client_id: String,
}

/// Path of the URL that subscriptions are posted to and listed at. `base` may end with it already, as the older mediator's does.
pub(crate) fn path(base: &str) -> SecretWriter {
    let mut path = SecretWriter::default();
    path.push(self::base(base).as_bytes());
    path.push(ROUTE.as_bytes());
    path
}

/// The path `of` the service's URL, without what [`path`] puts behind it.
pub(crate) fn base(of: &str) -> &str {
    let base = of.trim_end_matches('/');
    base.strip_suffix(ROUTE).unwrap_or(base)
}

/// Path of the URL at which the subscription `id` is ended.
pub(crate) fn path_of(base: &str, id: &str) -> SecretWriter {
    let mut path = path(base);
    path.push(b"/");
    path.push(percent_encoding::utf8_percent_encode(id, NON_ALPHANUMERIC).to_string().as_bytes());
    path
}

/// What is posted to subscribe `topic` at `callback`. OpenCRVS signs with the `sha_secret` of its integration, and wants it back here.
///
/// # Errors
///
/// [`Code::Keys`] where the secret is no text, which that of an integration is.
pub(crate) fn body(callback: &str, topic: &str, secret: &SecretBytes) -> Result<SecretWriter> {
    #[derive(Serialize)]
    struct Asked<'a> {
        hub: Hub<'a>,
    }
    #[derive(Serialize)]
    struct Hub<'a> {
        callback: &'a str,
        mode: &'static str,
        topic: &'a str,
        secret: &'a str,
    }
    let secret = std::str::from_utf8(secret.expose()).map_err(|_| {
        Error::new(Code::Keys, "the sha_secret of OpenCRVS's integration is no text").advise(SHA_SECRET)
    })?;
    let mut body = SecretWriter::default();
    serde_json::to_writer(&mut body, &Asked { hub: Hub { callback, mode: "subscribe", topic, secret } })
        .map_err(|_| Error::new(Code::Bug, "a subscription does not serialise"))?;
    Ok(body)
}

const SHA_SECRET: &str = "Set faces.webhook_secret_file to the sha_secret of the integration in OpenCRVS, and start the gateway again.";
const CLIENT: &str = "Check in OpenCRVS under Integrations that opencrvs.client_id is an active client of type webhook or national ID.";

/// The subscriptions of our client.
///
/// # Errors
///
/// [`Code::Partner`] where the service refuses the client, [`Code::Upstream`] where it is away or broken, and where one of the list cannot be
/// read: what is not seen would be subscribed a second time.
pub fn read_list(status: StatusCode, body: &[u8]) -> Result<Vec<Subscribed>> {
    #[derive(Deserialize)]
    struct List {
        entries: Vec<Entry>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Entry {
        id: String,
        callback: Option<String>,
        topic: Option<String>,
        created_by: Option<Creator>,
    }
    #[derive(Deserialize)]
    struct Creator {
        client_id: Option<String>,
    }
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(refused(status));
        }
        StatusCode::OK => {}
        _ => return Err(refusal::of_body(WHO, status, SETTING)),
    }
    let List { entries } =
        serde_json::from_slice(body).map_err(|_| refusal::of_body(WHO, status, SETTING))?;
    let is_odd = |entry: &Entry| entry.id.is_empty() || entry.id.len() > LONGEST_ID;
    if entries.len() > MOST || entries.iter().any(is_odd) {
        let what = format!("{WHO} lists what is no list of the subscriptions of one client");
        return Err(Error::new(Code::Upstream, what)
            .advise("Ask the administrator of OpenCRVS what GET /webhooks answers there."));
    }
    let subscribed = |Entry { id, callback, topic, created_by }| Subscribed {
        id,
        callback: callback.unwrap_or_default(),
        topic: topic.unwrap_or_default(),
        client_id: created_by.and_then(|creator: Creator| creator.client_id).unwrap_or_default(),
    };
    Ok(entries.into_iter().map(subscribed).collect())
}

/// Whether the service has taken a subscription.
///
/// # Errors
///
/// As [`read_list`]; a denial says in our words which of its reasons it gives.
pub fn read_subscribed(status: StatusCode, body: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Denied {
        hub: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }
    match status {
        _ if status.is_success() => return Ok(()),
        StatusCode::BAD_REQUEST => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Err(refused(status)),
        _ => return Err(refusal::of_status(WHO, status, SETTING)),
    }
    let reason = serde_json::from_slice(body).map(|Denied { hub: Reason { reason } }| reason);
    // The real one says so in plain text.
    let reason =
        reason.unwrap_or_else(|_| String::from_utf8_lossy(body.get(..256).unwrap_or(body)).into_owned());
    let says = |words: &str| reason.to_ascii_lowercase().contains(words);
    let (word, why, advice) = if says("callback check failed") {
        (
            "callback",
            "its question did not come back with our answer",
            "Check that opencrvs.webhooks.callback_url leads to /webhooks of this gateway from the network of OpenCRVS, that a URL is set for what the topic brings, and that this subscription is asked for by the gateway alone.",
        )
    } else if says("secret") {
        ("secret", "the sha_secret is another one", SHA_SECRET)
    } else if says("topic") {
        ("topic", "it does not know the topic", "Correct opencrvs.webhooks.topics.")
    } else if says("system") {
        ("client", "the client is not active", CLIENT)
    } else {
        ("denied", "its reason is none that the gateway knows", CLIENT)
    };
    let denied = Error::new(Code::Upstream, format!("{WHO} denies the subscription: {why}"));
    Err(denied.blame(Fault::Partner, true).advise(advice).with_upstream(word, ""))
}

/// Whether the service has ended a subscription. One that it does not have is ended.
///
/// # Errors
///
/// As [`read_list`].
pub fn read_ended(status: StatusCode) -> Result<()> {
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refused(status)),
        _ => Err(refusal::of_status(WHO, status, SETTING)),
    }
}

fn refused(status: StatusCode) -> Error {
    Error::new(Code::Partner, format!("{WHO} answered {}: it refuses the client", status.as_u16()))
        .advise(CLIENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_the_route_and_one_without_lead_to_the_same_path() {
        let text = |written: SecretWriter| String::from_utf8(written.finish().to_vec()).unwrap();
        for (base, expected) in [
            ("/", "/webhooks"),
            ("", "/webhooks"),
            ("/webhooks", "/webhooks"),
            ("/webhooks/", "/webhooks"),
            ("/core/", "/core/webhooks"),
        ] {
            assert_eq!(text(path(base)), expected, "{base}");
        }
        assert_eq!(text(path_of("/", "a/../b?c")), "/webhooks/a%2F%2E%2E%2Fb%3Fc", "an id is one segment");
    }

    #[test]
    fn a_list_that_hides_or_invents_entries_is_no_list() {
        let read = |body: &str| read_list(StatusCode::OK, body.as_bytes());
        let listed = read(
            r#"{"entries":[{"id":"w1","callback":"https://a/webhooks","createdAt":"x","createdBy":{"client_id":"c","name":"n"},"topic":"BIRTH_REGISTERED"},{"id":"w2"}]}"#,
        );
        let listed = listed.unwrap();
        assert_eq!((listed[0].client_id.as_str(), listed[1].topic.as_str()), ("c", ""));
        let many = format!(r#"{{"entries":[{}]}}"#, vec![r#"{"id":"a"}"#; MOST + 1].join(","));
        for body in ["", "[]", "{}", r#"{"entries":[{}]}"#, r#"{"entries":[{"id":""}]}"#, &many] {
            let error = read(body).unwrap_err();
            assert_eq!((error.code(), error.fault()), (Code::Upstream, Fault::Upstream), "{error}");
        }
        for status in [400, 401, 403] {
            let error = read_list(StatusCode::from_u16(status).unwrap(), b"").unwrap_err();
            assert_eq!(error.fault(), Fault::Partner, "{status}");
        }
    }

    #[test]
    fn each_reason_of_a_denial_names_what_to_put_right_and_repeats_nothing() {
        for (body, word) in [
            (r#"{"hub":{"mode":"denied","topic":"T","reason":"hub.secret is incorrect"}}"#, "secret"),
            (r#"{"hub":{"mode":"denied","topic":"T","reason":"Unsupported topic: T"}}"#, "topic"),
            (r#"{"hub":{"reason":"Active system details cannot be found."}}"#, "client"),
            ("Subscription callback check failed", "callback"),
            ("<html>hunter2", "denied"),
            ("", "denied"),
        ] {
            let error = read_subscribed(StatusCode::BAD_REQUEST, body.as_bytes()).unwrap_err();
            assert_eq!(
                (error.fault(), error.upstream().unwrap().code.as_str()),
                (Fault::Partner, word),
                "{body}"
            );
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        assert!(read_subscribed(StatusCode::ACCEPTED, b"").is_ok());
        assert_eq!(read_subscribed(StatusCode::BAD_GATEWAY, b"").unwrap_err().fault(), Fault::Upstream);
    }

    #[test]
    fn the_body_is_what_opencrvs_reads_and_a_secret_cannot_break_out_of_it() {
        let secret = SecretBytes::new(br#"a","topic":"b"#.to_vec());
        let body = body("https://gw/webhooks", TOPICS[0], &secret).unwrap().finish();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "hub": { "callback": "https://gw/webhooks", "mode": "subscribe",
            "topic": "BIRTH_REGISTERED", "secret": "a\",\"topic\":\"b" } })
        );
        assert!(super::body("https://gw", TOPICS[0], &SecretBytes::new(vec![0xff])).is_err());
    }
}
