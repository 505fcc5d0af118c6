//! The database, the gateways, and what lies between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mosip_gateway::demo::postgres::{self, Cluster};
use tempfile::TempDir;

use crate::replicas::LEASE;
use crate::support::patience::{self, PATIENCE};
use crate::support::port::Port;
use crate::support::process::{Gateway, readiness};
use crate::support::small_disk::SmallDisk;
use crate::support::wire::{Way, Wire};
use crate::support::world::urls;

/// Enough for 20,000 events.
const DISK_KIB: u32 = 768 << 10;

/// The log of the database keeps to a part of the disk.
const SMALL_LOG: &str = "-c max_wal_size=64MB -c min_wal_size=32MB";

/// A database in a cluster of its own, and who works with it.
pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) database: Standing,
    pub(super) peers: Vec<Peer>,
    /// Where it is, if it is on a disk of its own that can be filled.
    pub(super) disk: Option<SmallDisk>,
    mosip: String,
    port: Port,
    home: TempDir,
}

/// A gateway, as who posts and who breaks it see it.
pub(super) struct Peer {
    pub(super) api: String,
    ops: String,
    pub(super) standing: Standing,
    /// From it to the database.
    pub(super) wire: Wire,
}

/// Whether something is up, and how often it was not.
#[derive(Default)]
pub(super) struct Standing {
    is_down: AtomicBool,
    faults: AtomicU64,
}

impl Standing {
    pub(super) fn falls(&self) {
        self.faults.fetch_add(1, Ordering::SeqCst);
        self.is_down.store(true, Ordering::SeqCst);
    }

    pub(super) fn stands(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_up(&self) -> bool {
        !self.is_down.load(Ordering::SeqCst)
    }

    /// Which of its times up this is; none, where it is down.
    pub(super) fn time_up(&self) -> Option<u64> {
        let faults = self.faults.load(Ordering::SeqCst);
        self.is_up().then_some(faults)
    }
}

impl Site {
    /// With a database that runs, and without gateways; none, with a word, where Debian's server is not installed.
    pub(super) async fn new(mosip: &str) -> Option<Self> {
        let Some(bin) = postgres::installed() else {
            eprintln!("skipped: no PostgreSQL of Debian's packages is installed");
            return None;
        };
        // Anybody else would be root in a namespace of their own, as whom the server does not run.
        let is_root = rustix::process::geteuid().is_root();
        let disk = if is_root { SmallDisk::mount(DISK_KIB) } else { None };
        let (home, port) = (tempfile::tempdir().unwrap(), Port::hold());
        let folder = disk.as_ref().map_or(home.path(), SmallDisk::path).join("postgres");
        let within = disk.as_ref().map(SmallDisk::inside).unwrap_or_default();
        let within: Vec<_> = within.iter().map(String::as_str).collect();
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(disk) = &disk {
            std::fs::create_dir(disk.file("postgres")).unwrap();
        } else {
            open_to_all(home.path());
        }
        let cluster = Cluster::make(&bin, &folder, port.number(), &within).unwrap().with(SMALL_LOG);
        cluster.start().unwrap();
        let (database, peers, mosip) = (Standing::default(), Vec::new(), mosip.to_owned());
        Some(Self { cluster, database, peers, disk, mosip, port, home })
    }

    /// The way to the database.
    pub(super) fn way(&self) -> Way {
        Way::To(self.port.number())
    }

    /// With so many gateways under these settings, which are ready.
    pub(super) async fn start(mut self, count: usize, set: &[(&str, &str)]) -> (Arc<Self>, Vec<Gateway>) {
        let mut gateways = Vec::new();
        for number in 0..count {
            let wire = Wire::to(self.port.number()).await;
            let mut gateway = self.gateway(number, &wire);
            gateway.set(set);
            if number == 0 {
                let made = gateway.run(&["outbox", "keygen"]);
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            }
            gateway.start();
            gateway.ready().await;
            let standing = Standing::default();
            self.peers.push(Peer { api: gateway.api(), ops: gateway.ops(), standing, wire });
            gateways.push(gateway);
        }
        (Arc::new(self), gateways)
    }

    fn gateway(&self, number: usize, wire: &Wire) -> Gateway {
        let url = self.home.path().join(format!("url{number}"));
        std::fs::write(&url, self.cluster.url_at(wire.port)).unwrap();
        let mut gateway = Gateway::new();
        gateway.share(&url, &self.home.path().join("outbox.key"));
        gateway.set(&[("OUTBOX__LEASE", LEASE), ("UPSTREAM__MEDIATOR__CONCURRENCY", "4")]);
        for (name, value) in urls(&self.mosip) {
            gateway.set(&[(name, &value)]);
        }
        gateway
    }

    /// A copy of the database that follows it as soon as it is started, and where.
    pub(super) fn standby(&self) -> (Cluster, Port) {
        let (port, name) = (Port::hold(), "standby");
        let folder = self.cluster.folder().with_file_name(name);
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(disk) = &self.disk {
            std::fs::create_dir(disk.file(name)).unwrap();
        }
        let within = self.disk.as_ref().map(SmallDisk::inside).unwrap_or_default();
        let within: Vec<_> = within.iter().map(String::as_str).collect();
        (self.cluster.standby(&folder, port.number(), &within).unwrap(), port)
    }

    /// Waits until the gateway of `peer` is ready. Patience begins again with each fault that the database has meanwhile.
    pub(super) async fn ready(&self, peer: &Peer) {
        let (mut time, mut since) = (None, Instant::now());
        loop {
            let seen = readiness(&peer.ops).await;
            if matches!(seen, Some((200, _))) {
                return;
            }
            if time.is_none() || time != self.database.time_up() {
                (time, since) = (self.database.time_up(), Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{} is not ready: {seen:?}", peer.ops);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until each gateway that is up is ready, after the database was not.
    pub(super) async fn all_ready(&self) {
        for peer in &self.peers {
            patience::until("readiness after the database", async || match readiness(&peer.ops).await {
                Some((200, _)) => Ok(()),
                _ if !peer.standing.is_up() => Ok(()),
                other => Err((self.log_of_database(), other)),
            })
            .await;
        }
    }

    /// The end of it.
    fn log_of_database(&self) -> String {
        let folder =
            self.disk.as_ref().map_or(self.home.path().join("postgres"), |disk| disk.file("postgres"));
        let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Waits until the database takes connections. It is started where it does not run, which it may have ceased to do by itself.
    pub(super) async fn database_runs(&self) {
        patience::until("the start of the database", async || {
            if !self.cluster.is_running() {
                // One that is ending is in the way, and it is tried again.
                let _ = self.cluster.start();
            }
            if self.cluster.answers() { Ok(()) } else { Err(self.log_of_database()) }
        })
        .await;
    }
}

/// The user of the server comes through it.
fn open_to_all(folder: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}
