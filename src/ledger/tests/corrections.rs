//! Corrections of records: what their credentials confirm, and what those of births confirm beside them.

use super::confirmations::{confirming, register, says, waiting};
use super::*;
use crate::opencrvs::confirm::Awaited;

#[tokio::test]
async fn a_correction_is_none_of_a_registration_and_a_revocation_is_not_confirmed() {
    let home = Home::new();
    let ledger = confirming(&home, false);
    let correction = register(&ledger, EventKind::BirthCorrection, "8031687218", Some("e1")).await;
    let revocation = register(&ledger, EventKind::BirthRevocation, "8031687218", Some("e2")).await;
    says(&ledger, Outcome::Issued, &correction, "m1").await;
    says(&ledger, Outcome::Issued, &revocation, "m2").await;
    let waiting = waiting(&ledger).await;
    let [(_, confirmation)] = waiting.as_slice() else { panic!("{} wait", waiting.len()) };
    assert_eq!((confirmation.awaited, confirmation.event_id.as_str()), (Awaited::Correction, "e1"));
    assert!(confirmation.registration_number.is_none() && !confirmation.wants_number);
}

/// A country configuration of OpenCRVS 2.0 and later has a child that was registered without MOSIP registered there by a correction.
#[tokio::test]
async fn a_birth_may_be_what_a_correction_makes_and_is_none_of_one_that_came_after_it() {
    for (kinds, wanted) in [
        (&[EventKind::Birth][..], Awaited::Either),
        (&[EventKind::BirthCorrection, EventKind::Birth], Awaited::Either),
        (&[EventKind::Birth, EventKind::BirthCorrection], Awaited::Registration),
    ] {
        let home = Home::new();
        let ledger = confirming(&home, false);
        let mut birth = String::new();
        for (turn, kind) in kinds.iter().enumerate() {
            let id = register(&ledger, *kind, &format!("n{turn}"), Some("e1")).await;
            if *kind == EventKind::Birth {
                birth = id;
            }
        }
        says(&ledger, Outcome::Issued, &birth, "m1").await;
        let waiting = waiting(&ledger).await;
        let [(_, confirmation)] = waiting.as_slice() else { panic!("{} wait", waiting.len()) };
        assert_eq!(confirmation.awaited, wanted, "{kinds:?}");
        assert!(confirmation.wants_number && confirmation.registration_number.is_some());
    }
}
