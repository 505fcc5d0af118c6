//! One more destination: this folder, and its line in the list. Nothing else knows of it.

mod settings;
mod token;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::settings::Settings;
use super::super::*;
use crate::error::{Code, Error};
use crate::gateway::fake::Running;
use crate::keys::Ring;
use crate::settings::Config;
use crate::store::State;
use crate::upstream;

/// Births, and what no other destination takes.
const KINDS: [&str; 2] = ["birth", "example-notice"];
const DEADLINE: Duration = Duration::from_secs(30);

/// An ID system that takes births as they came, each under a key of its own.
pub(crate) struct Example {
    url: Option<Uri>,
    token: Option<Arc<TokenSource>>,
}

impl Listed for Example {
    const ROWS: Rows = Rows {
        destination: "example",
        system: "Exampleland",
        queue: Queue::Entries,
        kinds: &KINDS,
        speaks: true,
        remedy: Remedy::always("the key of Exampleland"),
    };

    type Settings = Option<Settings>;

    fn new(settings: Option<Settings>, _: &Tools) -> Self {
        let Some(Settings { url, key_url, secret }) = settings else {
            return Self { url: None, token: None };
        };
        let key = token::Key { url: key_url, secret };
        Self { url: Some(url), token: Some(Arc::new(TokenSource::new(key))) }
    }
}

impl Destination for Example {
    fn rows(&self) -> Rows {
        Self::ROWS
    }

    fn routes(&self) -> Vec<Route> {
        let route = |url| Route {
            host: upstream::host_and_port(url),
            kinds: KINDS.map(str::to_owned).to_vec(),
            concurrency: 4,
            deadline: DEADLINE,
        };
        self.url.iter().map(route).collect()
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.token.iter().cloned().collect()
    }
}

impl Steps for Example {
    fn next(&self, work: &Work) -> Result<Step> {
        let uri = self.url.clone().ok_or_else(|| Error::new(Code::Keys, "example.url is not set"))?;
        let (headers, body) = (HeaderMap::new(), work.payload.clone());
        let request =
            Request { method: Method::POST, uri, headers, body, deadline: DEADLINE, max_response: 1024 };
        let read = Box::new(|reply: Result<Reply, SendError>| match reply?.status.is_success() {
            true => Ok(Read::Done(Done::default())),
            false => Err(Error::new(Code::Upstream, "refused")),
        });
        Ok(Step::from(Call {
            request,
            token: self.token.clone(),
            before: None,
            seal: None,
            resend: false,
            read,
        }))
    }
}

const BIRTH: &str = r#"{"event":{"hub":{"topic":"BIRTH_REGISTERED"},"context":[{"entry":[{"resource":{"resourceType":"Task","focus":{"reference":"Composition/c1"}}},{"resource":{"resourceType":"Patient"}}]}]}}"#;

/// What came to the system: the key, and the body.
type Came = Arc<Mutex<Vec<(String, Bytes)>>>;

/// The system, which is away for the first birth. Its address, and what came.
async fn system() -> (String, Came) {
    let came = Came::default();
    let taken = Arc::clone(&came);
    let take = async move |headers: HeaderMap, body: Bytes| {
        let key = headers.get(token::HEADER).map(|key| key.to_str().unwrap().to_owned());
        let mut came = taken.lock().unwrap();
        came.push((key.unwrap_or_default(), body));
        if came.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new()
        .route("/notices", post(take))
        .route("/key", post(async |secret: String| format!("key-for-{secret}")));
    tokio::spawn(async { axum::serve(listener, routes).await });
    (base, came)
}

#[tokio::test]
async fn a_destination_is_one_folder_and_one_line() {
    let (system, came) = system().await;
    let text = format!(
        "[example]\nurl = \"{system}/notices\"\nkey_url = \"{system}/key\"\nsecret_env = \"EXAMPLE_SECRET\""
    );
    let gateway = Running::start(&text, &[("EXAMPLE_SECRET", "s")]).await;
    let (status, answer) = gateway.post("/v1/events/birth", BIRTH).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    assert_eq!(
        gateway.post("/v1/events/death", &BIRTH.replace("BIRTH", "DEATH")).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );

    let entry = gateway.services.engine.settled("c1").await.unwrap();
    assert_eq!((entry.destination.as_str(), entry.state, entry.attempts), ("example", State::Done, 2));
    let event = ("key-for-s".to_owned(), Bytes::from_static(BIRTH.as_bytes()));
    assert_eq!(*came.lock().unwrap(), [event.clone(), event]);

    let host = system.trim_start_matches("http://");
    let ready: Value = serde_json::from_str(&gateway.ops("/readyz").await).unwrap();
    let channels = ready["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["destination"] == "example").unwrap();
    assert_eq!((&channel["host"], &channel["kinds"]), (&json!(host), &json!(KINDS)));
    let metrics = gateway.ops("/metrics").await;
    for line in [
        r#"mosip_gateway_events{destination="example",kind="birth",state="done"} 1"#.to_owned(),
        r#"mosip_gateway_events{destination="example",kind="example-notice",state="done"} 0"#.to_owned(),
        format!(
            r#"mosip_gateway_channel{{destination="example",host="{host}",kind="birth",state="open"}} 1"#
        ),
        r#"mosip_gateway_oldest_waiting_seconds{destination="example"} 0"#.to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(gateway.ops("/?event=c1").await.contains("birth, to Exampleland"));
    let overview = gateway.ops("/").await;
    assert!(overview.contains(host), "{overview}");
    for figure in ["Waiting for Exampleland</dt><dd>0<", "Taken by Exampleland</dt><dd>1<"] {
        assert!(overview.contains(figure), "{figure}: {overview}");
    }
    gateway.stop().await;
}

fn read(text: &str) -> std::result::Result<Config, String> {
    let variables = BTreeMap::from([("EXAMPLE_SECRET".to_owned(), "s".to_owned())]);
    Config::from_toml(text, Path::new("/etc/gateway"), &variables, &|file| std::fs::read(file))
        .map_err(|problems| problems.to_string())
}

#[test]
fn its_urls_are_reached_and_its_token_is_fetched_by_doctor() {
    let text = "[example]\nurl = \"https://a.example/x\"\nkey_url = \"https://b.example/key\"\nsecret_env = \"EXAMPLE_SECRET\"";
    let settings = read(text).unwrap_or_else(|problems| panic!("{problems}")).destinations;
    let urls: Vec<_> = settings.urls().into_iter().map(|url| url.setting).collect();
    assert_eq!(urls, ["example.url", "example.key_url"]);
    let tools = super::super::fake::tools(Keyring::fixed(Ring::default()), Clock::system());
    let all = Destinations::new(settings, &tools).all();
    let tokens: Vec<_> = all.iter().flat_map(|destination| destination.tokens()).collect();
    let sections: Vec<_> = tokens.iter().map(|source| source.grant().section()).collect();
    assert_eq!(sections, ["example"]);
}

#[test]
fn doctor_examines_the_keys_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let (secret, file) = (folder.path().join("secret"), folder.path().join("gateway.toml"));
    let text = format!(
        "[example]\nurl = \"https://a.example/x\"\nkey_url = \"https://b.example/key\"\nsecret_file = {secret:?}"
    );
    std::fs::write(&secret, "s").unwrap();
    std::fs::write(&file, text).unwrap();
    let now = crate::clock::Timestamp::from_seconds(1_800_000_000);
    let found = crate::doctor::examine(Some(&file), &BTreeMap::new(), false, now).findings;
    for (subject, what) in [
        ("keys.own", "names no key that signs, and example wants signatures"),
        ("keys.peers", "names no peer `exampleland`, to whom notices are sealed"),
    ] {
        let is_found = |it: &crate::doctor::Finding| it.subject == subject && it.what == what;
        assert!(found.iter().any(is_found), "{what}");
    }
}

#[test]
fn its_settings_are_checked_and_suggested_as_all_others_are() {
    let wrong = "[example]\nurll = \"https://a.example/x\"\nkey_url = \"ftp://a.example\"\nsecret = \"open\"";
    let problems = read(wrong).err().unwrap();
    let lines: Vec<_> = problems.lines().collect();
    assert_eq!(
        lines,
        [
            "file: example.url: is missing; set it",
            "file: example.key_url: is neither http nor https; write an absolute https URL",
            "file: example.secret: is a secret in the open; set secret_file or secret_env instead",
            "file: example.urll: is not a setting; did you mean url?",
        ]
    );
    let misspelt = read("[exampel]\nurl = \"https://a.example/x\"");
    assert_eq!(misspelt.err().unwrap(), "file: exampel: is not a setting; did you mean example?");
}
