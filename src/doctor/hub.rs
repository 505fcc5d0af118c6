//! MOSIP's hub: each topic is subscribed once, as the gateway does itself all the time.

use super::Finding;
use super::reach::Reached;
use crate::destinations::hub::Publisher;
use crate::mosip::websub::{Answer, Mode};
use crate::queue::outside::Network;

/// Whether there is a hub that can reach us, and it and who gives its token were reached. What is unset has been found without a call.
pub(super) fn can_be_asked(hub: &Publisher, reached: &Reached) -> bool {
    let settings = hub.settings();
    let has_token = hub.token().is_none_or(|token| reached.includes(token.grant().url()));
    settings.subscriber().is_some() && has_token && reached.includes(settings.hub_url.as_ref())
}

/// Subscribes each topic once. It changes nothing: the gateway subscribes the same topics at the same address. A hub that has them says
/// so; else it asks the gateway that runs, which answers for its own requests alone, so that the hub forgets this one.
pub(super) async fn call(network: &Network, hub: &Publisher) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What is unset has been found without a call.
    let Some(subscriber) = hub.settings().subscriber() else { return findings };
    for (name, topic) in hub.settings().topics.set() {
        let subject = format!("websub.topics.{name}");
        findings.push(match subscriber.ask(network, hub.token(), Mode::Subscribe, topic).await {
            Ok(Answer::Accepted) => Finding::ok(subject, "MOSIP's hub takes the subscription"),
            Ok(Answer::AlreadyRegistered) => Finding::ok(subject, "MOSIP's hub has the subscription"),
            Err(error) => Finding::of_call(subject, &error),
        });
    }
    findings
}
