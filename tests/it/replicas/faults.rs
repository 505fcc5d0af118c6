//! Three gateways over one database on PostgreSQL, which breaks, and so do they: each is killed, stopped beyond its lease, and cut off from the
//! database without being told; the database is restarted, killed, slow, and its disk full. Counted by what the simulator's MOSIP saw:
//! nothing is lost, no event goes under two ids, no application id changes, the first arrivals of a composition keep its order, and what is
//! posted to a gateway that is up while the database is, is answered.
//!
//! `MOSIP_GATEWAY_FAULTS=200 cargo test --release --test it replicas::faults -- --nocapture` has 200 faults over 10,000 events and prints the
//! counts in one line. A run that failed is repeated with its `MOSIP_GATEWAY_SEED`; the seed decides what is posted and what breaks, not the
//! scheduler.

mod counts;
mod load;
mod silent;
mod site;
mod standby;
mod strikes;

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use mosip_gateway::simulator::Behaviour;
use tokio::task::JoinSet;

use self::counts::Counts;
use self::load::Load;
use self::site::Site;
use self::strikes::Strikes;
use super::simulator;
use crate::kill::{settle, variable};
use crate::support::random::Random;

/// Faults where `MOSIP_GATEWAY_FAULTS` says nothing: each kind of them once.
const FAULTS: usize = 7;
const GATEWAYS: usize = 3;
/// Who posts at the same time.
const POSTERS: u64 = 6;
/// Events that are taken at least for each fault.
const EVENTS_PER_FAULT: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_of_three_gateways_and_their_database_nothing_is_lost_and_nothing_doubled() {
    let faults = variable("MOSIP_GATEWAY_FAULTS").map_or(FAULTS, |faults| usize::try_from(faults).unwrap());
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = variable("MOSIP_GATEWAY_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("MOSIP_GATEWAY_SEED={seed}");
    let start = Instant::now();
    let simulator = Arc::new(simulator().await);
    let Some(site) = Site::new(&simulator.base_url).await else { return };
    let (site, mut gateways) = site.start(GATEWAYS, &[]).await;

    let load = Arc::new(Load::new(faults * EVENTS_PER_FAULT));
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let (load, site) = (Arc::clone(&load), Arc::clone(&site));
        posters.spawn(async move { load.post(&site, Random::new(seed ^ (poster + 1) << 32)).await });
    }
    let strikes = Strikes::new(faults, Arc::clone(&site), Arc::clone(&simulator));
    strikes.strike(&mut gateways, seed).await;
    load.end();
    posters.join_all().await;
    simulator.controls.set(Behaviour::default());
    for gateway in &gateways {
        gateway.ready().await;
    }
    settle(&gateways[0]).await;

    let counts = Counts::of(&load, &simulator, &gateways[0]).await;
    println!("{strikes}; {counts}; {:.0} s", start.elapsed().as_secs_f64());
    let logs: Vec<_> = gateways.iter().map(|gateway| gateway.log()).collect();
    assert_eq!(
        counts.failures(),
        Vec::new(),
        "MOSIP_GATEWAY_SEED={seed}\n{:?}\n{}",
        counts.let_down,
        logs.join("\n\n")
    );
}
