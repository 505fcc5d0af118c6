//! What a person decides on the page: read from a form of ours, logged with who and why.

use serde::Deserialize;
use utoipa::ToSchema;

use super::csrf::Csrf;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::faces::App;
use crate::faces::request::FORM;
use crate::http::server::{Peer, Transport};

/// Longest reason, characters.
pub(super) const LONGEST_REASON: usize = 500;

/// Names all of the quarantine.
const ALL: &str = "all";

/// A form of the page: one that decides, or the one that looks for an event.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DecisionForm)]
pub(super) struct Form {
    /// `event:` and an id, `fault:` and a fault, `reason:` and the name of a reason, `message:` and an id, `quarantine:all`, `quarantine:` and the name of a reason, `unanswered:` and an id, `gap:` and a topic. Needed unless `find` is there, as `do`, `reason` and `token` are.
    #[schema(nullable = false)]
    about: Option<String>,
    #[schema(inline, nullable = false)]
    r#do: Option<Verb>,
    /// One line of at most 500 characters; it is logged.
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Binds the form to its page.
    #[schema(nullable = false)]
    token: Option<String>,
    /// In place of all the others: the id or a number of an event that is looked for.
    #[schema(nullable = false)]
    find: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Retry,
    Discard,
    Verify,
    Settle,
}

/// What a form asks for.
pub(super) enum Asked {
    /// To look for the event that is named so.
    Find(String),
    Decide(Decision),
}

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
    /// A registration without an answer of MOSIP.
    SettleRegistration(String),
    /// Messages of a topic of MOSIP's hub that may be missing.
    SettleGap(String),
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
    RegistrationSettled,
    GapSettled,
}

impl Form {
    /// What it asks for. [`Code::Forbidden`] for a decision whose form is not of a page that was made within the hour.
    pub(super) fn read(self, csrf: &Csrf, now: Timestamp) -> Result<Asked> {
        let Self { about, r#do: verb, reason, token, find } = self;
        let Some(sought) = find else {
            let about = about.ok_or_else(|| FORM.missing("about"))?;
            csrf.check(&about, &token.unwrap_or_default(), now)?;
            let verb = verb.ok_or_else(|| FORM.missing("do"))?;
            let reason = read_reason(&reason.unwrap_or_default())?;
            return Ok(Asked::Decide(Decision { what: What::read(verb, &about)?, reason }));
        };
        if about.is_some() || verb.is_some() || reason.is_some() || token.is_some() {
            return Err(unknown());
        }
        Ok(Asked::Find(sought.trim().to_owned()))
    }
}

fn unknown() -> Error {
    Error::new(Code::Field, "the form asks for nothing that this page offers")
        .advise("Load the page again, and repeat what you did.")
}

impl What {
    fn read(verb: Verb, about: &str) -> Result<Self> {
        let (kind, name) = about.split_once(':').ok_or_else(unknown)?;
        Ok(match (verb, kind) {
            (Verb::Retry, "event") => Self::Retry(name.to_owned()),
            (Verb::Discard, "event") => Self::Discard(name.to_owned()),
            (Verb::Retry, "fault") => Self::RetryAll(name.parse()?),
            (Verb::Retry, "reason") => Self::RetryGroup(name.to_owned()),
            (Verb::Discard, "reason") => Self::DiscardGroup(name.to_owned()),
            (Verb::Verify, "quarantine") if name == ALL => Self::VerifyAll,
            (Verb::Verify, "quarantine") => Self::VerifyGroup(name.to_owned()),
            (Verb::Discard, "quarantine") if name != ALL => Self::DiscardMessages(name.to_owned()),
            (Verb::Verify, "message") => Self::Verify(name.to_owned()),
            (Verb::Discard, "message") => Self::DiscardMessage(name.to_owned()),
            (Verb::Settle, "unanswered") => Self::SettleRegistration(name.to_owned()),
            (Verb::Settle, "gap") => Self::SettleGap(name.to_owned()),
            _ => return Err(unknown()),
        })
    }
}

impl Decision {
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
            What::SettleRegistration(id) => {
                app.ledger().settle_unanswered(id.clone(), reason.clone()).await?;
                tracing::warn!(
                    event = id,
                    by,
                    reason,
                    "a registration without an answer is settled on the page"
                );
                Ok(Done::RegistrationSettled)
            }
            What::SettleGap(topic) => {
                app.hub().settle(&topic).await?;
                tracing::warn!(topic, by, reason, "a gap of MOSIP's hub is settled on the page");
                Ok(Done::GapSettled)
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
            Self::RegistrationSettled => ("registration-settled", 1),
            Self::GapSettled => ("gap-settled", 1),
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
            "registration-settled" => Some(Self::RegistrationSettled),
            "gap-settled" => Some(Self::GapSettled),
            _ => None,
        }
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

    fn form(members: &[(&str, &str)]) -> Result<Form> {
        FORM.read(form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish().as_bytes())
    }

    fn parse(about: &str, verb: &str, reason: &str) -> Result<Decision> {
        let csrf = Csrf::new();
        let token = csrf.token(about, NOW);
        let members = [("about", about), ("do", verb), ("reason", reason), ("token", &token)];
        match form(&members)?.read(&csrf, NOW)? {
            Asked::Decide(decision) => Ok(decision),
            Asked::Find(_) => panic!("it looks for nothing"),
        }
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
            ("unanswered:a:b", "settle"),
            ("gap:credential", "settle"),
        ] {
            assert_eq!(parse(about, verb, " a reason ").unwrap().reason, "a reason", "{about} {verb}");
        }
        for (about, verb) in [
            ("event:a", "verify"),
            ("fault:bug", "discard"),
            ("quarantine:all", "discard"),
            ("fault:rain", "retry"),
            ("event:a", "settle"),
            ("gap:credential", "discard"),
            ("unanswered:a", "discard"),
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
    fn a_form_without_a_token_is_refused_before_anything_else_is_read() {
        let read = form(&[("about", "event:a")]).unwrap();
        assert_eq!(read.read(&Csrf::new(), NOW).err().unwrap().code(), Code::Forbidden);
    }

    #[test]
    fn a_form_of_another_shape_is_refused_and_nothing_of_it_is_repeated() {
        for (members, what) in [
            (&[][..], "the form: `about` is missing"),
            (&[("find", "4711"), ("reason", "4711")], "the form asks for nothing that this page offers"),
            (&[("find", "4711"), ("find", "4712")], "the form: a field is given twice"),
            (
                &[("find", "a"), ("4711", "b")],
                "the form: there is an unknown field; known are `about`, `do`, `reason`, `token`, `find`",
            ),
            (&[("do", "4711")], "the form: the value of `do` is none that this field takes"),
        ] {
            let refused = form(members).and_then(|form| form.read(&Csrf::new(), NOW)).err().unwrap();
            assert_eq!((refused.code(), refused.detail()), (Code::Field, what), "{members:?}");
        }
        let sought = form(&[("find", " 4711 ")]).unwrap().read(&Csrf::new(), NOW).unwrap();
        assert!(matches!(sought, Asked::Find(name) if name == "4711"));
    }
}
