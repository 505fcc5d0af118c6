//! When to kill, and how MOSIP is until then.

use std::time::Duration;

use mosip_gateway::simulator::history::Record;
use mosip_gateway::simulator::{self, AfterAccept, Behaviour, Held, OpencrvsReply};

use super::Load;
use crate::support::process::Gateway;
use crate::support::random::Random;

/// The steps of a registration that MOSIP or OpenCRVS takes without an answer.
pub(super) const HELD: [Held; 3] = [Held::Packet, Held::Workflow, Held::Decision];
/// When whatever a kill waits for does not come, it comes without.
const LONGEST_LIFE: Duration = Duration::from_secs(1);
/// The same where a step is held, which a registration has to reach.
const LONGEST_HELD: Duration = Duration::from_secs(10);

/// When to kill.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// While it starts.
    Starting,
    /// At an acknowledgement, and a little later.
    Acknowledged,
    /// As soon as MOSIP or OpenCRVS has taken a call, and a little later.
    Taken,
    /// As soon as this step is taken whose answer never comes.
    Held(Held),
}

impl Moment {
    /// Each of them at the first kills, and then at random.
    pub(super) fn of(kill: u64, random: &mut Random) -> Self {
        const FIRST: [Moment; 6] = [
            Moment::Acknowledged,
            Moment::Held(Held::Packet),
            Moment::Taken,
            Moment::Held(Held::Workflow),
            Moment::Starting,
            Moment::Held(Held::Decision),
        ];
        if let Some(moment) = usize::try_from(kill).ok().and_then(|kill| FIRST.get(kill)) {
            return *moment;
        }
        match random.below(8) {
            0 => Self::Starting,
            1..4 => Self::Acknowledged,
            4..6 => Self::Taken,
            _ => Self::Held(HELD[random.index(HELD.len())]),
        }
    }

    /// How MOSIP and OpenCRVS are until then.
    pub(super) fn behaviour(self, random: &mut Random) -> Behaviour {
        if let Self::Held(step) = self {
            return Behaviour { holds: Some(step), ..Behaviour::default() };
        }
        Behaviour {
            delay_ms: random.below(8),
            fault_rate: [0.0, 0.0, 0.1, 0.4][random.index(4)],
            seed: random.below(u64::MAX),
            fault_after_accept: [None, None, Some(AfterAccept::HangUp), Some(AfterAccept::Answer500)]
                [random.index(4)],
            reject_token_once: random.one_in(8),
            opencrvs: [None, None, Some(OpencrvsReply::Conflict), Some(OpencrvsReply::Half)][random.index(4)],
            ..Behaviour::default()
        }
    }
}

/// The step whose answer is held now, if one is.
pub(super) async fn await_the_moment(
    moment: Moment,
    gateway: &Gateway,
    simulator: &simulator::Running,
    load: &Load,
    random: &mut Random,
) -> Option<Held> {
    let (count, later) = (1 + random.below(8), Duration::from_micros(random.below(20_000)));
    let starting = Duration::from_millis(random.below(200));
    let history = &simulator.history;
    // Nothing comes where the breaker is open or nothing is left to post.
    match moment {
        // About as long as a start takes.
        Moment::Starting => tokio::time::sleep(starting).await,
        Moment::Acknowledged => {
            gateway.ready().await;
            let mut acknowledged = load.acknowledgements.subscribe();
            let enough = *acknowledged.borrow() + count;
            let come = acknowledged.wait_for(|seen| *seen >= enough);
            let _ = tokio::time::timeout(LONGEST_LIFE, come).await;
            tokio::time::sleep(later).await;
        }
        Moment::Taken => {
            gateway.ready().await;
            let calls =
                |record: &Record| posts(record) + HELD.map(|step| taken(record, step)).iter().sum::<u64>();
            let enough = calls(&history.record()) + count;
            let come = history.wait_until(|record| calls(record) >= enough);
            let _ = tokio::time::timeout(LONGEST_LIFE, come).await;
            tokio::time::sleep(later).await;
        }
        Moment::Held(step) => {
            // None is taken before it is ready to be counted: it has just been started.
            let before = taken(&history.record(), step);
            let come = history.wait_until(|record| taken(record, step) > before);
            return tokio::time::timeout(LONGEST_HELD, come).await.is_ok().then_some(step);
        }
    }
    None
}

/// Posts that the MOSIP-side mediator took, repeats among them.
pub(super) fn posts(record: &Record) -> u64 {
    record.accepted.iter().map(|accepted| accepted.count + accepted.repeats).sum()
}

/// How often MOSIP or OpenCRVS took a step of a registration. That it is refused as a repeat does not count.
fn taken(record: &Record, step: Held) -> u64 {
    match step {
        Held::Packet => record.packets.iter().map(|packet| packet.created).sum(),
        Held::Workflow => record.packets.iter().map(|packet| packet.processed).sum(),
        Held::Decision => {
            let is_taken = |call: &&_| super::confirmed::is_decision(call) && call.status == 200;
            record.core_calls.iter().filter(is_taken).count().try_into().unwrap()
        }
    }
}
