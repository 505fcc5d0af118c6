//! Files under a running gateway that go in ways which are easily overlooked.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use super::*;
use crate::store::sqlite::files::Files;
use crate::store::{Gone, REMOVED};

fn gone(store: &Store) -> Vec<Piece> {
    store.trouble().map(|trouble| trouble.gone().iter().map(|gone| gone.piece).collect()).unwrap_or_default()
}

#[test]
fn a_file_that_is_still_found_because_it_is_mounted_by_itself_is_gone_once_its_folder_has_lost_it() {
    let home = Home::new();
    let (path, real) = (home.file(""), home.0.path().join("real"));
    let opened = File::create(&real).unwrap();
    // As a mount does, it leads to the file whatever becomes of its name.
    symlink(format!("/proc/self/fd/{}", opened.as_raw_fd()), &path).unwrap();
    let mut files = Files::default();
    files.take_database(&path).unwrap();
    assert_eq!(files.gone(&path, &path), []);
    fs::remove_file(&real).unwrap();
    assert_eq!(files.gone(&path, &path), [Gone { piece: Piece::Database, what: REMOVED }]);
}

#[tokio::test]
async fn a_log_that_could_not_be_begun_anew_is_begun_by_the_next_resume() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "before").await;
    fs::remove_file(home.file("-wal")).unwrap();
    assert!(try_accept(&store, "gone").await.is_err());
    // SQLite refuses to open a database whose journal cannot be read.
    fs::create_dir(home.file("-journal")).unwrap();
    assert!(store.resume().await.is_err());
    assert!(try_accept(&store, "refused").await.is_err());
    fs::remove_dir(home.file("-journal")).unwrap();
    store.resume().await.unwrap();
    accept(&store, "after").await;
    assert_eq!(names(&store).await, ["before", "gone", "after"]);
}

#[tokio::test]
async fn a_log_is_noticed_beside_the_file_that_outbox_path_links_to() {
    let home = Home::new();
    drop(home.open());
    let folder = tempfile::tempdir().unwrap();
    let real = folder.path().join("real.db");
    fs::rename(home.file(""), &real).unwrap();
    symlink(&real, home.file("")).unwrap();
    let store = home.open();
    accept(&store, "before").await;
    fs::remove_file(beside(&real, "-wal")).unwrap();
    assert!(try_accept(&store, "gone").await.is_err());
    assert_eq!(gone(&store), [Piece::Log]);
    store.resume().await.unwrap();
    fs::remove_file(home.file("")).unwrap();
    assert!(try_accept(&store, "elsewhere").await.is_err(), "the next start would find no database");
    assert_eq!(gone(&store), [Piece::Database]);
}

#[tokio::test]
async fn a_lock_that_another_process_took_meanwhile_stays_noticed() {
    let home = Home::new();
    let store = home.open();
    fs::remove_file(home.file(".lock")).unwrap();
    assert!(try_accept(&store, "c1").await.is_err());
    let other = File::create(home.file(".lock")).unwrap();
    other.lock().unwrap();
    for _ in 0..2 {
        assert!(store.resume().await.is_err());
        assert!(try_accept(&store, "c2").await.is_err());
    }
    drop(other);
    store.resume().await.unwrap();
    accept(&store, "c2").await;
}

/// What the advice says where there is no file to move back.
#[tokio::test]
async fn a_copy_of_a_removed_database_counts_from_the_next_start_on() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    let path = home.file("");
    fs::remove_file(&path).unwrap();
    let refused = try_accept(&store, "c2").await.unwrap_err();
    assert!(refused.advice().contains("/proc/<pid>/fd") && refused.advice().contains("start"), "{refused}");
    let removed = format!("{} (deleted)", path.display());
    let mut open = fs::read_dir("/proc/self/fd").unwrap().map(|open| open.unwrap().path());
    let open = open.find(|open| fs::read_link(open).is_ok_and(|to| to.to_str() == Some(&removed)));
    fs::copy(open.unwrap(), &path).unwrap();
    assert!(store.resume().await.is_err(), "it is not the file that is open");
    drop(store);
    assert_eq!(names(&home.open()).await, ["c1", "c2"], "what was refused is stored too");
}

/// Each piece comes back in its own way.
#[tokio::test]
async fn the_advice_on_what_is_gone_is_about_what_is_gone() {
    let cases = [
        ("", "Move the very file back"),
        ("-wal", "makes it anew"),
        (".lock", "makes it anew"),
        (".key", "outbox.key_file"),
    ];
    for (suffix, says) in cases {
        let home = Home::new();
        let store = home.open();
        let file = if suffix == ".key" { home.key_file() } else { home.file(suffix) };
        fs::remove_file(file).unwrap();
        let refused = try_accept(&store, "c1").await.unwrap_err();
        assert!(refused.advice().contains(says), "{suffix}: {}", refused.advice());
        if says == "makes it anew" {
            store.resume().await.unwrap();
            accept(&store, "c2").await;
        }
    }
}
