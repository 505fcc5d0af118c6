use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::test_pki::{Authority, Identity};
use crate::upstream::{NotTrusted, Request, SendError};

/// A server that answers each request on a connection of its own with the common name of its client, whom one of `clients` has signed.
async fn serve(identity: &Identity, clients: &[&Authority]) -> u16 {
    let mut roots = RootCertStore::empty();
    for authority in clients {
        roots.add(der(authority.pem())).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![der(&identity.cert)],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
                head.push(byte[0]);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", shown.len());
            let _ = stream.write_all(&[head.as_bytes(), &shown].concat()).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

struct Site {
    dir: tempfile::TempDir,
    renewal: Renewal,
    client: Client,
}

impl Site {
    /// Trusts `roots`, and shows `identity`.
    fn new(roots: &str, identity: &Identity) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (name, text) in [("roots.crt", roots), ("our.crt", &identity.cert), ("our.key", &identity.key)] {
            std::fs::write(path(name), text).unwrap();
        }
        let ours =
            ClientCertificate { section: "upstream".to_owned(), cert: path("our.crt"), key: path("our.key") };
        let upstream = config::Upstream {
            roots: Some(config::Roots::File(path("roots.crt"))),
            danger_plain_http: false,
            danger_plain_http_hosts: Vec::new(),
            probe_interval: Duration::from_secs(30),
            client: ClientCertificates { all: vec![ours], called: Vec::new() },
        };
        let (renewal, client) = Renewal::begin(&upstream).unwrap();
        Self { dir, renewal, client }
    }

    /// Puts `text` into the file `name`, and looks. The settings that were swapped in.
    fn write(&mut self, name: &str, text: &str) -> Vec<String> {
        std::fs::write(self.dir.path().join(name), text).unwrap();
        self.renewal.look().unwrap()
    }

    /// What stands in the way of each setting, and whether nothing works for it.
    fn troubles(&self) -> Vec<(String, bool)> {
        self.renewal.troubles().into_iter().map(|trouble| (trouble.subject, trouble.fatal)).collect()
    }

    /// The certificate that the server at `port` saw.
    async fn call(&self, port: u16) -> Result<Vec<u8>, SendError> {
        let request = Request {
            method: Method::GET,
            uri: format!("https://localhost:{port}/").parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            deadline: Duration::from_secs(60),
            max_response: 1 << 16,
        };
        self.client.send(request).await.map(|reply| reply.body.to_vec())
    }
}

#[tokio::test]
async fn other_roots_and_another_certificate_count_from_the_next_call_on_and_broken_ones_change_nothing() {
    let (former, current, clients) =
        (Authority::new("former"), Authority::new("current"), Authority::new("clients"));
    let (one, two) = (clients.client("one"), clients.client("two"));
    let mut site = Site::new(former.pem(), &one);
    let old = serve(&former.server(&["localhost"]), &[&clients]).await;
    let new = serve(&current.server(&["localhost"]), &[&clients]).await;
    let seen = async |site: &Site, port| site.call(port).await.unwrap_or_else(|failure| panic!("{failure}"));
    let refused = async |site: &Site, port| match site.call(port).await.err() {
        Some(SendError::Certificate { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(seen(&site, old).await, der(&one.cert).to_vec());
    assert_eq!(refused(&site, new).await, NotTrusted::UnknownRoot);
    assert_eq!(site.renewal.look().unwrap(), [""; 0], "nothing has changed");

    // Half of a pair, half of a bundle.
    assert_eq!(site.write("our.crt", &two.cert), [""; 0]);
    assert_eq!(site.write("roots.crt", &current.pem()[..300]), [""; 0]);
    assert_eq!(
        site.troubles(),
        [("upstream.ca_file".to_owned(), false), ("upstream.client_cert".to_owned(), false)]
    );
    assert_eq!(seen(&site, old).await, der(&one.cert).to_vec());

    assert_eq!(site.write("our.key", &two.key), ["upstream.client_cert"]);
    assert_eq!(site.write("roots.crt", current.pem()), ["upstream.ca_file"]);
    assert_eq!(site.troubles(), []);
    assert_eq!(seen(&site, new).await, der(&two.cert).to_vec());
    assert_eq!(refused(&site, old).await, NotTrusted::UnknownRoot);
}

#[tokio::test]
async fn what_could_not_be_used_at_the_start_works_once_its_files_are_there() {
    let (root, clients) = (Authority::new("root"), Authority::new("clients"));
    let ours = clients.client("ours");
    let mut site = Site::new("no PEM", &Identity { cert: String::new(), key: ours.key.clone() });
    let port = serve(&root.server(&["localhost"]), &[&clients]).await;
    assert!(site.troubles().iter().all(|(_, fatal)| *fatal), "{:?}", site.troubles());
    assert!(matches!(site.call(port).await.err(), Some(SendError::NoCertificate { .. })));
    assert_eq!(site.write("our.crt", &ours.cert), ["upstream.client_cert"]);
    let reason = site.call(port).await.err();
    assert!(matches!(reason, Some(SendError::Certificate { reason: NotTrusted::NoRoot, .. })), "{reason:?}");
    assert_eq!(site.write("roots.crt", root.pem()), ["upstream.ca_file"]);
    assert_eq!(site.call(port).await.unwrap_or_else(|failure| panic!("{failure}")), der(&ours.cert).to_vec());
}
