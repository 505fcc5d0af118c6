use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Frame;

use super::*;

/// Long enough to never pass in a test that does not wait for it.
const AMPLE: Duration = Duration::from_secs(60);
/// Passes in every test that waits for it.
const SHORT: Duration = Duration::from_millis(20);

/// A body of unknown length: its frames one after the other, then nothing more ever, unless it `ends`.
struct Frames {
    frames: Vec<&'static [u8]>,
    ends: bool,
}

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.is_empty() {
            false => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.frames.remove(0)))))),
            true if self.ends => Poll::Ready(None),
            true => Poll::Pending,
        }
    }
}

fn frames(frames: &[&'static [u8]], ends: bool) -> Request {
    Request::new(axum::body::Body::new(Frames { frames: frames.to_vec(), ends }))
}

fn whole(body: &'static [u8]) -> Request {
    Request::new(axum::body::Body::from(body))
}

async fn refusal(request: Request, limits: &Limits) -> Code {
    read(request, limits).await.err().expect("the body was read").code()
}

#[tokio::test]
async fn a_body_at_the_limit_is_read_whole() {
    let limits = Limits::new(6, AMPLE, 6);
    assert_eq!(&read(whole(b"abcdef"), &limits).await.unwrap()[..], b"abcdef");
    assert_eq!(read(frames(&[b"abc", b"", b"def"], true), &limits).await.unwrap().into_bytes(), "abcdef");
    assert!(read(frames(&[], true), &limits).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_comes_in_one_piece_is_copied_only_if_it_is_short() {
    let limits = Limits::new(1 << 20, AMPLE, 1 << 20);
    for (len, is_copied) in [(WHOLE, false), (WHOLE - 1, true)] {
        let piece = Bytes::from(vec![7; len]);
        let body = Request::new(axum::body::Body::from(piece.clone()));
        let held = read(body, &limits).await.unwrap();
        assert_eq!((held.as_ptr() != piece.as_ptr(), &held[..]), (is_copied, &piece[..]));
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let limits = Limits::new(5, AMPLE, 100);
    assert_eq!(refusal(frames(&[b"abc", b"def"], true), &limits).await, Code::TooLarge);
    assert_eq!(refusal(whole(b"abcdef"), &limits.with_body_limit(4)).await, Code::TooLarge);
    assert!(read(whole(b"abcdef"), &limits.with_body_limit(6)).await.is_ok());
}

/// The first poll of this body would be the last thing the test does.
#[tokio::test]
async fn a_declared_length_beyond_the_limit_is_refused_unread() {
    struct Declared;
    impl hyper::body::Body for Declared {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("the body was polled");
        }

        fn size_hint(&self) -> hyper::body::SizeHint {
            hyper::body::SizeHint::with_exact(6)
        }
    }
    let request = Request::new(axum::body::Body::new(Declared));
    assert_eq!(refusal(request, &Limits::new(5, AMPLE, 100)).await, Code::TooLarge);
}

#[tokio::test]
async fn a_body_that_stops_half_way_times_out() {
    assert_eq!(refusal(frames(&[b"half"], false), &Limits::new(100, SHORT, 100)).await, Code::Timeout);
}

#[tokio::test]
async fn bodies_in_flight_share_one_budget_until_the_last_use_of_their_bytes() {
    let limits = Limits::new(10, AMPLE, 10);
    let first = read(whole(b"123456"), &limits).await.unwrap().into_bytes();
    assert_eq!(refusal(frames(&[b"1234", b"5"], true), &limits.with_body_limit(5)).await, Code::Busy);
    // What the refused body had been charged is free again, and the first still holds its share.
    let second = read(whole(b"1234"), &limits).await.unwrap();
    let tail = first.slice(5..);
    drop(first);
    assert_eq!(refusal(whole(b"1"), &limits).await, Code::Busy);
    drop(tail);
    assert!(read(whole(b"123456"), &limits).await.is_ok());
    drop(second);
    assert!(read(whole(b"1234567890"), &limits).await.is_ok());
}

#[tokio::test]
async fn a_body_that_timed_out_gives_its_share_back() {
    let limits = Limits::new(10, SHORT, 10);
    assert_eq!(refusal(frames(&[b"1234567890"], false), &limits).await, Code::Timeout);
    assert!(read(whole(b"1234567890"), &limits).await.is_ok());
}

#[tokio::test]
async fn a_body_in_its_turn_waits_for_the_budget_and_no_longer_than_its_deadline() {
    let limits = Limits::new(10, AMPLE, 10);
    let first = read(whole(b"123456"), &limits).await.unwrap();
    let next = tokio::spawn({
        let limits = limits.clone();
        async move { read_in_turn(whole(b"12345"), &limits).await.map(|body| body.len()) }
    });
    // Once it has had its turn to run, it waits.
    tokio::task::yield_now().await;
    assert!(!next.is_finished());
    let (_bytes, share) = first.into_parts();
    drop(share);
    assert_eq!(next.await.unwrap().unwrap(), 5);

    let limits = Limits::new(10, SHORT, 10);
    let _first = read(whole(b"123456"), &limits).await.unwrap();
    let refused = read_in_turn(whole(b"12345"), &limits).await.err().unwrap();
    assert_eq!(refused.code(), Code::Timeout);
}

/// Two frames, and between them others have their turn.
struct Halves([Option<&'static [u8]>; 2], bool);

impl hyper::body::Body for Halves {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.1 = !self.1;
        if self.1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.0.iter_mut().find_map(Option::take);
        Poll::Ready(next.map(|part| Ok(Frame::data(Bytes::from_static(part)))))
    }
}

#[tokio::test]
async fn bodies_that_each_have_a_part_of_the_budget_do_not_wait_for_one_another_for_ever() {
    let limits = Limits::new(10, AMPLE, 10);
    let read = async || {
        let body = axum::body::Body::new(Halves([Some(b"12345"), Some(b"6789")], false));
        read_in_turn(Request::new(body), &limits).await.map(|body| body.len())
    };
    let (first, second, third) = tokio::join!(read(), read(), read());
    assert_eq!([first.unwrap(), second.unwrap(), third.unwrap()], [9, 9, 9]);
    assert_eq!(read_in_turn(whole(b"1234567890"), &limits).await.unwrap().len(), 10, "all is given back");
}

#[tokio::test]
async fn a_stranger_holds_no_more_than_the_share_of_its_address() {
    let limits = Limits::new(10, AMPLE, 160).for_strangers(10);
    let of = |last: u8| limits.of(IpAddr::from([192, 0, 2, last]));
    let first = read(whole(b"1234567890"), &of(1)).await.unwrap();
    let _second = read(whole(b"1234567890"), &of(1)).await.unwrap();
    assert_eq!(refusal(whole(b"1"), &of(1)).await, Code::Busy);
    assert!(read(whole(b"1234567890"), &of(2)).await.is_ok(), "another address has a share of its own");
    drop(first);
    assert!(read(whole(b"1234567890"), &of(1)).await.is_ok());
}

#[tokio::test]
async fn another_listener_takes_nothing_from_the_budget() {
    let limits = Limits::new(10, AMPLE, 10);
    let _held = read(whole(b"1234567890"), &limits.apart(10)).await.unwrap();
    assert!(read(whole(b"1234567890"), &limits).await.is_ok());
}

#[tokio::test]
async fn the_pieces_of_a_body_are_seen_as_they_come() {
    let mut seen = Vec::new();
    let limits = Limits::new(6, AMPLE, 6);
    let body = read_seeing(frames(&[b"abc", b"def"], true), &limits, Spent::Waits, |piece| {
        seen.push(piece.to_vec())
    })
    .await;
    assert_eq!((&body.unwrap()[..], seen), (&b"abcdef"[..], vec![b"abc".to_vec(), b"def".to_vec()]));
}
