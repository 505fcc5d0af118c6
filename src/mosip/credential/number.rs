//! JSON numbers as literals.

use std::cmp::Ordering;

use oxrdf::vocab::xsd;
use oxrdf::{Literal, NamedNode};
use serde_json::Number;

/// Digits of a double that the issuer's library writes: it formats the decimal text of the number with Java's pattern
/// `0.0##############E0`, which rounds to so many digits, a half to the even digit.
const DIGITS: usize = 16;

/// A number as a literal: whole ones below 10²¹ as `xsd:integer`, others as `xsd:double` in canonical form (JSON-LD 1.1 API, 8.6), under
/// `datatype` where the term names one. A double is written as the issuer of MOSIP writes it.
pub(super) fn numeric(number: &Number, datatype: Option<NamedNode>) -> Literal {
    let Decimal { mut digits, exponent, is_negative } = Decimal::of(number);
    let places = i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1;
    let wants_double = datatype.as_ref().is_some_and(|datatype| datatype.as_ref() == xsd::DOUBLE);
    let sign = if is_negative { "-" } else { "" };
    // The issuer's library compares with 10²¹ alone, so that a whole number below zero is an integer however long it is.
    if !wants_double && exponent >= places && (exponent < 21 || is_negative) {
        digits.extend(std::iter::repeat_n('0', usize::try_from(exponent - places).unwrap_or_default()));
        let datatype = datatype.unwrap_or_else(|| xsd::INTEGER.into_owned());
        return Literal::new_typed_literal(format!("{sign}{digits}"), datatype);
    }
    let Decimal { digits, exponent, .. } = Decimal { digits, exponent, is_negative }.rounded();
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { "0" } else { rest };
    let datatype = datatype.unwrap_or_else(|| xsd::DOUBLE.into_owned());
    Literal::new_typed_literal(format!("{sign}{first}.{rest}E{exponent}"), datatype)
}

/// A number by its digits.
struct Decimal {
    /// Without zeros at either end, but for zero itself.
    digits: String,
    /// The power of ten of the first digit.
    exponent: i32,
    is_negative: bool,
}

impl Decimal {
    fn of(number: &Number) -> Self {
        // Rust writes the shortest digits that read back, as JSON writers do. Java writes two digits at least, the nearest that read back.
        let of_double = |real: f64| {
            let two = format!("{real:.1e}");
            if two.parse() == Ok(real) { two } else { format!("{real:e}") }
        };
        let text = match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(whole), ..) => format!("{whole:e}"),
            (_, Some(whole), _) => format!("{whole:e}"),
            (.., Some(real)) => of_double(real),
            _ => String::new(),
        };
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let exponent = exponent.parse().unwrap_or_default();
        Self { digits, exponent, is_negative: mantissa.starts_with('-') }.trimmed()
    }

    fn trimmed(self) -> Self {
        let kept = self.digits.trim_end_matches('0').len();
        let Self { mut digits, exponent, is_negative } = self;
        digits.truncate(kept);
        match digits.is_empty() {
            true => Self { digits: "0".to_owned(), exponent: 0, is_negative: false },
            false => Self { digits, exponent, is_negative },
        }
    }

    /// To [`DIGITS`], a half to the even digit.
    fn rounded(self) -> Self {
        let Self { digits, exponent, is_negative } = self;
        let Some((kept, rest)) = digits.split_at_checked(DIGITS).filter(|(_, rest)| !rest.is_empty()) else {
            return Self { digits, exponent, is_negative };
        };
        let kept: u64 = kept.parse().unwrap_or_default();
        let is_up = match rest.cmp("5") {
            Ordering::Less => false,
            Ordering::Equal => kept % 2 == 1,
            Ordering::Greater => true,
        };
        let digits = (kept + u64::from(is_up)).to_string();
        // Nines all the way make one digit more.
        let exponent = exponent + i32::from(digits.len() > DIGITS);
        Self { digits, exponent, is_negative }.trimmed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// JSON-LD 1.1 API, 8.6: from 10²¹ on a number is a double. `oxjsonld` says so from 10²⁰ on.
    #[test]
    fn whole_numbers_are_integers_below_ten_to_the_twenty_first() {
        for (number, expected) in [
            ("100000000000000000000.0", "100000000000000000000"),
            ("1e20", "100000000000000000000"),
            ("-123456789012345678901.0", "-123456789012345680000"),
            ("1e21", "1.0E21"),
            ("18446744073709551615", "18446744073709551615"),
            ("-9007199254740993", "-9007199254740993"),
            ("-1e21", "-1000000000000000000000"),
            ("-0.0", "0"),
            ("0.5", "5.0E-1"),
        ] {
            let number: Number = serde_json::from_str(number).unwrap();
            assert_eq!(numeric(&number, None).value(), expected);
        }
        let double = numeric(&Number::from(120), Some(xsd::DOUBLE.into_owned()));
        assert_eq!(double.value(), "1.2E2");
    }

    /// What Java answers to `new DecimalFormat("0.0##############E0").format(BigDecimal.valueOf(x))`, which is how the issuer's library
    /// (Titanium) writes a double.
    #[test]
    fn doubles_are_written_as_the_issuer_writes_them() {
        for (number, expected) in [
            ("0.1", "1.0E-1"),
            ("4.35", "4.35E0"),
            ("-2.5e-7", "-2.5E-7"),
            ("123456789.5", "1.234567895E8"),
            ("0.30000000000000004", "3.0E-1"),
            ("1.0000000000000002", "1.0E0"),
            ("2.0000000000000004", "2.0E0"),
            ("1.7976931348623157e308", "1.797693134862316E308"),
            ("2.2250738585072014e-308", "2.225073858507201E-308"),
            ("3.4028234663852886e38", "3.402823466385289E38"),
            ("5e-324", "4.9E-324"),
            ("2.5e-323", "2.5E-323"),
            ("1e21", "1.0E21"),
            ("2e23", "2.0E23"),
            // A half goes to the even digit, up or down.
            ("1.2345678901234575e-5", "1.234567890123458E-5"),
            ("1.2345678901234585e-5", "1.234567890123458E-5"),
            ("1.2345678901234525e-5", "1.234567890123452E-5"),
            ("0.99999999999999994", "9.999999999999999E-1"),
            // The shortest texts that are equally near, of which one is chosen, both come to this.
            ("1125899906842624.25", "1.125899906842624E15"),
            ("1125899906842624.75", "1.125899906842625E15"),
        ] {
            let number: Number = serde_json::from_str(number).unwrap();
            assert_eq!(numeric(&number, None).value(), expected);
        }
        for (whole, expected) in [(u64::MAX, "1.844674407370955E19"), (99_999_999_999_999_999, "1.0E17")] {
            let double = numeric(&Number::from(whole), Some(xsd::DOUBLE.into_owned()));
            assert_eq!(double.value(), expected);
        }
    }
}
