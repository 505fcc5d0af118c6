//! The rows of one database become those of another one, of whichever backend each is, while no gateway has either open.
//!
//! At no moment can gateways begin on both. What is written is out of use until all of it was read back and compared; then the former
//! database goes out of use; then the new one comes into use. Cut off anywhere, the same command goes on or begins again.

mod tables;
#[cfg(test)]
pub(crate) mod tests;

use serde::{Deserialize, Serialize};

use self::tables::Sum;
pub(crate) use self::tables::{Column, Kind, NAME, TABLES, Table, Value, Values};
use super::{Location, Millis, OpenError, Remains, Seq};
use crate::crypto::secret;

/// The row of `meta` that says why a database is out of use.
pub(crate) const MARK: &str = "copy";
/// The row of `meta` with the number of the copy that a database came by.
pub(crate) const CAME: &str = "came by copy";
/// The row of `meta` with the number of the outbox, by chance: it has one from its first copy on, wherever it is.
pub(crate) const OUTBOX: &str = "outbox";
/// Rows that are read at once, if they are small.
pub(crate) const ROWS: usize = 500;
/// Bytes of rows after which no further one is read at once.
pub(crate) const BYTES: usize = 8 << 20;

/// One of the two databases. As long as this lives, no gateway has it open, and none begins.
pub(crate) trait Side {
    /// Which one it is, for people, and to tell it from others.
    fn name(&self) -> String;

    fn condition(&mut self) -> Result<Condition, OpenError>;

    /// Gives the outbox its number, durably.
    fn number(&mut self, outbox: i64) -> Result<(), OpenError>;

    /// Begins the transaction that [`Self::retire`] ends, and puts into the rows what a gateway has in memory alone. Refused where something is
    /// wrong with the rows that would be forgotten with a copy.
    fn begin(&mut self) -> Result<(), OpenError>;

    /// The next rows of `table` behind `after` (the values of its key), in their order: up to [`ROWS`], and no further one after [`BYTES`].
    /// None: there are no more.
    fn rows(&mut self, table: &Table, after: Option<&[Value]>) -> Result<Vec<Values>, OpenError>;

    fn counters(&mut self) -> Result<Counters, OpenError>;

    /// From now on, durably, it is out of use as `mark` says.
    fn retire(&mut self, mark: &Mark) -> Result<(), OpenError>;

    /// Makes the tables, which are out of use as `mark` says, in a transaction. What stands there and is out of use goes with its success.
    fn make(&mut self, mark: &Mark) -> Result<(), OpenError>;

    fn write(&mut self, table: &Table, rows: &[Values]) -> Result<(), OpenError>;

    /// All rows are written. What is read from now on is what was stored.
    fn written(&mut self, counters: &Counters) -> Result<(), OpenError>;

    /// What was written is durable and in its place, and still out of use.
    fn keep(&mut self) -> Result<(), OpenError>;

    /// It comes into use, durably.
    fn open_up(&mut self) -> Result<(), OpenError>;
}

/// How a database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// There is none.
    Nothing,
    /// A gateway can work on it.
    Usable {
        /// The number of the copy that it came by, if it did.
        came_by: Option<i64>,
        /// The number of the outbox, if it has one.
        outbox: Option<i64>,
    },
    /// None can.
    Out(Mark),
}

/// Why a database is out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The number of the copy, by chance.
    pub(crate) copy: i64,
    /// The number of the outbox whose rows are copied.
    pub(crate) outbox: i64,
    /// It is being written, and was never in use; else its rows are elsewhere.
    pub(crate) is_arriving: bool,
    /// The other database.
    pub(crate) other: String,
}

impl Mark {
    /// `<what>; <what to do>`
    pub(crate) fn words(&self) -> String {
        let Self { is_arriving, other, .. } = self;
        match is_arriving {
            true => format!(
                "the copy of {other} to here is not finished; run `mosip-gateway outbox copy` again as it was run, or go on with {other}, if a gateway still starts over that"
            ),
            false => format!(
                "the events were moved to {other}, and each would be sent twice; let the configuration name that one, after the same `mosip-gateway outbox copy` once more if it was cut off; or bring them back by one from there to here"
            ),
        }
    }

    /// As the database keeps it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What [`Self::to_bytes`] made; of other bytes one that names no other database.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let unknown =
            || Self { copy: 0, outbox: 0, is_arriving: false, other: "another database".to_owned() };
        serde_json::from_slice(bytes).unwrap_or_else(|_| unknown())
    }
}

/// What a backend counts in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counters {
    /// The outbox's clock.
    pub(crate) clock: Millis,
    /// A position in a queue behind which none was given; the last one, or, as a file keeps it, one ahead of that.
    pub(crate) position: Seq,
    /// The last number that was given in each numbered table of [`TABLES`].
    pub(crate) last: Vec<Seq>,
}

/// A part of a copy that is durable, and after which it can be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The rows were written and compared.
    Written,
    /// They are in their place.
    Kept,
    /// The former database is out of use.
    Retired,
}

/// Two databases that are held for a copy.
pub(crate) struct Copying {
    source: Box<dyn Side>,
    target: Box<dyn Side>,
    /// The number of the outbox, if it has one.
    outbox: Option<i64>,
    /// The copy whose rows were moved before; it may be that nothing but its end is missing.
    moved: Option<i64>,
}

impl Copying {
    /// Holds the two, unless the rows of one cannot become those of the other.
    pub(crate) fn hold(from: &Location, to: &Location) -> Result<Self, OpenError> {
        if from.remains() != Remains::Database {
            return Err(refused(
                &from.name(),
                "there is no outbox; name the database of the gateway in --from",
            ));
        }
        let mut source = from.hold()?;
        if to.file().is_some_and(|file| from.file() == Some(file)) {
            return Err(refused(&to.name(), "it is the source, too; name another database in --to"));
        }
        let mut target = to.hold()?;
        let from = source.condition()?;
        let outbox = match from {
            Condition::Usable { outbox, .. } => outbox,
            _ => None,
        };
        let moved = match (from, target.condition()?) {
            (Condition::Nothing, _) => {
                let what = "there is no outbox; name the database of the gateway in --from";
                return Err(refused(&source.name(), what));
            }
            (Condition::Out(gone), Condition::Out(arriving))
                if (gone.copy, gone.is_arriving, arriving.is_arriving) == (arriving.copy, false, true) =>
            {
                Some(gone.copy)
            }
            (Condition::Out(gone), Condition::Usable { came_by, .. }) if came_by == Some(gone.copy) => {
                came_by
            }
            (Condition::Out(mark), _) => return Err(refused(&source.name(), &mark.words())),
            (Condition::Usable { .. }, Condition::Nothing) => None,
            // What was moved from there comes back.
            (Condition::Usable { came_by, .. }, Condition::Out(gone))
                if !gone.is_arriving && came_by == Some(gone.copy) =>
            {
                None
            }
            // A copy of the same was cut off. Another outbox may have come to its place since, and those rows may be nowhere else.
            (Condition::Usable { outbox, .. }, Condition::Out(arriving))
                if arriving.is_arriving
                    && arriving.other == source.name()
                    && outbox == Some(arriving.outbox) =>
            {
                None
            }
            (Condition::Usable { .. }, Condition::Out(mark)) => {
                return Err(refused(&target.name(), &mark.words()));
            }
            (Condition::Usable { .. }, Condition::Usable { .. }) => {
                let what = "there is an outbox already; name a file that is not there, or an empty database or schema, in --to";
                return Err(refused(&target.name(), what));
            }
        };
        Ok(Self { source, target, outbox, moved })
    }

    /// Whether the rows were moved by a command before.
    pub(crate) fn is_moved(&self) -> bool {
        self.moved.is_some()
    }

    /// What the two are called: source and target.
    pub(crate) fn names(&self) -> [String; 2] {
        [self.source.name(), self.target.name()]
    }

    /// Moves the rows: how many of each table were written, read back and found equal.
    pub(crate) fn run(self) -> Result<Vec<(&'static str, u64)>, OpenError> {
        self.run_with(&mut |_| Ok(()))
    }

    /// As [`Self::run`]; cut off where `after` a step refuses.
    fn run_with(
        self,
        after: &mut dyn FnMut(Step) -> Result<(), OpenError>,
    ) -> Result<Vec<(&'static str, u64)>, OpenError> {
        let Self { mut source, mut target, outbox, moved } = self;
        if moved.is_some() {
            if matches!(target.condition()?, Condition::Out(_)) {
                target.open_up()?;
            }
            return Ok(Vec::new());
        }
        let number = || i64::from_be_bytes(secret::random());
        let copy = number();
        let outbox = match outbox {
            Some(outbox) => outbox,
            None => {
                let outbox = number();
                source.number(outbox)?;
                outbox
            }
        };
        source.begin()?;
        target.make(&Mark { copy, outbox, is_arriving: true, other: source.name() })?;
        let mut sums = Vec::new();
        for table in &TABLES {
            let sum = walk(&mut *source, table, |rows| target.write(table, rows))?;
            sums.push((table, sum));
        }
        let counters = source.counters()?;
        target.written(&counters)?;
        let mut copied = Vec::new();
        for (table, sum) in sums {
            if walk(&mut *target, table, |_| Ok(()))? != sum {
                let what = format!(
                    "what was read back of {} is not what was written; look at its disk and its server, and run the same command again",
                    table.name
                );
                return Err(refused(&target.name(), &what));
            }
            copied.push((table.name, sum.0));
        }
        let kept = target.counters()?;
        if kept.position != counters.position || kept.last != counters.last || kept.clock < counters.clock {
            let what = "its counters are not those that were written; run the same command again";
            return Err(refused(&target.name(), what));
        }
        after(Step::Written)?;
        target.keep()?;
        after(Step::Kept)?;
        source.retire(&Mark { copy, outbox, is_arriving: false, other: target.name() })?;
        after(Step::Retired)?;
        target.open_up()?;
        Ok(copied)
    }
}

/// Hands over the rows of `table` as they move; how many there were, and their digest.
fn walk(
    side: &mut dyn Side,
    table: &Table,
    mut each: impl FnMut(&[Values]) -> Result<(), OpenError>,
) -> Result<(u64, [u8; 32]), OpenError> {
    let (mut sum, mut after) = (Sum::default(), None);
    loop {
        let rows = side.rows(table, after.as_deref())?;
        let Some(last) = rows.last() else { return Ok(sum.end()) };
        after = Some(table.key_of(last));
        let rows: Vec<Values> = rows.into_iter().filter_map(|row| table.moved(row)).collect();
        rows.iter().for_each(|row| sum.add(row));
        each(&rows)?;
    }
}

fn refused(name: &str, what: &str) -> OpenError {
    OpenError::Refused(format!("{name}: {what}"))
}
