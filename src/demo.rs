//! `mosip-gateway demo` prints, step by step, how a whole gateway works with the simulator. By default it sends one birth and receives its
//! UINTOKEN, with MOSIP switched off in between. With `--ida` it asks IDA about a person. With `--credentials` it shows what MOSIP's hub
//! delivers. With `--esignet` it verifies logins. With `--opencrvs` it takes registrations from OpenCRVS and confirms them there. With
//! `--systems` a second ID system takes the birth, too. With `--replicas` two gateways share a database, and one of them is killed.

mod credentials;
mod esignet;
mod guard;
mod opencrvs;
pub mod postgres;
pub mod replicas;
mod systems;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::config::Address;
use crate::crypto::secret;
use crate::error::{Code, Error, Result};
use crate::gateway::Gateway;
use crate::settings::Config;
use crate::simulator::{Behaviour, Callback, IdaReply, Running, Settings, Simulator, contexts};
use crate::upstream::{Client, Request};

const BIRTH: &[u8] = include_bytes!("demo/birth.json");
const CONFIG: &str = include_str!("demo/demo.toml");
/// Variables of `demo.toml`.
const SECRETS: [(&str, &str); 5] = [
    ("MOSIP_GATEWAY_DEMO_SECRET", "example-client-secret"),
    ("MOSIP_GATEWAY_DEMO_LICENCE", "example-licence-key"),
    ("MOSIP_GATEWAY_DEMO_API_KEY", "example-api-key"),
    ("MOSIP_GATEWAY_DEMO_HUB_SECRET", "example-hub-secret"),
    ("MOSIP_GATEWAY_DEMO_SYSTEM_SECRET", systems::SECRET),
];

/// Topics that `demo.toml` names.
const TOPICS: usize = 2;

/// The time-out of each step.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scene of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// One birth is sent, and its UINTOKEN comes back.
    Birth,
    /// A person is confirmed, another is not, an identity is fetched, and a forged reply is refused.
    Ida,
    /// A credential of the hub is delivered, false ones are refused, and the rejection of a registration is delivered.
    Credentials,
    /// A login at eSignet is believed, and three are not.
    Esignet,
    /// A registration of OpenCRVS is confirmed there, another one after MOSIP was away, and a third is rejected.
    Opencrvs,
    /// A birth goes to MOSIP and to another ID system.
    Systems,
}

/// Runs `scene` with the key set in `keys.example` of the current folder and writes each step to `out`. It succeeds only if every
/// message that came back was verified and every false one was refused.
pub async fn run(scene: Scene, out: &mut (impl Write + Send)) -> Result<()> {
    let folder = TemporaryFolder::new()?;
    let result = play(scene, out, &folder.0).await;
    drop(folder);
    result
}

/// A running gateway between the simulator and a mediator.
struct Stage {
    simulator: Running,
    client: Client,
    /// `http://ip:port` of the plain API.
    api: String,
    deliveries: mpsc::Receiver<Value>,
}

async fn play(scene: Scene, out: &mut (impl Write + Send), folder: &Path) -> Result<()> {
    let (deliver_url, deliveries) = mediator().await?;
    let callback = free_address().await?;
    let simulator = simulator(&callback).await?;
    contexts::write_into(&folder.join("contexts")).map_err(demo_error)?;
    let systems = match scene {
        Scene::Systems => systems::settings(&systems::start().await?),
        _ => String::new(),
    };
    let places = [
        ("@SYSTEMS@", &*systems),
        ("@CALLBACK@", &callback),
        ("@FOLDER@", &folder.display().to_string()),
        ("@MOSIP@", &simulator.base_url),
        ("@DELIVER@", &deliver_url),
    ];
    let config = config(&filled(CONFIG, &places), Path::new(""))?;
    let client = Client::new(&config.upstream)?;
    let gateway =
        Gateway::bind(config, true).await.map_err(|error| Error::new(Code::Bug, error.to_string()))?;
    let Some(Address::Tcp(api)) = gateway.address("internal") else {
        return Err(Error::new(Code::Bug, "the plain API has no address"));
    };
    let api = format!("http://{api}");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(gateway.run(async {
        let _ = stopped.await;
    }));

    let mut stage = Stage { simulator, client, api, deliveries };
    match scene {
        Scene::Birth => stage.birth(out).await?,
        Scene::Ida => stage.ida(out).await?,
        Scene::Credentials => stage.credentials(out).await?,
        Scene::Esignet => stage.esignet(out).await?,
        Scene::Opencrvs => stage.opencrvs(out).await?,
        Scene::Systems => stage.systems(out).await?,
    }
    let _ = stop.send(());
    running.await.map_err(demo_error)?.map_err(demo_error)?;
    stage.simulator.shutdown().await;
    Ok(())
}

impl Stage {
    async fn birth(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, deliveries } = self;
        let events = format!("{api}/v1/events");
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
        print_step(1, "MOSIP is off", "every connection to it is closed".to_owned())?;
        let (status, accepted) = call(client, Method::POST, &format!("{events}/birth"), BIRTH).await?;
        let id = text(&accepted, "/id").to_owned();
        print_step(
            2,
            "plain event",
            format!("a birth, answered {status} {} as {id}", text(&accepted, "/state")),
        )?;
        let tried = timeout(PATIENCE, async {
            loop {
                let (_, entry) = call(client, Method::GET, &format!("{events}/{id}"), "").await?;
                if let Some(detail) = entry.pointer("/lastFault/code").and_then(Value::as_str) {
                    return Ok::<_, Error>(detail.to_owned());
                }
                sleep(Duration::from_millis(20)).await;
            }
        });
        print_step(
            3,
            "kept",
            format!(
                "the attempt failed ({}), the event waits on the disk",
                tried.await.map_err(demo_error)??
            ),
        )?;

        simulator.controls.set(Behaviour::default());
        print_step(4, "MOSIP is back", String::new())?;
        let aid = delivery(deliveries, "aid.assigned").await?;
        print_step(5, "application id", text(&aid, "/data/aid").to_owned())?;
        let record = timeout(PATIENCE, simulator.history.wait_until(|record| !record.pushes.is_empty()));
        let record = record.await.map_err(demo_error)?;
        let (Some(taken), Some(push)) = (record.accepted.front(), record.pushes.front()) else {
            return Err(Error::new(Code::Bug, "MOSIP took nothing"));
        };
        let sealed = format!("{} bytes, to MOSIP's certificate {}", taken.envelope_bytes, taken.thumbprint);
        print_step(6, "sealed envelope", sealed)?;
        delivery(deliveries, "event.accepted").await?;
        print_step(7, "MOSIP accepted", format!("id {}", taken.id))?;
        print_step(8, "sealed answer", format!("{} bytes", push.sealed_bytes))?;
        let answer = delivery(deliveries, "uin-token.received").await?;
        if text(&answer, "/verified") != "signature" || text(&answer, "/data/uinToken") != push.uin_token {
            return Err(Error::new(Code::Tampered, "what was delivered is not what MOSIP signed"));
        }
        let (digits, brn) = (push.uin_token.len(), text(&answer, "/subject/brn"));
        print_step(
            9,
            "verified answer",
            format!("a UINTOKEN of {digits} digits for {brn}, delivered in plain JSON"),
        )?;

        Ok(())
    }

    async fn ida(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, .. } = self;
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        let ask = async |service: &str, person: &'static str| {
            call(client, Method::POST, &format!("{api}/v1/ida/{service}"), person.as_bytes()).await
        };
        let (_, yes) = ask("auth", LEILA).await?;
        ensure(yes.get("authStatus") == Some(&Value::Bool(true)) && text(&yes, "/verified") == "signature")?;
        print_step(
            1,
            "confirmed",
            format!("a UINTOKEN of {} digits, under IDA's signature", text(&yes, "/token").len()),
        )?;
        let (status, no) = ask("auth", SOMEBODY_ELSE).await?;
        ensure(status == 200 && no.get("authStatus") == Some(&Value::Bool(false)))?;
        print_step(2, "not confirmed", text(&no, "/errors/0/code").to_owned())?;
        let (_, known) = ask("kyc", LEILA).await?;
        let members = known.get("identity").and_then(Value::as_object).map_or(0, serde_json::Map::len);
        ensure(members > 0)?;
        print_step(3, "identity", format!("{members} members, opened with our key, under IDA's signature"))?;
        for (step, wrong, what, why) in [
            (4, IdaReply::Unsigned, "an unsigned reply", "it bears no signature"),
            (5, IdaReply::Forged, "a reply that a stranger signed", "does not fit"),
            (6, IdaReply::Replayed, "an earlier reply, played back", "it belongs to another transaction"),
        ] {
            simulator.controls.set(Behaviour { ida_reply: Some(wrong), ..Behaviour::default() });
            let (status, problem) = ask("auth", LEILA).await?;
            ensure(
                status == 502
                    && text(&problem, "/fault") == "tampered"
                    && text(&problem, "/detail").contains(why)
                    && problem.get("authStatus").is_none(),
            )?;
            print_step(step, "refused", format!("{what}: {}", text(&problem, "/detail")))?;
        }
        simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
        let (status, problem) = ask("auth", LEILA).await?;
        ensure(status == 502 && text(&problem, "/fault") == "upstream")?;
        print_step(
            7,
            "IDA is off",
            format!("fault {}: nothing is said about the person", text(&problem, "/fault")),
        )
    }
}

const LEILA: &str = r#"{"individualId":"4152630978","individualIdType":"UIN","consent":true,
    "demographics":{"name":[{"language":"eng","value":"Leila Karim"}],"dob":"1990/03/14"}}"#;
const SOMEBODY_ELSE: &str = r#"{"individualId":"4152630978","individualIdType":"UIN","consent":true,
    "demographics":{"name":[{"language":"eng","value":"Somebody Else"}]}}"#;

fn print_step(out: &mut impl Write, step: u8, what: &str, line: String) -> Result<()> {
    let text = format!("{step:<3}{what:<17}{line}");
    writeln!(out, "{}", text.trim_end()).map_err(|_| Error::new(Code::Bug, "standard output is closed"))
}

fn ensure(holds: bool) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::new(Code::Bug, "the demo did not go as it should")) }
}

/// An address that nobody listened at a moment ago.
async fn free_address() -> Result<String> {
    let reserved = TcpListener::bind("127.0.0.1:0").await.map_err(demo_error)?;
    Ok(reserved.local_addr().map_err(demo_error)?.to_string())
}

/// Starts the mediator's side, which receives deliveries.
async fn mediator() -> Result<(String, mpsc::Receiver<Value>)> {
    let (arrived, deliveries) = mpsc::channel::<Value>(8);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(demo_error)?;
    let url = format!("http://{}/mosip", listener.local_addr().map_err(demo_error)?);
    let receive = async move |Json(delivery): Json<Value>| match arrived.send(delivery).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let routes = Router::new().route("/mosip", post(receive));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((url, deliveries))
}

async fn simulator(callback: &str) -> Result<Running> {
    let mut settings = Settings::from_key_set(Path::new("keys.example")).map_err(demo_error)?;
    settings.bind.set_port(0);
    let url = format!("http://{callback}/birthReceiveNid").parse().map_err(demo_error)?;
    settings.callback = Some(Callback { url, roots_pem: None, client: None });
    Simulator::start(settings, Clock::system()).await.map_err(demo_error)
}

/// `text` with a value at each of its `places`.
fn filled(text: &str, places: &[(&str, &str)]) -> String {
    places.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value))
}

fn config(text: &str, folder: &Path) -> Result<Config> {
    let variables = SECRETS.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Config::from_toml(text, folder, &variables, &|path| std::fs::read(path)).map_err(demo_error)
}

async fn call(client: &Client, method: Method, url: &str, body: impl Into<Bytes>) -> Result<(u16, Value)> {
    call_as(client, None, method, url, body).await
}

/// The same with a bearer token.
async fn call_as(
    client: &Client,
    token: Option<&str>,
    method: Method,
    url: &str,
    body: impl Into<Bytes>,
) -> Result<(u16, Value)> {
    let mut headers =
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if let Some(token) = token {
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().map_err(demo_error)?);
    }
    let request = Request {
        method,
        uri: url.parse().map_err(demo_error)?,
        headers,
        body: body.into(),
        deadline: PATIENCE,
        max_response: 1 << 20,
    };
    let reply = client.send(request).await?;
    Ok((reply.status.as_u16(), serde_json::from_slice(&reply.body).map_err(demo_error)?))
}

/// Calls `look` again and again until it finds something.
async fn poll_until<T>(look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let found = timeout(PATIENCE, async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.map_err(demo_error)?
}

/// The next delivery of type `wanted`.
async fn delivery(deliveries: &mut mpsc::Receiver<Value>, wanted: &str) -> Result<Value> {
    loop {
        let next = timeout(PATIENCE, deliveries.recv()).await.map_err(demo_error)?;
        let next = next.ok_or_else(|| Error::new(Code::Bug, "the mediator is gone"))?;
        if text(&next, "/type") == wanted {
            return Ok(next);
        }
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("none")
}

fn demo_error(error: impl std::fmt::Display) -> Error {
    Error::new(Code::Bug, error.to_string())
}

/// A folder for the outbox of one run.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Result<Self> {
        let name = format!("mosip-gateway-demo-{}", HEXLOWER.encode(&secret::random::<8>()));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).map_err(demo_error)?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // Files that cannot be removed stay in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
