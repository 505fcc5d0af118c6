//! The difference between the time of a reply and our clock.

use libfuzzer_sys::arbitrary::{self, Arbitrary};

/// How far a reply's time may lie from ours, milliseconds.
pub const WINDOW: i64 = 300_000;

/// Milliseconds between two clocks, mostly near the limit.
#[derive(Arbitrary)]
pub enum Offset {
    /// Both show the same time.
    None,
    /// At the edge of [`WINDOW`], or just beyond.
    Near { past: bool, beyond: u8 },
    /// Any number of seconds.
    Any(i32),
}

impl Offset {
    /// The distance, milliseconds.
    pub fn millis(&self) -> i64 {
        match *self {
            Self::None => 0,
            Self::Near { past, beyond } => {
                let distance = WINDOW - 1 + i64::from(beyond % 3);
                if past { -distance } else { distance }
            }
            Self::Any(seconds) => i64::from(seconds) * 1000,
        }
    }
}
