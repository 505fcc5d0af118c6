//! What waits for the mediator.

use super::*;

fn undelivered(
    channels: Vec<ChannelStatus>,
    messages: u64,
    since: Millis,
    refusal: Option<&Error>,
) -> Standing {
    let mut standing = standing(0, 0, 0, channels);
    let stored = standing.stored.as_mut().unwrap();
    (stored.deliveries, stored.oldest_delivery) = (messages, Some(since));
    stored
        .failing
        .extend(refusal.map(|error| failed(Queue::Deliveries, "delivery", State::Queued, messages, error)));
    standing
}

#[test]
fn nothing_flows_while_results_do_not_reach_the_mediator() {
    let deliveries = |flow| vec![to(Queue::Deliveries, "delivery", flow)];
    let refused = Error::new(Code::Upstream, "the mediator answered 401").advise("Check deliver.url.");
    for (standing, text, tone) in [
        (
            undelivered(deliveries(Flow::Broken { until: 0 }), 3, 0, None),
            "Results have not reached the mediator since 2027-01-15 07:50 UTC: 3 messages wait, nothing is lost.",
            Tone::Act,
        ),
        (
            undelivered(deliveries(Flow::Open), 1, 0, Some(&refused)),
            "Results do not reach the mediator: 1 message waits, the oldest for 10m. The mediator answered 401. Nothing is lost.",
            Tone::Act,
        ),
        (
            undelivered(Vec::new(), 2, 0, None),
            "Results do not reach the mediator, which does not fetch them: 2 messages wait, the oldest for 10m.",
            Tone::Waits,
        ),
    ] {
        let all = remarks(&standing);
        assert_eq!((all.len(), all[0].text.as_str(), all[0].tone), (1, text, tone));
    }
    for under_way in
        [undelivered(deliveries(Flow::Open), 2, 0, None), undelivered(Vec::new(), 2, 599_000, None)]
    {
        assert_eq!(texts(&under_way), ["Everything flows."]);
    }
}
