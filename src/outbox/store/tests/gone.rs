//! Files under a running gateway that go in ways which are easily overlooked.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::outbox::store::files::Files;

impl Home {
    fn at(&self, suffix: &str) -> PathBuf {
        beside(&self.settings().path, suffix)
    }
}

fn gone(store: &Store) -> Vec<Piece> {
    store.trouble().map(|trouble| trouble.gone().iter().map(|gone| gone.piece).collect()).unwrap_or_default()
}

#[test]
fn a_file_that_is_still_found_because_it_is_mounted_by_itself_is_gone_once_its_folder_has_lost_it() {
    let home = Home::new();
    let (settings, real) = (home.settings(), home.dir.path().join("real"));
    let opened = File::create(&real).unwrap();
    // As a mount does, it leads to the file whatever becomes of its name.
    symlink(format!("/proc/self/fd/{}", opened.as_raw_fd()), &settings.path).unwrap();
    let mut files = Files::default();
    files.take_database(&settings.path).unwrap();
    assert_eq!(files.gone(&settings, &settings.path, None), []);
    fs::remove_file(&real).unwrap();
    let gone = Gone { piece: Piece::Database, what: "was removed" };
    assert_eq!(files.gone(&settings, &settings.path, None), [gone]);
}

#[test]
fn a_key_file_that_changed_while_the_gateway_started_is_gone() {
    let home = Home::new();
    let store = home.open();
    let key = store.0.site.opened().unwrap().vault.sealing_key();
    let mut files = Files::default();
    fs::write(home.settings().key_file, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap();
    files.know(&home.settings()).unwrap();
    let gone: Vec<_> =
        files.gone(&home.settings(), &home.at(""), key).into_iter().map(|gone| gone.piece).collect();
    assert_eq!(gone, [Piece::Key]);
}

#[tokio::test]
async fn a_log_that_could_not_be_begun_anew_is_begun_by_the_next_resume() {
    let home = Home::new();
    let store = home.open();
    accept(&store, birth("before")).await;
    fs::remove_file(home.at("-wal")).unwrap();
    assert!(store.accept(birth("gone"), None).await.is_err());
    // SQLite refuses to open a database whose journal cannot be read.
    fs::create_dir(home.at("-journal")).unwrap();
    assert!(store.resume().await.is_err());
    assert!(store.accept(birth("refused"), None).await.is_err());
    fs::remove_dir(home.at("-journal")).unwrap();
    store.resume().await.unwrap();
    accept(&store, birth("after")).await;
    assert_eq!(lease_ids(&store, EventKind::Birth).await, ["before", "gone", "after"]);
}

#[tokio::test]
async fn a_log_is_noticed_beside_the_file_that_outbox_path_links_to() {
    let home = Home::new();
    drop(home.open());
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real.db");
    fs::rename(home.at(""), &real).unwrap();
    std::os::unix::fs::symlink(&real, home.at("")).unwrap();
    let store = home.open();
    accept(&store, birth("before")).await;
    fs::remove_file(beside(&real, "-wal")).unwrap();
    assert!(store.accept(birth("gone"), None).await.is_err());
    assert_eq!(gone(&store), [Piece::Log]);
    store.resume().await.unwrap();
    fs::remove_file(home.at("")).unwrap();
    assert!(store.accept(birth("elsewhere"), None).await.is_err(), "the next start would find no database");
    assert_eq!(gone(&store), [Piece::Database]);
}

#[tokio::test]
async fn a_lock_that_another_process_took_meanwhile_stays_noticed() {
    let home = Home::new();
    let store = home.open();
    fs::remove_file(home.at(".lock")).unwrap();
    assert!(store.accept(birth("c1"), None).await.is_err());
    let other = fs::File::create(home.at(".lock")).unwrap();
    other.lock().unwrap();
    for _ in 0..2 {
        assert!(store.resume().await.is_err());
        assert!(store.accept(birth("c2"), None).await.is_err());
    }
    drop(other);
    store.resume().await.unwrap();
    accept(&store, birth("c2")).await;
}
