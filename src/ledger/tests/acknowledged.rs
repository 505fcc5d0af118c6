use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::*;
use crate::store::{Backend, Order};

/// Stores what it is given, and does not always say so.
struct Silent(Memory, Arc<AtomicBool>);

impl Backend for Silent {
    fn run(&self, order: Order) -> BoxFuture<'_, Result<()>> {
        let stored = self.0.run(order);
        if !self.1.load(Ordering::SeqCst) {
            return stored;
        }
        async move {
            stored.await?;
            pending().await
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_says_nothing_keeps_nobody_for_ever_and_what_it_stored_goes_once_it_is_posted_again()
{
    let (home, is_silent) = (Home::new(), Arc::<AtomicBool>::default());
    let open = |_: &Outbox, owner: Arc<dyn Owner>| {
        let opened = home.memory.open(&*owner);
        opened.map(|_| Store::new(Silent(home.memory.clone(), Arc::clone(&is_silent))))
    };
    let ledger = Ledger::open_with(home.settings(), Home::QUARANTINE, Surroundings::default(), open).unwrap();
    ledger.acknowledge_within(Duration::from_secs(30));
    is_silent.store(true, Ordering::SeqCst);
    let mut queued = ledger.queued(&lane(&[EventKind::Birth]));
    let refused = ledger.accept(birth("c1"), MEDIATOR.to_vec(), None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Storage);
    assert!(queued.recv().now_or_never().is_some(), "who sends is told, whoever waits for the database");
    let refused = ledger.receive(BIRTH_NID, "{}".into(), Sender::Known).await.unwrap_err();
    assert_eq!(refused.code(), Code::Storage);

    is_silent.store(false, Ordering::SeqCst);
    let mut queued = ledger.queued(&lane(&[EventKind::Birth]));
    let again = accept(&ledger, birth("c1")).await;
    assert_eq!((again.is_new, again.id.as_str()), (false, "c1"));
    assert!(queued.recv().now_or_never().is_some(), "who sends is told");
    assert_eq!(lease_ids(&ledger, EventKind::Birth).await, ["c1"]);
}
