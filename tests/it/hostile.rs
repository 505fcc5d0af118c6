//! A gateway whose disk fills up, whose MOSIP hangs, whose files are taken away, and whose first start is interrupted: nothing that was
//! acknowledged is lost, and what is said of readiness is what a post then finds.
//!
//! `tests/hostile` runs it at length and prints its counts; `MOSIP_GATEWAY_HOSTILE_ROUNDS` says how often each part is done.

#![allow(clippy::print_stdout, reason = "counts are printed")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Behaviour, Settings, Simulator};
use serde_json::Value;

use crate::support::event::birth;
use crate::support::patience;
use crate::support::process::Gateway;
use crate::support::random::Random;
use crate::support::small_disk::SmallDisk;
use crate::support::world::urls;

/// Room for the database, its log and some events.
const KIB: u32 = 4096;
/// Posts and looks at readiness while the disk is full.
const PAIRS: usize = 20;

/// A start that makes no file by then is killed all the same.
const LONGEST_START: Duration = Duration::from_secs(2);

/// What the gateway is asked and what it answered.
struct Site {
    gateway: Gateway,
    simulator: simulator::Running,
    acknowledged: BTreeSet<String>,
    posted: usize,
    refused: usize,
}

impl Site {
    /// `None` where the kernel refuses.
    async fn new() -> Option<Self> {
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        let mut gateway = Gateway::on_disk(SmallDisk::mount(KIB)?);
        for (name, url) in urls(&simulator.base_url) {
            gateway.set(&[(name, &url)]);
        }
        gateway.set(&[("UPSTREAM__MEDIATOR__DEADLINE", "1s"), ("OUTBOX__RESERVE", "0")]);
        Some(Self { gateway, simulator, acknowledged: BTreeSet::new(), posted: 0, refused: 0 })
    }

    /// Posts an event of its own; the status.
    async fn post(&mut self) -> u16 {
        self.posted += 1;
        let composition = format!("h{}", self.posted);
        let (status, answer) = self.gateway.post_event("birth", birth(&composition)).await;
        match status {
            202 => drop(self.acknowledged.insert(composition)),
            507 => {
                assert_eq!(answer["fault"], "storage", "{answer}");
                self.refused += 1;
            }
            other => panic!("{other}: {answer}"),
        }
        status
    }

    async fn post_and_be_taken(&mut self, count: usize) {
        for _ in 0..count {
            assert_eq!(self.post().await, 202, "log:\n{}", self.gateway.log());
        }
    }

    /// Waits until `/readyz` answers `status`; its body.
    async fn readiness(&self, status: u16) -> Value {
        patience::until("readiness", async || match self.gateway.readiness().await {
            Some((found, body)) if found == status => Ok(body),
            other => Err((other, self.gateway.log())),
        })
        .await
    }

    /// While the disk is full readiness and the next post say the same, again and again.
    async fn agree_that_it_is_full(&mut self) {
        let body = self.readiness(503).await;
        assert_eq!(body["outbox"]["trouble"]["fault"], "storage", "{body}");
        for _ in 0..PAIRS {
            let ready = self.gateway.readiness().await.map(|(status, _)| status);
            assert_eq!((ready, self.post().await), (Some(503), 507));
        }
    }

    /// Every event that was acknowledged is listed.
    async fn all_are_listed(&self) {
        let listed: BTreeSet<_> = self
            .gateway
            .events()
            .await
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        let lost: Vec<_> = self.acknowledged.difference(&listed).collect();
        assert!(lost.is_empty(), "not listed: {lost:?}");
    }

    /// Waits until MOSIP has every event that was acknowledged.
    async fn all_arrive(&self) {
        let arrived = self.simulator.history.wait_until(|record| {
            let there: BTreeSet<_> = record.accepted.iter().map(|accepted| &accepted.composition).collect();
            self.acknowledged.iter().all(|composition| there.contains(composition))
        });
        let arrived = tokio::time::timeout(Duration::from_secs(120), arrived).await;
        assert!(arrived.is_ok(), "not every acknowledged event arrived; log:\n{}", self.gateway.log());
    }

    fn print(&self, what: &str) {
        let record = self.simulator.history.record();
        let delivered: BTreeSet<_> = record.accepted.iter().map(|accepted| &accepted.composition).collect();
        let lost = self.acknowledged.iter().filter(|composition| !delivered.contains(composition)).count();
        println!(
            "{what}: posted {}, acknowledged {}, refused with 507 {}, delivered {}, lost {lost}",
            self.posted,
            self.acknowledged.len(),
            self.refused,
            delivered.len(),
        );
        assert_eq!(lost, 0);
    }
}

fn rounds() -> usize {
    std::env::var("MOSIP_GATEWAY_HOSTILE_ROUNDS").map_or(1, |text| text.parse().unwrap())
}

fn hangs() -> Behaviour {
    Behaviour { delay_ms: 5_000, ..Behaviour::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_a_full_disk_stops_no_start_loses_nothing_and_ends_by_itself() {
    let Some(mut site) = Site::new().await else { return };
    site.gateway.disk().fill();
    site.gateway.start();
    site.agree_that_it_is_full().await;
    site.gateway.disk().free();
    site.readiness(200).await;
    site.post_and_be_taken(5).await;
    for _ in 0..rounds() {
        site.simulator.controls.set(hangs());
        site.post_and_be_taken(5).await;
        site.gateway.disk().fill();
        while site.post().await == 202 {}
        site.agree_that_it_is_full().await;
        site.all_are_listed().await;
        site.gateway.kill();
        site.gateway.start();
        site.agree_that_it_is_full().await;
        site.all_are_listed().await;
        assert!(!site.gateway.log().contains("set-aside"), "{}", site.gateway.log());
        site.gateway.disk().free();
        site.readiness(200).await;
        site.post_and_be_taken(5).await;
        site.simulator.controls.set(Behaviour::default());
        site.all_arrive().await;
    }
    site.print("full disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_a_disk_that_was_full_is_used_again_with_a_mib_of_room_and_not_before() {
    let Some(mut site) = Site::new().await else { return };
    site.gateway.start();
    site.readiness(200).await;
    site.post_and_be_taken(1).await;
    assert!(
        resume(&site.gateway).status.success(),
        "the log is in the database: it gives no room back later"
    );
    site.gateway.disk().fill();
    while site.post().await == 202 {}
    site.gateway.disk().leave(512 << 10);
    // It tries at once.
    let refused = resume(&site.gateway);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(site.post().await, 507);
    site.gateway.disk().leave(1 << 20);
    assert!(resume(&site.gateway).status.success());
    site.post_and_be_taken(3).await;
    site.all_arrive().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_nothing_is_acknowledged_into_what_is_gone() {
    let Some(mut site) = Site::new().await else { return };
    site.gateway.start();
    site.readiness(200).await;
    for _ in 0..rounds() {
        for (file, piece) in [
            ("outbox.db", "database"),
            ("outbox.db-wal", "log"),
            ("outbox.key", "key"),
            ("outbox.db.lock", "lock"),
        ] {
            site.post_and_be_taken(3).await;
            let (there, away) = (site.gateway.disk().file(file), site.gateway.disk().file("away"));
            std::fs::rename(&there, &away).unwrap();
            assert_eq!(site.post().await, 507, "{file}");
            let body = site.readiness(503).await;
            assert_eq!(body["outbox"]["trouble"]["gone"], serde_json::json!([piece]), "{body}");
            let metrics = site.gateway.metrics().await;
            assert!(metrics.contains(&format!("outbox_file_gone{{file=\"{piece}\"}} 1")), "{metrics}");
            if piece == "database" {
                let refused = resume(&site.gateway);
                let told = String::from_utf8_lossy(&refused.stderr);
                assert!(
                    !refused.status.success() && told.contains("database of outbox.path was removed"),
                    "{told}"
                );
                let listed = site.gateway.run(&["outbox", "list"]);
                let told = String::from_utf8_lossy(&listed.stdout);
                assert!(
                    listed.status.success() && told.contains("\"h1\""),
                    "the gateway still has it: {listed:?}"
                );
            }
            std::fs::rename(&away, &there).unwrap();
            assert_eq!(site.post().await, 507, "a person decides");
            let resumed = resume(&site.gateway);
            assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
            site.readiness(200).await;
        }
        // A second gateway over the same database, whose lock file is gone.
        std::fs::remove_file(site.gateway.disk().file("outbox.db.lock")).unwrap();
        let second = site.gateway.run(&["serve", "--allow-example-keys"]);
        assert!(String::from_utf8_lossy(&second.stderr).contains("has this database open"), "{second:?}");
        assert!(resume(&site.gateway).status.success());
    }
    site.post_and_be_taken(3).await;
    site.all_arrive().await;
    site.print("files taken away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_a_database_that_goes_while_the_disk_is_full_is_not_made_anew() {
    let Some(mut site) = Site::new().await else { return };
    site.gateway.start();
    site.readiness(200).await;
    for _ in 0..rounds() {
        site.post_and_be_taken(3).await;
        site.gateway.kill();
        // SQLite asks for room for it before it can open the database.
        std::fs::remove_file(site.gateway.disk().file("outbox.db-shm")).unwrap();
        site.gateway.disk().fill();
        site.gateway.start();
        site.agree_that_it_is_full().await;
        let move_all = |from: &str, to: &str| {
            for name in ["outbox.db", "outbox.db-wal"] {
                let file = |end: &str| site.gateway.disk().file(&format!("{name}{end}"));
                std::fs::rename(file(from), file(to)).unwrap();
            }
        };
        move_all("", ".away");
        site.gateway.disk().free();
        let pieces = serde_json::json!(["database", "log"]);
        patience::until("what is gone", async || match site.gateway.readiness().await {
            Some((503, body)) if body["outbox"]["trouble"]["gone"] == pieces => Ok(()),
            other => Err((other, site.gateway.log())),
        })
        .await;
        move_all(".away", "");
        assert_eq!(site.post().await, 507, "a person decides");
        assert!(resume(&site.gateway).status.success(), "{}", site.gateway.log());
        site.readiness(200).await;
        site.all_are_listed().await;
        site.all_arrive().await;
    }
    site.print("files taken away from a full disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_a_folder_that_is_made_anew_is_written_after_a_start_and_resume_says_so() {
    let Some(mut site) = Site::new().await else { return };
    let folder = |name: &str| site.gateway.disk().file(name);
    let (there, away) = (folder("outbox"), folder("away"));
    std::fs::create_dir(&there).unwrap();
    let database = site.gateway.disk().path().join("outbox/outbox.db").display().to_string();
    site.gateway.set(&[("OUTBOX__PATH", &database)]);
    site.gateway.start();
    site.readiness(200).await;
    if site.gateway.log().contains("the kernel has no Landlock") {
        println!("skipped: this kernel has no Landlock");
        return;
    }
    site.post_and_be_taken(3).await;
    std::fs::rename(&there, &away).unwrap();
    assert_eq!(site.post().await, 507);
    std::fs::create_dir(&there).unwrap();
    for file in std::fs::read_dir(&away).unwrap().map(|file| file.unwrap().file_name()) {
        std::fs::rename(away.join(&file), there.join(&file)).unwrap();
    }
    let says =
        "start the gateway again: the kernel lets it write only in the folder that was there at its start";
    let refused = resume(&site.gateway);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && told.contains(says), "{told}");
    assert_eq!(site.post().await, 507);
    let trouble = site.readiness(503).await["outbox"]["trouble"].to_string();
    assert!(trouble.contains(says) && !trouble.contains("by itself"), "{trouble}");
    site.gateway.kill();
    site.gateway.start();
    site.readiness(200).await;
    site.post_and_be_taken(3).await;
    site.all_arrive().await;
}

/// What is on the disk.
fn files(gateway: &Gateway) -> BTreeSet<String> {
    let folder = std::fs::read_dir(gateway.disk().file("")).unwrap();
    folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn resume(gateway: &Gateway) -> Output {
    gateway.run(&["outbox", "resume"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_an_interrupted_first_start_stops_no_later_one() {
    let (mut random, mut kills, mut states) = (Random::new(7), 0, BTreeSet::new());
    for _ in 0..rounds() {
        let Some(mut site) = Site::new().await else { return };
        for _ in 0..20 {
            site.gateway.start();
            let before = files(&site.gateway);
            let since = Instant::now();
            while files(&site.gateway) == before && since.elapsed() < LONGEST_START {
                std::thread::yield_now();
            }
            #[allow(clippy::disallowed_methods, reason = "the kill comes at a random moment")]
            std::thread::sleep(Duration::from_micros(random.below(4_000)));
            site.gateway.kill();
            kills += 1;
            let files = files(&site.gateway);
            let is_made = files.contains("outbox.db-wal");
            states.insert(files);
            if is_made {
                break;
            }
        }
        site.gateway.start();
        site.readiness(200).await;
        site.post_and_be_taken(2).await;
        site.all_arrive().await;
    }
    println!("first starts: killed {kills}, states left behind {}, later starts that failed 0", states.len());
}
