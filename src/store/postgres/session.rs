//! A connection to the server: statements, each prepared once, and what a refusal means.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join, join_all};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::clock;
use super::connect::Target;
use super::encoded::encode;
use super::locks;
use super::schema;
use crate::error::{Code, Error, Result};
use crate::store::{Millis, has_changed};

/// Statements that may wait for the next one.
const MOST_LATER: usize = 16;
/// How long a statement may take, with what it waits for.
const STATEMENT: Duration = Duration::from_secs(60);
/// What each connection says first. A gateway that is stopped or cut off must not keep the others from their work, so the server ends its
/// transaction: where it says nothing more, which each of its connections may in its turn; where it does not take an answer, or its machine is
/// gone (over TCP); where it is gone while it waits for a lock, which servers elsewhere do not notice; and where a statement takes longer than
/// it waits for one, which no commit counts as. And a commit counts once it is on the disk. No statement is compiled: of tables that were not
/// analysed yet the server takes the shortest ones for long, and would compile them for 15 ms in each transaction.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout='2500ms'; SET tcp_user_timeout='10s';
    SET tcp_keepalives_idle='10s'; SET tcp_keepalives_interval='5s'; SET tcp_keepalives_count=3; SET statement_timeout='50s';
    SELECT set_config('client_connection_check_interval', '5s', false) WHERE version() ~* 'linux|bsd|darwin';
    SET client_min_messages='warning'; SET jit='off';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Values of a statement.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// A statement with its values that is still to be sent, and how many rows it changes.
type Later = BoxFuture<'static, std::result::Result<u64, tokio_postgres::Error>>;

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
    client: Arc<Client>,
    statements: BTreeMap<String, Statement>,
    /// Statements of the transaction that go with the next one, in order.
    later: Vec<Later>,
    /// The first failure of the transaction.
    failure: Option<Failure>,
    /// Whether the transaction may change nothing.
    reads: bool,
    /// Whether it has changed anything.
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
            client: Arc::new(client),
            statements: BTreeMap::new(),
            later: Vec::new(),
            failure: None,
            reads: false,
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
        let client = Arc::clone(&self.client);
        let outcome = self.wait(client.batch_execute(sql));
        self.note(outcome)
    }

    /// Carries out a statement whose answer nobody needs before the next one has been sent, and with it. What went wrong is said there, or by
    /// [`Self::catch_up`].
    pub(super) fn later(&mut self, sql: &str, values: Values<'_>) -> Result<()> {
        let is_ready = if self.later.len() < MOST_LATER { Ok(()) } else { self.catch_up() };
        let later = is_ready.and_then(|()| {
            let statement = self.prepared(sql);
            let encoded = statement.and_then(|statement| Ok((encode(&statement, values)?, statement)));
            self.note(encoded)
        });
        let (values, statement) = later?;
        let client = Arc::clone(&self.client);
        self.later.push(async move { client.execute_raw(&statement, values).await }.boxed());
        Ok(())
    }

    /// Waits for what was to go with the next statement.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        if self.later.is_empty() {
            return Ok(());
        }
        let outcome = self.wait(std::future::ready(Ok(())));
        self.note(outcome)
    }

    /// Nothing of that is carried out: the transaction is undone.
    pub(super) fn drop_later(&mut self) {
        self.later.clear();
    }

    /// The rows that a statement answers with.
    pub(super) fn rows(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
        let outcome = self.ask(sql, values);
        self.note(outcome)
    }

    /// Carries out a statement that changes rows; how many.
    pub(super) fn run(&mut self, sql: &str, values: Values<'_>) -> Result<usize> {
        let client = Arc::clone(&self.client);
        let outcome = self.prepared(sql).and_then(|statement| self.wait(client.execute(&statement, values)));
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

    /// A transaction begins.
    pub(super) fn begin(&mut self, statements: &str) -> Result<()> {
        self.reset(false);
        self.execute(statements)
    }

    /// A transaction of jobs begins, at the time of the outbox's clock. Where a newer gateway does not let this one work, it is refused.
    pub(super) fn begin_jobs(&mut self, statements: &str) -> Result<()> {
        let time = self.prepared(clock::READ);
        let time = self.note(time)?;
        self.reset(statements.starts_with(locks::READS));
        let client = Arc::clone(&self.client);
        let both = join(client.batch_execute(statements), client.query(&time, &[]));
        let outcome = self.wait(both.map(|(begun, rows)| begun.and(rows)));
        let rows = self.note(outcome)?;
        let number = |at: usize| rows.first().map(|row| row.try_get::<_, i64>(at)).transpose();
        self.clock = number(0)?;
        match number(1)?.map_or(Ok(()), schema::check_readable) {
            Ok(()) => Ok(()),
            Err(what) => self.note(Err(Failure { kind: Kind::Closed, error: unwritable(&what) })),
        }
    }

    fn reset(&mut self, reads: bool) {
        self.drop_later();
        (self.failure, self.has_written, self.clock, self.reads) = (None, false, None, reads);
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
        let (client, statement) = (Arc::clone(&self.client), self.prepared(sql)?);
        self.wait(client.query(&statement, values))
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let client = Arc::clone(&self.client);
        let statement = self.wait(client.prepare(sql))?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for `answer`, behind what was to go with it.
    fn wait<T>(
        &mut self,
        answer: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let runtime = self.runtime.as_ref().ok_or_else(|| lost("the connection is closed"))?;
        // All are sent before the first is answered, in this order.
        let all = join(join_all(self.later.drain(..)), answer);
        let (later, answer) =
            runtime.block_on(async { timeout(STATEMENT, all).await }).map_err(|_| silent())?;
        let reads = self.reads;
        let refused = |error: tokio_postgres::Error| match error.code() {
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) if reads => {
                Failure { kind: Kind::Refused, error: has_changed() }
            }
            _ => refused(&error, false),
        };
        for changed in later {
            self.has_written |= changed.map_err(refused)? > 0;
        }
        answer.map_err(refused)
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
