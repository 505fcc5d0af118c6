//! `mosip::caller`, the wrapper round `jsonwebtoken`: arbitrary tokens, edits of a good one, and good signatures over any claims.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::arbitrary::{self, Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::clock::Timestamp;
use mosip_gateway::crypto::jws::{self, Protected};
use mosip_gateway::crypto::rsa::SignatureAlgorithm;
use mosip_gateway::error::Code;
use mosip_gateway::mosip::caller::CallerKey;
use mosip_gateway_fuzz::{edit, keys};
use serde_json::json;

const ISSUER: &str = "opencrvs:auth-service";
const AUDIENCE: &str = "opencrvs:mosip-user";
/// What two clocks may differ by, seconds.
const LEEWAY: i128 = 60;

static CALLER: LazyLock<CallerKey> = LazyLock::new(|| {
    let pem = include_bytes!("../../tests/vectors/keys/issuer.crt.pem");
    CallerKey::from_pem(pem, ISSUER.to_owned(), AUDIENCE.to_owned()).unwrap()
});

/// A token without an end, the only one that passes.
static GOOD: LazyLock<String> =
    LazyLock::new(|| sign(format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":4102444800}}"#).as_bytes()));

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    match mode % 4 {
        0 => arbitrary_text(rest),
        1 => drop(edited(&mut Unstructured::new(rest))),
        2 => drop(any_claims(&mut Unstructured::new(rest))),
        _ => any_payload(rest),
    }
});

fn arbitrary_text(input: &[u8]) {
    let Ok(token) = std::str::from_utf8(input) else { return };
    assert_eq!(passes(token, keys::NOW), token == *GOOD);
}

fn edited(input: &mut Unstructured<'_>) -> Result<()> {
    if let Some(token) = edit::edited_text(&GOOD, input)? {
        assert_eq!(passes(&token, keys::NOW), token == *GOOD);
    }
    Ok(())
}

/// Claims that a token is checked for.
#[derive(Arbitrary)]
struct Claims {
    iss: Option<bool>,
    aud: Option<Vec<bool>>,
    aud_alone: bool,
    exp: Option<i64>,
    exp_near: Option<Near>,
    nbf: Option<i64>,
    nbf_near: Option<Near>,
}

/// Seconds from now, just beside what the leeway allows.
#[derive(Arbitrary, Clone, Copy)]
struct Near {
    past: bool,
    beyond: u8,
}

impl Near {
    fn seconds(self) -> i64 {
        let distance = 59 + i64::from(self.beyond % 3);
        if self.past { -distance } else { distance }
    }
}

/// A good signature is worth what its claims are worth.
fn any_claims(input: &mut Unstructured<'_>) -> Result<()> {
    let claims = Claims::arbitrary(input)?;
    let now = keys::NOW.seconds();
    let near = |near: Option<Near>, far: Option<i64>| near.map(|near| now + near.seconds()).or(far);
    let (exp, nbf) = (near(claims.exp_near, claims.exp), near(claims.nbf_near, claims.nbf));
    let word = |ours: bool, text: &'static str| if ours { text } else { "somebody" };

    let mut body = json!({ "exp": exp, "nbf": nbf, "iss": claims.iss.map(|ours| word(ours, ISSUER)) });
    let audiences = claims.aud.unwrap_or_default();
    body["aud"] = match audiences.as_slice() {
        [one] if claims.aud_alone => word(*one, AUDIENCE).into(),
        several => several.iter().map(|ours| word(*ours, AUDIENCE)).collect(),
    };
    let good = claims.iss == Some(true)
        && audiences.contains(&true)
        && exp.is_some_and(|exp| i128::from(exp) + LEEWAY > i128::from(now))
        && nbf.is_none_or(|nbf| i128::from(nbf) - LEEWAY <= i128::from(now));
    assert_eq!(passes(&sign(body.to_string().as_bytes()), keys::NOW), good, "{body}");
    Ok(())
}

/// Claims that are no claims are refused like everything else.
fn any_payload(payload: &[u8]) {
    passes(&sign(payload), keys::NOW);
}

fn sign(payload: &[u8]) -> String {
    let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
    jws::sign(keys::issuer_key(), protected, payload).unwrap()
}

/// Every refusal reads the same.
fn passes(token: &str, now: Timestamp) -> bool {
    let verdict = CALLER.check(token, now);
    if let Err(error) = &verdict {
        assert_eq!((error.code(), error.detail()), (Code::Unauthorized, "the bearer token is refused"));
    }
    verdict.is_ok()
}
