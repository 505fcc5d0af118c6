//! Corrections, revocations and reversals: behind the registration they belong to, each under an id of its own, at every destination that has a
//! form for them.

use mosip_gateway::simulator::{self, Behaviour};
use serde_json::{Value, json};

use crate::support::event::event;
use crate::support::gateway::{EXAMPLE, Running, json as read};
use crate::support::ida_setup::simulator;
use crate::support::system::IdSystem;
use crate::support::world::{packets, urls};

/// A registration and what may follow it.
const STORIES: [[&str; 3]; 2] =
    [["birth", "birth-correction", "birth-revocation"], ["death", "death-correction", "death-revocation"]];
/// The processes of packets in their order, as MOSIP calls them.
const PROCESSES: [&str; 5] =
    ["CRVS_NEW", "CRVS_UPDATE", "CRVS_deactivate_ID", "CRVS_DEATH", "CRVS_Fraud_Death"];

/// MOSIP, and an ID system beside it. Both are away until they come back.
struct Site {
    simulator: simulator::Running,
    nia: IdSystem,
    gateway: Running,
}

impl Site {
    /// The ID system gets what `more` says.
    async fn start(more: &str) -> Self {
        let (simulator, nia) = (simulator(None).await, IdSystem::start().await);
        simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
        nia.says(503, "");
        let base = &simulator.base_url;
        let mosip: Vec<_> = urls(base).into_iter().chain(packets(base)).collect();
        let mut set: Vec<_> = mosip.iter().map(|(name, value)| (*name, value.as_str())).collect();
        set.push(("UPSTREAM__PROBE_INTERVAL", "1s"));
        let gateway = Running::start_under(&format!("{EXAMPLE}{}", section(&nia, more)), &set).await;
        Self { simulator, nia, gateway }
    }

    fn come_back(&self) {
        self.simulator.controls.set(Behaviour::default());
        self.nia.says(200, "");
    }

    /// Posts to `route` what has to be taken; its id.
    async fn post(&self, route: &str, body: &str) -> String {
        let (status, taken) = read(self.gateway.call(route, "application/json", body).await);
        assert_eq!((status, &taken["state"]), (202, &json!("queued")), "{route}: {taken}");
        taken["id"].as_str().unwrap().to_owned()
    }

    /// The first of `ids` fails everywhere, and the others are not tried before it has gone.
    async fn wait_behind(&self, ids: &[String]) {
        for at in ["", "@nia"] {
            self.gateway.failed_event(&format!("{}{at}", ids[0])).await;
            for id in &ids[1..] {
                let (_, waiting) = self.gateway.get(&format!("/v1/events/{id}{at}")).await;
                let seen = (&waiting["state"], &waiting["attempts"]);
                assert_eq!(seen, (&json!("queued"), &json!(0)), "it overtakes its registration: {waiting}");
            }
        }
    }

    /// Everything of `ids` is delivered everywhere.
    async fn arrived(&self, ids: &[String]) {
        for id in ids.iter().flat_map(|id| [id.clone(), format!("{id}@nia")]) {
            self.gateway.event_in(&id, "done").await;
        }
    }

    /// What the ID system got: each id once, in the order in which it came first, with its body.
    fn at_nia(&mut self) -> Vec<(String, String)> {
        let mut first: Vec<(String, String)> = Vec::new();
        for posted in self.nia.all() {
            let (id, body) = (posted.id().to_owned(), String::from_utf8(posted.body.to_vec()).unwrap());
            match first.iter().find(|(known, _)| *known == id) {
                Some((_, known)) => assert_eq!(*known, body, "{id} is another one when it is sent again"),
                None => first.push((id, body)),
            }
        }
        first
    }
}

/// `[[systems]]`
fn section(nia: &IdSystem, more: &str) -> String {
    format!("\n[[systems]]\nname = \"nia\"\nurl = \"{}\"\n{more}\n", nia.url)
}

/// The ids of the line of `id`, in order.
fn line_of(id: &str, posted: &[(String, String)]) -> Vec<(String, String)> {
    let is_of =
        |other: &str| other.strip_prefix(id).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    posted.iter().filter(|(other, _)| is_of(other)).cloned().collect()
}

#[tokio::test]
async fn what_follows_an_undelivered_registration_waits_behind_it_at_the_mediator_and_at_a_system() {
    let kinds = STORIES.as_flattened();
    let mut site = Site::start(&format!("kinds = {kinds:?}")).await;
    let mut stories = Vec::new();
    for story in STORIES {
        let composition = format!("c-{}", story[0]);
        let mut posted = Vec::new();
        for kind in story {
            let body = event(kind, &composition, "Ada");
            posted.push((site.post(&format!("/v1/events/{kind}"), &body).await, body));
        }
        let ids: Vec<_> = posted.iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(ids[0], composition);
        assert!(ids[1] != ids[2] && ids[1..].iter().all(|id| id.starts_with(&format!("{composition}-"))));
        site.wait_behind(&ids).await;
        stories.push((story, posted, ids));
    }
    site.come_back();
    for (_, _, ids) in &stories {
        site.arrived(ids).await;
    }
    let (at_nia, accepted) = (site.at_nia(), site.simulator.history.record().accepted);
    for (story, posted, ids) in stories {
        assert_eq!(line_of(&ids[0], &at_nia), posted, "in order, and as it came");
        let at_mosip: Vec<_> = accepted
            .iter()
            .filter(|accepted| accepted.composition == ids[0])
            .map(|accepted| (json!(accepted.kind), accepted.id.clone(), accepted.aid.is_some()))
            .collect();
        let wanted: Vec<_> =
            story.into_iter().zip(ids).map(|(kind, id)| (json!(kind), id, kind == story[0])).collect();
        assert_eq!(at_mosip, wanted, "an application id belongs to the registration alone");
    }
    site.gateway.stop().await;
}

/// The registrations of a birth and of a death with what follows them, of records that `name` names.
fn registrations(name: &str) -> [Vec<(&'static str, Value)>; 2] {
    let body = |record: &str, fields: Value| json!({ name: record, "requestFields": fields });
    let birth = [
        ("birth", json!({ "birthCertificateNumber": "B1" })),
        ("birth-correction", json!({ "VID": "8031687218", "fullName": "[]" })),
        ("birth-revocation", json!({ "National_ID": "4152630978", "fraud_birth": "Y" })),
    ];
    let death = [
        ("death", json!({ "deathCertificateNumber": "D1", "VID": "2031687217" })),
        ("death-revocation", json!({ "UIN": "5152630979", "Declared_as_Deceased": "N" })),
    ];
    [
        birth.into_iter().map(|(kind, fields)| (kind, body("R1", fields))).collect(),
        death.into_iter().map(|(kind, fields)| (kind, body("R2", fields))).collect(),
    ]
}

#[tokio::test]
async fn packets_of_one_record_go_in_order_whether_it_is_named_by_its_tracking_id_or_its_event() {
    let kinds = registrations("").concat().into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    for name in ["trackingId", "eventId"] {
        let mut site = Site::start(&format!("kinds = {kinds:?}\nbody = \"registration\"")).await;
        let mut lines = Vec::new();
        for line in registrations(name) {
            let mut posted = Vec::new();
            for (kind, body) in line {
                let body = body.to_string();
                posted.push((site.post(&format!("/v1/packets/{kind}"), &body).await, body));
            }
            let ids: Vec<_> = posted.iter().map(|(id, _)| id.clone()).collect();
            site.wait_behind(&ids).await;
            lines.push((posted, ids));
        }
        site.come_back();
        for (_, ids) in &lines {
            site.arrived(ids).await;
        }
        let (at_nia, packets) = (site.at_nia(), site.simulator.history.record().packets);
        let mut processes = Vec::new();
        for (posted, ids) in lines {
            let of_it = |id: &String| ids.contains(id);
            let got: Vec<_> = at_nia.iter().filter(|(id, _)| of_it(id)).cloned().collect();
            assert_eq!(got, posted, "{name}: in order, and as it came");
            let made: Vec<_> = packets.iter().filter(|packet| of_it(&packet.id)).collect();
            assert!(made.iter().map(|packet| &packet.id).eq(&ids), "{name}: {made:?} for {ids:?}");
            assert!(made.iter().all(|packet| packet.processed == 1), "{name}: {made:?}");
            let process = |made: &simulator::packets::Packet| made.content["process"].clone();
            processes.extend(made.into_iter().map(process));
        }
        assert_eq!(processes, PROCESSES, "{name}");
        site.gateway.stop().await;
    }
}

#[tokio::test]
async fn the_document_of_a_registration_that_is_posted_as_its_revocation_is_no_repeat() {
    let mut site = Site::start(r#"kinds = ["birth", "birth-revocation"]"#).await;
    // OpenCRVS has no action by which a birth is revoked: its document ends with that of its registration.
    let body = r#"{"id":"e-1","type":"birth","actions":[{"type":"REGISTER","id":"a-1"}]}"#;
    let birth = site.post("/v1/events/birth", body).await;
    let revocation = site.post("/v1/events/birth-revocation", body).await;
    assert_eq!(birth, "e-1-a-1");
    assert!(revocation.starts_with("e-1-a-1-"), "{revocation}");
    site.gateway.failed_event(&birth).await;
    assert_eq!(site.gateway.get(&format!("/v1/events/{revocation}")).await.1["attempts"], 0);
    site.come_back();
    site.gateway.event_in(&revocation, "done").await;
    let both = [birth, revocation].map(|id| (id, body.to_owned()));
    assert_eq!(site.at_nia(), both);
    let (status, again) = site.gateway.post_event("birth-revocation", &[], body).await;
    assert_eq!((status, &again["id"]), (200, &json!(both[1].0)), "it is a repeat of itself");
    site.gateway.stop().await;
}

#[tokio::test]
async fn a_kind_that_no_destination_has_a_form_for_is_refused_and_kept_nowhere() {
    let nia = IdSystem::start().await;
    let systems = section(&nia, r#"kinds = ["birth"]"#);
    let gateway = Running::start_under(&format!("{EXAMPLE}{systems}"), &[]).await;
    let document = r#"{"id":"e-1","type":"birth","actions":[{"id":"a-1"}]}"#;
    for kind in ["birth-correction", "death-correction", "birth-revocation", "death-revocation"] {
        for body in [event(kind, "c-1", "Ada"), document.to_owned()] {
            let (status, problem) = gateway.post_event(kind, &[], &body).await;
            assert_eq!((status, &problem["code"]), (422, &json!("kind-not-configured")), "{problem}");
        }
    }
    for (kind, body) in registrations("trackingId").concat() {
        let (status, problem) =
            read(gateway.call(&format!("/v1/packets/{kind}"), "application/json", &body.to_string()).await);
        assert_eq!((status, &problem["code"]), (422, &json!("kind-not-configured")), "{kind}: {problem}");
    }
    assert!(gateway.ids("").await.is_empty());
    gateway.stop().await;
}
