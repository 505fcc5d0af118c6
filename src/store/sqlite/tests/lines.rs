//! The lines that are in memory, and those that are on the disk.

use super::*;
use crate::store::NewRow;
use crate::store::conformance::{done, of_line};

/// More than there are in memory.
const MANY: usize = 5_000;

async fn insert(store: &Store, numbers: std::ops::Range<usize>) {
    let of = |number: usize| NewRow {
        destination: "elsewhere".to_owned(),
        ..of_line(&format!("e{number:06}"), &format!("line {number}"))
    };
    let rows: Vec<NewRow> = numbers.map(of).collect();
    store.run(move |tx| tx.insert(&rows)).await.unwrap();
}

async fn insert_one(store: &Store, id: &'static str) {
    store.run(move |tx| tx.insert(&[of_line(id, "shared")])).await.unwrap();
}

/// The entries of the shared line that may go, which are settled then.
async fn settle_shared(store: &Store) -> Vec<String> {
    let leased = lease_at(store, 10, 9).await;
    for row in &leased {
        settle(store, row, done()).await;
    }
    leased.into_iter().map(|row| row.id.clone()).collect()
}

async fn in_memory_and_on_disk(sqlite: &Sqlite) -> [usize; 2] {
    let count = |session: &Session| {
        let disk: i64 = session.query_row("SELECT count(*) FROM entry_line", (), |row| row.get(0))?;
        Ok([session.lines.borrow().len(), disk as usize])
    };
    on_connection(sqlite, count).await
}

#[tokio::test]
async fn one_of_a_line_goes_at_a_time_wherever_the_others_are() {
    let home = Home::new();
    let store = home.open();
    insert_one(&store, "a").await;
    insert_one(&store, "b").await;
    insert(&store, 0..MANY).await;
    insert_one(&store, "c").await;
    assert_eq!(settle_shared(&store).await, ["a"], "on the disk");
    drop(store);
    let store = home.open();
    insert_one(&store, "d").await;
    for id in ["b", "c", "d"] {
        assert_eq!(settle_shared(&store).await, [id]);
    }
    insert_one(&store, "e").await;
    assert_eq!(settle_shared(&store).await, ["e"], "what is settled holds nothing back");
}

#[tokio::test]
async fn no_index_keeps_what_is_settled() {
    let home = Home::new();
    insert(&home.open(), 0..MANY).await;
    // A start finds some of the newest on the disk.
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    assert_eq!(in_memory_and_on_disk(&sqlite).await.iter().sum::<usize>(), MANY);
    insert(&store, MANY..MANY + 1_000).await;
    let [memory, disk] = in_memory_and_on_disk(&sqlite).await;
    assert!(memory + disk == MANY + 1_000 && memory < 4_096 && disk > 1_000, "{memory} {disk}");
    let settle_all = |tx: &mut dyn Tx| {
        for seq in 1..=(MANY + 1_000) as i64 {
            assert!(tx.close(Queue::Entries, seq, discarded(None), 30)?);
        }
        Ok(())
    };
    store.run(settle_all).await.unwrap();
    assert_eq!(in_memory_and_on_disk(&sqlite).await, [0, 0]);
}

#[tokio::test]
async fn lines_of_an_older_version_are_kept() {
    let home = Home::new();
    fs::write(home.key_file(), KEY).unwrap();
    let connection = Connection::open(home.file("")).unwrap();
    super::super::schema::migrate_to(&connection, 0, 12).unwrap();
    connection
        .execute_batch(
            "INSERT INTO meta (name, sealed) VALUES ('owner', CAST('the key of the rows' AS BLOB));
             INSERT INTO entry (id, destination, kind, line, state, accepted_at, waiting_since, next_at, held, position) VALUES
               ('a', 'mediator', 'birth', 'shared', 'queued', 0, 0, 0, 0, 1), ('b', 'mediator', 'birth', 'shared', 'queued', 0, 0, 0, 1, 2);",
        )
        .unwrap();
    drop(connection);
    let store = home.open();
    insert_one(&store, "c").await;
    for id in ["a", "b", "c"] {
        assert_eq!(settle_shared(&store).await, [id]);
    }
}

/// Pages that a commit of one entry writes into the log, on average, after thousands.
#[tokio::test]
async fn an_entry_costs_no_page_for_its_line() {
    let home = Home::new();
    let store = home.open();
    insert(&store, 0..MANY).await;
    store.overwrite().await.unwrap();
    let rows = 90;
    for number in MANY..MANY + rows {
        insert(&store, number..number + 1).await;
    }
    let frame = 4_096 + 24;
    let pages = fs::metadata(home.file("-wal")).unwrap().len() as usize / frame;
    assert!(pages < 8 * rows, "{pages} pages for {rows} rows");
}
