//! The identities that are in memory, and those that are on the disk.

use super::*;
use crate::store::NewRow;

/// More than there are in memory.
const MANY: usize = 5_000;

fn of_identity(id: &str, identity: &str) -> NewRow {
    NewRow { identity: Some(name(identity)), line: None, ..new(id) }
}

async fn insert(store: &Store, numbers: std::ops::Range<usize>) {
    let rows: Vec<NewRow> =
        numbers.map(|number| of_identity(&format!("e{number:06}"), &number.to_string())).collect();
    store.run(move |tx| tx.insert(&rows)).await.unwrap();
}

async fn known(store: &Store, identity: &str) -> (String, Option<State>) {
    let identity = name(identity);
    let found = store.run(move |tx| tx.identity(&identity)).await.unwrap().unwrap();
    (found.entry, found.last_state)
}

async fn are_found(store: &Store, numbers: std::ops::Range<usize>) -> bool {
    let find = move |tx: &mut dyn Tx| {
        let is_found = |number: usize| {
            let found = tx.identity(&name(&number.to_string())).unwrap();
            found.is_some_and(|found| found.entry == format!("e{number:06}") && found.last_state.is_none())
        };
        Ok(numbers.clone().all(is_found))
    };
    store.run(find).await.unwrap()
}

#[tokio::test]
async fn no_identity_is_lost_with_the_memory_of_a_killed_process() {
    let home = Home::new();
    let store = home.open();
    insert(&store, 0..MANY).await;
    assert!(are_found(&store, 0..MANY).await);
    let killed = home.killed();
    let store = killed.open();
    assert!(are_found(&store, 0..MANY).await);
    // It goes on from there.
    insert(&store, MANY..2 * MANY).await;
    assert!(are_found(&killed.killed().open(), 0..2 * MANY).await);
}

#[tokio::test]
async fn the_memory_holds_the_identities_of_the_newest_entries_alone() {
    let home = Home::new();
    let sqlite = home.sqlite().unwrap();
    let store = Store(Arc::clone(&sqlite) as _);
    insert(&store, 0..MANY).await;
    let [memory, oldest] = on_connection(&sqlite, |session| {
        let identities = session.identities.borrow();
        Ok([identities.len(), identities.oldest().unwrap() as usize])
    })
    .await;
    let number = async |sql: &'static str| {
        let read = move |session: &Session| session.query_row(sql, (), |row| row.get::<_, i64>(0));
        on_connection(&sqlite, read).await as usize
    };
    let whole = number("SELECT value FROM meta WHERE name='identified'").await;
    assert!(oldest > MANY - 4_096 && whole == oldest - 1, "{oldest} {whole}");
    assert_eq!(memory + number("SELECT count(*) FROM identity").await, MANY);
}

#[tokio::test]
async fn an_identity_belongs_to_the_entry_that_came_last_wherever_it_is() {
    let home = Home::new();
    let store = home.open();
    let insert_one = async |id: &str| {
        let row = of_identity(id, "shared");
        store.run(move |tx| tx.insert(std::slice::from_ref(&row))).await.unwrap();
    };
    insert_one("first").await;
    insert(&store, 0..MANY).await;
    assert_eq!(known(&store, "shared").await, ("first".to_owned(), None), "on the disk");
    insert_one("second").await;
    insert_one("third").await;
    for store in [&store, &home.killed().open()] {
        assert_eq!(known(store, "shared").await, ("third".to_owned(), None), "in memory");
    }
    insert(&store, MANY..2 * MANY).await;
    assert_eq!(known(&store, "shared").await, ("third".to_owned(), None), "on the disk");
}

#[tokio::test]
async fn an_identity_remembers_how_its_entry_ended_wherever_it_is() {
    let home = Home::new();
    let store = home.open();
    insert(&store, 0..MANY).await;
    let ended = [0, 1, MANY - 1];
    for number in ended {
        let close = move |tx: &mut dyn Tx| {
            let row = tx.listed(Queue::Entries, &format!("e{number:06}"))?.unwrap();
            tx.close(Queue::Entries, row.seq, discarded(None), 30)
        };
        assert!(store.run(close).await.unwrap());
    }
    store.run(|tx| tx.forget(30, 9)).await.unwrap();
    for store in [&store, &home.killed().open()] {
        for number in ended {
            let id = format!("e{number:06}");
            assert_eq!(known(store, &number.to_string()).await, (id.clone(), Some(State::Discarded)));
            assert!(store.run(move |tx| tx.is_taken(&id)).await.unwrap());
        }
        assert!(are_found(store, 2..MANY - 1).await, "the others are there");
    }
    store.run(|tx| tx.forget(30, 10)).await.unwrap();
    for number in ended {
        assert_eq!(store.run(move |tx| tx.identity(&name(&number.to_string()))).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_identity_of_a_transaction_that_fails_is_none() {
    let home = Home::new();
    let store = home.open();
    insert(&store, 0..MANY).await;
    let fails = |tx: &mut dyn Tx| {
        let rows: Vec<NewRow> =
            (0..200).map(|number| of_identity(&format!("f{number}"), &format!("f{number}"))).collect();
        tx.insert(&rows)?;
        Err::<(), _>(Error::new(Code::IdempotencyConflict, "on purpose"))
    };
    assert!(store.run(fails).await.is_err());
    for store in [&store, &home.killed().open()] {
        assert!(are_found(store, 0..MANY).await, "those that it moved out of memory, too");
        assert_eq!(store.run(|tx| tx.identity(&name("f7"))).await.unwrap(), None);
    }
}

/// Pages that a commit of one entry writes into the log, on average, after thousands.
#[tokio::test]
async fn an_entry_costs_no_page_for_its_identity_or_its_place_in_the_queue() {
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
    assert!(pages < 9 * rows, "{pages} pages for {rows} rows");
}
