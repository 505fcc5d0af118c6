//! A running country comes over from `mosip-api`, as `docs/migrate.md` has it: with its variables, three additions, and what waits in its
//! database. Every command line of the move and of the way back is run as it stands there, in its order, beside a `mosip-api` that goes on.

mod country;
mod peer;
mod walk;

use serde_json::json;

use self::country::Country;
use self::walk::Walk;
use crate::support::mosip_api::Era;
use crate::support::patience;
use crate::support::rows::Rows;

const NUMBER: &str = "4961027835190246";
const DOCTOR: &str = "mosip-gateway doctor";
const IMPORT: &str = "mosip-gateway import mosip-api /data/sqlite/mosip-api.db";
const UNANSWERED: &str = "curl http://127.0.0.1:4546/v1/unanswered";

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_move_and_of_the_way_back_is_walked_with_record_tokens() {
    walk_all(Era::RecordToken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_of_the_move_and_of_the_way_back_is_walked_with_a_client() {
    walk_all(Era::Client).await;
}

async fn walk_all(era: Era) {
    let mut country = Country::beside_mosip_api(era).await;
    for (id, event, number) in
        [("100010000000001", "e1", "B1"), ("100010000000002", "e2", "D2"), ("100010000000003", "e3", "B3")]
    {
        country.peer().registers(id, event, number);
    }

    // Days before.
    let mut walk = Walk::of(&country);
    walk.step("export MOSIP_GATEWAY_CONFIG=/etc/mosip-gateway/mosip-gateway.toml");
    country.add();
    walk.step(DOCTOR);

    // The first hour, beside mosip-api.
    let before = std::fs::read(&country.file).unwrap();
    walk.step(IMPORT);
    assert!(before == std::fs::read(&country.file).unwrap(), "mosip-api goes on with it");
    country.start().await;
    walk.step(r#"curl http://127.0.0.1:4548/readyz | grep -o '"topic":"credential","state":"[a-z]*"'"#);
    country.issues("100010000000001", Some(NUMBER), 2);
    country.peer_confirms("e1").await;
    country.gateway_confirms("100010000000001").await;
    assert_eq!(country.accepted("e1"), (json!("B1"), json!({ "child.nid": NUMBER })));
    country.peer().registers("100010000000004", "e4", "B4");
    country.issues("100010000000004", Some(NUMBER), 2);
    country.peer_confirms("e4").await;
    country.credentials_of_nobody(1).await;
    let inbox = country.gateway.get("/v1/inbox").await;
    let told = &inbox["messages"][0];
    assert_eq!(
        (&told["type"], &told["data"]["notConfirmed"], &told["data"]["registrationId"]),
        (&json!("credential.issued"), &json!("unknown-registration"), &json!("100010000000004"))
    );
    country.peer().registers("100010000000005", "e5", "B5");

    // The switch. Until mosip-api ends, a connection to it may stay open.
    let sixth = country.registers("e6", "a1", "B6").await;
    walk.step(IMPORT);
    country.peer().registers("100010000000007", "e7", "B7");
    country.peer().ends();
    walk.step(IMPORT);
    for (id, event, number) in [
        ("100010000000002", "e2", None),
        ("100010000000005", "e5", Some(NUMBER)),
        (sixth.as_str(), "e6", Some(NUMBER)),
        ("100010000000007", "e7", Some(NUMBER)),
    ] {
        country.issues(id, number, 2);
        country.gateway_confirms(id).await;
        let declared = number.map_or(json!({}), |number| json!({ "child.nid": number }));
        assert_eq!(country.accepted(event).1, declared, "{event}");
    }

    // After an hour.
    walk.step("mosip-gateway outbox list --state parked");
    walk.step(r#"mosip-gateway outbox list --state done | grep '"id"'"#);
    for id in [sixth.clone(), format!("{sixth}@opencrvs")] {
        assert_eq!(country.gateway.get(&format!("/v1/events/{id}")).await["state"], "done", "{id}");
    }
    let page = country.gateway.page().await;
    assert!(page.contains("Everything flows.") && page.contains("<dt>Parked</dt><dd>0</dd>"), "{page}");

    // After a day. MOSIP never heard of the third, and its registrar registers the record once more.
    country.a_day_passes().await;
    walk.step(UNANSWERED);
    country.simulator.core.decided("e3", "a1", "Rejected");
    let again = country.registers("e3", "a2", "B3").await;
    country.issues(&again, Some(NUMBER), 2);
    country.gateway_confirms(&again).await;
    assert_eq!(country.accepted("e3"), (json!("B3"), json!({ "child.nid": NUMBER })));
    country.credentials_of_nobody(1).await;

    // The way back. What the gateway took is confirmed by it, and what mosip-api takes by that.
    let last = country.registers("e8", "a1", "B8").await;
    country.peer().starts_again().await;
    country.peer().registers("100010000000009", "e9", "B9");
    country.issues(&last, Some(NUMBER), 3);
    country.issues("100010000000009", Some(NUMBER), 3);
    country.gateway_confirms(&last).await;
    country.peer_confirms("e9").await;
    country.credentials_of_nobody(2).await;
    for line in
        ["mosip-gateway outbox list --state queued", "mosip-gateway outbox list --state parked", UNANSWERED]
    {
        walk.step(line);
    }
    walk.ends();
    country.gateway.end().await;

    for event in ["e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9"] {
        country.accepted(event);
    }
    let waiting = country.peer().waiting();
    assert_eq!(waiting, ["100010000000003"], "of which MOSIP never heard");
    let packets = country.simulator.history.record().packets;
    assert_eq!(packets.len(), 3, "nothing of what was taken over is sent: {packets:?}");
    let log = country.gateway.whole_log();
    for secret in [NUMBER, "B1", "D2", "eyJ"] {
        assert!(!log.contains(secret), "a log line holds {secret}");
    }
}

/// A registrar's request failed at `mosip-api`, whose row stays, and their next one comes to the gateway.
#[tokio::test(flavor = "multi_thread")]
async fn the_row_of_a_record_that_was_registered_once_more_is_superseded_and_the_record_confirmed_for_that() {
    let mut country = Country::beside_mosip_api(Era::RecordToken).await;
    country.add();
    country.start().await;
    country.peer().registers("100010000000001", "e1", "B1");
    let id = country.registers("e1", "a1", "B1").await;
    let imported = country.gateway.run(&["import", "mosip-api", country.file.to_str().unwrap()]);
    let said = String::from_utf8(imported.stdout).unwrap();
    assert_eq!(imported.status.code(), Some(1));
    assert!(
        said.starts_with("taken 0, already here 0, unusable 1\nrowid 1 of transactions is not taken: "),
        "{said}"
    );
    country.issues(&id, Some(NUMBER), 2);
    country.gateway_confirms(&id).await;
}

/// The hub still has the subscription of `mosip-api`, which it gave up when nobody answered.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_short_stop_the_gateway_makes_the_subscription_of_mosip_api_its_own() {
    let mut country = Country::in_the_place_of_mosip_api(Era::RecordToken).await;
    for (id, event) in [("100010000000001", "e1"), ("100010000000002", "e2")] {
        country.peer().registers(id, event, event);
    }
    country.peer().ends();
    country.issues("100010000000001", Some(NUMBER), 1);
    patience::until("the hub to give mosip-api up", async || match country.simulator.hub.subscriptions() {
        known if known.iter().any(|(_, is_delivered)| !is_delivered) => Ok(()),
        other => Err(other),
    })
    .await;
    country.add();
    let imported = country.gateway.run(&["import", "mosip-api", country.file.to_str().unwrap()]);
    assert!(imported.status.success(), "{imported:?}");
    country.start().await;
    let page = country.gateway.page().await;
    assert!(
        page.contains("Ask the MOSIP administrator to send what was published in that time again"),
        "{page}"
    );
    for id in ["100010000000001", "100010000000002"] {
        country.issues(id, Some(NUMBER), 1);
        country.gateway_confirms(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_variables_alone_registrations_are_taken_credentials_are_kept_and_what_is_missing_is_named()
{
    let mut country = Country::in_the_place_of_mosip_api(Era::Client).await;
    country.peer().ends();
    let examined = country.gateway.run(&["doctor", "--allow-example-keys"]);
    let examined = [examined.stdout, examined.stderr].concat();
    let examined = String::from_utf8(examined).unwrap();
    let missing =
        ["credentials.issuers is not set", "upstream.ida.reply_signers", "upstream.packets.schema_file"];
    for missing in missing {
        assert_eq!(examined.matches(missing).count(), 1, "{missing}: {examined}");
    }
    assert!(examined.contains("set source to CRVS1 and schema_version to 0.500"), "{examined}");
    country.start().await;
    let id = country.registers("e1", "a1", "B1").await;
    country.issues(&id, Some(NUMBER), 1);
    let kept = patience::until("the credential in quarantine", async || {
        let kept = country.gateway.get("/v1/quarantine").await;
        if kept["messages"][0]["reason"].is_null() { Err(kept) } else { Ok(kept) }
    });
    kept.await;
    assert!(country.simulator.history.record().core_calls.is_empty());
    let log = country.gateway.whole_log();
    for missing in &missing[..2] {
        assert!(log.contains(missing), "{missing}: {log}");
    }
    country.gateway.end().await;
    country.add();
    country.start().await;
    country.gateway_confirms(&id).await;
    assert_eq!(country.accepted("e1").1, json!({ "child.nid": NUMBER }));
}

impl Country {
    /// MOSIP has not answered what waits within `websub.expect_within`, as the gateway sees it after a start.
    async fn a_day_passes(&mut self) {
        self.gateway.end().await;
        let overdue = "UPDATE correlation SET expected_by=1 WHERE expected_by IS NOT NULL";
        assert_eq!(Rows::of(&self.outbox()).change(overdue, []), 1, "the third alone waits");
        self.start().await;
    }
}
