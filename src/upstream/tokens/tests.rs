use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::*;
use crate::error::{Code, Error};

const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.seconds() + seconds)
}

async fn get(
    cache: &TokenCache<&'static str>,
    now: Timestamp,
    token: &'static str,
    ends: Option<Timestamp>,
) -> &'static str {
    *cache.get(now, async || Ok((token, ends))).await.unwrap()
}

#[tokio::test]
async fn a_token_is_kept_until_thirty_seconds_before_its_end() {
    let cache = TokenCache::new();
    assert_eq!(get(&cache, NOW, "first", Some(after(300))).await, "first");
    assert_eq!(get(&cache, after(269), "second", None).await, "first");
    assert_eq!(get(&cache, after(270), "second", None).await, "second");
}

#[tokio::test]
async fn a_token_without_an_end_is_not_kept() {
    let cache = TokenCache::new();
    assert_eq!(get(&cache, NOW, "first", None).await, "first");
    assert_eq!(get(&cache, NOW, "second", None).await, "second");
}

#[tokio::test]
async fn a_token_that_claims_to_live_for_ever_is_kept_for_a_day() {
    let cache = TokenCache::new();
    get(&cache, NOW, "first", Some(Timestamp::from_millis(i64::MAX))).await;
    assert_eq!(get(&cache, after(86_400 - 31), "second", None).await, "first");
    assert_eq!(get(&cache, after(86_400 - 30), "second", None).await, "second");
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_a_newer_one_is_not() {
    let cache = TokenCache::new();
    let old = cache.get(NOW, async || Ok(("old", Some(after(300))))).await.unwrap();
    cache.drop_if(&old);
    assert_eq!(get(&cache, NOW, "new", Some(after(300))).await, "new");
    cache.drop_if(&old);
    assert_eq!(get(&cache, NOW, "newest", None).await, "new");
}

/// A fetch that waits for `gate`, so that others come while it is under way.
async fn fetch(
    gate: &Notify,
    fetches: &AtomicUsize,
    outcome: Result<&'static str>,
) -> Result<(&'static str, Option<Timestamp>)> {
    fetches.fetch_add(1, Ordering::SeqCst);
    gate.notified().await;
    outcome.map(|token| (token, None))
}

#[tokio::test]
async fn callers_at_once_share_one_fetch() {
    let (cache, gate, fetches) = (TokenCache::new(), Notify::new(), AtomicUsize::new(0));
    let call = || cache.get(NOW, async || fetch(&gate, &fetches, Ok("shared")).await);
    let open = async { gate.notify_one() };
    let (first, second, third, ()) = tokio::join!(call(), call(), call(), open);
    assert_eq!([*first.unwrap(), *second.unwrap(), *third.unwrap()], ["shared"; 3]);
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn callers_at_once_share_one_failure_and_the_next_caller_asks_again() {
    let (cache, gate, fetches) = (TokenCache::new(), Notify::new(), AtomicUsize::new(0));
    let away = || Err(Error::new(Code::Upstream, "away"));
    let call = || cache.get(NOW, async || fetch(&gate, &fetches, away()).await);
    let open = async { gate.notify_one() };
    let (first, second, ()) = tokio::join!(call(), call(), open);
    assert_eq!([first.unwrap_err().code(), second.unwrap_err().code()], [Code::Upstream; 2]);
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    assert_eq!(get(&cache, NOW, "back", None).await, "back");
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_fetch_to_the_next() {
    let (cache, gate, fetches) = (TokenCache::new(), Notify::new(), AtomicUsize::new(0));
    let call = || cache.get(NOW, async || fetch(&gate, &fetches, Ok("token")).await);
    {
        let mut gone = std::pin::pin!(call());
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(gone.as_mut().poll(cx).is_pending())).await);
    }
    gate.notify_one();
    assert_eq!(*call().await.unwrap(), "token");
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
}

/// Handlers and workers run on any thread.
#[test]
fn waiting_for_a_token_is_send() {
    fn is_send(_: impl Send) {}
    let cache = TokenCache::new();
    is_send(cache.get(NOW, async || Ok(("token", None))));
}
