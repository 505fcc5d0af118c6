//! The scene of MOSIP's hub: it delivers a credential, three false ones, and the rejection of a registration.

use std::io::Write;

use http::Method;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    BIRTH, PATIENCE, Stage, TOPICS, call, delivery, demo_error, ensure, poll_until, print_step, text,
};
use crate::clock::Clock;
use crate::error::Result;
use crate::simulator::credentials::{CredentialType, Lie, Registration};

/// Each false credential: what is false in it, in words, and the code with which the gateway refuses it.
const FALSE_ONES: [(Lie, &str, &str); 3] = [
    (Lie::WrongEventProof, "signed by a stranger", "signature-invalid"),
    (Lie::Altered, "altered after it was signed", "signature-invalid"),
    (Lie::OtherPartner, "sealed to another partner", "unknown-key"),
];
/// A registration other than that of the birth.
const REJECTED: &str = "10001100010000220261128000000";

impl Stage {
    pub(super) async fn credentials(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, deliveries } = self;
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        poll_until(async || Ok((simulator.hub.subscriptions().len() == TOPICS).then_some(()))).await?;
        print_step(
            1,
            "subscribed",
            "at MOSIP's hub, to credentials and to what comes of packets".to_owned(),
        )?;

        let (status, accepted) = call(client, Method::POST, &format!("{api}/v1/events/birth"), BIRTH).await?;
        let id = text(&accepted, "/id");
        print_step(
            2,
            "plain event",
            format!("a birth, answered {status} {} as {id}", text(&accepted, "/state")),
        )?;
        let event = delivery(deliveries, "event.accepted").await?;
        let (aid, brn) = (text(&event, "/subject/aid"), text(&event, "/subject/brn"));
        print_step(3, "MOSIP accepted", format!("registration {aid}"))?;

        let registration = Registration {
            registration_id: aid.to_owned(),
            number: Some("4961027835190246".to_owned()),
            certificate_number: Some(brn.to_owned()),
            full_name: vec![("eng".to_owned(), "Ada Example".to_owned())],
        };
        let issue = |lie| -> Result<usize> {
            let now = Clock::system().now();
            let published = simulator
                .issuer
                .publish(&registration, CredentialType::Vercred, lie, now)
                .map_err(demo_error)?;
            ensure(simulator.hub.publish_credential(&published).map_err(demo_error)? == 1)?;
            Ok(published.body.len())
        };
        let bytes = issue(None)?;
        print_step(4, "over the hub", format!("a credential, sealed to us, in a message of {bytes} bytes"))?;
        let issued = delivery(deliveries, "credential.issued").await?;
        ensure(
            text(&issued, "/verified") == "signature"
                && text(&issued, "/subject/compositionId") == id
                && text(&issued, "/data/vid") == "4961027835190246",
        )?;
        let covered = issued.pointer("/data/covered").and_then(Value::as_array).map_or(0, Vec::len);
        print_step(
            5,
            "verified",
            format!("{covered} values under the issuer's signature, for {brn}, delivered in plain JSON"),
        )?;

        let quarantine = format!("{api}/v1/quarantine");
        for (index, ((lie, what, code), step)) in FALSE_ONES.into_iter().zip(6..).enumerate() {
            issue(Some(lie))?;
            let refused = poll_until(async || {
                let (_, kept) = call(client, Method::GET, &quarantine, "").await?;
                Ok(kept.pointer(&format!("/messages/{index}/reason")).cloned())
            })
            .await?;
            ensure(text(&refused, "/code") == code)?;
            print_step(
                step,
                "refused",
                format!("a credential {what}: {code}, {}", text(&refused, "/detail")),
            )?;
        }

        ensure(simulator.hub.publish_result(REJECTED, "REJECTED") == 1)?;
        let rejected = loop {
            let next = timeout(PATIENCE, deliveries.recv()).await.map_err(demo_error)?.unwrap_or_default();
            match text(&next, "/type") {
                "registration.rejected" => break next,
                // No false credential may have been delivered, and the mediator must still run.
                kind => ensure(!matches!(kind, "credential.issued" | "none"))?,
            }
        };
        let (registration, reason) =
            (text(&rejected, "/data/registrationId"), text(&rejected, "/data/reason"));
        ensure(registration == REJECTED && text(&rejected, "/verified") == "hub")?;
        let line = format!("registration {registration}: {reason}, delivered as registration.rejected");
        print_step(9, "MOSIP rejects", line)
    }
}
