//! A copy of the rows knows every column that this backend has, and does not hide what the database lacks.

use std::collections::BTreeSet;

use super::*;
use crate::store::moving::tests::columns;
use crate::store::moving::{Condition, Mark, TABLES};
use crate::store::postgres::database::Server;
use crate::store::postgres::moving::{OWN, ServerSide};
use crate::store::{Database, OpenError as StoreError};

/// Numbers rows that their names tell apart.
const NUMBERS: &str = "meta.seq";

#[test]
fn every_column_moves_or_is_of_this_backend_alone() {
    let Some(home) = Home::new() else { return };
    drop(home.store());
    let find = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema=current_schema()";
    let rows = home.ask(async |client| client.query(find, &[]).await.unwrap());
    let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    let is_own = |column: &&String| OWN.iter().any(|table| column.split('.').next() == Some(table));
    let own: BTreeSet<&str> =
        found.iter().filter(is_own).filter_map(|column| column.split('.').next()).collect();
    assert_eq!(own, OWN.into(), "what a copy makes anew is dropped before");
    let mut known = columns();
    // It has a table of its own.
    assert!(known.remove("correlation.names"));
    known.insert(NUMBERS.to_owned());
    known.extend(found.iter().filter(is_own).cloned());
    assert_eq!(found, known, "a new column is named in store/moving/tables.rs");
    let find =
        "SELECT count(*) FROM pg_class WHERE relkind='S' AND relnamespace=current_schema()::regnamespace";
    let numbered = TABLES.iter().filter(|table| table.is_numbered()).count();
    // Those of `meta` and `gateway`, and the position.
    assert_eq!(home.number(find), i64::try_from(numbered).unwrap() + 3, "a new sequence is moved, too");
}

#[tokio::test]
async fn a_database_whose_commits_are_remembered_and_gone_is_neither_copied_nor_copied_to() {
    let Some(home) = Home::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gateway.state");
    let store = home.remembering(&file);
    store.run(count).await.unwrap();
    drop(store);
    home.sql("UPDATE writer SET commits=0");
    let from = connect::at(home.url(None).as_bytes()).unwrap();
    let own = Server(home.target(None).remembering(file));
    let same = own.likewise(home.url(None).as_bytes()).unwrap().unwrap();
    apart(|| {
        let mut side = same.hold().map_err(|error| error.to_string()).unwrap();
        let refused = side.begin().unwrap_err().to_string();
        assert!(refused.contains("lacks 1 commits"), "{refused}");
        let arriving = Mark { copy: 1, outbox: 1, is_arriving: true, other: "outbox.db".to_owned() };
        let refused = side.make(&arriving).unwrap_err().to_string();
        assert!(refused.contains("move the state files"), "its gateway would miss them: {refused}");
        drop(side);
        let mut side = from.hold().map_err(|error| error.to_string()).unwrap();
        assert!(side.begin().is_ok(), "another configuration remembers none");
    });
}

#[tokio::test]
async fn a_gateway_whose_connection_came_back_takes_nothing_once_its_database_is_out_of_use() {
    let Some(home) = Home::new() else { return };
    let store = home.store();
    store.run(count).await.unwrap();
    apart(|| {
        let refused = ServerSide::hold(&home.target(None)).err().unwrap();
        assert!(
            matches!(&refused, StoreError::InUse(what) if what.contains("stop all gateways")),
            "{refused}"
        );
    });
    home.sql("UPDATE mosip_gateway SET readable_by=9223372036854775807");
    home.cut();
    let refused = store.take(Vec::new(), count).await.unwrap_err();
    assert_eq!(refused.code(), Code::Storage);
    let trouble = store.trouble().unwrap();
    assert!(trouble.detail().contains("out of use"), "{trouble:?}");
    assert!(trouble.advice().contains("start the gateway again"), "nothing goes on by itself: {trouble:?}");
    assert_eq!(home.number("SELECT value FROM meta WHERE name='n'"), 1);
    let location = home.location();
    let looked = location.heads(4).unwrap_err();
    assert!(looked.stops_start && looked.what.contains("were moved to"), "doctor says so: {}", looked.what);
    drop(store);
    apart(|| {
        let mut side = location.hold().map_err(|error| error.to_string()).unwrap();
        assert!(matches!(side.condition().unwrap(), Condition::Out(_)));
        let second = location.hold().err().unwrap().to_string();
        assert!(second.contains("as its other side") && !second.contains("gateways"), "{second}");
    });
}
