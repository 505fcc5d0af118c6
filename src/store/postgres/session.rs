//! A connection to the server: statements, each prepared once, and what a refusal means.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

use super::clock;
use super::connect::Target;
use super::schema;
use crate::error::{Code, Error, Result};
use crate::store::Millis;

/// How long a statement may take, with what it waits for.
const STATEMENT: Duration = Duration::from_secs(60);
/// What each connection says first. A gateway that is stopped or cut off must not keep the others from their work, so the server ends its
/// transaction: where it says nothing more, which each of its connections may in its turn; where it does not take an answer, or its machine is
/// gone (over TCP); where it is gone while it waits for a lock, which servers elsewhere do not notice; and where a statement takes longer than
/// it waits for one, which no commit counts as. And a commit counts once it is on the disk.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout='2500ms'; SET tcp_user_timeout='10s';
    SET tcp_keepalives_idle='10s'; SET tcp_keepalives_interval='5s'; SET tcp_keepalives_count=3; SET statement_timeout='50s';
    SELECT set_config('client_connection_check_interval', '5s', false) WHERE version() ~* 'linux|bsd|darwin';
    SET client_min_messages='warning';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Values of a statement.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// What became of a statement that the server did not carry out.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) error: Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another transaction was in the way: run again, it may succeed.
    Again,
    /// There is no connection any more. Whether a commit under way counts is not known.
    Lost,
    /// The server takes no writes.
    Unwritable,
    /// Another session holds what this one waits for no longer.
    Held,
    /// The database is not this gateway's to work on, as the words of the failure say.
    Closed,
    /// This statement is refused, and would be again.
    Refused,
}

/// One connection, and the runtime that it waits on.
pub(super) struct Session {
    /// `None` only while being dropped.
    runtime: Option<Runtime>,
    client: Client,
    statements: BTreeMap<String, Statement>,
    /// The first failure of the transaction.
    failure: Option<Failure>,
    /// Whether the transaction has changed anything.
    has_written: bool,
    /// The outbox's clock, as the transaction found it.
    clock: Option<Millis>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Session {
    pub(super) fn open(target: &Target) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| lost(error.to_string()))?;
        let connected = runtime.block_on(async {
            let client = timeout(STATEMENT, target.connect()).await;
            let client = client.map_err(|_| silent())?.map_err(|error| refused(&error, true))?;
            set_up(&client).await?;
            Ok(client)
        });
        let session = |client| Self {
            runtime: None,
            client,
            statements: BTreeMap::new(),
            failure: None,
            has_written: false,
            clock: None,
        };
        let mut session = connected.map(session)?;
        session.runtime = Some(runtime);
        Ok(session)
    }

    /// Whether the connection is still there, as far as is known without asking.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Carries out statements that take no values and answer nothing.
    pub(super) fn execute(&mut self, sql: &str) -> Result<()> {
        let Self { runtime, client, .. } = self;
        let outcome = wait(runtime.as_ref(), client.batch_execute(sql));
        self.note(outcome)
    }

    /// The rows that a statement answers with.
    pub(super) fn rows(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let outcome = self.ask(sql, values);
        self.note(outcome)
    }

    /// Carries out a statement that changes rows; how many.
    pub(super) fn run(&mut self, sql: &str, values: Values<'_>) -> Result<usize> {
        let outcome = self
            .prepared(sql)
            .and_then(|statement| wait(self.runtime.as_ref(), self.client.execute(&statement, values)));
        let changed = self.note(outcome)?;
        self.has_written |= changed > 0;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    /// The rows that a statement changed and answers with.
    pub(super) fn change(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let rows = self.rows(sql, values)?;
        self.has_written |= !rows.is_empty();
        Ok(rows)
    }

    /// A transaction begins. What `statements` answer as `clock` is its time; one that a newer gateway does not let us run is refused.
    pub(super) fn begin(&mut self, statements: &str) -> Result<()> {
        (self.failure, self.has_written, self.clock) = (None, false, None);
        let Self { runtime, client, .. } = self;
        let outcome = wait(runtime.as_ref(), client.simple_query(statements));
        let answers = self.note(outcome)?;
        let number = |name| {
            answers.iter().find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.try_get(name).ok().flatten()?.parse().ok(),
                _ => None,
            })
        };
        self.clock = number("clock");
        match number("readable_by").map_or(Ok(()), schema::check_readable) {
            Ok(()) => Ok(()),
            Err(what) => self.note(Err(Failure { kind: Kind::Closed, error: unwritable(&what) })),
        }
    }

    /// The outbox's clock.
    pub(super) fn clock(&mut self) -> Result<Millis> {
        if let Some(clock) = self.clock {
            return Ok(clock);
        }
        let rows = self.rows(clock::READ, &[])?;
        let clock = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
        self.clock = Some(clock);
        Ok(clock)
    }

    pub(super) fn has_written(&self) -> bool {
        self.has_written
    }

    /// What went wrong since the last call, if anything did.
    pub(super) fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    fn ask(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.prepared(sql)?;
        wait(self.runtime.as_ref(), self.client.query(&statement, values))
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = wait(self.runtime.as_ref(), self.client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn note<T>(&mut self, outcome: Result<T, Failure>) -> Result<T> {
        outcome.map_err(|failure| {
            let error = failure.error.clone();
            self.failure.get_or_insert(failure);
            error
        })
    }
}

/// Has a new connection work as ours do.
pub(super) async fn set_up(client: &Client) -> Result<(), Failure> {
    let answer = timeout(STATEMENT, client.batch_execute(SETTINGS)).await;
    answer.map_err(|_| silent())?.map_err(|error| refused(&error, true))
}

fn wait<T>(
    runtime: Option<&Runtime>,
    answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
) -> Result<T, Failure> {
    let runtime = runtime.ok_or_else(|| lost("the connection is closed"))?;
    match runtime.block_on(async { timeout(STATEMENT, answer).await }) {
        Ok(answer) => answer.map_err(|error| refused(&error, false)),
        Err(_) => Err(silent()),
    }
}

fn silent() -> Failure {
    lost("it does not answer")
}

/// The connection is lost because of `why`.
pub(super) fn lost(why: impl AsRef<str>) -> Failure {
    let why = format!("the database cannot be reached: {}", why.as_ref());
    Failure { kind: Kind::Lost, error: unwritable(&why) }
}

fn unwritable(what: &str) -> Error {
    Error::new(Code::Storage, "the outbox cannot be written").for_operator(what)
}

/// What `error` means. PostgreSQL's message names tables and constraints, and never a value of a row.
fn refused(error: &tokio_postgres::Error, is_connecting: bool) -> Failure {
    let Some(said) = error.as_db_error() else {
        if error.is_closed()
            || is_connecting
            || error.source().is_some_and(|cause| cause.is::<std::io::Error>())
        {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            return lost(cause);
        }
        let error = Error::new(Code::Bug, "the outbox refuses a statement").for_operator(error.to_string());
        return Failure { kind: Kind::Refused, error };
    };
    let (code, message) = (said.code(), said.message());
    if is_connecting {
        return lost(format!("{message} ({})", code.code()));
    }
    let class = code.code().get(..2).unwrap_or_default();
    match code {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => {
            Failure { kind: Kind::Again, error: unwritable(message) }
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Failure {
            kind: Kind::Unwritable,
            error: unwritable("the database takes no writes: it is a standby, or set to read only"),
        },
        // No other lock is waited for so shortly.
        &SqlState::LOCK_NOT_AVAILABLE => Failure {
            kind: Kind::Held,
            error: unwritable(
                "its tables are to be brought up to date, and another program holds one of them, such as a dump; wait for its end, or end it",
            ),
        },
        &SqlState::DISK_FULL => {
            Failure { kind: Kind::Unwritable, error: unwritable("the disk of the database is full") }
        }
        _ if matches!(class, "08" | "57") || code == &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            lost(message)
        }
        _ if matches!(class, "28" | "53" | "58" | "XX") || code == &SqlState::INSUFFICIENT_PRIVILEGE => {
            let what = format!("the database refuses: {message}");
            Failure { kind: Kind::Unwritable, error: unwritable(&what) }
        }
        _ => {
            let what = format!("{message} ({})", code.code());
            let error = Error::new(Code::Bug, "the outbox refuses a statement").for_operator(what);
            Failure { kind: Kind::Refused, error }
        }
    }
}

/// A column of a row that does not hold what it should.
impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::new(Code::Bug, "a row of the outbox is not as it should be").for_operator(error.to_string())
    }
}
