//! Subscribing against a hub that answers as a test says. Time stands still until the test moves it.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::config;
use crate::destinations::fake::{Answer as Said, Script, is_away, says};
use crate::destinations::{self, Listed as _};
use crate::error::Fault;
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;

const TOPIC: &str = "opencrvs-partner/CREDENTIAL_ISSUED";
const REGISTERED: &str = "hub.mode=denied&hub.reason=Subscriber+has+already+registered+with+the+Hub";
const ACCEPTED: &str = "hub.mode=accepted";

struct Home {
    _dir: TempDir,
    hub: Hub,
    script: Arc<Script>,
    _task: tokio::task::JoinHandle<()>,
}

impl Home {
    /// A hub that says this, request by request.
    fn new(answers: impl IntoIterator<Item = Said>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let outbox = config::Outbox {
            path: dir.path().join("outbox.db"),
            key_file: dir.path().join("outbox.key"),
            retention: Duration::from_hours(1),
            remember: Duration::from_hours(1),
            give_up_after: Duration::from_hours(1),
            reserve: 0,
        };
        let quarantine = config::Quarantine { max_bytes: 1, max_rows: 1 };
        let ledger = Ledger::on_disk(outbox, quarantine, Clock::system()).unwrap();
        let settings = Settings {
            hub_url: Some("https://api.example.org/hub/".parse().unwrap()),
            callback_url: Some("https://gateway.example.org/websub/callback".parse().unwrap()),
            secret: Some(Arc::new(SecretBytes::new(b"secret".to_vec()))),
            topics: Topics { credential: Some(TOPIC.to_owned()), ..Topics::default() },
            ..Settings::default()
        };
        let script = Arc::new(Script::new(answers));
        let outside = Arc::clone(&script) as Arc<dyn Outside>;
        let clock = Clock::fixed(Timestamp::from_seconds(1_800_000_000));
        let hub = Hub::new(&publisher(settings), outside, ledger, clock, Random::seeded(1));
        let task = hub.clone();
        let task = tokio::spawn(async move { task.run().await });
        Self { _dir: dir, hub, script, _task: task }
    }

    fn asked(&self) -> usize {
        self.script.sent.lock().unwrap().len()
    }

    fn standing(&self) -> (Standing, Option<Fault>) {
        let subscription = self.hub.status().unwrap().subscriptions.remove(0);
        (subscription.standing, subscription.refusal.map(|refusal| refusal.fault()))
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

#[tokio::test(start_paused = true)]
async fn a_subscription_is_active_once_the_hub_has_verified_it_and_is_renewed_before_its_lease_ends() {
    let home = Home::new([says(202, ACCEPTED), says(202, ACCEPTED)]);
    assert!(!home.hub.verify(TOPIC, None), "nothing was asked for yet");
    pass(MOMENT).await;
    assert_eq!((home.asked(), home.standing()), (1, (Standing::Pending, None)));
    assert!(!home.hub.verify("another/CREDENTIAL_ISSUED", Some("3600")));
    assert!(home.hub.verify(TOPIC, Some("3600")));
    assert_eq!(home.standing(), (Standing::Active, None));
    pass(Duration::from_secs(2_699)).await;
    assert_eq!(home.asked(), 1, "three quarters of its lease have not passed");
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_the_hub_has_is_active_and_renewed_all_the_same() {
    let home = Home::new([says(200, REGISTERED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    assert_eq!(home.standing(), (Standing::Active, None));
    pass(Duration::from_secs(6 * 3_600 - 1)).await;
    assert_eq!(home.asked(), 1);
    pass(Duration::from_secs(1)).await;
    assert_eq!(home.asked(), 2);
    // Here the hub says so on the callback.
    home.hub.denied(Some(TOPIC), Some("Subscriber has already registered with the Hub"));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_away_is_asked_again_after_pauses_that_grow() {
    let answers = std::iter::repeat_with(is_away).take(200);
    let home = Home::new(answers);
    pass(Duration::from_secs(10)).await;
    let first = home.asked();
    assert!((4..=7).contains(&first), "{first}");
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Upstream)));
    pass(Duration::from_hours(1)).await;
    let later = home.asked() - first;
    assert!((12..=32).contains(&later), "five minutes at most, half of it at least: {later}");
}

#[tokio::test(start_paused = true)]
async fn a_denial_names_what_to_put_right_and_a_success_ends_it() {
    let home =
        Home::new([says(200, "hub.mode=denied&hub.reason=no"), says(200, "<html>"), says(200, REGISTERED)]);
    pass(MOMENT).await;
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), 2);
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Upstream)));
    pass(Duration::from_secs(3)).await;
    assert_eq!((home.asked(), home.standing()), (3, (Standing::Active, None)));
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_never_verifies_is_told_as_one_that_does_not_reach_the_callback() {
    let home = Home::new(std::iter::repeat_with(|| says(202, ACCEPTED)).take(9));
    pass(Duration::from_secs(121)).await;
    assert_eq!(home.asked(), 2);
    assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
    let advice = home.hub.status().unwrap().subscriptions.remove(0).refusal.unwrap();
    assert!(advice.advice().contains("websub.callback_url"));
    assert!(home.hub.verify(TOPIC, Some("86400")));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn hints_of_anybody_make_one_request_in_five_minutes() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(9));
    pass(MOMENT).await;
    for _ in 0..50 {
        home.hub.denied(Some(TOPIC), Some("gone"));
        home.hub.denied(None, None);
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(home.asked(), 2);
    assert_eq!(home.standing(), (Standing::Active, None), "nothing proves what a stranger says");
    home.hub.denied(Some("another"), None);
    pass(Duration::from_secs(300)).await;
    home.hub.denied(Some(TOPIC), None);
    pass(MOMENT).await;
    assert_eq!(home.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_found_no_room_is_shown_and_subscribes_again_once_there_is_some() {
    let home = Home::new([says(200, REGISTERED), says(200, REGISTERED)]);
    pass(MOMENT).await;
    assert!(home.hub.status().unwrap().gap.is_none());
    home.hub.missed();
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), 2);
    assert!(home.hub.status().unwrap().gap.unwrap().until.is_some());
}

#[tokio::test]
async fn without_a_hub_the_topics_of_the_settings_are_somebody_elses_subscriptions() {
    let home = Home::new([says(200, REGISTERED)]);
    let topics = Topics { credential: Some(TOPIC.to_owned()), ..Topics::default() };
    let settings = Settings { topics, ..Settings::default() };
    let outside = Arc::clone(&home.hub.0.outside);
    let other =
        Hub::new(&publisher(settings), outside, home.hub.0.ledger.clone(), Clock::system(), Random::system());
    assert!(other.status().is_none());
    assert!(other.verify(TOPIC, None) && !other.verify("another", None));
}
