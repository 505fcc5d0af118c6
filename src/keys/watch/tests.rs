use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::config::Password;
use crate::config::{UnknownThumbprint, Uses};
use crate::keys::make::KeyMaker;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const PARTNER: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.key.pem");
const STRANGER: &[u8] = include_bytes!("../../../tests/vectors/keys/stranger.key.pem");
const MOSIP: &[u8] = include_bytes!("../../../tests/vectors/keys/mosip.crt.pem");
const FUTURE: &[u8] = include_bytes!("../../../tests/vectors/keys/partner-future.crt.pem");

/// Longer than any test: nothing is seen by chance of a tick.
const NEVER: Duration = Duration::from_secs(1_000_000);

fn volume(dir: &Path) -> Arc<config::Keys> {
    fs::write(dir.join("own.key"), PARTNER).unwrap();
    fs::set_permissions(dir.join("own.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("mosip-public.key"), MOSIP).unwrap();
    Arc::new(config::Keys {
        dir: dir.into(),
        own: vec![config::OwnKey {
            name: None,
            file: dir.join("own.key"),
            cert: None,
            password: Password::None,
            uses: Uses { sign: true, decrypt: true },
        }],
        peers: vec![config::Peer {
            name: "mosip".into(),
            file: dir.join("mosip-public.key"),
            unknown_thumbprint: UnknownThumbprint::Reject,
            algs: vec![],
        }],
        strict_permissions: false,
        ca_file: None,
    })
}

struct Watched {
    dir: TempDir,
    clock: Clock,
    watcher: Watcher,
    keyring: Keyring,
}

fn watched() -> Watched {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::fixed(NOW);
    let (watcher, keyring) = watch(volume(dir.path()), clock.clone(), NEVER);
    Watched { dir, clock, watcher: watcher.allow_example_keys(true), keyring }
}

#[test]
fn nothing_is_loaded_while_nothing_changes() {
    let Watched { dir: _dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    watcher.state.step(false);
    assert!(Arc::ptr_eq(&first, &keyring.current()));
}

#[test]
fn changed_content_is_loaded_and_the_former_ring_stays_whole() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    watcher.state.step(false);
    let second = keyring.current();
    assert!(first.own()[0].private.public_key() != second.own()[0].private.public_key());
    assert_eq!(second.retired().len(), 1);
}

#[test]
fn swapped_symlink_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    fs::create_dir(&one).unwrap();
    fs::create_dir(&two).unwrap();
    volume(&one);
    volume(&two);
    fs::write(two.join("own.key"), STRANGER).unwrap();
    let data = dir.path().join("..data");
    symlink(&one, &data).unwrap();
    let mut keys = Arc::into_inner(volume(&data)).unwrap();
    keys.own[0].file = data.join("own.key");
    let (watcher, keyring) = watch(Arc::new(keys), Clock::fixed(NOW), NEVER);
    let mut watcher = watcher.allow_example_keys(true);

    fs::remove_file(&data).unwrap();
    symlink(&two, &data).unwrap();
    watcher.state.step(false);
    assert_eq!(keyring.current().retired().len(), 1);
}

#[test]
fn a_development_key_that_comes_later_is_refused_and_the_key_before_stays() {
    let dir = tempfile::tempdir().unwrap();
    let keys = volume(dir.path());
    let own = dir.path().join("own.key");
    fs::write(&own, KeyMaker::generate(2048).unwrap().to_pem().unwrap().as_bytes()).unwrap();
    let (mut watcher, keyring) = watch(keys, Clock::fixed(NOW), NEVER);
    let first = keyring.current();
    assert!(first.troubles().is_empty());
    fs::write(&own, PARTNER).unwrap();
    watcher.state.step(false);
    let second = keyring.current();
    assert!(Arc::ptr_eq(&first.own()[0], &second.own()[0]));
    let troubles: Vec<_> = second.troubles().iter().map(|trouble| trouble.what.as_str()).collect();
    assert_eq!(troubles, ["this development key is public (the key loaded before stays in use)"; 2]);
}

#[test]
fn half_written_file_keeps_the_key_until_the_rest_arrives() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    fs::write(dir.path().join("own.key"), &STRANGER[..600]).unwrap();
    watcher.state.step(false);
    assert!(Arc::ptr_eq(&first.own()[0], &keyring.current().own()[0]));
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    watcher.state.step(false);
    assert!(!Arc::ptr_eq(&first.own()[0], &keyring.current().own()[0]));
}

#[test]
fn changed_mode_is_seen() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let path = dir.path().join("own.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    watcher.state.step(false);
    assert_eq!(keyring.current().troubles().len(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    watcher.state.step(false);
    assert!(keyring.current().troubles().is_empty());
}

#[test]
fn certificate_that_begins_loses_its_trouble_without_a_change_of_files() {
    let Watched { dir, clock, mut watcher, keyring, .. } = watched();
    fs::write(dir.path().join("mosip-public.key"), FUTURE).unwrap();
    watcher.state.step(false);
    let begins = keyring.current().peers()[0].certificate.as_ref().unwrap().not_before();
    let about_dates = |ring: &Ring| {
        ring.troubles().iter().filter(|trouble| trouble.what.contains("not valid before")).count()
    };
    assert_eq!(about_dates(&keyring.current()), 1);
    clock.set(begins);
    watcher.state.step(false);
    assert_eq!(about_dates(&keyring.current()), 0);
}

#[tokio::test]
async fn reload_takes_effect_before_it_returns() {
    let Watched { dir, watcher, mut keyring, .. } = watched();
    let running = tokio::spawn(watcher.run());
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    keyring.reload().await;
    assert_eq!(keyring.current().retired().len(), 1);
    assert_eq!(keyring.changed().await.unwrap().retired().len(), 1);
    drop(keyring);
    running.await.unwrap();
}

#[tokio::test]
async fn refresh_takes_a_changed_file_at_once_and_leaves_the_ring_where_nothing_changed() {
    let Watched { dir, watcher, keyring, .. } = watched();
    let running = tokio::spawn(watcher.run());
    let first = keyring.current();
    keyring.refresh().await;
    assert!(Arc::ptr_eq(&first, &keyring.current()));
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    keyring.refresh().await;
    assert_eq!(keyring.current().retired().len(), 1);
    drop(keyring);
    running.await.unwrap();
}

#[tokio::test]
async fn a_look_that_panics_does_not_end_the_watcher() {
    let Watched { dir, watcher, keyring, .. } = watched();
    let running = tokio::spawn(watcher.run_each(|state, forced| {
        assert!(!forced, "a defect");
        state.step(forced);
    }));
    let first = keyring.current();
    keyring.reload().await;
    assert!(Arc::ptr_eq(&first, &keyring.current()));
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    keyring.refresh().await;
    assert_eq!(keyring.current().retired().len(), 1);
    drop(keyring);
    running.await.unwrap();
}

#[tokio::test]
async fn reload_without_a_watcher_returns() {
    let Watched { watcher, mut keyring, .. } = watched();
    drop(watcher);
    keyring.reload().await;
    assert!(keyring.changed().await.is_none());
    assert_eq!(keyring.current().own().len(), 1);
}
