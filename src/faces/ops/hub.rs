//! MOSIP's hub in readiness, in metrics, in the headline and on the page: what is subscribed there, and which registrations it is silent
//! about.

use maud::{Markup, html};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::headline::{Remark, Tone};
use super::metrics::{OfTopic, Subscribed};
use super::page::lists::List;
use super::page::{Forms, section, table, words};
use super::readiness::Refusal;
use super::standing::Standing;
use crate::clock::Timestamp;
use crate::error::{Code, Fault};
use crate::tasks::hub::{self, Cause, Gap, Standing as How, Status, UNKNOWN};

/// In readiness.
#[derive(Serialize, ToSchema)]
pub(super) struct Hub {
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    host: Option<String>,
    /// What a subscription needs and is not set. For those whom the page is open to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unset: Vec<&'static str>,
    /// Nothing is subscribed, since a file in `callback.tls` or `faces.tls` cannot be used and the listener that the hub calls is not served;
    /// absent where it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreachable: bool,
    subscriptions: Vec<Subscription>,
    /// Messages that were refused before they could be stored and named no topic, where none was taken since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<Refused>,
}

#[derive(Serialize, ToSchema)]
struct Subscription {
    /// The setting under `websub.topics`.
    topic: &'static str,
    /// `pending`, `active`, `failing`
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// Why the last attempt failed, with the hub's own reason where it gave one. For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
    /// While messages of the topic may have been lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    gap: Option<Lost>,
    /// Messages of the topic that were refused before they could be stored, where none was taken since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    refused: Option<Refused>,
}

#[derive(Serialize, ToSchema)]
struct Lost {
    /// `no-room`, `refused`, `silence`, `was-away`, `changed`
    cause: &'static str,
    since: String,
    /// When messages were taken again, or the hub verified a new subscription.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Refused {
    messages: u64,
    since: String,
    last: String,
    /// Why the last one was, such as `unauthorized` for a signature that does not fit.
    code: &'static str,
    /// Whether one of them came from the hub; else anybody may have sent them.
    is_hub: bool,
}

impl Hub {
    pub(super) fn of(status: &Status) -> Self {
        let subscriptions = status.subscriptions.iter().map(|subscription| Subscription {
            topic: subscription.name,
            state: subscription.standing.as_str(),
            since: subscription.since.map(Timestamp::to_iso),
            detail: subscription.refusal.as_ref().map(|refusal| refusal.detail().to_owned()),
            refusal: subscription.refusal.as_ref().map(Refusal::of),
            gap: subscription.gap.map(|Gap { since, until, cause }| Lost {
                cause: cause.as_str(),
                since: since.to_iso(),
                until: until.map(Timestamp::to_iso),
            }),
            refused: subscription.refused.map(Refused::of),
        });
        Self {
            host: Some(status.host.clone()),
            unset: status.unset.clone(),
            unreachable: status.is_unreachable,
            subscriptions: subscriptions.collect(),
            refused: status.refused.map(Refused::of),
        }
    }

    /// Without sentences and names.
    pub(super) fn for_strangers(self) -> Self {
        let short = |subscription: Subscription| Subscription {
            detail: None,
            refusal: subscription.refusal.map(Refusal::short),
            ..subscription
        };
        Self {
            host: None,
            unset: Vec::new(),
            unreachable: self.unreachable,
            subscriptions: self.subscriptions.into_iter().map(short).collect(),
            refused: self.refused,
        }
    }
}

impl Refused {
    fn of(refused: hub::Refused) -> Self {
        let hub::Refused { messages, since, last, code, is_hub } = refused;
        Self { messages, since: since.to_iso(), last: last.to_iso(), code: code.as_str(), is_hub }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GapOf {
    topic: &'static str,
    cause: &'static str,
}

/// In metrics.
pub(super) fn register(registry: &mut Registry, standing: &Standing) {
    let subscriptions = Family::<Subscribed, Gauge>::default();
    for subscription in standing.hub.iter().flat_map(|hub| &hub.subscriptions) {
        for how in How::ALL {
            let labels = Subscribed { topic: subscription.name, state: how.as_str() };
            subscriptions.get_or_create(&labels).set(i64::from(subscription.standing == how));
        }
    }
    registry.register("subscription", "1 for the state of the subscription at MOSIP's hub", subscriptions);
    let (gaps, refused) = (Family::<GapOf, Gauge>::default(), Family::<OfTopic, Gauge>::default());
    let messages = |refused: Option<hub::Refused>| {
        refused.map_or(0, |refused| i64::try_from(refused.messages).unwrap_or(i64::MAX))
    };
    if let Some(hub) = &standing.hub {
        refused.get_or_create(&OfTopic { topic: UNKNOWN }).set(messages(hub.refused));
        for subscription in &hub.subscriptions {
            let topic = subscription.name;
            refused.get_or_create(&OfTopic { topic }).set(messages(subscription.refused));
            for cause in Cause::ALL {
                let has_gap = subscription.gap.is_some_and(|gap| gap.cause == cause);
                gaps.get_or_create(&GapOf { topic, cause: cause.as_str() }).set(i64::from(has_gap));
            }
        }
    }
    registry.register(
        "hub_gap",
        "1 while messages of the topic of MOSIP's hub may be missing, and afterwards until a person settles it or a start",
        gaps,
    );
    registry.register(
        "hub_messages_refused",
        "Messages at the hub's callback that were refused before they could be stored, since a new one of the topic last verified",
        refused,
    );
    let silent = standing.stored.as_ref().map_or(0, |stored| stored.silent);
    super::metrics::gauge(
        registry,
        "registrations_silent",
        "Registrations that MOSIP has not answered within websub.expect_within, nor since, and nobody has settled",
        silent,
    );
}

/// In the headline.
pub(super) fn remarks(standing: &Standing, remarks: &mut Vec<Remark>) {
    let Some(hub) = &standing.hub else { return };
    if !hub.unset.is_empty() {
        remarks.push(act(
            "Put right: nothing is subscribed at MOSIP's hub.".to_owned(),
            format!("Set {}, and start the gateway again.", hub.unset.join(", ")),
        ));
    }
    // What fails alike is said once.
    let mut said: Vec<&str> = Vec::new();
    for subscription in &hub.subscriptions {
        let Some(refusal) = &subscription.refusal else { continue };
        if said.contains(&refusal.detail()) {
            continue;
        }
        said.push(refusal.detail());
        let since = subscription.since.map(|since| format!(" since {}", words::moment(since)));
        let text = format!(
            "MOSIP's hub is not subscribed to{}: {} Credentials wait at MOSIP; events flow.",
            since.unwrap_or_default(),
            words::sentence(refusal.detail())
        );
        let advice = words::sentence(refusal.advice());
        remarks.push(match refusal.fault() {
            Fault::Upstream => {
                Remark { tone: Tone::Waits, text, advice: format!("It is tried again by itself. {advice}") }
            }
            _ => act(text, advice),
        });
    }
    let of_topics = hub
        .subscriptions
        .iter()
        .filter_map(|subscription| Some((subscription.refused?, Some(subscription.name))));
    remarks.extend(hub.refused.map(|of_none| (of_none, None)).into_iter().chain(of_topics).map(refused));
    remarks.extend(gaps(&hub.subscriptions));
}

/// Topics whose messages may be missing from the same moment on, for the same cause, are said once.
fn gaps(subscriptions: &[hub::Subscription]) -> impl Iterator<Item = Remark> {
    let mut alike: Vec<(Gap, Vec<&str>)> = Vec::new();
    for subscription in subscriptions {
        let Some(gap) = subscription.gap else { continue };
        let is_alike = |(known, _): &&mut (Gap, Vec<&str>)| {
            (known.since, known.cause, known.until.is_some()) == (gap.since, gap.cause, gap.until.is_some())
        };
        match alike.iter_mut().find(is_alike) {
            Some((known, topics)) => {
                known.until = known.until.max(gap.until);
                topics.push(subscription.name);
            }
            None => alike.push((gap, vec![subscription.name])),
        }
    }
    alike.into_iter().map(|(gap, topics)| {
        let end = match gap.until {
            Some(_) => "Then settle the gap below.",
            None => {
                "The time is over with the next new message of the topic; settle the gap below once it is looked after."
            }
        };
        act(
            format!("Messages of MOSIP's hub ({}) {}", topics.join(", "), missing(gap)),
            format!("Ask the MOSIP administrator to send what was published in that time again. {end}"),
        )
    })
}

/// What is said of messages that may be missing.
fn missing(Gap { since, until, cause }: Gap) -> String {
    let why = match cause {
        Cause::NoRoom => "there was no room for them",
        Cause::Refused => "they were refused before they could be stored",
        Cause::Silence => "the hub delivered nothing, and was subscribed to anew",
        Cause::WasAway => "no gateway took them for longer than the hub tries",
        Cause::Changed => "the hub had been subscribed to under other settings",
    };
    let until = until.map_or_else(|| "now".to_owned(), words::moment);
    format!("may be missing from {} until {until}: {why}.", words::moment(since))
}

fn refused((refused, topic): (hub::Refused, Option<&str>)) -> Remark {
    let hub::Refused { messages, since, last, code, is_hub } = refused;
    let (what, were) = if messages == 1 { ("message", "was") } else { ("messages", "were") };
    let of_topic = topic.map(|topic| format!(" ({topic})")).unwrap_or_default();
    let from = if is_hub { "of MOSIP's hub" } else { "of the hub, or of somebody who knows its address," };
    let why = match code {
        Code::CallerSignature => "the signature does not fit",
        Code::TooLarge => "a message may have 6 MiB",
        _ => "it did not arrive whole",
    };
    let text = format!(
        "{messages} {what} {from}{of_topic} {were} refused from {} until {}: {why}. Nothing of them is stored.",
        words::moment(since),
        words::moment(last)
    );
    let advice = match code {
        Code::CallerSignature => {
            "Check that nothing else subscribes websub.callback_url with another secret, and that no proxy changes bodies. A subscription \
             that this gateway made with an older secret is made anew at its start."
        }
        _ => "Ask the MOSIP administrator what the hub sends, and look at the proxies on its way.",
    };
    act(text, advice.to_owned())
}

/// Registrations that MOSIP is silent about: its move.
pub(super) fn silent(standing: &Standing, remarks: &mut Vec<Remark>) {
    let silent = standing.stored.as_ref().map_or(0, |stored| stored.silent);
    if silent > 0 {
        let (of, have) = if silent == 1 { ("registration", "has") } else { ("registrations", "have") };
        remarks.push(Remark {
            tone: Tone::Waits,
            text: format!("{silent} {of} {have} no answer of MOSIP within websub.expect_within."),
            advice: "Ask the MOSIP administrator what became of them, and settle each below; the mediator gets `registration.silent` for each."
                .to_owned(),
        });
    }
}

/// What a person does about messages that may be missing.
const SETTLE: (&str, &str) = ("settle", "This is looked after");

/// On the page. What may be missing is decided about where there are `forms`, and elsewhere there is the way to them.
pub(super) fn render(standing: &Standing, forms: Option<&Forms>) -> Markup {
    let Some(hub) = standing.hub.as_ref().filter(|hub| hub.is_unreachable || !hub.subscriptions.is_empty())
    else {
        return Markup::default();
    };
    let heading = format!("MOSIP's hub, {}", hub.host);
    if hub.is_unreachable {
        const WHY: &str = "Nothing is subscribed, since the hub would post to a listener that is not served: a file in callback.tls or faces.tls cannot be used.";
        return section("hub", &heading, html! { p { span.act { (WHY) } } });
    }
    let rows = hub.subscriptions.iter().map(|subscription| {
        let state = match subscription.standing {
            How::Active => html! { span.flows { "Subscribed" } },
            How::Pending => html! { span.waits { "Not verified yet" } },
            How::Failing => html! { span.act { "Not subscribed" } },
        };
        let since = subscription.since.map_or_else(|| html! { "the start" }, words::time);
        let why = html! {
            @if let Some(refusal) = &subscription.refusal {
                (words::sentence(refusal.detail())) " " (words::sentence(refusal.advice())) " "
            }
            @if let Some(gap) = subscription.gap { "Messages " (missing(gap)) " " }
            @if subscription.gap.is_some() || subscription.refused.is_some() { (decision(subscription.name, forms)) }
        };
        vec![html! { (subscription.name) }, state, since, why]
    });
    let unknown = hub.refused.map(|refused| {
        let why = html! { "Messages that named no topic of ours were refused. " (decision(UNKNOWN, forms)) };
        vec![html! { (UNKNOWN) }, html! { "None" }, words::time(refused.since), why]
    });
    section("hub", &heading, table("hub", &["Topic", "State", "Since", "Reason"], rows.chain(unknown)))
}

fn decision(topic: &str, forms: Option<&Forms>) -> Markup {
    match forms {
        Some(forms) => forms.folded("Decide", &format!("gap:{topic}"), &[SETTLE]),
        None => html! { a href=(List::Hub.address(0, None)) { "Decide" } },
    }
}

fn act(text: String, advice: String) -> Remark {
    Remark { tone: Tone::Act, text, advice }
}
