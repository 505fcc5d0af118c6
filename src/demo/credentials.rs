//! What MOSIP's hub brings: a credential, three that are false, and a registration that MOSIP rejects.

use std::io::Write;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{BIRTH, PATIENCE, Stage, broken, call, delivery, expect, say, text};
use crate::clock::Clock;
use crate::error::Result;
use crate::simulator::credentials::{CredentialType, Lie, Registration};

/// Topics that `demo.toml` names.
const TOPICS: usize = 2;
/// What is false, in words, and the code that the gateway refuses it with.
const FALSE_ONES: [(Lie, &str, &str); 3] = [
    (Lie::WrongEventProof, "signed by a stranger", "signature-invalid"),
    (Lie::Altered, "altered after it was signed", "signature-invalid"),
    (Lie::OtherPartner, "sealed to another partner", "unknown-key"),
];
/// Another registration than the one of the birth.
const REJECTED: &str = "10001100010000220261128000000";

impl Stage {
    pub(super) async fn credentials(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, deliveries } = self;
        let mut say = |step, what, line| say(out, step, what, line);
        until(async || Ok((simulator.hub.subscriptions().len() == TOPICS).then_some(()))).await?;
        say(1, "subscribed", "at MOSIP's hub, to credentials and to what comes of packets".to_owned())?;

        let (status, accepted) = call(client, Method::POST, &format!("{api}/v1/events/birth"), BIRTH).await?;
        let id = text(&accepted, "/id");
        say(2, "plain event", format!("a birth, answered {status} {} as {id}", text(&accepted, "/state")))?;
        let event = delivery(deliveries, "event.accepted").await?;
        let (aid, brn) = (text(&event, "/subject/aid"), text(&event, "/subject/brn"));
        say(3, "MOSIP accepted", format!("registration {aid}"))?;

        let registration = Registration {
            registration_id: aid.to_owned(),
            number: Some("4961027835190246".to_owned()),
            certificate_number: Some(brn.to_owned()),
            full_name: vec![("eng".to_owned(), "Ada Example".to_owned())],
        };
        let issue = |lie| -> Result<usize> {
            let now = Clock::system().now();
            let published =
                simulator.issuer.publish(&registration, CredentialType::Vercred, lie, now).map_err(broken)?;
            expect(simulator.hub.publish_credential(&published).map_err(broken)? == 1)?;
            Ok(published.body.len())
        };
        let bytes = issue(None)?;
        say(4, "over the hub", format!("a credential, sealed to us, in a message of {bytes} bytes"))?;
        let issued = delivery(deliveries, "credential.issued").await?;
        expect(
            text(&issued, "/verified") == "signature"
                && text(&issued, "/subject/compositionId") == id
                && text(&issued, "/data/vid") == "4961027835190246",
        )?;
        let covered = issued.pointer("/data/covered").and_then(Value::as_array).map_or(0, Vec::len);
        say(
            5,
            "verified",
            format!("{covered} values under the issuer's signature, for {brn}, delivered in plain JSON"),
        )?;

        let quarantine = format!("{api}/v1/quarantine");
        for (index, ((lie, what, code), step)) in FALSE_ONES.into_iter().zip(6..).enumerate() {
            issue(Some(lie))?;
            let refused = until(async || {
                let (_, kept) = call(client, Method::GET, &quarantine, b"").await?;
                Ok(kept.pointer(&format!("/messages/{index}/reason")).cloned())
            })
            .await?;
            expect(text(&refused, "/code") == code)?;
            say(step, "refused", format!("a credential {what}: {code}, {}", text(&refused, "/detail")))?;
        }

        expect(simulator.hub.publish_result(REJECTED, "REJECTED") == 1)?;
        let rejected = loop {
            let next = timeout(PATIENCE, deliveries.recv()).await.map_err(broken)?.unwrap_or_default();
            match text(&next, "/type") {
                "registration.rejected" => break next,
                // Neither may a false credential be delivered, nor may the mediator be gone.
                kind => expect(!matches!(kind, "credential.issued" | "none"))?,
            }
        };
        let (registration, reason) =
            (text(&rejected, "/data/registrationId"), text(&rejected, "/data/reason"));
        expect(registration == REJECTED && text(&rejected, "/verified") == "hub")?;
        let line = format!("registration {registration}: {reason}, delivered as registration.rejected");
        say(9, "MOSIP rejects", line)
    }
}

/// What `look` finds, once it finds something.
async fn until<T>(look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.map_err(broken)?
}
