//! The program itself, in a process of its own that can be killed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use mosip_gateway::settings::Config;
use mosip_gateway::upstream::{Client, Reply, Request};
use serde_json::Value;
use tempfile::TempDir;

use super::gateway::{EXAMPLE, secrets};
use super::patience;
use super::port::Port;
use super::small_disk::SmallDisk;

const JSON: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mosip-gateway");

const SERVE: [&str; 4] = ["serve", "--config", "deploy/example.toml", "--allow-example-keys"];

/// `mosip-gateway serve` under `deploy/example.toml`, over one outbox however often it is started. Dropped, it is killed.
pub(crate) struct Gateway {
    /// `ip:port` of the callback listener.
    pub(crate) callback: String,
    variables: BTreeMap<String, String>,
    home: TempDir,
    ports: [Port; 3],
    config: PathBuf,
    child: Option<Child>,
    disk: Option<SmallDisk>,
}

impl Gateway {
    pub(crate) fn new() -> Self {
        Self::over(None)
    }

    /// Its outbox is on `disk`, which it alone sees.
    pub(crate) fn on_disk(disk: SmallDisk) -> Self {
        Self::over(Some(disk))
    }

    fn over(disk: Option<SmallDisk>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ports = [Port::hold(), Port::hold(), Port::hold()];
        let folder = disk.as_ref().map_or(home.path(), SmallDisk::path);
        let outbox = folder.join("outbox.db").display().to_string();
        let variables = secrets();
        let [api, callback, ops] = ports.each_ref().map(Port::address);
        let config = PathBuf::from("deploy/example.toml");
        let mut gateway =
            Self { callback: callback.clone(), variables, home, ports, config, child: None, disk };
        gateway.set(&[
            ("LISTEN__INTERNAL", &api),
            ("LISTEN__CALLBACK", &callback),
            ("LISTEN__OPS", &ops),
            ("OUTBOX__PATH", &outbox),
        ]);
        gateway
    }

    /// Its variables, for what is run beside it by other means.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        self.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The configuration of [`Self::configure`].
    pub(crate) fn configuration(&self) -> PathBuf {
        self.home.path().join("gateway.toml")
    }

    /// Another configuration than the example's, for what no variable can set.
    pub(crate) fn configure(&mut self, text: &str) {
        let root = std::path::absolute(".").unwrap();
        let text = ["keys.example", "tests"].into_iter().fold(text.to_owned(), |text, folder| {
            text.replace(&format!("../{folder}"), root.join(folder).to_str().unwrap())
        });
        self.config = self.configuration();
        std::fs::write(&self.config, text).unwrap();
    }

    /// In the place of an older system that is run with these `variables`, which say where its outbox and its callback are.
    pub(crate) fn stand_in(&mut self, variables: Vec<(&'static str, String)>) {
        self.variables
            .retain(|name, _| !["OUTBOX__PATH", "LISTEN__CALLBACK"].iter().any(|own| name.ends_with(own)));
        self.variables.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }

    /// Settings (names without `MOSIP_GATEWAY__`) of the next start.
    pub(crate) fn set(&mut self, set: &[(&str, &str)]) {
        let named = set.iter().map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), (*value).to_owned()));
        self.variables.extend(named);
    }

    /// Its outbox is the database that the file `url` names, under the key `key`, in place of a file.
    pub(crate) fn share(&mut self, url: &Path, key: &Path) {
        self.variables.remove("MOSIP_GATEWAY__OUTBOX__PATH");
        self.set(&[("OUTBOX__URL_FILE", url.to_str().unwrap()), ("OUTBOX__KEY_FILE", key.to_str().unwrap())]);
    }

    pub(crate) fn start(&mut self) {
        let mut command = self.command(&["serve", "--allow-example-keys"]);
        self.spawn(&mut command);
    }

    /// Starts it with these `options` as the supervisor that listens at `socket` does.
    pub(crate) fn start_supervised(&mut self, socket: &Path, options: &[&str]) {
        let mut command = self.command(&[&["serve", "--allow-example-keys"], options].concat());
        command.env("NOTIFY_SOCKET", socket);
        self.spawn(&mut command);
    }

    /// Starts it where it may open no more than `files` files.
    pub(crate) fn start_with_files(&mut self, files: u32) {
        let limit = format!(r#"ulimit -n {files}; exec "$@""#);
        let mut command = Command::new("sh");
        command.env_clear().envs(&self.variables).args(["-c", &limit, "sh", PROGRAM, "serve"]);
        command.arg("--config").arg(&self.config).arg("--allow-example-keys");
        self.spawn(&mut command);
    }

    /// Starts it under the configuration `config` where it finds a soft limit of `files` open files, which it may raise.
    pub(crate) fn start_with_soft_limit(&mut self, config: &Path, files: u32) {
        let limit = format!(r#"ulimit -S -n {files}; exec "$@""#);
        let mut command = Command::new("sh");
        command.env_clear().envs(&self.variables).args(["-c", &limit, "sh", PROGRAM, "serve"]);
        command.arg("--config").arg(config).arg("--allow-example-keys");
        self.spawn(&mut command);
    }

    /// Starts it with `library` between it and the system, which finds these `paths` in variables.
    pub(crate) fn start_behind(&mut self, library: &Path, paths: &[(&str, &Path)]) {
        let mut command = self.command(&["serve", "--allow-example-keys"]);
        command.env("LD_PRELOAD", library).envs(paths.iter().copied());
        self.spawn(&mut command);
    }

    /// Starts it with `socket` as systemd passes it, under `name`.
    pub(crate) fn start_on(&mut self, socket: &TcpListener, name: &str) {
        self.spawn(passing(socket, name).envs(&self.variables));
    }

    /// As [`Self::start_on`] where the start is refused: its exit code, and what it says.
    pub(crate) fn refused_on(&self, socket: &TcpListener, name: &str) -> (Option<i32>, String) {
        let output = passing(socket, name).envs(&self.variables).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn spawn(&mut self, command: &mut Command) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        command.stdout(File::try_clone(&log).unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// The folder of its outbox.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Another command under the same configuration, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.disk {
            Some(disk) => disk.command(PROGRAM),
            None => Command::new(PROGRAM),
        };
        let (name, rest) = arguments.split_first().unwrap();
        command.args([name, "--config"]).arg(&self.config).args(rest);
        command.env_clear().envs(&self.variables);
        command
    }

    /// The disk that it was made on.
    pub(crate) fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().unwrap()
    }

    /// SIGKILL. One that has ended before is a failure of its own.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it ended by itself, {status}:\n{}", self.log());
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success() && child.wait().unwrap().success(), "{}", self.log());
    }

    /// SIGTERM, and waits for the end no longer than is patient.
    pub(crate) async fn end(&mut self) {
        let child = Mutex::new(self.child.take().unwrap());
        let pid = child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status =
            patience::until("the end", async || child.lock().unwrap().try_wait().unwrap().ok_or("it runs"));
        assert!(status.await.success(), "{}", self.log());
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Has it read keys and certificates again.
    pub(crate) fn hang_up(&self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// Waits until `/readyz` is 200.
    pub(crate) async fn ready(&self) {
        let (client, url) = (client(), format!("http://{}/readyz", self.ports[2].address()));
        patience::until("readiness", async || {
            let alive = Path::new(&format!("/proc/{}/exe", self.pid())).exists();
            assert!(alive, "it ended by itself:\n{}", self.log());
            match send(&client, Method::GET, &url, HeaderMap::new(), Bytes::new()).await {
                Some(reply) if reply.status.is_success() => Ok(()),
                other => Err(other.map(|reply| reply.status)),
            }
        })
        .await;
    }

    /// Status and body of `/readyz`; `None`: nobody listens.
    pub(crate) async fn readiness(&self) -> Option<(u16, Value)> {
        readiness(&self.ops()).await
    }

    /// `ip:port` of the listener of operators.
    pub(crate) fn ops(&self) -> String {
        self.ports[2].address()
    }

    /// What is scraped.
    pub(crate) async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.ports[2].address());
        let reply = send(&client(), Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
        String::from_utf8(reply.unwrap().body.to_vec()).unwrap()
    }

    /// The operators' page.
    pub(crate) async fn page(&self) -> String {
        let url = format!("http://{}/", self.ports[2].address());
        let reply = send(&client(), Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
        String::from_utf8(reply.unwrap().body.to_vec()).unwrap()
    }

    /// Posts an event; status and body of the answer.
    pub(crate) async fn post_event(&self, kind: &str, body: String) -> (u16, Value) {
        let url = format!("{}/v1/events/{kind}", self.api());
        let reply = post(&client(), &url, body).await.unwrap();
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
    }

    /// `http://ip:port` of the plain API.
    pub(crate) fn api(&self) -> String {
        format!("http://{}", self.ports[0].address())
    }

    /// What `GET` of the plain API answers.
    pub(crate) async fn get(&self, route: &str) -> Value {
        let url = format!("{}{route}", self.api());
        let reply = send(&client(), Method::GET, &url, HeaderMap::new(), Bytes::new()).await;
        serde_json::from_slice(&reply.unwrap().body).unwrap()
    }

    /// Posts to the callback listener as the MOSIP-side mediator does; it has to be taken.
    pub(crate) async fn push(&self, body: String) {
        let url = format!("http://{}/birthReceiveNid", self.callback);
        let bearer = format!("Bearer {}", super::mosip::caller_token()).parse().unwrap();
        let headers = HeaderMap::from_iter([JSON, (header::AUTHORIZATION, bearer)]);
        let reply = send(&client(), Method::POST, &url, headers, body.into()).await;
        assert!(reply.unwrap().status.is_success());
    }

    /// Every event it knows.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let (mut events, mut next) = (Vec::new(), Value::from(0));
        while !next.is_null() {
            let mut page = self.get(&format!("/v1/events?cursor={next}")).await;
            events.append(page["events"].as_array_mut().unwrap());
            next = page["next"].take();
        }
        events
    }

    /// The end of what it logged, over all its lives.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<_> = text.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// All that it logged, over all its lives.
    pub(crate) fn whole_log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The program, with `socket` as its descriptor 3. A shell moves it there and names the process, which it becomes.
fn passing(socket: &TcpListener, name: &str) -> Command {
    const PASS: &str = r#"exec 3<&0 </dev/null; export LISTEN_PID=$$; exec "$@""#;
    let socket: OwnedFd = socket.try_clone().unwrap().into();
    let mut command = Command::new("sh");
    command.env_clear().args(["-c", PASS, "sh", PROGRAM]).args(SERVE).stdin(socket);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
    command
}

/// A client of the loopback.
pub(crate) fn client() -> Client {
    let config = Config::from_toml(EXAMPLE, Path::new("deploy"), &secrets(), &|path| std::fs::read(path));
    Client::new(&config.unwrap_or_else(|problems| panic!("{problems}")).upstream).unwrap()
}

/// As [`Gateway::readiness`], of the gateway whose listener of operators is at `ops`.
pub(crate) async fn readiness(ops: &str) -> Option<(u16, Value)> {
    let url = format!("http://{ops}/readyz");
    let reply = send(&client(), Method::GET, &url, HeaderMap::new(), Bytes::new()).await?;
    Some((reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap()))
}

/// Posts a large `body` as `content_type`; none: no answer came.
pub(crate) async fn post_large(client: &Client, url: &str, content_type: &str, body: Bytes) -> Option<Reply> {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
    let (method, uri, deadline) = (Method::POST, url.parse().unwrap(), Duration::from_mins(5));
    client.send(Request { method, uri, headers, body, deadline, max_response: 1 << 26 }).await.ok()
}

/// Posts JSON; none: no answer came.
pub(crate) async fn post(client: &Client, url: &str, body: String) -> Option<Reply> {
    send(client, Method::POST, url, HeaderMap::from_iter([JSON]), body.into()).await
}

/// Posts what MOSIP's hub signed, with the tag `hex`; none: no answer came.
pub(crate) async fn push(client: &Client, url: &str, hex: &str, body: &str) -> Option<Reply> {
    let signature = (HeaderName::from_static("x-hub-signature"), format!("sha256={hex}").parse().unwrap());
    send(client, Method::POST, url, HeaderMap::from_iter([JSON, signature]), body.to_owned().into()).await
}

async fn send(client: &Client, method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Option<Reply> {
    let (uri, deadline, max_response) = (url.parse().unwrap(), Duration::from_secs(30), 1 << 24);
    client.send(Request { method, uri, headers, body, deadline, max_response }).await.ok()
}
