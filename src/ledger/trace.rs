//! To which request, and to which trace, a row belongs: to those of the task that makes it, or of the event that it is made for. So what MOSIP says
//! of a birth days later still is of the trace in which the birth was posted.

use super::Book;
use super::correlation::cause;
use crate::error::Result;
use crate::store::{Listed, Queue};
use crate::telemetry::Trace;

/// The trace of the task that runs a job, as a row keeps it.
pub(super) fn of_task() -> Option<String> {
    Trace::current().map(|trace| trace.to_string())
}

impl Book<'_> {
    /// What is made from now on is made for the event of the entry `id`, and belongs to its trace where that is kept.
    pub(super) fn follow(&self, id: &str) -> Result<()> {
        let row = self.tx().listed(Queue::Entries, cause(id))?;
        row.iter().for_each(|row| self.follow_row(row));
        Ok(())
    }

    /// As [`Self::follow`], of the event whose row this is.
    pub(super) fn follow_row(&self, row: &Listed) {
        if let Some(trace) = &row.trace {
            *self.trace.borrow_mut() = Some(trace.clone());
        }
    }

    /// What a row that is made now keeps.
    pub(super) fn trace(&self) -> Option<String> {
        self.trace.borrow().clone()
    }
}
