//! What an earlier version left, taken over by this one. `tests/upgrade/README.md` says what each database holds and how it was made.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::gateway::{Running, json};
use crate::support::key_volume::KeyVolume;
use crate::support::mediator::{Mediator, Reserved};
use crate::support::mosip::{Push, private_key};
use crate::support::opencrvs::Opencrvs;
use crate::support::world::urls;
use futures_util::future::join_all;
use http::Method;
use mosip_gateway::clock::Clock;
use mosip_gateway::crypto::base64;
use mosip_gateway::simulator::{self, Settings, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What one version left.
struct Left {
    folder: PathBuf,
    /// What was posted, and what that gateway said before it was killed.
    before: Value,
}

impl Left {
    fn every() -> Vec<Self> {
        let folders = fs::read_dir("tests/upgrade").unwrap().map(|entry| entry.unwrap().path());
        let every: Vec<_> = folders.filter(|path| path.is_dir()).map(Self::in_folder).collect();
        assert!(!every.is_empty());
        every
    }

    fn in_folder(folder: PathBuf) -> Self {
        let before = serde_json::from_slice(&fs::read(folder.join("before.json")).unwrap()).unwrap();
        Self { folder, before }
    }

    /// Whether that gateway subscribed at MOSIP's hub.
    fn has_hub(&self) -> bool {
        self.before.get("answers").is_some()
    }

    fn list(&self, name: &str) -> &[Value] {
        self.before[name].as_array().unwrap()
    }

    /// A copy of database and key, for a gateway under the configuration of then.
    async fn start(&self, set: &[(&str, &str)]) -> (TempDir, Running) {
        let home = tempfile::tempdir().unwrap();
        for (from, to) in [("database", "outbox.db"), ("key", "outbox.key")] {
            fs::copy(self.folder.join(from), home.path().join(to)).unwrap();
        }
        let outbox = home.path().join("outbox.db").display().to_string();
        let set: Vec<_> =
            [("OUTBOX__PATH", outbox.as_str())].into_iter().chain(set.iter().copied()).collect();
        let example = fs::read_to_string(self.folder.join("example.toml")).unwrap();
        (home, Running::start_under(&example, &set).await)
    }
}

/// Everybody around the gateway, well again.
struct Place {
    simulator: simulator::Running,
    opencrvs: Opencrvs,
    reserved: Reserved,
    keys: KeyVolume,
    gateway: Running,
    _home: TempDir,
}

impl Place {
    /// Neither the mediator nor the key that opens pushes is there yet.
    async fn over(left: &Left) -> Self {
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        for aid in left.list("events").iter().filter_map(|event| event["aid"].as_str()) {
            simulator.history.know_aid(aid);
        }
        let (opencrvs, reserved, keys) = (Opencrvs::start().await, Reserved::new(), KeyVolume::new());
        keys.remove("opencrvs-priv.key");
        let (ida, mediator) = (format!("{}/idauthentication/v1", simulator.base_url), reserved.url());
        let owned: Vec<_> = urls(&simulator.base_url).into_iter().chain(opencrvs.settings()).collect();
        let mut set: Vec<_> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
        set.extend([
            ("UPSTREAM__IDA__URL", ida.as_str()),
            ("DELIVER__URL", &mediator),
            ("KEYS__DIR", keys.path()),
        ]);
        let hub = format!("{}/hub", simulator.base_url);
        if left.has_hub() {
            set.push(("WEBSUB__HUB_URL", &hub));
        }
        let (home, gateway) = left.start(&set).await;
        Self { simulator, opencrvs, reserved, keys, gateway, _home: home }
    }

    /// The event is done, and this MOSIP has it once, under the id and with the application id that it had before.
    async fn assert_sent_once(&self, before: &Value) {
        let id = text(&before["id"]);
        let after = self.gateway.event_in(id, "done").await;
        for member in ["kind", "destination", "acceptedAt"] {
            assert_eq!(after[member], before[member], "{id}");
        }
        assert!(before["aid"].is_null() || before["aid"] == after["aid"], "{before} {after}");
        if before["destination"] == "mediator" {
            let accepted = self.simulator.history.accepted(id).unwrap();
            assert_eq!((accepted.count, accepted.repeats, accepted.altered), (1, 0, 0), "{accepted:?}");
            let kind_has_aid = before["kind"] == "birth" || before["kind"] == "death";
            assert_eq!(accepted.aid.as_deref(), after["aid"].as_str().filter(|_| kind_has_aid), "{id}");
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The ids of a list.
fn ids(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|entry| text(&entry["id"]).to_owned()).collect()
}

/// What MOSIP tells of the birth that bears `brn`, by the mediator's next message about it.
async fn told_of(mediator: &mut Mediator, brn: &str) -> Value {
    loop {
        let (_, told) = mediator.next_of("uin-token.received").await;
        if told["subject"]["brn"] == brn {
            return told["subject"].clone();
        }
    }
}

#[tokio::test]
async fn every_event_of_then_goes_once_under_its_old_id_and_is_found_as_a_repeat() {
    for left in Left::every() {
        let place = Place::over(&left).await;
        let (_, listed) = place.gateway.get("/v1/events").await;
        let listed = listed["events"].as_array().unwrap();
        let order: Vec<_> = listed.iter().map(|event| &event["id"]).take(left.list("events").len()).collect();
        assert_eq!(order, left.list("events").iter().map(|event| &event["id"]).collect::<Vec<_>>());

        // What is parked waits for a person, and what follows it waits too.
        let (held, moving): (Vec<_>, Vec<_>) =
            left.list("events").iter().filter(|event| event["state"] != "done").partition(|event| {
                event["destination"] == "mediator" && text(&event["id"]).starts_with("parked")
            });
        for before in moving {
            place.assert_sent_once(before).await;
        }
        // The webhook whose kind had no URL then.
        place.gateway.event_in("death", "done").await;

        for (id, answer) in left.before["answers"].as_object().into_iter().flatten() {
            let (_, known) = place.gateway.get(&format!("/v1/events/{id}")).await;
            assert_eq!(&known["answer"], answer, "what came of it is still known");
        }
        for before in &held {
            let (_, still) = place.gateway.get(&format!("/v1/events/{}", text(&before["id"]))).await;
            assert_eq!((&still["state"], &still["lastFault"]), (&before["state"], &before["lastFault"]));
        }
        let parked = held.iter().find(|event| event["state"] == "parked").unwrap();
        let retry = format!("/v1/events/{}/retry", text(&parked["id"]));
        assert_eq!(place.gateway.ask(Method::POST, &retry).await.status, 200);
        for before in held {
            place.assert_sent_once(before).await;
        }
        let aids = left.list("events").iter().filter(|event| event["aid"].is_string());
        let owed: Vec<_> = aids.map(|event| (format!("B-{}", text(&event["id"])), &event["aid"])).collect();
        let taken = place.opencrvs.taken(owed.len()).await;
        for (brn, aid) in owed {
            let of_birth: Vec<_> = taken.iter().filter(|body| body["BRN"] == brn).collect();
            assert_eq!(of_birth, [&json!({ "BRN": brn, "MOSIP_AID": aid })], "to OpenCRVS once");
        }

        let (_, events) = place.gateway.get("/v1/events").await;
        for posted in left.list("posted") {
            let headers: Vec<_> =
                posted["key"].as_str().map(|key| ("idempotency-key", key)).into_iter().collect();
            let (kind, body) = (text(&posted["kind"]), text(&posted["body"]));
            let (status, repeat) = place.gateway.post_event(kind, &headers, body).await;
            assert_eq!((status, &repeat["id"], &repeat["state"]), (200, &posted["id"], &json!("done")));
            if !headers.is_empty() {
                let (status, problem) =
                    place.gateway.post_event(kind, &headers, &body.replace("Ada", "Eve")).await;
                assert_eq!(
                    (status, &problem["code"]),
                    (409, &json!("idempotency-conflict")),
                    "the key is remembered"
                );
            }
        }
        assert_eq!(place.gateway.get("/v1/events").await.1, events, "a repeat is no new event");
        place.gateway.stop().await;
    }
}

#[tokio::test]
async fn messages_pushes_and_jobs_of_then_go_on() {
    // A message to a mediator that was away waits for its next try: the versions wait side by side.
    join_all(Left::every().into_iter().map(go_on)).await;
}

async fn go_on(left: Left) {
    let place = Place::over(&left).await;
    let (_, inbox) = place.gateway.get("/v1/inbox").await;
    let inbox = inbox["messages"].as_array().unwrap();
    assert_eq!(&inbox[..left.list("inbox").len()], left.list("inbox"), "each is there as it was");

    let pushes = left.list("quarantine").iter().filter(|push| push["kind"] == "birth-nid");
    let pushes = ids(&pushes.cloned().collect());
    // The key that opens them is still missing; the webhook has become an event.
    place.gateway.until("/v1/quarantine", |kept| ids(&kept["messages"]) == pushes).await;

    for (job, before) in left.before["jobs"].as_object().unwrap() {
        let report =
            place.gateway.until(&format!("/v1/uin-tokens/{job}"), |report| report["state"] == "done").await;
        for settled in before["results"].as_array().unwrap() {
            assert!(report["results"].as_array().unwrap().contains(settled), "{settled} {report}");
        }
        let progress = &report["progress"];
        assert_eq!(progress["records"], before["progress"]["records"]);
        assert_eq!(progress["invalid"], before["progress"]["invalid"]);
        let tokens =
            report["results"].as_array().unwrap().iter().filter(|result| result["token"].is_string());
        assert_eq!(json!(tokens.count()), progress["done"]);
        assert_eq!((&progress["refused"], &progress["unreadable"]), (&json!(0), &Value::Null));
    }

    place.keys.replace("opencrvs-priv.key", "keys.example/opencrvs-priv.key");
    place.gateway.keys.reload().await;
    place.gateway.until("/v1/quarantine", |kept| kept["messages"] == json!([])).await;
    let mut mediator = place.reserved.open();
    let mut waiting = ids(&left.before["inbox"]);
    let mut pushed = pushes.len();
    while !waiting.is_empty() || pushed > 0 {
        let (headers, message) = mediator.next().await;
        waiting.remove(text(&message["id"]));
        assert_eq!(headers["webhook-id"], *text(&message["id"]));
        if message["type"] == "uin-token.received" {
            let composition = text(&message["subject"]["brn"]).strip_prefix("B-").unwrap();
            assert_eq!(message["subject"]["compositionId"], composition, "it found its event");
            pushed -= 1;
        }
    }
    let key = private_key("keys.example/simulator/mosip-priv.key");
    let push = Push::holding(&key, &json!({ "uinToken": "36", "opencrvsBRN": "B-settled" }).to_string());
    assert_eq!(place.gateway.push(&push.body()).await.status, 200);
    let settled = left.list("events").iter().find(|event| event["id"] == "settled").unwrap();
    let names = json!({ "compositionId": "settled", "trackingId": "T-settled", "brn": "B-settled", "aid": settled["aid"] });
    assert_eq!(told_of(&mut mediator, "B-settled").await, names);
    place.gateway.stop().await;
}

#[tokio::test]
async fn every_value_that_was_sealed_then_opens_and_is_sealed_anew() {
    for left in Left::every() {
        let nobody = Reserved::new().url();
        let owned = urls(&nobody);
        let mut set: Vec<_> = owned.iter().map(|(name, value)| (*name, value.as_str())).collect();
        set.push(("UPSTREAM__IDA__URL", &nobody));
        let (home, mut gateway) = left.start(&set).await;
        let file = home.path().join("outbox.key");
        let (old, new) = (fs::read_to_string(&file).unwrap(), format!("{}\n", base64::encode(&[9; 32])));
        fs::write(&file, format!("{new}{old}")).unwrap();
        let (status, rekeyed) = json(gateway.ask(Method::POST, "/v1/outbox/rekey").await);
        assert_eq!((status, &rekeyed["unreadable"]), (200, &json!(0)), "{rekeyed}");
        let rows = ["events", "inbox", "quarantine"].map(|name| left.list(name).len());
        assert!(rekeyed["resealed"].as_u64() > Some(rows.iter().sum::<usize>() as u64), "{rekeyed}");
        fs::write(&file, new).unwrap();
        gateway.restart(&[]).await;
        let (_, inbox) = gateway.get("/v1/inbox").await;
        assert_eq!(&inbox["messages"].as_array().unwrap()[..left.list("inbox").len()], left.list("inbox"));
        let settled = left.list("events").iter().find(|event| event["id"] == "settled").unwrap();
        let known = gateway.get("/v1/events/settled").await.1;
        assert_eq!((&known["aid"], &known["answer"]), (&settled["aid"], &left.before["answers"]["settled"]));
        gateway.stop().await;
    }
}
