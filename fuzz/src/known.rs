//! The messages of `tests/vectors` that open or verify. Nobody who lacks a private key can make another, so whatever a fuzzer gets
//! through is one of these.

use std::sync::LazyLock;

use mosip_gateway::crypto::base64;
use mosip_gateway::mosip::envelope;
use serde_json::Value;

use crate::keys;

/// A longer message would only slow the fuzzer down.
const LONGEST: usize = 4096;

/// An envelope to us and what it holds.
pub struct Envelope {
    /// Raw, before base64.
    pub bytes: Vec<u8>,
    /// What has to come out.
    pub plaintext: Vec<u8>,
    /// What the sender of a legacy envelope bound to it.
    pub aad: Vec<u8>,
    /// SHA512withRSA by `mosip` over the envelope.
    pub over_envelope: Vec<u8>,
    /// Likewise over the plaintext.
    pub over_plaintext: Vec<u8>,
}

/// A token to us or by `issuer`, and what it says.
pub struct Token {
    /// Compact.
    pub text: String,
    /// The payload that travels elsewhere.
    pub detached: Option<Vec<u8>>,
    /// What has to come out.
    pub payload: Vec<u8>,
}

/// Envelopes of all three layouts.
pub fn envelopes() -> &'static [Envelope] {
    static KNOWN: LazyLock<Vec<Envelope>> = LazyLock::new(|| {
        let known: Vec<_> = cases(include_str!("../../tests/vectors/envelope.json"))
            .iter()
            .filter(|case| case["recipient"] == "partner" && case["expect_b64"].is_string())
            .filter(|case| text(case, "envelope").len() <= LONGEST)
            .map(Envelope::read)
            .collect();
        assert!(known.len() > 10);
        known
    });
    &KNOWN
}

/// JWEs to us.
pub fn jwes() -> &'static [Token] {
    static KNOWN: LazyLock<Vec<Token>> = LazyLock::new(|| {
        let cases = cases(include_str!("../../tests/vectors/jwe.json"));
        let known = cases.iter().filter(|case| case["expect"].is_string());
        // The nested one decrypts to the JWS of `nested-jws`, so its payload is not the plaintext.
        known.map(Token::read).collect()
    });
    &KNOWN
}

/// JWSs by `issuer`.
pub fn jwss() -> &'static [Token] {
    static KNOWN: LazyLock<Vec<Token>> = LazyLock::new(|| {
        let cases = cases(include_str!("../../tests/vectors/jws.json"));
        cases.iter().filter(|case| case["valid"] == true).map(Token::read).collect()
    });
    &KNOWN
}

/// Whether `plaintext` is one that a known message holds.
pub fn is_plaintext(plaintext: &[u8]) -> bool {
    envelopes().iter().any(|known| known.plaintext == plaintext)
        || jwes().iter().any(|known| known.payload == plaintext)
}

/// Whether `signature` is one that `mosip` made.
pub fn is_signature(signature: &[u8]) -> bool {
    envelopes().iter().any(|known| known.over_envelope == signature || known.over_plaintext == signature)
}

impl Envelope {
    fn read(case: &Value) -> Self {
        let decode = |name| base64::decode(case[name].as_str().unwrap_or_default().as_bytes());
        let [bytes, plaintext, aad] =
            ["envelope", "expect_b64", "aad_b64"].map(|name| decode(name).expect("base64 in a vector"));
        let sign = |bytes| envelope::sign(keys::mosip_key(), bytes);
        Self {
            over_envelope: sign(&bytes).expect("a signature"),
            over_plaintext: sign(&plaintext).expect("a signature"),
            bytes,
            plaintext,
            aad,
        }
    }
}

impl Token {
    fn read(case: &Value) -> Self {
        Self {
            text: text(case, "token").to_owned(),
            detached: case["payload"].as_str().map(|payload| payload.as_bytes().to_vec()),
            payload: text(case, "expect").as_bytes().to_vec(),
        }
    }
}

fn cases(json: &str) -> Vec<Value> {
    serde_json::from_str(json).expect("a vector file is a list of cases")
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", case["name"]))
}
