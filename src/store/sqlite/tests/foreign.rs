//! A database of another program: read where it lies, whatever was left beside it, and refused where it is not the one that is meant.

use super::super::foreign::{Copy, Foreign, ForeignError, Pieces, Table};
use super::*;

const TABLE: Table = Table { name: "waiting", required: &["id", "number"], either: &["token", "event"] };
const MADE: &str =
    "CREATE TABLE waiting (id TEXT PRIMARY KEY, token TEXT UNIQUE NOT NULL, number TEXT) STRICT;
    INSERT INTO waiting (id, token, number) VALUES ('1', 't1', 'n1'), ('2', 't2', 'n2');";

/// A folder with the database that `sql` makes.
fn made(sql: &str) -> Home {
    let home = Home::new();
    home.sql(sql);
    home
}

fn copy_of(home: &Home) -> PathBuf {
    home.file(".import")
}

fn open(home: &Home) -> Result<Foreign, ForeignError> {
    Foreign::open(&home.file(""), &TABLE, &copy_of(home))
}

/// The ids in it.
fn read(foreign: &Foreign) -> Vec<String> {
    let rows = foreign.page(i64::MIN, 100).unwrap();
    rows.iter().map(|row| row.texts["id"].to_string()).collect()
}

fn names(home: &Home) -> Vec<String> {
    let files = fs::read_dir(home.0.path()).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn refused(home: &Home) -> String {
    let error = open(home).err().unwrap();
    error.to_string().strip_prefix(&format!("{}: ", home.file("").display())).unwrap().to_owned()
}

#[test]
fn rows_are_read_a_page_at_a_time_and_nothing_is_written() {
    let home = made(MADE);
    let before = (fs::read(home.file("")).unwrap(), names(&home));
    let foreign = open(&home).unwrap();
    let first = foreign.page(i64::MIN, 1).unwrap();
    let texts: Vec<_> = first[0].texts.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!((first.len(), texts), (1, vec![("id", "1"), ("number", "n1"), ("token", "t1")]));
    let second = foreign.page(first[0].number + 1, 9).unwrap();
    assert_eq!((second.len(), second[0].texts["id"].as_str()), (1, "2"));
    assert!(foreign.page(second[0].number + 1, 9).unwrap().is_empty());
    drop(foreign);
    assert_eq!((fs::read(home.file("")).unwrap(), names(&home)), before);
}

#[test]
fn a_database_that_writes_to_a_log_is_read_after_it_was_closed_and_after_its_program_was_killed() {
    let home = made(&format!("PRAGMA journal_mode=WAL; {MADE}"));
    assert_eq!(names(&home), ["outbox.db"], "it was closed");
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let foreign = open(&home).unwrap();
    assert_eq!(
        (read(&foreign), names(&home)),
        (vec!["1".to_owned(), "2".to_owned()], vec!["outbox.db".to_owned()])
    );
    drop(foreign);
    fs::set_permissions(home.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(names(&home), ["outbox.db"]);

    let writing = Connection::open(home.file("")).unwrap();
    writing.execute_batch("INSERT INTO waiting VALUES ('3', 't3', 'n3')").unwrap();
    let killed = home.killed();
    let before = (fs::read(killed.file("")).unwrap(), fs::read(killed.file("-wal")).unwrap(), names(&killed));
    let foreign = open(&killed).unwrap();
    assert_eq!(read(&foreign), ["1", "2", "3"], "what is in the log counts");
    let mode = fs::metadata(copy_of(&killed)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "the copy is its owner's alone");
    drop(foreign);
    assert_eq!(
        (fs::read(killed.file("")).unwrap(), fs::read(killed.file("-wal")).unwrap(), names(&killed)),
        before,
        "and is gone"
    );
}

#[test]
fn half_a_transaction_of_a_killed_program_does_not_count() {
    let home = made(MADE);
    let dying = Connection::open(home.file("")).unwrap();
    dying
        .execute_batch("PRAGMA cache_size=1; BEGIN; DELETE FROM waiting; CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(100000))")
        .unwrap();
    let killed = home.killed();
    assert!(fs::metadata(killed.file("-journal")).unwrap().len() > 0);
    assert_eq!(read(&open(&killed).unwrap()), ["1", "2"]);
    assert!(fs::metadata(killed.file("-journal")).unwrap().len() > 0, "its own program undoes it");
}

#[test]
fn the_first_and_the_last_number_that_a_row_can_have_are_read() {
    let home = made(MADE);
    let numbers = [i64::MIN, 1, 2, i64::MAX];
    for number in [numbers[0], numbers[3]] {
        home.sql(&format!(
            "INSERT INTO waiting (rowid, id, token) VALUES ({number}, 'id {number}', 'of {number}')"
        ));
    }
    let rows = open(&home).unwrap().page(i64::MIN, 9).unwrap();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), numbers);
}

#[test]
fn what_is_no_text_or_too_long_is_not_there() {
    let home = made(
        "CREATE TABLE waiting (id, number, event);
        INSERT INTO waiting VALUES (7, 'n', NULL), ('2', x'00ff', 'e'), ('3', CAST(x'ff' AS TEXT), 'e'), \
        (printf('%.*c', 65537, 'x'), printf('%.*c', 65536, 'x'), 1.5);",
    );
    let rows = open(&home).unwrap().page(i64::MIN, 9).unwrap();
    let there: Vec<Vec<_>> = rows.iter().map(|row| row.texts.keys().copied().collect()).collect();
    assert_eq!(there, [vec!["number"], vec!["event", "id"], vec!["event", "id"], vec!["number"]]);
}

#[test]
fn an_empty_file() {
    let home = Home::new();
    fs::write(home.file(""), "").unwrap();
    assert_eq!(refused(&home), "the file is empty");
}

#[test]
fn a_file_that_is_no_database() {
    let home = Home::new();
    fs::write(home.file(""), "trackingId,registrationNumber\n".repeat(100)).unwrap();
    assert_eq!(refused(&home), "this is no database of SQLite");
}

#[test]
fn a_file_that_is_missing_a_folder_or_a_pipe() {
    let home = Home::new();
    assert_eq!(refused(&home), "cannot be read (no such file or folder)");
    fs::create_dir(home.file("")).unwrap();
    assert_eq!(refused(&home), "cannot be read (this is no regular file)");
    assert!(open(&home).err().unwrap().is_of_machine());
}

#[test]
fn a_file_larger_than_is_read() {
    let home = made(MADE);
    fs::OpenOptions::new().write(true).open(home.file("")).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(refused(&home), "the database has more than 1024 MiB");
}

/// A database with a log beside it.
fn with_log() -> (Home, Connection) {
    let home = made(&format!("PRAGMA journal_mode=WAL; {MADE}"));
    let writing = Connection::open(home.file("")).unwrap();
    writing.execute_batch("INSERT INTO waiting VALUES ('3', 't3', 'n3')").unwrap();
    (home, writing)
}

#[test]
fn a_log_larger_than_is_copied() {
    let (home, _writing) = with_log();
    fs::OpenOptions::new().write(true).open(home.file("-wal")).unwrap().set_len(1 << 30).unwrap();
    assert_eq!(refused(&home), "the database has more than 1024 MiB");
}

/// The rows of the log would be in neither part of the copy.
#[test]
fn a_log_that_is_worked_in_while_it_is_copied() {
    let (home, writing) = with_log();
    let before = Pieces::look(&home.file(""), "-wal").unwrap();
    writing.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let error = Copy::of(&home.file(""), &before, &copy_of(&home)).err().unwrap();
    assert!(matches!(error, ForeignError::Changed(_)) && error.is_of_machine(), "{error}");
    assert!(!copy_of(&home).exists(), "nothing is left behind");
}

#[test]
fn two_imports_at_once_do_not_take_each_others_copy() {
    let (home, _writing) = with_log();
    let first = open(&home).unwrap();
    assert_eq!(refused(&home), "another import reads a copy in the same folder");
    assert_eq!(read(&first), ["1", "2", "3"]);
    drop(first);
    assert_eq!(read(&open(&home).unwrap()), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_outbox_of_ours() {
    let home = Home::new();
    drop(home.open());
    assert_eq!(refused(&home), "this is the outbox of a gateway");
    let running = Home::new();
    let _store = running.open();
    assert_eq!(refused(&running), "this is the outbox of a gateway", "one that runs, too");
}

#[test]
fn a_table_or_a_column_that_is_missing() {
    for (sql, what) in [
        ("CREATE TABLE other (id)", "table waiting"),
        ("CREATE VIEW waiting AS SELECT 1 AS id, 2 AS number, 3 AS token", "table waiting"),
        ("CREATE TABLE waiting (id, token)", "column number in its table waiting"),
        ("CREATE TABLE waiting (number, token)", "column id in its table waiting"),
        ("CREATE TABLE waiting (id, number)", "column token or event in its table waiting"),
    ] {
        let error = refused(&made(sql));
        assert_eq!(error, format!("the database has no {what}"));
        assert!(!open(&made(sql)).err().unwrap().is_of_machine());
    }
}

#[test]
fn a_database_that_was_cut_off() {
    let home = made(&format!("{MADE} CREATE TABLE t (b); INSERT INTO t VALUES (zeroblob(100000));"));
    let file = fs::OpenOptions::new().write(true).open(home.file("")).unwrap();
    file.set_len(4096).unwrap();
    let said = match open(&home) {
        Ok(foreign) => foreign.page(i64::MIN, 9).err().unwrap().to_string(),
        Err(error) => error.to_string(),
    };
    assert!(said.contains("the database cannot be read ("), "{said}");
}

#[test]
fn a_database_that_another_program_writes_to_now() {
    let home = made(MADE);
    let holding = Connection::open(home.file("")).unwrap();
    holding.execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    let error = open(&home).err().unwrap();
    assert!(matches!(error, ForeignError::Held(_)) && error.is_of_machine(), "{error}");
}
