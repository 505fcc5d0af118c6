//! Which servers are trusted, and why one is not.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::upstream::NotTrusted;
use crate::upstream::test_pki::{Authority, Identity};

/// A TLS server that answers one request, if the handshake succeeds at all.
async fn serve_tls(identity: &Identity) -> u16 {
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
            )
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        if let Ok(stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await {
            take_and_answer(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong").await;
        }
    });
    port
}

/// The one sentence that an operator reads.
fn refusal(failure: SendError) -> (NotTrusted, String) {
    assert!(failure.is_retry_safe(), "{failure}");
    let SendError::Certificate { reason, .. } = failure.clone() else { panic!("{failure}") };
    let error = Error::from(failure);
    assert_eq!(error.code(), Code::Upstream);
    assert!(error.advice().contains("upstream.ca_file"), "{}", error.advice());
    (reason, error.detail().to_owned())
}

#[tokio::test]
async fn a_server_under_the_private_root_is_trusted() {
    let authority = Authority::new("root");
    let port = serve_tls(&authority.server(&["localhost"])).await;
    let reply = client(Some(authority.pem())).send(post(format!("https://localhost:{port}/"))).await;
    assert_eq!(&reply.unwrap_or_else(|failure| panic!("{failure}")).body[..], b"pong");
}

#[tokio::test]
async fn a_server_under_another_root_is_refused() {
    let (ours, theirs) = (Authority::new("root"), Authority::new("another root"));
    for roots in [Some(ours.pem()), None] {
        let port = serve_tls(&theirs.server(&["localhost"])).await;
        let (reason, text) =
            refusal(failure(&client(roots), post(format!("https://localhost:{port}/"))).await);
        assert_eq!(reason, NotTrusted::UnknownRoot);
        assert_eq!(
            text,
            format!(
                "the certificate of localhost:{port} is not accepted: none of the trusted roots has signed it"
            )
        );
    }
}

#[tokio::test]
async fn without_a_usable_root_no_server_is_trusted_and_the_setting_is_named() {
    let authority = Authority::new("root");
    for pem in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let port = serve_tls(&authority.server(&["localhost"])).await;
        let (reason, text) =
            refusal(failure(&client(Some(pem)), post(format!("https://localhost:{port}/"))).await);
        assert_eq!(reason, NotTrusted::NoRoot);
        assert!(text.ends_with("no root is trusted, since upstream.ca_file cannot be used"), "{text}");
    }
}

/// OpenSSL makes such a certificate with `req -x509`, and it is often put on a server as it is.
#[tokio::test]
async fn a_server_that_shows_the_certificate_of_a_ca_is_refused_in_words() {
    let authority = Authority::new("root");
    let identity = authority.ca_as_server(&["localhost"]);
    let port = serve_tls(&identity).await;
    let (reason, text) =
        refusal(failure(&client(Some(authority.pem())), post(format!("https://localhost:{port}/"))).await);
    assert!(matches!(reason, NotTrusted::Other(_)), "{text}");
    assert!(text.contains("it is the certificate of a CA (CA:TRUE)"), "{text}");
}

#[tokio::test]
async fn a_server_with_an_expired_certificate_is_refused() {
    let authority = Authority::new("root");
    let port = serve_tls(&authority.expired_server(&["localhost"])).await;
    let (reason, text) =
        refusal(failure(&client(Some(authority.pem())), post(format!("https://localhost:{port}/"))).await);
    assert_eq!(reason, NotTrusted::Expired(crate::clock::Timestamp::from_seconds(86_400)));
    assert!(text.ends_with("it expired at 1970-01-02T00:00:00.000Z"), "{text}");
}

#[tokio::test]
async fn a_server_with_a_certificate_for_another_name_is_refused() {
    let authority = Authority::new("root");
    let port = serve_tls(&authority.server(&["mosip.example"])).await;
    let (reason, text) =
        refusal(failure(&client(Some(authority.pem())), post(format!("https://localhost:{port}/"))).await);
    assert!(matches!(reason, NotTrusted::OtherName(_)), "{text}");
    assert!(text.contains("made out to another name") && text.contains("mosip.example"), "{text}");
}

#[tokio::test]
async fn a_server_without_tls_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let failure = failure(&client(None), post(format!("https://localhost:{port}/"))).await;
    assert!(matches!(failure, SendError::NotSent { .. }), "{failure}");
}
