//! Whatever OpenCRVS's core answers, byte for byte: the confirmation waits, registrations go on, and nothing is taken for an answer that is none.

use super::*;
use crate::support::fake::{Fake, Then};

/// A gateway whose core is `fake`, with the tokens of the simulator.
async fn with_core_at(fake: &Fake) -> World {
    let set = vec![("OPENCRVS__URL", fake.url.as_str()), ("UPSTREAM__PROBE_INTERVAL", "1s")];
    world(Setup { set, ..Setup::default() }).await
}

const DECIDED: &str = r#"{"result":{"data":{"json":{"id":"e","actions":[{"id":"a1","type":"REGISTER","status":"Requested"},{"id":"a2","type":"REGISTER","status":"Accepted","originalActionId":"a1"}]}}}}"#;

fn http(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[tokio::test]
async fn an_answer_of_core_that_is_none_is_waited_out_and_is_no_decision() {
    let fake = Fake::start().await;
    let world = with_core_at(&fake).await;
    let answer = |event: usize| DECIDED.replace(r#""id":"e""#, &format!(r#""id":"e{event}""#));
    let conflict = r#"{"error":{"json":{"message":"","data":{"code":"CONFLICT"}}}}"#;
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", 9 << 20);
    let cases: [(&str, Vec<u8>); 9] = [
        ("a page", http("<html><body>Bad gateway</body></html>")),
        ("the answers of another batch", http(&format!("[{conflict},{}]", answer(1)))),
        (
            "an error beside an answer",
            http(&format!(
                "[{}]",
                answer(2).replacen('{', &format!("{{{},", &conflict[1..conflict.len() - 1]), 1)
            )),
        ),
        ("an answer outside of its list", http(&answer(3))),
        ("half a reply", {
            let whole = format!("[{}]", answer(4));
            let half = &whole[..whole.len() / 2];
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{half}", whole.len()).into_bytes()
        }),
        ("a gigabyte that is announced", b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n[".to_vec()),
        ("one that grows beyond the limit", [chunked.as_bytes(), &vec![b' '; 9 << 20]].concat()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("the event of another record", http(&format!("[{}]", answer(99)))),
    ];
    for (count, (what, bytes)) in cases.into_iter().enumerate() {
        fake.answers(bytes, Then::Closes);
        let event = format!("e{count}");
        let id = birth(&world, &event).await;
        issue(&world, &id, Some(NUMBER));
        let entry = world.gateway.failed_event(&confirmation(&id)).await;
        assert_eq!(entry["lastFault"]["fault"], "upstream", "{what}: {entry}");
        assert!(entry["lastFault"]["advice"].as_str().is_some_and(|advice| !advice.is_empty()), "{what}");
        fake.answers(http(&format!("[{}]", answer(count))), Then::Closes);
        world.gateway.event_in(&confirmation(&id), "done").await;
    }
}

#[tokio::test]
async fn a_core_that_never_answers_holds_up_neither_registrations_nor_what_mosip_says() {
    let fake = Fake::start().await;
    let mut world = with_core_at(&fake).await;
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n[{\"res"] {
        fake.answers(begun, Then::Hangs);
        let event = format!("e{}", begun.len());
        let id = birth(&world, &event).await;
        issue(&world, &id, Some(NUMBER));
        fake.next_id().await;
        world.mediator.next_of("credential.issued").await;
        world.gateway.event_in(&confirmation(&id), "leased").await;
    }
    let id = birth(&world, "later").await;
    world.simulator.hub.publish_result(&id, "REJECTED");
    world.mediator.next_of("registration.rejected").await;
    assert_eq!(world.gateway.readiness().await.0, 200);
}
