//! A standby that follows asynchronously and is promoted without the last commits.

use mosip_gateway::demo::postgres::Stop;
use mosip_gateway::simulator::Behaviour;

use super::site::Site;
use crate::replicas::simulator;
use crate::support::event::birth;
use crate::support::patience;
use crate::support::wire::Way;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promoted_standby_that_lost_commits_takes_nothing_until_a_person_accepts_the_loss() {
    let simulator = simulator().await;
    let Some(site) = Site::new(&simulator.base_url).await else { return };
    let (site, gateways) = site.start(1, &[]).await;
    let gateway = &gateways[0];
    // What is lost has not gone to MOSIP either.
    simulator.controls.set(Behaviour { down: true, ..Behaviour::default() });
    let taken = async |composition: &str| gateway.post_event("birth", birth(composition)).await.0;
    assert_eq!(taken("kept").await, 202);
    let (standby, port) = site.standby();
    standby.start().unwrap();
    standby.stop(Stop::Fast).unwrap();
    assert_eq!(taken("lost").await, 202);

    site.cluster.kill().unwrap();
    standby.start().unwrap();
    standby.promote().unwrap();
    site.peers[0].wire.is(Way::Broken);
    site.peers[0].wire.is(Way::To(port.number()));
    patience::until("the alarm", async || {
        let metrics = gateway.metrics().await;
        if metrics.lines().any(|line| line == "mosip_gateway_outbox_commits_lost 1") {
            Ok(())
        } else {
            Err(gateway.log())
        }
    })
    .await;
    let (status, ready) = gateway.readiness().await.unwrap();
    assert_eq!(status, 503, "{ready}");
    assert_eq!(taken("another").await, 507);

    let resumed = gateway.run(&["outbox", "resume", "--accept-loss"]);
    assert!(resumed.status.success(), "{}\n{}", String::from_utf8_lossy(&resumed.stderr), gateway.log());
    gateway.ready().await;
    simulator.controls.set(Behaviour::default());
    for composition in ["kept", "lost"] {
        let status = taken(composition).await;
        assert!(matches!(status, 200 | 202), "{composition}: {status}");
    }
    let record = simulator.history.wait_until(|record| record.accepted.len() == 2).await;
    assert!(record.accepted.iter().all(|accepted| accepted.altered == 0));
}
