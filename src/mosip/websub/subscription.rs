//! A subscription: what is asked of the hub, and what its answer says.

use std::time::Duration;

use bytes::Bytes;
use form_urlencoded::parse;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};

use super::status::readable;
use crate::crypto::secret::{SecretBytes, SecretWriter};
use crate::error::{Code, Error, Result};
use crate::refusal;
use crate::words::words;

/// What the hub does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It takes it; of a subscription it verifies the intent next.
    Accepted,
    /// It has this subscription already, and verifies nothing.
    AlreadyRegistered,
}

/// No lease is taken for shorter: what a stranger says of it on the callback makes nobody ask the hub all the time.
const SHORTEST_LEASE: Duration = Duration::from_mins(5);
/// No lease is taken for longer.
const LONGEST_LEASE: Duration = Duration::from_hours(24 * 30);
/// Where the hub does not say how long it is.
const USUAL_LEASE: Duration = Duration::from_hours(24);

const HUB: &str = "MOSIP's hub";
const SETTING: &str = "websub.hub_url";

words! {
    /// What the hub is asked for.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum Mode {
        /// To deliver what comes on a topic.
        Subscribe = "subscribe",
        /// To end that.
        Unsubscribe = "unsubscribe",
    }
}

/// The post that subscribes `callback` to `topic`, or ends that. The hub signs its messages with `secret`.
pub(crate) fn request(
    mode: Mode,
    hub: &Uri,
    topic: &str,
    callback: &Uri,
    secret: &SecretBytes,
) -> (Uri, HeaderMap, Bytes) {
    const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
    let callback = callback.to_string();
    let mut form = SecretWriter::default();
    form.field("hub.mode", mode.as_str().as_bytes());
    form.field("hub.topic", topic.as_bytes());
    form.field("hub.callback", callback.as_bytes());
    form.field("hub.secret", secret.expose());
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, FORM)]);
    (hub.clone(), headers, form.into_bytes())
}

/// The hub's answer to a subscription or a publication. Its body decides, since the hub says `hub.mode=denied` under status 200 too;
/// 202 without a body is the answer of the WebSub standard. The hub's own reason travels in [`Error::upstream`].
///
/// # Errors
///
/// [`Code::Partner`] where it denies or takes no token of ours, [`Code::Upstream`] where it is broken or is no hub.
pub(crate) fn read_answer(status: StatusCode, body: &[u8]) -> Result<Answer> {
    let field = |name: &str| {
        let value = parse(body).find(|(field, _)| field == name).map(|(_, value)| value.into_owned());
        value.unwrap_or_default()
    };
    let reason = field("hub.reason");
    match field("hub.mode").as_str() {
        "denied" if is_already_registered(&reason) => return Ok(Answer::AlreadyRegistered),
        "denied" if status.is_server_error() => {}
        "denied" => return Err(Denial::Denied.error(&reason)),
        "accepted" if status.is_success() => return Ok(Answer::Accepted),
        _ if status == StatusCode::ACCEPTED && body.is_empty() => return Ok(Answer::Accepted),
        _ => {}
    }
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let what = format!("{HUB} answered {}", status.as_u16());
            Err(Error::new(Code::Partner, what).advise(
                "Check websub.token with the MOSIP administrator: the client, its secret and its roles at the hub.",
            ))
        }
        _ if status.is_success() => {
            let what = format!("{HUB} answered {} without saying that it accepts", status.as_u16());
            Err(Error::new(Code::Upstream, what).advise(
                "Check websub.hub_url: something else answers there, such as a login page or a proxy.",
            ))
        }
        _ => {
            let error = refusal::of_status(HUB, status, SETTING);
            // What is said of a record says nothing of a subscription.
            Err(if error.advice() == error.code().advice() { error.advise(AWAY) } else { error })
        }
    }
}

/// What to do about a hub that does not answer, or not in its senses.
pub(crate) const AWAY: &str = "The hub is away or overloaded. The gateway asks again by itself; if this lasts, tell the MOSIP administrator.";

/// What the hub says on the callback where it does not subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Denial {
    /// It denies the subscription.
    Denied,
    /// It fails.
    HubError,
}

impl Denial {
    pub(crate) fn of(mode: &str) -> Option<Self> {
        match mode {
            "denied" => Some(Self::Denied),
            "hub-error" => Some(Self::HubError),
            _ => None,
        }
    }

    /// The failure, with the hub's own `reason`, of which a person is shown what is readable and not too long. A reason is about the
    /// subscription of this partner, and about no person.
    pub(crate) fn error(self, reason: &str) -> Error {
        let reason = readable(reason);
        let (code, what, advice) = match self {
            Self::Denied => (
                Code::Partner,
                "MOSIP's hub denied the request",
                "Check with the MOSIP administrator that the client of websub.token has the role for the topic, that its user is the \
                 partner in the topic's name, and that the topic in websub.topics is spelled as the hub knows it.",
            ),
            Self::HubError => (Code::Upstream, "MOSIP's hub failed to serve the request", AWAY),
        };
        let detail = if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") };
        Error::new(code, detail).advise(advice).with_upstream("denied", reason)
    }
}

/// Whether the hub denies a subscription because it has it.
pub(crate) fn is_already_registered(reason: &str) -> bool {
    reason.to_ascii_lowercase().contains("already registered")
}

/// How long a subscription lasts of which the hub says `seconds`.
pub(crate) fn lease(seconds: Option<&str>) -> Duration {
    let Some(text) = seconds.map(str::trim) else { return USUAL_LEASE };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return USUAL_LEASE;
    }
    // A number that is too large for the type is still a number.
    Duration::from_secs(text.parse().unwrap_or(u64::MAX)).clamp(SHORTEST_LEASE, LONGEST_LEASE)
}
