//! OpenCRVS's webhooks service: what it lists. Nothing is subscribed, since the gateway that runs answers for its own requests alone.

use super::Finding;
use super::reach::Reached;
use super::tokens::Tokens;
use crate::destinations::opencrvs::Opencrvs;
use crate::opencrvs::subscription::TOPICS;
use crate::queue::outside::Network;

/// Has the service list the subscriptions of our client, where it and who gives its token can be asked.
pub(super) async fn call(
    network: &Network,
    opencrvs: &Opencrvs,
    reached: &Reached,
    tokens: &mut Tokens,
) -> Vec<Finding> {
    const SUBJECT: &str = "opencrvs.webhooks";
    // What is unset has been found without a call.
    let Some(service) = opencrvs.webhooks() else { return Vec::new() };
    let grant = service.token();
    let is_reached = reached.includes(Some(service.url())) && reached.includes(grant.grant().url());
    if !is_reached || tokens.refused(grant.grant().section()).is_some() {
        return Vec::new();
    }
    let listed = match service.list(network).await {
        Ok(listed) => listed,
        Err(error) => return vec![Finding::of_call(SUBJECT, &error)],
    };
    let topics = service.topics().unwrap_or(&TOPICS);
    let finding = |topic: &&str| {
        let ours = listed.iter().filter(|listed| service.is_ours(listed) && listed.topic == **topic).count();
        match ours {
            0 => Finding::warn(
                SUBJECT,
                format!("OpenCRVS lists no subscription to {topic}"),
                "it is made by the gateway when it runs; `mosip-gateway opencrvs status` says how it stands",
            ),
            1 => Finding::ok(SUBJECT, format!("OpenCRVS lists the subscription to {topic}")),
            several => Finding::warn(
                SUBJECT,
                format!("OpenCRVS lists {several} subscriptions to {topic}, and sends each webhook as often"),
                "run `mosip-gateway opencrvs unsubscribe`, then `subscribe`",
            ),
        }
    };
    topics.iter().map(finding).collect()
}
