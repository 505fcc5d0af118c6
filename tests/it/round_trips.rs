//! Whatever goes in comes out as it was, and whatever was touched on the way does not come out at all.

use std::sync::LazyLock;

use crate::support::mosip::private_key;
use bytes::Bytes;
use mosip_gateway::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use mosip_gateway::crypto::{base64, jwe, jws};
use mosip_gateway::error::Result;
use mosip_gateway::keys::Ring;
use mosip_gateway::keys::settings::UnknownThumbprint;
use mosip_gateway::mosip::Verified;
use mosip_gateway::mosip::envelope::{
    self, Flavour, Format, Layout, ParsedEnvelope, Plaintext, Policy, SealOptions, Sealed, SealedMessage,
    SignOver,
};
use mosip_gateway::opencrvs::event::{Event, EventKind};
use mosip_gateway::registration::Aid;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// One private operation and more in each case.
const CASES: u32 = 64;

/// We, with keys of all three sizes; MOSIP, whose envelopes have to name one of them.
static RING: LazyLock<Ring> = LazyLock::new(|| {
    crate::support::ring(&["partner", "partner-3072", "partner-4096"], &["mosip"], UnknownThumbprint::Reject)
});
static MOSIP: LazyLock<PrivateKey> = LazyLock::new(|| private_key("tests/vectors/keys/mosip.key.pem"));

const LAYOUTS: [Layout; 3] = [Layout::VerR2, Layout::LegacyThumbprint, Layout::LegacyPlain];

/// A message from MOSIP to one of our keys.
fn seal(own: usize, plaintext: &[u8], layout: Layout, sign: SignOver) -> SealedMessage {
    let format = if layout == Layout::VerR2 { Format::VerR2 } else { Format::Legacy };
    let to = RING.own()[own].certificate.as_ref().unwrap();
    let mut envelope = envelope::seal(to, plaintext, format).unwrap();
    if layout == Layout::LegacyPlain {
        envelope.drain(..32);
    }
    assert_eq!(ParsedEnvelope::parse(&envelope).unwrap().layout, layout);
    let signed = match sign {
        SignOver::Envelope => Some(envelope.as_slice()),
        SignOver::Plaintext => Some(plaintext),
        SignOver::None => None,
    };
    SealedMessage {
        data: base64::encode(&envelope),
        signature: signed.map(|bytes| base64::encode(&envelope::sign(&MOSIP, bytes).unwrap())),
        thumbprint: to.thumbprint().to_string(),
    }
}

fn open(data: &str, signature: Option<&str>) -> Result<Verified<Plaintext>> {
    let policy = Policy { danger_accept_unsigned: true };
    envelope::open(&RING, &RING.peers()[0], Sealed { data, signature, aad: &[], over: None }, policy)
}

/// Up to 64 KiB of anything; mostly short.
fn plaintext() -> impl Strategy<Value = Vec<u8>> {
    let filled = |(len, seed): (usize, u64)| {
        let mut state = seed | 1;
        let byte = |_| {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..len).map(byte).collect()
    };
    let len = prop_oneof![4 => 0..100_usize, 1 => 0..=64_usize << 10];
    (len, any::<u64>()).prop_map(filled)
}

fn sign_over() -> impl Strategy<Value = SignOver> {
    select(vec![SignOver::Envelope, SignOver::Plaintext, SignOver::None])
}

/// A change of one byte that leaves text in ASCII.
fn flip() -> impl Strategy<Value = (Index, u8)> {
    (any::<Index>(), 1..128_u8)
}

fn flipped(bytes: &[u8], (at, bits): (Index, u8)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= bits;
    bytes
}

fn flipped_text(text: &str, flip: (Index, u8)) -> String {
    String::from_utf8(flipped(text.as_bytes(), flip)).unwrap()
}

/// The four ways to write `standard` that are read.
fn spellings(standard: &str) -> [String; 4] {
    let unpadded = standard.trim_end_matches('=');
    let url = |text: &str| text.replace('+', "-").replace('/', "_");
    [standard.to_owned(), unpadded.to_owned(), url(standard), url(unpadded)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn what_is_sealed_opens_in_every_layout_and_spelling(
        own in 0..3_usize, plaintext in plaintext(), layout in select(&LAYOUTS[..]), sign in sign_over(), spelling in 0..4_usize
    ) {
        let sealed = seal(own, &plaintext, layout, sign);
        let data = &spellings(&sealed.data)[spelling];
        let signature = sealed.signature.map(|signature| spellings(&signature)[spelling].clone());
        let opened = open(data, signature.as_deref()).unwrap();
        prop_assert_eq!(&**opened.get(), &*plaintext);
        let evidence = match sign {
            SignOver::Envelope => "envelope",
            SignOver::Plaintext => "plaintext",
            SignOver::None => "none",
        };
        prop_assert_eq!(opened.evidence().as_str(), evidence);
        prop_assert_eq!(opened.key().unwrap().to_string(), sealed.thumbprint);
    }

    /// What the gateway itself writes, in each of its flavours, opens as well.
    #[test]
    fn a_sealed_message_opens(
        plaintext in plaintext(), format in select(vec![Format::VerR2, Format::Legacy]), sign in sign_over(),
        base64 in select(vec![Flavour::Standard, Flavour::Url])
    ) {
        let to = RING.own()[0].certificate.as_ref().unwrap();
        let options = SealOptions { format, sign, base64 };
        let sealed = envelope::seal_message(to, Some(&MOSIP), &plaintext, options).unwrap();
        prop_assert_eq!(sealed.signature.is_some(), sign != SignOver::None);
        let opened = open(&sealed.data, sealed.signature.as_deref()).unwrap();
        prop_assert_eq!(&**opened.get(), &*plaintext);
    }

    #[test]
    fn an_envelope_with_one_byte_changed_is_refused(
        plaintext in plaintext(), layout in select(&LAYOUTS[..]), flip in flip()
    ) {
        let sealed = seal(0, &plaintext, layout, SignOver::None);
        let envelope = base64::decode(sealed.data.as_bytes()).unwrap();
        prop_assert!(open(&base64::encode(&flipped(&envelope, flip)), None).is_err());
    }

    #[test]
    fn a_signature_with_one_byte_changed_is_refused(
        plaintext in plaintext(), sign in select(vec![SignOver::Envelope, SignOver::Plaintext]), flip in flip()
    ) {
        let sealed = seal(0, &plaintext, Layout::VerR2, sign);
        let signature = base64::decode(sealed.signature.unwrap().as_bytes()).unwrap();
        prop_assert!(open(&sealed.data, Some(&base64::encode(&flipped(&signature, flip)))).is_err());
    }

    #[test]
    fn a_jws_inside_a_jwe_opens_and_with_one_character_changed_is_refused(
        plaintext in plaintext(), deflate in any::<bool>(), flip in flip()
    ) {
        prop_assume!(!plaintext.is_empty());
        let protected =
            jws::Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
        let signed = jws::sign(&MOSIP, protected, &plaintext).unwrap();
        let to = RING.own()[0].private.public_key();
        let token = jwe::encrypt(to, None, signed.as_bytes(), deflate).unwrap();
        let opened = open(&token, None).unwrap();
        prop_assert_eq!((&**opened.get(), opened.evidence().as_str()), (&*plaintext, "plaintext"));
        prop_assert!(open(&flipped_text(&token, flip), None).is_err());
    }

    #[test]
    fn a_jws_with_one_character_changed_is_refused(
        payload in plaintext(), alg in select(&SignatureAlgorithm::ALL[..]), b64 in any::<bool>(), flip in flip()
    ) {
        let verify = |token: &str, detached: Option<&[u8]>| {
            let jws = jws::Jws::parse(token)?;
            jws.verify(MOSIP.public_key(), &SignatureAlgorithm::ALL, detached).map(drop)
        };
        let protected = jws::Protected { alg, x5c: &[], kid: Some("k"), b64 };
        let detached = jws::sign_detached(&MOSIP, protected, &payload).unwrap();
        prop_assert_eq!(verify(&detached, Some(&payload)), Ok(()));
        prop_assert!(verify(&flipped_text(&detached, flip), Some(&payload)).is_err());
        if !payload.is_empty() {
            prop_assert!(verify(&detached, Some(&flipped(&payload, flip))).is_err());
            let compact = jws::sign(&MOSIP, jws::Protected { b64: true, ..protected }, &payload).unwrap();
            prop_assert_eq!(verify(&compact, None), Ok(()));
            prop_assert!(verify(&flipped_text(&compact, flip), None).is_err());
        }
    }
}

/// JSON as other hands write it: numbers and escapes of every look.
fn json_value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        "\"([ a-zé漢🙂{}\\[\\],:]|\\\\[\"\\\\/bfnrtu]){0,9}\""
            .prop_map(|text| text.replace("\\u", "\\u00e9")),
        select(vec!["true", "null", "\"identifier\"", "\"Patient\"", "\"MOSIP_AID\""])
            .prop_map(str::to_owned),
    ];
    scalar.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            vec(inner, 0..3).prop_map(|items| {
                let member = |(at, value): (usize, String)| format!("\"{at}\" :{value}");
                format!("{{{}}}", items.into_iter().enumerate().map(member).collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// An object with `members` among members of no meaning, in any order and spacing.
fn object(members: Vec<String>) -> impl Strategy<Value = String> {
    (vec(json_value(), 0..3), vec("[ \n\t]{0,2}", 2)).prop_flat_map(move |(others, space)| {
        let other = |(at, value): (usize, String)| format!("\"x-{at}\":{}{value}", space[0]);
        let all: Vec<_> = others.into_iter().enumerate().map(other).chain(members.clone()).collect();
        let space = space[1].clone();
        Just(all).prop_shuffle().prop_map(move |all| format!("{{{space}{}{space}}}", all.join(",")))
    })
}

/// A Patient that carries no AID.
fn patient() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        Just("\"type\":\"BIRTH_PATIENT_ENTRY\"".to_owned()),
        Just("\"type\" : {\"coding\":[{\"code\":\"NATIONAL_ID\"}, {}]}".to_owned()),
        Just("\"value\":\"no type\"".to_owned()),
    ];
    let identifiers = vec(kind.prop_flat_map(|kind| object(vec![kind])), 0..3);
    let identifier = prop_oneof![
        Just(None),
        Just(Some("null".to_owned())),
        identifiers.prop_map(|list| Some(format!("[ {}\n]", list.join(",")))),
    ];
    identifier.prop_flat_map(|identifier| {
        let identifier = identifier.map(|value| format!("\"identifier\" :\t{value}"));
        let kind = "\"resourceType\":\"Patient\"".to_owned();
        object([Some(kind), identifier].into_iter().flatten().collect())
    })
}

fn birth() -> impl Strategy<Value = String> {
    let task = "\"resourceType\":\"Task\",\"focus\":{\"reference\":\"Composition/c-1\"}";
    let resources = (object(vec![task.to_owned()]), vec(patient(), 1..3), vec(object(vec![]), 0..2));
    let resources = resources.prop_flat_map(|(task, patients, others)| {
        let entries = [vec![task], patients, others].concat();
        let entries = entries.into_iter().map(|resource| format!("{{\"resource\":{resource}}}"));
        Just(entries.collect::<Vec<_>>()).prop_shuffle()
    });
    resources.prop_flat_map(|entries| {
        let entry = format!("\"context\":[{{\"entry\" :[{}]}}]", entries.join(" , "));
        let hub = "\"hub\":{\"topic\":\"BIRTH_REGISTERED\"}".to_owned();
        object(vec![hub, entry]).prop_flat_map(|event| object(vec![format!("\"event\": {event}")]))
    })
}

fn parse(body: &str) -> Event {
    Event::parse(EventKind::Birth, Bytes::copy_from_slice(body.as_bytes())).unwrap()
}

/// The identifiers of the first Patient.
fn identifiers(body: &mut Value) -> &mut Value {
    let entries = body["event"]["context"][0]["entry"].as_array_mut().unwrap();
    let mut resources = entries.iter_mut().map(|entry| &mut entry["resource"]);
    let patient = resources.find(|resource| resource["resourceType"] == "Patient").unwrap();
    &mut patient["identifier"]
}

proptest! {
    #[test]
    fn an_aid_goes_into_an_event_and_all_else_of_its_text_stays(body in birth(), aid in "[0-9]{29}") {
        let event = parse(&body);
        prop_assert!(event.wants_aid());
        let aid = Aid::parse(&aid).unwrap();
        let spliced = String::from_utf8(event.with_aid(&aid).to_vec()).unwrap();
        let again = parse(&spliced);
        prop_assert_eq!(again.aid(), Some(&aid));

        // One piece is new, and it stands for nothing or for a null.
        let kept = body.bytes().zip(spliced.bytes()).take_while(|(before, after)| before == after).count();
        let rest = &body.as_bytes()[kept..];
        let rest = rest.strip_prefix(b"null").unwrap_or(rest);
        prop_assert!(spliced.as_bytes().ends_with(rest));

        // And it is the last identifier of the first Patient.
        let (mut before, mut after): (Value, Value) =
            (serde_json::from_str(&body).unwrap(), serde_json::from_str(&spliced).unwrap());
        let added = identifiers(&mut after).as_array_mut().unwrap().pop().unwrap();
        prop_assert_eq!(added["value"].as_str(), Some(aid.as_str()));
        if identifiers(&mut before).is_null() {
            *identifiers(&mut before) = Value::Array(Vec::new());
        }
        prop_assert_eq!(before, after);
    }
}
