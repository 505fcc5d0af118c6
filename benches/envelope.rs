//! Measures envelopes beside their bare primitives, which `support/bare.rs` lists: `cargo bench --bench envelope`. Fails
//! where one costs more than it may.
#![allow(clippy::restriction, reason = "a bench says by panicking what is wrong, and prints")]

mod support;

use std::process::ExitCode;

use criterion::Criterion;
use mosip_gateway::mosip::envelope::{
    self, Flavour, Over, Policy, SealOptions, Sealed, SealedMessage, SignOver,
};
use support::bare::Bare;
use support::load::is_test;
use support::message;
use support::paired::Comparison;

fn main() -> ExitCode {
    let mut criterion = Criterion::default().configure_from_args();
    let ring = support::ring();
    let bare = Bare::new("partner", "mosip");
    let our_key = ring.signer(Some("partner")).expect("our key");
    let to_us = our_key.certificate.as_ref().expect("our certificate");
    let mosip_key = ring.signer(Some("mosip")).expect("MOSIP's key");
    let mosip = ring.peer("mosip").expect("MOSIP as a peer");
    let to_mosip = mosip.certificate.as_ref().expect("MOSIP's certificate");

    let received = |sign| {
        // As MOSIP writes to us.
        let options = SealOptions { sign, base64: Flavour::Url, ..SealOptions::default() };
        move |bytes| {
            envelope::seal_message(to_us, Some(&mosip_key.private), &message(bytes), options)
                .expect("a message to open")
        }
    };
    let open = |message: &SealedMessage, policy, over| {
        let message = Sealed { data: &message.data, signature: message.signature.as_deref(), aad: &[], over };
        envelope::open(&ring, mosip, message, policy).expect("a message that opens")
    };

    let comparisons = [
        Comparison::run(
            &mut criterion,
            "seal+sign",
            message,
            |plaintext| {
                let options = SealOptions::default();
                envelope::seal_message(to_mosip, Some(&our_key.private), plaintext, options)
                    .expect("a sealed message")
            },
            |plaintext| bare.seal_and_sign(plaintext),
        ),
        Comparison::run(
            &mut criterion,
            "verify+open",
            received(SignOver::Plaintext),
            |message| open(message, Policy::default(), None),
            |message| bare.open_and_verify(&message.data, signature(message)),
        ),
        Comparison::run(
            &mut criterion,
            "open",
            received(SignOver::None),
            |message| open(message, Policy { danger_accept_unsigned: true }, None),
            |message| bare.open(&message.data),
        ),
        Comparison::run(
            &mut criterion,
            "verify+open, over=envelope",
            received(SignOver::Envelope),
            |message| open(message, Policy::default(), Some(Over::Envelope)),
            |message| bare.verify_and_open(&message.data, signature(message)),
        ),
        // The message does not say what its signature covers, and nor does the caller. MOSIP signs plaintext towards us, so that is tried first; here it is
        // tried in vain.
        Comparison::run(
            &mut criterion,
            "verify+open, signed over the envelope",
            received(SignOver::Envelope),
            |message| open(message, Policy::default(), None),
            |message| bare.verify_and_open(&message.data, signature(message)),
        )
        .without_targets(),
    ];
    criterion.final_summary();
    comparisons.iter().for_each(|comparison| println!("{comparison}"));
    let kept = is_test() || comparisons.iter().all(Comparison::is_kept);
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn signature(message: &SealedMessage) -> &str {
    message.signature.as_deref().expect("a signature")
}
