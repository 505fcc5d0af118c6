//! Subscribing against a hub that answers as a test says. Time stands still until the test moves it.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::destinations::fake::{Answer as FakeAnswer, Script, is_away, says};
use crate::destinations::{self, Listed as _};
use crate::error::Fault;
use crate::keys::{Keyring, Ring};
use crate::ledger::Ledger;
use crate::mosip::websub::HUB;
use crate::mosip::websub::credential::CREDENTIAL;

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
    fn new(answers: impl IntoIterator<Item = FakeAnswer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_folder(dir.path(), Clock::system());
        let settings = Settings {
            hub_url: Some("https://api.example.org/hub/".parse().unwrap()),
            callback_url: Some("https://gateway.example.org/websub/callback".parse().unwrap()),
            secret: Some(Arc::new(SecretBytes::new(b"secret".to_vec()))),
            topics: Topics::from_iter([("credential", TOPIC.to_owned())]),
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

    /// What the hub was asked for, request by request.
    fn asked(&self) -> Vec<String> {
        let mode = |body: &[u8]| {
            let mut fields = form_urlencoded::parse(body);
            fields.find(|(name, _)| name == "hub.mode").unwrap().1.into_owned()
        };
        self.script.sent.lock().unwrap().iter().map(|(_, request)| mode(&request.body)).collect()
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
    home.hub.denied(Some(TOPIC), Some("Subscriber has already registered with the Hub"));
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
    let advice = home.hub.status().unwrap().subscriptions.remove(0).refusal.unwrap();
    assert!(advice.advice().contains("websub.callback_url"));
    assert!(home.hub.verify("subscribe", TOPIC, Some("86400")));
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
    assert_eq!(home.asked().len(), 2);
    assert_eq!(home.standing(), (Standing::Active, None), "nothing proves what a stranger says");
    home.hub.denied(Some("another"), None);
    pass(Duration::from_secs(300)).await;
    home.hub.denied(Some(TOPIC), None);
    pass(MOMENT).await;
    assert_eq!(home.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_word_about_a_topic_of_somebody_else_takes_nothing_from_ours() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(2));
    pass(MOMENT).await;
    home.hub.denied(Some("another"), None);
    home.hub.denied(Some(TOPIC), None);
    pass(MOMENT).await;
    assert_eq!(home.asked(), ["subscribe"; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_found_no_room_is_shown_and_subscribes_again_once_there_is_some() {
    let home = Home::new([says(200, REGISTERED), says(200, REGISTERED)]);
    pass(MOMENT).await;
    assert!(home.hub.status().unwrap().gap.is_none());
    home.hub.missed(CREDENTIAL);
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), ["subscribe"; 2]);
    let gap = home.hub.status().unwrap().gap.unwrap();
    assert!(gap.until.is_some() && gap.cause == Cause::NoRoom);
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
async fn whoever_knows_the_callback_activates_nothing_that_the_hub_denied_and_renews_nothing_later() {
    let denied = || says(200, "hub.mode=denied&hub.reason=no");
    let home = Home::new(std::iter::repeat_with(denied).take(99));
    pass(MOMENT).await;
    for _ in 0..20 {
        assert!(!home.hub.verify("subscribe", TOPIC, Some("2592000")), "no request of ours waits for it");
        home.hub.denied(Some(TOPIC), Some("Subscriber has already registered with the Hub"));
        assert_eq!(home.standing(), (Standing::Failing, Some(Fault::Partner)));
        pass(Duration::from_secs(17)).await;
    }
    assert!(home.asked().len() > 5, "it goes on asking");
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
    home.hub.denied(Some("another"), Some("already registered"));
    home.hub.denied(None, Some("already registered"));
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

#[tokio::test(start_paused = true)]
async fn a_hub_that_gave_up_and_says_that_it_has_the_subscription_is_made_to_begin_anew() {
    let home =
        Home::new([says(200, REGISTERED), says(200, REGISTERED), says(202, ACCEPTED), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true);
    pass(Duration::from_secs(299)).await;
    assert_eq!(home.asked(), ["subscribe"], "the hub still tries");
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked(), ["subscribe", "subscribe", "unsubscribe"]);
    assert!(!home.hub.verify("subscribe", TOPIC, None), "that is not what was asked for");
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Pending, None));
    pass(Duration::from_secs(2)).await;
    assert_eq!(home.asked().last().map(String::as_str), Some("subscribe"));
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
    let status = home.hub.status().unwrap();
    assert_eq!(status.gap.map(|gap| (gap.cause, gap.until)), Some((Cause::Refused, None)));
    assert_eq!(
        status.refused.map(|refused| (refused.messages, refused.code)),
        Some((1, Code::CallerSignature))
    );
    home.hub.arrived(HUB);
    assert!(home.hub.status().unwrap().refused.is_some(), "a topic of nobody's says nothing about ours");
    home.hub.arrived(CREDENTIAL);
    let status = home.hub.status().unwrap();
    assert!(status.refused.is_none() && status.gap.unwrap().until.is_some(), "it is told until a start");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_delivers_again_is_left_alone() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(9));
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true);
    home.hub.arrived(CREDENTIAL);
    pass(Duration::from_hours(7)).await;
    assert!(home.asked().iter().all(|mode| mode == "subscribe"), "{:?}", home.asked());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_does_not_deliver_is_ended_once_an_hour_at_most() {
    let answers = [says(200, REGISTERED), says(200, REGISTERED), says(202, ACCEPTED)];
    let home =
        Home::new(answers.into_iter().chain(std::iter::repeat_with(|| says(200, REGISTERED)).take(99)));
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true);
    pass(Duration::from_secs(301)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    for _ in 0..9 {
        home.hub.refused(Code::CallerSignature, true);
        pass(Duration::from_mins(6)).await;
    }
    let asked = home.asked();
    assert_eq!(asked.iter().filter(|mode| *mode == "unsubscribe").count(), 1, "{asked:?}");
    assert!(asked.len() > 10, "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn what_anybody_may_have_sent_is_told_and_moves_nothing() {
    let home = Home::new(std::iter::repeat_with(|| says(200, REGISTERED)).take(9));
    pass(MOMENT).await;
    for _ in 0..3 {
        home.hub.refused(Code::CallerSignature, false);
    }
    pass(Duration::from_hours(1)).await;
    let status = home.hub.status().unwrap();
    assert_eq!(status.refused.map(|refused| (refused.messages, refused.is_hub)), Some((3, false)));
    assert!(status.gap.is_none());
    assert_eq!(home.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_is_silent_while_registrations_wait_is_made_to_begin_anew_once_a_day() {
    for delivers in [true, false] {
        let topics = Topics::from_iter([("credential", TOPIC.to_owned())]);
        let (mut state, now) = (State::new(&topics, Duration::from_hours(6)), Timestamp::from_seconds(1));
        state.set_waited_for(true);
        let mut ended = Vec::new();
        for renewal in 0..9 {
            state.asked(TOPIC, Mode::Subscribe, now);
            state.answered(TOPIC, Ok(Answer::AlreadyRegistered), 0, now);
            if let (Some((_, Mode::Unsubscribe)), _) = state.due() {
                ended.push(renewal);
                state.asked(TOPIC, Mode::Unsubscribe, now);
                assert!(state.verified(TOPIC, Mode::Unsubscribe, Duration::from_hours(24), now));
                state.asked(TOPIC, Mode::Subscribe, now);
                assert!(state.verified(TOPIC, Mode::Subscribe, Duration::from_hours(24), now));
            }
            pass(Duration::from_hours(6)).await;
            if delivers {
                state.arrived(Some("credential"), now);
            }
        }
        // The first term shows whether anything comes.
        assert_eq!(ended, if delivers { vec![] } else { vec![1, 5] });
        assert_eq!(state.gap().map(|gap| gap.cause), (!delivers).then_some(Cause::Silence));
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_end_only_a_verification_makes_the_subscription_active() {
    let registered = || says(200, REGISTERED);
    let home = Home::new(
        [registered(), registered(), says(202, ACCEPTED), registered(), registered()]
            .into_iter()
            .chain([says(202, ACCEPTED)]),
    );
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true);
    pass(Duration::from_secs(301)).await;
    assert!(home.hub.verify("unsubscribe", TOPIC, None));
    pass(Duration::from_millis(1_100)).await;
    assert_eq!(home.asked().len(), 4);
    assert_eq!(
        home.standing(),
        (Standing::Failing, Some(Fault::Partner)),
        "the hub is about to remove what it has"
    );
    pass(Duration::from_secs(4)).await;
    assert_eq!(home.asked()[3..], ["subscribe"; 3]);
    assert!(home.hub.verify("subscribe", TOPIC, None));
    assert_eq!(home.standing(), (Standing::Active, None));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_fails_is_tried_again() {
    let registered = || says(200, REGISTERED);
    let home = Home::new([registered(), registered(), is_away(), registered(), says(202, ACCEPTED)]);
    pass(MOMENT).await;
    home.hub.refused(Code::CallerSignature, true);
    pass(Duration::from_secs(310)).await;
    assert_eq!(home.asked()[2..], ["unsubscribe", "subscribe", "unsubscribe"]);
}
