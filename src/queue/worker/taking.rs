//! The beginning of attempts: how many may begin, and of which rows. Among several gateways the channel is one for all: none begins an attempt
//! before it knows what the others have found out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{STORE_REST, UnderWay, Worker};
use crate::clock::between;
use crate::error::Error;
use crate::ledger::{Due, Wanted};
use crate::queue::channel::Admission;

impl Worker {
    /// Begins the attempts that may begin now. Returns when to look again; `None`: not before something happens.
    pub(super) async fn take(self: &Arc<Self>, under_way: &mut UnderWay) -> Option<Duration> {
        if let Err(error) = self.tell().await {
            return self.cannot(&error);
        }
        let now = self.ledger.uptime();
        let admission = self.health.admission(now);
        let limit = match admission {
            Admission::Free => under_way.room(self.concurrency),
            Admission::Probe if under_way.tasks.is_empty() => 1,
            // The end of the attempt wakes the loop.
            Admission::Probe => return None,
            // Another gateway may know by now that it is over.
            Admission::Wait(_) if self.is_shared() => 0,
            Admission::Wait(at) => return Some(between(now, at)),
        };
        if limit == 0 && admission == Admission::Free {
            return None;
        }
        // The lease begins before it is heard of.
        let until = self.lasts();
        let flows = admission == Admission::Free || self.health.flows_elsewhere();
        let slots = if flows { self.concurrency } else { 1 };
        let known = self.is_shared().then(|| self.health.known());
        let wanted = Wanted { lease: self.lease, limit, slots, known };
        match self.ledger.lease(&self.lane, wanted).await {
            Ok(Due::Noted(number, note)) => {
                self.health.hears(number, note);
                Some(Duration::ZERO)
            }
            Ok(Due::Later(at)) => {
                if at.is_none() && under_way.tasks.is_empty() {
                    self.health.nothing_waits(now);
                }
                let at = if let Admission::Wait(at) = admission { Some(at) } else { at };
                let due_in = at.map(|at| between(self.ledger.uptime(), at));
                [due_in, self.ledger.looks_for_left_every()].into_iter().flatten().min()
            }
            Ok(Due::Now(leased)) => {
                for leased in leased {
                    under_way.begin(self, leased, until);
                }
                // More rows may be due.
                Some(Duration::ZERO)
                    .filter(|_| admission == Admission::Free && under_way.room(self.concurrency) > 0)
            }
            Err(error) => self.cannot(&error),
        }
    }

    /// Tells the other gateways how the channel stands where this one has changed it: before the verdict of a probe gives its slot back, since
    /// another one would probe at once.
    pub(super) async fn tell(&self) -> Result<(), Error> {
        if !self.is_shared() {
            return Ok(());
        }
        // What is found out last is told last.
        let _turn = self.health.turn_to_tell().await;
        if let Some(note) = self.health.untold() {
            let number = self.ledger.note_channel(&self.lane, &note).await?;
            self.health.told(number, note);
        }
        Ok(())
    }

    fn cannot(&self, error: &Error) -> Option<Duration> {
        tracing::error!(
            destination = self.lane.destination,
            code = error.code().as_str(),
            step = error.operator_detail(),
            "no entry can be leased"
        );
        Some(STORE_REST)
    }

    /// Until when an attempt goes on whose row is leased or renewed now: before the lease ends, with time for what is on its way.
    pub(super) fn lasts(&self) -> Instant {
        Instant::now() + (self.lease - self.renewal())
    }
}
