//! Subscribing at a service that answers as a test says. Time stands still until the test moves it.

use tempfile::TempDir;
use tokio::time::advance;

use super::*;
use crate::clock::Timestamp;
use crate::crypto::secret::SecretBytes;
use crate::destinations::fake::{Answer, Script, is_away, is_silent, says};
use crate::destinations::opencrvs::{Client, Opencrvs, Webhooks as Set};
use crate::destinations::{self, Destinations, Listed as _};
use crate::keys::{Keyring, Ring};
use crate::random::Random;
use crate::store::Store;
use crate::store::memory::{Memory, Shared};

const START: i64 = 1_800_000_000;
const CALLBACK: &str = "https://gateway.internal/webhooks";
const BIRTH: &str = "BIRTH_REGISTERED";
const DEATH: &str = "DEATH_REGISTERED";

mod beside;
mod secrets;

/// What a gateway leaves behind.
struct Rows {
    dir: TempDir,
    memory: Memory,
    clock: Clock,
    /// Several gateways reach them.
    is_shared: bool,
}

struct Home {
    subscriptions: Subscriptions,
    script: Arc<Script>,
}

impl Rows {
    fn new() -> Self {
        let clock = Clock::fixed(Timestamp::from_seconds(START));
        Self { dir: tempfile::tempdir().unwrap(), memory: Memory::default(), clock, is_shared: false }
    }

    /// A gateway over them, whose service says this, request by request.
    fn start(&self, answers: impl IntoIterator<Item = Answer>) -> Home {
        self.start_under("sha", CALLBACK, answers)
    }

    fn start_under(&self, secret: &str, callback: &str, answers: impl IntoIterator<Item = Answer>) -> Home {
        self.start_at("https://webhooks.example.org", secret, callback, answers)
    }

    fn start_at(
        &self,
        url: &str,
        secret: &str,
        callback: &str,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Home {
        let store = match self.is_shared {
            true => Store::new(Shared(self.memory.clone())),
            false => Store::new(self.memory.clone()),
        };
        let ledger =
            Ledger::over(&self.dir.path().join("outbox.key"), &self.memory, store, Random::seeded(1), true);
        let mut settings = destinations::Settings::default();
        for (kind, url) in
            [("birth", "https://mosip.example.org/birth"), ("death", "https://mosip.example.org/death")]
        {
            settings.mediator.events.insert(kind.to_owned(), url.parse().unwrap());
        }
        let tools = crate::destinations::fake::tools(Keyring::fixed(Ring::default()), self.clock.clone());
        let client = Client {
            auth_url: Some("https://auth.example.org".parse().unwrap()),
            client_id: Some("ours".to_owned()),
            client_secret: Some(SecretBytes::new(b"secret".to_vec())),
            unset: Vec::new(),
        };
        let webhooks = Set {
            url: url.parse().unwrap(),
            callback: Some(callback.parse().unwrap()),
            topics: None,
            secret: Some(Arc::new(SecretBytes::new(secret.as_bytes().to_vec()))),
            unset: Vec::new(),
        };
        let of_opencrvs = crate::destinations::opencrvs::Settings {
            client,
            webhooks: Some(webhooks),
            ..Default::default()
        };
        let service = Opencrvs::new(of_opencrvs, &tools).webhooks();
        let routes = EventRoutes::of(&Destinations::new(settings, &tools).all());
        let script = Arc::new(Script::new(answers));
        let beside = (Arc::clone(&script) as Arc<dyn Outside>, ledger, self.clock.clone());
        Home { subscriptions: Subscriptions::new(service, routes, beside), script }
    }
}

impl Home {
    async fn keep(&self) -> Result<()> {
        self.subscriptions.0.look(Purpose::Keep).await
    }

    fn topic(&self, name: &str) -> Topic {
        let status = self.subscriptions.status().unwrap();
        status.topics.into_iter().find(|topic| topic.name == name).unwrap()
    }

    /// Methods and paths that were called, in order.
    fn calls(&self) -> Vec<String> {
        let sent = self.script.sent.lock().unwrap();
        sent.iter().map(|(_, request)| format!("{} {}", request.method, request.uri.path())).collect()
    }
}

/// The service lists these: id, client, callback, topic.
fn lists(entries: &[(&str, &str, &str, &str)]) -> Answer {
    let entry = |(id, client, callback, topic): &(&str, &str, &str, &str)| {
        format!(
            r#"{{"id":"{id}","callback":"{callback}","createdBy":{{"client_id":"{client}"}},"topic":"{topic}"}}"#
        )
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    says(200, &format!(r#"{{"entries":[{}]}}"#, entries.join(",")))
}

const BOTH: [(&str, &str, &str, &str); 2] =
    [("w1", "ours", CALLBACK, BIRTH), ("w2", "ours", CALLBACK, DEATH)];

fn lists_both() -> Answer {
    lists(&BOTH)
}

fn ends() -> Answer {
    says(204, "")
}

fn takes() -> Answer {
    says(202, "")
}

#[tokio::test(start_paused = true)]
async fn the_services_question_is_expected_for_a_minute_after_our_request_and_at_no_other_time() {
    let rows = Rows::new();
    let denies = || says(400, "Subscription callback check failed");
    let home = rows.start([lists(&[("w2", "ours", CALLBACK, DEATH)]), denies()]);
    assert_eq!(home.subscriptions.expects(BIRTH).await, Some(false), "nothing was asked for yet");
    home.keep().await.unwrap();
    assert_eq!(home.subscriptions.expects(BIRTH).await, Some(true));
    assert_eq!(home.subscriptions.expects(DEATH).await, Some(false), "it was there, and was not asked for");
    advance(Duration::from_secs(59)).await;
    assert_eq!(home.subscriptions.expects(BIRTH).await, Some(true), "the question may come late");
    advance(Duration::from_secs(2)).await;
    assert_eq!(home.subscriptions.expects(BIRTH).await, Some(false), "and not for ever");
    assert_eq!(home.topic(BIRTH).refusal.unwrap().fault(), Fault::Partner);
}

#[tokio::test(start_paused = true)]
async fn among_several_gateways_one_asks_each_answers_the_question_and_all_show_what_is_subscribed() {
    let rows = Rows { is_shared: true, ..Rows::new() };
    let only_death = || lists(&[("w2", "ours", CALLBACK, DEATH)]);
    let one = rows.start([only_death(), takes(), lists_both()]);
    let other = rows.start([lists_both()]);
    let run = |home: &Home| {
        let subscriptions = home.subscriptions.clone();
        tokio::spawn(async move { subscriptions.run().await })
    };
    let (first, second) = (run(&one), run(&other));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(one.calls(), ["GET /webhooks", "POST /webhooks", "GET /webhooks"]);
    assert_eq!(other.calls(), ["GET /webhooks"], "it looks at once after the one, and nothing is missing");
    assert_eq!(other.subscriptions.expects(BIRTH).await, Some(true), "the question may come to it");
    assert_eq!(other.subscriptions.expects(DEATH).await, Some(false));
    tokio::time::sleep(SOON).await;
    assert_eq!(other.subscriptions.expects(BIRTH).await, Some(false));
    let standings = |home: &Home| [BIRTH, DEATH].map(|topic| home.topic(topic).standing);
    assert_eq!([standings(&one), standings(&other)], [[Standing::Active; 2]; 2]);
    first.abort();
    second.abort();
}

#[tokio::test(start_paused = true)]
async fn a_subscription_whose_answer_was_lost_is_not_made_a_second_time() {
    let rows = Rows::new();
    let home = rows.start([lists(&[]), is_silent(), is_silent(), lists_both()]);
    home.keep().await.unwrap();
    assert_eq!(
        (home.topic(BIRTH).standing, home.topic(DEATH).standing),
        (Standing::Failing, Standing::Failing)
    );
    home.keep().await.unwrap();
    assert_eq!((home.topic(BIRTH).standing, home.topic(BIRTH).subscriptions), (Standing::Active, 1));
    assert_eq!(home.calls(), ["GET /webhooks", "POST /webhooks", "POST /webhooks", "GET /webhooks"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_for_where_the_list_does_not_come() {
    let rows = Rows::new();
    let home = rows.start([is_away(), says(200, "<html>"), says(200, r#"{"entries":[{"topic":"x"}]}"#)]);
    for _ in 0..3 {
        assert!(home.keep().await.is_err());
        assert_eq!(home.topic(BIRTH).standing, Standing::Failing);
    }
    assert_eq!(home.calls(), ["GET /webhooks"; 3], "what is not seen may be there");
}

#[tokio::test(start_paused = true)]
async fn one_that_vanished_is_made_again_and_stays_an_alarm_over_a_restart_until_a_person_looked_after_it() {
    let rows = Rows::new();
    let only_death = || lists(&[("w2", "ours", CALLBACK, DEATH)]);
    let home = rows.start([lists_both(), only_death(), takes(), lists_both()]);
    home.keep().await.unwrap();
    let seen = rows.clock.now();
    rows.clock.set(Timestamp::from_seconds(START + 3_600));
    home.keep().await.unwrap();
    let birth = home.topic(BIRTH);
    assert_eq!(
        (birth.standing, birth.lost),
        (Standing::Active, Some(seen)),
        "webhooks of an hour may be missing"
    );
    assert_eq!(home.topic(DEATH).lost, None);
    let later = rows.start([lists_both(), lists_both()]);
    later.keep().await.unwrap();
    assert_eq!(later.topic(BIRTH).lost, Some(seen));
    later.subscriptions.want().await.unwrap();
    assert_eq!(later.topic(BIRTH).lost, None);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_forgets_what_it_takes_raises_no_alarm_of_a_gap_and_is_not_believed() {
    let rows = Rows::new();
    let home =
        rows.start([lists(&[]), takes(), takes(), lists(&[]), lists(&[]), takes(), takes(), lists(&[])]);
    for _ in 0..2 {
        home.keep().await.unwrap();
        let birth = home.topic(BIRTH);
        assert_eq!((birth.standing, birth.lost), (Standing::Failing, None), "nothing came, so nothing ended");
        assert!(birth.refusal.unwrap().detail().contains("does not list it"));
    }
}

#[tokio::test(start_paused = true)]
async fn another_callback_is_another_subscription_and_none_that_vanished() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    const ELSEWHERE: &str = "https://elsewhere.internal/webhooks";
    let there = [("w3", "ours", ELSEWHERE, BIRTH), ("w4", "ours", ELSEWHERE, DEATH)];
    let all = || lists(&[BOTH, there].concat());
    let moved = rows.start_under("sha", ELSEWHERE, [lists_both(), takes(), takes(), all(), all()]);
    for _ in 0..2 {
        moved.keep().await.unwrap();
        let birth = moved.topic(BIRTH);
        assert_eq!((birth.standing, birth.subscriptions, birth.lost), (Standing::Active, 1, None));
    }
    assert_eq!(moved.calls().len(), 5, "it is made once");
}

#[tokio::test(start_paused = true)]
async fn a_url_that_is_spelt_otherwise_makes_no_other_subscription() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    for url in ["https://WEBHOOKS.example.org/webhooks/", "https://webhooks.example.org"] {
        let other = rows.start_at(url, "sha", CALLBACK, [lists_both()]);
        other.keep().await.unwrap();
        assert_eq!(other.calls(), ["GET /webhooks"], "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_the_list_gives_as_ours_is_ended_and_a_restart_makes_none_of_it_again() {
    let rows = Rows::new();
    let others = [
        ("w3", "theirs", CALLBACK, BIRTH),
        ("w4", "ours", "https://other.internal/webhooks", BIRTH),
        ("w5", "ours", "no URL", BIRTH),
    ];
    let all = [&[("w1", "ours", CALLBACK, BIRTH), ("w2", "ours", CALLBACK, "BIRTH_CERTIFIED")], &others[..]]
        .concat();
    let home = rows.start([lists(&all), says(204, ""), says(204, ""), lists(&others)]);
    home.subscriptions.end().await.unwrap();
    assert_eq!(
        home.calls(),
        ["GET /webhooks", "DELETE /webhooks/w1", "DELETE /webhooks/w2", "GET /webhooks"],
        "the service looks at no owner"
    );
    let later = rows.start([lists(&others)]);
    later.keep().await.unwrap();
    assert_eq!((later.topic(BIRTH).standing, later.topic(BIRTH).lost), (Standing::Ended, None));
    let wanted = rows.start([lists(&[]), takes(), takes(), lists_both()]);
    wanted.subscriptions.want().await.unwrap();
    assert_eq!(wanted.topic(BIRTH).standing, Standing::Active);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_fails_halfway_is_remembered() {
    let rows = Rows::new();
    let home = rows.start([lists_both(), says(204, ""), is_away()]);
    assert!(home.subscriptions.end().await.is_err());
    let later = rows.start([lists(&[("w2", "ours", CALLBACK, DEATH)])]);
    later.keep().await.unwrap();
    assert_eq!(later.topic(BIRTH).standing, Standing::Ended, "it is not made again");
    assert_eq!(later.topic(DEATH).standing, Standing::Active, "and this one is shown");
}

#[tokio::test(start_paused = true)]
async fn it_looks_at_the_start_and_every_hour_and_sooner_where_something_is_missing() {
    let rows = Rows::new();
    let home = rows.start([lists_both(), is_away(), lists_both()]);
    let (subscriptions, script) = (home.subscriptions.clone(), Arc::clone(&home.script));
    let task = tokio::spawn(async move { subscriptions.run().await });
    let looks = async |after: Duration, count: usize| {
        tokio::time::sleep(after).await;
        assert_eq!(script.paths().len(), count, "{after:?}");
    };
    looks(Duration::from_secs(1), 1).await;
    looks(Duration::from_mins(59), 1).await;
    looks(Duration::from_mins(1), 2).await;
    looks(Duration::from_mins(2), 3).await;
    task.abort();
}
