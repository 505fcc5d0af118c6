//! The lines of the log that tell that a certificate ends soon.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::keys::Dated;

/// Which stage of which certificate has been written, with its last day: a new certificate is another one.
#[derive(Default)]
pub(super) struct Told(BTreeMap<(&'static str, String, usize), (Timestamp, i64)>);

impl Told {
    /// Writes of each of `all` that has reached another stage at `now`.
    pub(super) fn write(&mut self, all: &[Dated], now: Timestamp) {
        let mut told = BTreeMap::new();
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
            told.insert(key, reached);
        }
        self.0 = told;
    }
}
