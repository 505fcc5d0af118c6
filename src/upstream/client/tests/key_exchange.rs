//! What the client offers of key exchange, as a server sees it.

use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, NamedGroup, ServerConfig};
use tokio_rustls::LazyConfigAcceptor;

use super::*;
use crate::upstream::test_pki::{Authority, Identity};

/// A server that knows `group` alone. The groups of the ClientHello, in its order, and how the handshake went.
async fn seen(
    listener: TcpListener,
    identity: &Identity,
    group: &'static dyn SupportedKxGroup,
) -> (Vec<NamedGroup>, HandshakeKind) {
    let provider = CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() };
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await.unwrap();
    let groups = hello.client_hello().named_groups().unwrap().to_vec();
    let stream = hello.into_stream(Arc::new(config)).await.unwrap();
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    take_and_answer(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npong").await;
    (groups, kind)
}

/// A server that gets no share of its group asks for a second hello. Without a share, X25519MLKEM768 would be taken by nobody.
#[tokio::test]
async fn the_hello_offers_the_hybrid_group_first_and_brings_shares_of_it_and_of_x25519() {
    use aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
    let authority = Authority::new("root");
    let identity = authority.server(&["localhost"]);
    for (group, kind) in [
        (X25519MLKEM768, HandshakeKind::Full),
        (X25519, HandshakeKind::Full),
        (SECP256R1, HandshakeKind::FullWithHelloRetryRequest),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let client = client(Some(authority.pem()));
        let (reply, (groups, came)) = tokio::join!(client.send(post(url)), seen(listener, &identity, group));
        assert_eq!(&reply.unwrap_or_else(|failure| panic!("{failure}")).body[..], b"pong");
        assert_eq!(groups[..2], [NamedGroup::X25519MLKEM768, NamedGroup::X25519]);
        assert_eq!(came, kind, "{group:?}");
    }
}
