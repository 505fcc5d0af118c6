//! Certificates by which servers know the gateway: which server sees which, and what becomes of events where one is missing or refused.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mosip_gateway::clock::Timestamp;
use mosip_gateway::doctor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::support::event::birth;
use crate::support::gateway::Running;
use crate::support::patience;
use crate::support::pki::{Authority, Identity};
use crate::support::system::IdSystem;

/// Where every system is.
pub(crate) const HOST: &str = "127.0.0.1";
/// No post takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An ID system that answers those alone who show a certificate of its authorities.
pub(crate) struct Strict {
    pub(crate) base: String,
    seen: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
}

impl Strict {
    pub(crate) async fn start(identity: &Identity, authorities: &[&Authority]) -> Self {
        let mut roots = RootCertStore::empty();
        for authority in authorities {
            roots.add(der(authority.pem())).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![der(&identity.cert)],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((HOST, 0)).await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(acceptor.clone(), stream, tell.clone()));
            }
        });
        Self { base, seen }
    }

    /// Path and certificate of the next post that was answered.
    pub(crate) async fn next(&mut self) -> (String, Vec<u8>) {
        timeout(PATIENCE, self.seen.recv()).await.expect("a post").unwrap()
    }
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, tell: mpsc::UnboundedSender<(String, Vec<u8>)>) {
    let stream = match acceptor.accept(stream).into_fallible().await {
        Ok(stream) => stream,
        Err((_, mut stream)) => {
            // What the client has sent is read, since its kernel would throw the alert away otherwise.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
            return;
        }
    };
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let answer = service_fn(move |request: Request<Incoming>| {
        let (tell, shown) = (tell.clone(), shown.clone());
        async move {
            let path = request.uri().path().to_owned();
            request.into_body().collect().await.unwrap();
            tell.send((path, shown)).unwrap();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"{}"))))
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

pub(crate) fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// The files that settings name.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// The two settings of `identity`.
    pub(crate) fn shown(&self, name: &str, identity: &Identity) -> String {
        let cert = self.write(&format!("{name}.crt"), &identity.cert);
        let key = self.write(&format!("{name}.key"), &identity.key);
        format!("client_cert = {cert:?}\nclient_key = {key:?}\n")
    }

    /// `[upstream]` with `root`, the only one that is trusted, and `more`.
    pub(crate) fn upstream(&self, root: &Authority, more: &str) -> String {
        let roots = self.write("roots.crt", root.pem());
        format!("[upstream]\nca_file = {roots:?}\nprobe_interval = \"1s\"\n{more}\n")
    }
}

/// One of `[[systems]]`
pub(crate) fn system(name: &str, url: &str, more: &str) -> String {
    format!("[[systems]]\nname = \"{name}\"\nurl = \"{url}\"\nkinds = [\"birth\"]\n{more}\n")
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

async fn ops(gateway: &Running, path: &str) -> String {
    let url = format!("http://{}{path}", gateway.ops);
    let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// All three are paths of one server, so that a connection that was lent to another system would show the wrong one.
#[tokio::test]
async fn systems_on_one_server_see_each_its_own_certificate_and_never_that_of_another() {
    let (country, clients, files) = (Authority::new("country"), Authority::new("clients"), Files::new());
    let mut bus = Strict::start(&country.server(&[HOST]), &[&clients]).await;
    let (one, two, all) = (clients.client("one"), clients.client("two"), clients.client("all"));
    let url = |path: &str| format!("{}/{path}", bus.base);
    let settings = files.upstream(&country, &files.shown("all", &all))
        + &system("one", &url("one"), &files.shown("one", &one))
        + &system("two", &url("two"), &files.shown("two", &two))
        + &system("three", &url("three"), "");
    let gateway = Running::start_under(&settings, &[]).await;
    for composition in ["c-1", "c-2", "c-3"] {
        gateway.post_birth(&birth(composition)).await;
        let mut seen = [bus.next().await, bus.next().await, bus.next().await];
        seen.sort();
        let expected = [("/one", &one), ("/three", &all), ("/two", &two)];
        assert_eq!(seen, expected.map(|(path, whose)| (path.to_owned(), der(&whose.cert).to_vec())));
    }
    let metrics = ops(&gateway, "/metrics").await;
    for name in ["upstream.client_cert", "systems[0].client_cert", "systems[1].client_cert"] {
        let days =
            format!("mosip_gateway_certificate_days_left{{role=\"client\",name=\"{name}\",number=\"1\"}}");
        assert!(metrics.contains(&days), "{metrics}");
    }
    assert!(ops(&gateway, "/").await.contains("shown to servers"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_certificate_is_shown_to_no_server_of_another_section() {
    let (country, clients, files) = (Authority::new("country"), Authority::new("clients"), Files::new());
    let mut nia = Strict::start(&country.server(&[HOST]), &[&clients]).await;
    let other = Strict::start(&country.server(&[HOST]), &[&clients]).await;
    let settings = files.upstream(&country, "")
        + &system("nia", &format!("{}/in", nia.base), &files.shown("nia", &clients.client("nia")))
        + &system("other", &format!("{}/in", other.base), "");
    let gateway = Running::start_under(&settings, &[]).await;
    gateway.post_birth(&birth("c-1")).await;
    nia.next().await;
    gateway.event_in("c-1", "done").await;
    let waiting = gateway.failed_event("c-1@other").await;
    assert!(text(&waiting, "/lastFault/detail").contains("demands a client certificate"), "{waiting}");
    gateway.stop().await;
}

/// The event waits with the fault `keys`, the system pauses, and the advice names the setting.
async fn waits(shown: Option<&Identity>, clients: &Authority, detail: &str, advice: &str) {
    let (country, files) = (Authority::new("country"), Files::new());
    let nia = Strict::start(&country.server(&[HOST]), &[clients]).await;
    let mut beside = IdSystem::start().await;
    let own = shown.map(|identity| files.shown("nia", identity)).unwrap_or_default();
    let settings = files.upstream(&country, "")
        + &system("nia", &format!("{}/in", nia.base), &own)
        + &system("beside", &beside.url, "");
    let gateway = Running::start_under(&settings, &[]).await;
    gateway.post_birth(&birth("c-1")).await;
    beside.next().await;
    let waiting = gateway.failed_event("c-1").await;
    assert_eq!(
        (text(&waiting, "/lastFault/fault"), text(&waiting, "/state")),
        ("keys", "queued"),
        "{waiting}"
    );
    assert!(text(&waiting, "/lastFault/detail").contains(detail), "{waiting}");
    assert!(text(&waiting, "/lastFault/advice").contains(advice), "{waiting}");
    paused(&gateway).await;
    gateway.stop().await;
}

/// The channel of `nia` is paused, and the gateway takes events all the same.
async fn paused(gateway: &Running) {
    patience::until("a paused system", async || {
        let (status, ready) = gateway.readiness().await;
        let channels = ready["channels"].as_array().unwrap();
        let channel = channels.iter().find(|channel| channel["destination"] == "nia").unwrap();
        let state = (status, channel["state"].clone());
        if state == (200, json!("paused")) { Ok(()) } else { Err(state) }
    })
    .await;
}

#[tokio::test]
async fn a_system_that_demands_a_certificate_and_sees_none_pauses_with_the_setting_to_fill() {
    let clients = Authority::new("clients");
    waits(None, &clients, "demands a client certificate, and none is set", "client_cert").await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_the_system_does_not_know_pauses_it() {
    let (clients, others) = (Authority::new("clients"), Authority::new("others"));
    let detail = "does not accept the certificate in systems[0].client_cert";
    waits(Some(&others.client("nia")), &clients, detail, "systems[0].client_cert").await;
}

#[tokio::test]
async fn an_expired_certificate_pauses_the_system_and_is_told_before_anything_is_sent() {
    let clients = Authority::new("clients");
    let expired = clients.expired_server(&["gateway.example.org"]);
    let detail = "systems[0].client_cert: it has expired";
    waits(Some(&expired), &clients, detail, "systems[0].client_cert").await;

    let files = Files::new();
    let settings = system("nia", "https://nia.example.org/in", &files.shown("nia", &expired));
    let (level, what) = &found(&files, &settings)[0];
    assert_eq!(*level, doctor::Level::Fail);
    assert!(what.starts_with("shows a certificate that has expired on 1970-01-02"), "{what}");
}

/// What `doctor` says of the certificate.
fn found(files: &Files, settings: &str) -> Vec<(doctor::Level, String)> {
    let file = files.write("gateway.toml", settings);
    let now = Timestamp::from_seconds(1_800_000_000);
    let findings = doctor::examine(Some(&file), &BTreeMap::new(), false, now).findings;
    let of_certificate = findings.into_iter().filter(|one| one.subject == "systems[0].client_cert");
    of_certificate.map(|one| (one.level, one.what)).collect()
}

#[test]
fn doctor_says_how_long_a_certificate_lasts() {
    let files = Files::new();
    let own = files.shown("nia", &Authority::new("clients").client("nia"));
    let found = found(&files, &system("nia", "https://nia.example.org/in", &own));
    let shown = found.iter().find(|(_, what)| what.starts_with("shows a certificate until "));
    let (level, what) = shown.unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(*level, doctor::Level::Ok);
    assert!(what.ends_with(" days left"), "{what}");
}

#[tokio::test]
async fn files_that_make_no_pair_let_the_gateway_start_and_only_what_needs_them_waits() {
    let (country, clients) = (Authority::new("country"), Authority::new("clients"));
    let (ours, other) = (clients.client("nia"), clients.client("other"));
    let no_pem = "certificate".to_owned();
    let no_key = ours.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let cases = [
        ("a certificate that is missing", None, Some(&ours.key), "nia.crt: cannot be read"),
        ("a key that is missing", Some(&ours.cert), None, "nia.key: cannot be read"),
        ("a certificate that is none", Some(&no_pem), Some(&ours.key), "nia.crt: this holds no certificate"),
        ("a key under a password", Some(&ours.cert), Some(&no_key), "nia.key: this holds no private key"),
        ("a key of another certificate", Some(&ours.cert), Some(&other.key), "does not belong to the key in"),
    ];
    for (defect, cert, key, detail) in cases {
        let files = Files::new();
        let mut nia = Strict::start(&country.server(&[HOST]), &[&clients]).await;
        let mut beside = IdSystem::start().await;
        for (name, text) in [("nia.crt", cert), ("nia.key", key)] {
            text.iter().for_each(|text| drop(files.write(name, text)));
        }
        let (cert, key) = (files.path("nia.crt"), files.path("nia.key"));
        let own = format!("client_cert = {cert:?}\nclient_key = {key:?}\n");
        let settings = files.upstream(&country, "")
            + &system("nia", &format!("{}/in", nia.base), &own)
            + &system("beside", &beside.url, "");
        let gateway = Running::start_under(&settings, &[]).await;
        gateway.post_birth(&birth("c-1")).await;
        beside.next().await;
        let waiting = gateway.failed_event("c-1").await;
        assert_eq!(text(&waiting, "/lastFault/fault"), "keys", "{defect}: {waiting}");
        assert!(text(&waiting, "/lastFault/detail").contains(detail), "{defect}: {waiting}");
        paused(&gateway).await;
        let (_, ready) = gateway.readiness().await;
        let mut troubles = ready["troubles"].as_array().unwrap().iter();
        let trouble = troubles.find(|one| one["subject"] == "systems[0].client_cert").unwrap();
        assert!(trouble["fatal"] == true && text(trouble, "/detail").contains(detail), "{defect}: {trouble}");
        assert!(ops(&gateway, "/").await.contains("Put right: systems[0].client_cert"), "{defect}");
        assert!(nia.seen.try_recv().is_err(), "{defect}: nothing was sent");
        gateway.stop().await;
        let (level, what) = &found(&files, &settings)[0];
        assert!(*level == doctor::Level::Fail && what.contains(detail), "{defect}: {what}");
    }
}
