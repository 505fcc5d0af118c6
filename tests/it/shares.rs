//! Credentials that the hub only names: fetched from the data share of MOSIP's side, which is friendly, away, or something else.

use http::{Method, StatusCode};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::credentials::{CredentialType, Registration};
use mosip_gateway::simulator::{Behaviour, ShareReply};
use serde_json::Value;

use crate::support::patience;
use crate::support::world::{Setup, World};

async fn world() -> World {
    let world = World::start(Setup { hub: true, shares: true, ..Setup::default() }).await;
    patience::until("the subscriptions", async || match world.simulator.hub.subscriptions().len() {
        3 => Ok(()),
        other => Err(other),
    })
    .await;
    world
}

/// A birth is registered as `registration`, and the hub tells where its credential is.
fn issue(world: &World, registration: &str) {
    let registration = Registration {
        registration_id: registration.to_owned(),
        number: Some("4961027835190246".to_owned()),
        ..Registration::default()
    };
    let now = Clock::system().now();
    let published =
        world.simulator.issuer.publish(&registration, CredentialType::Vercred, None, now).unwrap();
    let shared = world.simulator.shares.take_out(published).unwrap();
    assert_eq!(world.simulator.hub.publish_credential(&shared).unwrap(), 1);
}

/// The only message in quarantine, once its reason satisfies `condition`.
async fn kept(world: &World, condition: impl Fn(&str, &str) -> bool) -> Value {
    patience::until("the quarantine", async || {
        let (_, list) = world.gateway.get("/v1/quarantine").await;
        let message = list["messages"][0].clone();
        let reason = &message["reason"];
        let (code, detail) = (reason["code"].as_str(), reason["detail"].as_str());
        match condition(code.unwrap_or_default(), detail.unwrap_or_default()) {
            true => Ok(message),
            false => Err(list),
        }
    })
    .await
}

#[tokio::test]
async fn a_shared_credential_is_fetched_with_a_token_and_delivered_as_one_that_came_along() {
    let mut world = world().await;
    issue(&world, "10001");
    let (_, delivery) = world.mediator.next_of("credential.issued").await;
    assert_eq!(
        (&delivery["verified"], &delivery["data"]["registrationId"]),
        (&"signature".into(), &"10001".into())
    );
    assert_eq!(delivery["data"]["vid"], "4961027835190246");
    assert_eq!(world.gateway.get("/v1/quarantine").await.1["messages"], serde_json::json!([]));
}

#[tokio::test]
async fn a_share_that_is_not_there_is_tried_again_by_itself_until_it_is() {
    let mut world = world().await;
    for (reply, id, words) in [
        (ShareReply::Missing, "10001", "the share is not there (status 404)"),
        (ShareReply::Html, "10002", "a page is there in place of the share"),
        (ShareReply::Redirect, "10003", "no redirect is followed"),
    ] {
        world.simulator.controls.set(Behaviour { share: Some(reply), ..Behaviour::default() });
        issue(&world, id);
        kept(&world, |code, detail| code == "upstream" && detail.contains(words)).await;
        world.simulator.controls.set(Behaviour::default());
        let (_, delivery) = world.mediator.next_of("credential.issued").await;
        assert_eq!(delivery["data"]["registrationId"], id);
    }
    let record = world.simulator.history.record();
    assert!(
        record.hub_deliveries.iter().all(|delivery| delivery.status == Some(200)),
        "the hub is answered at once"
    );
    assert!(record.max_concurrent.keys().all(|path| path != "/v1/elsewhere"), "where the redirect leads");
}

#[tokio::test]
async fn a_share_that_is_something_else_or_never_ends_is_refused_and_kept_for_a_person() {
    let mut world = world().await;
    for (reply, words) in [
        (ShareReply::Image, "no sealed credential"),
        (ShareReply::Large, "larger than"),
        (ShareReply::Endless, "larger than"),
    ] {
        world.simulator.controls.set(Behaviour { share: Some(reply), ..Behaviour::default() });
        issue(&world, "10002");
        let message = kept(&world, |code, detail| code == "malformed" && detail.contains(words)).await;
        world.simulator.controls.set(Behaviour::default());
        let route = format!("/v1/quarantine/{}/verify", message["id"].as_str().unwrap());
        assert_eq!(world.gateway.ask(Method::POST, &route).await.status, StatusCode::NO_CONTENT);
        let (_, delivery) = world.mediator.next_of("credential.issued").await;
        assert_eq!(delivery["verified"], "signature");
    }
}

/// The fetch that a person asks for answers as the one that is made by itself.
#[tokio::test]
async fn a_share_that_is_still_away_is_told_to_whoever_asks_for_it() {
    let world = world().await;
    let refused = Behaviour { share: Some(ShareReply::Missing), ..Behaviour::default() };
    world.simulator.controls.set(refused);
    issue(&world, "10004");
    let message = kept(&world, |code, detail| code == "upstream" && detail.contains("not there")).await;
    let route = format!("/v1/quarantine/{}/verify", message["id"].as_str().unwrap());
    patience::until("the end of the fetch that is under way", async || {
        let reply = world.gateway.ask(Method::POST, &route).await;
        let problem: Value = serde_json::from_slice(&reply.body).unwrap();
        match (reply.status.as_u16(), problem["code"].as_str()) {
            (502, Some("upstream")) => Ok(()),
            (409, Some("state-conflict")) => Err(problem),
            other => panic!("{other:?}: {problem}"),
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_that_waits_for_its_share_outlives_the_process() {
    let mut world = world().await;
    world.simulator.controls.set(Behaviour { share: Some(ShareReply::Missing), ..Behaviour::default() });
    issue(&world, "10003");
    kept(&world, |code, detail| code == "upstream" && detail.contains("not there")).await;
    world.simulator.controls.set(Behaviour::default());
    world.gateway.restart(&[]).await;
    let (_, delivery) = world.mediator.next_of("credential.issued").await;
    assert_eq!(delivery["data"]["registrationId"], "10003");
}
