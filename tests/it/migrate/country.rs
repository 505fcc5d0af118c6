//! A country whose gateway stands beside `mosip-api`, or in its place.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, header};
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::credentials::{CredentialType, Registration};
use mosip_gateway::simulator::opencrvs::{CoreCall, Waiting};
use mosip_gateway::simulator::{self, Behaviour};
use mosip_gateway::upstream::Request;
use serde_json::{Value, json};

use super::peer::{INTEROP, Peer};
use super::walk::section;
use crate::support::mosip_api::{Era, surroundings, variables};
use crate::support::patience;
use crate::support::port::Port;
use crate::support::process::{Gateway, client};

pub(super) const ACCEPT: &str = "event.actions.register.accept";
/// What the log has of a credential of a registration that the gateway does not know.
const OF_NOBODY: &str = "a credential is of no known registration";

pub(super) struct Country {
    pub(super) simulator: simulator::Running,
    pub(super) gateway: Gateway,
    /// The database of `mosip-api`.
    pub(super) file: PathBuf,
    peer: Peer,
    /// Where the gateway takes registrations.
    address: String,
    _ports: [Port; 2],
}

impl Country {
    /// `mosip-api` runs. The gateway, which is not started, has its variables, and an address and a callback URL of its own.
    pub(super) async fn beside_mosip_api(era: Era) -> Self {
        let ports = [Port::hold(), Port::hold()];
        let (own, its) = (ports[0].address(), ports[1].address());
        Self::new(era, &own, "/websub/callback/0123456789abcdef0123456789abcdef", &its, ports).await
    }

    /// The same at the address of `mosip-api`, under its callback URL.
    pub(super) async fn in_the_place_of_mosip_api(era: Era) -> Self {
        let ports = [Port::hold(), Port::hold()];
        let address = ports[0].address();
        Self::new(era, &address, "/websub/callback", &address, ports).await
    }

    async fn new(era: Era, address: &str, callback: &str, of_peer: &str, ports: [Port; 2]) -> Self {
        let (simulator, mut gateway) = (surroundings().await, Gateway::new());
        simulator.controls.set(Behaviour { hub_retry_ms: 1, ..Behaviour::default() });
        let file = gateway.home().join("mosip-api.db");
        let (_, port) = address.rsplit_once(':').unwrap();
        let mut variables = era.of(variables(&simulator.base_url, port, &file));
        variables.push(("MOSIP_WEBSUB_CALLBACK_URL", format!("http://{address}{callback}")));
        gateway.stand_in(variables);
        gateway.configure("");
        let peer = Peer::start(era, &simulator, of_peer, &file).await;
        Self { simulator, gateway, file, peer, address: address.to_owned(), _ports: ports }
    }

    pub(super) fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }

    /// The gateway's own file, as the document has it, with what it names.
    pub(super) fn add(&mut self) {
        let home = self.gateway.home();
        std::fs::write(home.join("schema.json"), r#"{"type":"object"}"#).unwrap();
        std::fs::copy("keys.example/issuer.crt", home.join("issuer.crt")).unwrap();
        symlink(std::path::absolute("tests/vectors/contexts").unwrap(), home.join("contexts")).unwrap();
        let section = section();
        let (_, additions) = section.split_once("```toml\n").unwrap();
        let (additions, _) = additions.split_once("```").unwrap();
        self.gateway.configure(&additions.replace("/certs/ida-sign.crt", "../keys.example/ida-sign.crt"));
    }

    /// The gateway is served, and MOSIP's hub has its subscription.
    pub(super) async fn start(&mut self) {
        self.gateway.start();
        self.gateway.ready().await;
        patience::until("the subscription", async || {
            let (_, readiness) = self.gateway.readiness().await.unwrap();
            let state = readiness["hub"]["subscriptions"][0]["state"].clone();
            if state == "active" { Ok(()) } else { Err(readiness) }
        })
        .await;
    }

    pub(super) fn outbox(&self) -> PathBuf {
        self.gateway.home().join("outbox.db")
    }

    /// The country configuration hands a birth over to the gateway, for the action `action` of the record `event`; the id of its packet.
    pub(super) async fn registers(&self, event: &str, action: &str, number: &str) -> String {
        let core = &self.simulator.core;
        core.asks(event, action, Waiting::Registration);
        let token = core.record_token(event, action, Clock::system().now()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        let fields = json!({ "birthCertificateNumber": number });
        let body = json!({ "trackingId": format!("T-{event}"), "requestFields": fields });
        let request = Request {
            method: Method::POST,
            uri: format!("http://{}/events/registration", self.address).parse().unwrap(),
            headers,
            body: Bytes::from(body.to_string()),
            deadline: Duration::from_secs(30),
            max_response: 1 << 16,
        };
        let reply = client().send(request).await.unwrap();
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (202, &b"{}"[..]));
        let is_of = |content: &Value| content["fields"]["birthCertificateNumber"] == number;
        let record = self.simulator.history.wait_until(|record| {
            record.packets.iter().any(|packet| packet.processed > 0 && is_of(&packet.content))
        });
        record.await.packets.iter().find(|packet| is_of(&packet.content)).unwrap().id.clone()
    }

    /// MOSIP's hub has a credential of the registration `id` for so many subscribers.
    pub(super) fn issues(&self, id: &str, number: Option<&str>, subscribers: usize) {
        self.peer.will_read(id, number);
        let registration = Registration {
            registration_id: id.to_owned(),
            number: number.map(str::to_owned),
            ..Registration::default()
        };
        let now = Clock::system().now();
        let published =
            self.simulator.issuer.publish(&registration, CredentialType::Vercred, None, now).unwrap();
        assert_eq!(self.simulator.hub.publish_credential(&published).unwrap(), subscribers, "{id}");
    }

    /// The gateway has confirmed the registration `id` in core, or found it confirmed.
    pub(super) async fn gateway_confirms(&self, id: &str) {
        let confirmation = format!("/v1/events/{id}@opencrvs");
        patience::until("the confirmation", async || {
            let entry = self.gateway.get(&confirmation).await;
            if entry["state"] == "done" { Ok(()) } else { Err(entry) }
        })
        .await;
    }

    /// Core took from `mosip-api` that the record `event` is registered.
    pub(super) async fn peer_confirms(&self, event: &str) {
        let is_it = |call: &CoreCall| {
            let transaction = call.input["transactionId"].as_str().unwrap_or_default();
            let is_of_peer = call.procedure == ACCEPT && transaction.starts_with(INTEROP);
            is_of_peer && call.status == 200 && call.input["eventId"] == event
        };
        self.simulator.history.wait_until(|record| record.core_calls.iter().any(is_it)).await;
    }

    /// The number and the declaration under which the record `event` is registered, which it is once.
    pub(super) fn accepted(&self, event: &str) -> (Value, Value) {
        let actions = self.simulator.core.actions(event);
        let accepted: Vec<_> = actions.iter().filter(|action| action["status"] == "Accepted").collect();
        let [accepted] = accepted.as_slice() else { panic!("{event}: {actions:?}") };
        (accepted["registrationNumber"].clone(), accepted["declaration"].clone())
    }

    /// So many credentials were of no registration that the gateway knows.
    pub(super) async fn credentials_of_nobody(&self, count: usize) {
        patience::until("what the log has", async || {
            match self.gateway.whole_log().matches(OF_NOBODY).count() {
                of_nobody if of_nobody == count => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
}
