//! The way there and back over TLS under a private root, and who is not spoken to.

use std::path::{Path, PathBuf};

use crate::support::event::BIRTH;
use crate::support::gateway::Running;
use crate::support::mosip::{Push, caller_token};
use crate::support::patience;
use crate::support::pki::{Authority, Identity};
use crate::support::world::{Setup, World};
use http::{HeaderMap, Method};
use mosip_gateway::simulator::Tls;
use mosip_gateway::telemetry::Capture;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tracing::level_filters::LevelFilter;

/// Where everybody is in these tests.
const HOST: &str = "127.0.0.1";

/// The files that the gateway's TLS settings name.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn tls(identity: &Identity) -> Option<Tls> {
    Some(Tls { cert_pem: identity.cert.clone().into_bytes(), key_pem: identity.key.clone().into_bytes() })
}

#[tokio::test]
async fn a_push_comes_with_the_client_certificate_that_the_callback_demands() {
    let (authority, files) = (Authority::new("country"), Files::new());
    let root = files.write("root.crt", authority.pem());
    let callback = authority.server(&[HOST]);
    let (cert, key) = (files.write("server.crt", &callback.cert), files.write("server.key", &callback.key));
    let set = || {
        vec![
            ("CALLBACK__TLS__CERT", cert.as_str()),
            ("CALLBACK__TLS__KEY", key.as_str()),
            ("CALLBACK__TLS__CLIENT_CA", root.as_str()),
        ]
    };
    for (identity, is_let_in) in [(Some(authority.client("mosip")), true), (None, false)] {
        let world = World::start(Setup {
            mosip_tls: None,
            callback_roots: Some(authority.pem()),
            callback_client: identity.as_ref().and_then(tls),
            set: set(),
            ..Setup::default()
        })
        .await;
        world.gateway.accept("birth", BIRTH).await;
        let record = world.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
        assert_eq!(record.pushes[0].status == Some(200), is_let_in, "{:?}", record.pushes[0].failure);
    }
}

#[tokio::test]
async fn a_birth_goes_there_and_back_over_tls_under_a_private_root() {
    let (authority, files) = (Authority::new("country"), Files::new());
    let root = files.write("root.crt", authority.pem());
    let callback = authority.server(&[HOST]);
    let (cert, key) = (files.write("server.crt", &callback.cert), files.write("server.key", &callback.key));
    let mut world = World::start(Setup {
        mosip_tls: tls(&authority.server(&[HOST])),
        callback_roots: Some(authority.pem()),
        callback_client: None,
        set: vec![("UPSTREAM__CA_FILE", &root), ("CALLBACK__TLS__CERT", &cert), ("CALLBACK__TLS__KEY", &key)],
        ..Setup::default()
    })
    .await;
    assert!(world.simulator.base_url.starts_with("https://"));
    let (_, readiness) = world.gateway.readiness().await;
    let listeners = readiness["listeners"].as_array().unwrap();
    let named: Vec<_> = listeners.iter().map(|one| (one["name"].as_str().unwrap(), &one["tls"])).collect();
    assert_eq!(named, [("internal", &json!(false)), ("callback", &json!(true)), ("ops", &json!(false))]);
    assert!(listeners[1]["days_to_expiry"].as_i64().unwrap() > 0, "{readiness}");
    let url = format!("http://{}/metrics", world.gateway.ops);
    let metrics = world.gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    let metrics = String::from_utf8_lossy(&metrics.body);
    let days = "mosip_gateway_certificate_days_left{role=\"listener\",name=\"callback\",number=\"1\"}";
    assert!(metrics.contains(days), "{metrics}");

    world.gateway.settle("birth", BIRTH).await;
    let token = world.mediator.uin_token().await;
    let record = world.simulator.history.wait_until(|record| !record.pushes.is_empty()).await;
    assert_eq!((&record.pushes[0].uin_token, record.pushes[0].status), (&token, Some(200)));
    world.gateway.stop().await;
}

/// Posts a birth while MOSIP's side shows `identity`, and `root` is what the gateway trusts. Nothing may have been sent, and the log has to say `reason`.
async fn refuses(identity: &Identity, root: &Authority, reason: &str) {
    let logs = Capture::default();
    let _logs = logs.listen(LevelFilter::INFO);
    let files = Files::new();
    let root = files.write("root.crt", root.pem());
    let set = vec![("UPSTREAM__CA_FILE", root.as_str())];
    let world = World::start(Setup { mosip_tls: tls(identity), set, ..Setup::default() }).await;

    let id = world.gateway.accept("birth", BIRTH).await;
    let fault = &world.gateway.failed_event(&id).await["lastFault"];
    assert_eq!((&fault["code"], &fault["fault"]), (&json!("upstream"), &json!("upstream")));
    assert!(fault["detail"].as_str().unwrap().contains(reason), "{fault}");
    assert!(fault["advice"].as_str().unwrap().contains("upstream.ca_file"), "{fault}");

    let record = world.simulator.history.record();
    assert_eq!((record.tokens_issued, record.tokens_refused, record.aids_issued), (0, 0, 0));
    assert!(record.accepted.is_empty() && record.refused.is_empty());
    world.gateway.stop().await;
    let logs = logs.text();
    assert!(logs.lines().any(|line| line.contains("an attempt failed") && line.contains(reason)), "{logs}");
}

#[tokio::test]
async fn a_mosip_under_another_root_is_sent_nothing() {
    let (ours, theirs) = (Authority::new("country"), Authority::new("somebody else"));
    refuses(&theirs.server(&[HOST]), &ours, "none of the trusted roots has signed it").await;
}

#[tokio::test]
async fn a_mosip_with_an_expired_certificate_is_sent_nothing() {
    let authority = Authority::new("country");
    refuses(&authority.expired_server(&[HOST]), &authority, "it expired at 1970-01-02").await;
}

#[tokio::test]
async fn a_mosip_with_the_certificate_of_another_name_is_sent_nothing() {
    let authority = Authority::new("country");
    refuses(&authority.server(&["mosip.example"]), &authority, "it is made out to another name").await;
}

#[tokio::test]
async fn a_push_over_mutual_tls_is_taken_from_the_listed_client_and_from_nobody_else() {
    let (authority, stranger, files) = (Authority::new("country"), Authority::new("stranger"), Files::new());
    let mut mediator = crate::support::mediator::Mediator::start();
    let gateway =
        Running::start_under(&demanding(&authority, &files), &[("DELIVER__URL", &mediator.url)]).await;

    let push = Push::new("1").body();
    let as_client = async |identity: Option<&Identity>| {
        let stream = TcpStream::connect(&gateway.callback).await.unwrap();
        post_over_tls(stream, &authority, identity, &push).await.unwrap_or_default()
    };
    assert_eq!(as_client(None).await, "");
    assert_eq!(as_client(Some(&stranger.client("mosip"))).await, "");
    assert_eq!(as_client(Some(&authority.client("somebody else"))).await, "");
    assert!(mediator.deliveries.try_recv().is_err(), "a push of nobody's was delivered");

    let answer = as_client(Some(&authority.client("mosip"))).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(mediator.uin_token().await, "1");
    gateway.stop().await;
}

/// The configuration of the example, whose callback demands the certificate `CN=mosip` of `authority`.
pub(crate) fn demanding(authority: &Authority, files: &Files) -> String {
    let server = authority.server(&[HOST]);
    let (cert, key) = (files.write("server.crt", &server.cert), files.write("server.key", &server.key));
    let client_ca = files.write("clients.crt", authority.pem());
    let tls = format!(
        "tls = {{ cert = {cert:?}, key = {key:?}, client_ca = {client_ca:?}, client_subjects = [\"CN=mosip\"] }}"
    );
    crate::support::gateway::EXAMPLE.replace("[callback]", &format!("[callback]\n{tls}"))
}

#[tokio::test]
async fn a_refused_handshake_is_counted_and_logged_with_the_address_of_the_peer() {
    const COUNT: &str = r#"mosip_gateway_refused_total{listener="callback",route="-",code="tls-handshake"}"#;
    let logs = Capture::default();
    let _logs = logs.listen(LevelFilter::INFO);
    let (authority, files) = (Authority::new("country"), Files::new());
    let unlisted = authority.client("somebody else");
    for (identity, why, subject) in [
        (None, "certificate", Value::Null),
        (Some(&unlisted), "the client certificate is not among client_subjects", json!("CN=somebody else")),
    ] {
        let gateway = Running::start_under(&demanding(&authority, &files), &[]).await;
        let counted = async |number: u64| {
            let url = format!("http://{}/metrics", gateway.ops);
            let metrics = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
            let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
            let line = format!("{COUNT} {number}");
            if metrics.lines().any(|is| is == line) { Ok(()) } else { Err(metrics) }
        };
        counted(0).await.unwrap();
        let stream = TcpStream::connect(&gateway.callback).await.unwrap();
        let peer = stream.local_addr().unwrap().to_string();
        // The client may have finished the handshake, and hears only then that it is not let in.
        let answer = post_over_tls(stream, &authority, identity, "{}").await;
        assert_eq!(answer.unwrap_or_default(), "");
        patience::until("the count", async || counted(1).await).await;
        let logged: Vec<Value> =
            logs.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut lines = logged.iter().filter(|line| line["message"] == "a TLS handshake is refused");
        let line = lines.find(|line| line["peer"] == peer).unwrap_or_else(|| panic!("{peer}: {logged:?}"));
        assert_eq!((&line["level"], &line["listener"]), (&json!("WARN"), &json!("callback")));
        assert!(line["why"].as_str().unwrap().contains(why), "{line}");
        assert_eq!(line["subject"], subject);
        gateway.stop().await;
    }
}

/// Posts `body` to `/birthReceiveNid` with a caller's token; the answer, head and all.
pub(crate) async fn post_over_tls(
    stream: TcpStream,
    authority: &Authority,
    identity: Option<&Identity>,
    body: &str,
) -> std::io::Result<String> {
    let address = stream.peer_addr()?;
    let mut stream =
        authority.connector(identity).connect(ServerName::try_from(HOST).unwrap(), stream).await?;
    let head = format!(
        "POST /birthReceiveNid HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        caller_token(),
        body.len()
    );
    stream.write_all((head + body).as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
