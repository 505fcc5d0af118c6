//! The ops listener: health that follows the disk and not MOSIP, metrics and a page without a person in them, and decisions that only
//! a form of that page can make.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says so by panicking"
)]

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use mosip_gateway::simulator::Knobs;
use mosip_gateway::telemetry::{self, Capture};
use mosip_gateway::upstream::Reply;
use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::gateway::{BIRTH, Running};
use support::world::{Setup, World};
use tempfile::TempDir;
use tracing::level_filters::LevelFilter;

/// The composition of [`BIRTH`].
const COMPOSITION: &str = "3b1c2f40-0000-4000-8000-000000000001";
type Pairs<'a> = &'a [(&'a str, &'a str)];

const HOSTILE: &str = "<script>alert('x')</script>";

/// A world whose outbox has a folder of its own.
struct Place {
    folder: TempDir,
    world: World,
}

impl Place {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(set: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox.db").display().to_string();
        let set = [("OUTBOX__PATH", path.as_str())].iter().chain(set).copied().collect();
        let world = World::start(Setup { set, ..Setup::default() }).await;
        Self { folder, world }
    }

    fn gateway(&self) -> &Running {
        &self.world.gateway
    }

    /// The database, from outside, as a repair or a fault would come to it.
    fn database(&self) -> Connection {
        Connection::open(self.folder.path().join("outbox.db")).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    /// Takes a birth of `composition` and waits until it is settled or a minute has passed.
    async fn post(&self, composition: &str) -> Value {
        let url = format!("http://{}/v1/events/birth", self.gateway().api);
        let headers = headers(&[("content-type", "application/json"), ("prefer", "wait=60")]);
        let body = BIRTH.replace(COMPOSITION, composition);
        let reply = self.gateway().request(Method::POST, url, headers, &body).await;
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// An event that waits while MOSIP is down.
    async fn queue(&self, composition: &str) {
        let (status, _) = self.gateway().post_birth(&BIRTH.replace(COMPOSITION, composition)).await;
        assert_eq!(status, 202);
    }

    /// Parks it as the outbox does, for `fault`.
    async fn park(&self, composition: &str, fault: &str, detail: &str) {
        self.queue(composition).await;
        let refusal = json!({ "code": "bug", "fault": fault, "detail": detail, "advice": "Report this." });
        let park = "UPDATE entry SET state='parked', fault=?2, refusal=?3 WHERE id=?1 AND state='queued'";
        let database = self.database();
        // While an attempt is under way it is not queued.
        while database.execute(park, (composition, fault, refusal.to_string())).unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn until(&self, there: impl Fn(&Value) -> bool, id: &str) {
        while !there(&self.entry(id).await) {}
    }

    async fn entry(&self, id: &str) -> Value {
        let url = format!("http://{}/v1/events/{id}", self.gateway().api);
        let reply = self.gateway().request(Method::GET, url, HeaderMap::new(), "").await;
        serde_json::from_slice(&reply.body).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway().ops)
    }

    async fn get(&self, path: &str, more: &[(&str, &str)]) -> Reply {
        self.gateway().request(Method::GET, self.url(path), headers(more), "").await
    }

    async fn text(&self, path: &str) -> String {
        let reply = self.get(path, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    async fn ready(&self) -> (StatusCode, Value) {
        let reply = self.get("/readyz", &[]).await;
        (reply.status, serde_json::from_slice(&reply.body).unwrap())
    }

    /// Posts a form as a browser would from the page.
    async fn decide(&self, members: &[(&str, &str)], more: &[(&str, &str)]) -> Reply {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        let mut sent = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        sent.extend(headers(more));
        self.gateway().request(Method::POST, self.url("/"), sent, &form).await
    }

    /// The token that the page holds for `about`.
    async fn token(&self, about: &str) -> String {
        let page = self.text("/").await;
        let form = page.split_once(&format!(r#"name="about" value="{about}""#)).unwrap().1;
        let token = form.split_once(r#"name="token" value=""#).unwrap().1;
        token.split_once('"').unwrap().0.to_owned()
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn location(reply: &Reply) -> &str {
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", String::from_utf8_lossy(&reply.body));
    reply.headers[header::LOCATION].to_str().unwrap()
}

/// Nothing of the record, of its number, or of what MOSIP made of it.
fn assert_no_person(text: &str, aid: &str, token: &str) {
    for datum in ["Ada", "2025-12-30", "2026BDEMO01", "BDEMO01", aid, token] {
        assert!(!text.contains(datum), "{datum} stands in\n{text}");
    }
}

#[tokio::test]
async fn every_line_of_the_metrics_parses_and_is_documented_and_no_person_is_in_it_or_in_the_page() {
    let mut place = Place::new().await;
    let settled = place.post(COMPOSITION).await;
    assert_eq!(settled["state"], "done");
    let aid = settled["aid"].as_str().unwrap();
    let token = loop {
        let (_, delivery) = place.world.mediator.deliveries.recv().await.unwrap();
        if let Some(token) = delivery["data"]["uinToken"].as_str() {
            break token.to_owned();
        }
    };
    place.world.simulator.dials.set(Knobs { wrong_push_signature: true, ..Knobs::default() });
    assert_eq!(place.post("quarantined").await["state"], "done");
    while place.ready().await.1["quarantine"]["messages"] != 1 {}
    place.world.simulator.dials.set(Knobs { down: true, ..Knobs::default() });
    place.park("parked", "bug", "it is odd").await;

    let metrics = place.text("/metrics").await;
    let documented = include_str!("../src/http/ops/metrics.rs");
    for line in metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            let name = check_labels(name);
            assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
            continue;
        };
        let (what, rest) = comment.split_once(' ').unwrap();
        let (name, said) = rest.split_once(' ').unwrap();
        assert!(name.starts_with("mosip_gateway_"), "{line}");
        assert!(what == "HELP" || what == "TYPE" && ["gauge", "counter"].contains(&said), "{line}");
    }
    for sample in [
        "mosip_gateway_ready 1",
        "mosip_gateway_events{kind=\"birth\",state=\"done\"} 2",
        "mosip_gateway_events{kind=\"birth\",state=\"parked\"} 1",
        "mosip_gateway_events{kind=\"death\",state=\"queued\"} 0",
        "mosip_gateway_attempts_total{kind=\"birth\",outcome=\"done\"} 2",
        "mosip_gateway_attempts_total{kind=\"death\",outcome=\"partner\"} 0",
        "mosip_gateway_quarantine_messages 1",
        "mosip_gateway_oldest_waiting_seconds 0",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");
    }
    let host = place.world.simulator.base_url.strip_prefix("http://").unwrap();
    let open = format!("mosip_gateway_channel{{host=\"{host}\",kind=\"birth\",state=\"open\"}} 1");
    assert!(metrics.contains(&open), "{open} is not in\n{metrics}");
    assert!(
        metrics.contains("mosip_gateway_certificate_days_left{role=\"own\",name=\"partner\"}"),
        "{metrics}"
    );
    assert!(!metrics.contains(COMPOSITION));
    assert_no_person(&metrics, aid, &token);

    let page = place.text("/").await;
    for shown in ["it is odd", "In quarantine", "Parked: 1", "partner"] {
        assert!(page.to_lowercase().contains(&shown.to_lowercase()), "{shown} is not on the page");
    }
    assert_no_person(&page, aid, &token);
}

/// The name before the labels. Labels have names that cannot hold an id, and values without a path.
fn check_labels(name: &str) -> &str {
    let Some((name, labels)) = name.split_once('{') else { return name };
    let labels = labels.strip_suffix('}').unwrap();
    for label in labels.split(',') {
        let (label, value) = label.split_once('=').unwrap();
        assert!(["kind", "state", "outcome", "host", "role", "name", "version"].contains(&label), "{label}");
        assert!(!value.contains('/'), "{value}");
    }
    name
}

#[tokio::test]
async fn readiness_follows_the_disk_and_not_mosip() {
    let place = Place::new().await;
    place.world.simulator.dials.set(Knobs { down: true, ..Knobs::default() });
    for event in 0..10 {
        place.queue(&format!("event-{event}")).await;
    }
    let broken = loop {
        let (status, body) = place.ready().await;
        assert_eq!(
            (status, &body["ready"]),
            (StatusCode::OK, &json!(true)),
            "MOSIP is down, the disk is not"
        );
        let birth =
            body["channels"].as_array().unwrap().iter().find(|channel| channel["kinds"] == json!(["birth"]));
        if birth.unwrap()["state"] == "broken" {
            break body;
        }
    };
    assert_eq!(broken["outbox"]["writable"], json!(true));
    let page = place.text("/").await;
    assert!(
        page.contains("<h1>MOSIP is away since ") && page.contains("10 events wait, nothing is lost."),
        "{page}"
    );
    assert!(place.text("/metrics").await.contains("state=\"broken\"} 1"));

    // As SQLite does when the disk is full: the statement fails and takes its transaction with it.
    place.sql(
        "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ROLLBACK, 'full'); END;
         CREATE TRIGGER full_too BEFORE UPDATE ON meta BEGIN SELECT RAISE(ROLLBACK, 'full'); END;",
    );
    let (status, _) = place.gateway().post_birth(&BIRTH.replace(COMPOSITION, "refused")).await;
    assert!(status >= 500, "answered {status}");
    let (status, body) = place.ready().await;
    assert_eq!(
        (status, &body["ready"], &body["outbox"]["writable"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(false), &json!(false))
    );
    assert!(place.text("/metrics").await.lines().any(|line| line == "mosip_gateway_ready 0"));
    assert!(place.text("/").await.contains("<h1>Put right: the disk of the outbox takes no more writes."));
    assert_eq!(place.get("/livez", &[]).await.status, StatusCode::OK);

    place.sql("DROP TRIGGER full; DROP TRIGGER full_too;");
    while place.ready().await.0 != StatusCode::OK {}
    place.queue("taken").await;
}

#[tokio::test]
async fn a_paused_channel_says_fault_code_and_advice() {
    let place = Place::new().await;
    place.world.simulator.dials.set(Knobs { bad_client_secret: true, ..Knobs::default() });
    place.queue("waits").await;
    let paused = loop {
        let (status, body) = place.ready().await;
        assert_eq!(status, StatusCode::OK);
        let channels = body["channels"].as_array().unwrap();
        if let Some(paused) = channels.iter().find(|channel| channel["state"] == "paused") {
            break paused.clone();
        }
    };
    assert_eq!((&paused["fault"], &paused["code"]), (&json!("partner"), &json!("partner")));
    let advice = paused["advice"].as_str().unwrap();
    assert!(!advice.is_empty() && paused["since"].as_str().is_some());
    let page = place.text("/").await;
    assert!(
        page.contains("<h1>Put right the registration with MOSIP.") && page.contains("1 event waits"),
        "{page}"
    );
}

#[tokio::test]
async fn a_decision_on_the_page_is_carried_out_and_logged_with_who_and_why() {
    let logs = Capture::default();
    tracing::subscriber::set_global_default(telemetry::subscriber(logs.clone(), LevelFilter::INFO)).unwrap();
    let place = Place::new().await;
    place.world.simulator.dials.set(Knobs { down: true, ..Knobs::default() });
    for (event, fault) in [("one", "bug"), ("two", "bug"), ("three", "caller"), ("four", "caller")] {
        place.park(event, fault, HOSTILE).await;
    }
    let page = place.text("/").await;
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    place.world.simulator.dials.set(Knobs::default());

    // Same origin, as a browser says it.
    let origin = format!("http://{}", place.gateway().ops);
    let browser = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
    let token = place.token("event:one").await;
    let reason = "number <b>corrected</b>";
    let form = [("about", "event:one"), ("token", &token), ("do", "retry"), ("reason", reason)];
    let reply = place.decide(&form, &browser).await;
    let page = place.text(&format!("/{}", location(&reply))).await;
    assert!(page.contains("1 event is tried again."), "{page}");
    assert!(!page.contains("<b>"), "{page}");
    place.until(|entry| entry["state"] == "done", "one").await;

    let token = place.token("event:two").await;
    let form = [("about", "event:two"), ("token", &token), ("do", "discard"), ("reason", "registered twice")];
    let reply = place.decide(&form, &browser).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("The event is discarded."));
    assert_eq!(place.entry("two").await["state"], "discarded");
    let again = place.decide(&form, &browser).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "what is discarded stays so");
    assert!(String::from_utf8_lossy(&again.body).contains("<h1>Not done."));

    let token = place.token("fault:caller").await;
    let form =
        [("about", "fault:caller"), ("token", &token), ("do", "retry"), ("reason", "records corrected")];
    let reply = place.decide(&form, &browser).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("2 events are tried again."));
    for event in ["three", "four"] {
        place.until(|entry| entry["state"] == "done", event).await;
    }

    let logs = logs.text();
    for (message, reason) in [
        ("an event is retried on the page", "number <b>corrected</b>"),
        ("an event is discarded on the page", "registered twice"),
        ("parked events are retried on the page", "records corrected"),
    ] {
        let line = logs.lines().find(|line| line.contains(message)).unwrap_or_else(|| panic!("{message}"));
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["by"], &line["reason"]), (&json!("127.0.0.1"), &json!(reason)));
    }
}

#[tokio::test]
async fn what_is_not_a_form_of_the_page_decides_nothing() {
    let place = Place::new().await;
    place.world.simulator.dials.set(Knobs { down: true, ..Knobs::default() });
    place.park("mine", "bug", "odd").await;
    place.park("other", "bug", "odd").await;
    let (mine, other) = (place.token("event:mine").await, place.token("event:other").await);

    let form =
        |token: &'static str| [("about", "event:mine"), ("token", token), ("do", "discard"), ("reason", "x")];
    let signed = [("about", "event:mine"), ("token", mine.as_str()), ("do", "discard"), ("reason", "x")];
    let swapped = [("about", "event:mine"), ("token", other.as_str()), ("do", "discard"), ("reason", "x")];
    let unreasoned = [("about", "event:mine"), ("token", mine.as_str()), ("do", "discard"), ("reason", " ")];
    let foreign = [("origin", "http://evil.example")];
    let cross_site = [("sec-fetch-site", "cross-site")];
    let json = [("content-type", "application/json")];
    let no_more: [(&str, &str); 0] = [];
    let cases: [(&str, Pairs<'_>, Pairs<'_>, u16); 7] = [
        ("no token", &form("")[..], &no_more, 403),
        ("an invented token", &form("AAAA")[..], &no_more, 403),
        ("the token of another event", &swapped, &no_more, 403),
        ("a page of another origin", &signed, &foreign, 403),
        ("a page of another site", &signed, &cross_site, 403),
        ("not a form", &signed, &json, 415),
        ("no reason", &unreasoned, &no_more, 422),
    ];
    for (defect, members, more, status) in cases {
        let reply = place.decide(members, more).await;
        assert_eq!(reply.status.as_u16(), status, "{defect}");
        assert_eq!(place.entry("mine").await["state"], "parked", "{defect}");
    }
    assert_eq!(place.decide(&signed, &no_more).await.status, StatusCode::SEE_OTHER, "and as it should be");
}

#[tokio::test]
async fn the_page_loads_nothing_runs_nothing_and_is_not_kept() {
    let place = Place::new().await;
    let reply = place.get("/", &[]).await;
    let page = String::from_utf8(reply.body.to_vec()).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(style));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    for (name, value) in [
        ("content-security-policy", policy.as_str()),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(reply.headers[name], value, "{name}");
    }
    for loaded in ["<script", "src=", "<link", "style=", "http://", "https://"] {
        assert!(!page.contains(loaded), "{loaded} is on the page");
    }
    let refused = place.decide(&[], &[]).await;
    assert_eq!(refused.headers["content-security-policy"], policy, "a refusal is a page too");
}

#[tokio::test]
async fn a_long_list_goes_on_over_pages() {
    let place = Place::new().await;
    place.sql(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 130)
         INSERT INTO entry (id, kind, composition, state, accepted_at, waiting_since, next_at)
         SELECT 'event-' || n, 'birth', 'event-' || n, 'parked', 0, 0, 0 FROM number",
    );
    let rows = |page: &str| page.matches("<code>event-").count();
    let overview = place.text("/").await;
    assert_eq!((rows(&overview), overview.contains("Parked: 130")), (10, true));
    let first = place.text(link(&overview)).await;
    assert_eq!(rows(&first), 100);
    let second = place.text(link(&first)).await;
    assert_eq!((rows(&second), second.contains("More of them")), (30, false));
}

/// Where "More of them" leads.
fn link(page: &str) -> &'static str {
    let before = page.split_once("\">More of them").unwrap().0;
    let address = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    Box::leak(format!("/{address}").into_boxed_str())
}

#[tokio::test]
async fn with_a_token_the_page_is_for_those_who_have_it_and_probes_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ops.token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let place = Place::with(&[("OPS__TOKEN_FILE", file.to_str().unwrap())]).await;
    let refused = place.get("/", &[]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let asked: Vec<_> =
        refused.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(asked.iter().any(|scheme| scheme.starts_with("Basic realm=")), "{asked:?}");
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for (sent, status) in [
        (basic("operator:s3cret"), 200),
        (basic("operator:wrong"), 401),
        ("Bearer s3cret".to_owned(), 200),
        ("Bearer wrong".to_owned(), 401),
    ] {
        assert_eq!(place.get("/", &[("authorization", &sent)]).await.status.as_u16(), status, "{sent}");
    }
    assert_eq!(place.decide(&[], &[]).await.status, StatusCode::UNAUTHORIZED);
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(place.get(probe, &[]).await.status, StatusCode::OK, "{probe}");
    }
}

#[tokio::test]
async fn off_the_loopback_there_is_no_page_without_a_token() {
    let place = Place::with(&[("LISTEN__OPS", "0.0.0.0:0")]).await;
    let port = place.gateway().ops.rsplit_once(':').unwrap().1.to_owned();
    let ask = async |path: &str| {
        let url = format!("http://127.0.0.1:{port}{path}");
        place.gateway().request(Method::GET, url, HeaderMap::new(), "").await.status.as_u16()
    };
    assert_eq!((ask("/").await, ask("/readyz").await, ask("/metrics").await), (404, 200, 200));
}
