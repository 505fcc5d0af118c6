//! A database on a server as one side of a copy. It is written in one transaction.

use std::sync::Arc;

use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::ToSql;

use super::connect::Target;
use super::open::{self, OpenError, Place};
use super::session::{Kind as FailureKind, Session};
use super::site::Site;
use super::{acknowledged, clock, schema};
use crate::error::Error;
use crate::store::moving::{
    BYTES, CAME, Column, Condition, Counters, Kind, MARK, Mark, NAME, OUTBOX, ROWS, Side, TABLES, Table,
    Value, Values,
};
use crate::store::{self, Owner, OwnerError, Tx};

/// How long a gateway that has just ended is waited for.
const PATIENCE: &str = "5s";
/// The tables that are of this backend alone, and that which says how much is kept of each kind of push.
pub(super) const OWN: [&str; 6] =
    [schema::MARK, "clock", "gateway", "writer", "push_size", "correlation_name"];

/// The database, which no gateway works on and none opens.
pub(super) struct ServerSide {
    session: Session,
    site: Site,
    name: String,
}

/// Nobody's rows are read here.
struct NoOwner;

impl Owner for NoOwner {
    fn prepare(&self) -> Result<(), OwnerError> {
        Ok(())
    }

    fn opened(&self, _: &mut dyn Tx, _: bool) -> Result<(), OwnerError> {
        Ok(())
    }

    fn missing(&self) -> Option<&'static str> {
        None
    }
}

impl ServerSide {
    pub(super) fn hold(target: &Target) -> Result<Self, store::OpenError> {
        let site = Site::new(target.clone(), Arc::new(NoOwner));
        let session = Session::open(target).map_err(|failure| words(target.name(), &failure.error))?;
        let mut side = Self { session, site, name: target.name() };
        let checked = open::check_server(&mut side.session, &side.site);
        checked.map_err(|error| side.unusable(error))?;
        let schema = side.number("SELECT current_schema()::regnamespace::oid::bigint")?;
        side.name =
            format!("{}, schema {}", target.address_of_all(), side.text("SELECT current_schema()::text")?);
        // A copy takes as long as it takes, also between its statements.
        side.execute(&format!(
            "SET idle_in_transaction_session_timeout=0; SET statement_timeout=0; SET lock_timeout='{PATIENCE}'"
        ))?;
        let alone = format!("SELECT pg_advisory_lock({}, {schema}::oid::int)", schema::USED);
        match side.session.execute(&alone) {
            Ok(()) => {}
            Err(error) => match side.session.take_failure() {
                Some(failure) if failure.kind == FailureKind::Held => return Err(side.in_use()),
                Some(failure) => return Err(words(side.name, &failure.error)),
                None => return Err(words(side.name, &error)),
            },
        }
        side.execute("SET lock_timeout=0")?;
        Ok(side)
    }

    /// What holds it: another copy or the other side of this one, or gateways, of which those are named that said last that they run.
    fn in_use(&mut self) -> store::OpenError {
        let name = self.name.clone();
        let copies = format!(
            "SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND classid={} AND objid=current_schema()::regnamespace::oid \
             AND database=(SELECT oid FROM pg_database WHERE datname=current_database()) AND granted AND mode='ExclusiveLock'",
            schema::USED
        );
        if self.number(&copies).is_ok_and(|copies| copies > 0) {
            return store::OpenError::InUse(format!(
                "{name}: `outbox copy` has it open, another one, or this one as its other side; let that end, or name another database"
            ));
        }
        let hosts = self.text("SELECT string_agg(DISTINCT host, ', ') FROM gateway WHERE seen_at>(SELECT max(seen_at) FROM gateway)-30000").unwrap_or_default();
        let hosts = if hosts.is_empty() { String::new() } else { format!(" (on {hosts})") };
        store::OpenError::InUse(format!(
            "{name}: a gateway or another command has it open{hosts}; stop all gateways of this database"
        ))
    }

    fn unusable(&self, error: OpenError) -> store::OpenError {
        match error {
            OpenError::Refused(what) => store::OpenError::Refused(what),
            OpenError::Failed(failure) => words(self.name.clone(), &failure.error),
        }
    }

    fn failed(&mut self, error: Error) -> store::OpenError {
        let error = self.session.take_failure().map_or(error, |failure| failure.error);
        words(self.name.clone(), &error)
    }

    fn refused<T>(&self, what: &str) -> Result<T, store::OpenError> {
        Err(store::OpenError::Refused(format!("{}: {what}", self.name)))
    }

    fn execute(&mut self, sql: &str) -> Result<(), store::OpenError> {
        self.session.execute(sql).map_err(|error| self.failed(error))
    }

    fn begin_with(&mut self, sql: &str) -> Result<(), store::OpenError> {
        self.session.begin(sql).map_err(|error| self.failed(error))
    }

    fn ask(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<SqlRow>, store::OpenError> {
        self.session.rows(sql, values).map_err(|error| self.failed(error))
    }

    fn run(&mut self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), store::OpenError> {
        self.session.run(sql, values).map(drop).map_err(|error| self.failed(error))
    }

    /// The number that `sql` answers with; 0: it answers with none.
    fn number(&mut self, sql: &str) -> Result<i64, store::OpenError> {
        let rows = self.ask(sql, &[])?;
        let number = rows.first().map(|row| row.try_get::<_, Option<i64>>(0)).transpose();
        number.map(|number| number.flatten().unwrap_or_default()).map_err(|error| self.failed(error.into()))
    }

    fn text(&mut self, sql: &str) -> Result<String, store::OpenError> {
        let rows = self.ask(sql, &[])?;
        let text = rows.first().map(|row| row.try_get::<_, Option<String>>(0)).transpose();
        text.map(|text| text.flatten().unwrap_or_default()).map_err(|error| self.failed(error.into()))
    }

    /// Writes why it is out of use, as part of the transaction.
    fn put_out_of_use(&mut self, mark: &Mark) -> Result<(), store::OpenError> {
        let readable_by = format!("SELECT readable_by FROM {}", schema::MARK);
        let readable_by = self.number(&readable_by)?;
        self.execute(&format!("UPDATE {} SET readable_by={}", schema::MARK, schema::OUT_OF_USE))?;
        let insert = "INSERT INTO meta (name, value, sealed) VALUES ($1, $2, $3)
            ON CONFLICT (name) DO UPDATE SET value=$2, sealed=$3";
        self.run(insert, &[&MARK, &readable_by, &mark.to_bytes()])
    }

    fn write_names(&mut self, table: &Table, rows: &[Values]) -> Result<(), store::OpenError> {
        let Some(at) = table.columns.iter().position(|column| column.kind == Kind::Names) else {
            return Ok(());
        };
        let (mut hashes, mut seqs): (Vec<&[u8]>, Vec<i64>) = Default::default();
        for row in rows {
            if let (Some(Value::Number(seq)), Some(Value::Bytes(names))) = (row.first(), row.get(at)) {
                hashes.extend(names.chunks(NAME));
                seqs.resize(hashes.len(), *seq);
            }
        }
        let insert = "INSERT INTO correlation_name (hash, correlation) SELECT * FROM unnest($1::bytea[], $2::bigint[])";
        self.run(insert, &[&hashes, &seqs])
    }
}

impl Side for ServerSide {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn condition(&mut self) -> Result<Condition, store::OpenError> {
        let place = open::found(&mut self.session, &self.site).map_err(|error| self.unusable(error))?;
        match place {
            Place::Empty => Ok(Condition::Nothing),
            Place::Ours { version, .. } if version > schema::newest() => {
                self.refused("the outbox was written by a newer gateway; run the command of that one")
            }
            Place::OutOfUse(mark) => Ok(Condition::Out(mark)),
            Place::Ours { version, .. } if version < schema::newest() => self.refused(
                "the tables are those of an older gateway; start the gateway of this version over them once, and stop it",
            ),
            Place::Ours { .. } => {
                let mut number = |name: &str| {
                    let rows = self.ask("SELECT value FROM meta WHERE name=$1", &[&name])?;
                    let number = rows.first().map(|row| row.try_get::<_, Option<i64>>(0)).transpose();
                    number.map(Option::flatten).map_err(|error| self.failed(error.into()))
                };
                Ok(Condition::Usable { came_by: number(CAME)?, outbox: number(OUTBOX)? })
            }
        }
    }

    fn number(&mut self, outbox: i64) -> Result<(), store::OpenError> {
        self.run("INSERT INTO meta (name, value) VALUES ($1, $2)", &[&OUTBOX, &outbox])
    }

    fn begin(&mut self) -> Result<(), store::OpenError> {
        let known = self.site.acknowledged.all();
        let found = acknowledged::found(&mut self.session, &known).map_err(|error| self.failed(error))?;
        let missing: u64 = acknowledged::missing(&known, &found).values().sum();
        if missing > 0 {
            return self.refused(&format!(
                "it lacks {missing} commits that outbox.state_file remembers as acknowledged, and a copy would hide that; see \"Commits that are lost\" in docs/operator.md, and copy then"
            ));
        }
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ")
    }

    fn rows(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Values>, store::OpenError> {
        let (name, key) = (table.name, table.key_names());
        let columns: Vec<String> = table.columns.iter().map(selected).collect();
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let (columns, names) = (columns.join(", "), names.join(", "));
        let sizes: String = table
            .columns
            .iter()
            .filter(|column| column.kind == Kind::Bytes)
            .map(|column| format!("+coalesce(octet_length({}), 0)::bigint", column.name))
            .collect();
        let behind = after.map_or_else(String::new, |after| {
            let values: Vec<String> = (1..=after.len()).map(|number| format!("${number}")).collect();
            format!("WHERE ({key}) > ({})", values.join(", "))
        });
        let find = format!(
            "SELECT {names} FROM (SELECT *, sum(of_row) OVER (ORDER BY {key})-of_row AS before FROM \
             (SELECT {columns}, 0{sizes} AS of_row FROM {name} {behind} ORDER BY {key} LIMIT {ROWS}) AS few) AS summed \
             WHERE before<{BYTES} ORDER BY {key}"
        );
        let after: Vec<&(dyn ToSql + Sync)> = after.unwrap_or_default().iter().map(parameter).collect();
        let rows = self.ask(&find, &after)?;
        let read = rows.iter().map(|row| read(table, row)).collect::<Result<Vec<_>, _>>();
        read.map_err(|error| self.failed(error.into()))
    }

    fn counters(&mut self) -> Result<Counters, store::OpenError> {
        let clock = self.number(clock::READ)?;
        let last = |of: &str| format!("SELECT pg_sequence_last_value({of}::regclass)");
        let position = self.number(&last("'position'"))?;
        let numbered = TABLES.iter().filter(|table| table.is_numbered());
        let last = numbered.map(|table| self.number(&last(&sequence_of(table))));
        Ok(Counters { clock, position, last: last.collect::<Result<_, _>>()? })
    }

    fn retire(&mut self, mark: &Mark) -> Result<(), store::OpenError> {
        self.put_out_of_use(mark)?;
        self.execute("COMMIT")
    }

    fn make(&mut self, mark: &Mark) -> Result<(), store::OpenError> {
        if self.site.acknowledged.all().iter().any(|(_, commits)| *commits > 0) {
            return self.refused(
                "outbox.state_file remembers commits of another database, or of a former one, and a gateway would miss them here; move the state files of all gateways away, and run the same command again",
            );
        }
        self.begin_with("BEGIN")?;
        let tables: Vec<&str> = OWN.into_iter().chain(TABLES.iter().map(|table| table.name)).collect();
        self.execute(&format!(
            "DROP TABLE IF EXISTS {}; DROP SEQUENCE IF EXISTS position",
            tables.join(", ")
        ))?;
        for migration in schema::MIGRATIONS {
            self.execute(migration)?;
        }
        self.execute(&format!("UPDATE {} SET version={}", schema::MARK, schema::newest()))?;
        self.put_out_of_use(mark)
    }

    fn write(&mut self, table: &Table, rows: &[Values]) -> Result<(), store::OpenError> {
        let columns: Vec<(usize, &Column)> =
            table.columns.iter().enumerate().filter(|(_, column)| column.kind != Kind::Names).collect();
        let names: Vec<&str> = columns.iter().map(|(_, column)| column.name).collect();
        let arrays: Vec<String> = columns
            .iter()
            .zip(1..)
            .map(|((_, column), number)| format!("${number}::{}[]", type_of(column.kind)))
            .collect();
        let insert = format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
            table.name,
            names.join(", "),
            arrays.join(", ")
        );
        let values: Vec<Box<dyn ToSql + Sync + '_>> =
            columns.iter().map(|(at, column)| values_of(column.kind, *at, rows)).collect();
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|values| &**values as _).collect();
        self.run(&insert, &values)?;
        self.write_names(table, rows)
    }

    fn written(&mut self, counters: &Counters) -> Result<(), store::OpenError> {
        let Counters { clock, position, last } = counters;
        self.execute(&format!("UPDATE clock SET value={clock}, at=clock_timestamp()"))?;
        let set =
            |sequence: &str, last: i64| format!("SELECT setval({sequence}, {}, {})", last.max(1), last > 0);
        self.execute(&set("'position'", *position))?;
        for (table, last) in TABLES.iter().filter(|table| table.is_numbered()).zip(last) {
            self.execute(&set(&sequence_of(table), *last))?;
        }
        self.execute("INSERT INTO push_size (kind, pushes, bytes) SELECT kind, count(*), sum(bytes) FROM push GROUP BY kind")
    }

    fn keep(&mut self) -> Result<(), store::OpenError> {
        self.execute("COMMIT")
    }

    fn open_up(&mut self) -> Result<(), store::OpenError> {
        let Condition::Out(mark) = self.condition()? else { return Ok(()) };
        self.begin_with("BEGIN")?;
        let of_before = format!("(SELECT value FROM meta WHERE name='{MARK}')");
        self.execute(&format!("UPDATE {} SET readable_by={of_before}", schema::MARK))?;
        self.run("DELETE FROM meta WHERE name=$1", &[&MARK])?;
        let insert =
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value=$2";
        self.run(insert, &[&CAME, &mark.copy])?;
        self.execute("COMMIT")
    }
}

/// The server's words, and what to do.
fn words(name: String, error: &Error) -> store::OpenError {
    let what = error.operator_detail().unwrap_or_else(|| error.detail());
    store::OpenError::Refused(format!(
        "{name}: {what}; mend the way to the database, or the database, and run the same command again"
    ))
}

/// The name of the sequence that numbers the rows of `table`, as an expression.
fn sequence_of(table: &Table) -> String {
    format!("pg_get_serial_sequence('{}', 'seq')", table.name)
}

fn selected(Column { name, kind }: &Column) -> String {
    match kind {
        Kind::Names => format!(
            "coalesce((SELECT string_agg(hash, ''::bytea ORDER BY hash) FROM correlation_name WHERE correlation=seq), ''::bytea) AS {name}"
        ),
        _ => (*name).to_owned(),
    }
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "bigint",
        Kind::Flag => "boolean",
        Kind::Text => "text",
        Kind::Bytes | Kind::Names => "bytea",
    }
}

fn parameter(value: &Value) -> &(dyn ToSql + Sync) {
    match value {
        Value::Null => &None::<i64>,
        Value::Number(number) => number,
        Value::Text(text) => text,
        Value::Bytes(bytes) => bytes,
    }
}

/// The column at `at` of all rows, as an array.
fn values_of(kind: Kind, at: usize, rows: &[Values]) -> Box<dyn ToSql + Sync + '_> {
    let number = |row: &Values| match row.get(at) {
        Some(Value::Number(number)) => Some(*number),
        _ => None,
    };
    match kind {
        Kind::Number => Box::new(rows.iter().map(number).collect::<Vec<_>>()),
        Kind::Flag => Box::new(rows.iter().map(|row| number(row).map(|flag| flag != 0)).collect::<Vec<_>>()),
        Kind::Text => Box::new(rows.iter().map(|row| text(row, at)).collect::<Vec<_>>()),
        Kind::Bytes | Kind::Names => Box::new(rows.iter().map(|row| bytes(row, at)).collect::<Vec<_>>()),
    }
}

fn text(row: &Values, at: usize) -> Option<&str> {
    match row.get(at) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn bytes(row: &Values, at: usize) -> Option<&[u8]> {
    match row.get(at) {
        Some(Value::Bytes(bytes)) => Some(bytes),
        _ => None,
    }
}

fn read(table: &Table, row: &SqlRow) -> Result<Values, tokio_postgres::Error> {
    let value = |(at, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Number => row.try_get::<_, Option<i64>>(at)?.map(Value::Number),
            Kind::Flag => row.try_get::<_, Option<bool>>(at)?.map(|flag| Value::Number(flag.into())),
            Kind::Text => row.try_get::<_, Option<String>>(at)?.map(Value::Text),
            Kind::Bytes | Kind::Names => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Value::Bytes),
        }
        .unwrap_or(Value::Null))
    };
    table.columns.iter().enumerate().map(value).collect()
}
