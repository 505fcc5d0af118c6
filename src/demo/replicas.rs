//! The scene of two gateways, each a process of its own, over one database on PostgreSQL. One is killed while it has a call under way.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use http::Method;
use tokio::time::timeout;
use tokio_postgres::NoTls;

use super::guard::Guard;
use super::postgres::Cluster;
use super::{
    BIRTH, PATIENCE, SECRETS, TemporaryFolder, call, config, demo_error, ensure, filled, free_address,
    poll_until, print_step, simulator, text,
};
use crate::error::{Code, Error, Result};
use crate::simulator::Behaviour;
use crate::upstream::Client;

const CONFIG: &str = include_str!("replicas.toml");
/// What each of the two takes.
const BIRTHS: usize = 4;

/// Where the database of the two is.
#[derive(Debug)]
pub enum Server {
    /// In a schema of its own of the database at this URL.
    Named(String),
    /// On a server that runs as long as the demo: the folder of its programs.
    Started(PathBuf),
}

/// Shows it; false: `stop` was over first. It succeeds only if MOSIP took every birth that was acknowledged, each once.
pub async fn run(
    server: &Server,
    stop: impl Future<Output = ()>,
    out: &mut (impl Write + Send),
) -> Result<bool> {
    let folder = TemporaryFolder::new()?;
    match server {
        Server::Started(bin) => {
            let cluster = cluster(bin, &folder.0).await?;
            let _guard = Guard::over(&folder.0, cluster.stopping());
            cluster.start()?;
            print_step(out, 1, "PostgreSQL", "a server of its own".to_owned())?;
            play_until(stop, &cluster.url(), &folder.0, out).await
        }
        Server::Named(url) => {
            let _guard = Guard::over(&folder.0, Vec::new());
            let schema = Schema::make(url).await?;
            print_step(out, 1, "PostgreSQL", "the one that was named".to_owned())?;
            let played = play_until(stop, &schema.url(), &folder.0, out).await;
            let removed = schema.remove().await;
            played.and_then(|is_whole| removed.map(|()| is_whole))
        }
    }
}

async fn play_until(
    stop: impl Future<Output = ()>,
    url: &str,
    folder: &Path,
    out: &mut (impl Write + Send),
) -> Result<bool> {
    tokio::select! {
        played = play(url, folder, out) => played.map(|()| true),
        () = stop => Ok(false),
    }
}

async fn play(url: &str, folder: &Path, out: &mut (impl Write + Send)) -> Result<()> {
    let mut print_step = |step, what, line| print_step(out, step, what, line);
    let simulator = simulator(&free_address().await?).await?;
    std::fs::write(folder.join("outbox.url"), url).map_err(demo_error)?;
    let mut one = Process::of(folder, "one", &simulator.base_url).await?;
    let mut other = Process::of(folder, "other", &simulator.base_url).await?;
    let client = one.client(folder)?;
    let made = one.command(&["outbox", "keygen"])?.output().map_err(demo_error)?;
    if !made.status.success() {
        return Err(demo_error(String::from_utf8_lossy(&made.stderr)));
    }
    // The one alone has the call: the other is not there yet.
    one.start()?;
    one.ready(&client).await?;
    print_step(2, "one gateway", "ready".to_owned())?;
    simulator.controls.set(Behaviour { delay_ms: 60_000, ..Behaviour::default() });
    let mut taken = BTreeSet::new();
    for number in 0..BIRTHS {
        taken.insert(one.post(&client, number).await?);
    }
    poll_until(async || {
        let leased = format!("{}/v1/events?state=leased", one.api);
        let (_, leased) = call(&client, Method::GET, &leased, "").await?;
        Ok(leased.pointer("/events/0").map(|_| ()))
    })
    .await?;
    print_step(3, "births", format!("{BIRTHS} to it, each answered 202; MOSIP hangs on a call"))?;
    other.start()?;
    other.ready(&client).await?;
    print_step(4, "another gateway", "ready, over the same outbox".to_owned())?;

    one.kill();
    let killed = Instant::now();
    simulator.controls.set(Behaviour::default());
    print_step(5, "killed", "the first, by SIGKILL, with its call under way".to_owned())?;
    for number in BIRTHS..2 * BIRTHS {
        taken.insert(other.post(&client, number).await?);
    }
    print_step(6, "births", format!("{BIRTHS} to the other, each answered 202"))?;

    let arrived = simulator.history.wait_until(|record| record.accepted.len() >= 2 * BIRTHS);
    let record = timeout(2 * PATIENCE, arrived).await.map_err(demo_error)?;
    let ids: BTreeSet<String> = record.accepted.iter().map(|accepted| accepted.id.clone()).collect();
    ensure(ids == taken && record.accepted.len() == taken.len())?;
    let (all, last) = (ids.len(), killed.elapsed().as_secs());
    let line = format!("all {all}, each once; the last {last} s after the kill, under a lease of 15 s");
    print_step(7, "MOSIP accepted", line)?;
    simulator.shutdown().await;
    Ok(())
}

async fn cluster(bin: &Path, demo: &Path) -> Result<Cluster> {
    let address: std::net::SocketAddr = free_address().await?.parse().map_err(demo_error)?;
    let folder = demo.join("postgres");
    std::fs::create_dir(&folder).map_err(demo_error)?;
    // The server may run as another user, who has to get there, whatever the umask is.
    std::fs::set_permissions(demo, Permissions::from_mode(0o711)).map_err(demo_error)?;
    Cluster::make(bin, &folder, address.port(), &[])
}

/// A schema for this run in a database that somebody named.
struct Schema<'u> {
    server: &'u str,
    name: String,
}

impl<'u> Schema<'u> {
    async fn make(server: &'u str) -> Result<Self> {
        let schema = Self { server, name: format!("mosip_gateway_demo_{}", std::process::id()) };
        schema.sql(&format!("CREATE SCHEMA {}", schema.name)).await?;
        Ok(schema)
    }

    fn url(&self) -> String {
        let mark = if self.server.contains('?') { '&' } else { '?' };
        format!("{}{mark}options=-c%20search_path={}", self.server, self.name)
    }

    async fn remove(self) -> Result<()> {
        self.sql(&format!("DROP SCHEMA {} CASCADE", self.name)).await
    }

    async fn sql(&self, sql: &str) -> Result<()> {
        let unreachable = |error: tokio_postgres::Error| {
            let said =
                error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned());
            let what = format!("the database that was named does not take the demo: {said}");
            Error::new(Code::Storage, what).advise("Start it, or name another one by --postgres.")
        };
        let (client, connection) = tokio_postgres::connect(self.server, NoTls).await.map_err(unreachable)?;
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.map_err(unreachable)?;
        drop(client);
        connection.await.map_err(demo_error)?.map_err(unreachable)
    }
}

/// A gateway. Dropped, it is killed.
struct Process {
    config: PathBuf,
    /// `http://ip:port` of the plain API.
    api: String,
    ops: String,
    child: Option<Child>,
}

impl Process {
    async fn of(folder: &Path, name: &str, mosip: &str) -> Result<Self> {
        let (api, ops) = (free_address().await?, free_address().await?);
        let keys = std::path::absolute("keys.example").map_err(demo_error)?.display().to_string();
        let places = [("@API@", &*api), ("@OPS@", &ops), ("@KEYS@", &keys), ("@MOSIP@", mosip)];
        let config = folder.join(format!("{name}.toml"));
        std::fs::write(&config, filled(CONFIG, &places)).map_err(demo_error)?;
        let [api, ops] = [api, ops].map(|address| format!("http://{address}"));
        Ok(Self { config, api, ops, child: None })
    }

    /// What speaks to it.
    fn client(&self, folder: &Path) -> Result<Client> {
        let text = std::fs::read_to_string(&self.config).map_err(demo_error)?;
        Client::new(&config(&text, folder)?.upstream)
    }

    /// Where the number of its process is, for the [`Guard`].
    fn number(&self) -> PathBuf {
        self.config.with_extension("pid")
    }

    fn log(&self) -> PathBuf {
        self.config.with_extension("log")
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe().map_err(demo_error)?);
        command.args(arguments).arg("--config").arg(&self.config);
        command.env_clear().envs(SECRETS).stdin(Stdio::null());
        Ok(command)
    }

    fn start(&mut self) -> Result<()> {
        let mut command = self.command(&["serve", "--allow-example-keys"])?;
        let log = std::fs::File::create(self.log()).map_err(demo_error)?;
        let child = command.stdout(Stdio::null()).stderr(log).spawn().map_err(demo_error)?;
        let number = child.id().to_string();
        self.child = Some(child);
        std::fs::write(self.number(), number).map_err(demo_error)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = std::fs::remove_file(self.number());
            // One that has ended is not there to be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    async fn ready(&self, client: &Client) -> Result<()> {
        let url = format!("{}/readyz", self.ops);
        let ready = poll_until(async || {
            Ok(call(client, Method::GET, &url, "").await.ok().filter(|(status, _)| *status == 200))
        });
        ready.await.map(drop).map_err(|_| {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            demo_error(format!(
                "a gateway is not ready; its log ends with {}",
                log.lines().last().unwrap_or("nothing")
            ))
        })
    }

    /// Posts the birth of this `number`; its id.
    async fn post(&self, client: &Client, number: usize) -> Result<String> {
        let birth = String::from_utf8_lossy(BIRTH).replace("3b1c2f40-0000", &format!("3b1c2f40-{number:04}"));
        let (status, answer) =
            call(client, Method::POST, &format!("{}/v1/events/birth", self.api), birth).await?;
        ensure(status == 202)?;
        Ok(text(&answer, "/id").to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
