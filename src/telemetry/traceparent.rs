//! `traceparent` of W3C Trace Context, level 1: which trace a request belongs to, and which span of it sent it.

use std::fmt;

use data_encoding::HEXLOWER;

/// Length of version 00; a later version may be longer.
const LENGTH: usize = 55;

/// The one flag of level 1: the trace is recorded.
const SAMPLED: u8 = 1;

/// A `traceparent` that is valid. [`fmt::Display`] writes it as version 00.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traceparent {
    trace: [u8; 16],
    span: [u8; 8],
    is_sampled: bool,
}

impl Traceparent {
    /// Reads the value of the header. `None` where it is none: another length, an upper-case digit, version `ff`, an id of zeros alone. Of a
    /// later version the parts count that version 00 has, as section 4.3 of the recommendation says.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let mut parts = head.split(|byte| *byte == b'-');
        let [version] = hex(parts.next()?)?;
        let (trace, span) = (hex(parts.next()?)?, hex(parts.next()?)?);
        let [flags] = hex(parts.next()?)?;
        let is_this_long = if version == 0 { rest.is_empty() } else { matches!(rest, [] | [b'-', ..]) };
        let is_valid = version != 0xff && is_this_long && parts.next().is_none();
        (is_valid && trace != [0; 16] && span != [0; 8]).then_some(Self {
            trace,
            span,
            is_sampled: flags & SAMPLED != 0,
        })
    }

    /// The id of the trace, 32 hexadecimal digits.
    pub(super) fn trace_id(&self) -> String {
        HEXLOWER.encode(&self.trace)
    }
}

#[cfg(feature = "otlp")]
impl Traceparent {
    /// The `span` of a trace that is recorded.
    pub(super) const fn recorded(trace: [u8; 16], span: [u8; 8]) -> Self {
        Self { trace, span, is_sampled: true }
    }

    pub(super) const fn trace(&self) -> [u8; 16] {
        self.trace
    }

    pub(super) const fn span(&self) -> [u8; 8] {
        self.span
    }

    pub(super) const fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

impl fmt::Display for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, is_sampled } = self;
        let flags = u8::from(*is_sampled);
        write!(f, "00-{}-{}-{flags:02x}", HEXLOWER.encode(trace), HEXLOWER.encode(span))
    }
}

/// `N` bytes, written as lower-case hexadecimal digits.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_this_long = HEXLOWER.decode_len(text.len()) == Ok(N);
    (is_this_long && HEXLOWER.decode_mut(text, &mut bytes) == Ok(N)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the recommendation.
    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parsed(text: &str) -> Option<String> {
        Traceparent::parse(text.as_bytes()).map(|parent| parent.to_string())
    }

    #[test]
    fn the_example_of_the_recommendation_is_read_and_written() {
        assert_eq!(parsed(VALID).as_deref(), Some(VALID));
        let parent = Traceparent::parse(VALID.as_bytes()).unwrap();
        assert_eq!(parent.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parsed(&VALID.replace("-01", "-00")).unwrap(), VALID.replace("-01", "-00"));
    }

    #[test]
    fn of_a_later_version_and_of_unknown_flags_what_is_known_is_passed_on() {
        for later in [
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &format!("01{}-what-comes", &VALID[2..]),
        ] {
            assert_eq!(parsed(later).as_deref(), Some(VALID), "{later}");
        }
        assert_eq!(parsed(&VALID.replace("-01", "-ff")).as_deref(), Some(VALID));
        assert_eq!(parsed(&VALID.replace("-01", "-fe")).unwrap(), VALID.replace("-01", "-00"));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for (defect, text) in [
            ("nothing", String::new()),
            ("version ff", VALID.replacen("00", "ff", 1)),
            ("a trace of zeros", VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32))),
            ("a span of zeros", VALID.replace("00f067aa0ba902b7", &"0".repeat(16))),
            ("upper case", VALID.to_uppercase()),
            ("no hexadecimal digit", VALID.replacen('4', "g", 1)),
            ("a short trace", VALID.replacen("4b", "", 1)),
            ("a long trace, a short span", VALID.replacen("-00f0", "00-f0", 1)),
            ("version 00 with more behind it", format!("{VALID}-what-comes")),
            ("a later version with more flags", format!("01{}0", &VALID[2..])),
            ("no flags", VALID[..53].to_owned()),
            ("a space before it", format!(" {VALID}")),
            ("underscores", VALID.replace('-', "_")),
        ] {
            assert_eq!(parsed(&text), None, "{defect}: {text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again_as_it_is_written(text in "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[a-z]{0,3})?") {
            if let Some(parent) = Traceparent::parse(text.as_bytes()) {
                let written = parent.to_string();
                prop_assert_eq!(Traceparent::parse(written.as_bytes()), Some(parent));
                prop_assert_eq!(&written[3..52], &text[3..52]);
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Traceparent::parse(&bytes);
        }
    }
}
