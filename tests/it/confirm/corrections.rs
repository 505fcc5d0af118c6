//! Corrections that wait in OpenCRVS for MOSIP.

use super::*;

const APPROVE: &str = "event.actions.correction.approve.accept";
const REFUSE: &str = "event.actions.correction.approve.reject";

/// A record that was registered without MOSIP is corrected, and its country configuration registers the child at MOSIP for it; the id.
async fn born_by_correction(world: &World, event: &str, action: Option<&str>) -> String {
    let core = &world.simulator.core;
    core.asks(event, "a1", Waiting::Registration);
    core.decided(event, "a1", "Accepted");
    core.asks(event, "c1", Waiting::Correction);
    let fields = json!({ "birthCertificateNumber": format!("B-{event}") });
    let mut body = json!({ "trackingId": event, "eventId": event, "requestFields": fields });
    if let Some(action) = action {
        body["actionId"] = action.into();
    }
    let posted = world.gateway.call("/v1/packets/birth", "application/json", &body.to_string()).await;
    let (status, accepted) = read(posted);
    assert_eq!(status, 202, "{accepted}");
    let id = accepted["id"].as_str().unwrap().to_owned();
    world.gateway.event_in(&id, "done").await;
    id
}

/// OpenCRVS 2.0 and later: no number was made for the child before.
#[tokio::test]
async fn a_child_who_gets_a_number_by_a_correction_has_the_correction_approved() {
    let world = world(Setup::default()).await;
    for (event, action) in [("e1", None), ("e2", Some("c1"))] {
        let id = born_by_correction(&world, event, action).await;
        issue(&world, &id, Some(NUMBER));
        world.gateway.event_in(&confirmation(&id), "done").await;
        let call = decisions(&world).pop().unwrap();
        let transaction = call.input["transactionId"].clone();
        assert_eq!(
            (call.procedure.as_str(), &call.input),
            (
                APPROVE,
                &json!({
                    "transactionId": transaction,
                    "eventId": event,
                    "actionId": "c1",
                    "requestId": "c1-request",
                    "declaration": { "child.nid": NUMBER },
                })
            )
        );
    }
    assert_eq!(decisions(&world).len(), 2);
}

#[tokio::test]
async fn what_mosip_rejects_of_a_correction_is_rejected_in_opencrvs() {
    let world = world(Setup::default()).await;
    let born = born_by_correction(&world, "e1", None).await;
    world.simulator.core.asks("e2", "c1", Waiting::Correction);
    let changed = register(&world, "birth-correction", Some("e2"), json!({ "VID": "8031687218" })).await;
    for (id, event) in [(born, "e1"), (changed, "e2")] {
        world.simulator.hub.publish_result(&id, "REJECTED");
        world.gateway.event_in(&confirmation(&id), "done").await;
        let call = decisions(&world).pop().unwrap();
        let (input, of_call) = (&call.input, (call.procedure.as_str(), &call.input["requestId"]));
        assert_eq!(of_call, (REFUSE, &json!("c1-request")), "{event}");
        assert_eq!((&input["eventId"], input.get("declaration")), (&json!(event), None));
    }
}
