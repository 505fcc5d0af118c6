//! What no credential of MOSIP looks like: the same statements in another shape, and what unfolds to much.

use std::sync::Arc;

use serde_json::json;

use super::super::canonical::{self, ShapeError};
use super::super::contexts::{ContextError, by_library};
use super::super::expand::Work;
use super::super::tests::{NOW, context, credentials, documents, vectors};
use super::*;
use crate::error::Code;

/// The known credential of a birth.
fn birth() -> Value {
    vectors()["cases"][0]["credential"].clone()
}

/// The known credential with attributes in several languages.
fn translated() -> Value {
    vectors()["cases"][2]["credential"].clone()
}

#[test]
fn the_same_statements_in_another_shape_are_refused() {
    let (credentials, documents) = (credentials(false), Arc::new(documents()));
    let vid = birth()["credentialSubject"]["VID"].clone();
    let subject = birth()["credentialSubject"].clone();
    let mut renamed = subject.clone();
    let id = renamed.as_object_mut().unwrap().remove("id").unwrap();
    renamed["uid"] = id;
    let at = |pointer: &str, value: Value| {
        let mut altered = birth();
        match altered.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => altered["credentialSubject"][pointer.rsplit('/').next().unwrap()] = value,
        }
        altered
    };
    let text = |credential: &Value| {
        let mut credential = credential.clone();
        credential.as_object_mut().unwrap().remove("proof");
        canonical::write(&by_library(&documents, &credential).unwrap()).unwrap()
    };
    for (shape, altered, refused_at) in [
        ("one value in an array", at("/credentialSubject/VID", json!([vid])), "/credentialSubject/VID"),
        ("an array in an array", at("/credentialSubject/VID", json!([[vid]])), "/credentialSubject/VID/0"),
        ("one value twice", at("/credentialSubject/VID", json!([vid, vid])), "/credentialSubject/VID"),
        ("null in an array", at("/credentialSubject/VID", json!([vid, null])), "/credentialSubject/VID/1"),
        (
            "null for a name that is not there",
            at("/credentialSubject/UIN", Value::Null),
            "/credentialSubject/UIN",
        ),
        ("an empty array", at("/credentialSubject/UIN", json!([])), "/credentialSubject/UIN"),
        ("the subject in an array", at("/credentialSubject", json!([subject])), "/credentialSubject/0"),
        ("the subject twice", at("/credentialSubject", json!([subject, subject])), "/credentialSubject/0"),
        ("another name for the id", at("/credentialSubject", renamed), "/credentialSubject/uid"),
        ("an object that is a mere name", at("/issuer", json!({ "id": birth()["issuer"] })), "/issuer"),
    ] {
        assert_eq!(text(&altered), text(&birth()), "{shape}: its proof fits");
        let error = credentials.verify(&altered, NOW).err().unwrap_or_else(|| panic!("{shape} passes"));
        assert_eq!(error.code(), Code::SignatureInvalid, "{shape}");
        assert!(error.detail().contains(&format!("at {refused_at} ")), "{shape}: {}", error.detail());
    }
    let mut mixed = translated();
    mixed["credentialSubject"]["fullName"].as_array_mut().unwrap().push(json!("a text among objects"));
    let refused = credentials.contexts.as_ref().unwrap().read(&mixed).err();
    assert_eq!(refused, Some(ContextError::NotBuilt("/credentialSubject/fullName/2".to_owned())));
    let mut twice = translated();
    twice["evidence"] = json!({ "id": twice["credentialSubject"]["id"], "VID": "2" });
    let refused = credentials.contexts.as_ref().unwrap().read(&twice).err();
    assert!(matches!(refused, Some(ContextError::NotBuilt(_))), "one subject in two places: {refused:?}");
}

#[test]
fn what_unfolds_to_much_is_refused_before_it_has_unfolded() {
    let credentials = credentials(false);
    let contexts = credentials.contexts.as_ref().unwrap();
    let with = |vid: Value| {
        let subject = json!({ "id": "urn:s", "VID": vid });
        let types = ["VerifiableCredential"];
        json!({ "@context": context(), "id": "urn:c", "type": types, "credentialSubject": subject })
    };
    let mut long = with((0..900).collect());
    long["credentialSubject"]["id"] = json!(format!("urn:{}", "x".repeat(100_000)));
    let deep = (0..20).fold(json!("x"), |inner, _| json!({ "undefined": inner }));
    let deep_lists = (0..20).fold(json!("x"), |inner, _| json!([inner]));
    let named = json!({ "n".repeat(LONGEST_NAME + 1): 1 });
    for (bomb, credential, error) in [
        ("distinct values", with((0..3_000).collect()), ContextError::Shape(ShapeError::Many)),
        ("equal values", with(vec![1; 3_000].into()), ContextError::Shape(ShapeError::Many)),
        ("objects", with(vec![json!({}); 3_000].into()), ContextError::Shape(ShapeError::Many)),
        ("a long id", long, ContextError::Shape(ShapeError::Large)),
        (
            "values without a meaning",
            with(json!({ "u": vec![0; 5_000] })),
            ContextError::Size(SizeError::Values),
        ),
        ("levels", with(deep), ContextError::Size(SizeError::Deep)),
        ("levels of lists", with(deep_lists), ContextError::Size(SizeError::Deep)),
        ("a long name", with(named), ContextError::Size(SizeError::Name)),
    ] {
        let mut work = Work::of_credential();
        assert_eq!(contexts.expand_counting(&credential, &mut work).err(), Some(error), "{bomb}");
        assert!(work.statements <= 1_001, "{bomb}: {work:?}");
        assert!(work.text <= (8 << 20) + 200_000, "{bomb}: {work:?}");
    }
    let work = |credential: &Value| {
        let mut work = Work::of_credential();
        contexts.expand_counting(credential, &mut work).map(|_| work)
    };
    let real = work(&translated()).unwrap();
    assert!(real.statements > 10 && real.statements < 30, "a real one: {real:?}");
    // Each bound is the last that is taken. One statement names the type, and one the subject.
    let most: Value = (0..998).collect();
    assert_eq!(work(&with(most)).map(|work| work.statements), Ok(1_000));
    assert_eq!(work(&with((0..999).collect())).err(), Some(ContextError::Shape(ShapeError::Many)));
    let around = work(&with(json!(""))).unwrap().text;
    let text = |sum: usize| with(json!("x".repeat(sum - around)));
    assert_eq!(work(&text(8 << 20)).map(|work| work.text), Ok(8 << 20));
    assert_eq!(work(&text((8 << 20) + 1)).err(), Some(ContextError::Shape(ShapeError::Large)));
    assert!(work(&with(json!({ "n".repeat(LONGEST_NAME): 1 }))).is_ok());
}

#[test]
fn no_tree_is_built_of_a_text_with_more_values_than_a_credential_has() {
    for piece in ["1", "[]", "{}"] {
        let text = format!(r#"{{"VID":[{}]}}"#, vec![piece; MOST_VALUES + 1].join(","));
        assert_eq!(check_text(text.as_bytes()), Err(SizeError::Values));
        assert_eq!(super::super::tree(text.as_bytes()).unwrap_err().code(), Code::Malformed);
    }
    assert!(super::super::tree(birth().to_string().as_bytes()).is_ok());
    let photograph = format!(r#"{{"biometrics":"{}"}}"#, "A".repeat(4 << 20));
    assert!(super::super::tree(photograph.as_bytes()).is_ok());
}
