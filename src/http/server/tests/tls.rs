use rustls::pki_types::ServerName;
use tempfile::TempDir;

use super::*;
use crate::upstream::test_pki::{Authority, Identity};

/// A folder with the files of a listener's TLS settings: its certificate is for `localhost` and signed by `authority`.
struct Folder(TempDir);

impl Folder {
    fn new(authority: &Authority) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let identity = authority.server(&["localhost"]);
        folder.write("server.crt", &identity.cert);
        folder.write("server.key", &identity.key);
        folder.write("clients.crt", authority.pem());
        folder
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What the files make, which nobody reads again.
    fn acceptor(&self, client_ca: bool) -> Arc<Acceptor> {
        Arc::new(Acceptor::load(&self.settings(client_ca, &[])).unwrap())
    }

    fn settings(&self, client_ca: bool, client_subjects: &[&str]) -> ServerTls {
        ServerTls {
            cert: self.path("server.crt"),
            key: self.path("server.key"),
            client_ca: client_ca.then(|| self.path("clients.crt")),
            client_subjects: client_subjects.iter().map(ToString::to_string).collect(),
        }
    }
}

async fn start(settings: &ServerTls, limits: Limits) -> Running {
    let subject =
        async |Extension(peer): Extension<Peer>| format!("subject:{}", peer.certificate.unwrap_or_default());
    let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
    Running::start(&address, Some(settings), Router::new().route("/", get(subject)), limits).await
}

/// One `GET` as the client with `identity`; whatever fails on the way is the error.
async fn call(server: &Running, authority: &Authority, identity: Option<&Identity>) -> io::Result<String> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = authority.connector(identity).connect(name, server.connect().await).await?;
    stream.write_all(GET.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_listener_speaks_tls_under_its_certificate() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    let server = start(&folder.settings(false, &[]), PATIENT).await;
    let answer = call(&server, &authority, None).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("subject:"), "{answer}");
    assert!(call(&server, &Authority::new("another root"), None).await.is_err());
}

#[tokio::test]
async fn a_listener_takes_the_hybrid_key_exchange_of_a_client_that_offers_it() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    let server = start(&folder.settings(false, &[]), PATIENT).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = authority.connector(None).connect(name, server.connect().await).await.unwrap();
    let (_, connection) = stream.get_ref();
    let group = connection.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Full), "with its first share");
}

/// A connection that stands goes on, whatever was swapped in since.
#[tokio::test]
async fn each_handshake_is_made_by_what_is_current_then() {
    let (former, current) = (Authority::new("former"), Authority::new("current"));
    let [one, other] = [&former, &current].map(|authority| Folder::new(authority).acceptor(true));
    let (swap, acceptors) = watch::channel(one);
    let subject =
        async |Extension(peer): Extension<Peer>| format!("subject:{}", peer.certificate.unwrap_or_default());
    let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let server = Server::bind(&address, Some(acceptors)).await.unwrap();
    let address = server.local_address().clone();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server.run(Router::new().route("/", get(subject)), PATIENT, stopped));
    let server = Running { address, stop, task };

    let client = former.client("mosip");
    assert!(call(&server, &former, Some(&client)).await.unwrap().ends_with("subject:CN=mosip"));
    let name = ServerName::try_from("localhost").unwrap();
    let stands = former.connector(Some(&client)).connect(name, server.connect().await).await.unwrap();
    swap.send_replace(other);
    assert!(call(&server, &former, Some(&client)).await.is_err());
    let both = current.client("mosip");
    assert!(call(&server, &current, Some(&both)).await.unwrap().ends_with("subject:CN=mosip"));
    assert!(exchange(stands, GET).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn garbage_and_a_client_whose_certificate_has_expired_are_refused_and_the_next_client_is_served() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    let server = start(&folder.settings(true, &[]), PATIENT).await;
    for garbage in
        [&b"\x16\x03\x01\xff\xff"[..], b"\0\0\0\0\0\0\0\0", b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"]
    {
        let mut stream = server.connect().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        // The server may reset the connection.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    assert!(call(&server, &authority, Some(&authority.expired_server(&["mosip"]))).await.is_err());
    let answer = call(&server, &authority, Some(&authority.client("mosip"))).await.unwrap();
    assert!(answer.ends_with("subject:CN=mosip"), "{answer}");
}

#[tokio::test]
async fn a_client_without_a_certificate_of_the_ca_is_refused() {
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    let folder = Folder::new(&authority);
    let server = start(&folder.settings(true, &[]), PATIENT).await;
    assert!(call(&server, &authority, None).await.is_err());
    assert!(call(&server, &authority, Some(&stranger.client("mosip"))).await.is_err());
    let answer = call(&server, &authority, Some(&authority.client("mosip"))).await.unwrap();
    assert!(answer.ends_with("subject:CN=mosip"), "{answer}");
}

#[tokio::test]
async fn a_refused_handshake_is_counted() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    let meters = Meters::default();
    let address = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let tls = Acceptor::load(&folder.settings(true, &[])).unwrap().fixed();
    let server = Server::bind(&address, Some(tls)).await.unwrap();
    let server = server.counting("callback", meters.clone());
    let address = server.local_address().clone();
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(server.run(Router::new(), PATIENT, stopped));
    let server = Running { address, stop, task };
    assert!(call(&server, &authority, None).await.is_err());
    server.stop.send_replace(true);
    server.task.await.unwrap();
    let mut registry = prometheus_client::registry::Registry::default();
    meters.register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = r#"refused_total{listener="callback",route="-",code="tls-handshake"} 1"#;
    assert!(text.contains(line), "{text}");
}

/// What the listener says of a client that does `handshake`, which fails.
async fn why_not(acceptor: &Acceptor, handshake: impl AsyncFnOnce(tokio::io::DuplexStream)) -> String {
    let (client, server) = tokio::io::duplex(64 << 10);
    let (refused, ()) = tokio::join!(acceptor.accept(server, AMPLE), handshake(client));
    refused.err().unwrap().why
}

/// What rustls says of it is for programmers.
#[tokio::test]
async fn a_refused_handshake_is_told_in_words() {
    let (authority, stranger) = (Authority::new("root"), Authority::new("stranger"));
    let folder = Folder::new(&authority);
    let (open, closed) = (folder.settings(false, &[]), folder.settings(true, &[]));
    let [open, closed] = [open, closed].map(|settings| Acceptor::load(&settings).unwrap());
    let with = async |acceptor: &Acceptor, trusts: &Authority, identity: Option<&Identity>| {
        why_not(acceptor, async |stream| {
            let name = ServerName::try_from("localhost").unwrap();
            if let Ok(mut stream) = trusts.connector(identity).connect(name, stream).await {
                // A client learns with the first answer whether its certificate counts.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await
    };
    assert_eq!(
        with(&closed, &authority, None).await,
        "the client shows no certificate, and client_ca demands one"
    );
    assert_eq!(
        with(&closed, &authority, Some(&stranger.client("mosip"))).await,
        "the client's certificate is not accepted: none of the trusted roots has signed it"
    );
    assert_eq!(
        with(&open, &stranger, None).await,
        "the client does not accept the listener's certificate: it does not know the CA that signed it"
    );
    let writes =
        async |bytes: &[u8]| why_not(&open, async |mut stream| stream.write_all(bytes).await.unwrap()).await;
    assert_eq!(
        writes(GET.as_bytes()).await,
        "what came is not TLS; a client that calls with http:// has to call with https://"
    );
    assert_eq!(
        writes(&data_encoding::HEXLOWER.decode(TLS_1_0).unwrap()).await,
        "the client offers no version of TLS that is taken here: 1.2 or 1.3"
    );
    assert_eq!(writes(b"").await, "the client broke the connection off");
}

/// What `openssl s_client -tls1 -cipher AES128-SHA:@SECLEVEL=0` writes first.
const TLS_1_0: &[u8] =
    b"160301003d01000039030179e97295b168aaab53955bf21a37be641a91288610eee71f3819328f6c35dd550000\
    04002f00ff0100000c002300000016000000170000";

#[tokio::test]
async fn a_client_whose_subject_is_not_listed_is_refused() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    let server = start(&folder.settings(true, &["CN=mosip", "CN=hub"]), PATIENT).await;
    for (name, let_in) in [("mosip", true), ("hub", true), ("mosip2", false), ("CN=mosip", false)] {
        let answer = call(&server, &authority, Some(&authority.client(name))).await;
        assert_eq!(answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 ")), let_in, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_is_silent_in_the_handshake_is_closed() {
    let folder = Folder::new(&Authority::new("root"));
    let server = start(&folder.settings(false, &[]), Limits { handshake: SHORT, ..PATIENT }).await;
    assert_eq!(exchange(server.connect().await, "").await, "");
}

#[tokio::test]
async fn plain_http_to_a_tls_listener_is_not_answered() {
    let folder = Folder::new(&Authority::new("root"));
    let server = start(&folder.settings(false, &[]), PATIENT).await;
    let mut stream = server.connect().await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The server may reset the connection: what counts is what came before.
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");
}

#[test]
fn a_protecting_setting_that_cannot_work_is_refused_with_its_file() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    folder.write("other.key", &authority.server(&["localhost"]).key);
    folder.write("empty", "");
    let good = folder.settings(true, &[]);
    let (missing, empty) = (folder.path("missing"), folder.path("empty"));
    let cases = [
        (ServerTls { cert: missing.clone(), ..good.clone() }, "missing"),
        (ServerTls { cert: empty.clone(), ..good.clone() }, "empty"),
        (ServerTls { key: missing.clone(), ..good.clone() }, "missing"),
        (ServerTls { key: empty.clone(), ..good.clone() }, "empty"),
        (ServerTls { key: folder.path("other.key"), ..good.clone() }, "other.key"),
        (ServerTls { client_ca: Some(missing), ..good.clone() }, "missing"),
        (ServerTls { client_ca: Some(empty), ..good.clone() }, "empty"),
        (folder.settings(false, &["CN=mosip"]), "client_ca"),
    ];
    for (settings, named) in cases {
        let error = Acceptor::load(&settings).err().unwrap().to_string();
        assert!(error.contains(named), "{named}: {error}");
    }
}

/// What rustls says of them is for programmers.
#[test]
fn files_that_make_no_pair_are_told_in_words_with_what_to_do() {
    let authority = Authority::new("root");
    let folder = Folder::new(&authority);
    folder.write("other.key", &authority.server(&["localhost"]).key);
    folder.write("v1.crt", V1);
    folder.write("v1.key", V1_KEY);
    folder.write("ed448.key", ED448);
    let good = folder.settings(false, &[]);
    let (v1, v1_key) = (folder.path("v1.crt"), folder.path("v1.key"));
    let cases = [
        (
            ServerTls { key: folder.path("other.key"), ..good.clone() },
            "/server.crt: the first certificate in it does not belong to the key in ",
            "the certificate there that was issued for this key",
        ),
        (
            ServerTls { cert: v1, key: v1_key, ..good.clone() },
            "/v1.crt: the certificate cannot be used: it is of X.509 version 1",
            "issued for the key",
        ),
        (
            ServerTls { key: folder.path("ed448.key"), ..good.clone() },
            "/ed448.key: this holds a key of a kind",
            "use an RSA key",
        ),
        (
            ServerTls { key: folder.path("none"), ..good },
            "/none: cannot be read (no such file or folder)",
            "put the file there",
        ),
    ];
    for (settings, what, advice) in cases {
        let refusal = Acceptor::load(&settings).err().unwrap();
        assert!(refusal.to_string().contains(what), "{refusal}");
        assert!(refusal.advice.contains(advice), "{}", refusal.advice);
    }
}

/// Made with `openssl x509 -req -signkey`, which writes version 1 where no extension is asked for.
const V1: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBJDCBywIUSNbkbAzwVteN7XjsjEb8LqSOVLMwCgYIKoZIzj0EAwIwFDESMBAG\n\
A1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODEzMDYwNFoYDzIxMjYxMTA0MTMwNjA0\n\
WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AATZPLrghPjm/hJPJrQji0Z7mow4RT581FS7wyjK3YbpMmnT1f1/YGka+B3npLOa\n\
nROKWSTGceQYjaTF6JSbLqGqMAoGCCqGSM49BAMCA0gAMEUCIQCieHY+Ers5/As1\n\
MK/mDHjLew/C6XDLc36X4sErGRRQYAIgCqIHNDtkBgli5izJ/dlX/dhZIhJUzjvE\n\
c5b3jVF9WCA=\n\
-----END CERTIFICATE-----\n";

/// The key of [`V1`].
const V1_KEY: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMES/l+A+VHxcXQHA\n\
sElYt+CnvSowdIqRHUfFsW1oKbWhRANCAATZPLrghPjm/hJPJrQji0Z7mow4RT58\n\
1FS7wyjK3YbpMmnT1f1/YGka+B3npLOanROKWSTGceQYjaTF6JSbLqGq\n\
-----END PRIVATE KEY-----\n";

/// Made with `openssl genpkey -algorithm ed448`.
const ED448: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MEcCAQAwBQYDK2VxBDsEOaK/709YIzsKk2pa9tjppn2neKIopg1zlj3xXm9HIEHQ\n\
AHfoCNcxeHsVMLlxHtirgOz/mqQRB/2TRw==\n\
-----END PRIVATE KEY-----\n";
