//! What is said of an eSignet at which logins fail.

use super::*;
use crate::destinations::esignet::{Failing, Status};

#[test]
fn an_esignet_that_fails_is_told_with_whose_move_it_is_and_the_first_sentence_is_not_that_all_flows() {
    for (code, tone, told) in [
        (Code::Upstream, Tone::Waits, "eSignet gives no usable answer since"),
        (Code::Partner, Tone::Act, "Put right the registration with eSignet: nobody can log in since"),
        (Code::Keys, Tone::Act, "Put right the registration with eSignet: nobody can log in since"),
        (Code::Tampered, Tone::Act, "Put right: what eSignet says of persons is not believed since"),
    ] {
        let mut standing = standing(0, 0, 0, Vec::new());
        let status = |failing| Some(Status { host: "e.example.org".to_owned(), believed: None, failing });
        standing.esignet = status(None);
        assert_eq!(remarks(&standing)[0].text, "Everything flows.");
        let error = Error::new(code, "the cause of it").advise("Do this.");
        standing.esignet = status(Some(Failing { since: standing.now, last: standing.now, error }));
        let first = &remarks(&standing)[0];
        assert_eq!((first.tone, first.text.starts_with(told)), (tone, true), "{first:?}");
        assert!(
            first.text.ends_with("The cause of it. Events flow.") && first.advice.ends_with("Do this."),
            "{first:?}"
        );
    }
}
