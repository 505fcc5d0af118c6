//! Servers that go, and connections that break.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::RwLock;

use super::*;

/// A way to the server that can be cut.
struct Way {
    port: u16,
    /// The next commit reaches the server, and its answer is lost.
    swallows: Arc<AtomicBool>,
    is_open: Arc<AtomicBool>,
    /// Whoever holds it alone has nothing pass, and no connection breaks.
    passes: Arc<RwLock<()>>,
}

impl Way {
    fn to(home: &Home) -> Self {
        let server = home.target(None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (swallows, is_open) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        let passes = Arc::<RwLock<()>>::default();
        let way = Self {
            port,
            swallows: Arc::clone(&swallows),
            is_open: Arc::clone(&is_open),
            passes: Arc::clone(&passes),
        };
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), true) = (client, is_open.load(Ordering::SeqCst)) else { continue };
                let Ok(server) = TcpStream::connect(server.address()) else { continue };
                let is_cut = Arc::new(AtomicBool::new(false));
                let (back, forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (cut, swallows, passes) =
                    (Arc::clone(&is_cut), Arc::clone(&swallows), Arc::clone(&passes));
                std::thread::spawn(move || {
                    pipe(client, server, |bytes| {
                        drop(passes.blocking_read());
                        if bytes.windows(6).any(|word| word == b"COMMIT")
                            && swallows.swap(false, Ordering::SeqCst)
                        {
                            cut.store(true, Ordering::SeqCst);
                        }
                        true
                    })
                });
                std::thread::spawn(move || pipe(back, forth, |_| !is_cut.load(Ordering::SeqCst)));
            }
        });
        way
    }

    fn store(&self, home: &Home) -> Store {
        let opened = Postgres::open(home.target(Some(self.port)), Arc::new(Nobody));
        Store::new(opened.map_err(|error| format!("{error:?}")).unwrap())
    }
}

/// Hands on what comes, until `passes` says no.
fn pipe(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !passes(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[tokio::test]
async fn a_connection_that_breaks_while_it_is_idle_is_no_trouble() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    // Each time another thread looks.
    for _ in 0..8 {
        store.look_after().await.unwrap();
        home.cut();
        store.look_after().await.unwrap();
    }
}

#[tokio::test]
async fn a_job_whose_connection_is_lost_runs_again() {
    let Some(home) = Home::new() else { return };
    let home = Arc::new(home);
    let (store, runs, cutter) = (home.store(), Arc::new(AtomicU64::new(0)), Arc::clone(&home));
    let counted = Arc::clone(&runs);
    let job = store.take(vec!["a".to_owned()], move |tx| {
        tx.insert(&[new("a")])?;
        if counted.fetch_add(1, Ordering::SeqCst) == 0 {
            cutter.cut();
        }
        count(tx)
    });
    job.await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(store.run(|tx| tx.number("n")).await.unwrap(), Some(1));
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_made_once() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    let (store, runs) = (way.store(&home), Arc::new(AtomicU64::new(0)));
    store.run(count).await.unwrap();
    way.swallows.store(true, Ordering::SeqCst);
    let counted = Arc::clone(&runs);
    let job = store.run(move |tx| {
        counted.fetch_add(1, Ordering::SeqCst);
        count(tx)
    });
    job.await.unwrap();
    assert!(!way.swallows.load(Ordering::SeqCst), "the answer was swallowed");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(store.run(|tx| tx.number("n")).await.unwrap(), Some(2));
}

#[test]
fn a_commit_that_comes_later_than_its_repetition_is_refused() {
    let Some(home) = Home::new() else { return };
    drop(home.store());
    let mut session = session::Session::open(&home.target(None)).map_err(|failure| failure.error).unwrap();
    let commit = |session: &mut session::Session, commits: i64| {
        session.begin("BEGIN")?;
        session.run("INSERT INTO meta (name, value) VALUES ('late', 1)", &[])?;
        session.later(desk::COUNT, &[&"w", &commits])?;
        session.execute("COMMIT")
    };
    session.execute("INSERT INTO writer (id, commits) VALUES ('w', 8)").unwrap();
    assert!(commit(&mut session, 7).is_err());
    assert_eq!(home.number("SELECT count(*) FROM meta WHERE name='late'"), 0);
    commit(&mut session, 8).unwrap();
    assert_eq!(home.number("SELECT commits FROM writer WHERE id='w'"), 9);
}

#[tokio::test]
async fn a_server_that_does_not_answer_stops_no_start_and_is_tried_again() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    way.is_open.store(false, Ordering::SeqCst);
    let store = way.store(&home);
    let trouble = store.trouble().unwrap();
    assert!(trouble.detail().contains("cannot be reached"), "{trouble:?}");
    assert!(trouble.advice().contains("goes on by itself"), "{trouble:?}");
    assert_eq!(store.take(Vec::new(), count).await.unwrap_err().code(), Code::Storage);
    assert_eq!(store.look_after().await.unwrap_err().code(), Code::Storage);
    way.is_open.store(true, Ordering::SeqCst);
    while store.look_after().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.trouble(), None);
    store.take(Vec::new(), count).await.unwrap();
}

#[tokio::test]
async fn a_server_that_goes_is_noticed_without_a_job() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    let store = way.store(&home);
    store.look_after().await.unwrap();
    way.is_open.store(false, Ordering::SeqCst);
    home.cut();
    while store.look_after().await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(store.trouble().is_some());
    assert_eq!(store.run(count).await.unwrap_err().code(), Code::Storage);
}

#[tokio::test]
async fn a_server_that_is_silent_is_a_trouble_long_before_a_statement_is_given_up() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    let store = way.store(&home);
    store.look_after().await.unwrap();
    let silence = way.passes.write().await;
    tokio::time::pause();
    let looked = timeout(SILENCE * 2, store.look_after()).await.expect("readiness waits for the statement");
    assert_eq!(looked.unwrap_err().code(), Code::Storage);
    tokio::time::resume();
    let trouble = store.trouble().unwrap();
    assert!(trouble.detail().contains("does not answer"), "{trouble:?}");
    let refused = store.take(Vec::new(), count).await.unwrap_err();
    assert_eq!(refused.advice(), trouble.advice());
    drop(silence);
    while store.look_after().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.trouble(), None);
}

#[tokio::test]
async fn no_advice_on_a_database_of_a_server_speaks_of_a_file() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    let store = way.store(&home);
    way.is_open.store(false, Ordering::SeqCst);
    home.cut();
    let refused = store.take(Vec::new(), count).await.unwrap_err();
    assert!(!refused.advice().contains("outbox.path"), "{}", refused.advice());
    assert!(refused.advice().contains("outbox.trouble"), "{}", refused.advice());
}

#[tokio::test]
async fn a_server_that_falls_silent_while_a_connection_is_set_up_is_given_up() {
    let Some(home) = Home::new() else { return };
    let way = Way::to(&home);
    let client = home.target(Some(way.port)).connect().await.unwrap();
    let _silence = way.passes.write().await;
    tokio::time::pause();
    let set_up = timeout(Duration::from_hours(1), session::set_up(&client)).await;
    assert_eq!(set_up.unwrap().unwrap_err().kind, session::Kind::Lost);
}
