mod reasons;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::crypto::rsa::{Keeper, SignatureAlgorithm};
use crate::destinations::fake::Script;
use crate::destinations::hub::{self, Publisher};
use crate::destinations::mediator::{self, Mediator};
use crate::destinations::{self, Destination, Listed as _};
use crate::keys::Keyring;
use crate::keys::ring::fake::ring;
use crate::keys::settings::{OwnKey, Peer, UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};
use crate::ledger::Filter;
use crate::mosip::mediator::BIRTH_NID;
use crate::mosip::websub::Topics;
use crate::mosip::websub::credential::CREDENTIAL;
use crate::mosip::{credential, fake};
use crate::random::Random;
use crate::store::Store;
use crate::store::memory::Shared;
use crate::tasks::key_watch::watch;

const KEYS: &str = "tests/vectors/keys";

/// Pushes that nothing examines by itself, with the certificate of MOSIP in a file of its own.
pub(super) struct Home {
    dir: TempDir,
    pub(super) keys: Keyring,
    pub(super) pushes: Pushes,
    pub(super) ledger: Ledger,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Self::watched(dir.path());
        Self::with(dir, keys)
    }

    /// The keys of `dir` and of the vectors, which [`Keyring::reload`] loads again.
    fn watched(dir: &Path) -> Keyring {
        std::fs::copy(key("stranger.crt.pem"), dir.join("mosip.crt")).unwrap();
        let settings = crate::keys::settings::Keys {
            dir: dir.to_owned(),
            own: vec![OwnKey {
                name: None,
                source: KeyFile::source(key("partner.key.pem"), Password::None),
                cert: Some(key("partner.crt.pem")),
                uses: Uses { sign: true, decrypt: true },
            }],
            peers: vec![Peer {
                name: "mosip".to_owned(),
                file: dir.join("mosip.crt"),
                unknown_thumbprint: UnknownThumbprint::Reject,
                algs: vec![SignatureAlgorithm::Rs512],
            }],
            strict_permissions: false,
            retire_after: std::time::Duration::from_hours(24),
            ca_file: None,
            esignet: None,
        };
        let (watcher, keys) = watch(Arc::new(settings), Clock::system(), Duration::from_hours(1));
        let watcher = watcher.allow_example_keys(true);
        tokio::spawn(watcher.run());
        keys
    }

    fn with(dir: TempDir, keys: Keyring) -> Self {
        Self::with_shares(dir, keys, None, Arc::new(Script::new([])))
    }

    /// Shares of `place` are fetched from `outside`.
    pub(super) fn sharing(place: Option<share::Settings>, outside: Arc<Script>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Self::watched(dir.path());
        Self::with_shares(dir, keys, place, outside)
    }

    /// One of several gateways over `rows`, whose outbox is sealed under the key of `folder`. It runs, and has nothing to do.
    pub(super) async fn among(
        rows: &Shared,
        folder: &Path,
        place: Option<share::Settings>,
        outside: Arc<Script>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Self::watched(dir.path());
        let store = Store::new(rows.clone());
        let ledger = Ledger::over(&folder.join("outbox.key"), &rows.0, store, Random::seeded(1), false);
        let home = Self::over(dir, keys, ledger, place, outside);
        let (pushes, keys) = (home.pushes.clone(), home.keys.clone());
        tokio::spawn(async move { pushes.run(keys).await });
        let (pushes, hub) = (home.pushes.clone(), home.pushes.0.hub.clone());
        tokio::spawn(housekeeping::run(home.ledger.clone(), pushes, hub));
        tokio::time::sleep(Duration::from_secs(90)).await;
        home
    }

    /// A message is delivered without anything being done about it.
    pub(super) async fn is_delivered(&self) {
        let delivered = async {
            while self.ledger.undelivered_count().await.unwrap().0 == 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        // The time is virtual, and goes on while a thread verifies.
        tokio::time::timeout(Duration::from_hours(30), delivered).await.expect("nobody takes it up");
    }

    /// Another process with the same outbox.
    pub(super) fn started_again(self, place: Option<share::Settings>, outside: Arc<Script>) -> Self {
        let Self { dir, keys, ledger, .. } = self;
        Self::over(dir, keys, ledger, place, outside)
    }

    fn with_shares(
        dir: TempDir,
        keys: Keyring,
        place: Option<share::Settings>,
        outside: Arc<Script>,
    ) -> Self {
        let ledger = Ledger::in_folder(dir.path(), Clock::system());
        Self::over(dir, keys, ledger, place, outside)
    }

    fn over(
        dir: TempDir,
        keys: Keyring,
        ledger: Ledger,
        place: Option<share::Settings>,
        outside: Arc<Script>,
    ) -> Self {
        let policy = Policy { danger_accept_unsigned: false };
        let mediator = mediator::Settings {
            events: BTreeMap::from([("birth".to_owned(), "https://mosip.example/birth".parse().unwrap())]),
            ..mediator::Settings::default()
        };
        let tools = destinations::fake::tools(keys.clone(), Clock::system());
        let mediator: Arc<dyn Destination> = Arc::new(Mediator::new(mediator, &tools));
        let routes = EventRoutes::of(&[mediator]);
        let mut credentials = credential::tests::credentials(false);
        // Whatever this machine's clock says.
        credentials.issuers[0].history = true;
        let credentials = Ok(Arc::new(credentials));
        let topics =
            Topics::from_iter([("packet_status", "STATUS".to_owned()), ("errors", "ERRORS".to_owned())]);
        let settings = hub::Settings { topics, ..hub::Settings::default() };
        let publisher = Publisher::new(settings, &tools);
        let nowhere = Arc::new(Script::new([]));
        let hub = Hub::new(&publisher, nowhere, ledger.clone(), Clock::system(), Random::system());
        let shares = Shares::new(place, outside, Random::seeded(1));
        let tools = Tools { keys: keys.clone(), clock: Clock::system(), policy, credentials };
        let pushes = Pushes::new(ledger.clone(), routes, hub, shares, tools);
        Self { dir, keys, pushes, ledger }
    }
}

fn key(name: &str) -> PathBuf {
    Path::new(KEYS).join(name)
}

/// What MOSIP posts to `/birthReceiveNid`.
fn push() -> Bytes {
    fake::uin_token("1", "B1")
}

#[tokio::test]
async fn a_quarantined_push_is_verified_on_request_once_the_certificate_is_right() {
    let home = Home::new();
    let id = home.pushes.receive(BIRTH_NID, push(), Sender::Known).await.unwrap();
    for _ in 0..2 {
        let refused = home.pushes.verify(id.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::SignatureInvalid);
        assert_eq!(home.ledger.quarantined(0).await.unwrap().len(), 1);
    }
    std::fs::copy(key("mosip.crt.pem"), home.dir.path().join("mosip.crt")).unwrap();
    home.keys.reload().await;
    home.pushes.verify(id.clone()).await.unwrap();
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 1);
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_credential_of_the_hub_is_delivered_once_and_a_forged_one_is_kept() {
    let home = Home::new();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/vectors/event.json")).unwrap();
    for case in cases.iter().chain(cases.iter().filter(|case| case["valid"] == true)) {
        let body = Bytes::from(case["event"].to_string());
        let id = home.pushes.receive(CREDENTIAL, body, Sender::Known).await.unwrap();
        let verdict = home.pushes.verify(id).await;
        assert_eq!(verdict.is_ok(), case["valid"] == true, "{}", case["name"]);
    }
    let kept = home.ledger.quarantined(0).await.unwrap();
    assert_eq!(kept.len(), cases.len() - 1);
    assert!(kept.iter().all(|push| push.refusal.as_ref().unwrap().code == "signature-invalid"));
    assert_eq!(home.ledger.undelivered(0, 10).await.unwrap().0.len(), 1, "a repeat is known by its id");
}

/// Nothing signs `event.id`, so whoever can post as the hub can put it on a message of their own.
#[tokio::test]
async fn a_message_under_the_id_of_a_genuine_one_does_not_bar_it_and_a_repeat_is_one_however_it_is_sealed() {
    let home = Home::new();
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/vectors/event.json")).unwrap();
    let good = cases.into_iter().find(|case| case["name"] == "good").unwrap();
    let genuine = &good["event"];
    let mut bare = genuine.clone();
    bare["event"]["data"].as_object_mut().unwrap().remove("proof");
    let mut renamed = genuine.clone();
    renamed["event"]["transactionId"] = "another-request".into();
    let sealed = fake::issued(&good["expect"], Some("issuer"));
    let mut sealed_anew = fake::issued(&good["expect"], Some("issuer"));
    sealed_anew["publishedOn"] = "2026-11-25T00:00:00.000Z".into();
    for (message, told) in
        [(&bare, 1), (&renamed, 2), (genuine, 3), (genuine, 3), (&bare, 3), (&sealed, 4), (&sealed_anew, 4)]
    {
        let body = Bytes::from(message.to_string());
        let id = home.pushes.receive(CREDENTIAL, body, Sender::Known).await.unwrap();
        home.pushes.verify(id).await.unwrap();
        assert_eq!(home.ledger.undelivered_count().await.unwrap().0, told, "{message}");
    }
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_without_the_value_that_it_is_for_is_kept_and_told_to_nobody() {
    let home = Home::new();
    std::fs::copy(key("mosip.crt.pem"), home.dir.path().join("mosip.crt")).unwrap();
    home.keys.reload().await;
    for empty in ["", " "] {
        let id = home.pushes.receive(BIRTH_NID, fake::uin_token(empty, "B1"), Sender::Known).await.unwrap();
        assert_eq!(home.pushes.verify(id).await.unwrap_err().pointer(), Some("/uinToken"));
    }
    for empty in ["", " "] {
        let id = home.pushes.receive(BIRTH_NID, fake::uin_token("1", empty), Sender::Known).await.unwrap();
        assert_eq!(home.pushes.verify(id).await.unwrap_err().pointer(), Some("/opencrvsBRN"));
    }
    assert_eq!(home.ledger.quarantined(0).await.unwrap().len(), 4);
    assert!(home.ledger.undelivered(0, 10).await.unwrap().0.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_gateway_that_is_gone_had_not_examined_another_one_examines() {
    let (rows, folder) = (Shared::default(), tempfile::tempdir().unwrap());
    let home = Home::among(&rows, folder.path(), None, Arc::new(Script::new([]))).await;
    std::fs::copy(key("mosip.crt.pem"), home.dir.path().join("mosip.crt")).unwrap();
    home.keys.reload().await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    // As the other one stores it, which nobody is told of.
    home.ledger.receive(BIRTH_NID, push(), Sender::Known).await.unwrap();
    home.is_delivered().await;
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_waits_while_the_key_that_opens_it_is_unavailable() {
    let keeper = Keeper::away("token `mosip`");
    let keys = Keyring::fixed(ring(&[("partner", &keeper)], UnknownThumbprint::Try));
    let home = Home::with(tempfile::tempdir().unwrap(), keys);
    let (pushes, ledger) = (&home.pushes, &home.ledger);
    let id = pushes.receive(BIRTH_NID, push(), Sender::Known).await.unwrap();

    let until_delivered = async {
        while keeper.calls() < 2 {
            assert!(ledger.quarantined(0).await.unwrap().is_empty());
        }
        assert!(ledger.push(id.clone()).await.is_ok(), "it is kept");
        keeper.come_back();
        while ledger.undelivered(0, 10).await.unwrap().0.is_empty() {}
    };
    tokio::select! {
        () = pushes.run(home.keys.clone()) => {}
        () = until_delivered => {}
    }
    assert!(ledger.quarantined(0).await.unwrap().is_empty());
    assert_eq!(ledger.push(id).await.err().unwrap().code(), Code::NotFound);
}

#[tokio::test]
async fn a_quarantined_push_keeps_its_reason_while_the_key_is_unavailable() {
    let keeper = Keeper::there("token `mosip`");
    let keys = Keyring::fixed(ring(&[("partner", &keeper)], UnknownThumbprint::Try));
    let home = Home::with(tempfile::tempdir().unwrap(), keys);
    let unsigned: Bytes =
        String::from_utf8(push().to_vec()).unwrap().replace("\"signature\"", "\"other\"").into();
    let id = home.pushes.receive(BIRTH_NID, unsigned, Sender::Known).await.unwrap();
    home.pushes.verify(id.clone()).await.unwrap_err();
    let before = home.ledger.quarantined(0).await.unwrap();

    keeper.go_away();
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::KeyUnavailable);
    assert_eq!(home.ledger.quarantined(0).await.unwrap(), before);
}

const BIRTH: &str = include_str!("../../demo/birth.json");

/// A webhook that was kept for a reason which does not hold any more.
async fn kept(home: &Home, body: &str) -> String {
    let reason = Error::new(Code::KindNotConfigured, "no URL was set");
    home.ledger.keep_webhook(body.to_owned().into(), (&reason).into()).await.unwrap()
}

#[tokio::test]
async fn a_kept_webhook_becomes_an_event_on_request_and_leaves_the_quarantine_with_it() {
    let home = Home::new();
    let id = kept(&home, BIRTH).await;
    home.pushes.verify(id.clone()).await.unwrap();
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
    let entry = home.ledger.entry("3b1c2f40-0000-4000-8000-000000000001".to_owned()).await.unwrap();
    assert_eq!(entry.kind.as_str(), "birth");
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::NotFound);
    let repeat = kept(&home, BIRTH).await;
    home.pushes.verify(repeat).await.unwrap();
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty(), "a repeat is the event that it was");
}

#[tokio::test]
async fn a_webhook_that_was_discarded_meanwhile_becomes_no_event() {
    let home = Home::new();
    let id = kept(&home, BIRTH).await;
    let push = home.ledger.push(id.clone()).await.unwrap();
    home.pushes.discard(id).await.unwrap();
    assert_eq!(home.pushes.0.examine(push).await.unwrap_err().code(), Code::NotFound);
    assert!(home.ledger.entries(Filter::default()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_kept_webhook_that_is_still_no_event_stays_with_the_reason_of_now() {
    let home = Home::new();
    let id = kept(&home, "nonsense").await;
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::Malformed);
    let kept = home.ledger.quarantined(0).await.unwrap();
    assert_eq!(kept[0].refusal.as_ref().unwrap().code, "malformed");
}

#[tokio::test]
async fn a_rejection_is_told_and_a_packet_that_was_processed_is_not() {
    let home = Home::new();
    let status = |result: &str, id: &str| {
        Bytes::from(format!(
            r#"{{"instanceId":"{id}","resultCode":"{result}","workflowType":"NEW","errorCode":null}}"#
        ))
    };
    for (body, is_told) in [
        (status("REJECTED", "1"), true),
        (status("REJECTED", "1"), false),
        (status("FAILED", "2"), true),
        (status("PROCESSED", "3"), false),
        (Bytes::from_static(br#"{"instanceId":"4","additionalInfoProcess":"CORRECTION"}"#), false),
        (Bytes::from_static(br#"{"topic":"ERRORS","event":{"id":"e","data":{"registrationId":"5","failureReason":"no"}}}"#), true),
    ] {
        let before = home.ledger.undelivered_count().await.unwrap().0;
        let kind = home.pushes.0.hub.kind_of(&body);
        let id = home.pushes.receive(kind, body.clone(), Sender::Known).await.unwrap();
        home.pushes.verify(id).await.unwrap();
        let told = home.ledger.undelivered_count().await.unwrap().0 - before;
        assert_eq!(told, u64::from(is_told), "{body:?}");
    }
    assert!(home.ledger.quarantined(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_on_another_topic_is_kept_until_the_settings_name_it() {
    let home = Home::new();
    let body = Bytes::from_static(br#"{"topic":"OTHER","event":{"id":"1","data":{}}}"#);
    let kind = home.pushes.0.hub.kind_of(&body);
    assert_eq!(kind.name, "hub");
    let id = home.pushes.receive(kind, body, Sender::Known).await.unwrap();
    assert_eq!(home.pushes.verify(id).await.unwrap_err().code(), Code::Field);
    let kept = home.ledger.quarantined(0).await.unwrap().remove(0);
    assert!(kept.refusal.unwrap().advice.contains("websub.topics"));
    // It came before its topic was named.
    let status = Bytes::from_static(
        br#"{"topic":"STATUS","event":{"data":{"instanceId":"1","resultCode":"REJECTED"}}}"#,
    );
    let id = home.pushes.receive(crate::mosip::websub::HUB, status, Sender::Known).await.unwrap();
    home.pushes.verify(id).await.unwrap();
    assert_eq!(home.ledger.undelivered_count().await.unwrap().0, 1);
}
