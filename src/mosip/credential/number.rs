//! JSON numbers as literals.

use oxrdf::vocab::xsd;
use oxrdf::{Literal, NamedNode};
use serde_json::Number;

/// A number as a literal: whole ones below 10²¹ as `xsd:integer`, others as `xsd:double` in canonical form (JSON-LD 1.1 API, 8.6), under
/// `datatype` where the term names one.
pub(super) fn numeric(number: &Number, datatype: Option<NamedNode>) -> Literal {
    let (mut digits, exponent, is_negative) = digits(number);
    let places = i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1;
    let wants_double = datatype.as_ref().is_some_and(|datatype| datatype.as_ref() == xsd::DOUBLE);
    let sign = if is_negative { "-" } else { "" };
    if !wants_double && (places..21).contains(&exponent) {
        digits.extend(std::iter::repeat_n('0', usize::try_from(exponent - places).unwrap_or_default()));
        let datatype = datatype.unwrap_or_else(|| xsd::INTEGER.into_owned());
        return Literal::new_typed_literal(format!("{sign}{digits}"), datatype);
    }
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { "0" } else { rest };
    let datatype = datatype.unwrap_or_else(|| xsd::DOUBLE.into_owned());
    Literal::new_typed_literal(format!("{sign}{first}.{rest}E{exponent}"), datatype)
}

/// The digits of a number without zeros at either end, the power of ten of the first, and whether it is below zero.
fn digits(number: &Number) -> (String, i32, bool) {
    // Rust writes the shortest digits that read back, as JSON writers do.
    let text = match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(whole), ..) => format!("{whole:e}"),
        (_, Some(whole), _) => format!("{whole:e}"),
        (.., Some(real)) => format!("{real:e}"),
        _ => String::new(),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let kept = digits.trim_end_matches('0');
    match kept.is_empty() {
        true => ("0".to_owned(), 0, false),
        false => (kept.to_owned(), exponent.parse().unwrap_or_default(), mantissa.starts_with('-')),
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
            ("-0.0", "0"),
            ("0.5", "5.0E-1"),
        ] {
            let number: Number = serde_json::from_str(number).unwrap();
            assert_eq!(numeric(&number, None).value(), expected);
        }
        let double = numeric(&Number::from(120), Some(xsd::DOUBLE.into_owned()));
        assert_eq!(double.value(), "1.2E2");
    }
}
