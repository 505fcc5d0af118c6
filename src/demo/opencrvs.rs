//! The scene of OpenCRVS: a registration goes from its country configuration to MOSIP, and what MOSIP made of it comes back into the record;
//! another one while MOSIP is away, and a third whose packet MOSIP rejects.

use std::io::Write;

use http::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{PATIENCE, Stage, TOPICS, call_as, delivery, demo_error, ensure, poll_until, print_step, text};
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::simulator::Behaviour;
use crate::simulator::credentials::{CredentialType, Registration};
use crate::simulator::history::Record;
use crate::simulator::opencrvs::Waiting;
use crate::simulator::packets::Packet;

/// The number that MOSIP gives each person.
const NATIONAL_ID: &str = "4961027835190246";
/// The field of a record that takes it.
const FIELD: &str = "child.nid";

/// A birth that waits in OpenCRVS.
struct Birth {
    event: &'static str,
    /// The action that waits.
    action: &'static str,
    number: &'static str,
}

const FIRST: Birth = Birth { event: "event-1", action: "action-1", number: "2026BDEMO01" };
const SECOND: Birth = Birth { event: "event-2", action: "action-2", number: "2026BDEMO02" };
const THIRD: Birth = Birth { event: "event-3", action: "action-3", number: "2026BDEMO03" };

impl Stage {
    pub(super) async fn opencrvs(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        poll_until(async || Ok((self.simulator.hub.subscriptions().len() == TOPICS).then_some(()))).await?;
        let token = self.wait_in_core(&FIRST)?;
        let line =
            "a birth waits for MOSIP; its country configuration gets a token that decides this record alone";
        print_step(1, "OpenCRVS", line.to_owned())?;
        self.post(&FIRST, &token).await?;
        print_step(2, "posted", format!("{}, to /events/registration: answered 202 {{}}", FIRST.number))?;
        let id = self.processed(&FIRST).await?;
        print_step(3, "MOSIP has it", format!("its packet is created and processed, as registration {id}"))?;
        let bytes = self.issue(&id)?;
        print_step(
            4,
            "over the hub",
            format!("its credential, sealed to us, in a message of {bytes} bytes"),
        )?;
        let issued = delivery(&mut self.deliveries, "credential.issued").await?;
        ensure(text(&issued, "/verified") == "signature" && text(&issued, "/subject/brn") == FIRST.number)?;
        print_step(5, "verified", "it is under the issuer's signature".to_owned())?;
        print_step(6, "confirmed", self.confirmed(&FIRST).await?)?;

        let token = self.wait_in_core(&SECOND)?;
        self.simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
        self.post(&SECOND, &token).await?;
        let line = format!("{} is answered 202 {{}} all the same, and waits on the disk", SECOND.number);
        print_step(7, "MOSIP is off", line)?;
        self.simulator.controls.set(Behaviour::default());
        let id = self.processed(&SECOND).await?;
        print_step(8, "MOSIP is back", format!("its packet is processed, as registration {id}"))?;
        self.issue(&id)?;
        print_step(9, "confirmed", self.confirmed(&SECOND).await?)?;

        let token = self.wait_in_core(&THIRD)?;
        self.post(&THIRD, &token).await?;
        let id = self.processed(&THIRD).await?;
        ensure(self.simulator.hub.publish_result(&id, "REJECTED") == 1)?;
        let rejected = delivery(&mut self.deliveries, "registration.rejected").await?;
        let line = format!("the packet of {}: {}", THIRD.number, text(&rejected, "/data/reason"));
        print_step(10, "MOSIP rejects", line)?;
        self.decided(&THIRD, "event.actions.register.reject", "Rejected").await?;
        print_step(11, "rejected", format!("the registration of {} in OpenCRVS, too", THIRD.number))
    }

    /// From now on `birth` waits in OpenCRVS's core; the token for it.
    fn wait_in_core(&self, birth: &Birth) -> Result<String> {
        let core = &self.simulator.core;
        core.asks(birth.event, birth.action, Waiting::Registration);
        let token = core.record_token(birth.event, birth.action, Clock::system().now());
        token.ok_or_else(|| Error::new(Code::Bug, "OpenCRVS cannot sign"))
    }

    /// Posts `birth` as the client of the country configuration does.
    async fn post(&self, birth: &Birth, token: &str) -> Result<()> {
        let body = json!({
            "trackingId": format!("T{}", birth.number),
            "notification": { "recipientFullName": "Ada Example", "recipientEmail": "", "recipientPhone": "" },
            "requestFields": {
                "birthCertificateNumber": birth.number,
                "fullName": r#"[{"language":"eng","value":"Ada Example"}]"#,
                "dateOfBirth": "2025/12/30",
                "gender": r#"[{"language":"eng","value":"Female"}]"#,
                "IDSchemaVersion": 3.101,
            },
            "metaInfo": {},
            "audit": { "eventId": "REG-EVT-066" },
        });
        let url = format!("{}/events/registration", self.api);
        let answered = call_as(&self.client, Some(token), Method::POST, &url, body.to_string()).await?;
        ensure(answered == (202, json!({})))
    }

    /// The id of the registration of `birth`, once MOSIP processes its packet.
    async fn processed(&self, birth: &Birth) -> Result<String> {
        let number = json!(birth.number);
        let is_of_birth = |packet: &&Packet| {
            packet.content.pointer("/fields/birthCertificateNumber") == Some(&number)
                && (packet.created, packet.processed) >= (1, 1)
        };
        let record = self.seen(|record| record.packets.iter().any(|packet| is_of_birth(&packet))).await?;
        let packet = record.packets.iter().find(is_of_birth);
        packet.map(|packet| packet.id.clone()).ok_or_else(|| Error::new(Code::Bug, "MOSIP has no packet"))
    }

    /// MOSIP issues the credential of the registration `id`; the bytes of its message.
    fn issue(&self, id: &str) -> Result<usize> {
        let registration = Registration {
            registration_id: id.to_owned(),
            number: Some(NATIONAL_ID.to_owned()),
            ..Registration::default()
        };
        let now = Clock::system().now();
        let simulator = &self.simulator;
        let published = simulator.issuer.publish(&registration, CredentialType::Vercred, None, now);
        let published = published.map_err(demo_error)?;
        ensure(simulator.hub.publish_credential(&published).map_err(demo_error)? == 1)?;
        Ok(published.body.len())
    }

    /// Waits until OpenCRVS has `birth` with its number; says so.
    async fn confirmed(&self, birth: &Birth) -> Result<String> {
        let accepted = self.decided(birth, "event.actions.register.accept", "Accepted").await?;
        let declared = accepted.get("declaration").and_then(|declaration| declaration.get(FIELD));
        ensure(
            text(&accepted, "/registrationNumber") == birth.number && declared == Some(&json!(NATIONAL_ID)),
        )?;
        Ok(format!(
            "{} is registered in OpenCRVS, with the number from MOSIP in {FIELD}, the field that takes it",
            birth.number
        ))
    }

    /// The action that decides `birth` in OpenCRVS's core, once `procedure` made it `status`.
    async fn decided(&self, birth: &Birth, procedure: &str, status: &str) -> Result<Value> {
        self.seen(|record| {
            let mut calls = record.core_calls.iter();
            calls.any(|call| {
                (call.procedure.as_str(), call.status) == (procedure, 200)
                    && text(&call.input, "/eventId") == birth.event
            })
        })
        .await?;
        let decides = |action: &Value| {
            text(action, "/originalActionId") == birth.action && text(action, "/status") == status
        };
        let action = self.simulator.core.actions(birth.event).into_iter().find(decides);
        action.ok_or_else(|| Error::new(Code::Bug, "OpenCRVS has not decided so"))
    }

    /// What MOSIP's side and OpenCRVS have seen, once `condition` holds of it.
    async fn seen(&self, condition: impl Fn(&Record) -> bool) -> Result<Record> {
        timeout(PATIENCE, self.simulator.history.wait_until(condition)).await.map_err(demo_error)
    }
}
