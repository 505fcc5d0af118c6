//! A call to IDA counts towards locking the person: what is sent a second time, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::gateway::Running;
use crate::support::ida_setup::{World, assert_problem, call, copy_of_the_example_keys, person, simulator};
use crate::support::patience;
use crate::support::pki::Authority;
use mosip_gateway::simulator::{Behaviour, Tls};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The example's keys in a folder of their own, IDA's certificate being somebody else's.
fn keys_with_a_stale_certificate() -> TempDir {
    let dir = copy_of_the_example_keys();
    std::fs::copy("keys.example/issuer.crt", dir.path().join("ida-partner.crt")).unwrap();
    dir
}

#[tokio::test]
async fn a_certificate_of_ida_that_was_replaced_is_taken_and_the_request_sent_once_more() {
    let keys = keys_with_a_stale_certificate();
    let world = World::start(&[("KEYS__DIR", &keys.path().display().to_string())]).await;
    let problem =
        assert_problem(world.call("auth", &person()).await, (503, "keys", "keys"), "the same certificate");
    assert_eq!(problem["upstream"]["code"], "IDA-MPA-003");
    assert!(
        problem["advice"].as_str().is_some_and(|advice| advice.contains("IDA's current certificate")),
        "{problem}"
    );
    assert_eq!(world.codes().len(), 1, "not sent again with the same certificate");

    std::fs::copy("keys.example/ida-partner.crt", keys.path().join("ida-partner.crt")).unwrap();
    let (status, verdict) = world.call("auth", &person()).await;
    assert_eq!((status, &verdict["authStatus"]), (200, &json!(true)), "{verdict}");
    assert_eq!(world.codes(), [Some("IDA-MPA-003".to_owned()), Some("IDA-MPA-003".to_owned()), None]);
}

#[tokio::test]
async fn a_refusal_of_the_new_certificate_is_not_answered_by_a_third_request() {
    let keys = keys_with_a_stale_certificate();
    let world = World::start(&[("KEYS__DIR", &keys.path().display().to_string())]).await;
    std::fs::copy("keys.example/partner.crt", keys.path().join("ida-partner.crt")).unwrap();
    assert_problem(world.call("auth", &person()).await, (503, "keys", "keys"), "two stale certificates");
    assert_eq!(world.codes().len(), 2);
}

#[tokio::test]
async fn a_request_that_may_have_arrived_is_never_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/idauthentication/v1", listener.local_addr().unwrap());
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // It reads something and hangs up.
            if stream.read_u8().await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let gateway = Running::start(&[("UPSTREAM__IDA__URL", &url)]).await;
    assert_problem(call(&gateway, "auth", &person()).await, (502, "upstream", "upstream"), "hung up");
    assert_eq!(received.load(Ordering::SeqCst), 1);
}

/// Hangs up on the first `dead` connections, before TLS stands on them, and leads the others to `to`. Its address, and how many came.
async fn door(to: String, dead: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    tokio::spawn(async move {
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            if count.fetch_add(1, Ordering::SeqCst) >= dead {
                let mut far = TcpStream::connect(&to).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await });
            }
        }
    });
    (address, came)
}

#[tokio::test]
async fn a_request_that_never_left_is_sent_once_more_and_no_third_time() {
    let authority = Authority::new("country");
    let identity = authority.server(&["127.0.0.1"]);
    let tls = Tls { cert_pem: identity.cert.into_bytes(), key_pem: identity.key.into_bytes() };
    let simulator = simulator(Some(tls)).await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.crt");
    std::fs::write(&root, authority.pem()).unwrap();
    for (dead, status, connections, arrived) in [(1, 200, 2, 1), (2, 502, 2, 0)] {
        let before = simulator.history.record().ida.len();
        let (address, came) = door(simulator.base_url.replace("https://", ""), dead).await;
        let gateway = Running::start(&[
            ("UPSTREAM__IDA__URL", &format!("https://{address}/idauthentication/v1")),
            ("UPSTREAM__CA_FILE", root.to_str().unwrap()),
        ])
        .await;
        let (found, answer) = call(&gateway, "auth", &person()).await;
        assert_eq!((found, came.load(Ordering::SeqCst)), (status, connections), "{dead} dead: {answer}");
        assert_eq!(simulator.history.record().ida.len() - before, arrived, "{dead} dead");
        assert_eq!(answer["authStatus"].is_null(), status != 200, "{answer}");
    }
}

#[tokio::test]
async fn calls_tell_the_channel_of_ida_and_are_answered_at_once_while_it_is_away() {
    let world = World::start(&[("UPSTREAM__PROBE_INTERVAL", "1h")]).await;
    let flow = async || {
        let (_, ready) = world.gateway.readiness().await;
        let channels = ready["channels"].as_array().unwrap().clone();
        let ida = channels.into_iter().find(|channel| channel["destination"] == "ida").unwrap();
        ida["state"].as_str().unwrap().to_owned()
    };
    let refuses = Behaviour { ida_errors_in_200: Some("IDA-MPA-009".into()), ..Behaviour::default() };
    world.behave(refuses);
    assert_problem(world.call("auth", &person()).await, (502, "partner", "partner"), "it refuses us");
    assert_eq!(flow().await, "paused", "what cannot work is told at once");
    world.behave(Behaviour::default());
    assert_eq!(world.call("auth", &person()).await.0, 200, "a caller who waits is not kept from asking");
    assert_eq!(flow().await, "open");

    world.behave(Behaviour { down: true, ..Behaviour::default() });
    for _ in 0..10 {
        assert_eq!(world.call("auth", &person()).await.0, 502);
    }
    assert_eq!(flow().await, "broken");
    world.behave(Behaviour::default());
    let asked = world.codes().len();
    assert_problem(world.call("auth", &person()).await, (502, "upstream", "upstream"), "it rests");
    assert_eq!(world.codes().len(), asked, "IDA is left alone for a moment");
    patience::until("the end of the rest", async || match world.call("auth", &person()).await.0 {
        200 => Ok(()),
        status => Err(status),
    })
    .await;
    assert_eq!(flow().await, "open");
}
