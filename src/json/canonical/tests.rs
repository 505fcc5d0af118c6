use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

fn canonical(text: &str) -> String {
    let mut written = String::new();
    Ordered::read(text)
        .unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
        .write(&mut |piece: &str| written.push_str(piece));
    written
}

#[track_caller]
fn refused(text: &str) -> Fault {
    Ordered::read(text).err().unwrap_or_else(|| panic!("{text} is taken"))
}

/// RFC 8785 3.2.3: the example of sorting.
#[test]
fn members_are_sorted_by_utf_16_unit() {
    let text = r#"{
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }"#;
    let names: Vec<char> = ['\r', '1', '\u{80}', '\u{f6}', '\u{20ac}', '\u{1f600}', '\u{fb33}'].into();
    let written = canonical(text);
    let places: Vec<_> = names
        .iter()
        .map(|name| match name {
            '\r' => written.find("\"\\r\"").unwrap(),
            name => written.find(&format!("\"{name}\":")).unwrap(),
        })
        .collect();
    assert!(places.is_sorted(), "{written}");
}

/// RFC 8785 3.2.2: the example of literals and strings.
#[test]
fn strings_have_one_spelling() {
    let text =
        r#"{"string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#;
    assert_eq!(canonical(text), r#"{"literals":[null,true,false],"string":"€$\u000f\nA'B\"\\\\\"/"}"#);
}

#[test]
fn numbers_keep_their_digits() {
    assert_eq!(
        canonical(" [ 1.0 , 1, 1e0,-0, 12345678901234567890123 ,1E400]"),
        "[1.0,1,1e0,-0,12345678901234567890123,1E400]"
    );
    assert_ne!(canonical("9007199254740993"), canonical("9007199254740992"));
}

#[test]
fn a_lone_surrogate_is_written_as_its_escape() {
    for (text, written) in [
        (r#""\uD800""#, r#""\ud800""#),
        (r#""a\uDFFFb""#, r#""a\udfffb""#),
        (r#""\uD83D\uDE00""#, "\"\u{1f600}\""),
        (r#""\uD83D\uD83D\uDE00""#, "\"\\ud83d\u{1f600}\""),
        (r#""\uDE00\uD83D""#, r#""\ude00\ud83d""#),
        (r#""\uD800A""#, r#""\ud800A""#),
        (r#""\uD800\n""#, r#""\ud800\n""#),
        (r#"{"\uD800":1,"\u0041":2}"#, r#"{"A":2,"\ud800":1}"#),
    ] {
        assert_eq!(canonical(text), written, "{text}");
    }
}

#[test]
fn space_and_order_do_not_count_at_any_depth() {
    let one = r#"{"b":[{"y":{},"x":[]},{"only":{"d":1,"c":2}}],"a":""}"#;
    let other =
        "\t{ \"a\" :\"\" ,\r\n\"b\": [ {\"x\" : [ ] , \"y\":{ } } , { \"only\" : {\"c\":2 ,\"d\":1} } ] }\n";
    assert_eq!(canonical(one), r#"{"a":"","b":[{"x":[],"y":{}},{"only":{"c":2,"d":1}}]}"#);
    assert_eq!(canonical(one), canonical(other));
}

#[test]
fn two_members_of_one_name_are_refused_however_they_are_spelled() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"[{"x":{"\u0061":1,"b":0,"a":2}}]"#,
        r#"{"\ud800":1,"\uD800":2}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
        r#"{"\/":1,"/":2}"#,
    ] {
        assert!(matches!(refused(text), Fault::Repeated(_)), "{text}");
    }
    assert_eq!(refused(r#"{"a":1,"b":2,"a":3}"#), Fault::Repeated(13));
    assert_eq!(canonical(r#"{"a":{"a":"a"},"b":"a: "}"#), r#"{"a":{"a":"a"},"b":"a: "}"#);
}

#[test]
fn a_text_is_refused_beyond_the_deepest_level_and_taken_at_it() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(canonical(&nested(MOST_LEVELS)), nested(MOST_LEVELS));
    assert_eq!(refused(&nested(MOST_LEVELS + 1)), Fault::Deep(MOST_LEVELS));
    assert!(matches!(refused(&nested(1_000_000)), Fault::Deep(_)));
    let objects = "{\"a\":".repeat(MOST_LEVELS) + "1" + &"}".repeat(MOST_LEVELS);
    assert_eq!(canonical(&objects), objects);
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "01",
        "1.",
        "+1",
        "nul",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"",
        "[]]",
        "1 1",
        "'a'",
        "\u{feff}1",
        "NaN",
    ] {
        assert!(matches!(refused(text), Fault::NotJson(..)), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,6}|[\"\\\\/\\x00-\\x20\u{7f}-\u{9f}😀\u{fb33}]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = "[a-c]|\\PC{0,3}|[\\x00-\\x20\"\\\\😀\u{fb33}]{0,2}";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    /// Where numbers are whole and small and strings are text, the form is RFC 8785's own.
    #[test]
    fn it_is_what_another_canonicaliser_writes(value in any_json()) {
        let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(canonical(&text), &*theirs);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"\\\\u0-9a-f \\n]{0,40}|\\PC{0,40}") {
        if let Ok(ordered) = Ordered::read(&text) {
            let mut written = String::new();
            ordered.write(&mut |piece: &str| written.push_str(piece));
            prop_assert_eq!(canonical(&written), written.clone());
        }
    }
}

fn rfc8785(text: &str) -> Option<String> {
    let mut written = String::new();
    let mut sink = Rfc8785::new(|piece: &str| written.push_str(piece));
    Ordered::read(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}")).write(&mut sink);
    sink.is_writable().then_some(written)
}

/// RFC 8785 appendix B: the samples of numbers.
#[test]
fn numbers_of_rfc_8785_are_floating_point_numbers() {
    for (text, written) in [
        ("-0", "0"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("9007199254740994", "9007199254740994"),
        ("295147905179352825856", "295147905179352830000"),
        ("9.999999999999997e22", "9.999999999999997e+22"),
        ("1E23", "1e+23"),
        ("333333333.3333332", "333333333.3333332"),
        ("0.000001", "0.000001"),
        ("1.0", "1"),
    ] {
        assert_eq!(rfc8785(text).as_deref(), Some(written), "{text}");
    }
    for text in ["1e400", "[-1e400]", r#""\ud800""#, r#"{"\udfff":1}"#] {
        assert_eq!(rfc8785(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn it_is_rfc_8785_to_the_letter(value in any_json(), number in any::<f64>(), whole in any::<u64>()) {
        let value = serde_json::json!([value, number, whole]);
        let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
        prop_assert_eq!(rfc8785(&value.to_string()), Some(theirs));
    }
}
