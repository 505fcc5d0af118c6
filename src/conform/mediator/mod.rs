//! A mediator: the kit plays OpenCRVS in front of it, and MOSIP behind it.

mod events;
mod pushes;
mod verify;
mod webhooks;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri, header};

use super::event::{Event, Registry};
use super::inbox::Inbox;
use super::keys::Keys;
use super::target::{Came, Target, behind, opencrvs_token};
use super::{CannotRun, Plan, Report};
use crate::clock::Clock;
use crate::crypto::secret::SecretBytes;
use crate::simulator::history::Record;
use crate::simulator::{Behaviour, Callback, Running, Simulator};

/// Everything around the mediator.
struct Stage<'t> {
    target: &'t Target,
    webhooks: Uri,
    verify: Option<Uri>,
    simulator: Running,
    inbox: Inbox,
    registry: Registry,
    secret: SecretBytes,
    /// A token of OpenCRVS.
    bearer: HeaderValue,
    patience: Duration,
}

pub(super) async fn run(
    plan: Plan,
    keys: Keys,
    target: &mut Target,
    report: &mut Report,
) -> Result<(), CannotRun> {
    let webhooks = plan.webhooks.map_or_else(|| behind(&plan.against, "/webhooks"), Ok)?;
    let pushes = plan.pushes.map_or_else(|| behind(&plan.against, "/birthReceiveNid"), Ok)?;
    let mut theirs = keys.theirs;
    theirs.bind = plan.listen;
    let with_pushes = !plan.without_pushes;
    theirs.callback =
        with_pushes.then(|| Callback { url: pushes.clone(), roots_pem: plan.roots, client: None });
    let bearer = opencrvs_token(&theirs.opencrvs.jwt_key, target)?;
    // The program may look for its MOSIP when it is asked, so that comes first.
    let inbox = Inbox::open(plan.inbox).await?;
    let simulator = Simulator::start(theirs, Clock::system()).await?;
    let reached = [Some(&webhooks), with_pushes.then_some(&pushes), plan.verify.as_ref()];
    for url in reached.into_iter().flatten() {
        target.reach(url).await?;
    }
    let stage = Stage {
        target,
        webhooks,
        verify: plan.verify,
        simulator,
        inbox,
        registry: Registry::new(),
        secret: plan.webhook_secret.map_or_else(webhooks::secret_of_the_vectors, Ok)?,
        bearer,
        patience: plan.patience,
    };
    webhooks::run(&stage, report).await?;
    events::run(&stage, report).await?;
    pushes::run(&stage, with_pushes, report).await?;
    verify::run(&stage, report).await?;
    stage.simulator.shutdown().await;
    Ok(())
}

impl Stage<'_> {
    /// Posts the webhook of `event` as OpenCRVS does.
    async fn register(&self, event: &Event) -> Came {
        let signature = webhooks::signature(&self.secret, &event.body);
        self.post_webhook(Some(&signature), &event.body).await
    }

    async fn post_webhook(&self, signature: Option<&str>, body: &str) -> Came {
        let signature = signature.and_then(|signature| HeaderValue::from_str(signature).ok());
        let header = signature.map(|value| (HeaderName::from_static("x-hub-signature"), value));
        self.target.post(&self.webhooks, header, body.to_owned()).await
    }

    /// Posts JSON to `url` with a token of OpenCRVS.
    async fn ask(&self, url: &Uri, body: String) -> Came {
        self.target.post(url, [(header::AUTHORIZATION, self.bearer.clone())], body).await
    }

    fn behave(&self, behaviour: Behaviour) {
        self.simulator.controls.set(behaviour);
    }

    /// Whether `condition` holds of what MOSIP saw, now or within the patience of the run.
    async fn sees(&self, condition: impl Fn(&Record) -> bool) -> bool {
        let seen = self.simulator.history.wait_until(condition);
        tokio::time::timeout(self.patience, seen).await.is_ok()
    }

    /// Whether MOSIP takes `event`, now or within the patience of the run.
    async fn arrives(&self, event: &Event) -> bool {
        self.sees(|record| has(record, event)).await
    }

    /// What is said of an event that MOSIP does not have.
    fn never(&self, came: &Came) -> String {
        let seconds = self.patience.as_secs();
        format!("{}; MOSIP has not taken the event {seconds} s later", self.target.describe(came))
    }
}

/// Whether MOSIP took `event`.
fn has(record: &Record, event: &Event) -> bool {
    record.accepted.iter().any(|accepted| accepted.composition == event.composition)
}
