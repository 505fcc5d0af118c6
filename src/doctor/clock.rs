//! The machine's clock, checked without a network.

use super::Finding;
use crate::clock::Timestamp;
use crate::keys::Ring;

/// 2026-11-24, when this check was written: no clock that shows an earlier moment can be right. Moved on with each release.
const NOT_BEFORE: Timestamp = Timestamp::from_seconds(1_795_478_400);

const ADVICE: &str =
    "set the machine's clock (NTP): IDA accepts requests within 60 s only, and certificates count by it";

/// Whether `now` can be.
pub(super) fn examine(ring: &Ring, now: Timestamp) -> Vec<Finding> {
    let shown = now.to_iso();
    if now < NOT_BEFORE {
        let what = format!("stands at {shown}, before this program was written");
        return vec![Finding::fail("clock", what, ADVICE)];
    }
    let early = ring.own().iter().find_map(|own| {
        let starts = own.certificate.as_ref()?.not_before();
        (now < starts).then(|| (own.location.to_string(), starts.to_iso()))
    });
    match early {
        Some((file, starts)) => {
            let what = format!("stands at {shown}, before our own certificate in {file} starts ({starts})");
            vec![Finding::fail("clock", what, ADVICE)]
        }
        None => vec![Finding::ok("clock", format!("stands at {shown}"))],
    }
}
