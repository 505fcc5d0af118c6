//! Backends with a defect, which the suite has to find: a suite that finds nothing proves nothing.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{
    jobs_that_name_the_same_lock_run_one_after_another_and_rows_stand_in_that_order,
    whatever_a_job_did_is_undone_where_it_fails_and_it_runs_again_as_if_for_the_first_time,
};
use crate::error::Result;
use crate::store::memory::Memory;
use crate::store::{Backend, Order, Store};

/// Each job works on the rows as they were when it began, whatever it locks.
#[derive(Default)]
struct Unlocked(Mutex<Memory>);

impl Backend for Unlocked {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        async move {
            let rows = self.0.lock().unwrap().copy();
            let outcome = rows.run(order).await;
            tokio::task::yield_now().await;
            *self.0.lock().unwrap() = rows;
            outcome
        }
        .boxed()
    }
}

/// What a job did stays though it failed.
#[derive(Default)]
struct Unfinished(Memory);

impl Backend for Unfinished {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        async move {
            let Order { terms, job } = order;
            let failed = Arc::new(Mutex::new(None));
            let slot = Arc::clone(&failed);
            let job = Box::new(move |tx: &mut dyn crate::store::Tx| {
                *slot.lock().unwrap() = job(tx).err();
                Ok(())
            });
            self.0.run(Order { terms, job }).await?;
            let failed = failed.lock().unwrap().take();
            failed.map_or(Ok(()), Err)
        }
        .boxed()
    }
}

async fn is_found(rule: impl Future<Output = ()>) -> bool {
    AssertUnwindSafe(rule).catch_unwind().await.is_err()
}

#[tokio::test]
async fn a_backend_without_locks_is_found() {
    let store = Store::new(Unlocked::default());
    let rule = jobs_that_name_the_same_lock_run_one_after_another_and_rows_stand_in_that_order(&store);
    assert!(is_found(rule).await);
}

#[tokio::test]
async fn a_backend_that_does_not_undo_is_found() {
    let store = Store::new(Unfinished::default());
    let rule = whatever_a_job_did_is_undone_where_it_fails_and_it_runs_again_as_if_for_the_first_time(&store);
    assert!(is_found(rule).await);
}
