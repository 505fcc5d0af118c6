//! Two gateways over one database, of which one looks while the other is asked something.

use futures_util::FutureExt;

use super::*;

fn two() -> Rows {
    Rows { is_shared: true, ..Rows::new() }
}

fn only_death() -> Answer {
    lists(&[("w2", "ours", CALLBACK, DEATH)])
}

/// The answer of the service, before which this happens.
fn meanwhile<T>(happens: impl Future<Output = T> + Send + 'static, answer: Answer) -> Answer {
    Box::new(move |request| {
        happens.now_or_never().expect("it waits for nothing");
        answer(request)
    })
}

async fn wants(home: &Home) -> Option<Code> {
    home.subscriptions.want().await.err().map(|error| error.code())
}

#[tokio::test(start_paused = true)]
async fn what_a_person_ends_at_one_gateway_while_the_other_looks_stays_ended_and_is_not_asked_for() {
    let rows = two();
    let other = rows.start([lists(&[]), lists(&[])]);
    let of_other = other.subscriptions.clone();
    let ends = async move {
        let error = of_other.end().await.unwrap_err();
        assert_eq!(error.code(), Code::StateConflict);
        assert!(error.detail().contains("another gateway looks"), "{error}");
    };
    let one = rows.start([meanwhile(ends, only_death())]);
    one.keep().await.unwrap();
    assert_eq!(one.calls(), ["GET /webhooks"], "the birth is missing, and is ended");
    assert!(other.calls().is_empty(), "nothing is ended that the other may just have asked for");
    assert!(other.subscriptions.end().await.unwrap().is_ended);
    let later = rows.start([lists(&[])]);
    later.keep().await.unwrap();
    assert_eq!((later.topic(DEATH).standing, later.topic(DEATH).lost), (Standing::Ended, None));
    assert_eq!(later.calls(), ["GET /webhooks"]);
}

#[tokio::test(start_paused = true)]
async fn while_one_gateway_asks_the_other_asks_for_nothing_and_refuses_a_person_who_wants_that() {
    let rows = two();
    let other = rows.start([only_death(), lists_both()]);
    let of_other = other.subscriptions.clone();
    let looks = async move {
        of_other.0.look(Purpose::Keep).await.unwrap();
        let error = of_other.want().await.unwrap_err();
        assert_eq!(error.code(), Code::StateConflict);
        assert!(error.detail().contains("another gateway looks"), "{error}");
        assert!(of_other.status().unwrap().refusal.is_none(), "it says nothing against OpenCRVS");
    };
    let one = rows.start([only_death(), meanwhile(looks, takes()), lists_both()]);
    one.keep().await.unwrap();
    assert_eq!(one.calls(), ["GET /webhooks", "POST /webhooks", "GET /webhooks"]);
    assert_eq!(other.calls(), ["GET /webhooks"], "what is missing, the one asks for");
    assert_eq!(wants(&other).await, None, "the look is over");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_ended_within_a_look_is_waited_for_until_what_it_asked_for_is_listed() {
    let rows = two();
    let one = rows.start([]);
    let of_one = one.subscriptions.0.ours().await.unwrap().expect("nobody else looks");
    let other = rows.start([lists_both()]);
    advance(Duration::from_mins(9)).await;
    assert_eq!(wants(&other).await, Some(Code::StateConflict));
    advance(Duration::from_mins(2)).await;
    assert_eq!(wants(&other).await, None);
    // It was stopped, and goes on.
    let late = of_one.ask_for_webhooks(BIRTH, SOON).await.unwrap_err();
    assert_eq!(late.code(), Code::StateConflict, "the other may have asked by now");
}
