//! AID and UINTOKEN on their way to an OpenCRVS 1.x that takes no delivery of a mediator's: through the listeners, with its auth service and
//! its country configuration.

use crate::support::event::{BIRTH, BRN, COMPOSITION, birth};
use crate::support::gateway::Running;
use crate::support::logs::Logs;
use crate::support::mediator::Mediator;
use crate::support::mosip::{Push, private_key};
use crate::support::opencrvs::{self, Opencrvs};
use crate::support::world::urls;
use http::{HeaderMap, Method, StatusCode};
use mosip_gateway::clock::Clock;
use mosip_gateway::doctor::{self, Level};
use mosip_gateway::simulator::{self, Settings, Simulator};
use serde_json::{Value, json};

/// MOSIP, OpenCRVS, and a gateway between them that delivers to nobody.
struct Place {
    opencrvs: Opencrvs,
    simulator: simulator::Running,
    gateway: Running,
}

impl Place {
    async fn start(set: &[(&str, &str)]) -> Self {
        let opencrvs = Opencrvs::start().await;
        let mut settings = Settings::from_key_set(std::path::Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        let owned: Vec<_> = urls(&simulator.base_url).into_iter().chain(opencrvs.settings()).collect();
        let mut all: Vec<(&str, &str)> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("UPSTREAM__PROBE_INTERVAL", "1s"));
        all.extend(set);
        let gateway = Running::start(&all).await;
        Self { opencrvs, simulator, gateway }
    }

    /// The UINTOKEN `token` for the birth with the number `brn`, as MOSIP pushes it.
    async fn push(&self, token: &str, brn: &str) {
        let key = private_key("keys.example/simulator/mosip-priv.key");
        let text = json!({ "uinToken": token, "opencrvsBRN": brn }).to_string();
        let reply = self.gateway.push(&Push::holding(&key, &text).body()).await;
        assert_eq!(reply.status, StatusCode::OK);
    }

    async fn inbox(&self) -> Vec<Value> {
        let (_, inbox) = self.gateway.get("/v1/inbox").await;
        inbox["messages"].as_array().unwrap().clone()
    }

    async fn ops(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.gateway.ops);
        let reply = self.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    }
}

#[tokio::test]
async fn a_birth_comes_back_to_opencrvs_as_aid_and_token_without_any_mediator() {
    let logs = Logs::from_here();
    let place = Place::start(&[]).await;
    let settled = place.gateway.settle("birth", BIRTH).await;
    let aid = json!({ "BRN": BRN, "MOSIP_AID": settled["aid"] });
    assert_eq!(place.opencrvs.taken(1).await, std::slice::from_ref(&aid));
    place.push("36", BRN).await;
    assert_eq!(place.opencrvs.taken(2).await, [aid, json!({ "BRN": BRN, "MOSIP_PSUT_TOKEN_ID": "36" })]);
    assert_eq!(place.opencrvs.tokens_given(), 1, "a token is kept");

    for name in ["legacy-aid", "legacy-token"] {
        let event = place.gateway.event_in(&format!("{COMPOSITION}@{name}"), "done").await;
        assert_eq!((&event["kind"], &event["destination"]), (&json!("legacy"), &json!("opencrvs")));
    }
    assert_eq!(place.inbox().await, [Value::Null; 0], "what OpenCRVS took is settled");
    let metrics = place.ops("/metrics").await;
    for line in [
        "mosip_gateway_events{destination=\"opencrvs\",kind=\"legacy\",state=\"done\"} 2",
        "mosip_gateway_attempts_total{kind=\"legacy\",outcome=\"done\"} 2",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    place.gateway.stop().await;
    let logs = logs.text();
    for secret in [opencrvs::SECRET, "opencrvs%26secret", "client_secret", "token-0", BRN] {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn an_opencrvs_that_is_away_is_waited_for_by_another_process_in_order_and_holds_no_event_up() {
    let mut place = Place::start(&[]).await;
    place.opencrvs.answer(Some(StatusCode::SERVICE_UNAVAILABLE));
    let settled = place.gateway.settle("birth", BIRTH).await;
    place.push("36", BRN).await;
    place.gateway.failed_event(&format!("{COMPOSITION}@legacy-aid")).await;
    place.gateway.settle("birth", &birth("c2")).await;
    let waiting = place.inbox().await;
    assert!(waiting.iter().any(|message| message["type"] == "aid.assigned"), "{waiting:?}");

    place.gateway.restart(&[]).await;
    place.opencrvs.answer(None);
    for id in
        [format!("{COMPOSITION}@legacy-aid"), format!("{COMPOSITION}@legacy-token"), "c2@legacy-aid".into()]
    {
        place.gateway.event_in(&id, "done").await;
    }
    let taken = place.opencrvs.taken(3).await;
    assert_eq!(taken.len(), 3, "each of them was taken once: {taken:?}");
    let of_birth: Vec<_> = taken.into_iter().filter(|body| body["BRN"] == BRN).collect();
    assert_eq!(
        of_birth,
        [
            json!({ "BRN": BRN, "MOSIP_AID": settled["aid"] }),
            json!({ "BRN": BRN, "MOSIP_PSUT_TOKEN_ID": "36" })
        ]
    );
    assert_eq!(place.inbox().await, [Value::Null; 0]);
    place.gateway.stop().await;
}

#[tokio::test]
async fn a_refused_token_is_fetched_anew_once_and_a_refused_client_pauses_the_channel_until_it_is_right() {
    let place = Place::start(&[]).await;
    place.gateway.settle("birth", &birth("c1")).await;
    place.opencrvs.taken(1).await;
    place.opencrvs.revoke_tokens();
    place.gateway.settle("birth", &birth("c2")).await;
    let event = place.gateway.event_in("c2@legacy-aid", "done").await;
    assert_eq!((&event["attempts"], place.opencrvs.tokens_given()), (&json!(1), 2));

    place.opencrvs.refuse_client(true);
    place.opencrvs.revoke_tokens();
    place.gateway.settle("birth", &birth("c3")).await;
    let event = place.gateway.failed_event("c3@legacy-aid").await;
    assert_eq!(event["lastFault"]["fault"], "partner", "{event}");
    assert!(event["lastFault"]["advice"].as_str().unwrap().contains("opencrvs.client_id"), "{event}");
    let (status, readiness) = place.gateway.readiness().await;
    let channels = readiness["channels"].as_array().unwrap();
    let legacy = channels.iter().find(|channel| channel["kinds"] == json!(["legacy"])).unwrap();
    assert_eq!((status, &legacy["state"]), (200, &json!("paused")), "{readiness}");
    assert!(place.ops("/").await.contains("Put right the client of OpenCRVS"));

    place.opencrvs.refuse_client(false);
    place.gateway.event_in("c3@legacy-aid", "done").await;
    place.gateway.stop().await;
}

#[tokio::test]
async fn what_opencrvs_refuses_is_parked_told_and_goes_after_a_retry() {
    let place = Place::start(&[("OPENCRVS__LEGACY_TOKEN_MEMBER", "UINTOKEN")]).await;
    place.opencrvs.answer(Some(StatusCode::NOT_FOUND));
    place.push("36", BRN).await;
    let (_, list) = place.gateway.get("/v1/events").await;
    let id = match list["events"][0]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => {
            let list = place.gateway.until("/v1/events", |list| list["events"][0].is_object()).await;
            list["events"][0]["id"].as_str().unwrap().to_owned()
        }
    };
    assert!(id.starts_with("push_") && id.ends_with("@legacy-token"), "{id}");
    let event = place.gateway.event_in(&id, "parked").await;
    assert_eq!(event["lastFault"]["fault"], "caller", "{event}");
    let messages = place.inbox().await;
    let types: Vec<_> = messages.iter().map(|message| message["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["uin-token.received", "event.parked"]);
    assert_eq!(messages[1]["subject"], json!({ "brn": BRN }));
    assert_eq!(
        (&messages[1]["data"]["id"], &messages[1]["data"]["destination"]),
        (&json!(id), &json!("opencrvs"))
    );
    assert!(place.ops("/?list=parked").await.contains(&id));

    place.opencrvs.answer(None);
    place.gateway.ask(Method::POST, &format!("/v1/events/{id}/retry")).await;
    place.gateway.event_in(&id, "done").await;
    assert_eq!(place.opencrvs.taken(1).await, [json!({ "BRN": BRN, "UINTOKEN": "36" })]);
    let types: Vec<_> = place.inbox().await.iter().map(|message| message["type"].clone()).collect();
    assert_eq!(types, ["event.parked"], "the failure stays until somebody has acknowledged it");
    place.gateway.stop().await;
}

#[tokio::test]
async fn a_legacy_entry_can_be_discarded_and_its_message_is_left_for_somebody_else() {
    let place = Place::start(&[]).await;
    place.opencrvs.answer(Some(StatusCode::BAD_REQUEST));
    place.gateway.settle("birth", BIRTH).await;
    let id = format!("{COMPOSITION}@legacy-aid");
    place.gateway.event_in(&id, "parked").await;
    assert_eq!(place.gateway.discard(&id).await["state"], "discarded");
    let types: Vec<_> = place.inbox().await.iter().map(|message| message["type"].clone()).collect();
    assert_eq!(types, ["aid.assigned", "event.parked"]);
    assert_eq!(place.opencrvs.posted(), 1);
    place.gateway.stop().await;
}

#[tokio::test]
async fn without_a_client_the_gateway_starts_and_says_what_is_missing() {
    let place = Place::start(&[]).await;
    let opencrvs = Opencrvs::start().await;
    let url = &opencrvs.settings()[0].1;
    let mosip = urls(&place.simulator.base_url);
    let mut set: Vec<_> = mosip.iter().map(|(name, value)| (*name, value.as_str())).collect();
    set.push(("OPENCRVS__LEGACY_URL", url));
    let gateway = Running::start(&set).await;
    gateway.settle("birth", BIRTH).await;
    let event = gateway.failed_event(&format!("{COMPOSITION}@legacy-aid")).await;
    assert_eq!(event["lastFault"]["fault"], "keys", "{event}");
    let detail = event["lastFault"]["detail"].as_str().unwrap();
    for name in ["opencrvs.auth_url", "opencrvs.client_id", "opencrvs.client_secret_file"] {
        assert!(detail.contains(name), "{detail}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_mediator_without_a_store_matches_a_push_by_every_name_of_its_event() {
    let mut mediator = Mediator::start();
    let place = Place::start(&[("DELIVER__URL", &mediator.url)]).await;
    let settled = place.gateway.settle("birth", BIRTH).await;
    place.push("36", BRN).await;
    let mut subjects = Vec::new();
    for kind in ["aid.assigned", "event.accepted", "uin-token.received"] {
        subjects.push(mediator.next_of(kind).await.1["subject"].clone());
    }
    let subject = json!({
        "compositionId": COMPOSITION,
        "trackingId": "BDEMO01",
        "brn": BRN,
        "aid": settled["aid"],
    });
    assert_eq!(subjects, [subject.clone(), subject.clone(), subject]);
    place.opencrvs.taken(2).await;
    place.gateway.stop().await;
}

#[tokio::test]
async fn doctor_asks_opencrvs_for_a_token_and_posts_nothing() {
    let opencrvs = Opencrvs::start().await;
    let variables =
        opencrvs.settings().into_iter().map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), value));
    let variables = variables.collect();
    let findings = doctor::call(None, &variables, Clock::system()).await;
    assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
    assert!(findings.iter().any(|finding| finding.subject == "opencrvs"), "{findings:?}");
    opencrvs.refuse_client(true);
    let findings = doctor::call(None, &variables, Clock::system()).await;
    let failed: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Fail).collect();
    let [finding] = failed.as_slice() else { panic!("{findings:?}") };
    assert!(finding.what.contains("401") && finding.advice.as_ref().unwrap().contains("opencrvs.client_id"));
    assert_eq!(opencrvs.posted(), 0);
}
