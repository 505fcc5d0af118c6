//! ID systems beside MOSIP, and without it, through a whole gateway.

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::support::event::{BIRTH, COMPOSITION, birth, event};
use crate::support::gateway::{EXAMPLE, Running, json as read};
use crate::support::ida_setup::simulator;
use crate::support::mediator::Mediator;
use crate::support::patience;
use crate::support::system::{IdSystem, Manner, SECRET};
use crate::support::webhook::{Post, SHA_SECRET};
use crate::support::world::urls;

/// One of `[[systems]]`
fn section(name: &str, system: &IdSystem, more: &str) -> String {
    format!("\n[[systems]]\nname = \"{name}\"\nurl = \"{}\"\n{more}\n", system.url)
}

/// A gateway that knows no MOSIP.
async fn alone(systems: &str, set: &[(&str, &str)]) -> Running {
    Running::start_under(&format!("upstream.probe_interval = \"1s\"\n{systems}"), set).await
}

fn document(event: &str, action: &str, note: &str) -> String {
    format!(
        "{{\"type\":\"birth\", \"id\":\"{event}\",\"trackingId\":\"B7XK\",\"note\":\"{note}\",\"n\":1.0,\
         \"actions\":[{{\"type\":\"CREATE\",\"id\":\"a-0\"}},\
         {{\"type\":\"REGISTER\",\"id\":\"{action}\",\"registrationNumber\":\"2026BSYS01\"}}]}}"
    )
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

async fn page(gateway: &Running, path: &str) -> String {
    let url = format!("http://{}{path}", gateway.ops);
    let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_birth_goes_to_mosip_and_to_a_system_and_the_number_of_the_system_is_delivered() {
    let (simulator, mut mediator, mut nia) =
        (simulator(None).await, Mediator::start(), IdSystem::start().await);
    nia.says(201, r#"{"person":{"nid":4152630978}}"#);
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("nia.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let more = format!(
        "kinds = [\"birth\"]\nsign = \"standard-webhooks\"\nsecret_file = {secret:?}\nreply_id = \"$.person.nid\"\n\
         headers = {{ X-Road-Client = \"EE/GOV/1/reg\" }}"
    );
    let mosip = urls(&simulator.base_url);
    let mut set: Vec<_> = mosip.iter().map(|(name, url)| (*name, url.as_str())).collect();
    set.push(("DELIVER__URL", &mediator.url));
    let gateway = Running::start_under(&format!("{EXAMPLE}{}", section("nia", &nia, &more)), &set).await;

    let (_, taken) = gateway.post_event("birth", &[("prefer", "wait=30")], BIRTH).await;
    let other = format!("{COMPOSITION}@nia");
    assert_eq!(
        (&taken["id"], &taken["entries"][0]["id"], &taken["entries"][1]["id"]),
        (&json!(COMPOSITION), &json!(COMPOSITION), &json!(other)),
        "{taken}"
    );
    let (headers, body) = nia.next().await;
    assert_eq!(body, BIRTH.as_bytes(), "byte for byte, without MOSIP's application id");
    assert_eq!(headers["webhook-id"], COMPOSITION);
    assert_eq!(headers["x-road-client"], "EE/GOV/1/reg");
    assert!(
        headers.contains_key("webhook-signature"),
        "the system verified it with the library of Standard Webhooks"
    );
    let entry = gateway.event_in(&other, "done").await;
    assert_eq!(entry["destination"], "nia");
    assert_eq!(gateway.event_in(COMPOSITION, "done").await["destination"], "mediator");

    let (_, number) = mediator.next_of("national-id.received").await;
    assert_eq!((&number["data"]["nationalId"], &number["verified"]), (&json!("4152630978"), &json!("tls")));
    assert_eq!((&number["data"]["destination"], &number["data"]["id"]), (&json!("nia"), &json!(other)));
    assert_eq!(text(&number, "/subject/compositionId"), COMPOSITION);

    let (status, again) = gateway.post_event("birth", &[], BIRTH).await;
    assert_eq!((status, again["entries"].as_array().unwrap().len()), (200, 2), "a repeat finds both");
    assert!(nia.is_idle(), "and goes nowhere");

    let (_, ready) = gateway.readiness().await;
    let channels = ready["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["destination"] == "nia").unwrap();
    assert_eq!((&channel["kinds"], &channel["state"]), (&json!(["birth"]), &json!("open")));
    let metrics = page(&gateway, "/metrics").await;
    for line in [
        r#"mosip_gateway_channel{destination="nia","#,
        r#"mosip_gateway_oldest_waiting_seconds{destination="nia"} 0"#,
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let overview = page(&gateway, "/").await;
    assert!(overview.contains("Taken by nia</dt><dd>1<"), "{overview}");
    gateway.stop().await;
}

#[tokio::test]
async fn an_event_document_goes_to_systems_alone_as_it_came_and_in_order() {
    let (mut one, mut two) = (IdSystem::start().await, IdSystem::start().await);
    let kinds = "kinds = [\"birth\", \"birth-correction\"]";
    let systems = section("one", &one, kinds) + &section("two", &two, kinds);
    let gateway = alone(&systems, &[]).await;
    one.set(Manner::Hangs);
    let first = document("e-1", "a-1", "");
    let (status, taken) = gateway.post_event("birth", &[], &first).await;
    assert_eq!((status, &taken["id"]), (202, &json!("e-1-a-1")), "{taken}");
    assert_eq!(taken["entries"][1]["id"], "e-1-a-1@two");
    assert_eq!(two.next().await.1, first.as_bytes(), "one that hangs holds up nobody else");
    assert_eq!(one.next().await.0["webhook-id"], "e-1-a-1");

    let second = document("e-1", "a-2", "corrected");
    let (_, taken) = gateway.post_event("birth-correction", &[], &second).await;
    assert_eq!(taken["id"], "e-1-a-2");
    assert_eq!(two.next().await.0["webhook-id"], "e-1-a-2");
    let correction = gateway.get("/v1/events/e-1-a-2").await.1;
    assert_eq!(
        (&correction["state"], &correction["attempts"]),
        (&json!("queued"), &json!(0)),
        "it waits behind its birth"
    );

    let (_, again) = gateway.post_event("birth", &[], &document("e-1", "a-1", "other content")).await;
    assert_eq!(again["id"], "e-1-a-1", "the same action is the same event whatever else differs");
    assert!(two.is_idle());
    gateway.stop().await;
}

#[tokio::test]
async fn an_event_document_for_which_no_system_is_set_is_refused_and_never_goes_to_mosip() {
    let mut nia = IdSystem::start().await;
    let bundles = section("nia", &nia, "kinds = [\"birth\"]\nbody = \"bundle\"");
    let gateway = Running::start_under(&format!("{EXAMPLE}{bundles}"), &[]).await;
    let (status, problem) = gateway.post_event("birth", &[], &document("e-1", "a-1", "")).await;
    assert_eq!((status, text(&problem, "/code")), (422, "kind-not-configured"));
    assert!(text(&problem, "/advice").contains("[[systems]]"), "{problem}");
    let (status, problem) =
        gateway.post_event("birth", &[], r#"{"type":"birth","id":"e-1","actions":[]}"#).await;
    assert_eq!((status, text(&problem, "/pointer")), (422, "/actions"));
    assert!(gateway.ids("").await.is_empty() && nia.is_idle());
    gateway.stop().await;
}

#[tokio::test]
async fn a_system_without_mosip_takes_webhooks_and_a_kind_that_nobody_takes_is_refused() {
    let mut nia = IdSystem::start().await;
    let gateway = alone(&section("nia", &nia, "kinds = [\"birth\"]\nbody = \"bundle\""), &[]).await;
    assert_eq!(gateway.settle("birth", BIRTH).await["id"], COMPOSITION);
    let bundle: Value = serde_json::from_slice(&nia.next().await.1).unwrap();
    let whole: Value = serde_json::from_str(BIRTH).unwrap();
    assert_eq!(bundle, whole["event"]["context"][0]);
    let (status, problem) = gateway.post_event("death", &[], &event("death", "c-9", "Ada")).await;
    assert_eq!((status, text(&problem, "/code")), (422, "kind-not-configured"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_signed_webhook_goes_to_a_system_without_mosip() {
    let mut nia = IdSystem::start().await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("sha.secret");
    std::fs::write(&secret, SHA_SECRET).unwrap();
    let systems = section("nia", &nia, "kinds = [\"birth\"]");
    let secret = secret.display().to_string();
    let gateway =
        alone(&systems, &[("FACES__WEBHOOKS", "true"), ("FACES__WEBHOOK_SECRET_FILE", &secret)]).await;
    let (status, taken) = Post::send(&gateway.api, BIRTH).await.answered().await;
    assert_eq!((status, text(&taken, "/id")), (202, COMPOSITION), "{taken}");
    assert_eq!(nia.next().await.1, BIRTH.as_bytes());
    gateway.stop().await;
}

#[tokio::test]
async fn a_registration_goes_to_a_system_without_mosip_and_again_once_it_changed() {
    let mut nia = IdSystem::start().await;
    let gateway = alone(&section("nia", &nia, "kinds = [\"birth\"]\nbody = \"registration\""), &[]).await;
    let mut ids = Vec::new();
    for note in ["first", "second"] {
        let body =
            format!("{{\"requestFields\": {{\"birthCertificateNumber\":\"B1\",\"note\":\"{note}\"}}}}");
        let (status, taken) = read(gateway.call("/v1/packets/birth", "application/json", &body).await);
        assert_eq!(status, 202, "{note}: {taken}");
        let id = text(&taken, "/id").to_owned();
        let (headers, posted) = nia.next().await;
        assert_eq!((posted, headers["webhook-id"].to_str().unwrap()), (body.into(), id.as_str()));
        gateway.event_in(&id, "done").await;
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_refusal_parks_the_event_and_a_refusal_of_the_gateway_pauses_the_system_alone() {
    let (mut mediator, mut one, mut two) =
        (Mediator::start(), IdSystem::start().await, IdSystem::start().await);
    let systems = section("one", &one, "kinds = [\"birth\"]") + &section("two", &two, "kinds = [\"birth\"]");
    let gateway = alone(&systems, &[("DELIVER__URL", &mediator.url)]).await;
    one.says(422, "no");
    let id = text(&gateway.post_birth(&birth("c-1")).await.1, "/id").to_owned();
    gateway.event_in(&id, "parked").await;
    gateway.event_in("c-1@two", "done").await;
    let (_, parked) = mediator.next_of("event.parked").await;
    assert_eq!((text(&parked, "/data/destination"), text(&parked, "/data/fault")), ("one", "caller"));

    one.says(403, "");
    two.next().await;
    gateway.post_birth(&birth("c-2")).await;
    let paused = gateway.failed_event("c-2").await;
    assert_eq!(text(&paused, "/lastFault/fault"), "partner");
    assert!(text(&paused, "/lastFault/advice").contains("systems[0]"), "{paused}");
    gateway.event_in("c-2@two", "done").await;
    patience::until("a paused system", async || {
        let (status, ready) = gateway.readiness().await;
        let channels = ready["channels"].as_array().unwrap();
        let state =
            |name| channels.iter().find(|channel| channel["destination"] == name).unwrap()["state"].clone();
        let states = (status, state("one"), state("two"));
        if states == (200, json!("paused"), json!("open")) { Ok(()) } else { Err(states) }
    })
    .await;
    assert!(page(&gateway, "/").await.contains("Put right the registration with one"));

    one.says(200, "");
    gateway.event_in("c-2", "done").await;
    one.next().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let (mut nia, mut elsewhere) = (IdSystem::start().await, IdSystem::start().await);
    nia.set(Manner::Redirects(elsewhere.url.clone()));
    let gateway = alone(&section("nia", &nia, "kinds = [\"birth\"]"), &[]).await;
    gateway.post_birth(&birth("c-1")).await;
    let refused = gateway.failed_event("c-1").await;
    assert!(text(&refused, "/lastFault/detail").contains("a redirect, which is not followed"), "{refused}");
    assert_eq!(text(&refused, "/lastFault/fault"), "partner");
    nia.next().await;
    assert!(elsewhere.is_idle());
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_of_a_gigabyte_is_cut_off_and_one_that_never_comes_is_given_up() {
    let (one, two) = (IdSystem::start().await, IdSystem::start().await);
    let quick = "kinds = [\"birth\"]\ndeadline = \"1s\"\nreply_id = \"$.nid\"";
    one.set(Manner::Floods);
    two.set(Manner::Hangs);
    let systems = section("one", &one, "kinds = [\"birth\"]") + &section("two", &two, quick);
    let gateway = alone(&systems, &[]).await;
    gateway.post_birth(&birth("c-1")).await;
    let cut = gateway.failed_event("c-1").await;
    assert!(text(&cut, "/lastFault/detail").contains("larger than 1048576 bytes"), "{cut}");
    let silent = gateway.failed_event("c-1@two").await;
    assert!(text(&silent, "/lastFault/detail").contains("did not answer within 1000 ms"), "{silent}");
    for failed in [cut, silent] {
        assert_eq!((text(&failed, "/state"), text(&failed, "/lastFault/fault")), ("queued", "upstream"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_reply_whose_number_is_no_number_is_taken_and_told() {
    let (mut mediator, nia) = (Mediator::start(), IdSystem::start().await);
    let gateway = alone(
        &section("nia", &nia, "kinds = [\"birth\"]\nreply_id = \"$..nid\""),
        &[("DELIVER__URL", &mediator.url)],
    )
    .await;
    let hundred = format!("[{}]", [r#"{"nid":"1"}"#; 100].join(","));
    for (index, (reply, why)) in [
        ("", "not-json"),
        ("{}", "no-match"),
        (hundred.as_str(), "several-matches"),
        (r#"{"nid":[]}"#, "not-a-number"),
    ]
    .into_iter()
    .enumerate()
    {
        nia.says(200, reply);
        let id = format!("c-{index}");
        gateway.settle("birth", &birth(&id)).await;
        let (_, accepted) = mediator.next_of("event.accepted").await;
        assert_eq!((text(&accepted, "/data/id"), text(&accepted, "/data/noNationalId")), (id.as_str(), why));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_queued_for_a_system_outlives_a_kill() {
    let mut nia = IdSystem::start().await;
    nia.says(503, "");
    let mut gateway = alone(&section("nia", &nia, "kinds = [\"birth\"]"), &[]).await;
    let body = document("e-1", "a-1", "");
    gateway.accept("birth", &body).await;
    gateway.failed_event("e-1-a-1").await;
    gateway.restart(&[]).await;
    nia.says(200, "");
    gateway.event_in("e-1-a-1", "done").await;
    let (headers, posted) = nia.next().await;
    assert_eq!((&headers["webhook-id"], posted), (&http::HeaderValue::from_static("e-1-a-1"), body.into()));
    gateway.stop().await;
}
