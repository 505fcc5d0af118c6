//! A server behind TLS: its chain and its name are verified.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::test_pki::{Authority, Identity};

/// Speaks TLS as `identity` in front of the server that tests use; the port.
fn front(home: &Home, identity: &Identity) -> u16 {
    let server = home.target(None).address();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let (tell, port) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            let acceptor = TlsAcceptor::from(Arc::new(config));
            while let Ok((mut client, _)) = listener.accept().await {
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut asks_for_tls = [0; 8];
                    client.read_exact(&mut asks_for_tls).await.unwrap();
                    client.write_all(b"S").await.unwrap();
                    let Ok(mut client) = acceptor.accept(client).await else { return };
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
    });
    port.recv().unwrap()
}

/// What a gateway that trusts `trusted` says of a server that shows a certificate of `issuer` for `name`.
fn trouble(home: &Home, trusted: &Authority, issuer: &Authority, name: &str) -> Option<String> {
    let port = front(home, &issuer.server(&[name]));
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, trusted.pem()).unwrap();
    let url = format!("{}&sslmode=verify-full", home.url(Some(port)));
    let target = connect::parse(url.as_bytes(), None, Some(&ca_file)).map_err(|(name, _)| name).unwrap();
    let opened = Postgres::open(target, Arc::new(Nobody)).map_err(|error| format!("{error:?}")).unwrap();
    opened.trouble().map(|trouble| trouble.detail())
}

#[test]
fn a_server_is_spoken_to_under_a_certificate_for_its_name_from_a_trusted_root_alone() {
    let Some(home) = Home::new() else { return };
    let (ours, another) = (Authority::new("ours"), Authority::new("another"));
    assert_eq!(trouble(&home, &ours, &ours, "127.0.0.1"), None);
    let untrusted = trouble(&home, &ours, &another, "127.0.0.1").unwrap();
    assert!(untrusted.contains("UnknownIssuer"), "{untrusted}");
    let misnamed = trouble(&home, &ours, &ours, "db.example.org").unwrap();
    assert!(misnamed.contains("not valid for name"), "{misnamed}");
}
