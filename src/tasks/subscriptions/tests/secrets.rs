//! Another secret, and what was subscribed under the former one.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_subscription_under_the_secret_of_yesterday_is_made_anew_before_it_is_ended() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    let (w3, w4) = (("w3", "ours", CALLBACK, BIRTH), ("w4", "ours", CALLBACK, DEATH));
    let (all, new) = (lists(&[&BOTH[..], &[w3, w4]].concat()), lists(&[w3, w4]));
    let rotated =
        rows.start_under("other", CALLBACK, [lists_both(), takes(), takes(), all, ends(), ends(), new]);
    rotated.keep().await.unwrap();
    assert_eq!(
        rotated.calls(),
        [
            "GET /webhooks",
            "POST /webhooks",
            "POST /webhooks",
            "GET /webhooks",
            "DELETE /webhooks/w1",
            "DELETE /webhooks/w2",
        ]
    );
    let birth = rotated.topic(BIRTH);
    assert_eq!((birth.standing, birth.subscriptions, birth.lost), (Standing::Active, 1, None));
    rotated.keep().await.unwrap();
    assert_eq!(rotated.calls().len(), 7, "once");
}

/// The service takes a topic once, and the others go their way.
#[tokio::test(start_paused = true)]
async fn a_former_one_that_cannot_be_ended_is_failing_until_it_is_and_is_not_made_anew_again() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    let (w3, w4) = (("w3", "ours", CALLBACK, BIRTH), ("w4", "ours", CALLBACK, DEATH));
    let all = || lists(&[&BOTH[..], &[w3, w4]].concat());
    let without_w2 = || lists(&[BOTH[0], w3, w4]);
    let breaks = || says(500, "");
    let rotated =
        rows.start_under("other", CALLBACK, [lists_both(), takes(), takes(), all(), breaks(), ends()]);
    rotated.keep().await.unwrap();
    assert_eq!(rotated.calls()[4..], ["DELETE /webhooks/w1", "DELETE /webhooks/w2"]);
    assert_eq!(
        (rotated.topic(BIRTH).standing, rotated.topic(DEATH).standing),
        (Standing::Failing, Standing::Active)
    );
    assert!(rotated.subscriptions.status().unwrap().refusal.is_none(), "the list came");
    let later = rows.start_under("other", CALLBACK, [without_w2(), breaks(), without_w2(), ends()]);
    for standing in [Standing::Failing, Standing::Active] {
        later.keep().await.unwrap();
        assert_eq!((later.topic(BIRTH).standing, later.topic(BIRTH).lost), (standing, None));
    }
    let again = ["GET /webhooks", "DELETE /webhooks/w1"];
    assert_eq!(later.calls(), [again, again].concat(), "it is known after a start, too");
}

#[tokio::test(start_paused = true)]
async fn one_that_could_not_be_ended_on_request_is_not_taken_for_one_under_a_new_secret() {
    let rows = Rows::new();
    let home = rows.start([lists_both(), lists_both(), says(500, "")]);
    home.keep().await.unwrap();
    assert!(home.subscriptions.end().await.is_err());
    let (w3, w4) = (("w3", "ours", CALLBACK, BIRTH), ("w4", "ours", CALLBACK, DEATH));
    let all = lists(&[&BOTH[..], &[w3, w4]].concat());
    let wanted = rows.start_under("other", CALLBACK, [lists_both(), takes(), takes(), all, ends(), ends()]);
    wanted.subscriptions.want().await.unwrap();
    assert_eq!(wanted.calls()[1..3], ["POST /webhooks"; 2]);
    assert_eq!(wanted.calls()[4..], ["DELETE /webhooks/w1", "DELETE /webhooks/w2"]);
    assert_eq!(wanted.topic(BIRTH).standing, Standing::Active);
}

/// A secret that OpenCRVS does not have: webhooks that it signs are refused.
#[tokio::test(start_paused = true)]
async fn a_subscription_under_another_secret_is_failing_whoever_looks() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    let denies = || says(400, "Subscription callback check failed");
    let answers = [lists_both(), lists_both(), denies(), denies(), lists_both()];
    let mistyped = rows.start_under("mistyped", CALLBACK, answers);
    mistyped.subscriptions.look().await.unwrap();
    assert_eq!(mistyped.topic(BIRTH).standing, Standing::Failing, "before it was asked for anew");
    assert!(mistyped.topic(BIRTH).refusal.unwrap().detail().contains("another sha_secret"));
    mistyped.keep().await.unwrap();
    mistyped.subscriptions.look().await.unwrap();
    let birth = mistyped.topic(BIRTH);
    assert_eq!((birth.standing, birth.subscriptions, birth.lost), (Standing::Failing, 1, None));
    let right = rows.start([lists_both()]);
    right.keep().await.unwrap();
    assert_eq!(right.topic(BIRTH).standing, Standing::Active);
}

#[tokio::test(start_paused = true)]
async fn one_that_vanished_while_the_secret_changed_is_an_alarm_all_the_same() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    let seen = rows.clock.now();
    rows.clock.set(Timestamp::from_seconds(START + 3_600));
    let only_death = lists(&BOTH[1..]);
    let (w3, w4) = (("w3", "ours", CALLBACK, BIRTH), ("w4", "ours", CALLBACK, DEATH));
    let all = lists(&[BOTH[1], w3, w4]);
    let rotated = rows.start_under("other", CALLBACK, [only_death, takes(), takes(), all, ends()]);
    rotated.keep().await.unwrap();
    assert_eq!((rotated.topic(BIRTH).standing, rotated.topic(BIRTH).lost), (Standing::Active, Some(seen)));
    assert_eq!(rotated.topic(DEATH).lost, None, "it was there until the new one was");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_stays_where_the_service_takes_another_one_and_forgets_it() {
    let rows = Rows::new();
    rows.start([lists_both()]).keep().await.unwrap();
    let w3 = ("w3", "ours", CALLBACK, BIRTH);
    let one_of_two = || lists(&[&BOTH[..], &[w3]].concat());
    let rotated = rows.start_under("other", CALLBACK, [lists_both(), takes(), takes(), one_of_two(), ends()]);
    rotated.keep().await.unwrap();
    assert_eq!(rotated.calls()[3..], ["GET /webhooks", "DELETE /webhooks/w1"], "only what has another one");
    assert_eq!(rotated.topic(BIRTH).standing, Standing::Active);
    let death = rotated.topic(DEATH);
    assert_eq!((death.standing, death.subscriptions), (Standing::Failing, 1));
    assert!(death.refusal.unwrap().detail().contains("does not list it"));
}
