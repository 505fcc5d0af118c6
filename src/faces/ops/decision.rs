//! What a person decides on the page: parsed from a form of ours, logged with who and why.

use http::{HeaderMap, header};

use super::csrf::Csrf;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::faces::App;
use crate::http::server::{Peer, Transport};

/// Longest reason, characters.
pub(super) const LONGEST_REASON: usize = 500;

/// Names all of the quarantine.
const ALL: &str = "all";

/// A decision whose form was ours, with its reason.
pub(super) struct Decision {
    what: What,
    reason: String,
}

enum What {
    Retry(String),
    Discard(String),
    RetryAll(Fault),
    /// All that are parked for one reason.
    RetryGroup(String),
    /// Likewise.
    DiscardGroup(String),
    /// All that is in quarantine.
    VerifyAll,
    /// All that is in quarantine for one reason.
    VerifyGroup(String),
    /// Likewise.
    DiscardMessages(String),
    /// A message in quarantine.
    Verify(String),
    /// Likewise.
    DiscardMessage(String),
}

/// What has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// So many events are on their way again.
    Retried(usize),
    Discarded,
    /// So many events will not go.
    AllDiscarded(usize),
    Verified,
    /// What is in quarantine is looked at again.
    Examined,
    MessageDiscarded,
    /// So many messages are gone.
    MessagesDiscarded(usize),
}

impl Decision {
    /// Reads the members `about` (`event:<id>`, `fault:<fault>`, `message:<id>`), `do`, `reason` and `token`.
    pub(super) fn parse(form: &[u8], csrf: &Csrf, now: Timestamp) -> Result<Self> {
        let member = |wanted: &str| {
            let found = form_urlencoded::parse(form).find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let about = member("about");
        csrf.check(&about, &member("token"), now)?;
        let unknown = || Error::new(Code::Field, "the form asks for nothing that this page offers");
        let (kind, name) = about.split_once(':').ok_or_else(unknown)?;
        let what = match (member("do").as_str(), kind) {
            ("retry", "event") => What::Retry(name.to_owned()),
            ("discard", "event") => What::Discard(name.to_owned()),
            ("retry", "fault") => What::RetryAll(name.parse()?),
            ("retry", "reason") => What::RetryGroup(name.to_owned()),
            ("discard", "reason") => What::DiscardGroup(name.to_owned()),
            ("verify", "quarantine") if name == ALL => What::VerifyAll,
            ("verify", "quarantine") => What::VerifyGroup(name.to_owned()),
            ("discard", "quarantine") if name != ALL => What::DiscardMessages(name.to_owned()),
            ("verify", "message") => What::Verify(name.to_owned()),
            ("discard", "message") => What::DiscardMessage(name.to_owned()),
            _ => return Err(unknown()),
        };
        Ok(Self { what, reason: read_reason(&member("reason"))? })
    }

    /// Does it. `by`: who decided.
    pub(super) async fn carry_out(self, app: &App, by: &str) -> Result<Done> {
        let reason = self.reason;
        match self.what {
            What::Retry(id) => {
                let entry = app.engine().retry(id).await?;
                tracing::warn!(event = entry.id, by, reason, "an event is retried on the page");
                Ok(Done::Retried(1))
            }
            What::Discard(id) => {
                let entry = app.ledger().discard(id, reason.clone()).await?;
                tracing::warn!(event = entry.id, by, reason, "an event is discarded on the page");
                Ok(Done::Discarded)
            }
            What::RetryAll(fault) => {
                let events = app.engine().retry_all(fault).await?;
                let fault = fault.as_str();
                tracing::warn!(fault, events, by, reason, "parked events are retried on the page");
                Ok(Done::Retried(events))
            }
            What::RetryGroup(group) => {
                let events = app.engine().retry_group(group).await?;
                tracing::warn!(events, by, reason, "parked events of one reason are retried on the page");
                Ok(Done::Retried(events))
            }
            What::DiscardGroup(group) => {
                let discarded = app.ledger().discard_group(group, reason.clone()).await?;
                for event in &discarded {
                    tracing::warn!(event, by, reason, "an event is discarded on the page");
                }
                Ok(Done::AllDiscarded(discarded.len()))
            }
            What::VerifyAll => {
                tracing::warn!(by, reason, "the quarantine is tried again on the page");
                app.pushes().examine_again().await;
                Ok(Done::Examined)
            }
            What::VerifyGroup(group) => {
                let pushes = app.pushes().examine_group(group).await?;
                tracing::warn!(pushes, by, reason, "pushes of one reason are tried again on the page");
                Ok(Done::Examined)
            }
            What::DiscardMessages(group) => {
                let discarded = app.pushes().discard_group(group).await?;
                for push in &discarded {
                    tracing::warn!(push, by, reason, "a push is discarded on the page");
                }
                Ok(Done::MessagesDiscarded(discarded.len()))
            }
            What::Verify(id) => {
                tracing::warn!(push = id, by, reason, "a push is tried again on the page");
                app.pushes().verify(id).await?;
                Ok(Done::Verified)
            }
            What::DiscardMessage(id) => {
                app.pushes().discard(id.clone()).await?;
                tracing::warn!(push = id, by, reason, "a push is discarded on the page");
                Ok(Done::MessageDiscarded)
            }
        }
    }
}

impl Done {
    /// As it stands in the address that the page is led back to.
    pub(super) fn query(self) -> (&'static str, usize) {
        match self {
            Self::Retried(events) => ("retried", events),
            Self::Discarded => ("discarded", 1),
            Self::AllDiscarded(events) => ("all-discarded", events),
            Self::Examined => ("examined", 1),
            Self::Verified => ("verified", 1),
            Self::MessageDiscarded => ("message-discarded", 1),
            Self::MessagesDiscarded(messages) => ("messages-discarded", messages),
        }
    }

    /// Reads [`Done::query`].
    pub(super) fn parse(word: &str, events: usize) -> Option<Self> {
        match word {
            "retried" => Some(Self::Retried(events)),
            "discarded" => Some(Self::Discarded),
            "all-discarded" => Some(Self::AllDiscarded(events)),
            "examined" => Some(Self::Examined),
            "verified" => Some(Self::Verified),
            "message-discarded" => Some(Self::MessageDiscarded),
            "messages-discarded" => Some(Self::MessagesDiscarded(events)),
            _ => None,
        }
    }
}

/// What a form looks for, if it is the one that looks for an event.
pub(super) fn sought(form: &[u8]) -> Option<String> {
    let found = form_urlencoded::parse(form).find(|(name, _)| name == "find");
    found.map(|(_, value)| value.trim().to_owned())
}

/// [`Code::MediaType`] unless the request carries an HTML form.
pub(super) fn require_form(headers: &HeaderMap) -> Result<()> {
    let essence = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match essence.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => Ok(()),
        _ => Err(Error::new(Code::MediaType, "the content type is not application/x-www-form-urlencoded")),
    }
}

/// Who is on the other end: the subject of a verified certificate, or the address.
pub(super) fn name(peer: &Peer) -> String {
    match (&peer.certificate, peer.transport) {
        (Some(subject), _) => subject.to_string(),
        (None, Transport::Tcp(address)) => address.ip().to_canonical().to_string(),
        (None, Transport::Unix) => "unix socket".to_owned(),
    }
}

fn read_reason(text: &str) -> Result<String> {
    let reason = text.trim();
    let refused = |detail: &str| Err(Error::new(Code::Field, detail).advise("Go back and say why."));
    if reason.is_empty() {
        return refused("a decision needs a reason");
    }
    if reason.chars().count() > LONGEST_REASON || reason.contains(char::is_control) {
        return refused("the reason is not one line of at most 500 characters");
    }
    Ok(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn parse(about: &str, verb: &str, reason: &str) -> Result<Decision> {
        let csrf = Csrf::new();
        let token = csrf.token(about, NOW);
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("about", about), ("do", verb), ("reason", reason), ("token", &token)] {
            form.append_pair(name, value);
        }
        Decision::parse(form.finish().as_bytes(), &csrf, NOW)
    }

    #[test]
    fn what_the_page_offers_is_read_and_nothing_else() {
        for (about, verb) in [
            ("event:a", "retry"),
            ("event:a:b", "discard"),
            ("fault:bug", "retry"),
            ("reason:0123456789abcdef", "retry"),
            ("reason:0123456789abcdef", "discard"),
            ("quarantine:all", "verify"),
            ("quarantine:0123456789abcdef", "verify"),
            ("quarantine:0123456789abcdef", "discard"),
            ("message:p", "verify"),
            ("message:p", "discard"),
        ] {
            assert_eq!(parse(about, verb, " a reason ").unwrap().reason, "a reason", "{about} {verb}");
        }
        for (about, verb) in [
            ("event:a", "verify"),
            ("fault:bug", "discard"),
            ("quarantine:all", "discard"),
            ("fault:rain", "retry"),
            ("event", "retry"),
            ("", ""),
        ] {
            assert_eq!(parse(about, verb, "why").err().unwrap().code(), Code::Field, "{about} {verb}");
        }
    }

    #[test]
    fn a_decision_without_a_reason_is_refused() {
        let long = "x".repeat(LONGEST_REASON + 1);
        for reason in ["", "  ", "\t\n", "a\nb", "a\u{1b}[2J", &long] {
            assert_eq!(parse("event:a", "discard", reason).err().unwrap().code(), Code::Field, "{reason:?}");
        }
        assert!(parse("event:a", "discard", &long[1..]).is_ok());
    }

    #[test]
    fn a_form_without_a_token_is_refused_before_it_is_read() {
        let refusal =
            Decision::parse(b"about=event:a&do=discard&reason=why", &Csrf::new(), NOW).err().unwrap();
        assert_eq!(refusal.code(), Code::Forbidden);
    }

    #[test]
    fn only_a_form_is_a_form() {
        let of = |value: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
        assert!(require_form(&of("application/x-www-form-urlencoded; charset=utf-8")).is_ok());
        for other in ["application/json", "multipart/form-data", "text/plain", ""] {
            assert!(require_form(&of(other)).is_err(), "{other}");
        }
    }
}
