//! A file as one side of a copy. It is written under another name, and is in its place once it is whole.

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql, params, params_from_iter};

use super::files::Files;
use super::log::Log;
use super::{HELD, OpenError, identities, lines, make, names, open, schema};
use crate::place::{self, beside};
use crate::store::moving::{
    BYTES, CAME, Condition, Counters, Kind, MARK, Mark, OUTBOX, ROWS, Side, TABLES, Table, Value, Values,
};
use crate::store::{self, Seq};

/// Pages that SQLite keeps in memory while it writes the index of names, which lie anywhere in it: 64 MiB.
const CACHE_KIB: i64 = -(64 << 10);

/// Behind the name of a file that is being written. No person gives a file of theirs this name, which would be overwritten.
pub(super) const UNFINISHED: &str = ".unfinished-copy";

/// Why a database is out of use, if it is.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<Option<Mark>> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != i64::from(schema::OUT_OF_USE) {
        return Ok(None);
    }
    let find = "SELECT sealed FROM meta WHERE name=?1";
    let kept: Option<Vec<u8>> = connection.query_row(find, [MARK], |row| row.get(0)).optional()?;
    Ok(Some(Mark::of(&kept.unwrap_or_default())))
}

/// The file, locked as a gateway locks it.
pub(super) struct FileSide {
    /// Closed before the locks go.
    connection: Option<Connection>,
    /// Written, and not in its place yet.
    unfinished: Option<PathBuf>,
    path: PathBuf,
    files: Files,
}

impl Drop for FileSide {
    fn drop(&mut self) {
        self.connection = None;
        if let Some(unfinished) = &self.unfinished {
            // It takes room, and a later attempt makes it again.
            let _ = std::fs::remove_file(unfinished);
        }
    }
}

impl FileSide {
    pub(super) fn hold(named: &Path) -> Result<Self, store::OpenError> {
        let path = place::resolved(named);
        open::check_regular(&path)?;
        let mut files = Files::default();
        files.take(&path).map_err(|error| match error {
            OpenError::InUse(_) => store::OpenError::InUse(format!(
                "{}: a gateway or another command has it open; stop it, or let it end",
                path.display()
            )),
            error => error.into(),
        })?;
        let mut side = Self { connection: None, unfinished: None, path, files };
        if make::is_missing(&side.path)? {
            return Ok(side);
        }
        let log = Log::read(&side.path).map_err(|error| OpenError::of_io(&side.path, error))?;
        let connection = side.connect()?;
        // What is refused stays as it is.
        let kept = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        kept.map_err(|error| side.failed(&error))?;
        if mark(&connection).map_err(|error| side.failed(&error))?.is_none() {
            side.check(&connection, &log)?;
        }
        side.files.keep_lock();
        side.connection = Some(connection);
        Ok(side)
    }

    fn check(&self, connection: &Connection, log: &Log) -> Result<(), store::OpenError> {
        let version = open::version(connection, &self.path)?;
        let refused = |what: String| Err(store::OpenError::Refused(format!("{}: {what}", self.name())));
        if version != schema::newest() {
            return refused(format!(
                "version {version} of the outbox is an older one (this program knows {}); start the gateway of this version over it once, and stop it",
                schema::newest()
            ));
        }
        match log.loss(connection).map_err(|error| self.failed(&error))? {
            Some(what) => refused(format!(
                "its log is damaged ({what}), and a copy would hide that; start the gateway over it once, do what its log says, and stop it"
            )),
            None => Ok(()),
        }
    }

    fn connect(&self) -> Result<Connection, store::OpenError> {
        open::connect(&self.path).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> store::OpenError {
        open::refused(self.unfinished.as_deref().unwrap_or(&self.path), error).into()
    }

    fn on<T>(&self, run: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, store::OpenError> {
        let run = self.connection.as_ref().map_or(Err(rusqlite::Error::InvalidQuery), run);
        run.map_err(|error| self.failed(&error))
    }

    /// Closes the connection; nothing of what was committed is in a log any more.
    fn close(&mut self) -> Result<(), store::OpenError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let closed = connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
            .and_then(|_| connection.pragma_update(None, "journal_mode", "DELETE"))
            .and_then(|()| connection.close().map_err(|(_, error)| error));
        closed.map_err(|error| self.failed(&error))?;
        match std::fs::metadata(beside(&self.path, "-wal")).is_ok_and(|log| log.len() > 0) {
            true => {
                Err(store::OpenError::Refused(format!("{}: {HELD}; let it finish, or stop it", self.name())))
            }
            false => Ok(()),
        }
    }
}

impl Side for FileSide {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn condition(&mut self) -> Result<Condition, store::OpenError> {
        if self.connection.is_none() {
            return Ok(Condition::Nothing);
        }
        self.on(|connection| {
            if let Some(mark) = mark(connection)? {
                return Ok(Condition::Out(mark));
            }
            let find = "SELECT value FROM meta WHERE name=?1";
            let number = |name| connection.query_row(find, [name], |row| row.get(0)).optional();
            Ok(Condition::Usable { came_by: number(CAME)?, outbox: number(OUTBOX)? })
        })
    }

    fn number(&mut self, outbox: i64) -> Result<(), store::OpenError> {
        self.on(|connection| {
            let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
            connection.execute(insert, params![OUTBOX, outbox]).map(drop)
        })
    }

    fn begin(&mut self) -> Result<(), store::OpenError> {
        self.on(|connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            identities::index(connection)
        })
    }

    fn rows(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Values>, store::OpenError> {
        let key = table.key_names();
        let behind = after.map_or_else(String::new, |after| {
            format!(" WHERE ({key}) > ({})", vec!["?"; after.len()].join(", "))
        });
        let (name, columns) = (table.name, names_of(table));
        self.on(|connection| {
            let select = format!("SELECT {columns} FROM {name}{behind} ORDER BY {key}");
            let mut select = connection.prepare_cached(&select)?;
            let mut rows = select.query(params_from_iter(after.unwrap_or_default()))?;
            let (mut found, mut size) = (Vec::new(), 0);
            while found.len() < ROWS && size < BYTES {
                let Some(row) = rows.next()? else { break };
                let mut values = Values::new();
                for at in 0..table.columns.len() {
                    let value = value(row.get_ref(at)?)
                        .ok_or_else(|| rusqlite::Error::InvalidColumnName(format!("a value of {name}")))?;
                    if let Value::Bytes(bytes) = &value {
                        size += bytes.len();
                    }
                    values.push(value);
                }
                found.push(values);
            }
            Ok(found)
        })
    }

    fn counters(&mut self) -> Result<Counters, store::OpenError> {
        self.on(|connection| {
            let number = |name: &str| {
                let find = "SELECT value FROM meta WHERE name=?1";
                let number: Option<Option<i64>> =
                    connection.query_row(find, [name], |row| row.get(0)).optional()?;
                Ok::<_, rusqlite::Error>(number.flatten().unwrap_or_default())
            };
            let last = |table: &Table| {
                let find = "SELECT seq FROM sqlite_sequence WHERE name=?1";
                let last: Option<Seq> =
                    connection.query_row(find, [table.name], |row| row.get(0)).optional()?;
                Ok::<_, rusqlite::Error>(last.unwrap_or_default())
            };
            let numbered = TABLES.iter().filter(|table| table.is_numbered());
            Ok(Counters {
                clock: number("uptime")?,
                position: number("position")?,
                last: numbered.map(last).collect::<rusqlite::Result<_>>()?,
            })
        })
    }

    fn retire(&mut self, mark: &Mark) -> Result<(), store::OpenError> {
        self.on(|connection| {
            let insert = "INSERT OR REPLACE INTO meta (name, sealed) VALUES (?1, ?2)";
            connection.execute(insert, params![MARK, mark.to_bytes()])?;
            connection.pragma_update(None, "application_id", schema::OUT_OF_USE)?;
            connection.execute_batch("COMMIT")
        })?;
        // It is out of use, wherever that stands.
        let _ = self.close();
        self.connection = Some(self.connect()?);
        Ok(())
    }

    fn make(&mut self, mark: &Mark) -> Result<(), store::OpenError> {
        self.close()?;
        let unfinished = beside(&self.path, UNFINISHED);
        make::remove(&beside(&unfinished, "-journal"))?;
        place::private(&unfinished).map_err(|error| OpenError::of_io(&unfinished, error))?;
        self.unfinished = Some(unfinished.clone());
        let connection = open::connect(&unfinished).map_err(|error| self.failed(&error))?;
        self.connection = Some(connection);
        self.on(|connection| {
            // Until it is whole and on the disk, it is nothing that a journal would have to bring back.
            connection.pragma_update(None, "journal_mode", "OFF")?;
            connection.pragma_update(None, "synchronous", "OFF")?;
            connection.pragma_update(None, "cache_size", CACHE_KIB)?;
            connection.execute_batch("BEGIN")?;
            schema::migrate(connection, 0)?;
            connection.pragma_update(None, "application_id", schema::OUT_OF_USE)?;
            connection.execute("DELETE FROM meta", ())?;
            let insert = "INSERT INTO meta (name, sealed) VALUES (?1, ?2)";
            connection.execute(insert, params![MARK, mark.to_bytes()]).map(drop)
        })
    }

    fn write(&mut self, table: &Table, rows: &[Values]) -> Result<(), store::OpenError> {
        let values = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES ({values})", table.name, names_of(table));
        let at = |name| table.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
        let has_names = table.columns.iter().any(|column| column.kind == Kind::Names);
        let (entry, names) = (at("entry"), at("names"));
        self.on(|connection| {
            let mut insert = connection.prepare_cached(&insert)?;
            for row in rows {
                insert.execute(params_from_iter(row))?;
                if has_names
                    && let (Some(Value::Number(seq)), Some(Value::Text(entry)), Some(Value::Bytes(names))) =
                        (row.first(), row.get(entry), row.get(names))
                {
                    names::index_row(connection, *seq, entry, names)?;
                }
            }
            Ok(())
        })
    }

    fn written(&mut self, counters: &Counters) -> Result<(), store::OpenError> {
        let Counters { clock, position, last } = counters;
        self.on(|connection| {
            let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
            connection.execute(insert, params!["uptime", clock])?;
            connection.execute(insert, params!["position", position])?;
            identities::list(connection)?;
            lines::index(connection)?;
            // Nothing of what is there is in memory alone.
            for (whole, table) in [("named", "correlation"), ("identified", "entry"), ("lined", "entry")] {
                let newest = format!(
                    "INSERT INTO meta (name, value) SELECT '{whole}', coalesce(max(seq), 0) FROM {table}"
                );
                connection.execute(&newest, ())?;
            }
            for (table, last) in TABLES.iter().filter(|table| table.is_numbered()).zip(last) {
                connection.execute("DELETE FROM sqlite_sequence WHERE name=?1", [table.name])?;
                let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
                connection.execute(insert, params![table.name, last])?;
            }
            connection.execute_batch("COMMIT")
        })?;
        let connection = self.connection.take();
        let closed = connection.map_or(Ok(()), |connection| connection.close().map_err(|(_, error)| error));
        closed.map_err(|error| self.failed(&error))?;
        let unfinished = self.unfinished.clone().unwrap_or_default();
        let synced = std::fs::File::open(&unfinished).and_then(|file| file.sync_all());
        synced.map_err(|error| OpenError::of_io(&unfinished, error))?;
        self.connection = Some(open::connect(&unfinished).map_err(|error| self.failed(&error))?);
        Ok(())
    }

    fn keep(&mut self) -> Result<(), store::OpenError> {
        let Some(unfinished) = self.unfinished.clone() else { return Ok(()) };
        self.connection = None;
        // What is there has no log any more, or it would have been refused.
        for suffix in ["-journal", "-wal", "-shm"] {
            make::remove(&beside(&self.path, suffix))?;
        }
        self.files.release_database();
        let is_there = std::fs::metadata(&self.path).is_ok_and(|file| file.len() > 0);
        let named = match is_there {
            true => std::fs::rename(&unfinished, &self.path).and_then(|()| place::sync_folder(&self.path)),
            false => place::name(&unfinished, &self.path),
        };
        named.map_err(|error| OpenError::of_io(&self.path, error))?;
        self.unfinished = None;
        self.files.keep_lock();
        self.files.take_database(&self.path)?;
        self.connection = Some(self.connect()?);
        Ok(())
    }

    fn open_up(&mut self) -> Result<(), store::OpenError> {
        self.on(|connection| {
            connection.execute_batch("BEGIN IMMEDIATE")?;
            let copy = mark(connection)?.map(|mark| mark.copy);
            connection.execute("DELETE FROM meta WHERE name=?1", [MARK])?;
            let insert = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
            connection.execute(insert, params![CAME, copy])?;
            connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
            connection.execute_batch("COMMIT")
        })
    }
}

fn names_of(table: &Table) -> String {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    names.join(", ")
}

/// `None`: no outbox holds such a value.
fn value(value: ValueRef<'_>) -> Option<Value> {
    Some(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Number(number),
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).ok()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
        ValueRef::Real(_) => return None,
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}
