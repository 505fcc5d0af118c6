//! Who is woken: the workers of what may go now, and no others.

use futures_util::FutureExt;

use super::*;
use crate::ledger::entry::NewEntry;
use crate::ledger::ready::Queued;

/// The workers of three kinds of events and of messages.
struct Workers([Queued; 4]);

impl Workers {
    fn of(ledger: &Ledger) -> Self {
        let kinds = [EventKind::Birth, EventKind::BirthCorrection, EventKind::Death];
        let [birth, correction, death] = kinds.map(|kind| ledger.queued(&lane(&[kind])));
        Self([birth, correction, death, ledger.queued(&lane_to(Queue::Deliveries, "delivery"))])
    }

    /// Which of them were woken since this was asked last.
    fn woken(&mut self) -> [bool; 4] {
        self.0.each_mut().map(|queued| {
            let mut times = 0;
            while queued.recv().now_or_never().is_some() {
                times += 1;
            }
            times > 0
        })
    }
}

#[tokio::test]
async fn a_worker_looks_for_what_may_go_through_its_lane_and_for_nothing_else() {
    let ledger = Home::new().open();
    let mut workers = Workers::of(&ledger);
    accept(&ledger, birth("c1")).await;
    assert_eq!(workers.woken(), [true, false, false, false]);
    accept(&ledger, event(EventKind::BirthCorrection, "c1", "corrected", "w")).await;
    accept(&ledger, birth("c2")).await;
    workers.woken();

    let leased = lease(&ledger, EventKind::Birth).await;
    assert_eq!((leased.len(), workers.woken()), (2, [false; 4]));
    assign(&ledger, &leased[0], "10001").await;
    assert_eq!(workers.woken(), [false, false, false, true], "the mediator is told");
    settle(&ledger, &leased[0], done()).await;
    assert_eq!(workers.woken(), [false, true, false, true], "the correction waited for it");
    settle(&ledger, &leased[1], done()).await;
    assert_eq!(workers.woken(), [false, false, false, true], "nothing waited for it");

    let correction = &lease(&ledger, EventKind::BirthCorrection).await[0];
    settle(&ledger, correction, Ending::Again { next_at: 0, error: Some(away()) }).await;
    assert_eq!(workers.woken(), [false; 4], "it falls due, and is not announced");
}

#[tokio::test]
async fn a_job_that_fails_wakes_nobody() {
    let ledger = Home::new().open();
    let mut workers = Workers::of(&ledger);
    let failed = ledger.run(|book| {
        let row = NewEntry {
            destination: "mediator",
            kind: "birth",
            id: "c1".to_owned(),
            line: "c1".to_owned(),
            payload: b"{}",
            aid: None,
            identity: None,
        };
        book.queue(row)?;
        Err::<(), _>(away())
    });
    assert_eq!(failed.await.unwrap_err().code(), Code::Upstream);
    assert_eq!(workers.woken(), [false; 4]);
}
