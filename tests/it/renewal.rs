//! Keys and certificates that are replaced while the gateway works: nothing fails for it, and what is broken changes nothing.

mod command;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client_certificates::{self, HOST, Strict, system};
use crate::support::event::birth;
use crate::support::gateway::{self, Running};
use crate::support::key_volume::KeyVolume;
use crate::support::mosip::Push;
use crate::support::patience;
use crate::support::pki::{Authority, Identity};
use crate::tls::{Files, demanding, post_over_tls};

/// What `POST /v1/keys/reload` answers.
async fn reload(gateway: &Running) -> Value {
    let url = format!("http://{}/v1/keys/reload", gateway.ops);
    let (status, reloaded) = gateway::json(gateway.request(Method::POST, url, HeaderMap::new(), "").await);
    assert_eq!(status, 200, "{reloaded}");
    reloaded
}

/// The one thing that a reload refuses.
async fn refused(gateway: &Running) -> (String, String) {
    let reloaded = reload(gateway).await;
    let [refused] = &reloaded["refused"].as_array().unwrap()[..] else { panic!("{reloaded:#}") };
    let text = |name: &str| refused[name].as_str().unwrap().to_owned();
    (text("subject"), text("detail"))
}

/// The page of operators.
async fn page(gateway: &Running) -> String {
    let address = format!("http://{}/", gateway.ops);
    let reply = gateway.request(Method::GET, address, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// Nothing is refused.
async fn reloads(gateway: &Running) {
    let reloaded = reload(gateway).await;
    assert_eq!(reloaded["refused"], json!([]), "{reloaded:#}");
}

/// Callers that call for as long as they may.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Load {
    /// `call` says what failed.
    fn start<F>(call: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send,
    {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut callers = JoinSet::new();
        for _ in 0..3 {
            let (stop, done, call) = (Arc::clone(&stop), Arc::clone(&done), call.clone());
            callers.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let number = done.fetch_add(1, Ordering::SeqCst);
                    call(number).await.unwrap_or_else(|failure| panic!("call {number}: {failure}"));
                }
            });
        }
        Self { stop, done, callers }
    }

    /// Until several further calls have ended.
    async fn goes_on(&self) {
        let end = self.done.load(Ordering::SeqCst) + 8;
        patience::until("further calls", async || {
            let done = self.done.load(Ordering::SeqCst);
            if done >= end { Ok(()) } else { Err(done) }
        })
        .await;
    }

    async fn stop(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

/// The certificate that the listener at `address` shows to `identity`.
async fn shown(address: &str, authority: &Authority, identity: &Identity) -> Option<Vec<u8>> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let stream = authority.connector(Some(identity)).connect(name, stream).await.ok()?;
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_and_its_client_ca_are_swapped_under_load_and_no_push_fails() {
    let (authority, other) = (Arc::new(Authority::new("country")), Authority::new("other"));
    let files = Files::new();
    let gateway = Running::start_under(&demanding(&authority, &files), &[]).await;
    let (callback, client) = (gateway.callback.clone(), Arc::new(authority.client("mosip")));
    let (address, trusts, shows) = (callback.clone(), Arc::clone(&authority), Arc::clone(&client));
    let load = Load::start(move |number| {
        let (address, trusts, shows) = (address.clone(), Arc::clone(&trusts), Arc::clone(&shows));
        async move {
            let stream = TcpStream::connect(&address).await.map_err(|error| error.to_string())?;
            let push = Push::new(&number.to_string()).body();
            let answer = post_over_tls(stream, &trusts, Some(&shows), &push).await;
            let answer = answer.map_err(|error| error.to_string())?;
            if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(answer) }
        }
    });
    load.goes_on().await;
    let former = shown(&callback, &authority, &client).await;
    reloads(&gateway).await;
    assert_eq!(shown(&callback, &authority, &client).await, former);

    // Half of a pair: the certificate comes before its key.
    let next = authority.server(&[HOST]);
    files.write("server.crt", &next.cert);
    let (subject, detail) = refused(&gateway).await;
    assert_eq!(subject, "callback.tls");
    assert!(
        detail.contains("server.crt: the first certificate in it does not belong to the key in"),
        "{detail}"
    );
    assert!(detail.ends_with("what was loaded before stays in use"), "{detail}");
    assert_eq!(shown(&callback, &authority, &client).await, former);
    let (_, ready) = gateway.readiness().await;
    let told = ready["troubles"].as_array().unwrap().iter().find(|one| one["subject"] == "callback.tls");
    assert_eq!(told.unwrap()["fatal"], false, "{ready:#}");
    load.goes_on().await;

    files.write("server.key", &next.key);
    reloads(&gateway).await;
    let current = shown(&callback, &authority, &client).await;
    assert!(current.is_some() && current != former);
    load.goes_on().await;

    // The folder vanishes, and comes back.
    let (folder, away) = (files.folder().to_owned(), files.folder().with_extension("away"));
    std::fs::rename(&folder, &away).unwrap();
    let (_, detail) = refused(&gateway).await;
    assert!(detail.contains("cannot be read (no such file or folder)"), "{detail}");
    load.goes_on().await;
    std::fs::rename(&away, &folder).unwrap();
    reloads(&gateway).await;

    // Another authority is trusted, too; then it alone.
    files.write("clients.crt", &[authority.pem(), other.pem()].concat());
    reloads(&gateway).await;
    load.goes_on().await;
    load.stop().await;
    files.write("clients.crt", other.pem());
    reloads(&gateway).await;
    let push = Push::new("last").body();
    let post = async |identity: &Identity| {
        let stream = TcpStream::connect(&callback).await.unwrap();
        post_over_tls(stream, &authority, Some(identity), &push).await.unwrap_or_default()
    };
    assert_eq!(post(&client).await, "");
    assert!(post(&other.client("mosip")).await.starts_with("HTTP/1.1 200 "));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_under_load_and_no_request_fails() {
    let volume = KeyVolume::new();
    let gateway = Running::start(&[("KEYS__DIR", volume.path())]).await;
    let push = Push::new("1");
    let open = json!({ "data": push.data, "signature": push.signature, "from": "mosip" }).to_string();
    let calls = Arc::new(crate::support::process::client());
    let api = gateway.api.clone();
    let load = Load::start(move |_| {
        let (calls, api, open) = (Arc::clone(&calls), api.clone(), open.clone());
        async move {
            for (route, body) in [("open", open), ("sign?form=raw-sha512", "{}".to_owned())] {
                let url = format!("http://{api}/v1/{route}");
                let reply = crate::support::process::post(&calls, &url, body).await;
                let reply = reply.ok_or("no answer came")?;
                if !reply.status.is_success() {
                    return Err(String::from_utf8_lossy(&reply.body).into_owned());
                }
            }
            Ok(())
        }
    });
    load.goes_on().await;
    let before = gateway.get("/v1/keys").await.1;
    // The key that opens is replaced, its certificate first; the one that signs loses its file.
    volume.replace("opencrvs-pub.key", "tests/vectors/keys/partner-old.crt.pem");
    let (subject, _) = refused(&gateway).await;
    assert_eq!(subject, "opencrvs-pub.key");
    load.goes_on().await;
    volume.replace("opencrvs-priv.key", "tests/vectors/keys/partner-old.key.pem");
    volume.remove("keystore.p12");
    let (subject, detail) = refused(&gateway).await;
    assert!(subject == "keystore.p12" && detail.contains("stays in use until "), "{subject}: {detail}");
    load.goes_on().await;
    let after = gateway.get("/v1/keys").await.1;
    let retiring = after["retiring"].as_array().unwrap();
    let thumbprint = |entry: &Value| entry["certificate"]["thumbprint"].clone();
    assert_eq!(
        retiring.iter().map(thumbprint).collect::<Vec<_>>(),
        [&before["own"][0], &before["own"][1]].map(thumbprint)
    );
    assert!(retiring.iter().all(|one| one["until"].is_string()), "{after:#}");
    let page = page(&gateway).await;
    // Before its mend nothing told a key that was replaced from one that the next restart loses, and everything was said to flow.
    for told in [
        "Put right: keystore.p12: is missing (the key loaded before stays in use until ",
        ", and not after a restart).",
        "The file of partner is missing or broken. Its key is used as before until ",
        "The former key of opencrvs-priv.key was replaced. It decrypts until ",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains("Everything flows"), "{page}");
    // An alarm that is in time reads how long the key of the missing file is there. One that was replaced signs no more anyway.
    let url = format!("http://{}/metrics", gateway.ops);
    let metrics = gateway.request(Method::GET, url, HeaderMap::new(), "").await.body;
    let metrics = String::from_utf8(metrics.to_vec()).unwrap();
    let left: Vec<_> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("mosip_gateway_missing_key_left_seconds{"))
        .collect();
    let [left] = left[..] else { panic!("{left:?}") };
    let seconds: u64 = left.strip_prefix("name=\"partner\"} ").unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&seconds), "{left}");
    load.goes_on().await;
    load.stop().await;
    gateway.stop().await;
}

/// Before its mend IDA was said to flow, although every question to it was refused.
#[tokio::test]
async fn a_destination_whose_key_is_gone_is_said_to_lack_it() {
    let volume = KeyVolume::new();
    let gateway = Running::start(&[("KEYS__DIR", volume.path()), ("KEYS__RETIRE_AFTER", "0s")]).await;
    let rows_of_ida = async || {
        let page = page(&gateway).await;
        let rows = page.split("<tr ").filter(|row| row.contains("records of jobs, to IDA"));
        rows.map(str::to_owned).collect::<Vec<_>>()
    };
    let [row] = &rows_of_ida().await[..] else { panic!("IDA has one row") };
    assert!(row.contains("Flows") && !row.contains("Lacks"), "{row}");
    assert!(row.contains("data-head=\"Destination\">IDA<"), "{row}");
    volume.remove("keystore.p12");
    assert_eq!(refused(&gateway).await.0, "keystore.p12");
    let [row] = &rows_of_ida().await[..] else { panic!("IDA has one row") };
    assert!(row.contains("Lacks a key") && row.contains("No signing key is loaded."), "{row}");
    assert!(!row.contains("Flows"), "{row}");
    gateway.stop().await;
}

/// Before its mend IDA was said to flow while no reply could be verified, so that no question was sent.
#[tokio::test]
async fn a_destination_that_nobody_can_verify_replies_of_lacks_a_key() {
    let volume = KeyVolume::new();
    volume.remove("ida-sign.crt");
    let gateway = Running::start(&[("KEYS__DIR", volume.path())]).await;
    let rows = page(&gateway).await;
    let row = rows.split("<tr ").find(|row| row.contains("records of jobs, to IDA")).unwrap();
    assert!(
        row.contains("Lacks a key") && row.contains("No certificate of peer `ida-sign` is loaded."),
        "{row}"
    );
    volume.replace("ida-sign.crt", "keys.example/ida-sign.crt");
    reloads(&gateway).await;
    let rows = page(&gateway).await;
    let row = rows.split("<tr ").find(|row| row.contains("records of jobs, to IDA")).unwrap();
    assert!(!row.contains("Lacks a key"), "{row}");
    gateway.stop().await;
}

/// Each event arrives with its first attempt, whatever is swapped meanwhile.
#[tokio::test]
async fn roots_and_client_certificates_are_swapped_under_load_and_no_attempt_fails() {
    let (country, other, clients) =
        (Authority::new("country"), Authority::new("other"), Authority::new("clients"));
    let files = client_certificates::Files::new();
    let (one, two) = (clients.client("one"), clients.client("two"));
    let mut nia = Strict::start(&country.server(&[HOST]), &[&clients]).await;
    let settings =
        files.upstream(&country, "") + &system("nia", &format!("{}/in", nia.base), &files.shown("nia", &one));
    let gateway = Running::start_under(&settings, &[]).await;
    let both = [country.pem(), other.pem()].concat();
    let steps = [
        ("nia.crt", two.cert.as_str(), Some("systems[0].client_cert")),
        ("nia.key", &two.key, None),
        ("roots.crt", &both[..700], Some("upstream.ca_file")),
        ("roots.crt", &both, None),
    ];
    let mut ids = Vec::new();
    for (step, (file, text, broken)) in steps.into_iter().enumerate() {
        for event in 0..4 {
            let id = format!("c-{step}-{event}");
            gateway.post_birth(&birth(&id)).await;
            ids.push(id);
        }
        files.write(file, text);
        match broken {
            Some(setting) => assert_eq!(refused(&gateway).await.0, setting),
            None => reloads(&gateway).await,
        }
        for event in 4..8 {
            let id = format!("c-{step}-{event}");
            gateway.post_birth(&birth(&id)).await;
            ids.push(id);
        }
    }
    let mut seen = Vec::new();
    for id in &ids {
        let event = gateway.event_in(id, "done").await;
        assert_eq!(event["attempts"], 1, "{event}");
        seen.push(nia.next().await.1);
    }
    let der = |identity: &Identity| client_certificates::der(&identity.cert).to_vec();
    assert!(seen.first() == Some(&der(&one)) && seen.last() == Some(&der(&two)));
    gateway.stop().await;
}

/// Nobody waits for the next probe.
#[tokio::test]
async fn what_waits_for_a_certificate_goes_on_as_soon_as_its_file_is_there() {
    let (country, clients, files) =
        (Authority::new("country"), Authority::new("clients"), client_certificates::Files::new());
    let mut nia = Strict::start(&country.server(&[HOST]), &[&clients]).await;
    let ours = clients.client("nia");
    let own = files.shown("nia", &Identity { cert: "no PEM".to_owned(), key: ours.key.clone() });
    let settings = files.upstream(&country, "").replace("\"1s\"", "\"1h\"")
        + &system("nia", &format!("{}/in", nia.base), &own);
    let gateway = Running::start_under(&settings, &[]).await;
    gateway.post_birth(&birth("c-1")).await;
    let waiting = gateway.failed_event("c-1").await;
    assert_eq!(waiting["lastFault"]["fault"], "keys", "{waiting}");
    files.write("nia.crt", &ours.cert);
    reloads(&gateway).await;
    nia.next().await;
    gateway.event_in("c-1", "done").await;
    let (_, ready) = gateway.readiness().await;
    let troubles = ready["troubles"].as_array().unwrap();
    assert!(troubles.iter().all(|one| one["subject"] != "systems[0].client_cert"), "{ready:#}");
    gateway.stop().await;
}

/// Issuers and roots, too.
#[tokio::test]
async fn every_certificate_of_a_chain_and_of_authorities_has_its_days() {
    let (authority, other, files) = (Authority::new("country"), Authority::new("other"), Files::new());
    let settings = demanding(&authority, &files);
    let server = authority.server(&[HOST]);
    files.write("server.crt", &(server.cert + authority.pem()));
    files.write("server.key", &server.key);
    files.write("clients.crt", &[authority.pem(), other.pem()].concat());
    let gateway = Running::start_under(&settings, &[]).await;
    let url = format!("http://{}/metrics", gateway.ops);
    let metrics = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for (role, name) in [("listener", "callback"), ("trusted", "callback.tls.client_ca")] {
        for number in [1, 2] {
            let labels = format!("{{role=\"{role}\",name=\"{name}\",number=\"{number}\"}}");
            assert!(metrics.contains(&format!("mosip_gateway_certificate_days_left{labels}")), "{metrics}");
        }
    }
    gateway.stop().await;
}
