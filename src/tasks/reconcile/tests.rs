use tempfile::TempDir;

use super::*;
use crate::crypto::secret::SecretBytes;
use crate::destinations::Listed;
use crate::destinations::fake::{Answer, Script, is_away, says, tools};
use crate::destinations::opencrvs::{Client, Opencrvs};
use crate::error::Fault;
use crate::keys::{Keyring, Ring};
use crate::random::Random;
use crate::store::Store;
use crate::store::memory::Memory;

const DAY: i64 = 24 * 60 * 60;
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn names(total: impl Into<Option<usize>>, ids: &[&str]) -> Answer {
    let total = total.into().map_or("null".to_owned(), |total: usize| total.to_string());
    let ids: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
    says(
        200,
        &format!(r#"{{"data":{{"searchEvents":{{"totalItems":{total},"results":[{}]}}}}}}"#, ids.join(",")),
    )
}

/// Over an empty outbox, beside a search that says this, request by request.
fn reconciler(
    every: Option<Duration>,
    answers: impl IntoIterator<Item = Answer>,
) -> (Reconciler, Arc<Script>, TempDir) {
    let (memory, dir) = (Memory::default(), tempfile::tempdir().unwrap());
    let store = Store::new(memory.clone());
    let ledger = Ledger::over(&dir.path().join("outbox.key"), &memory, store, Random::seeded(1), true);
    let clock = Clock::fixed(NOW);
    let mut settings = <Opencrvs as Listed>::Settings::default();
    settings.search.url = Some("https://gateway.example.org/".parse().unwrap());
    settings.search.client = Client {
        auth_url: Some("https://auth.example.org".parse().unwrap()),
        client_id: Some("search".to_owned()),
        client_secret: Some(SecretBytes::new(b"secret".to_vec())),
        unset: Vec::new(),
    };
    let search = Opencrvs::new(settings, &tools(Keyring::fixed(Ring::default()), clock.clone())).search();
    let script = Arc::new(Script::new(answers));
    let beside = (Arc::clone(&script) as Arc<dyn Outside>, ledger, clock);
    (Reconciler::new(search, every, beside), script, dir)
}

fn ago(days: i64) -> Timestamp {
    Timestamp::from_seconds(NOW.seconds() - days * DAY)
}

#[tokio::test]
async fn a_search_that_pages_for_ever_ends_and_says_that_it_is_not_whole() {
    let pages = (0..MOST_PAGES).map(|page| names(usize::MAX >> 12, &[&format!("b{page}")]));
    let (reconciler, script, _dir) = reconciler(None, pages.chain([names(0, &[])]));
    let compared = reconciler.compare(ago(1), None).await.unwrap();
    assert_eq!((compared.records, compared.is_whole), (MOST_PAGES, false));
    assert_eq!(script.paths().len(), MOST_PAGES + 1);
}

#[tokio::test]
async fn a_search_that_gives_one_page_again_and_again_is_asked_twice() {
    let (reconciler, script, _dir) = reconciler(None, [names(9, &["a"]), names(9, &["a"]), names(1, &["d"])]);
    let compared = reconciler.compare(ago(1), None).await.unwrap();
    assert_eq!((compared.missing.len(), compared.is_whole), (2, false));
    assert_eq!(script.paths(), ["/graphql"; 3]);
}

#[tokio::test]
async fn a_search_that_gives_fewer_at_once_than_were_asked_for_is_asked_for_the_rest() {
    let (reconciler, script, _dir) =
        reconciler(None, [names(3, &["a", "b"]), names(3, &["c"]), names(0, &[])]);
    let compared = reconciler.compare(ago(1), None).await.unwrap();
    assert_eq!((compared.records, compared.is_whole), (3, true));
    let second: serde_json::Value = serde_json::from_slice(&script.sent.lock().unwrap()[1].1.body).unwrap();
    assert_eq!(second["variables"]["skip"], 2);
}

/// Where OpenCRVS says no total, or one that is too low.
#[tokio::test]
async fn a_full_page_is_not_taken_for_the_last_one() {
    let ids: Vec<String> = (0..PAGE).map(|id| format!("b{id}")).collect();
    let full: Vec<&str> = ids.iter().map(String::as_str).collect();
    for (total, asked) in [(None, 4), (Some(PAGE), 3), (Some(1), 3)] {
        let answers = [names(total, &full), names(total, &["lost"]), names(total, &[]), names(total, &[])];
        let (reconciler, script, _dir) = reconciler(None, answers);
        let compared = reconciler.compare(ago(1), None).await.unwrap();
        assert_eq!((compared.records, script.paths().len()), (PAGE + 1, asked), "{total:?}");
    }
    let again = [names(None, &full), names(None, &full), names(0, &[])];
    let (reconciler, ..) = reconciler(None, again);
    assert!(!reconciler.compare(ago(1), None).await.unwrap().is_whole, "the page comes again");
}

#[tokio::test]
async fn a_time_that_nobody_remembers_begins_where_memory_does_and_the_future_is_not_asked_for() {
    let (reconciler, _, _dir) = reconciler(None, [names(0, &[]), names(0, &[])]);
    let remembers = to_millis(reconciler.0.remember);
    let compared = reconciler.compare(Timestamp::from_millis(i64::MIN), Some(ago(-9_000))).await.unwrap();
    assert_eq!(compared.until, NOW);
    assert_eq!(
        compared.since,
        Timestamp::from_millis(NOW.millis() - remembers),
        "all before would be missing"
    );
    for (since, until) in [(NOW, None), (ago(-1), None), (ago(1), Some(ago(2)))] {
        assert_eq!(reconciler.compare(since, until).await.unwrap_err().code(), Code::Field);
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_looks_as_often_as_it_is_told_and_shows_what_is_missing_and_why_it_cannot_look() {
    let every = Duration::from_hours(6);
    let (reconciler, script, _dir) = reconciler(Some(every), [names(1, &["lost"]), names(0, &[]), is_away()]);
    let running = reconciler.clone();
    let task = tokio::spawn(async move { running.run().await });
    tokio::time::sleep(FIRST - Duration::from_secs(1)).await;
    assert!(reconciler.status().is_none(), "webhooks that waited for the start come first");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let found = reconciler.status().unwrap().outcome.unwrap();
    assert_eq!(found.missing, [Missing { kind: EventKind::Birth, composition_id: "lost".to_owned() }]);
    tokio::time::sleep(every).await;
    assert_eq!(reconciler.status().unwrap().outcome.unwrap_err().fault(), Fault::Upstream);
    assert_eq!(script.paths().len(), 3);
    task.abort();
}
