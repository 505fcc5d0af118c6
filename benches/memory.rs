//! Peak extra memory, of sealing and of a whole gateway: `cargo bench --bench memory`. Fails where N bytes take more than 3.5 N on top of
//! themselves to be sealed, or where bodies of N bytes together take a gateway more than 6 N, whatever their JSON unfolds to,
//! plaintexts that are sealed more than 3 N, or a list of events of N bytes more than half of that.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;
#[path = "support/whole.rs"]
mod whole;

use std::hint::black_box;
use std::process::ExitCode;

use mosip_gateway::error::Error;
use mosip_gateway::mosip::envelope::{self, SealOptions};
use mosip_gateway::mosip::mediator;
use peak_alloc::PeakAlloc;
use support::{SIZES, Size, message, rings};

const WANTED: f64 = 3.5;

/// The memory of smaller messages is mostly a fixed cost (keys, wrapped keys, signatures).
const FROM: usize = 64 << 10;

/// Counts both buffers while one is moved into a bigger one. The system may do that in place, so the result is never too low.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() -> ExitCode {
    let ring = support::ring();
    let signer = &ring.signer(Some("partner")).expect("our key").private;
    let to = ring.peer("mosip").and_then(|peer| peer.certificate.as_ref()).expect("MOSIP's certificate");
    let now = rings::now();

    println!("| peak extra memory | answer of seal | event body | wanted |\n| --- | --- | --- | --- |");
    let mut kept = true;
    for Size { name, bytes, .. } in SIZES.into_iter().filter(|size| size.bytes >= FROM) {
        let plaintext = message(bytes);
        let seal = peak_ratio(&plaintext, |plaintext| {
            envelope::seal_json(to, Some(signer), plaintext, SealOptions::default())
        });
        let event = peak_ratio(&plaintext, |plaintext| {
            mediator::event_request("composition", plaintext, to, signer, now)
        });
        println!("| {name} | {seal:.2} N | {event:.2} N | ≤ {WANTED:.1} N |");
        kept &= seal <= WANTED && event <= WANTED;
    }
    kept &= whole::measure(support::load::is_test());
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory held during `work`, its result included, in lengths of `plaintext`.
fn peak_ratio<T>(plaintext: &[u8], work: impl Fn(&[u8]) -> Result<T, Error>) -> f64 {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    drop(black_box(work(plaintext).expect("a sealed message")));
    (MEMORY.peak_usage() - before) as f64 / plaintext.len() as f64
}
