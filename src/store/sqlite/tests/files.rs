//! The files under a running gateway, an interrupted first start, and a log that was altered.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::store::Location;

impl Home {
    /// Where each piece is.
    fn pieces(&self) -> [(Piece, PathBuf); 4] {
        [
            (Piece::Database, self.file("")),
            (Piece::Log, self.file("-wal")),
            (Piece::Key, self.key_file()),
            (Piece::Lock, self.file(".lock")),
        ]
    }
}

fn gone(store: &Store) -> Vec<Piece> {
    store.trouble().map(|trouble| trouble.gone().iter().map(|gone| gone.piece).collect()).unwrap_or_default()
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_was_removed_and_putting_it_back_resumes() {
    for piece in Piece::ALL {
        let home = Home::new();
        let store = home.open();
        accept(&store, "before").await;
        let file = home.pieces().into_iter().find(|(known, _)| *known == piece).unwrap().1;
        let away = home.0.path().join("away");
        fs::rename(&file, &away).unwrap();
        let refused = try_accept(&store, "gone").await.unwrap_err();
        assert_eq!((refused.code(), refused.code().status()), (Code::Storage, 507), "{piece:?}");
        assert!(refused.advice().contains("resume"), "{}", refused.advice());
        assert_eq!(gone(&store), [piece]);
        assert!(try_accept(&store, "refused").await.is_err(), "nothing more is written");
        fs::rename(&away, &file).unwrap();
        assert!(store.look_after().await.is_err(), "a person decides");
        store.resume().await.unwrap();
        assert_eq!(store.trouble(), None);
        accept(&store, "after").await;
        drop(store);
        let store = home.open();
        assert_eq!(names(&store).await, ["before", "gone", "after"], "{piece:?}");
    }
}

#[tokio::test]
async fn housekeeping_notices_what_is_gone_without_a_post() {
    for piece in Piece::ALL {
        let home = Home::new();
        let store = home.open();
        fs::remove_file(home.pieces().into_iter().find(|(known, _)| *known == piece).unwrap().1).unwrap();
        assert!(store.look_after().await.is_err());
        assert_eq!(gone(&store), [piece]);
        assert!(try_accept(&store, "x").await.is_err());
        store.run(|tx| tx.set_number("n", 1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_in_the_place_of_another_is_noticed_and_resume_says_what_is_still_wrong() {
    for piece in [Piece::Database, Piece::Log] {
        let home = Home::new();
        let store = home.open();
        accept(&store, "before").await;
        let file = home.pieces().into_iter().find(|(known, _)| *known == piece).unwrap().1;
        let copy = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        fs::write(&file, copy).unwrap();
        assert!(try_accept(&store, "gone").await.is_err());
        let refused = store.resume().await.unwrap_err();
        assert!(refused.detail().contains("was replaced"), "{}", refused.detail());
        assert_eq!(gone(&store), [piece]);
    }
}

#[tokio::test]
async fn a_log_that_was_removed_for_good_is_written_into_the_database_by_resume() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "only-in-the-log").await;
    fs::remove_file(home.file("-wal")).unwrap();
    assert!(try_accept(&store, "gone").await.is_err());
    lease_at(&store, 10, 9).await;
    store.resume().await.unwrap();
    assert_eq!(row(&store, "gone").await.state, State::Leased, "leases go on");
    accept(&store, "after").await;
    let killed = home.killed();
    assert_eq!(names(&killed.open()).await, ["only-in-the-log", "gone", "after"]);
}

#[tokio::test]
async fn a_lock_file_that_was_removed_for_good_is_made_again_by_resume() {
    let home = Home::new();
    let store = home.open();
    fs::remove_file(home.file(".lock")).unwrap();
    assert!(try_accept(&store, "c1").await.is_err());
    store.resume().await.unwrap();
    accept(&store, "c2").await;
    assert!(home.file(".lock").exists());
    assert!(matches!(home.refused(), OpenError::InUse(_)));
}

#[tokio::test]
async fn a_second_process_is_refused_even_where_the_lock_file_was_removed() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    fs::remove_file(home.file(".lock")).unwrap();
    assert!(matches!(home.refused(), OpenError::InUse(_)));
    assert!(matches!(set_aside(&home.file(""), Timestamp::from_seconds(5)), Err(OpenError::InUse(_))));
    assert!(home.file("").exists() && home.file("-wal").exists());
    // The attempt has not ended the locks that SQLite holds.
    store.resume().await.unwrap();
    accept(&store, "c2").await;
}

#[tokio::test]
async fn a_lock_file_that_was_made_for_nothing_goes_and_one_beside_a_database_stays() {
    let home = Home::new();
    let hold = || Location::in_file(home.file("")).hold().map(drop);
    hold().map_err(|error| error.to_string()).unwrap();
    assert!(!home.file(".lock").exists(), "there is no database");
    fs::write(home.file(""), b"this is a text file and no database at all").unwrap();
    for refused in [home.refused().to_string(), hold().unwrap_err().to_string()] {
        assert!(refused.contains("name another file, or restore"), "{refused}");
        assert!(!home.file(".lock").exists(), "it belongs to no outbox");
    }
    fs::write(home.file(".lock"), "").unwrap();
    assert!(hold().is_err());
    assert!(home.file(".lock").exists(), "it was there before");
    fs::remove_file(home.file("")).unwrap();
    fs::remove_file(home.file(".lock")).unwrap();
    drop(home.open());
    assert!(home.file(".lock").exists());
    hold().map_err(|error| error.to_string()).unwrap();
    assert!(home.file(".lock").exists());
}

#[test]
fn of_those_who_make_and_remove_a_lock_file_one_at_a_time_holds_it() {
    let home = Home::new();
    let holders = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let Ok(held) = Location::in_file(home.file("")).hold() else { continue };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "another one holds it, too");
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    drop(held);
                }
            });
        }
    });
}

#[tokio::test]
async fn whatever_an_interrupted_first_start_left_later_ones_work() {
    let finished = Home::new();
    drop(finished.open());
    let (database, key) = (fs::read(finished.file("")).unwrap(), fs::read(finished.key_file()).unwrap());
    let half = &database[..database.len() / 2];
    let left: [&[(&str, &[u8])]; 10] = [
        &[("outbox.db.lock", b"")],
        &[("outbox.db", b"")],
        &[("outbox.key", b"")],
        &[("outbox.db", b""), ("outbox.key", b"")],
        &[("outbox.key.new", b"AAAA")],
        &[("outbox.key", &key)],
        &[("outbox.key", &key), ("outbox.db", b""), ("outbox.db-wal", b"")],
        &[("outbox.key", &key), ("outbox.db.new", b"")],
        &[("outbox.key", &key), ("outbox.db.new", half), ("outbox.db.new-journal", half)],
        &[("outbox.key", &key), ("outbox.db", &database)],
    ];
    for files in left {
        let home = Home::new();
        for (name, content) in files {
            let file = home.0.path().join(name);
            fs::write(&file, content).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        for start in ["first", "second"] {
            let store = home.sqlite().unwrap_or_else(|error| panic!("{names:?}: {error}"));
            accept(&Store(store), start).await;
        }
        let mode = |name| fs::metadata(home.0.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("outbox.key"), mode("outbox.db")), (0o600, 0o600));
        for unfinished in ["outbox.key.new", "outbox.db.new", "outbox.db.new-journal"] {
            assert!(!home.0.path().join(unfinished).exists() || *files == [("outbox.key.new", &b"AAAA"[..])]);
        }
    }
}

#[tokio::test]
async fn an_empty_key_file_over_rows_and_an_empty_database_under_a_log_refuse_the_start() {
    let home = Home::new();
    let store = home.open();
    accept(&store, "c1").await;
    let killed = home.killed();
    drop(store);
    fs::write(home.key_file(), "").unwrap();
    assert!(matches!(home.refused(), OpenError::Owner(_)));
    fs::write(killed.file(""), "").unwrap();
    assert!(matches!(killed.refused(), OpenError::LogAlone(_)));
    fs::remove_file(killed.file("")).unwrap();
    assert!(matches!(killed.refused(), OpenError::LogAlone(_)), "never begins empty over a log");
}

#[tokio::test]
async fn set_aside_takes_the_log_along_and_what_was_moved_opens_again() {
    let running = Home::new();
    let store = running.open();
    accept(&store, "only-in-the-log").await;
    let home = running.killed();
    assert!(fs::metadata(home.file("-wal")).unwrap().len() > 0);
    let before = [fs::read(home.file("")).unwrap(), fs::read(home.file("-wal")).unwrap()];
    let moved_to = set_aside(&home.file(""), Timestamp::from_seconds(5)).unwrap();
    assert_eq!(
        before,
        [fs::read(&moved_to).unwrap(), fs::read(beside(&moved_to, "-wal")).unwrap()],
        "untouched"
    );
    assert!(names(&home.open()).await.is_empty(), "the next start begins empty");
    let moved = Connection::open(&moved_to).unwrap();
    let id: String = moved.query_row("SELECT id FROM entry", (), |row| row.get(0)).unwrap();
    assert_eq!(id, "only-in-the-log");
}

#[tokio::test]
async fn a_set_aside_that_was_interrupted_is_finished_by_the_next_and_no_start_comes_between() {
    let running = Home::new();
    let store = running.open();
    accept(&store, "only-in-the-log").await;
    let home = running.killed();
    fs::rename(home.file(""), home.file(".aside-5")).unwrap();
    assert!(
        matches!(home.refused(), OpenError::LogAlone(_)),
        "its log is not taken for that of a new database"
    );
    let moved_to = set_aside(&home.file(""), Timestamp::from_seconds(9)).unwrap();
    assert_eq!(moved_to, home.file(".aside-5"));
    let moved = Connection::open(&moved_to).unwrap();
    assert_eq!(moved.query_row("SELECT count(*) FROM entry", (), |row| row.get::<_, i64>(0)).unwrap(), 1);
    assert!(set_aside(&home.file(""), Timestamp::from_seconds(9)).is_err(), "nothing is left");
    home.open();
}

#[tokio::test]
async fn a_log_that_lost_committed_frames_is_told_and_one_that_did_not_is_not() {
    let running = Home::new();
    let store = running.open();
    for index in 0..5 {
        accept(&store, &format!("c{index}")).await;
    }
    let told = |home: &Home| {
        let log = log::Log::read(&home.file("")).unwrap();
        let connection = Connection::open(home.file("")).unwrap();
        log.loss(&connection).unwrap()
    };
    assert_eq!(told(&running.killed()), None);
    let size = fs::metadata(running.file("-wal")).unwrap().len();
    for (at, what) in
        [(0, "header"), (9, "header"), (17, "header"), (32 + 24 + 100, "frame"), (size / 2, "frame")]
    {
        let home = running.killed();
        let mut bytes = fs::read(home.file("-wal")).unwrap();
        bytes[usize::try_from(at).unwrap()] ^= 1;
        fs::write(home.file("-wal"), bytes).unwrap();
        assert!(home.killed().sqlite().is_ok(), "it is told and no bar");
        let told = told(&home).unwrap_or_else(|| panic!("byte {at}"));
        assert!(told.contains(what), "byte {at}: {told}");
    }
    // What a killed process leaves behind its last commit is no loss.
    let home = running.killed();
    let mut bytes = fs::read(home.file("-wal")).unwrap();
    bytes.truncate(bytes.len() - 100);
    bytes.extend([7; 50]);
    fs::write(home.file("-wal"), bytes).unwrap();
    assert_eq!(told(&home), None);
}

/// The child is this test again, told by a variable to let the thread panic.
#[test]
fn a_panic_of_the_thread_ends_the_process() {
    const CHILD: &str = "MOSIP_GATEWAY_TEST_PANICS";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let home = Home::new();
            let _ = home.open().run(|_| -> Result<()> { panic!("as a defect would") }).await;
            std::future::pending::<()>().await;
        });
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert_eq!(
        child.status.code(),
        Some(crate::store::group::PANICKED),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
}

#[tokio::test]
async fn a_job_that_holds_the_last_handle_closes_the_file_and_no_panic_ends_the_process() {
    let home = Home::new();
    let store = home.open();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (began, begins) = tokio::sync::oneshot::channel::<()>();
    let gate = std::sync::Mutex::new((gate, Some(began)));
    let held = store.clone();
    let caller = tokio::spawn(async move {
        let job = move |tx: &mut dyn Tx| {
            let _ = &held;
            let mut gate = gate.lock().unwrap();
            gate.1.take().unwrap().send(()).unwrap();
            gate.0.recv().unwrap();
            tx.insert(&[new("c1")])
        };
        store.run(job).await
    });
    begins.await.unwrap();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    go.send(()).unwrap();
    let store = loop {
        match home.sqlite() {
            Ok(sqlite) => break Store(sqlite),
            Err(OpenError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(names(&store).await, ["c1"]);
}
