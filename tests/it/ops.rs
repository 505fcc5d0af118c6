//! The ops listener: health that follows the disk and not MOSIP, metrics and a page without a person in them, and decisions that only
//! a form of that page can make.

mod page;

use crate::support::event::{BIRTH, BRN, COMPOSITION, birth};
use crate::support::gateway::Running;
use crate::support::logs::Logs;
use crate::support::mosip::Push;
use crate::support::patience;
use crate::support::port::Port;
use crate::support::rows::Rows;
use crate::support::world::{Setup, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use mosip_gateway::simulator::Behaviour;
use mosip_gateway::upstream::Reply;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

type Pairs<'a> = &'a [(&'a str, &'a str)];

const HOSTILE: &str = "<script>alert('x')</script>";

/// A world seen from its ops listener.
struct Place(World);

impl Place {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(set: Pairs<'_>) -> Self {
        Self(World::start(Setup { set: set.to_vec(), ..Setup::default() }).await)
    }

    fn gateway(&self) -> &Running {
        &self.0.gateway
    }

    fn behave(&self, behaviour: Behaviour) {
        self.0.simulator.controls.set(behaviour);
    }

    fn switch_mosip_off(&self) {
        self.behave(Behaviour { down: true, ..Behaviour::default() });
    }

    /// The database, from outside, as a repair or a fault would come to it.
    fn database(&self) -> Rows {
        Rows::of(&self.gateway().outbox())
    }

    async fn queue(&self, composition: &str) {
        self.gateway().accept("birth", &birth(composition)).await;
    }

    /// Parks it as the outbox does, for `fault`.
    async fn park(&self, composition: &str, fault: &str, detail: &str) {
        self.queue(composition).await;
        let refusal = json!({ "code": "bug", "fault": fault, "detail": detail, "advice": "Report this." });
        let park = "UPDATE entry SET state='parked', fault=?2, refusal=?3 WHERE id=?1 AND state='queued'";
        let database = self.database();
        patience::until("the end of its attempt", async || {
            match database.change(park, (composition, fault, refusal.to_string())) {
                0 => Err("no entry is queued"),
                _ => Ok(()),
            }
        })
        .await;
    }

    async fn get(&self, path: &str, more: Pairs<'_>) -> Reply {
        let url = format!("http://{}{path}", self.gateway().ops);
        self.gateway().request(Method::GET, url, headers(more), "").await
    }

    async fn text(&self, path: &str) -> String {
        let reply = self.get(path, &[]).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    /// The page as soon as `words` stand on it: under load its figures may not come in time.
    async fn page_with(&self, words: &str) -> String {
        patience::until(words, async || {
            let page = self.text("/").await;
            if page.contains(words) { Ok(page) } else { Err(page) }
        })
        .await
    }

    /// The body of `/readyz` as soon as `condition` holds of it; 200 all the while.
    async fn ready_until(&self, condition: impl Fn(&Value) -> bool) -> Value {
        patience::until("/readyz", async || {
            let (status, body) = self.gateway().readiness().await;
            assert_eq!((status, &body["ready"]), (200, &json!(true)));
            if condition(&body) { Ok(body) } else { Err(body) }
        })
        .await
    }

    /// Posts a form as a browser would from the page.
    async fn decide(&self, members: Pairs<'_>, more: Pairs<'_>) -> Reply {
        let url = format!("http://{}/", self.gateway().ops);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
        let mut sent = headers(&[("content-type", "application/x-www-form-urlencoded")]);
        sent.extend(headers(more));
        self.gateway().request(Method::POST, url, sent, &form).await
    }

    /// The token that the page holds for `about`.
    async fn token(&self, about: &str) -> String {
        let path = match about.split_once(':').unwrap() {
            ("event", id) => format!("/?event={id}"),
            ("quarantine", name) if name != "all" => format!("/?list=quarantine&reason={name}"),
            ("message" | "quarantine", _) => "/?list=quarantine".to_owned(),
            ("reason", name) => format!("/?list=parked&reason={name}"),
            _ => "/?list=parked".to_owned(),
        };
        let page = self.text(&path).await;
        let form = page.split_once(&format!(r#"name="about" value="{about}""#)).unwrap().1;
        let token = form.split_once(r#"name="token" value=""#).unwrap().1;
        token.split_once('"').unwrap().0.to_owned()
    }
}

/// The first channel of a readiness that carries births.
fn birth_channel(ready: &Value) -> &Value {
    let channels = ready["channels"].as_array().unwrap();
    channels.iter().find(|channel| channel["kinds"] == json!(["birth"])).unwrap()
}

fn headers(pairs: Pairs<'_>) -> HeaderMap {
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
    for datum in ["Ada", "2025-12-30", BRN, "BDEMO01", aid, token] {
        assert!(!text.contains(datum), "{datum} stands in\n{text}");
    }
}

#[tokio::test]
async fn every_line_of_the_metrics_parses_and_is_documented_and_no_person_is_in_it_or_in_the_page() {
    let mut place = Place::new().await;
    let settled = place.gateway().settle("birth", BIRTH).await;
    let aid = settled["aid"].as_str().unwrap();
    let token = place.0.mediator.uin_token().await;
    place.behave(Behaviour { wrong_push_signature: true, ..Behaviour::default() });
    place.gateway().settle("birth", &birth("quarantined")).await;
    place.ready_until(|body| body["quarantine"]["messages"] == 1).await;
    place.switch_mosip_off();
    place.park("parked", "bug", "it is odd").await;

    let metrics = place.text("/metrics").await;
    let documented = include_str!("../../docs/operator.md");
    for line in metrics.lines() {
        let Some(comment) = line.strip_prefix("# ") else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            let name = check_labels(name);
            let of_histogram =
                ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
            let name = of_histogram.filter(|name| name.ends_with("_seconds")).unwrap_or(name);
            assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
            continue;
        };
        let (what, rest) = comment.split_once(' ').unwrap();
        let (name, said) = rest.split_once(' ').unwrap();
        assert!(name.starts_with("mosip_gateway_"), "{line}");
        let is_kind = ["gauge", "counter", "histogram"].contains(&said);
        assert!(what == "HELP" || what == "TYPE" && is_kind, "{line}");
    }
    for sample in [
        "mosip_gateway_ready 1",
        "mosip_gateway_events{destination=\"mediator\",kind=\"birth\",state=\"done\"} 2",
        "mosip_gateway_events{destination=\"mediator\",kind=\"birth\",state=\"parked\"} 1",
        "mosip_gateway_events{destination=\"packets\",kind=\"death\",state=\"queued\"} 0",
        "mosip_gateway_attempts_total{kind=\"birth\",outcome=\"done\"} 2",
        "mosip_gateway_attempts_total{kind=\"death\",outcome=\"partner\"} 0",
        "mosip_gateway_quarantine_messages 1",
        "mosip_gateway_oldest_waiting_seconds{destination=\"mediator\"} 0",
        "mosip_gateway_oldest_waiting_seconds{destination=\"packets\"} 0",
        "mosip_gateway_oldest_waiting_seconds{destination=\"ida\"} 0",
    ] {
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");
    }
    let host = place.0.simulator.base_url.strip_prefix("http://").unwrap();
    let open = format!(
        "mosip_gateway_channel{{destination=\"mediator\",host=\"{host}\",kind=\"birth\",state=\"open\"}} 1"
    );
    assert!(metrics.contains(&open), "{open} is not in\n{metrics}");
    assert!(
        metrics.contains("mosip_gateway_certificate_days_left{role=\"own\",name=\"partner\",number=\"1\"}"),
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

/// The name before the labels. Labels have names that cannot hold an id, and values without a path, but for the template of a route.
fn check_labels(name: &str) -> &str {
    let Some((name, labels)) = name.split_once('{') else { return name };
    let labels = labels.strip_suffix('}').unwrap();
    for label in labels.split(',') {
        let (label, value) = label.split_once('=').unwrap();
        const KNOWN: &str = "kind state outcome host role name number version listener route code file table fatal destination topic \
                             status le operation fault method";
        assert!(KNOWN.split(' ').any(|known| known == label), "{label}");
        assert!(label == "route" || !value.contains('/'), "{value}");
    }
    name
}

#[tokio::test]
async fn readiness_follows_the_disk_and_not_mosip() {
    let place = Place::new().await;
    place.switch_mosip_off();
    for event in 0..10 {
        place.queue(&format!("event-{event}")).await;
    }
    let broken = place.ready_until(|body| birth_channel(body)["state"] == "broken").await;
    assert_eq!(broken["outbox"]["writable"], json!(true));
    let page = place.page_with("<h1>MOSIP has been away since ").await;
    assert!(page.contains("10 events wait, nothing is lost."), "{page}");
    assert!(place.text("/metrics").await.contains("state=\"broken\"} 1"));

    // As SQLite does when the disk is full: the statement fails and takes its transaction with it.
    let database = place.database();
    let full = "CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ROLLBACK, 'full'); END;
                CREATE TRIGGER full_too BEFORE UPDATE ON meta BEGIN SELECT RAISE(ROLLBACK, 'full'); END;
                CREATE TRIGGER full_again BEFORE INSERT ON meta BEGIN SELECT RAISE(ROLLBACK, 'full'); END;";
    database.run(full);
    let (status, _) = place.gateway().post_birth(&birth("refused")).await;
    assert!(status >= 500, "answered {status}");
    let (status, body) = place.gateway().readiness().await;
    assert_eq!((status, &body["outbox"]["writable"]), (503, &json!(false)));
    assert_eq!(body["outbox"]["trouble"]["fault"], "storage", "{body}");
    assert!(place.text("/metrics").await.lines().any(|line| line == "mosip_gateway_ready 0"));
    place.page_with("<h1>Put right: the disk is full or fails.").await;
    assert_eq!(place.get("/livez", &[]).await.status, StatusCode::OK);

    database.run("DROP TRIGGER full; DROP TRIGGER full_too; DROP TRIGGER full_again;");
    patience::until("a disk that takes writes", async || match place.gateway().readiness().await {
        (200, body) => Ok(body),
        (_, body) => Err(body),
    })
    .await;
    place.queue("taken").await;
}

#[tokio::test]
async fn a_paused_channel_says_fault_code_and_advice() {
    let place = Place::new().await;
    place.behave(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    place.queue("waits").await;
    let ready = place.ready_until(|body| birth_channel(body)["state"] == "paused").await;
    let paused = birth_channel(&ready);
    assert_eq!((&paused["fault"], &paused["code"]), (&json!("partner"), &json!("partner")));
    assert!(!paused["advice"].as_str().unwrap().is_empty() && paused["since"].is_string());
    let page = place.text("/").await;
    assert!(page.contains("<h1>Put right the registration with MOSIP."), "{page}");
    assert!(page.contains("1 event waits, nothing is lost."), "{page}");
}

#[tokio::test]
async fn the_page_says_how_many_messages_the_mediator_has_not_taken_and_since_when() {
    let gateway = Running::start(&[]).await;
    let page = async || {
        let url = format!("http://{}/", gateway.ops);
        let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    };
    assert!(page().await.contains("<dt>For the mediator</dt><dd>0</dd>"), "{}", page().await);
    gateway.push(&Push::new("1").body()).await;
    gateway.until("/v1/inbox", |inbox| inbox["messages"][0].is_object()).await;
    Rows::of(&gateway.outbox()).run("UPDATE delivery SET waiting_since=waiting_since-7200000");
    let page = page().await;
    assert!(page.contains("<dt>For the mediator</dt><dd>1 <small>the oldest for 2h"), "{page}");
}

#[tokio::test]
async fn a_decision_on_the_page_is_carried_out_and_logged_with_who_and_why() {
    let logs = Logs::from_here();
    let place = Place::new().await;
    place.switch_mosip_off();
    for (event, fault) in [("one", "bug"), ("two", "bug"), ("three", "caller"), ("four", "caller")] {
        place.park(event, fault, HOSTILE).await;
    }
    let page = place.text("/").await;
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "{page}");
    place.behave(Behaviour::default());

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
    place.gateway().event_in("one", "done").await;

    let token = place.token("event:two").await;
    let form = [("about", "event:two"), ("token", &token), ("do", "discard"), ("reason", "registered twice")];
    let reply = place.decide(&form, &browser).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("The event is discarded."));
    place.gateway().event_in("two", "discarded").await;
    let again = place.decide(&form, &browser).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "what is discarded stays so");
    assert!(String::from_utf8_lossy(&again.body).contains("<h1>Not done."));

    let token = place.token("fault:caller").await;
    let form =
        [("about", "fault:caller"), ("token", &token), ("do", "retry"), ("reason", "records corrected")];
    let reply = place.decide(&form, &browser).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("2 events are tried again."));
    for event in ["three", "four"] {
        place.gateway().event_in(event, "done").await;
    }

    place.gateway().push(r#"{"id":"","requestTime":"","data":"AAAA","signature":"AAAA"}"#).await;
    let kept = place.gateway().until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    let about = format!("message:{}", kept["messages"][0]["id"].as_str().unwrap());
    let token = place.token(&about).await;
    let form = [("about", about.as_str()), ("token", &token), ("do", "discard"), ("reason", "a stranger's")];
    let reply = place.decide(&form, &browser).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("The message is discarded."));

    let logs = logs.lines();
    for (message, reason) in [
        ("a push is discarded on the page", "a stranger's"),
        ("an event is retried on the page", "number <b>corrected</b>"),
        ("an event is discarded on the page", "registered twice"),
        ("parked events are retried on the page", "records corrected"),
    ] {
        let told = |line: &Value| {
            line["message"] == message && line["reason"] == reason && line["by"] == "127.0.0.1"
        };
        assert!(logs.iter().any(told), "{message}");
    }
}

#[tokio::test]
async fn what_one_reason_parked_is_counted_and_decided_about_at_once() {
    let place = Place::new().await;
    place.switch_mosip_off();
    for (event, detail) in [("one", "odd"), ("two", "odd"), ("three", "even"), ("four", "even")] {
        place.park(event, "bug", detail).await;
    }
    let overview = place.text("/").await;
    assert_eq!(overview.matches("2 events<").count(), 2, "{overview}");
    let name = |words: &str| {
        let row = overview.split_once(words).unwrap().1;
        row.split_once("reason=").unwrap().1.split_once('"').unwrap().0.to_owned()
    };
    let (odd, even) = (name("Odd."), name("Even."));
    let list = place.text(&format!("/?list=parked&reason={odd}")).await;
    assert!(list.contains("<code>one</code>") && !list.contains("<code>three</code>"), "{list}");

    let about = format!("reason:{odd}");
    let token = place.token(&about).await;
    let form =
        [("about", about.as_str()), ("token", &token), ("do", "discard"), ("reason", "registered twice")];
    let reply = place.decide(&form, &[]).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("2 events are discarded."));
    assert_eq!(place.gateway().ids("state=discarded").await, ["one", "two"]);
    assert_eq!(place.decide(&form, &[]).await.status, StatusCode::NOT_FOUND, "nothing is left of it");

    place.behave(Behaviour::default());
    let about = format!("reason:{even}");
    let token = place.token(&about).await;
    let form = [("about", about.as_str()), ("token", &token), ("do", "retry"), ("reason", "mended")];
    let reply = place.decide(&form, &[]).await;
    assert!(place.text(&format!("/{}", location(&reply))).await.contains("2 events are tried again."));
    for event in ["three", "four"] {
        place.gateway().event_in(event, "done").await;
    }
}
