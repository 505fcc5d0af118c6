use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Mutex;

use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::keys::Location;
use crate::keys::make::KeyMaker;
use crate::keys::settings::{UnknownThumbprint, Uses};
use crate::keys::source::file::{KeyFile, Password};
use crate::keys::source::{KeyMaterial, KeySource};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const PARTNER: &[u8] = include_bytes!("../../../tests/vectors/keys/partner.key.pem");
const STRANGER: &[u8] = include_bytes!("../../../tests/vectors/keys/stranger.key.pem");
const MOSIP: &[u8] = include_bytes!("../../../tests/vectors/keys/mosip.crt.pem");
const FUTURE: &[u8] = include_bytes!("../../../tests/vectors/keys/partner-future.crt.pem");

/// Longer than any test: nothing is seen by chance of a tick.
const NEVER: Duration = Duration::from_secs(1_000_000);

fn volume(dir: &Path) -> Arc<crate::keys::settings::Keys> {
    fs::write(dir.join("own.key"), PARTNER).unwrap();
    fs::set_permissions(dir.join("own.key"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(dir.join("mosip-public.key"), MOSIP).unwrap();
    Arc::new(crate::keys::settings::Keys {
        dir: dir.into(),
        own: vec![crate::keys::settings::OwnKey {
            name: None,
            source: KeyFile::source(dir.join("own.key"), Password::None),
            cert: None,
            uses: Uses { sign: true, decrypt: true },
        }],
        peers: vec![crate::keys::settings::Peer {
            name: "mosip".into(),
            file: dir.join("mosip-public.key"),
            unknown_thumbprint: UnknownThumbprint::Reject,
            algs: vec![],
        }],
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
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

/// A look at the files as they are.
fn look(watcher: &mut Watcher, forced: bool) {
    let Look::Ended(state) = &mut watcher.look else { panic!("the first look hangs") };
    let previous = watcher.published.current();
    if let Some(next) = state.step(&previous, forced) {
        watcher.published.publish(&previous, next);
    }
}

#[test]
fn nothing_is_loaded_while_nothing_changes() {
    let Watched { dir: _dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    look(&mut watcher, false);
    assert!(Arc::ptr_eq(&first, &keyring.current()));
}

#[test]
fn changed_content_is_loaded_and_the_former_ring_stays_whole() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    look(&mut watcher, false);
    let second = keyring.current();
    assert!(first.own()[0].private.public_key() != second.own()[0].private.public_key());
    assert_eq!(second.retiring().count(), 1);
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
    keys.own[0].source = KeyFile::source(data.join("own.key"), Password::None);
    let (watcher, keyring) = watch(Arc::new(keys), Clock::fixed(NOW), NEVER);
    let mut watcher = watcher.allow_example_keys(true);

    fs::remove_file(&data).unwrap();
    symlink(&two, &data).unwrap();
    look(&mut watcher, false);
    assert_eq!(keyring.current().retiring().count(), 1);
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
    look(&mut watcher, false);
    let second = keyring.current();
    assert!(Arc::ptr_eq(&first.own()[0], &second.own()[0]));
    let troubles: Vec<_> = second.troubles().iter().map(|trouble| trouble.what.as_str()).collect();
    assert_eq!(
        troubles,
        ["this development key is public (the key loaded before stays in use until a restart)"; 2]
    );
}

#[test]
fn half_written_file_keeps_the_key_until_the_rest_arrives() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let first = keyring.current();
    fs::write(dir.path().join("own.key"), &STRANGER[..600]).unwrap();
    look(&mut watcher, false);
    assert!(Arc::ptr_eq(&first.own()[0], &keyring.current().own()[0]));
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    look(&mut watcher, false);
    assert!(!Arc::ptr_eq(&first.own()[0], &keyring.current().own()[0]));
}

#[test]
fn changed_mode_is_seen() {
    let Watched { dir, mut watcher, keyring, .. } = watched();
    let path = dir.path().join("own.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    look(&mut watcher, false);
    assert_eq!(keyring.current().troubles().len(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    look(&mut watcher, false);
    assert!(keyring.current().troubles().is_empty());
}

#[test]
fn certificate_that_begins_loses_its_trouble_without_a_change_of_files() {
    let Watched { dir, clock, mut watcher, keyring, .. } = watched();
    fs::write(dir.path().join("mosip-public.key"), FUTURE).unwrap();
    look(&mut watcher, false);
    let begins = keyring.current().peers()[0].certificate.as_ref().unwrap().not_before();
    let about_dates = |ring: &Ring| {
        ring.troubles().iter().filter(|trouble| trouble.what.contains("not valid before")).count()
    };
    assert_eq!(about_dates(&keyring.current()), 1);
    clock.set(begins);
    look(&mut watcher, false);
    assert_eq!(about_dates(&keyring.current()), 0);
}

#[test]
fn a_replaced_key_is_gone_at_its_end_without_a_change_of_files() {
    let Watched { dir, clock, mut watcher, keyring, .. } = watched();
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    look(&mut watcher, false);
    let (_, end) = keyring.current().retiring().map(|key| (key.called(), key.until)).next().unwrap();
    clock.set(Timestamp::from_millis(end.millis() - 1));
    look(&mut watcher, false);
    assert_eq!(keyring.current().retiring().count(), 1);
    clock.set(end);
    look(&mut watcher, false);
    assert!(keyring.current().retiring().next().is_none());
}

#[tokio::test]
async fn reload_takes_effect_before_it_returns() {
    let Watched { dir, watcher, mut keyring, .. } = watched();
    let running = tokio::spawn(watcher.run());
    fs::write(dir.path().join("own.key"), STRANGER).unwrap();
    keyring.reload().await;
    assert_eq!(keyring.current().retiring().count(), 1);
    assert_eq!(keyring.changed().await.unwrap().retiring().count(), 1);
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
    assert_eq!(keyring.current().retiring().count(), 1);
    drop(keyring);
    running.await.unwrap();
}

#[test]
fn a_look_that_panics_changes_nothing() {
    assert!(unless_it_panics(|| panic!("a defect")).is_none());
    assert!(unless_it_panics(|| Some(Ring::default())).is_some());
}

#[tokio::test]
async fn reload_without_a_watcher_returns() {
    let Watched { watcher, mut keyring, .. } = watched();
    drop(watcher);
    keyring.reload().await;
    assert!(keyring.changed().await.is_none());
    assert_eq!(keyring.current().own().len(), 1);
}

#[tokio::test]
async fn a_volume_that_hangs_is_a_trouble_and_keeps_nobody_waiting() {
    let Watched { dir: _dir, watcher, keyring, .. } = watched();
    let Watcher { mut requests, look: Look::Ended(state), mut published, .. } = watcher else {
        panic!("the first look hangs")
    };
    published.deadline = Duration::from_millis(20);
    let before = keyring.current();
    let (files, file) = (state.files.clone(), state.keys.peers[0].file.clone());
    let (release, held) = std_mpsc::channel::<()>();
    let look = spawn_blocking(move || {
        state.files.seen(&file, || held.recv().unwrap());
        (state, None)
    });
    let (done, answered) = oneshot::channel();
    let request = Some(Request::new(true, done));
    let following =
        tokio::spawn(async move { published.follow(look, &files, request, &mut requests).await.is_some() });
    answered.await.unwrap();
    let ring = keyring.current();
    assert_eq!(ring.own().len(), 1, "the keys stay as they are");
    let trouble = ring.troubles()[0].to_string();
    assert!(
        trouble.contains("mosip-public.key: cannot be read: its file system has not answered"),
        "{trouble}"
    );
    // Whoever asks meanwhile is not kept waiting either.
    keyring.refresh().await;
    release.send(()).unwrap();
    assert!(following.await.unwrap());
    assert_eq!(keyring.current().troubles(), before.troubles());
}

#[tokio::test(start_paused = true)]
async fn keys_that_take_long_to_be_tried_blame_no_file() {
    let Watched { dir: _dir, watcher, mut keyring, .. } = watched();
    let Watcher { mut requests, look: Look::Ended(state), mut published, .. } = watcher else {
        panic!("the first look hangs")
    };
    let files = state.files.clone();
    let (release, held) = oneshot::channel();
    let look = tokio::spawn(async move {
        let _ = held.await;
        (state, None)
    });
    let trying = async {
        tokio::time::sleep(3 * DEADLINE).await;
        release.send(()).unwrap();
    };
    let (state, ()) = tokio::join!(published.follow(look, &files, None, &mut requests), trying);
    assert!(state.is_some());
    assert!(keyring.changed().now_or_never().is_none(), "the keys were never published with a trouble");
}

/// On a volume that hangs until the other end of the channel is dropped.
struct Hanging(PathBuf, Mutex<std_mpsc::Receiver<()>>);

impl KeySource for Hanging {
    fn location(&self) -> Location {
        Location::from(&self.0)
    }

    fn load(&self, files: &Reader, _: bool) -> Result<KeyMaterial, Trouble> {
        let _ = files.seen(&self.0, || self.1.lock().unwrap().recv());
        Err(Trouble::new(&self.0, &LoadError::Missing, true))
    }

    fn watched(&self) -> Vec<&Path> {
        vec![&self.0]
    }
}

#[test]
fn a_command_does_not_wait_for_a_volume_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let (release, held) = std_mpsc::channel::<()>();
    let mut keys = Arc::into_inner(volume(dir.path())).unwrap();
    keys.own[0].source = Arc::new(Hanging(dir.path().join("own.key"), Mutex::new(held)));
    let (_, ring) = first_look(Arc::new(keys), Clock::fixed(NOW), Duration::from_millis(20));
    let trouble = ring.troubles()[0].to_string();
    assert!(trouble.contains("cannot be read: its file system has not answered"), "{trouble}");
    assert!(ring.own().is_empty());
    drop(release);
}

#[test]
fn a_pipe_in_place_of_a_key_is_named_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let keys = volume(dir.path());
    fs::remove_file(dir.path().join("own.key")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("own.key")).status().unwrap();
    assert!(made.success());
    let (_, keyring) = watch(keys, Clock::fixed(NOW), NEVER);
    let ring = keyring.current();
    let named =
        ring.troubles().iter().any(|trouble| trouble.to_string().contains("own.key: is no regular file"));
    assert!(named && ring.own().is_empty(), "{:?}", ring.troubles());
    assert_eq!(ring.peers().len(), 1);
}
