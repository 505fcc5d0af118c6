//! This version beside a build of itself whose tables are one step newer: it keeps to everything on them.

use super::*;

conformance::suite!({
    let Some(home) = Home::new() else { return };
    let newer = home.newer();
    (home.store(), (newer, home))
});

#[tokio::test]
async fn what_either_of_the_two_writes_the_other_reads() {
    let Some(home) = Home::new() else { return };
    let (older, newer) = (home.store(), home.newer());
    assert_eq!(home.number("SELECT version FROM mosip_gateway"), schema::newest() + 1);
    for (store, id) in [(&older, "a"), (&newer, "b"), (&older, "c")] {
        store
            .take(vec![id.to_owned()], move |tx| {
                tx.insert(&[new(id)])?;
                count(tx)
            })
            .await
            .unwrap();
    }
    for store in [&older, &newer] {
        let rows = store.run(|tx| tx.rows(Queue::Entries, &Filter::default(), 0, 9)).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(store.run(|tx| tx.number("n")).await.unwrap(), Some(3));
    }
    assert_eq!(home.number("SELECT count(*) FROM entry WHERE later='unknown'"), 3);
}
