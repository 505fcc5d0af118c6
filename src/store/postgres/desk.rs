//! What a thread of the store works with: its connection, or none while the server does not answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;

use super::acknowledged;
use super::clock;
use super::locks;
use super::open::{self, OpenError};
use super::schema;
use super::session::{Failure, Kind, Session};
use super::site::Site;
use super::tx::Transaction;
use crate::clock::to_millis;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::store::group::{self, Waiting};
use crate::store::{Beside, Trouble};

/// How often a group runs that others are in the way of, or whose connection is lost.
const RUNS: u32 = 4;
/// How old what is known of the size of the database may be.
const SIZE: Duration = Duration::from_secs(60);

/// One connection, and the number of the commits that were made over it and over those before it.
pub(super) struct Desk {
    site: Arc<Site>,
    session: Option<Session>,
    /// Names the row that counts the commits of this desk.
    writer: String,
    commits: i64,
    sized: Option<Instant>,
}

impl group::Desk for Desk {
    /// What changes rows shares one commit. What only reads has a transaction of its own, which waits for no lock.
    fn commit(&mut self, group: Vec<Waiting>) {
        let (reads, changes): (Vec<_>, Vec<_>) =
            group.into_iter().partition(|job| job.beside == Beside::Everything);
        if !changes.is_empty() {
            self.carry_out(changes);
        }
        reads.into_iter().for_each(|read| self.carry_out(vec![read]));
    }
}

impl Desk {
    /// One transaction for `group`, and its answers.
    fn carry_out(&mut self, mut group: Vec<Waiting>) {
        let mut commit = self.run(&mut group);
        for run in 1..RUNS {
            let Err(failure) = &commit else { break };
            if !matches!(failure.kind, Kind::Again | Kind::Lost) {
                break;
            }
            // Jobs that are in each other's way are not, one by one.
            if failure.kind == Kind::Again && run > 1 && group.len() > 1 {
                return group.into_iter().for_each(|job| self.carry_out(vec![job]));
            }
            commit = self.run(&mut group);
        }
        if let Err(failure) = &commit
            && matches!(failure.kind, Kind::Lost | Kind::Unwritable | Kind::Held | Kind::Closed)
        {
            self.site.health.unwritable(trouble_of(failure));
        }
        let commit = commit.map_err(|failure| failure.error);
        let safe = match &commit {
            Ok(()) if group.iter().any(|job| job.acknowledges) => self.site.check_key(),
            _ => Ok(()),
        };
        for job in group {
            let outcome = if job.acknowledges { commit.clone().and(safe.clone()) } else { commit.clone() };
            job.finish(outcome);
        }
    }

    pub(super) fn new(site: Arc<Site>) -> Self {
        Self { site, session: None, writer: new_writer(), commits: 0, sized: None }
    }

    /// Opens the database, or makes it; a server that cannot be reached does not prevent that.
    pub(super) fn open(&mut self) -> Result<(), OpenError> {
        match self.connect() {
            Ok(_) => Ok(()),
            Err(OpenError::Failed(failure)) => {
                self.site.health.unwritable(trouble_of(&failure));
                Ok(())
            }
            Err(refused) => Err(refused),
        }
    }

    /// Looks whether the server answers, and whether one that did not take writes does.
    pub(super) fn look_after(&mut self) -> Result<()> {
        let _ = self.site.check_key();
        let trial = match self.site.health.trouble() {
            Some(Trouble::Gone(_)) => return self.site.health.check(),
            Some(Trouble::Unwritable { .. }) => self.try_to_write(),
            Some(Trouble::Lost { .. }) | None => self.over_a_connection(Self::ping),
        };
        self.site.acknowledged.sync();
        match trial {
            Ok(()) => self.site.health.written(),
            Err(failure) => self.site.health.unwritable(trouble_of(&failure)),
        }
        self.site.health.check()
    }

    /// A person says that the key file is there again.
    pub(super) fn resume(&mut self) -> Result<()> {
        self.site.check_key()?;
        self.site.health.resume();
        self.look_after()
    }

    /// A person accepts that acknowledged commits are lost: what is there now is what there is.
    pub(super) fn accept_loss(&mut self) -> Result<()> {
        let known = self.site.acknowledged.all();
        let found = self.over_a_connection(|desk| {
            let session = desk.session()?;
            let found = acknowledged::found(session, &known);
            let found = found.map_err(|error| failure_of(session, error));
            desk.keep(found)
        });
        let found = found.map_err(|failure| failure.error)?;
        self.site.acknowledged.accept(found);
        self.site.health.accept_loss();
        self.look_after()
    }

    /// A connection that broke while nothing was asked over it says so to the first who asks, who asks again over another.
    fn over_a_connection<T>(&mut self, ask: impl Fn(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        match ask(self) {
            Err(failure) if failure.kind == Kind::Lost => ask(self),
            answer => answer,
        }
    }

    fn ping(&mut self) -> Result<(), Failure> {
        self.tick()?;
        let site = Arc::clone(&self.site);
        let session = self.session()?;
        let checked = check(session, &site).map_err(|error| failure_of(session, error));
        self.keep(checked)?;
        if self.sized.is_some_and(|sized| sized.elapsed() <= SIZE) {
            return Ok(());
        }
        let session = self.session()?;
        let asked = session.rows("SELECT pg_database_size(current_database())", &[]);
        let asked = asked.map_err(|error| failure_of(session, error));
        let rows = self.keep(asked)?;
        if let Some(bytes) = rows.first().and_then(|row| row.try_get::<_, i64>(0).ok()) {
            self.site.set_used(bytes.unsigned_abs());
            self.sized = Some(Instant::now());
        }
        Ok(())
    }

    /// Moves the outbox's clock on where it is time to, so that no transaction finds it standing.
    fn tick(&mut self) -> Result<(), Failure> {
        let Some(since) = self.site.ticks() else { return Ok(()) };
        let session = self.session()?;
        let moved = session.run(clock::TICK, &[&to_millis(since)]).map(drop);
        let moved = moved.map_err(|error| failure_of(session, error));
        self.keep(moved)?;
        self.site.ticked();
        Ok(())
    }

    fn try_to_write(&mut self) -> Result<(), Failure> {
        // A connection from before may lead to a server that is none any more, and the database may be another one.
        self.session = None;
        *self.site.is_open() = false;
        let session = self.session()?;
        let trial = "INSERT INTO meta (name, value) VALUES ('trials', 1) ON CONFLICT (name) DO UPDATE SET value=meta.value+1";
        let written = session.run(trial, &[]).map(drop);
        let written = written.map_err(|error| failure_of(session, error));
        self.keep(written)
    }

    /// A session over which nothing can be said any more is closed.
    fn keep<T>(&mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        if outcome.as_ref().is_err_and(|failure| failure.kind == Kind::Lost) {
            self.session = None;
        }
        outcome
    }

    /// The session; a database that this process has not opened yet is opened first.
    fn session(&mut self) -> Result<&mut Session, Failure> {
        self.connect().map_err(|error| match error {
            OpenError::Failed(failure) => failure,
            OpenError::Refused(what) => {
                let error = Error::new(Code::Storage, "the outbox is not open").for_operator(what);
                Failure { kind: Kind::Closed, error }
            }
        })
    }

    fn connect(&mut self) -> Result<&mut Session, OpenError> {
        if self.session.as_ref().is_some_and(Session::is_closed) {
            self.session = None;
        }
        if self.session.is_none() {
            if let Some(failure) = self.site.failed() {
                return Err(OpenError::Failed(failure));
            }
            match self.new_session() {
                Ok(session) => self.session = Some(session),
                Err(error) => {
                    if let OpenError::Failed(failure) = &error {
                        self.site.tried(Some(failure));
                    }
                    return Err(error);
                }
            }
            self.site.tried(None);
        }
        self.session.as_mut().ok_or_else(|| self.site.refused("there is no connection".to_owned()))
    }

    fn new_session(&mut self) -> Result<Session, OpenError> {
        let site = &self.site;
        let mut session = Session::open(&site.target).map_err(OpenError::Failed)?;
        share(&mut session).map_err(OpenError::Failed)?;
        {
            let mut is_open = site.is_open();
            if !*is_open {
                open::prepare(&mut session, site)?;
                *is_open = true;
            }
        }
        let missing = check(&mut session, site);
        let missing = missing.map_err(|error| OpenError::Failed(failure_of(&mut session, error)))?;
        if missing.contains_key(&self.writer) {
            // Under its name, it would count up to what is missing.
            self.writer = new_writer();
        }
        // Waits for a commit that is still under way over the connection before this one.
        let known = "INSERT INTO writer (id, commits) VALUES ($1, 0) ON CONFLICT (id) DO UPDATE SET seen_at=now() RETURNING commits";
        let rows = session.change(known, &[&self.writer]);
        let rows = rows.map_err(|error| OpenError::Failed(failure_of(&mut session, error)))?;
        self.commits = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        site.acknowledged.begin(&self.writer, self.commits);
        Ok(session)
    }

    /// One transaction. A job that fails is undone alone; a server that fails undoes the group, which may run again.
    fn run(&mut self, group: &mut [Waiting]) -> Result<(), Failure> {
        self.tick()?;
        self.session()?;
        let (writer, next) = (self.writer.clone(), self.commits);
        let session = self.session()?;
        let outcome = run_jobs(session, group).and_then(|is_open| {
            let has_written = is_open && session.has_written();
            let counted = if has_written { session.later(COUNT, &[&writer, &next]) } else { Ok(()) };
            let end = if is_open { "COMMIT" } else { "ROLLBACK" };
            let ended = counted.and_then(|()| session.execute(end)).map(|()| has_written);
            ended.map_err(|error| Ended::InCommit(failure_of(session, error), has_written))
        });
        match outcome {
            Ok(has_written) => {
                if has_written {
                    self.commits += 1;
                    self.site.acknowledged.note(&self.writer, self.commits);
                }
                Ok(())
            }
            Err(Ended::Before(failure)) => {
                if failure.kind != Kind::Lost {
                    let _ = self.session.as_mut().map(|session| session.execute("ROLLBACK"));
                }
                self.keep(Err(failure))
            }
            Err(Ended::InCommit(failure, has_written)) => {
                // Over a new connection it is known whether the commit counts.
                self.session = None;
                if has_written && failure.kind == Kind::Lost && self.session().is_ok() && self.commits > next
                {
                    return Ok(());
                }
                Err(failure)
            }
        }
    }
}

/// Tells who would copy the rows that a gateway works on them; refused while they are copied.
fn share(session: &mut Session) -> Result<(), Failure> {
    let share = format!(
        "SELECT pg_try_advisory_lock_shared({}, current_schema()::regnamespace::oid::int)",
        schema::USED
    );
    let rows = session.rows(&share, &[]).map_err(|error| failure_of(session, error))?;
    match rows.first().and_then(|row| row.try_get::<_, Option<bool>>(0).ok()).flatten() {
        Some(false) => {
            let error = Error::new(Code::Storage, "the outbox cannot be written");
            let error = error.for_operator("`mosip-gateway outbox copy` copies its rows; wait for its end");
            Err(Failure { kind: Kind::Closed, error })
        }
        _ => Ok(()),
    }
}

fn new_writer() -> String {
    HEXLOWER.encode(&secret::random::<8>())
}

/// Whether the database holds every commit that it has acknowledged, as is told from now on; which writers lack how many.
fn check(session: &mut Session, site: &Site) -> Result<BTreeMap<String, u64>> {
    let known = site.acknowledged.all();
    let missing = acknowledged::missing(&known, &acknowledged::found(session, &known)?);
    site.acknowledged.lacks(!missing.is_empty());
    site.health.lack(missing.values().sum());
    Ok(missing)
}

/// Where a transaction failed.
enum Ended {
    Before(Failure),
    /// In its commit; with whether it has changed anything.
    InCommit(Failure, bool),
}

/// The commit of the writer `$1` behind its first `$2` commits. What is still under way over a former connection and comes later than its
/// repetition violates a constraint.
pub(super) const COUNT: &str =
    "UPDATE writer SET commits=CASE commits WHEN $2 THEN commits+1 ELSE -1 END WHERE id=$1";

/// Runs each job; false: there was one, it failed, and all is to be undone.
fn run_jobs(session: &mut Session, group: &mut [Waiting]) -> Result<bool, Ended> {
    let before = |session: &mut Session, error| Ended::Before(failure_of(session, error));
    let begin = locks::beginning(group.iter().map(|job| &job.beside));
    session.begin_jobs(&begin).map_err(|error| before(session, error))?;
    let is_alone = group.len() == 1;
    for job in group {
        if !is_alone {
            session.later("SAVEPOINT job", &[]).map_err(|error| before(session, error))?;
        }
        let mut outcome = (job.job)(&mut Transaction::new(session));
        if outcome.is_ok() {
            // A statement of the job that was to go with the next one may be refused.
            outcome = if is_alone { session.catch_up() } else { session.execute("RELEASE job") };
        } else if is_alone {
            session.drop_later();
        } else {
            // The savepoint may be among them.
            let _ = session.catch_up();
        }
        match session.take_failure() {
            Some(failure) if failure.kind != Kind::Refused => return Err(Ended::Before(failure)),
            _ => {}
        }
        let is_kept = outcome.is_ok();
        job.outcome = Some(outcome);
        if is_alone {
            return Ok(is_kept);
        }
        if !is_kept {
            session.execute("ROLLBACK TO job; RELEASE job").map_err(|error| before(session, error))?;
        }
    }
    Ok(true)
}

fn failure_of(session: &mut Session, error: Error) -> Failure {
    session.take_failure().unwrap_or(Failure { kind: Kind::Refused, error })
}

/// What people are told, and what to do.
pub(super) fn trouble_of(failure: &Failure) -> Trouble {
    let what = failure.error.operator_detail().unwrap_or_else(|| failure.error.detail());
    let advice = match failure.kind {
        Kind::Lost => {
            "Start the database of outbox.url_file, or mend the way to it, its user and password, or outbox.ca_file. The gateway goes on by itself; what was accepted is kept."
        }
        Kind::Closed => "Do what it says, and start the gateway again. What was accepted is kept.",
        _ => {
            "Let outbox.url_file name the primary, free its disk, or do what it says. The gateway goes on by itself; what was accepted is kept."
        }
    };
    Trouble::Unwritable { what: what.to_owned(), advice }
}
