//! MOSIP's hub: each topic is subscribed once, as the gateway does itself all the time.

use std::time::Duration;

use http::Method;

use super::Finding;
use super::reach::Reached;
use crate::destinations::drive::Outside;
use crate::destinations::hub::Publisher;
use crate::error::Result;
use crate::mosip::websub::{self, Answer, Mode};
use crate::queue::outside::Network;
use crate::upstream::Request;

/// For one request.
const DEADLINE: Duration = Duration::from_secs(30);
/// Largest answer, bytes; a real one is a line.
const MAX_REPLY: usize = 64 << 10;

/// Whether there is a hub that can reach us, and it and who gives its token were reached. What is unset has been found without a call.
pub(super) fn can_be_asked(hub: &Publisher, reached: &Reached) -> bool {
    let settings = hub.settings();
    let has_token = hub.token().is_none_or(|token| reached.includes(token.grant().url()));
    settings.unset.is_empty()
        && !settings.is_unreachable
        && has_token
        && reached.includes(settings.hub_url.as_ref())
}

/// Subscribes each topic once. It changes nothing: the gateway subscribes the same topics at the same address. A hub that has them says
/// so; else it asks the gateway that runs, which answers for its own requests alone, so that the hub forgets this one.
pub(super) async fn call(network: &Network, hub: &Publisher) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, topic) in hub.settings().topics.set() {
        let subject = format!("websub.topics.{name}");
        findings.push(match subscribe(network, hub, topic).await {
            Ok(Answer::Accepted) => Finding::ok(subject, "MOSIP's hub takes the subscription"),
            Ok(Answer::AlreadyRegistered) => Finding::ok(subject, "MOSIP's hub has the subscription"),
            Err(error) => Finding::of_call(subject, &error),
        });
    }
    findings
}

async fn subscribe(network: &Network, publisher: &Publisher, topic: &str) -> Result<Answer> {
    let settings = publisher.settings();
    let (Some(hub), Some(callback), Some(secret)) =
        (&settings.hub_url, &settings.callback_url, &settings.secret)
    else {
        // What is unset has been found without a call.
        return Ok(Answer::Accepted);
    };
    let (uri, headers, body) = websub::request(Mode::Subscribe, hub, topic, callback, secret);
    let (method, deadline, max_response) = (Method::POST, DEADLINE, MAX_REPLY);
    let request = Request { method, uri, headers, body, deadline, max_response };
    let reply = network.send(publisher.token(), request).await??;
    websub::read_answer(reply.status, &reply.body).map_err(|error| reply.explain(error))
}
