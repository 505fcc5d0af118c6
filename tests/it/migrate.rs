//! A running country comes over from `mosip-api`, as `docs/migrate.md` has it: with its variables, three additions, and what waits in its
//! database.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Output;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator;
use mosip_gateway::simulator::credentials::{CredentialType, Registration};
use mosip_gateway::simulator::opencrvs::{CoreCall, Waiting};
use mosip_gateway::upstream::Request;
use serde_json::{Value, json};

use crate::support::mosip::caller_token_of;
use crate::support::mosip_api::{Database, TOPIC, public_key, surroundings, variables};
use crate::support::patience;
use crate::support::port::Port;
use crate::support::process::{Gateway, client};

const NUMBER: &str = "4961027835190246";
const ACCEPT: &str = "event.actions.register.accept";

/// A gateway in the place of `mosip-api`, whose database lies beside its outbox.
struct Country {
    simulator: simulator::Running,
    gateway: Gateway,
    port: Port,
    file: PathBuf,
    database: Database,
}

impl Country {
    /// Nothing is started, and nothing is set but the variables of `mosip-api`.
    async fn new() -> Self {
        let (simulator, key, port) = (surroundings().await, public_key().await, Port::hold());
        let mut gateway = Gateway::new();
        let file = gateway.home().join("mosip-api.db");
        let (_, number) =
            port.address().rsplit_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
        gateway.stand_in(variables(&simulator.base_url, &key, &number, &file));
        gateway.configure("");
        let database = Database::make(&file);
        Self { simulator, gateway, port, file, database }
    }

    /// The file of the document, with what it names.
    fn add(&mut self) {
        let home = self.gateway.home();
        std::fs::write(home.join("schema.json"), r#"{"type":"object"}"#).unwrap();
        std::fs::copy("keys.example/issuer.crt", home.join("issuer.crt")).unwrap();
        symlink(std::path::absolute("tests/vectors/contexts").unwrap(), home.join("contexts")).unwrap();
        let document = document();
        let (_, section) = document.split_once("\n### The move of a running country\n").unwrap();
        let (_, additions) = section.split_once("```toml\n").unwrap();
        let (additions, _) = additions.split_once("```").unwrap();
        self.gateway.configure(&additions.replace("/certs/ida-sign.crt", "../keys.example/ida-sign.crt"));
    }

    /// It is served, and MOSIP's hub knows it.
    async fn start(&mut self) {
        self.gateway.start();
        self.gateway.ready().await;
        patience::until("the subscription", async || match self.simulator.hub.subscriptions() {
            known if known.iter().any(|(topic, is_delivered)| topic == TOPIC && *is_delivered) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// `mosip-gateway` with the command line `line` of the document, in which the database has the place of a deployment.
    fn walk(&self, line: &str) -> Output {
        assert!(document().lines().any(|of| of == line), "docs/migrate.md has no line {line}");
        let line = line.replace("/data/sqlite/mosip-api.db", self.file.to_str().unwrap());
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        self.gateway.run(&words)
    }

    /// A registration waits in the database of `mosip-api`, and in core.
    fn waits(&self, id: &str, event: &str, number: &str) {
        self.simulator.core.asks(event, "a1", Waiting::Registration);
        self.database.insert(id, &token_of(event), number);
    }

    /// The country configuration registers a birth; the id of its packet.
    async fn registers(&self, event: &str, number: &str) -> String {
        self.simulator.core.asks(event, "a1", Waiting::Registration);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {}", token_of(event)).parse().unwrap());
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        let body = json!({ "trackingId": format!("T-{event}"), "requestFields": { "birthCertificateNumber": number } });
        let request = Request {
            method: Method::POST,
            uri: format!("http://{}/events/registration", self.port.address()).parse().unwrap(),
            headers,
            body: Bytes::from(body.to_string()),
            deadline: std::time::Duration::from_secs(30),
            max_response: 1 << 16,
        };
        let reply = client().send(request).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (202, &b"{}"[..]));
        let sent = self.simulator.history.wait_until(|record| {
            record.packets.iter().any(|packet| packet.processed > 0 && is_of(&packet.content, number))
        });
        let record = sent.await;
        record.packets.iter().find(|packet| is_of(&packet.content, number)).unwrap().id.clone()
    }

    /// MOSIP's hub brings a credential of the registration `id`.
    fn issues(&self, id: &str, number: Option<&str>) {
        let registration = Registration {
            registration_id: id.to_owned(),
            number: number.map(str::to_owned),
            ..Registration::default()
        };
        let now = Clock::system().now();
        let published =
            self.simulator.issuer.publish(&registration, CredentialType::Vercred, None, now).unwrap();
        assert_eq!(self.simulator.hub.publish_credential(&published).unwrap(), 1);
    }

    /// What core took for `event`, once it took something.
    async fn confirmed(&self, event: &str) -> Value {
        let is_it = |call: &CoreCall| {
            call.procedure == ACCEPT && call.status == 200 && call.input["eventId"] == event
        };
        let record = self.simulator.history.wait_until(|record| record.core_calls.iter().any(is_it)).await;
        record.core_calls.iter().find(|call| is_it(call)).unwrap().input.clone()
    }
}

fn document() -> String {
    std::fs::read_to_string("docs/migrate.md").unwrap()
}

fn is_of(content: &Value, number: &str) -> bool {
    content["fields"]["birthCertificateNumber"] == number
}

/// The record token with which core hands a registration over.
fn token_of(event: &str) -> String {
    caller_token_of(&[("eventId", event), ("actionId", "a1"), ("sub", event)])
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_mosip_api_and_what_comes_after_it_is_confirmed() {
    let mut country = Country::new().await;
    country.waits("100010000000001", "e1", "B1");
    country.waits("100010000000002", "e2", "D2");
    country.add();

    let examined = country.walk("mosip-gateway doctor");
    assert!(text(&examined).contains("keys.example"), "the example's keys are public: {}", text(&examined));
    let examined = country.gateway.run(&["doctor", "--allow-example-keys"]);
    assert!(examined.status.success(), "{}", text(&examined));

    let before = std::fs::read(&country.file).unwrap();
    let imported = country.walk("mosip-gateway import mosip-api /data/sqlite/mosip-api.db");
    assert_eq!(text(&imported), "taken 2, already here 0, unusable 0\n");
    assert!(imported.status.success());
    assert_eq!(std::fs::read(&country.file).unwrap(), before, "mosip-api can go back to it");
    country.start().await;

    country.issues("100010000000001", Some(NUMBER));
    let first = country.confirmed("e1").await;
    assert_eq!(
        (&first["actionId"], &first["registrationNumber"], &first["declaration"]),
        (&json!("a1"), &json!("B1"), &json!({ "child.nid": NUMBER }))
    );
    // Until the service is switched, mosip-api takes registrations.
    country.waits("100010000000003", "e3", "B3");
    let imported = country.walk("mosip-gateway import mosip-api /data/sqlite/mosip-api.db");
    assert_eq!(text(&imported), "taken 1, already here 2, unusable 0\n");

    let id = country.registers("e4", "B4").await;
    for (id, event, number) in [
        ("100010000000002", "e2", None),
        ("100010000000003", "e3", Some(NUMBER)),
        (id.as_str(), "e4", Some(NUMBER)),
    ] {
        country.issues(id, number);
        let confirmed = country.confirmed(event).await;
        let declared = number.map_or(json!({}), |number| json!({ "child.nid": number }));
        assert_eq!(confirmed["declaration"], declared, "{event}");
    }
    let packets = country.simulator.history.record().packets;
    assert_eq!(packets.len(), 1, "nothing of what was taken over is sent: {packets:?}");
    let log = country.gateway.whole_log();
    for secret in [NUMBER, "B1", "D2", "eyJ"] {
        assert!(!log.contains(secret), "a log line holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_variables_alone_registrations_are_taken_credentials_are_kept_and_what_is_missing_is_named()
{
    let mut country = Country::new().await;
    let examined = text(&country.gateway.run(&["doctor", "--allow-example-keys"]));
    let missing =
        ["credentials.issuers is not set", "upstream.ida.reply_signers", "upstream.packets.schema_file"];
    for missing in missing {
        assert_eq!(examined.matches(missing).count(), 1, "{missing}: {examined}");
    }
    country.start().await;
    let id = country.registers("e1", "B1").await;
    country.issues(&id, Some(NUMBER));
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
    assert_eq!(country.confirmed("e1").await["declaration"], json!({ "child.nid": NUMBER }));
}
