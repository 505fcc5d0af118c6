//! The gateway subscribes OpenCRVS's webhooks itself: once each, whatever the service does, and never in the way of events.

use std::io::Write as _;

use http::{HeaderMap, Method};
use mosip_gateway::clock::Clock;
use mosip_gateway::doctor::{self, Level};
use mosip_gateway::simulator::webhooks::SHA_SECRET;
use mosip_gateway::simulator::{Behaviour, Settings, Simulator, WebhooksLie};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::support::event::BIRTH;
use crate::support::gateway::{EXAMPLE, json as read, secrets};
use crate::support::logs::Logs;
use crate::support::patience;
use crate::support::port::Port;
use crate::support::process::Gateway;
use crate::support::world::{Setup, World, urls, webhooks};

const TOPICS: [&str; 2] = ["BIRTH_REGISTERED", "DEATH_REGISTERED"];
const ROUTE: &str = "/v1/opencrvs/webhooks";

/// A gateway that subscribes, and where OpenCRVS finds it.
pub(crate) struct Site {
    pub(crate) world: World,
    at: Port,
    _secret: NamedTempFile,
}

/// The `sha_secret` in a file.
fn secret(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

impl Site {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_with(behaviour, SHA_SECRET).await
    }

    async fn start_with(behaviour: Behaviour, sha_secret: &str) -> Self {
        let (at, secret) = (Port::hold(), secret(sha_secret));
        let address = at.address();
        let set = vec![("FACES__WEBHOOK_SECRET_FILE", secret.path().to_str().unwrap())];
        let setup = Setup { behaviour, subscribes_at: Some(&address), set, ..Setup::default() };
        Self { world: World::start(setup).await, at, _secret: secret }
    }

    fn lies(&self, lie: Option<WebhooksLie>) {
        self.world.simulator.controls.set(Behaviour { opencrvs_webhooks: lie, ..Behaviour::default() });
    }

    fn callback(&self) -> String {
        format!("http://{}/webhooks", self.at.address())
    }

    /// Topics that the service has, of our client and of others.
    fn kept(&self) -> Vec<(String, String)> {
        let all = self.world.simulator.webhooks.all().into_iter();
        let mut kept: Vec<_> = all.map(|webhook| (webhook.client, webhook.topic)).collect();
        kept.sort();
        kept
    }

    /// The subscriptions as readiness shows them, once `condition` holds of all; 200 all the while.
    async fn until(&self, condition: impl Fn(&Value) -> bool) -> Value {
        patience::until("the subscriptions", async || {
            let (status, readiness) = self.world.gateway.readiness().await;
            assert_eq!(status, 200, "OpenCRVS's service changes nothing for events");
            let webhooks = readiness["webhooks"].clone();
            let all = webhooks["subscriptions"].as_array().unwrap();
            if all.len() == 2 && all.iter().all(&condition) { Ok(webhooks) } else { Err(webhooks) }
        })
        .await
    }

    async fn until_state(&self, state: &str) -> Value {
        self.until(|topic| topic["state"] == state).await
    }

    /// What the plain API answers about the subscriptions.
    async fn ask(&self, method: Method) -> Value {
        let (status, answer) = read(self.world.gateway.ask(method, ROUTE).await);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// The service's question, from whoever asks it.
    async fn challenge(&self, topic: &str) -> u16 {
        let url = format!("{}?mode=subscribe&challenge=c&topic={topic}", self.callback());
        self.world.gateway.request(Method::GET, url, HeaderMap::new(), "").await.status.as_u16()
    }

    async fn ops(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.world.gateway.ops);
        let reply = self.world.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
        String::from_utf8(reply.body.to_vec()).unwrap()
    }
}

fn ours() -> Vec<(String, String)> {
    TOPICS.map(|topic| ("opencrvs".to_owned(), topic.to_owned())).to_vec()
}

#[tokio::test]
async fn each_topic_is_subscribed_once_and_a_restart_and_a_person_make_no_second_one() {
    let logs = Logs::from_here();
    let mut site = Site::start(Behaviour::default()).await;
    site.until_state("active").await;
    assert_eq!(site.kept(), ours());
    site.world.gateway.restart(&[]).await;
    site.until_state("active").await;
    let answer = site.ask(Method::POST).await;
    assert_eq!(answer["topics"][0]["subscriptions"], 1, "{answer}");
    assert_eq!(site.kept(), ours());
    site.world.gateway.stop().await;
    let logs = logs.text();
    for secret in [SHA_SECRET, "example-client-secret", "client_secret"] {
        assert!(!logs.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test]
async fn a_service_that_denies_holds_no_event_up_and_is_asked_again() {
    let denies = Behaviour { opencrvs_webhooks: Some(WebhooksLie::Denies), ..Behaviour::default() };
    let site = Site::start(denies).await;
    let failing = site.until_state("failing").await;
    assert_eq!(failing["subscriptions"][0]["fault"], "partner", "{failing}");
    site.world.gateway.settle("birth", BIRTH).await;
    let page = site.ops("/").await;
    assert!(page.contains("the client is not active"), "{page}");
    assert!(
        site.ops("/metrics")
            .await
            .contains(r#"mosip_gateway_webhook_subscription{topic="BIRTH_REGISTERED",state="failing"} 1"#)
    );
    site.lies(None);
    let answer = site.ask(Method::POST).await;
    assert!(answer["topics"].as_array().unwrap().iter().all(|topic| topic["state"] == "active"), "{answer}");
}

#[tokio::test]
async fn a_wrong_sha_secret_is_named_and_stands_nowhere() {
    let logs = Logs::from_here();
    let site = Site::start_with(Behaviour::default(), "hunter2hunter2").await;
    site.until_state("failing").await;
    let answer = site.ask(Method::GET).await;
    let refusal = &answer["topics"][0]["refusal"];
    assert!(refusal["advice"].as_str().unwrap().contains("faces.webhook_secret_file"), "{answer}");
    site.world.gateway.stop().await;
    assert!(!answer.to_string().contains("hunter2") && !logs.text().contains("hunter2"));
}

#[tokio::test]
async fn a_service_that_forgets_what_it_took_is_not_believed() {
    let forgets = Behaviour { opencrvs_webhooks: Some(WebhooksLie::Forgets), ..Behaviour::default() };
    let site = Site::start(forgets).await;
    let failing = site.until_state("failing").await;
    assert!(failing["subscriptions"][0]["missing_since"].is_null(), "nothing was there that could be gone");
    assert!(site.ops("/").await.contains("does not list it"));
}

#[tokio::test]
async fn a_question_that_comes_after_the_answer_makes_no_second_subscription() {
    let late = Behaviour { opencrvs_webhooks: Some(WebhooksLie::Late), ..Behaviour::default() };
    let site = Site::start(late).await;
    patience::until("the late questions", async || match site.kept().len() {
        2 => Ok(()),
        other => Err(other),
    })
    .await;
    site.ask(Method::POST).await;
    site.until_state("active").await;
    assert_eq!(site.kept(), ours());
}

#[tokio::test]
async fn a_subscription_that_vanished_is_made_again_and_is_an_alarm_until_a_person_looked_after_it() {
    let site = Site::start(Behaviour::default()).await;
    site.until_state("active").await;
    site.world.simulator.webhooks.forget("BIRTH_REGISTERED");
    // Somebody looks; by itself the gateway looks every hour.
    let seen = site.ask(Method::GET).await;
    assert!(
        seen["topics"][0]["missing_since"].is_string() && seen["topics"][1]["missing_since"].is_null(),
        "{seen}"
    );
    site.until_state("active").await;
    assert_eq!(site.kept(), ours());
    const GAP: &str = r#"mosip_gateway_webhook_gap{topic="BIRTH_REGISTERED"}"#;
    assert!(site.ops("/metrics").await.contains(&format!("{GAP} 1")));
    assert!(site.ops("/").await.contains("may be missing since"));
    site.ask(Method::POST).await;
    assert!(site.ops("/metrics").await.contains(&format!("{GAP} 0")));
}

#[tokio::test]
async fn somebody_elses_subscriptions_are_neither_counted_nor_ended() {
    let site = Site::start(Behaviour::default()).await;
    site.until_state("active").await;
    let webhooks = &site.world.simulator.webhooks;
    webhooks.add("somebody", &site.callback(), "BIRTH_REGISTERED");
    webhooks.add("opencrvs", "https://elsewhere.example.org/webhooks", "BIRTH_REGISTERED");
    site.lies(Some(WebhooksLie::ListsOthers));
    let answer = site.ask(Method::GET).await;
    assert_eq!(answer["topics"][0]["subscriptions"], 1, "{answer}");
    let answer = site.ask(Method::DELETE).await;
    assert_eq!(
        (&answer["ended"], &answer["topics"][0]["state"]),
        (&json!(true), &json!("ended")),
        "{answer}"
    );
    let left = [("opencrvs", "BIRTH_REGISTERED"), ("somebody", "BIRTH_REGISTERED")];
    assert_eq!(site.kept(), left.map(|(client, topic)| (client.to_owned(), topic.to_owned())));
}

#[tokio::test]
async fn what_a_person_ended_stays_ended_over_a_restart() {
    let mut site = Site::start(Behaviour::default()).await;
    site.until_state("active").await;
    site.ask(Method::DELETE).await;
    site.world.gateway.restart(&[]).await;
    site.until_state("ended").await;
    assert_eq!(site.kept(), []);
    site.ask(Method::POST).await;
    assert_eq!(site.kept(), ours());
}

#[tokio::test]
async fn a_strangers_question_is_not_answered() {
    let site = Site::start(Behaviour::default()).await;
    site.until_state("active").await;
    site.world.gateway.stop().await;
    // As `Site::start`, over a service that has both: the gateway asks for nothing.
    let (at, secret) = (Port::hold(), secret(SHA_SECRET));
    let address = at.address();
    let callback = format!("http://{address}/webhooks");
    let down = Behaviour { down: true, ..Behaviour::default() };
    let set = vec![("FACES__WEBHOOK_SECRET_FILE", secret.path().to_str().unwrap())];
    let setup = Setup { behaviour: down, subscribes_at: Some(&address), set, ..Setup::default() };
    let site = Site { world: World::start(setup).await, at, _secret: secret };
    for topic in TOPICS {
        site.world.simulator.webhooks.add("opencrvs", &callback, topic);
        assert_eq!(site.challenge(topic).await, 404, "nothing of ours was asked for");
    }
    assert_eq!(site.challenge("MARRIAGE_REGISTERED").await, 404);
    site.lies(None);
    site.ask(Method::POST).await;
    assert_eq!((site.challenge(TOPICS[0]).await, site.kept().len()), (404, 2), "they are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_to_the_gateway_that_runs_and_acts_alone_where_none_does() {
    let mut settings = Settings::from_key_set(std::path::Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    let (at, secret) = (Port::hold(), secret(SHA_SECRET));
    let mut gateway = Gateway::new();
    let set = [urls(&simulator.base_url), webhooks(&simulator.base_url, &at.address())].concat();
    let mut set: Vec<(&str, &str)> = set.iter().map(|(name, value)| (*name, value.as_str())).collect();
    set.push(("FACES__WEBHOOK_SECRET_FILE", secret.path().to_str().unwrap()));
    gateway.set(&set);
    // The command waits, and the simulator answers meanwhile.
    let run = |gateway: &Gateway, arguments: &[&str]| {
        let output = tokio::task::block_in_place(|| gateway.run(arguments));
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, why) = run(&gateway, &["opencrvs", "status"]);
    assert_eq!(code, Some(3), "there is neither a gateway nor an outbox: {why}");
    for (options, said) in [
        (&["--since=yesterday"][..], "--since"),
        (&["--since=2026-11-01", "--post"], "does not give the body"),
    ] {
        let (code, _, why) = run(&gateway, &[&["opencrvs", "reconcile"], options].concat());
        assert_eq!((code, why.contains(said)), (Some(2), true), "{why}");
    }
    gateway.start();
    gateway.ready().await;
    let (code, text, why) = run(&gateway, &["opencrvs", "subscribe"]);
    assert_eq!(code, Some(0), "{why}");
    assert_eq!(text, "active   BIRTH_REGISTERED\nactive   DEATH_REGISTERED\n");
    let (code, text, _) = run(&gateway, &["opencrvs", "unsubscribe", "--json"]);
    let ended: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &ended["ended"], simulator.webhooks.all().len()), (Some(0), &json!(true), 0));
    gateway.end().await;
    let (code, text, _) = run(&gateway, &["opencrvs", "status"]);
    assert_eq!((code, text.contains("ended on request")), (Some(0), true), "{text}");
    let (code, text, why) = run(&gateway, &["opencrvs", "subscribe"]);
    assert_eq!((code, why.contains("once one starts")), (Some(0), true), "{text}{why}");
    assert!(simulator.webhooks.all().is_empty(), "nobody would have answered the question");
    gateway.start();
    patience::until("the subscriptions", async || match simulator.webhooks.all().len() {
        2 => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test]
async fn doctor_lists_and_subscribes_nothing() {
    let mut settings = Settings::from_key_set(std::path::Path::new("keys.example")).unwrap();
    settings.bind.set_port(0);
    let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let keys = std::path::absolute("keys.example").unwrap();
    let text = EXAMPLE
        .replace("http://127.0.0.1:4600", &simulator.base_url)
        .replace("../keys.example", keys.to_str().unwrap());
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, text).unwrap();
    let secret = secret(SHA_SECRET);
    let mut variables = secrets();
    let set = webhooks(&simulator.base_url, "127.0.0.1:1");
    variables.extend(set.into_iter().map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), value)));
    let path = secret.path().display().to_string();
    variables.insert("MOSIP_GATEWAY__FACES__WEBHOOK_SECRET_FILE".to_owned(), path);
    simulator.webhooks.add("opencrvs", "http://127.0.0.1:1/webhooks", "BIRTH_REGISTERED");
    let findings = doctor::call(Some(&file), &variables, Clock::system()).await;
    let found: Vec<_> = findings.iter().filter(|finding| finding.subject == "opencrvs.webhooks").collect();
    let level = |topic: &str| found.iter().find(|finding| finding.what.contains(topic)).unwrap().level;
    assert_eq!((level("BIRTH_REGISTERED"), level("DEATH_REGISTERED")), (Level::Ok, Level::Warn), "{found:?}");
    assert_eq!(simulator.webhooks.all().len(), 1);
    simulator.controls.set(Behaviour { reject_token_once: true, ..Behaviour::default() });
    let findings = doctor::call(Some(&file), &variables, Clock::system()).await;
    assert!(
        findings.iter().any(|finding| finding.subject == "opencrvs.webhooks" && finding.level == Level::Ok)
    );
}
