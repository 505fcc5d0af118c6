//! Registrations that go as packets, posted while the gateway is killed again and again, and what came of them at MOSIP.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use mosip_gateway::simulator::history::Record;
use mosip_gateway::upstream::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::process;
use crate::support::random::Random;

/// What was registered, and under which ids it was taken; more than one is a failure.
#[derive(Default)]
pub(super) struct Registrations(Mutex<BTreeMap<Registered, BTreeSet<String>>>);

/// What makes two posts the same registration.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Registered {
    kind: &'static str,
    number: String,
    name: &'static str,
}

impl Registered {
    fn body(&self) -> Value {
        let number = if self.kind == "birth" { "birthCertificateNumber" } else { "deathCertificateNumber" };
        json!({
            "trackingId": format!("T{}", self.number),
            "requestFields": { number: self.number, "referenceNumber": self.number, "fullName": self.name },
            "schemaJson": "{}",
        })
    }
}

impl Registrations {
    /// Posts one registration after another, until the gate closes: each until it is taken, sometimes once more, and sometimes with other
    /// fields under its number, which is refused while the first one is on its way.
    pub(super) async fn post(&self, gate: &Semaphore, url: &str, mut random: Random) {
        let (client, own) = (process::client(), random.below(1 << 32));
        for index in 0.. {
            let Ok(permit) = gate.acquire().await else { return };
            permit.forget();
            let kind = if random.one_in(3) { "death" } else { "birth" };
            let first = Registered { kind, number: format!("n{own}-{index}"), name: "Ada" };
            self.post_until(&client, url, &first, 202).await;
            if random.one_in(3) {
                self.post_until(&client, url, &first, 202).await;
            }
            if random.one_in(4) {
                let other = Registered { name: "Mary", ..first };
                self.post_until(&client, url, &other, 422).await;
            }
        }
    }

    async fn post_until(&self, client: &Client, url: &str, registered: &Registered, wanted: u16) {
        let (route, body) = (format!("{url}/v1/packets/{}", registered.kind), registered.body().to_string());
        loop {
            let reply = process::post(client, &route, body.clone()).await;
            match reply.map(|reply| (reply.status.as_u16(), reply.body)) {
                // Until it is back.
                None | Some((503 | 507, _)) => tokio::time::sleep(std::time::Duration::from_millis(2)).await,
                Some((200 | 202, body)) => {
                    let answer: Value = serde_json::from_slice(&body).unwrap();
                    let id = answer["id"].as_str().unwrap().to_owned();
                    self.0.lock().unwrap().entry(registered.clone()).or_default().insert(id);
                    assert_eq!(wanted, 202, "a second registration under one number is taken: {answer}");
                    return;
                }
                Some((status, body)) => {
                    assert_eq!(status, wanted, "{}", String::from_utf8_lossy(&body));
                    return;
                }
            }
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Everything that has to be nothing.
    pub(super) fn failures(&self, record: &Record) -> [(&'static str, usize); 4] {
        let known = self.0.lock().unwrap();
        let two_ids = known.values().map(|ids| ids.len() - 1).sum();
        let at_mosip: BTreeMap<_, _> =
            record.packets.iter().map(|packet| (packet.id.as_str(), packet)).collect();
        let is_processed = |registered: &Registered, id: &String| {
            at_mosip.get(id.as_str()).is_some_and(|packet| {
                packet.processed == 1
                    && packet.content["fields"]["referenceNumber"] == registered.number.as_str()
                    && packet.content["fields"]["fullName"] == registered.name
            })
        };
        let lost = known.iter().flat_map(|(registered, ids)| ids.iter().map(move |id| (registered, id)));
        let lost = lost.filter(|(registered, id)| !is_processed(registered, id)).count();
        let mut by_number: BTreeMap<&str, usize> = BTreeMap::new();
        for packet in &record.packets {
            let number = packet.content["fields"]["referenceNumber"].as_str().unwrap();
            *by_number.entry(number).or_default() += 1;
        }
        let doubled = by_number.values().map(|packets| packets - 1).sum();
        let unasked = record.packets.iter().filter(|packet| packet.workflow.is_none()).count();
        [
            ("packet lost", lost),
            ("two ids for one registration", two_ids),
            ("two packets for one number", doubled),
            ("packet without a workflow", unasked),
        ]
    }
}
