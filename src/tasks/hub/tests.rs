//! Subscribing against a hub that answers as a test says. Time stands still until the test moves it.

mod beside;
mod denials;
mod gaps;
mod restarts;
mod settled;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::crypto::secret::SecretBytes;
use crate::destinations::fake::{Answer as FakeAnswer, Script, is_away, says};
use crate::destinations::{self, Listed as _};
use crate::error::Fault;
use crate::keys::{Keyring, Ring};
use crate::ledger::{HubTopic, Ledger};
use crate::mosip::websub::credential::CREDENTIAL;
use crate::mosip::websub::status::REGISTRATION_ERROR;
use crate::mosip::websub::{Answer, HUB};
use crate::store::memory::{Memory, Shared};
use crate::store::{Backend, Order, Store};

const SECRET: &str = "secret";
const TOPIC: &str = "opencrvs-partner/CREDENTIAL_ISSUED";
const REGISTERED: &str = "hub.mode=denied&hub.reason=Subscriber+has+already+registered+with+the+Hub";
const ACCEPTED: &str = "hub.mode=accepted";
/// When every test begins, seconds since 1970.
const START: i64 = 1_800_000_000;

struct Home {
    rows: Rows,
    hub: Hub,
    script: Arc<Script>,
    task: tokio::task::JoinHandle<()>,
}

/// What a gateway leaves behind.
#[derive(Clone)]
struct Rows {
    dir: Arc<TempDir>,
    memory: Memory,
    clock: Clock,
    /// Several gateways reach them.
    is_shared: bool,
    /// The gateway does not reach them now.
    is_cut: Arc<AtomicBool>,
}

/// The rows, as one of several gateways reaches them.
struct Reach {
    rows: Shared,
    is_cut: Arc<AtomicBool>,
}

impl Backend for Reach {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        match self.is_cut.load(Ordering::Relaxed) {
            true => std::future::ready(Err(Error::new(Code::Storage, "it is cut off"))).boxed(),
            false => self.rows.run(order),
        }
    }

    fn is_shared(&self) -> bool {
        self.rows.is_shared()
    }
}

impl Rows {
    fn new() -> Self {
        let clock = Clock::fixed(Timestamp::from_seconds(START));
        Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
            memory: Memory::default(),
            clock,
            is_shared: false,
            is_cut: Arc::default(),
        }
    }

    fn ledger(&self) -> Ledger {
        let store = match self.is_shared {
            true => Store::new(Reach { rows: Shared(self.memory.clone()), is_cut: Arc::clone(&self.is_cut) }),
            false => Store::new(self.memory.clone()),
        };
        Ledger::over(&self.dir.path().join("outbox.key"), &self.memory, store, Random::seeded(1), true)
    }
}

impl Home {
    /// A hub that says this, request by request.
    fn new(answers: impl IntoIterator<Item = FakeAnswer>) -> Self {
        Self::with(&[("credential", TOPIC)], answers)
    }

    /// The same for these topics. The gateway subscribed them before, and was up a moment ago.
    fn with(topics: &[(&'static str, &str)], answers: impl IntoIterator<Item = FakeAnswer>) -> Self {
        let rows = Rows::new();
        let up = HubTopic { up: Some(rows.clock.now()), ..HubTopic::default() };
        let kept = topics.iter().map(|(setting, _)| (*setting, up)).collect();
        rows.ledger().keep_hub_topics(kept, false).now_or_never().unwrap().unwrap();
        Self::over(rows, topics, answers)
    }

    /// A gateway that starts over these rows.
    fn over(
        rows: Rows,
        topics: &[(&'static str, &str)],
        answers: impl IntoIterator<Item = FakeAnswer>,
    ) -> Self {
        Self::over_as(rows, SECRET, topics, answers)
    }

    /// The same with this secret of the hub.
    fn over_as(
        rows: Rows,
        secret: &str,
        topics: &[(&'static str, &str)],
        answers: impl IntoIterator<Item = FakeAnswer>,
    ) -> Self {
        let ledger = rows.ledger();
        let settings = Settings {
            hub_url: Some("https://api.example.org/hub/".parse().unwrap()),
            callback_url: Some("https://gateway.example.org/websub/callback".parse().unwrap()),
            secret: Some(Arc::new(SecretBytes::new(secret.as_bytes().to_vec()))),
            topics: topics.iter().map(|(setting, topic)| (*setting, (*topic).to_owned())).collect(),
            ..Settings::default()
        };
        let script = Arc::new(Script::new(answers));
        let outside = Arc::clone(&script) as Arc<dyn Outside>;
        let hub = Hub::new(&publisher(settings), outside, ledger, rows.clock.clone(), Random::seeded(1));
        let task = hub.clone();
        let task = tokio::spawn(async move { task.run().await });
        Self { rows, hub, script, task }
    }

    /// The process ends; `is_stop`: it is stopped, and not killed.
    async fn end(self, is_stop: bool) -> Rows {
        self.task.abort();
        if is_stop {
            self.hub.stop().await;
        }
        self.rows
    }

    /// What the hub was asked for, request by request.
    fn asked(&self) -> Vec<String> {
        let mode = |body: &[u8]| {
            let mut fields = form_urlencoded::parse(body);
            fields.find(|(name, _)| name == "hub.mode").unwrap().1.into_owned()
        };
        self.script.sent.lock().unwrap().iter().map(|(_, request)| mode(&request.body)).collect()
    }

    /// A new message of this kind comes now, and verifies.
    fn arrived(&self, kind: PushKind) {
        self.hub.arrived(kind, self.rows.clock.now(), true);
    }

    fn standing(&self) -> (Standing, Option<Fault>) {
        let subscription = self.shown(0);
        (subscription.standing, subscription.refusal.map(|refusal| refusal.fault()))
    }

    /// From now on the gateway reaches the rows, or does not.
    fn cut(&self, is_cut: bool) {
        self.rows.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// The topic at `index`.
    fn shown(&self, index: usize) -> Subscription {
        self.hub.status().unwrap().subscriptions.remove(index)
    }

    fn gap(&self) -> Option<Gap> {
        self.shown(0).gap
    }
}

fn publisher(settings: Settings) -> Publisher {
    let keys = Keyring::fixed(Ring::default());
    Publisher::new(settings, &destinations::fake::tools(keys, Clock::system()))
}

/// Lets whatever is due happen, `time` later.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

const MOMENT: Duration = Duration::from_millis(1);
const ERRORS: &str = "REGISTRATION_ERROR";
const BOTH: [(&str, &str); 2] = [("credential", TOPIC), ("errors", ERRORS)];

fn registered() -> FakeAnswer {
    says(200, REGISTERED)
}

fn always_registered() -> impl Iterator<Item = FakeAnswer> {
    std::iter::repeat_with(registered).take(99)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(START + seconds)
}

fn gap(since: i64, until: Option<i64>, cause: Cause) -> Option<Gap> {
    Some(Gap { since: at(since), until: until.map(at), cause })
}

/// How often the hub was asked to end a subscription.
fn ends(home: &Home) -> usize {
    home.asked().iter().filter(|mode| *mode == "unsubscribe").count()
}

#[tokio::test(start_paused = true)]
async fn a_subscription_is_active_once_the_hub_has_verified_it_and_is_renewed_before_its_lease_ends() {
    let home = Home::new([says(202, ACCEPTED), says(202, ACCEPTED), says(202, ACCEPTED)]);
    assert!(!home.hub.verify("subscribe", TOPIC, None), "nothing was asked for yet");
    pass(MOMENT).await;
    assert_eq!((home.asked().len(), home.standing()), (1, (Standing::Pending, None)));
    assert!(!home.hub.verify("subscribe", "another/CREDENTIAL_ISSUED", Some("3600")));
    assert!(!home.hub.verify("unsubscribe", TOPIC, None) && !home.hub.verify("publish", TOPIC, None));
    assert!(home.hub.verify("subscribe", TOPIC, Some("3600")));
    assert_eq!(home.standing(), (Standing::Active, None));
    pass(Duration::from_secs(2_699)).await;
    assert_eq!(home.asked().len(), 1, "three quarters of its lease have not passed");
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().len(), 2);
    // That the hub has it still says nothing of its lease.
    home.hub.denied(Denial::Denied, Some(TOPIC), Some("Subscriber has already registered with the Hub"));
    pass(Duration::from_secs(2_699)).await;
    assert_eq!(home.asked().len(), 2);
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_the_hub_has_is_active_and_renewed_all_the_same() {
    let home = Home::new([says(200, REGISTERED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert_eq!(home.standing(), (Standing::Active, None));
    pass(Duration::from_secs(6 * 3_600 - 1)).await;
    assert_eq!(home.asked().len(), 1);
    pass(Duration::from_secs(1)).await;
    assert_eq!(home.asked().len(), 2);
    // Here the hub says so on the callback.
    home.hub.denied(Denial::Denied, Some(TOPIC), Some("Subscriber has already registered with the Hub"));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_is_asked_again_after_pauses_that_grow() {
    let answers = std::iter::repeat_with(is_away).take(200);
    let home = Home::new(answers);
    pass(Duration::from_secs(10)).await;
    let first = home.asked().len();
    assert!((4..=7).contains(&first), "{first}");
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Upstream)));
    pass(Duration::from_hours(1)).await;
    let later = home.asked().len() - first;
    assert!((12..=32).contains(&later), "five minutes at most, half of it at least: {later}");
}

#[tokio::test(start_paused = true)]
async fn a_denial_names_what_to_put_right_and_a_success_ends_it() {
    let home =
        Home::new([says(200, "hub.mode=denied&hub.reason=no"), says(200, "<html>"), says(200, REGISTERED)]);
    pass(MOMENT).await;
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().len(), 2);
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Upstream)));
    pass(Duration::from_secs(3)).await;
    assert_eq!((home.asked().len(), home.standing()), (3, (Standing::Active, None)));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_never_verifies_is_told_as_one_that_does_not_reach_the_callback() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(9));
    pass(Duration::from_secs(121)).await;
    assert_eq!(home.asked().len(), 2);
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
    let advice = home.shown(0).refusal.unwrap();
    assert!(advice.advice().contains("websub.callback_url"));
    assert!(home.hub.verify("subscribe", TOPIC, Some("86400")));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn a_question_without_a_topic_is_about_the_last_request_for_a_minute_and_until_it_is_answered() {
    let home = Home::with(&BOTH, [says(202, ACCEPTED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert_eq!(home.asked().len(), 2);
    let mut named = Vec::new();
    while let Some(topic) = home.hub.asked_last() {
        assert!(home.hub.verify("subscribe", &topic, None));
        named.push(topic);
    }
    named.sort();
    assert_eq!(named, [ERRORS, TOPIC]);

    let home = Home::new([says(202, ACCEPTED)]);
    pass(Duration::from_secs(59)).await;
    assert_eq!(home.hub.asked_last().as_deref(), Some(TOPIC));
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.hub.asked_last(), None);
}

#[tokio::test]
async fn without_a_hub_the_topics_of_the_settings_are_somebody_elses_subscriptions() {
    let home = Home::new([says(200, REGISTERED)]);
    let topics = Topics::from_iter([("credential", TOPIC.to_owned())]);
    let settings = Settings { topics, ..Settings::default() };
    let outside = Arc::clone(&home.hub.0.outside);
    let other =
        Hub::new(&publisher(settings), outside, home.hub.0.ledger.clone(), Clock::system(), Random::system());
    assert!(other.status().is_none());
    assert!(other.verify("subscribe", TOPIC, None) && !other.verify("subscribe", "another", None));
}

#[tokio::test(start_paused = true)]
async fn a_verification_counts_once_and_for_as_long_as_the_hub_may_take_for_it() {
    let answers = [says(202, ACCEPTED), says(202, ACCEPTED)];
    let home = Home::new(answers.into_iter().chain(std::iter::repeat_with(is_away).take(9)));
    pass(MOMENT).await;
    assert!(home.hub.verify("subscribe", TOPIC, Some("3600")));
    // A hub that asks again, since its connection broke, is answered; its renewal stays where it was.
    pass(Duration::from_secs(29)).await;
    assert!(home.hub.verify("subscribe", TOPIC, Some("2592000")));
    pass(Duration::from_secs(2)).await;
    assert!(!home.hub.verify("subscribe", TOPIC, Some("3600")), "nobody waits for it any more");
    pass(Duration::from_secs(2_670)).await;
    assert_eq!(home.asked().len(), 2, "as the first of them said");
    pass(Duration::from_secs(117)).await;
    assert_eq!(home.asked().len(), 2);
    home.hub.denied(Denial::Denied, Some("another"), Some("already registered"));
    home.hub.denied(Denial::Denied, None, Some("already registered"));
    pass(Duration::from_secs(4)).await;
    assert!(
        home.asked().len() > 2,
        "the hub never verified the second, and nobody said that it has this topic"
    );
    // Of a request without an answer nothing is known: the hub is answered, and the topic is no more active for that.
    let before = home.standing();
    assert_eq!(before, (Standing::Failing, Some(Fault::Upstream)));
    assert!(home.hub.verify("subscribe", TOPIC, Some("3600")));
    assert_eq!(home.standing(), before);
}
