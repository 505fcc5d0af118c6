//! What breaks, and for how long.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use mosip_gateway::demo::postgres::Stop;
use mosip_gateway::simulator::{self, AfterAccept, Behaviour};
use tokio::sync::Semaphore;

use super::GATEWAYS;
use super::site::Site;
use crate::support::process::Gateway;
use crate::support::random::Random;
use crate::support::wire::Way;

/// Longer than the lease.
const STOPPED: Duration = Duration::from_secs(16);
/// From so many faults on the database is slow for half a minute.
const MANY: usize = 100;
/// Each of them at first, and then at random.
const AT_DATABASE: [Fault; 4] = [Fault::Restarted, Fault::Full, Fault::Crashed, Fault::Slow];

/// What happens to a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// SIGKILL, and a start.
    Killed,
    /// SIGSTOP beyond its lease, and SIGCONT.
    Stopped,
    /// Nothing comes from the database, and nobody says so.
    CutOff,
    /// The connections to the database break.
    Severed,
    /// The database is restarted, as for an update.
    Restarted,
    /// It is killed, or stopped at once.
    Crashed,
    /// Its disk is full.
    Full,
    /// Each part of what it is told and says is late.
    Slow,
}

/// Breaks things until there were enough faults.
pub(super) struct Strikes {
    total: usize,
    /// One gateway is always up.
    may_break: Semaphore,
    site: Arc<Site>,
    simulator: Arc<simulator::Running>,
    done: Mutex<BTreeMap<Fault, u64>>,
}

impl Strikes {
    pub(super) fn new(total: usize, site: Arc<Site>, simulator: Arc<simulator::Running>) -> Self {
        let may_break = Semaphore::new(GATEWAYS - 1);
        Self { total, may_break, site, simulator, done: Mutex::default() }
    }

    /// At each of `gateways` and at the database at once, until all of it is mended.
    pub(super) async fn strike(&self, gateways: &mut [Gateway], seed: u64) {
        let at_database = (self.total / 3).max(AT_DATABASE.len());
        let at_gateways = self.total.saturating_sub(at_database);
        let gateways = gateways.iter_mut().enumerate().map(async |(number, gateway)| {
            let mut random = Random::new(seed ^ (number as u64 + 1) << 16);
            let mut first = [Fault::Killed, Fault::Stopped, Fault::CutOff].get(number).copied();
            for _ in (number..at_gateways).step_by(GATEWAYS) {
                let any = match random.below(10) {
                    0 => Fault::Stopped,
                    1..3 => Fault::CutOff,
                    3..5 => Fault::Severed,
                    _ => Fault::Killed,
                };
                self.at_gateway(number, gateway, first.take().unwrap_or(any), &mut random).await;
                tokio::time::sleep(self.rest(&mut random)).await;
            }
        });
        let database = async {
            let mut random = Random::new(seed ^ 1 << 24);
            let mut first = AT_DATABASE.into_iter();
            for _ in 0..at_database {
                let any = match random.below(8) {
                    0 => Fault::Slow,
                    1..4 => Fault::Full,
                    4..6 => Fault::Restarted,
                    _ => Fault::Crashed,
                };
                self.at_database(first.next().unwrap_or(any), &mut random).await;
                tokio::time::sleep(self.rest(&mut random)).await;
            }
        };
        tokio::join!(join_all(gateways), database);
    }

    /// Between two faults of one.
    fn rest(&self, random: &mut Random) -> Duration {
        let most = if self.total < MANY { 1_000 } else { 3_000 };
        Duration::from_millis(500 + random.below(most))
    }

    fn counts(&self, fault: Fault) {
        *self.done.lock().unwrap().entry(fault).or_default() += 1;
    }

    async fn at_gateway(&self, number: usize, gateway: &mut Gateway, fault: Fault, random: &mut Random) {
        let may_break = self.may_break.acquire().await.unwrap();
        let peer = &self.site.peers[number];
        peer.standing.falls();
        self.simulator.controls.set(behaviour(random));
        let moment = |most: u64, random: &mut Random| Duration::from_millis(random.below(most));
        match fault {
            Fault::Killed => {
                gateway.kill();
                tokio::time::sleep(moment(1_500, random)).await;
                gateway.start();
            }
            Fault::Stopped => {
                signal(gateway, "-STOP");
                tokio::time::sleep(STOPPED + moment(2_000, random)).await;
                signal(gateway, "-CONT");
            }
            Fault::CutOff => {
                peer.wire.is(Way::Silent);
                tokio::time::sleep(moment(if self.total < MANY { 6_000 } else { 25_000 }, random)).await;
            }
            _ => {
                peer.wire.is(Way::Broken);
                tokio::time::sleep(moment(4_000, random)).await;
            }
        }
        if matches!(fault, Fault::CutOff | Fault::Severed) {
            peer.wire.is(self.site.way());
        }
        self.site.ready(peer).await;
        peer.standing.stands();
        drop(may_break);
        self.counts(fault);
    }

    async fn at_database(&self, fault: Fault, random: &mut Random) {
        let site = &self.site;
        // Where the kernel gives no disk that can be filled, which was said, the database is restarted.
        let fault = if fault == Fault::Full && site.disk.is_none() { Fault::Restarted } else { fault };
        site.database.falls();
        match (fault, &site.disk) {
            (Fault::Full, Some(disk)) => {
                disk.fill();
                tokio::time::sleep(Duration::from_millis(500 + random.below(2_500))).await;
                disk.free();
            }
            (Fault::Slow, _) => self.slow(random).await,
            (Fault::Crashed, _) if random.one_in(2) => site.cluster.kill().unwrap(),
            (Fault::Crashed, _) => site.cluster.stop(Stop::Immediate).unwrap(),
            _ => site.cluster.stop(Stop::Fast).unwrap(),
        }
        site.database_runs().await;
        site.all_ready().await;
        site.database.stands();
        self.counts(fault);
    }

    /// Between the database and every gateway.
    async fn slow(&self, random: &mut Random) {
        let later = Duration::from_millis(10 + random.below(90));
        self.site.peers.iter().for_each(|peer| peer.wire.is_slow(later));
        let long = if self.total < MANY { 3 } else { 30 };
        tokio::time::sleep(Duration::from_secs(long)).await;
        self.site.peers.iter().for_each(|peer| peer.wire.is_slow(Duration::ZERO));
    }
}

fn signal(gateway: &Gateway, signal: &str) {
    assert!(Command::new("kill").args([signal, &gateway.pid().to_string()]).status().unwrap().success());
}

/// How MOSIP is until the next fault.
fn behaviour(random: &mut Random) -> Behaviour {
    Behaviour {
        delay_ms: random.below(20),
        fault_rate: random.below(20) as f64 / 100.0,
        seed: random.below(1 << 32),
        fault_after_accept: match random.below(6) {
            0 => Some(AfterAccept::HangUp),
            1 => Some(AfterAccept::Answer500),
            _ => None,
        },
        ..Behaviour::default()
    }
}

impl std::fmt::Display for Strikes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} faults: {:?}", self.total, self.done.lock().unwrap())
    }
}
