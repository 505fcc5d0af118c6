//! A token that binds a post to a page of this process: HMAC-SHA256 over what the form decides about and the hour.

use crate::clock::Timestamp;
use crate::crypto::hmac::{self, HmacAlgorithm};
use crate::crypto::{base64, secret};
use crate::error::{Code, Error, Result};

const HOUR: i64 = 3_600;

/// The key of this process. Tokens of a former one are worth nothing.
pub(super) struct Csrf([u8; 32]);

impl Csrf {
    pub(super) fn new() -> Self {
        Self(secret::random())
    }

    /// For a form about `subject` on a page that is made at `now`.
    pub(super) fn token(&self, subject: &str, now: Timestamp) -> String {
        let hour = hour(now).to_be_bytes();
        base64::encode_url(&hmac::tag(HmacAlgorithm::Sha256, &self.0, &[&hour, subject.as_bytes()]))
    }

    /// Good in its hour and in the next; [`Code::Forbidden`] otherwise. In constant time.
    pub(super) fn check(&self, subject: &str, token: &str, now: Timestamp) -> Result<()> {
        let tag = base64::decode(token.as_bytes()).unwrap_or_default();
        let made_in = |hour: i64| {
            let parts: [&[u8]; 2] = [&hour.to_be_bytes(), subject.as_bytes()];
            hmac::verify(HmacAlgorithm::Sha256, &self.0, &parts, &tag).is_ok()
        };
        if made_in(hour(now)) || made_in(hour(now) - 1) {
            return Ok(());
        }
        Err(Error::new(Code::Forbidden, "the form is not of a page that this gateway made within the hour")
            .advise("Load the page again and repeat."))
    }
}

fn hour(now: Timestamp) -> i64 {
    now.seconds().div_euclid(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Timestamp = Timestamp::from_seconds(1_800_000_000 + 3_599);

    #[test]
    fn a_token_is_good_for_its_subject_in_its_hour_and_the_next() {
        let csrf = Csrf::new();
        let token = csrf.token("event:a", MADE);
        let after = |seconds: i64| Timestamp::from_seconds(MADE.seconds() + seconds);
        assert!(csrf.check("event:a", &token, MADE).is_ok());
        assert!(csrf.check("event:a", &token, after(3_600)).is_ok());
        assert!(csrf.check("event:a", &token, after(3_601)).is_err());
        assert!(csrf.check("event:a", &token, after(-3_600)).is_err());
    }

    #[test]
    fn a_token_of_another_subject_process_or_none_is_refused() {
        let csrf = Csrf::new();
        let others = [csrf.token("event:b", MADE), Csrf::new().token("event:a", MADE), String::new()];
        for token in others {
            assert_eq!(csrf.check("event:a", &token, MADE).unwrap_err().code(), Code::Forbidden);
        }
        let shortened = &csrf.token("event:a", MADE)[..22];
        assert!(csrf.check("event:a", shortened, MADE).is_err());
    }
}
