//! Messages that wait for the mediator.

use super::*;
use crate::store::{NewRow, Queue, conformance};

#[tokio::test]
async fn a_page_of_messages_ends_once_it_is_large_and_the_next_one_goes_on() {
    let home = Home::new();
    let ledger = home.open();
    for id in ["a", "b", "c"] {
        let payload = Some(vec![b'1'; 5 << 20]);
        ledger.insert(NewRow { queue: Queue::Deliveries, payload, ..conformance::new(id) }).await.unwrap();
    }
    let (first, next) = ledger.undelivered(0, 100).await.unwrap();
    assert_eq!(first.iter().map(|message| message.body.len()).collect::<Vec<_>>(), [5 << 20; 2]);
    let (rest, end) = ledger.undelivered(next.unwrap(), 100).await.unwrap();
    assert_eq!((rest.len(), end), (1, None));
    let (one, next) = ledger.undelivered(0, 1).await.unwrap();
    assert_eq!((one.len(), next), (1, Some(one[0].seq)), "a limit ends a page as well");
}
