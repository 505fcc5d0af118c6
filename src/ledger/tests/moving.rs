//! What moves to another database opens there under the same keys.

use super::*;
use crate::store::Location;

#[tokio::test]
async fn a_database_moves_with_every_key_of_its_rows_or_not_at_all() {
    let home = Home::new();
    drop(home.in_file());
    let (key, key_file) = (home.key(), home.settings().key_file);
    let (from, there) = (home.settings().location, home.dir.path().join("there.db"));
    let to = Location::in_file(there.clone());
    home.write_keys(&[&other_key()]);
    let refused = copy(&from, &to, &key_file).unwrap_err().to_string();
    assert!(refused.contains("does not hold key") && refused.contains("outbox.key"), "{refused}");
    assert!(!there.exists());

    home.write_keys(&[&other_key(), &key]);
    let moved = copy(&from, &to, &key_file).unwrap();
    let tables = moved.tables.unwrap();
    assert!(tables.iter().any(|(table, rows)| *table == "meta" && *rows > 0), "its own key: {tables:?}");
    let former = Ledger::open(home.settings(), Home::QUARANTINE, home.clock.clone()).err().unwrap();
    assert!(former.to_string().contains("were moved to"), "{former}");
    let again = copy(&from, &to, &key_file).unwrap();
    assert!(again.tables.is_none(), "it was moved before");
    home.write_keys(&[&key]);
    let settings = Outbox { location: to, ..home.settings() };
    let opened = Ledger::open(settings, Home::QUARANTINE, home.clock.clone());
    assert!(opened.is_ok_and(|ledger| ledger.is_writable()));
}
