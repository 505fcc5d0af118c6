use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::config::{self, OwnKey, Password, Peer, UnknownThumbprint, Uses};
use crate::crypto::rsa::{Keeper, PrivateKey, SignatureAlgorithm};
use crate::keys::ring::fake::ring;
use crate::keys::watch::watch;
use crate::keys::{Certificate, Keyring};
use crate::mosip::envelope::{Flavour, Format, SealOptions, SignOver, seal_message};
use crate::outbox::dispatch::Dispatcher;
use crate::outbox::exchange::Exchange;
use crate::outbox::store::Filter;
use crate::upstream::Client;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

const KEYS: &str = "tests/vectors/keys";

/// An inbox that nothing judges by itself, with the certificate of MOSIP in a file of its own.
struct Home {
    dir: TempDir,
    keys: Keyring,
    inbox: Inbox,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = Self::watched(dir.path());
        Self::with(dir, keys)
    }

    /// The keys of `dir` and of the vectors, which [`Keyring::reload`] loads anew.
    fn watched(dir: &Path) -> Keyring {
        std::fs::copy(key("stranger.crt.pem"), dir.join("mosip.crt")).unwrap();
        let settings = config::Keys {
            dir: dir.to_owned(),
            own: vec![OwnKey {
                name: None,
                file: key("partner.key.pem"),
                cert: Some(key("partner.crt.pem")),
                password: Password::None,
                uses: Uses { sign: true, decrypt: true },
            }],
            peers: vec![Peer {
                name: "mosip".to_owned(),
                file: dir.join("mosip.crt"),
                unknown_thumbprint: UnknownThumbprint::Reject,
                algs: vec![SignatureAlgorithm::Rs512],
            }],
            strict_permissions: false,
            ca_file: None,
        };
        let (watcher, keys) = watch(Arc::new(settings), Clock::system(), Duration::from_hours(1));
        let watcher = watcher.allow_example_keys(true);
        tokio::spawn(watcher.run());
        keys
    }

    fn with(dir: TempDir, keys: Keyring) -> Self {
        let outbox = config::Outbox {
            path: dir.path().join("outbox.db"),
            key_file: dir.path().join("outbox.key"),
            retention: Duration::from_hours(1),
            remember: Duration::from_hours(1),
            give_up_after: Duration::from_hours(1),
            reserve: 0,
        };
        let quarantine = config::Quarantine { max_bytes: 1 << 20, max_rows: 10 };
        let store = Store::open(outbox, quarantine, Clock::system()).unwrap();
        let policy = Policy { danger_accept_unsigned: false };
        let pool = Pool::for_this_machine().unwrap();
        let webhooks = Webhooks::new(store.clone(), dispatcher(&store, &keys, &pool));
        let inbox = Inbox::new(store, keys.clone(), pool, policy, webhooks);
        Self { dir, keys, inbox }
    }
}

/// One that sends nothing.
fn dispatcher(store: &Store, keys: &Keyring, pool: &Pool) -> Arc<Dispatcher> {
    let read = |path: &Path| std::fs::read(path);
    let text = "upstream.mediator.birth = \"https://mosip.example/birth\"";
    let config = config::Config::from_toml(text, Path::new("."), &BTreeMap::new(), &read).ok().unwrap();
    let client = Client::new(&config.upstream).unwrap();
    let exchange = Exchange::new(client, config.upstream, keys.clone(), pool.clone(), Clock::system());
    Arc::new(Dispatcher::new(store.clone(), exchange, None, None, Duration::from_secs(30)))
}

fn key(name: &str) -> PathBuf {
    Path::new(KEYS).join(name)
}

/// What MOSIP posts to `/birthReceiveNid`.
fn push() -> Vec<u8> {
    push_of(r#"{"uinToken":"1","opencrvsBRN":"B1"}"#)
}

fn push_of(plaintext: &str) -> Vec<u8> {
    let to = CertificateDer::from_pem_file(key("partner.crt.pem")).unwrap();
    let mosip = PrivatePkcs8KeyDer::from_pem_file(key("mosip.key.pem")).unwrap();
    let mosip = PrivateKey::from_pkcs8_der(mosip.secret_pkcs8_der()).unwrap();
    let options = SealOptions { format: Format::VerR2, sign: SignOver::Plaintext, base64: Flavour::Url };
    let to = Certificate::from_der(&to).unwrap();
    let sealed = seal_message(&to, Some(&mosip), plaintext.as_bytes(), options).unwrap();
    json!({ "id": "", "requestTime": "", "data": sealed.data, "signature": sealed.signature })
        .to_string()
        .into()
}

#[tokio::test]
async fn a_quarantined_push_is_verified_on_request_once_the_certificate_is_right() {
    let home = Home::new();
    let id = home.inbox.receive(PushKind::BirthNid, push()).await.unwrap();
    for _ in 0..2 {
        let refused = home.inbox.verify(id.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::SignatureInvalid);
        assert_eq!(home.inbox.store.quarantined(0).await.unwrap().len(), 1);
    }
    std::fs::copy(key("mosip.crt.pem"), home.dir.path().join("mosip.crt")).unwrap();
    home.keys.reload().await;
    home.inbox.verify(id.clone()).await.unwrap();
    assert!(home.inbox.store.quarantined(0).await.unwrap().is_empty());
    assert_eq!(home.inbox.store.undelivered(0, 10, true).await.unwrap().len(), 1);
    assert_eq!(home.inbox.verify(id).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_push_without_the_value_that_it_is_for_is_kept_and_told_to_nobody() {
    let home = Home::new();
    std::fs::copy(key("mosip.crt.pem"), home.dir.path().join("mosip.crt")).unwrap();
    home.keys.reload().await;
    for empty in ["", " "] {
        let text = json!({ "uinToken": empty, "opencrvsBRN": "B1" }).to_string();
        let id = home.inbox.receive(PushKind::BirthNid, push_of(&text)).await.unwrap();
        assert_eq!(home.inbox.verify(id).await.unwrap_err().pointer(), Some("/uinToken"));
    }
    assert_eq!(home.inbox.store.quarantined(0).await.unwrap().len(), 2);
    assert!(home.inbox.store.undelivered(0, 10, true).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_waits_while_the_key_that_opens_it_is_unavailable() {
    let keeper = Keeper::away("token `mosip`");
    let keys = Keyring::fixed(ring(&[("partner", &keeper)], UnknownThumbprint::Try));
    let home = Home::with(tempfile::tempdir().unwrap(), keys);
    let (inbox, store) = (&home.inbox, &home.inbox.store);
    let id = inbox.receive(PushKind::BirthNid, push()).await.unwrap();

    let until_delivered = async {
        while keeper.calls() < 2 {
            assert!(store.quarantined(0).await.unwrap().is_empty());
        }
        assert!(store.push(id.clone()).await.is_ok(), "it is kept");
        keeper.come_back();
        while store.undelivered(0, 10, true).await.unwrap().is_empty() {}
    };
    tokio::select! {
        () = inbox.run() => {}
        () = until_delivered => {}
    }
    assert!(store.quarantined(0).await.unwrap().is_empty());
    assert_eq!(store.push(id).await.err().unwrap().code(), Code::NotFound);
}

#[tokio::test]
async fn a_quarantined_push_keeps_its_reason_while_the_key_is_unavailable() {
    let keeper = Keeper::there("token `mosip`");
    let keys = Keyring::fixed(ring(&[("partner", &keeper)], UnknownThumbprint::Try));
    let home = Home::with(tempfile::tempdir().unwrap(), keys);
    let unsigned: Vec<u8> = String::from_utf8(push()).unwrap().replace("\"signature\"", "\"other\"").into();
    let id = home.inbox.receive(PushKind::BirthNid, unsigned).await.unwrap();
    home.inbox.verify(id.clone()).await.unwrap_err();
    let before = home.inbox.store.quarantined(0).await.unwrap();

    keeper.go_away();
    assert_eq!(home.inbox.verify(id).await.unwrap_err().code(), Code::KeyUnavailable);
    assert_eq!(home.inbox.store.quarantined(0).await.unwrap(), before);
}

const BIRTH: &str = include_str!("../../demo/birth.json");

/// A webhook that was kept for a reason which does not hold any more.
async fn kept(home: &Home, body: &str) -> String {
    let reason = Error::new(Code::KindNotConfigured, "no URL was set");
    home.inbox.store.keep_webhook(body.to_owned().into(), (&reason).into()).await.unwrap()
}

#[tokio::test]
async fn a_kept_webhook_becomes_an_event_on_request_and_leaves_the_quarantine_with_it() {
    let home = Home::new();
    let id = kept(&home, BIRTH).await;
    home.inbox.verify(id.clone()).await.unwrap();
    assert!(home.inbox.store.quarantined(0).await.unwrap().is_empty());
    let entry = home.inbox.store.entry("3b1c2f40-0000-4000-8000-000000000001".to_owned()).await.unwrap();
    assert_eq!(entry.kind.as_str(), "birth");
    assert_eq!(home.inbox.verify(id).await.unwrap_err().code(), Code::NotFound);
    let repeat = kept(&home, BIRTH).await;
    home.inbox.verify(repeat).await.unwrap();
    assert!(home.inbox.store.quarantined(0).await.unwrap().is_empty(), "a repeat is the event that it was");
}

#[tokio::test]
async fn a_webhook_that_was_discarded_meanwhile_becomes_no_event() {
    let home = Home::new();
    let id = kept(&home, BIRTH).await;
    let push = home.inbox.store.push(id.clone()).await.unwrap();
    home.inbox.discard(id).await.unwrap();
    assert_eq!(home.inbox.webhooks.judge(push).await.unwrap_err().code(), Code::NotFound);
    assert!(home.inbox.store.entries(Filter::default()).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_kept_webhook_that_is_still_no_event_stays_with_the_reason_of_now() {
    let home = Home::new();
    let id = kept(&home, "nonsense").await;
    assert_eq!(home.inbox.verify(id).await.unwrap_err().code(), Code::Malformed);
    let kept = home.inbox.store.quarantined(0).await.unwrap();
    assert_eq!(kept[0].refusal.as_ref().unwrap().code, "malformed");
}
