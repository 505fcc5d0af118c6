//! The outbox is looked after: its files every second, its clock and its old rows every minute.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};

use super::hub::Hub;
use super::pushes::Pushes;
use crate::ledger::{Ledger, Task};

/// How often the clock is written and old rows are forgotten.
const HOUSEKEEPING: Duration = Duration::from_mins(1);
/// How long one gateway does that for all, where it does not go on.
const TERM: Duration = Duration::from_mins(2);
/// How often the other gateways over the database are told that this one lives, and the key file that they share is read again.
const BEAT: Duration = Duration::from_secs(10);
/// How often the files of the outbox are looked after, and a disk that refused is tried.
const WATCH: Duration = Duration::from_secs(1);

/// Runs for ever.
pub(crate) async fn run(ledger: Ledger, pushes: Pushes, hub: Hub) {
    let mut ticks = interval(WATCH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut since_kept, mut since_beat) = (HOUSEKEEPING, BEAT);
    loop {
        ticks.tick().await;
        since_kept += WATCH;
        since_beat += WATCH;
        let took_nothing = !ledger.is_writable();
        let takes = ledger.look_after().await.is_ok();
        if takes && took_nothing {
            // What could not be read or written before may be now.
            ledger.wake();
            pushes.examine_again().await;
        }
        if takes && since_beat >= BEAT {
            if let Ok(true) = ledger.read_keys_again().await {
                ledger.wake();
                pushes.examine_again().await;
            }
            if ledger.beat().await.is_ok() {
                since_beat = Duration::ZERO;
            }
        }
        if takes && since_kept >= HOUSEKEEPING {
            let kept = match ledger.hold(Task::Housekeeping, TERM).await {
                Ok(Some(hold)) => pushes.take_up().await.and(ledger.under(hold).housekeep().await),
                held => held.map(drop),
            };
            match kept {
                Ok(()) => {
                    since_kept = Duration::ZERO;
                    if let Ok(silent) = ledger.silent().await {
                        hub.set_silent(silent);
                    }
                }
                Err(error) => {
                    tracing::error!(
                        code = error.code().as_str(),
                        "old rows can be neither parked nor forgotten"
                    );
                }
            }
        }
    }
}

/// Names the events of a database that an older gateway made, by which pushes find them.
pub(crate) async fn correlate_older(ledger: &Ledger) {
    while let Err(error) = ledger.correlate_older().await {
        tracing::error!(code = error.code().as_str(), "the names of older events cannot be kept");
        sleep(WATCH).await;
    }
}
