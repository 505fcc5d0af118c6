//! The commits that the database has said are durable, in memory and in `outbox.state_file`. A database that lacks one of them is a standby
//! that was promoted without the last commits, or a backup that was put back: nothing more is acknowledged until a person has decided.
//!
//! Each connection counts its commits in a row of its own, and the database keeps what it was told in order. So whatever holds the last
//! count of each row holds everything before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::session::Session;
use crate::error::Result;
use crate::{place, regular};

/// What the file begins with.
const HEADER: &str = "# The last commits of a mosip-gateway that its database acknowledged. Each gateway has a file of its own.\n";
/// The file is a few lines.
const LARGEST_FILE: u64 = 64 << 10;

/// What is remembered by one process.
pub(super) struct Acknowledged(Mutex<State>);

#[derive(Default)]
struct State {
    /// By writer.
    commits: BTreeMap<String, i64>,
    /// Those of the process before, as the file says.
    former: BTreeSet<String>,
    /// The database lacks some of them. What it takes meanwhile is acknowledged to nobody, and not remembered.
    is_lacking: bool,
    file: Option<Kept>,
}

struct Kept {
    path: PathBuf,
    file: File,
    is_synced: bool,
    is_failing: bool,
}

/// A writer and a count of its commits.
pub(super) type Count = (String, i64);

impl Acknowledged {
    /// With what `file` says of the process before. Where the file cannot be used, memory has to do: no registration stands still for it.
    pub(super) fn new(file: Option<&Path>) -> Self {
        let mut state = State::default();
        if let Some(path) = file {
            match open(path) {
                Ok((file, commits)) => {
                    state.former = commits.keys().cloned().collect();
                    state.commits = commits;
                    let path = path.to_owned();
                    state.file = Some(Kept { path, file, is_synced: true, is_failing: false });
                }
                Err(error) => report(path, &error),
            }
        }
        Self(Mutex::new(state))
    }

    /// All that the database has to hold.
    pub(super) fn all(&self) -> Vec<Count> {
        self.lock().commits.iter().map(|(writer, commits)| (writer.clone(), *commits)).collect()
    }

    /// Whether the database was just found to lack some of it.
    pub(super) fn lacks(&self, is_lacking: bool) {
        self.lock().is_lacking = is_lacking;
    }

    /// `writer` begins, or goes on, after so many commits. It comes after everything that the process before was told of: where the
    /// database lacks nothing, its own row stands for all of that.
    pub(super) fn begin(&self, writer: &str, commits: i64) {
        let mut state = self.lock();
        if !state.is_lacking {
            let former = std::mem::take(&mut state.former);
            state.commits.retain(|writer, _| !former.contains(writer));
        }
        state.note(writer, commits);
    }

    /// The database says that a commit is durable.
    pub(super) fn note(&self, writer: &str, commits: i64) {
        self.lock().note(writer, commits);
    }

    /// A person accepts that the database holds no more than `found`.
    pub(super) fn accept(&self, found: Vec<Count>) {
        let mut state = self.lock();
        state.commits = found.into_iter().collect();
        state.former.clear();
        state.is_lacking = false;
        state.write();
    }

    /// Brings the file to the disk: a process that is killed loses nothing of it, a machine that loses its power might.
    pub(super) fn sync(&self) {
        if let Some(kept) = self.lock().file.as_mut().filter(|kept| !kept.is_synced) {
            let synced = kept.file.sync_data();
            kept.tell(synced);
            kept.is_synced = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, writer: &str, commits: i64) {
        if self.is_lacking {
            return;
        }
        let known = self.commits.entry(writer.to_owned()).or_insert(commits);
        *known = commits.max(*known);
        self.write();
    }

    /// In one write, so that a process that is killed leaves the one content or the other.
    fn write(&mut self) {
        let Some(kept) = self.file.as_mut() else { return };
        let mut text = HEADER.to_owned();
        for (writer, commits) in &self.commits {
            text.push_str(&format!("{writer} {commits:020}\n"));
        }
        let written = kept.file.write_all_at(text.as_bytes(), 0);
        let written = written.and_then(|()| kept.file.set_len(text.len() as u64));
        kept.tell(written);
        kept.is_synced = false;
    }
}

impl Kept {
    /// Says a failure once, until a write succeeds.
    fn tell(&mut self, outcome: io::Result<()>) {
        if let (Err(error), false) = (&outcome, self.is_failing) {
            report(&self.path, error);
        }
        self.is_failing = outcome.is_err();
    }
}

fn report(path: &Path, error: &io::Error) {
    let reason = regular::reason(error);
    tracing::error!(file = %path.display(), %reason, "the last acknowledged commits cannot be kept in outbox.state_file");
}

/// The file, locked for this process, and what it holds. Lines that nobody wrote say nothing.
fn open(path: &Path) -> io::Result<(File, BTreeMap<String, i64>)> {
    regular::stands(path)?;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.try_lock().map_err(|_| io::Error::from(io::ErrorKind::ResourceBusy))?;
    let mut text = String::new();
    (&file).take(LARGEST_FILE).read_to_string(&mut text)?;
    place::sync_folder(path)?;
    let read = |line: &str| {
        let (writer, commits) = line.split_once(' ')?;
        Some((writer.to_owned(), commits.parse().ok()?))
    };
    Ok((file, text.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect()))
}

/// What the database holds of `known`.
pub(super) fn found(session: &mut Session, known: &[Count]) -> Result<Vec<Count>> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let writers: Vec<&str> = known.iter().map(|(writer, _)| writer.as_str()).collect();
    let rows = session.rows("SELECT id, commits FROM writer WHERE id=ANY($1)", &[&writers])?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Of `known`, what is not in `found`: each writer, and how many of its commits are missing. One whose row is missing has made that row.
pub(super) fn missing(known: &[Count], found: &[Count]) -> BTreeMap<String, u64> {
    let found: BTreeMap<&str, i64> =
        found.iter().map(|(writer, commits)| (writer.as_str(), *commits)).collect();
    let missing = |(writer, commits): &Count| {
        let found = found.get(writer.as_str()).copied().unwrap_or(-1);
        (found < *commits).then(|| (writer.clone(), commits.abs_diff(found)))
    };
    known.iter().filter_map(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_to_the_next_process_what_was_acknowledged_to_the_last_one() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gateway.state");
        let one = Acknowledged::new(Some(&file));
        one.begin("a", 0);
        one.note("a", 7);
        one.note("a", 6);
        one.begin("b", 2);
        let known = vec![("a".to_owned(), 7), ("b".to_owned(), 2)];
        assert_eq!(one.all(), known);
        assert!(Acknowledged::new(Some(&file)).all().is_empty(), "another process has it");
        drop(one);
        let next = Acknowledged::new(Some(&file));
        assert_eq!(next.all(), known);
        next.lacks(true);
        next.begin("c", 0);
        assert_eq!(next.all(), known, "what is missing is not forgotten");
        next.lacks(false);
        next.begin("c", 1);
        assert_eq!(next.all(), [("c".to_owned(), 1)]);
        drop(next);
        assert_eq!(Acknowledged::new(Some(&file)).all(), [("c".to_owned(), 1)]);
    }

    #[test]
    fn a_file_that_is_of_no_use_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Acknowledged::new(Some(dir.path())).all().is_empty());
        let file = dir.path().join("gateway.state");
        std::fs::write(&file, b"a 1\nnonsense\nb x\n").unwrap();
        assert_eq!(Acknowledged::new(Some(&file)).all(), [("a".to_owned(), 1)]);
    }

    #[test]
    fn what_is_missing_is_counted_by_writer() {
        let count = |writer: &str, commits| (writer.to_owned(), commits);
        let known = [count("a", 3), count("b", 0), count("c", 5)];
        let found = [count("a", 1), count("c", 6)];
        assert_eq!(missing(&known, &found), [("a".to_owned(), 2), ("b".to_owned(), 1)].into());
    }
}
