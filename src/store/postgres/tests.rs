mod acknowledged;
mod beside;
mod clock;
mod gateways;
mod lost;
mod moving;
mod newer;
mod opening;
mod rotation;
mod stopped;
mod target;
mod tls;

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::crypto::secret;
use crate::error::{Code, Error};
use crate::store::conformance::{self, new};
use crate::store::{Closing, Filter, Location, OwnerError, Queue, State, Store, Tx};

/// Names the server that tests use: the URL of a database in which they may make schemas, and of a user who may make databases.
const SERVER: &str = "MOSIP_GATEWAY_TEST_POSTGRES";

conformance::suite!({
    let Some(home) = Home::new() else { return };
    (home.store(), home)
});

/// The steps of this program, and one of the next, which adds what this one can ignore: columns wherever it stores something, and a table.
const LATER: [&str; 2] = [
    schema::MIGRATIONS[0],
    r#"DO $$ DECLARE place TEXT; BEGIN
         FOR place IN SELECT tablename FROM pg_tables WHERE schemaname=current_schema() AND tablename<>'mosip_gateway' LOOP
           EXECUTE format('ALTER TABLE %I ADD COLUMN later TEXT NOT NULL DEFAULT ''unknown'', ADD COLUMN latest BYTEA', place);
         END LOOP;
       END $$;
       CREATE TABLE later (entry BIGINT NOT NULL REFERENCES entry ON DELETE CASCADE, what TEXT NOT NULL);
       CREATE INDEX entry_by_later ON entry (later)"#,
];

/// A schema of the server for one test, dropped at its end.
pub(in crate::store) struct Home {
    url: String,
    schema: String,
}

impl Home {
    /// `None`, with a word, where no server is named.
    pub(in crate::store) fn new() -> Option<Self> {
        let Ok(url) = std::env::var(SERVER) else {
            eprintln!("skipped: {SERVER} names no PostgreSQL");
            return None;
        };
        let schema = format!("test_{:032x}", u128::from_be_bytes(secret::random()));
        let home = Self { url, schema };
        home.sql(&format!("CREATE SCHEMA {}", home.schema));
        Some(home)
    }

    /// The URL of the schema, through `port` of this machine if there is one.
    fn url(&self, port: Option<u16>) -> String {
        let url = match (port, self.url.split_once('@')) {
            (Some(port), Some((user, rest))) => {
                let database = rest.split_once('/').map_or("", |(_, database)| database);
                format!("{user}@127.0.0.1:{port}/{database}")
            }
            _ => self.url.clone(),
        };
        let mark = if url.contains('?') { '&' } else { '?' };
        format!("{url}{mark}options=-c%20search_path={0}&application_name={0}", self.schema)
    }

    /// As a configuration names it.
    pub(in crate::store) fn location(&self) -> Location {
        connect::at(self.url(None).as_bytes()).unwrap()
    }

    fn target(&self, port: Option<u16>) -> Target {
        connect::parse(self.url(port).as_bytes(), None, None).map_err(|(name, _)| name).unwrap()
    }

    /// Has the gateway remember its commits in `file`, too.
    fn remembering(&self, file: &std::path::Path) -> Store {
        let target = self.target(None).remembering(file.to_owned());
        let opened = Postgres::open(target, Arc::new(Nobody));
        Store::new(opened.map_err(|error| format!("{error:?}")).unwrap())
    }

    fn postgres(&self) -> std::result::Result<Postgres, OpenError> {
        Postgres::open(self.target(None), Arc::new(Nobody))
    }

    fn store(&self) -> Store {
        Store::new(self.postgres().map_err(|error| format!("{error:?}")).unwrap())
    }

    /// That of a build of this program whose tables are one step newer.
    fn newer(&self) -> Store {
        let mut site = Site::new(self.target(None), Arc::new(Nobody));
        site.migrations = &LATER;
        Store::new(Postgres::at(site).map_err(|error| format!("{error:?}")).unwrap())
    }

    fn refused(&self) -> String {
        match self.postgres().err().unwrap() {
            OpenError::Refused(what) => what,
            OpenError::Failed(failure) => panic!("{failure:?}"),
        }
    }

    /// Has the server carry out statements in the schema.
    fn sql(&self, sql: &str) {
        self.ask(async |client| client.batch_execute(sql).await.unwrap());
    }

    fn number(&self, sql: &str) -> i64 {
        self.ask(async |client| client.query_one(sql, &[]).await.unwrap().get(0))
    }

    fn ask<T: Send>(&self, ask: impl AsyncFnOnce(Client) -> T + Send) -> T {
        apart(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut config: tokio_postgres::Config = self.url.parse().unwrap();
                config.options(format!("-c search_path={}", self.schema));
                let (client, connection) = config.connect(NoTls).await.unwrap();
                tokio::spawn(async { drop(connection.await) });
                ask(client).await
            })
        })
    }

    /// Ends every connection of the gateways of this test.
    fn cut(&self) {
        self.sql(&format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name='{}'",
            self.schema
        ));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.sql(&format!("DROP SCHEMA {} CASCADE", self.schema));
        }
    }
}

/// A database for one test, dropped at its end: locks and extensions are those of a whole database.
struct Apart {
    inside: ManuallyDrop<Home>,
    outside: Home,
}

impl Apart {
    /// With the `options` of `CREATE DATABASE`; `None`, with a word, where no server is named.
    fn new(options: &str) -> Option<Self> {
        let outside = Home::new()?;
        let name = &outside.schema;
        outside.sql(&format!("CREATE DATABASE {name} {options} TEMPLATE template0"));
        let mut url = outside.url.clone();
        let from = url.rfind('/').unwrap();
        let until = url[from..].find('?').map_or(url.len(), |at| from + at);
        url.replace_range(from + 1..until, name);
        let inside = ManuallyDrop::new(Home { url, schema: "public".to_owned() });
        Some(Self { inside, outside })
    }
}

impl Deref for Apart {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.inside
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.outside.sql(&format!("DROP DATABASE {} WITH (FORCE)", self.outside.schema));
        }
    }
}

/// An owner whose rows nothing seals.
struct Nobody;

impl Owner for Nobody {
    fn prepare(&self) -> std::result::Result<(), OwnerError> {
        Err(OwnerError::Refused("no key is made for a database that several gateways share".to_owned()))
    }

    fn opened(&self, tx: &mut dyn Tx, voids_leases: bool) -> std::result::Result<(), OwnerError> {
        assert!(!voids_leases, "others may hold rows");
        if tx.sealed("owner")?.is_none() {
            tx.set_sealed("owner", b"nobody")?;
        }
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        None
    }
}

fn count(tx: &mut dyn Tx) -> Result<()> {
    let number = tx.number("n")?.unwrap_or(0);
    tx.set_number("n", number + 1)
}

#[tokio::test]
async fn jobs_of_two_gateways_see_what_the_other_has_written() {
    let Some(home) = Home::new() else { return };
    let (one, other) = (home.store(), home.store());
    let alone = (0..20).map(|number| if number % 2 == 0 { one.run(count) } else { other.run(count) });
    assert!(join_all(alone).await.iter().all(Result::is_ok));
    let locked = |number: i64| vec![format!("lock {}", number % 3), "all".to_owned()];
    let stores = [&one, &other].into_iter().cycle();
    let both = stores.zip(0..20).map(|(store, number)| store.take(locked(number), count));
    assert!(join_all(both).await.iter().all(Result::is_ok));
    assert_eq!(other.run(|tx| tx.number("n")).await.unwrap(), Some(40));
}

#[tokio::test]
async fn a_job_that_fails_is_undone_alone_in_its_group() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    let jobs = (0..40).map(|number| {
        store.take(vec![format!("{number}")], move |tx| {
            tx.insert(&[new(&format!("{number:02}"))])?;
            if number % 2 == 0 { Ok(()) } else { Err(Error::new(Code::IdempotencyConflict, "on purpose")) }
        })
    });
    let outcomes = join_all(jobs).await;
    assert!(outcomes.iter().step_by(2).all(Result::is_ok), "{outcomes:?}");
    assert!(outcomes.iter().skip(1).step_by(2).all(Result::is_err), "{outcomes:?}");
    let rows = store.run(|tx| tx.rows(Queue::Entries, &Filter::default(), 0, 99)).await.unwrap();
    assert_eq!(rows.len(), 20);
}

#[tokio::test]
async fn a_text_with_a_nul_costs_no_decision() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    let close = store.run(|tx| {
        tx.insert(&[new("a")])?;
        let seq = tx.row(Queue::Entries, "a")?.map_or(0, |row| row.seq);
        let closing = Closing { state: State::Discarded, reason: Some("no\0t so"), result: None };
        tx.close(Queue::Entries, seq, closing, 1)?;
        tx.row(Queue::Entries, "a")
    });
    assert_eq!(close.await.unwrap().unwrap().reason.as_deref(), Some("no\u{FFFD}t so"));
}
