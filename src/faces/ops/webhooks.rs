//! What is subscribed at OpenCRVS, and what its webhooks did not bring: in readiness, in metrics and in the headline.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Serialize;
use utoipa::ToSchema;

use super::headline::{Remark, Tone};
use super::metrics::{OfTopic, Subscribed};
use super::page::words;
use super::readiness::Refusal;
use super::standing::Standing;
use crate::clock::Timestamp;
use crate::error::{Error, Fault};
use crate::tasks::reconcile::{self, Compared};
use crate::tasks::subscriptions::{Standing as How, Status, Topic};

/// In readiness.
#[derive(Serialize, ToSchema)]
pub(super) struct Webhooks {
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    host: Option<String>,
    subscriptions: Vec<Subscription>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookState)]
struct Subscription {
    topic: &'static str,
    /// `pending`, `active`, `failing`, `ended`
    state: &'static str,
    /// Since when webhooks may be missing, until a person has looked after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    missing_since: Option<String>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

impl Webhooks {
    pub(super) fn of(status: &Status) -> Self {
        let subscription = |topic: &Topic| Subscription {
            topic: topic.name,
            state: topic.standing.as_str(),
            missing_since: topic.lost.map(Timestamp::to_iso),
            refusal: topic.refusal.as_ref().or(status.refusal.as_ref()).map(Refusal::of),
        };
        let subscriptions = status.topics.iter().map(subscription).collect();
        Self { host: Some(status.host.clone()), subscriptions }
    }

    /// Without sentences and names.
    pub(super) fn for_strangers(self) -> Self {
        let short = |of: Subscription| Subscription { refusal: of.refusal.map(Refusal::short), ..of };
        Self { host: None, subscriptions: self.subscriptions.into_iter().map(short).collect() }
    }
}

/// In metrics.
pub(super) fn register(registry: &mut Registry, standing: &Standing) {
    let (subscriptions, gaps) = (Family::<Subscribed, Gauge>::default(), Family::<OfTopic, Gauge>::default());
    for Topic { name: topic, standing, lost, .. } in
        standing.webhooks.iter().flat_map(|webhooks| &webhooks.topics)
    {
        for how in How::ALL {
            let labels = Subscribed { topic, state: how.as_str() };
            subscriptions.get_or_create(&labels).set(i64::from(*standing == how));
        }
        gaps.get_or_create(&OfTopic { topic }).set(i64::from(lost.is_some()));
    }
    registry.register(
        "webhook_subscription",
        "1 for the state of the subscription at OpenCRVS",
        subscriptions,
    );
    registry.register(
        "webhook_gap",
        "1 since a subscription at OpenCRVS was gone, until a person has looked after the webhooks that may be missing",
        gaps,
    );
    let (missing, fails) = match standing.reconciled.as_ref().map(|last| &last.outcome) {
        None => (0, 0),
        Some(Ok(Compared { missing, is_whole, .. })) => (missing.len() as u64, u64::from(!is_whole)),
        Some(Err(_)) => (0, 1),
    };
    super::metrics::gauge(
        registry,
        "records_missing",
        "Records of OpenCRVS that no event is about, as opencrvs.reconcile_every last found",
        missing,
    );
    super::metrics::gauge(
        registry,
        "reconcile_failing",
        "1 while OpenCRVS does not name all its records to opencrvs.reconcile_every",
        fails,
    );
}

/// In the headline.
pub(super) fn remarks(standing: &Standing, remarks: &mut Vec<Remark>) {
    if let Some(webhooks) = &standing.webhooks {
        of_subscriptions(webhooks, remarks);
    }
    match &standing.reconciled {
        None => {}
        Some(reconcile::Status { at, outcome: Err(error) }) => remarks.push(Remark {
            tone: tone(error),
            text: format!(
                "OpenCRVS was not compared with what is here at {}: {}",
                words::moment(*at),
                words::sentence(error.detail())
            ),
            advice: words::sentence(error.advice()),
        }),
        Some(reconcile::Status { outcome: Ok(Compared { since, missing, is_whole, .. }), .. })
            if !missing.is_empty() || !is_whole =>
        {
            let count = missing.len();
            let (records, are) = if count == 1 { ("record", "is") } else { ("records", "are") };
            let more = if *is_whole { "" } else { " OpenCRVS has more records than it names." };
            remarks.push(act(
                format!("{count} {records} of OpenCRVS {are} without an event here: their webhooks were lost.{more}"),
                format!(
                    "`mosip-gateway opencrvs reconcile --since {}` lists them; post each to /v1/events/birth or death, or look for it in quarantine.",
                    since.to_iso()
                ),
            ));
        }
        Some(_) => {}
    }
}

fn of_subscriptions(webhooks: &Status, remarks: &mut Vec<Remark>) {
    if let Some(error) = &webhooks.refusal {
        let text = format!("OpenCRVS does not say what is subscribed: {}", words::sentence(error.detail()));
        remarks.push(Remark { tone: tone(error), text, advice: words::sentence(error.advice()) });
    }
    if webhooks.is_ended {
        remarks.push(Remark {
            tone: Tone::Waits,
            text: "The webhooks of OpenCRVS are not subscribed, as a person wanted it.".to_owned(),
            advice: "`mosip-gateway opencrvs subscribe` has them come again.".to_owned(),
        });
    }
    for topic in &webhooks.topics {
        if let Some(error) = &topic.refusal {
            let text =
                format!("{} is not subscribed at OpenCRVS: {}", topic.name, words::sentence(error.detail()));
            remarks.push(Remark { tone: tone(error), text, advice: words::sentence(error.advice()) });
        }
        if let Some(lost) = topic.lost {
            remarks.push(act(
                format!(
                    "Webhooks of OpenCRVS ({}) may be missing since {}: the subscription was gone, which this gateway did not end.",
                    topic.name,
                    words::moment(lost)
                ),
                format!(
                    "Find out who ended it. `mosip-gateway opencrvs reconcile --since {}` lists what is missing; once that is posted, `mosip-gateway opencrvs subscribe` ends this alarm.",
                    lost.to_iso()
                ),
            ));
        }
        if topic.subscriptions > 1 {
            remarks.push(Remark {
                tone: Tone::Waits,
                text: format!("{} is subscribed {} times at OpenCRVS. Each event counts once.", topic.name, topic.subscriptions),
                advice: "Somebody has subscribed by hand, too. `mosip-gateway opencrvs unsubscribe`, then `subscribe`, leaves one."
                    .to_owned(),
            });
        }
    }
}

/// Who has to act.
fn tone(error: &Error) -> Tone {
    if error.fault() == Fault::Upstream { Tone::Waits } else { Tone::Act }
}

fn act(text: String, advice: String) -> Remark {
    Remark { tone: Tone::Act, text, advice }
}
