//! `/webhooks`, through the listener. OpenCRVS never looks at an answer, so what it signed is stored, kept in quarantine or held; and
//! where that cannot go on, the connection breaks.

mod held;

use crate::support::event::{BIRTH, COMPOSITION, birth, event};
use crate::support::gateway::{EXAMPLE, Running};
use crate::support::patience;
use crate::support::vectors::{cases, text};
use crate::support::webhook::{Post, SHA_SECRET, header, raw_signature, signature};
use http::{HeaderMap, Method};
use mosip_gateway::crypto::hmac::HmacAlgorithm;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A gateway that OpenCRVS posts to, with an outbox that outlives it.
struct Home {
    dir: TempDir,
    gateway: Running,
}

impl Home {
    async fn start(set: &[(&str, &str)]) -> Self {
        Self::start_under(EXAMPLE, set).await
    }

    async fn start_under(text: &str, set: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateway = gateway(&dir, text, set).await;
        Self { dir, gateway }
    }

    async fn post(&self, body: &str) -> (u16, Value) {
        Post::send(&self.gateway.api, body).await.answered().await
    }

    /// What is in quarantine.
    async fn kept(&self) -> Vec<Value> {
        let (_, list) = self.gateway.get("/v1/quarantine").await;
        list["messages"].as_array().unwrap().clone()
    }

    /// The value of a line of `/metrics`.
    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.gateway.ops);
        let reply = self.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    }

    async fn metric(&self, line: &str) -> Option<u64> {
        let text = self.metrics().await;
        let line = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }

    async fn metric_is(&self, line: &str, wanted: u64) {
        patience::until(line, async || match self.metric(line).await {
            Some(value) if value == wanted => Ok(()),
            other => Err(other),
        })
        .await;
    }
}

async fn gateway(dir: &TempDir, text: &str, set: &[(&str, &str)]) -> Running {
    let secret = dir.path().join("webhook.secret");
    std::fs::write(&secret, SHA_SECRET).unwrap();
    let outbox = dir.path().join("outbox.db").display().to_string();
    let own = [
        ("OUTBOX__PATH", outbox.as_str()),
        ("FACES__WEBHOOKS", "true"),
        ("FACES__WEBHOOK_SECRET_FILE", secret.to_str().unwrap()),
    ];
    Running::start_under(text, &[&own, set].concat()).await
}

const UNAUTHORIZED: &str =
    r#"mosip_gateway_refused_total{listener="internal",route="/webhooks",code="unauthorized"}"#;
const NO_ANSWER: &str =
    r#"mosip_gateway_refused_total{listener="internal",route="/webhooks",code="no-answer"}"#;

#[test]
fn these_signatures_are_those_of_opencrvs() {
    for case in cases("hub-core.json") {
        if case["valid"] == true {
            assert_eq!(signature(text(&case, "body")), text(&case, "header"), "{}", text(&case, "name"));
        }
    }
}

#[tokio::test]
async fn what_opencrvs_signs_is_taken_and_what_it_does_not_sign_is_not() {
    let home = Home::start(&[]).await;
    let (mut taken, mut refused) = (0_usize, 0_u64);
    for case in cases("hub-core.json") {
        assert_eq!(text(&case, "secret"), SHA_SECRET);
        for header in ["header", "header_raw"] {
            let Some(signature) = case[header].as_str() else { continue };
            let body = text(&case, "body").as_bytes();
            let (status, _) =
                Post::send_with(&home.gateway.api, Some(signature), body).await.answered().await;
            let valid = case["valid"] == true;
            assert_eq!(status, if valid { 202 } else { 401 }, "{}", text(&case, "name"));
            if valid {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert_eq!(home.kept().await.len(), taken, "none of these has a Task");
    assert_eq!(home.metric(UNAUTHORIZED).await, Some(refused));
}

#[tokio::test]
async fn the_setting_says_which_form_of_signature_counts() {
    for (setting, core, raw) in [("core", 202, 401), ("raw", 401, 202)] {
        let home = Home::start(&[("FACES__WEBHOOK_SIGNATURE", setting)]).await;
        assert_eq!(home.post(BIRTH).await.0, core, "{setting}");
        let signature = raw_signature(BIRTH.as_bytes());
        let post = Post::send_with(&home.gateway.api, Some(&signature), BIRTH.as_bytes()).await;
        assert_eq!(post.answered().await.0, raw, "{setting}");
    }
}

#[tokio::test]
async fn a_webhook_becomes_an_event_of_the_kind_of_its_topic_once() {
    let home = Home::start(&[]).await;
    let named = BIRTH.replace("Ada", "é ٱلْ বাংলা ខ្មែរ 😀");
    assert_eq!(home.post(&named).await, (202, json!({ "id": COMPOSITION, "state": "queued" })));
    assert_eq!(home.post(&named).await.1["id"], COMPOSITION, "a repeat is the same event");
    for (method, algorithm) in [("sha1", HmacAlgorithm::Sha1), ("SHA512", HmacAlgorithm::Sha512)] {
        let signature = header(method, algorithm, named.as_bytes());
        let post = Post::send_with(&home.gateway.api, Some(&signature), named.as_bytes()).await;
        assert_eq!(post.answered().await.1["id"], COMPOSITION, "{method}");
    }
    home.post(&event("death", "d-1", "Ada")).await;
    assert_eq!(home.gateway.get("/v1/events/d-1").await.1["kind"], "death");
    assert_eq!(home.gateway.ids("").await.len(), 2);
}

#[tokio::test]
async fn a_refusal_speaks_of_the_signature_and_stores_nothing() {
    let home = Home::start(&[]).await;
    let good = signature(BIRTH);
    let other = signature("other");
    let unnamed = good.trim_start_matches("sha256=").to_owned();
    for given in [None, Some(&other[..]), Some("sha256="), Some("md5=00"), Some(&unnamed), Some(&good[..20])]
    {
        let post = Post::send_with(&home.gateway.api, given, BIRTH.as_bytes()).await;
        let (status, head, problem) = post.answer().await.unwrap();
        assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")), "{given:?}");
        for member in ["title", "advice"] {
            let words = problem[member].as_str().unwrap();
            assert!(words.contains("sign"), "{member}: {words}");
        }
        assert!(problem["detail"].as_str().unwrap().contains("X-Hub-Signature"));
        let whole = format!("{head}{problem}").to_lowercase();
        assert!(!whole.contains("bearer"), "{whole}");
    }
    let spaced = format!("{BIRTH} ");
    let post = Post::send_with(&home.gateway.api, Some(&good), spaced.as_bytes()).await;
    assert_eq!(post.answered().await.0, 401);
    assert_eq!((home.gateway.ids("").await.len(), home.kept().await.len()), (0, 0));
    assert_eq!(home.metric(UNAUTHORIZED).await, Some(7));
}

#[tokio::test]
async fn neither_a_token_nor_a_known_host_name_is_asked_of_opencrvs() {
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("api.token");
    std::fs::write(&token, "a token of the mediator").unwrap();
    let home = Home::start(&[("INTERNAL__TOKEN_FILE", token.to_str().unwrap())]).await;
    assert_eq!(home.post(BIRTH).await.0, 202, "the host of the post is not in listen.hosts either");
    assert_eq!(home.gateway.get("/v1/events").await.0, 401, "the rest of the listener asks for it");
}

#[tokio::test]
async fn what_is_no_event_is_kept_in_quarantine_with_its_reason() {
    let without_death = EXAMPLE.replace("\ndeath = \"http", "\n#death = \"http");
    let home = Home::start_under(&without_death, &[]).await;
    let deep = format!(r#"{{"event":{}1{}}}"#, "[".repeat(128), "]".repeat(128));
    let second_task = BIRTH.replacen("\"entry\": [", &format!("\"entry\": [{},", task()), 1);
    let reasons: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("not JSON", "birth".into(), "malformed", "the body is not JSON"),
        ("cut short", BIRTH[..BIRTH.len() - 3].into(), "malformed", "the body is not JSON"),
        ("not UTF-8", b"{\"a\":\"\xff\"}".to_vec(), "malformed", "the body is not UTF-8 text"),
        ("too deep", deep.into(), "malformed", "deeper"),
        (
            "two members of one name",
            BIRTH.replacen("\"given\"", "\"given\":[\"Eva\"],\"given\"", 1).into(),
            "malformed",
            "two members of one name",
        ),
        ("no topic", r#"{"event":{"hub":{},"context":[]}}"#.into(), "field", "missing"),
        (
            "a topic of no kind",
            BIRTH.replace("BIRTH_REGISTERED", "MARRIAGE_REGISTERED").into(),
            "field",
            "no kind of event has this topic",
        ),
        (
            "a kind that is not configured",
            event("death", "d-1", "Ada").into(),
            "kind-not-configured",
            "death",
        ),
        ("no Task", BIRTH.replace("\"Task\"", "\"List\"").into(), "field", "there is no Task"),
        ("two Tasks", second_task.into(), "field", "a second Task"),
    ];
    for (name, body, code, detail) in &reasons {
        let post = Post::send_with(&home.gateway.api, Some(&raw_signature(body)), body).await;
        let (status, answer) = post.answered().await;
        assert_eq!((status, &answer["state"]), (202, &json!("quarantined")), "{name}: {answer}");
        let kept = home.kept().await;
        let kept = kept.last().unwrap();
        assert_eq!((&kept["id"], &kept["kind"]), (&answer["id"], &json!("webhook")), "{name}");
        assert_eq!(kept["reason"]["code"], *code, "{name}: {kept}");
        assert!(kept["reason"]["detail"].as_str().unwrap().contains(detail), "{name}: {kept}");
        // What a caller is told is of no use to who reads this: there is no pointer beside it, and no other form to send.
        let advice = kept["reason"]["advice"].as_str().unwrap();
        let says = if *code == "kind-not-configured" { "[upstream.mediator]" } else { "Discard" };
        assert!(advice.contains(says) && !advice.contains("`pointer`"), "{name}: {advice}");
    }
    let (no_topic, no_task) = (&home.kept().await[5], &home.kept().await[8]);
    for (kept, pointer) in [(no_topic, "/event/hub/topic"), (no_task, "/event/context")] {
        assert!(kept["reason"]["detail"].as_str().unwrap().contains(pointer), "{kept}");
    }
    assert_eq!(home.kept().await.len(), reasons.len());
    let line = r#"mosip_gateway_quarantine_reasons{kind="webhook",code="kind-not-configured"}"#;
    assert_eq!(home.metric(line).await, Some(1));
    let page =
        home.gateway.request(Method::GET, format!("http://{}/", home.gateway.ops), HeaderMap::new(), "");
    let page = String::from_utf8(page.await.body.to_vec()).unwrap();
    assert!(
        page.contains("webhooks of OpenCRVS are no events") && page.contains("There is no Task among"),
        "{page}"
    );
    assert!(home.gateway.ids("").await.is_empty());
}

/// An entry with a Task, as in the event of the tests.
fn task() -> String {
    json!({ "resource": { "resourceType": "Task", "focus": { "reference": "Composition/c-2" } } }).to_string()
}

#[tokio::test]
async fn a_kept_webhook_becomes_an_event_once_the_configuration_takes_it() {
    let without_death = EXAMPLE.replace("\ndeath = \"http", "\n#death = \"http");
    let mut home = Home::start_under(&without_death, &[]).await;
    let id = home.post(&event("death", "d-1", "Ada")).await.1["id"].as_str().unwrap().to_owned();
    let other = home.post("no event at all").await.1["id"].as_str().unwrap().to_owned();
    let verify = home.gateway.ask(Method::POST, &format!("/v1/quarantine/{id}/verify")).await;
    assert_eq!(verify.status, 422, "its kind is not configured yet");
    home.gateway.restart(&[("UPSTREAM__MEDIATOR__DEATH", "http://127.0.0.1:9/death")]).await;
    let event = home.gateway.event_until("d-1", |event| event["kind"] == "death").await;
    assert_eq!(event["id"], "d-1");
    let left =
        home.gateway.until("/v1/quarantine", |list| list["messages"].as_array().unwrap().len() == 1).await;
    assert_eq!(left["messages"][0]["id"], *other);
    let gone = home.gateway.ask(Method::DELETE, &format!("/v1/quarantine/{other}?reason=nonsense")).await;
    assert_eq!(gone.status, 204);
    assert!(home.kept().await.is_empty());
}

#[tokio::test]
async fn the_bounds_of_the_quarantine_refuse_no_webhook_and_webhooks_take_no_place_in_it() {
    let home = Home::start(&[("QUARANTINE__MAX_ROWS", "1")]).await;
    for body in ["1", "2", "3"] {
        assert_eq!(home.post(body).await.0, 202);
    }
    assert_eq!(home.gateway.push("{}").await.status, 200, "MOSIP's push has a place of its own");
    home.gateway.until("/v1/quarantine", |list| list["messages"].as_array().unwrap().len() == 4).await;
}

#[tokio::test]
async fn the_body_has_the_limit_of_the_listener_and_no_smaller_one() {
    let home = Home::start(&[("LISTEN__BODY_LIMIT", "3MiB")]).await;
    let large = BIRTH.replace("Ada", &"é".repeat(1 << 20));
    assert_eq!(home.post(&large).await.1["id"], COMPOSITION);
    let too_large = "x".repeat((3 << 20) + 1);
    assert_eq!(home.post(&too_large).await.0, 413);
    let line = r#"mosip_gateway_refused_total{listener="internal",route="/webhooks",code="too-large"}"#;
    assert_eq!(home.metric(line).await, Some(1));
}

#[tokio::test]
async fn a_burst_is_taken_whole_and_waits_for_its_turn() {
    let home = Home::start(&[("LISTEN__BODY_LIMIT", "64KiB"), ("LISTEN__IN_FLIGHT_LIMIT", "64KiB")]).await;
    let mut posts = Vec::new();
    for number in 0..300 {
        posts.push(Post::send(&home.gateway.api, &birth(&format!("burst-{number}"))).await);
    }
    for post in posts {
        assert_eq!(post.answered().await.0, 202);
    }
    // Of one moment: an event may be leased meanwhile. A scrape leaves out what a busy database does not say in time.
    patience::until("300 births in one scrape", async || {
        let metrics = home.metrics().await;
        let births = metrics.lines().filter_map(|line| {
            line.strip_prefix(r#"mosip_gateway_events{destination="mediator",kind="birth","#)
        });
        let counted = births.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
        if counted.sum::<u64>() == 300 { Ok(()) } else { Err(metrics) }
    })
    .await;
}

#[tokio::test]
async fn the_limits_of_the_listener_of_the_faces_answer_nothing_before_the_signature() {
    let port = crate::support::port::Port::hold();
    let home = Home::start(&[("FACES__LISTEN", &port.address())]).await;
    for _ in 0..1300 {
        let post = Post::send_with(&port.address(), Some("sha256=00"), b"x").await;
        assert_eq!(post.answered().await.0, 401);
    }
    assert_eq!(Post::send(&port.address(), BIRTH).await.answered().await.0, 202);
    let line = UNAUTHORIZED.replace("internal", "faces");
    assert_eq!(home.metric(&line).await, Some(1300));
}

#[tokio::test]
async fn opencrvs_has_its_subscription_confirmed_for_topics_that_are_taken() {
    let without_death = EXAMPLE.replace("\ndeath = \"http", "\n#death = \"http");
    let home = Home::start_under(&without_death, &[]).await;
    let ask = async |query: &str| home.gateway.get(&format!("/webhooks?challenge=a%20b%2B%3D&{query}")).await;
    assert_eq!(ask("mode=subscribe&topic=BIRTH_REGISTERED").await, (200, json!({ "challenge": "a b+=" })));
    for topic in ["DEATH_REGISTERED", "MARRIAGE_REGISTERED", "BIRTH_CERTIFIED", ""] {
        let (status, problem) = ask(&format!("mode=subscribe&topic={topic}")).await;
        assert_eq!((status, &problem["code"]), (404, &json!("not-found")), "{topic}");
        assert!(problem["detail"].as_str().unwrap().contains("topic"), "{problem}");
    }
    assert_eq!(ask("mode=unsubscribe&topic=BIRTH_REGISTERED").await.0, 422);
}

#[tokio::test]
async fn what_the_callback_refuses_is_counted_by_its_reason() {
    let home = Home::start(&[]).await;
    let line =
        r#"mosip_gateway_refused_total{listener="callback",route="/birthReceiveNid",code="unauthorized"}"#;
    assert_eq!(home.metric(line).await, Some(0), "seen before it happens");
    assert_eq!(home.gateway.push_with(None, "{}").await.status, 401);
    assert_eq!(home.metric(line).await, Some(1));
}
