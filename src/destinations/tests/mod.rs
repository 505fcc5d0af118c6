//! What every destination relies on, and what one more of them costs.

pub(crate) mod addition;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use tokio::sync::Barrier;
use tokio::time::timeout;

use super::drive::{Outside, drive};
use super::fake::{Book, Script, is_away, is_silent, says, work};
use super::*;
use crate::error::Code;

/// Makes the same call until it is answered.
struct OneCall {
    resend: bool,
}

impl Steps for OneCall {
    fn next(&self, work: &Work) -> Result<Step> {
        let request = Request {
            method: Method::POST,
            uri: format!("http://upstream/{}", work.id).parse().unwrap(),
            headers: HeaderMap::new(),
            body: work.payload.clone(),
            deadline: Duration::from_secs(1),
            max_response: 1024,
        };
        let before = (!work.progress.sent).then(|| Progress { sent: true, ..Progress::default() });
        let read = Box::new(|reply: Result<Reply, SendError>| {
            reply?;
            Ok(Read::Done(Done::default()))
        });
        Ok(Step::from(Call { request, token: None, before, seal: None, resend: self.resend, read }))
    }
}

async fn run(steps: impl Steps + 'static, outside: &dyn Outside, book: &Book) -> Result<Option<Done>> {
    let steps: Arc<dyn Steps> = Arc::new(steps);
    drive(outside, &steps, work("a", "test", "body"), book).await
}

#[tokio::test]
async fn what_is_stored_before_a_call_is_stored_before_its_first_byte_leaves() {
    let (outside, book) = (Script::new([says(200, "")]), Book::dies_after(0));
    assert_eq!(run(OneCall { resend: false }, &outside, &book).await.err().unwrap().code(), Code::Storage);
    assert!(outside.paths().is_empty());
}

#[tokio::test]
async fn what_never_left_is_sent_once_more_where_the_call_wants_that_and_what_may_have_left_never_is() {
    let (outside, book) = (Script::new([is_away(), says(200, "")]), Book::default());
    assert!(run(OneCall { resend: true }, &outside, &book).await.unwrap().is_some());
    assert_eq!(book.kept.lock().unwrap().len(), 1, "it was stored already");

    let outside = Script::new([is_away(), is_away()]);
    assert!(run(OneCall { resend: true }, &outside, &Book::default()).await.is_err(), "once");
    let outside = Script::new([is_away()]);
    assert!(run(OneCall { resend: false }, &outside, &Book::default()).await.is_err());
    let outside = Script::new([is_silent()]);
    assert!(run(OneCall { resend: true }, &outside, &Book::default()).await.is_err());
}

#[tokio::test]
async fn a_destination_that_finds_no_end_is_a_bug() {
    struct Endless;
    impl Steps for Endless {
        fn next(&self, work: &Work) -> Result<Step> {
            let Step::Call(call) = OneCall { resend: false }.next(work)? else { unreachable!() };
            let read = Box::new(|_: Result<Reply, SendError>| {
                Ok(Read::Advance { progress: Progress::default(), news: None })
            });
            Ok(Step::from(Call { read, ..*call }))
        }
    }
    let outside = Script::new((0..100).map(|_| says(200, "")));
    let error = run(Endless, &outside, &Book::default()).await.err().unwrap();
    assert_eq!(error.code(), Code::Bug);
}

/// As [`OneCall`], with a body that is sealed, or fails to be.
struct Sealing {
    fails: bool,
}

impl Steps for Sealing {
    fn next(&self, work: &Work) -> Result<Step> {
        let Step::Call(call) = OneCall { resend: false }.next(work)? else { unreachable!() };
        let fails = self.fails;
        let seal: Seal = Box::new(move || match fails {
            true => Err(Error::new(Code::Busy, "no key is free")),
            false => Ok(Bytes::from_static(b"sealed")),
        });
        Ok(Step::from(Call { seal: Some(seal), ..*call }))
    }
}

#[tokio::test]
async fn a_call_waits_for_its_body_and_for_what_precedes_it() {
    let (outside, book) = (Script::new([says(200, "")]), Book::default());
    assert!(run(Sealing { fails: false }, &outside, &book).await.unwrap().is_some());
    assert_eq!((outside.last_body(), book.kept.lock().unwrap().len()), (Bytes::from_static(b"sealed"), 1));

    for (fails, most, code) in [(true, 1, Code::Busy), (false, 0, Code::Storage), (true, 0, Code::Storage)] {
        let (outside, book) = (Script::default(), Book::dies_after(most));
        let error = run(Sealing { fails }, &outside, &book).await.err().unwrap();
        assert_eq!((error.code(), outside.paths().len()), (code, 0));
    }
}

/// Storing and sealing, each of which ends once the other has begun.
struct Both {
    begun: Barrier,
    calls: Script,
}

impl drive::Keep for Both {
    fn keep<'a>(&'a self, _: &'a Progress, _: Option<News>) -> BoxFuture<'a, Result<bool>> {
        async {
            self.begun.wait().await;
            Ok(true)
        }
        .boxed()
    }
}

impl Outside for Both {
    fn send(
        &self,
        token: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        self.calls.send(token, request)
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        self.calls.next(steps, work)
    }

    fn seal(&self, seal: Seal) -> BoxFuture<'_, Result<Bytes>> {
        async {
            self.begun.wait().await;
            seal()
        }
        .boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        self.calls.refresh_keys()
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sealed_while_what_precedes_its_call_is_stored() {
    let both = Both { begun: Barrier::new(2), calls: Script::new([says(200, "")]) };
    let steps: Arc<dyn Steps> = Arc::new(Sealing { fails: false });
    let driven = drive(&both, &steps, work("a", "test", ""), &both);
    let done = timeout(Duration::from_secs(60), driven).await.expect("neither waits for the other");
    assert!(done.unwrap().is_some());
}

#[tokio::test]
async fn whoever_may_have_lost_the_entry_meanwhile_makes_no_call() {
    struct Late(Book);
    impl drive::Keep for Late {
        fn keep<'a>(&'a self, progress: &'a Progress, news: Option<News>) -> BoxFuture<'a, Result<bool>> {
            self.0.keep(progress, news)
        }

        fn holds(&self) -> bool {
            false
        }
    }
    let (outside, late) = (Script::default(), Late(Book::default()));
    let steps: Arc<dyn Steps> = Arc::new(Sealing { fails: false });
    assert!(drive(&outside, &steps, work("a", "test", ""), &late).await.unwrap().is_none());
    assert!(outside.paths().is_empty());
}

#[tokio::test]
async fn whoever_lost_the_entry_makes_no_further_call() {
    struct Lost;
    impl drive::Keep for Lost {
        fn keep<'a>(&'a self, _: &'a Progress, _: Option<News>) -> BoxFuture<'a, Result<bool>> {
            std::future::ready(Ok(false)).boxed()
        }
    }
    let (outside, steps) = (Script::default(), Arc::new(OneCall { resend: true }));
    let steps: Arc<dyn Steps> = steps;
    assert!(drive(&outside, &steps, work("a", "test", ""), &Lost).await.unwrap().is_none());
    assert!(outside.paths().is_empty());
}

#[tokio::test]
async fn a_call_of_a_caller_who_waits_answers_with_what_it_put_into_its_slot() {
    let outside = Script::new([says(200, "seven")]);
    let answer = drive::ask(&outside, |slot: drive::Slot<Bytes>| {
        let Step::Call(call) = OneCall { resend: true }.next(&work("a", "", ""))? else { unreachable!() };
        let read = Box::new(|reply: Result<Reply, SendError>| Ok(slot.put(reply?.body)));
        Ok(Call { read, before: None, ..*call })
    });
    assert_eq!(answer.await.unwrap(), "seven");
    let outside = Script::new([is_away(), is_silent()]);
    let failed = drive::ask(&outside, |_: drive::Slot<()>| {
        let Step::Call(call) = OneCall { resend: true }.next(&work("a", "", ""))? else { unreachable!() };
        Ok(*call)
    });
    assert_eq!(failed.await.unwrap_err().code(), Code::UpstreamTimeout);
}

#[tokio::test]
async fn a_long_answer_is_read_beside_the_reactor() {
    let here = std::thread::current().id();
    for (len, is_here) in [(10, true), (1 << 20, false)] {
        let answers = move |slot: drive::Slot<bool>| {
            let Step::Call(call) = (OneCall { resend: false }).next(&work("e1", "birth", "{}"))? else {
                unreachable!()
            };
            let read =
                Box::new(
                    move |_: Result<Reply, SendError>| Ok(slot.put(std::thread::current().id() == here)),
                );
            Ok(Call { read, ..*call })
        };
        let outside = Script::new([says(200, &"x".repeat(len))]);
        assert_eq!(drive::ask(&outside, answers).await.unwrap(), is_here, "{len}");
    }
}
