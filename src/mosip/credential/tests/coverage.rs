//! What a proof covers, and what a reader may not rely on.

use super::*;

/// The known credential of this name.
fn credential(name: &str) -> Value {
    let vectors = vectors();
    let mut cases = vectors["cases"].as_array().unwrap().iter();
    cases.find(|case| case["name"] == name).unwrap()["credential"].clone()
}

#[test]
fn a_proof_over_the_json_covers_every_value_whatever_the_contexts_say() {
    let credential = self::credential("mock-jcs");
    let verified = credentials(true).verify(&credential, NOW).unwrap().into_inner();
    assert_eq!(verified.covered, values(&credential));
    assert!(verified.covered.contains(&"/credentialSubject/birthCertificateNumber".to_owned()));
    assert!(verified.not_covered.is_empty(), "{:?}", verified.not_covered);
    // The same reader goes on to say what a proof of MOSIP leaves out.
    let birth = self::credential("birth");
    assert_eq!(credentials(true).verify(&birth, NOW).unwrap().get().not_covered.len(), 2);
}

/// RFC 8785 writes every number as a double: 2^53 and 2^53 + 1 have one text.
#[test]
fn a_number_that_shares_its_text_with_another_has_no_form_over_the_json() {
    let with = |number: Value| plain_form(&json!({ "credentialSubject": [{ "VID": number }] }));
    assert!(with(json!((1_u64 << 53) - 1)).is_some() && with(json!(1.5e300)).is_some());
    for number in [json!(1_u64 << 53), json!((1_u64 << 53) + 1), json!(u64::MAX), json!(-(1_i64 << 53) - 1)] {
        assert_eq!(with(number.clone()), None, "{number}");
    }
}

/// JSON-LD gives an array no order, and an array of one object the same statements as the object: docs/security.md says so to readers.
#[test]
fn the_order_of_an_array_and_an_array_around_one_object_are_not_signed() {
    let mut turned = credential("nested-addresses");
    let signed = turned.clone();
    turned["credentialSubject"]["city"].as_array_mut().unwrap().reverse();
    let city = turned["credentialSubject"]["province"][0].take();
    turned["credentialSubject"]["province"] = city;
    assert_ne!(turned, signed);
    assert!(credentials(false).verify(&turned, NOW).is_ok());
    // What the objects hold is signed, and so is which values belong together.
    let mut swapped = signed;
    swapped["credentialSubject"]["city"][0]["value"] = json!("Norte");
    swapped["credentialSubject"]["city"][1]["value"] = json!("North");
    assert!(credentials(false).verify(&swapped, NOW).is_err());
}

#[test]
fn an_empty_list_and_an_empty_object_are_values() {
    let credential = json!({ "@context": ["c"], "a": [], "b": { "c": {}, "d": [[]] }, "proof": {} });
    assert_eq!(values(&credential), ["/a", "/b/c", "/b/d/0"]);
}
