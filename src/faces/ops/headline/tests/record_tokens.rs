//! Record tokens that end soon.

use super::*;

#[test]
fn record_tokens_that_end_are_counted_and_nothing_flows_until_they_are_used() {
    for (ending, said) in [
        (0, "Everything flows."),
        (
            1,
            "Put right: 1 registration waits for MOSIP, and the record token that confirms it in OpenCRVS ends within two days.",
        ),
        (
            7,
            "Put right: 7 registrations wait for MOSIP, and the record tokens that confirm them in OpenCRVS end within two days.",
        ),
    ] {
        let mut standing = standing(0, 0, 0, Vec::new());
        standing.stored.as_mut().unwrap().record_tokens_ending = ending;
        assert_eq!(remarks(&standing)[0].text, said);
    }
}
