//! One event goes once, and events go in order.

use super::*;

// One event, once.

#[tokio::test]
async fn a_repeat_is_answered_with_the_first_entry_before_and_after_it_settled() {
    let world = world().await;
    world.simulator.controls.set(down());
    assert_eq!(world.gateway.accept("birth", BIRTH).await, COMPOSITION);
    let again = BIRTH.replace("7d1f0a52", "ffffffff").replace("2026-01-01T08", "2026-01-02T09");
    assert_ne!(again, BIRTH);
    let (status, repeat) = world.gateway.post_birth(&again).await;
    assert_eq!((status, &repeat["id"]), (202, &json!(COMPOSITION)));
    world.simulator.controls.set(Behaviour::default());
    world.gateway.event_in(COMPOSITION, "done").await;
    for headers in [&[][..], &[("idempotency-key", "another")][..]] {
        let (status, repeat) = world.gateway.post_event("birth", headers, &again).await;
        assert_eq!((status, &repeat["id"], &repeat["state"]), (200, &json!(COMPOSITION), &json!("done")));
        assert!(repeat["aid"].is_string(), "{repeat}");
    }
    world.assert_taken_once(&[COMPOSITION.to_owned()]).await;
}

#[tokio::test]
async fn an_idempotency_key_with_other_content_is_a_conflict_and_one_in_a_wrong_form_is_refused() {
    let world = world().await;
    let key = [("idempotency-key", "key-1")];
    let (status, first) = world.gateway.post_event("birth", &key, &birth("c1")).await;
    assert_eq!((status, &first["id"]), (202, &json!("c1")));
    assert_eq!(world.gateway.post_event("birth", &key, &birth("c1")).await.1["id"], "c1");
    let (status, problem) = world.gateway.post_event("birth", &key, &birth("c2")).await;
    assert_eq!((status, &problem["code"]), (409, &json!("idempotency-conflict")));
    for wrong in [String::new(), "a b".to_owned(), "k".repeat(256)] {
        let (status, problem) =
            world.gateway.post_event("birth", &[("idempotency-key", &wrong)], &birth("c3")).await;
        assert_eq!((status, &problem["code"]), (422, &json!("field")), "{wrong:?}");
    }
    assert_eq!(world.gateway.ids("").await, ["c1"]);
}

#[tokio::test]
async fn a_birth_registered_again_with_other_content_goes_under_an_id_of_its_own() {
    let world = world().await;
    world.gateway.settle("birth", &event("birth", "c1", "Ada")).await;
    let second = world.gateway.settle("birth", &event("birth", "c1", "Mary")).await;
    let id = second["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("c1-") && id.len() == "c1-".len() + 8, "{id}");
    world.assert_taken_once(&["c1".to_owned(), id]).await;
}

#[tokio::test]
async fn every_kind_goes_to_its_own_url_behind_what_it_speaks_of() {
    let world = world().await;
    world.simulator.controls.set(down());
    let mut ids = Vec::new();
    for (kind, composition) in [
        ("birth", "b"),
        ("birth-correction", "b"),
        ("birth-revocation", "b"),
        ("death", "d"),
        ("death-correction", "d"),
        ("death-revocation", "d"),
    ] {
        let id = world.gateway.accept(kind, &event(kind, composition, "Ada")).await;
        assert_eq!(id.starts_with(&format!("{composition}-")), kind.contains('-'), "{kind}: {id}");
        ids.push((kind, id));
    }
    world.gateway.failed_event("b").await;
    assert_eq!(world.gateway.get(&format!("/v1/events/{}", ids[1].1)).await.1["attempts"], 0);
    world.simulator.controls.set(Behaviour::default());
    for (_, id) in &ids {
        world.gateway.event_in(id, "done").await;
    }
    let record = world.simulator.history.record();
    for composition in ["b", "d"] {
        let accepted = record.accepted.iter().filter(|accepted| accepted.composition == composition);
        let went: Vec<_> = accepted.map(|accepted| (json!(accepted.kind), accepted.id.clone())).collect();
        let of_it = ids.iter().filter(|(_, id)| id.starts_with(composition));
        assert_eq!(went, of_it.map(|(kind, id)| (json!(kind), id.clone())).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn kinds_that_share_a_url_go_in_order_of_age_also_as_trials() {
    let fake = Fake::start().await;
    let kinds = ["BIRTH", "DEATH"].map(|kind| format!("UPSTREAM__MEDIATOR__{kind}"));
    let set = kinds.each_ref().map(|kind| (kind.as_str(), fake.url.as_str()));
    // No probe goes by itself; new keys are one, however slow this machine is.
    let world = world_with(&[&set[..], &[("UPSTREAM__PROBE_INTERVAL", "1h")]].concat()).await;
    fake.answers_json("200 OK", r#"{"errors":[{"errorCode":"OPN-AUT-003","errorMessage":""}]}"#);
    world.gateway.accept("death", &event("death", "a", "Ada")).await;
    world.gateway.failed_event("a").await;
    // That refusal pauses the URL, so that these wait, and each post from now on is a probe.
    for (kind, composition) in [("birth", "b"), ("death", "c"), ("birth", "d")] {
        world.gateway.accept(kind, &event(kind, composition, "Ada")).await;
    }
    for (id, attempts) in [("a", 2), ("b", 1), ("c", 1)] {
        world.gateway.keys.reload().await;
        let has_ended = |event: &Value| event["state"] == "queued" && event["attempts"] == attempts;
        world.gateway.event_until(id, has_ended).await;
    }
    assert_eq!(fake.take_ids(), ["a", "a", "b", "c"]);
    fake.accepts();
    world.gateway.keys.reload().await;
    for id in ["a", "b", "c", "d"] {
        world.gateway.event_in(id, "done").await;
    }
    assert_eq!(fake.take_ids(), ["d", "a", "b", "c"], "the probe's turn, then by age");
}
