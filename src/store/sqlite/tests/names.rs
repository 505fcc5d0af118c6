//! The names that are in memory, and those that are on the disk.

use super::*;
use crate::store::CorrelationRow;
use crate::store::sqlite::desk::Link;
use crate::store::sqlite::{open, schema};

/// More than there are in memory.
const MANY: usize = 5_000;

fn correlation(number: usize) -> (CorrelationRow, Vec<Vec<u8>>) {
    let row = CorrelationRow { entry: format!("e{number}"), subject: vec![0x5b; 300], seen_at: 10 };
    (row, ["brn", "tracking", "event", "composition"].map(|of| name(&format!("{of} {number}"))).to_vec())
}

async fn correlate(store: &Store, numbers: std::ops::Range<usize>) {
    let correlate = move |tx: &mut dyn Tx| {
        numbers.clone().map(correlation).try_for_each(|(row, names)| tx.correlate(&row, &names))
    };
    store.run(correlate).await.unwrap();
}

fn is_found(tx: &mut dyn Tx, number: usize) -> bool {
    let (row, names) = correlation(number);
    let of_entry = tx.correlation(&row.entry).unwrap();
    names.iter().all(|name| tx.named(name, 9).unwrap() == [row.clone()]) && of_entry == Some(row)
}

async fn number_of(sqlite: &Sqlite, sql: &'static str) -> i64 {
    on_connection(sqlite, move |connection| connection.query_row(sql, (), |row| row.get(0))).await
}

/// How many names there are in either.
async fn in_memory_and_on_disk(sqlite: &Sqlite) -> [usize; 2] {
    let disk = number_of(sqlite, "SELECT count(*) FROM correlation_name").await;
    [on_connection(sqlite, |session| Ok(session.recent.borrow().len())).await, disk as usize]
}

#[tokio::test]
async fn no_name_is_lost_with_the_memory_of_a_killed_process() {
    let home = Home::new();
    let store = home.open();
    correlate(&store, 0..MANY).await;
    // Names that join a row whose others are on the disk, and one whose others are in memory.
    for number in [0, MANY - 1] {
        let (row, _) = correlation(number);
        store.run(move |tx| tx.correlate(&row, &[name("joins later")])).await.unwrap();
    }
    let killed = home.killed();
    let store = killed.open();
    store
        .run(|tx| {
            assert!((0..MANY).all(|number| is_found(tx, number)));
            assert_eq!(tx.named(&name("joins later"), 9)?.len(), 2);
            Ok(())
        })
        .await
        .unwrap();
    // It goes on from there.
    correlate(&store, MANY..2 * MANY).await;
    let store = killed.killed().open();
    store
        .run(|tx| {
            assert!((0..2 * MANY).all(|number| is_found(tx, number)));
            Ok(())
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn the_memory_holds_the_names_of_the_newest_rows_alone() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    correlate(&store, 0..MANY).await;
    let oldest = on_connection(&sqlite, |session| Ok(session.recent.borrow().oldest().unwrap())).await;
    let whole = number_of(&sqlite, "SELECT value FROM meta WHERE name='named'").await;
    assert!(oldest > MANY as i64 - 4_096 && whole < oldest && whole > 0, "{oldest} {whole}");
    // Of each row its names and its entry.
    let [memory, disk] = in_memory_and_on_disk(&sqlite).await;
    assert_eq!(memory + disk, 5 * MANY);
    for _ in 0..=MANY / 1_000 {
        store.run(|tx| tx.forget(0, 10)).await.unwrap();
    }
    assert_eq!(in_memory_and_on_disk(&sqlite).await, [0, 0]);
}

#[tokio::test]
async fn names_are_found_while_nothing_can_be_written() {
    let home = Home::new();
    let store = home.open();
    correlate(&store, 0..MANY).await;
    drop(store);
    let reading = open::for_reading(&Site::new(home.file(""), home.owner())).unwrap();
    let Link::Reading(session) = reading else { panic!("it cannot be read") };
    assert!((0..MANY).all(|number| is_found(&mut super::super::tx::Transaction::new(&session), number)));
    assert!(session.execute("DELETE FROM correlation", ()).is_err());
}

#[tokio::test]
async fn names_of_an_older_version_are_found_and_forgotten_with_their_rows() {
    let home = Home::new();
    fs::write(home.key_file(), KEY).unwrap();
    let connection = Connection::open(home.file("")).unwrap();
    schema::migrate_to(&connection, 0, 8).unwrap();
    let owner = "INSERT INTO meta (name, sealed) VALUES ('owner', CAST('the key of the rows' AS BLOB))";
    connection.execute(owner, ()).unwrap();
    for number in 0..20 {
        let (row, names) = correlation(number);
        let insert = "INSERT INTO correlation (entry, made_at, subject) VALUES (?1, ?2, ?3)";
        connection.execute(insert, (&row.entry, row.seen_at, &row.subject)).unwrap();
        for name in names.into_iter().chain([name("shared")]) {
            let insert = "INSERT INTO correlation_name (hash, entry) VALUES (?1, ?2)";
            connection.execute(insert, (name, &row.entry)).unwrap();
        }
    }
    drop(connection);
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    store
        .run(|tx| {
            assert!((0..20).all(|number| is_found(tx, number)));
            let shared = tx.named(&name("shared"), 99)?;
            assert_eq!(shared, (0..20).map(|number| correlation(number).0).collect::<Vec<_>>());
            Ok(())
        })
        .await
        .unwrap();
    store.run(|tx| tx.forget(0, 10)).await.unwrap();
    assert_eq!(number_of(&sqlite, "SELECT count(*) FROM correlation_name").await, 0);
}

/// Pages that a commit of one row writes into the log, on average, after thousands.
#[tokio::test]
async fn a_row_does_not_cost_a_page_for_each_of_its_names() {
    let home = Home::new();
    let store = home.open();
    correlate(&store, 0..3 * MANY).await;
    store.overwrite().await.unwrap();
    let rows = 90;
    for number in 0..rows {
        correlate(&store, 3 * MANY + number..3 * MANY + number + 1).await;
    }
    let frame = 4_096 + 24;
    let pages = fs::metadata(home.file("-wal")).unwrap().len() as usize / frame;
    assert!(pages < 7 * rows, "{pages} pages for {rows} rows");
}
