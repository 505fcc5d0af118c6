//! `mosip::credential`: arbitrary text, edits of known credentials, and random flat shapes, on which a JSON-LD library and a general
//! canonicaliser have to agree with the table of terms and with the issuer's canonical form.

#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::error::Code;
use mosip_gateway::json;
use mosip_gateway::mosip::credential::canonical;
use mosip_gateway::mosip::credential::contexts::{ContextError, by_library};
use mosip_gateway_fuzz::{credentials, edit, keys, refusal};
use oxrdf::dataset::{CanonicalizationAlgorithm, CanonicalizationHashAlgorithm};
use oxrdf::{Dataset, Quad, Term};
use serde_json::{Map, Value, json};

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 3 {
        0 => check(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        _ => drop(flat(&mut Unstructured::new(rest))),
    }
});

/// What verifies was signed: every value that is covered is one of a known credential.
fn check(text: &[u8]) {
    let Ok(credential) = json::read::<Value>(text) else { return };
    match credentials::credentials().verify(&credential, keys::NOW) {
        Ok(verified) => {
            assert!(credentials::is_known(&credential, &verified.get().covered), "nobody signed this")
        }
        Err(error) => refusal::check(&error, &[Code::SignatureInvalid, Code::SignerExpired]),
    }
}

fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    let known = input.choose(credentials::known())?.to_string();
    check(&edit::edited(known.as_bytes(), input)?);
    Ok(())
}

/// A value as MOSIP writes attributes.
#[derive(Arbitrary)]
enum Attribute<'a> {
    Text(&'a str),
    Number(i32),
    Real(f32),
    Flag(bool),
    Nothing,
    Translated(Vec<(&'a str, &'a str)>),
    Named(u8, &'a str),
    Several(Vec<&'a str>),
}

const NAMES: [&str; 14] = [
    "VID",
    "UIN",
    "fullName",
    "city",
    "phone",
    "email",
    "gender",
    "postalCode",
    "dateOfBirth",
    "bestTwoFingers",
    "profile",
    "conflict",
    "rightOperandReference",
    "birthCertificateNumber",
];

fn flat(input: &mut Unstructured<'_>) -> Result<()> {
    let mut subject = Map::from_iter([("id".to_owned(), json!("http://a.example/1"))]);
    for _ in 0..input.int_in_range(0..=12)? {
        let name = *input.choose(&NAMES)?;
        subject.insert(name.to_owned(), value(input.arbitrary()?));
    }
    let credential = json!({
        "@context": credentials::context(), "id": "urn:uuid:1", "type": ["VerifiableCredential", "MOSIPVerifiableCredential"],
        "issuer": "https://a.example/controller.json", "issuanceDate": "2026-11-24T08:00:00.134Z", "credentialSubject": subject,
    });
    let Some(contexts) = &credentials::credentials().contexts else { return Ok(()) };
    let reading = match contexts.read(&credential) {
        Ok(reading) => reading,
        // A shape that MOSIP does not write, or an address with characters that no address has, which the library leaves out.
        Err(ContextError::NotBuilt(at)) => {
            assert!(at.starts_with("/credentialSubject"), "{at}");
            return Ok(());
        }
        Err(ContextError::Shape(_) | ContextError::Size(_)) => return Ok(()),
        Err(error) => panic!("{error}"),
    };
    let quads = by_library(credentials::documents(), &credential).expect("a flat shape");
    assert_eq!(
        Ok(&reading.text),
        canonical::write(&quads).as_ref(),
        "the table reads otherwise than the library"
    );
    if let Some(text) = general(&quads) {
        assert_eq!(reading.text, text, "the canonical form differs");
    }
    Ok(())
}

fn value(attribute: Attribute<'_>) -> Value {
    match attribute {
        Attribute::Text(text) => json!(text),
        Attribute::Number(number) => json!(number),
        // A few digits: where two shortest texts are equally near, the library takes another one than the table.
        Attribute::Real(number) if number.abs() < 1e6 => json!((f64::from(number) * 8.0).round() / 8.0),
        Attribute::Real(_) | Attribute::Nothing => Value::Null,
        Attribute::Flag(flag) => json!(flag),
        Attribute::Translated(texts) => texts
            .iter()
            .take(8)
            .map(|(language, value)| json!({ "language": language, "value": value }))
            .collect(),
        Attribute::Named(number, text) => {
            json!({ "id": format!("urn:x:{number}"), "value": text, "rank": number })
        }
        Attribute::Several(texts) => json!(texts),
    }
}

/// The canonical form of RDFC-1.0, where it agrees with the issuer's: no controls but newline and return, and nothing beyond the BMP.
fn general(quads: &[Quad]) -> Option<String> {
    let is_plain = |c| matches!(c, ' '..='~' | '\n' | '\r' | '\u{a0}'..='\u{d7ff}');
    // Of a literal its value: where it is written out, controls are escaped.
    let is_plain = |quad: &Quad| match &quad.object {
        Term::Literal(literal) => literal.value().chars().all(is_plain),
        object => object.to_string().chars().all(is_plain),
    };
    if !quads.iter().all(is_plain) {
        return None;
    }
    let mut dataset: Dataset = quads.iter().cloned().collect();
    dataset.canonicalize(CanonicalizationAlgorithm::Rdfc10 {
        hash_algorithm: CanonicalizationHashAlgorithm::Sha256,
    });
    let mut lines: Vec<String> = dataset.iter().map(|quad| format!("{quad} .\n")).collect();
    lines.sort();
    Some(lines.concat())
}
