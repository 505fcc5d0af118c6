//! Checks what every refusal has to say, and what it must not reveal.

use mosip_gateway::error::{Code, Error};

/// Stands for tokens, names and all that is nobody's business in the seeds. It holds no letter but `~` that a code of MOSIP's cannot.
pub const SECRET: &str = "wh0~is~th1s";

/// The same where only digits are allowed. No sentence of the gateway contains it.
pub const NUMBER: &str = "4152630978";

/// `error` is one of `codes`, says what is wrong and what to do, each on one line, and repeats neither [`SECRET`] nor [`NUMBER`].
/// MOSIP's code, which goes into logs, has the form of a code.
pub fn check(error: &Error, codes: &[Code]) {
    assert!(codes.contains(&error.code()), "{} is no answer here", error.code().as_str());
    assert!(!error.detail().is_empty() && !error.advice().is_empty());
    for sentence in [error.detail(), error.advice(), error.operator_detail().unwrap_or_default()] {
        assert!(!sentence.contains(|c: char| c.is_control()), "{sentence:?}");
        assert!(!sentence.contains(SECRET), "{sentence}");
    }
    if let Some(upstream) = error.upstream() {
        assert!(upstream.code.len() <= 32 && upstream.code.is_ascii(), "{}", upstream.code);
        assert!(!upstream.code.contains(|c: char| c.is_control()) && !upstream.code.contains(SECRET));
    }
}
