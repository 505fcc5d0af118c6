//! The lines of the log that tell that a certificate ends soon.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::keys::Dated;

/// Which stage of which certificate has been written, with its last day: a new certificate is another one.
#[derive(Default)]
pub(super) struct Written(BTreeMap<(&'static str, String, usize), (Timestamp, i64)>);

impl Written {
    /// Writes of each of `all` that has reached another stage at `now`.
    pub(super) fn write(&mut self, all: &[Dated], now: Timestamp) {
        let mut written = BTreeMap::new();
        for dated in all {
            let Some(stage) = dated.stage(now) else { continue };
            let (role, name, number) = (dated.place.role, &dated.place.name, dated.number);
            let reached = (dated.dates.not_after, stage);
            let key = (role, name.clone(), number);
            if self.0.get(&key) != Some(&reached) {
                let days = dated.days_left(now);
                match stage {
                    0 => tracing::warn!(role, name, number, days, "a certificate has expired"),
                    _ => tracing::warn!(role, name, number, days, "a certificate expires soon"),
                }
            }
            written.insert(key, reached);
        }
        self.0 = written;
    }
}

#[cfg(test)]
mod tests {
    use tracing::level_filters::LevelFilter;

    use super::*;
    use crate::keys::dated::{CLIENT, LISTENER, lasting};
    use crate::telemetry::Capture;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn each_stage_is_written_once_and_a_new_certificate_begins_anew() {
        let logs = Capture::default();
        let _logs = logs.listen(LevelFilter::INFO);
        let mut written = Written::default();
        let day = |days: i64| Timestamp::from_seconds(NOW.seconds() + days * 86_400);
        let lines = |all: &[Dated], written: &mut Written, days: i64| {
            let before = logs.text().lines().count();
            written.write(all, day(days));
            logs.text().lines().count() - before
        };
        let all =
            [lasting(LISTENER, "ops", 1, NOW, 100), lasting(CLIENT, "upstream.client_cert", 1, NOW, 1_000)];
        let at = [(0, 0), (11, 1), (12, 0), (71, 1), (94, 1), (95, 0), (99, 0), (100, 1), (101, 1), (200, 0)];
        for (days, expected) in at {
            assert_eq!(lines(&all, &mut written, days), expected, "after {days} days");
        }
        let renewed = [lasting(LISTENER, "ops", 1, NOW, 205)];
        assert_eq!((lines(&renewed, &mut written, 200), lines(&renewed, &mut written, 200)), (1, 0));
        let text = logs.text();
        assert!(
            text.contains("a certificate expires soon") && text.contains("a certificate has expired"),
            "{text}"
        );
    }
}
