//! What the MOSIP-side mediator and MOSIP's IAM say: acceptances, application ids, pushed numbers, access tokens.

#![no_main]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::clock::Timestamp;
use mosip_gateway::config::TokenKind;
use mosip_gateway::error::{Code, Error};
use mosip_gateway::mosip::access::{self, AccessToken, Iam};
use mosip_gateway::mosip::envelope::{self, Policy, SealOptions, SignOver};
use mosip_gateway::mosip::{Evidence, Transport, mediator};
use mosip_gateway_fuzz::refusal::{self, SECRET};
use mosip_gateway_fuzz::{edit, keys, known};
use serde_json::value::RawValue;
use serde_json::{Value, json};

const STATUSES: [u16; 10] = [200, 200, 201, 204, 302, 400, 401, 403, 404, 500];
/// No `expires_in` beyond it is believed, seconds.
const DAY: i64 = 86_400;

fuzz_target!(|input: &[u8]| {
    let Some((mode, rest)) = input.split_first() else { return };
    let status = StatusCode::from_u16(STATUSES[usize::from(mode / 8) % STATUSES.len()]).unwrap();
    match mode % 8 {
        0 => acceptance(status, rest),
        1 => aid(status, rest),
        2 => keycloak(status, rest),
        3 => drop(authmanager(status, &mut Unstructured::new(rest))),
        4 => drop(any_token(status, &mut Unstructured::new(rest))),
        5 => push(rest),
        6 => drop(edited_push(&mut Unstructured::new(rest))),
        _ => any_push(rest),
    }
});

/// What the refusals speak of.
const IAM: Iam = Iam { of: "MOSIP", section: "upstream.token" };

/// Accepted is 2xx, an object, no errors, an object in `response`.
fn acceptance(status: StatusCode, body: &[u8]) {
    match mediator::read_acceptance(status, body, Transport::Protected) {
        Ok(_) => {
            let members = members(body);
            assert!(status.is_success() && has_no_errors(&members));
            assert!(members["response"].starts_with('{'));
        }
        Err(error) => check(&error),
    }
}

/// An application id is the bare string that it came as.
fn aid(status: StatusCode, body: &[u8]) {
    match mediator::read_aid(status, body, Transport::Protected) {
        Ok(aid) => {
            let aid = aid.get().as_str();
            assert!(status.is_success());
            assert_eq!(serde_json::from_slice::<String>(body).unwrap(), aid);
            assert!((1..=64).contains(&aid.len()));
            assert!(aid.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)));
        }
        Err(error) => check(&error),
    }
}

fn keycloak(status: StatusCode, body: &[u8]) {
    let kind = TokenKind::KeycloakClientCredentials;
    match IAM.read(&kind, status, &HeaderMap::new(), body, keys::NOW) {
        Ok(token) => {
            let members = members(body);
            assert!(status.is_success() && members.get("error").is_none_or(|error| error == "null"));
            check_token(&token, &serde_json::from_str::<String>(&members["access_token"]).unwrap());
        }
        Err(error) => check(&error),
    }
}

/// Any headers beside any body.
fn authmanager(status: StatusCode, input: &mut Unstructured<'_>) -> Result<()> {
    let mut headers = HeaderMap::new();
    for name in [header::SET_COOKIE, header::SET_COOKIE, header::AUTHORIZATION] {
        let whole = [b"Authorization=", input.arbitrary::<&[u8]>()?].concat();
        let value = if input.arbitrary()? { &whole[..] } else { &whole[14..] };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let body = input.bytes(input.len())?;
    match IAM.read(&in_headers(), status, &headers, body, keys::NOW) {
        Ok(token) => {
            assert!(status.is_success() && has_no_errors(&members(body)));
            let text = access::cookie(&token).to_str().unwrap()["Authorization=".len()..].to_owned();
            let came = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains(&text));
            assert!(headers.values().any(came));
            check_token(&token, &text);
        }
        Err(error) => check(&error),
    }
    Ok(())
}

/// A token and its lifetime, in a reply that is otherwise well-formed.
#[derive(Arbitrary)]
struct Issued {
    token: String,
    claims: bool,
    exp: Option<i64>,
    expires_in: Option<i64>,
    refused: Option<bool>,
    in_header: bool,
}

/// What a model says of a token is what is read; a refusal does not repeat it.
fn any_token(status: StatusCode, input: &mut Unstructured<'_>) -> Result<()> {
    let Issued { token, claims, exp, expires_in, refused, in_header } = input.arbitrary()?;
    let exp = exp.map(|exp| exp % (1 << 53));
    let mut token = format!("{SECRET}{}", token.replace('.', ""));
    if claims {
        // A JWT; whoever issued it, nobody here verifies it.
        token = format!("e30.{}.{token}", URL_SAFE_NO_PAD.encode(json!({ "exp": exp }).to_string()));
    }
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    let is_cookie = token.bytes().all(fits);
    let read = if in_header {
        // A header that it breaks out of is another header.
        if !is_cookie {
            return Ok(());
        }
        let error = json!({ "errorCode": SECRET, "message": token });
        let body = json!({ "response": token, "errors": refused.map(|refused| Vec::from_iter(refused.then_some(error))) });
        let value = HeaderValue::from_str(&format!("Authorization={token}; Path=/; HttpOnly")).unwrap();
        let headers = HeaderMap::from_iter([(header::SET_COOKIE, value)]);
        IAM.read(&in_headers(), status, &headers, body.to_string().as_bytes(), keys::NOW)
    } else {
        let word = refused.map(|known| if known { "invalid_client" } else { SECRET });
        let body = json!({ "access_token": token, "expires_in": expires_in, "error": word, "error_description": token });
        let kind = TokenKind::KeycloakClientCredentials;
        IAM.read(&kind, status, &HeaderMap::new(), body.to_string().as_bytes(), keys::NOW)
    };
    let is_refused = if in_header { refused == Some(true) } else { refused.is_some() };
    match read {
        Ok(read) => {
            assert!(status.is_success() && is_cookie && !is_refused);
            check_token(&read, &token);
            let lifetime = expires_in.filter(|seconds| *seconds > 0 && !in_header).map(|it| it.min(DAY));
            let by_lifetime = lifetime.map(|it| Timestamp::from_seconds(keys::NOW.seconds() + it));
            let by_claims = exp.filter(|_| claims).map(Timestamp::from_seconds);
            assert_eq!(read.expires(), by_claims.or(by_lifetime));
        }
        Err(error) => {
            check(&error);
            assert!(!status.is_success() || !is_cookie || is_refused, "{error}");
        }
    }
    Ok(())
}

/// It fits into a cookie as it is, nobody reads it in a log, and without claims of its own it ends within a day.
fn check_token(token: &AccessToken, text: &str) {
    let cookie = access::cookie(token);
    assert!(cookie.is_sensitive());
    assert_eq!(cookie.to_str().unwrap(), format!("Authorization={text}"));
    assert!(!text.is_empty() && !text.contains(|c: char| !c.is_ascii_graphic() || "\",;\\".contains(c)));
    assert!(!format!("{token:?}").contains(SECRET));
    let day = keys::NOW.seconds()..=keys::NOW.seconds() + DAY;
    let has_claims = text.split('.').count() == 3;
    assert!(has_claims || token.expires().is_none_or(|ends| day.contains(&ends.seconds())));
}

fn in_headers() -> TokenKind {
    TokenKind::Authmanager { app_id: "regproc".to_owned() }
}

/// Whatever is pushed and read was sealed and signed by one who knew how.
fn push(body: &[u8]) {
    match mediator::open_nid(keys::ring(), keys::peer("mosip"), body, Policy::default()) {
        Ok(nid) => {
            let known = json!({ "uinToken": nid.get().uin_token, "opencrvsBRN": nid.get().brn });
            let is_known = |it: &known::Envelope| {
                serde_json::from_slice::<Value>(&it.plaintext).is_ok_and(|plaintext| plaintext == known)
            };
            assert!(nid.evidence() != Evidence::DangerUnsigned && known::envelopes().iter().any(is_known));
            assert!(members(body).contains_key("signature"));
        }
        Err(error) => check_push(&error),
    }
}

/// A known envelope, edited, under a signature over what it holds.
fn edited_push(input: &mut Unstructured<'_>) -> Result<()> {
    let original = input.choose(known::envelopes())?;
    let envelope = edit::edited(&original.bytes, input)?;
    let mut signature = original.over_plaintext.clone();
    if input.arbitrary()? {
        signature = edit::edited(&signature, input)?;
    }
    let [data, signature] = [envelope, signature].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    push(json!({ "id": "", "requestTime": "", "data": data, "signature": signature }).to_string().as_bytes());
    Ok(())
}

/// A well-sealed and well-signed push is read exactly if it is an object that names registration and token, neither of them blank.
fn any_push(plaintext: &[u8]) {
    let options = SealOptions { sign: SignOver::Plaintext, ..SealOptions::default() };
    let sealed =
        envelope::seal_message(keys::our_certificate(), Some(keys::mosip_key()), plaintext, options).unwrap();
    let body = json!({ "data": sealed.data, "signature": sealed.signature }).to_string();
    match mediator::open_nid(keys::ring(), keys::peer("mosip"), body.as_bytes(), Policy::default()) {
        Ok(nid) => {
            let members = members(plaintext);
            let text = |name| serde_json::from_str::<String>(&members[name]).unwrap();
            assert_eq!(
                (text("uinToken"), text("opencrvsBRN")),
                (nid.get().uin_token.clone(), nid.get().brn.clone())
            );
            assert!(nid.evidence() == Evidence::Plaintext);
            assert!(!nid.get().uin_token.trim().is_empty() && !nid.get().brn.trim().is_empty());
        }
        Err(error) => {
            check_push(&error);
            assert!(matches!(error.code(), Code::Malformed | Code::Field));
        }
    }
}

/// The members of a body that has to be an object. Those that nobody reads may be no text.
fn members(body: &[u8]) -> BTreeMap<String, String> {
    let body = String::from_utf8_lossy(body);
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(&body).unwrap();
    members.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect()
}

fn has_no_errors(members: &BTreeMap<String, String>) -> bool {
    let errors: Option<Vec<&RawValue>> =
        members.get("errors").and_then(|errors| serde_json::from_str(errors).unwrap());
    errors.is_none_or(|errors| errors.is_empty())
}

fn check(error: &Error) {
    refusal::check(error, &[Code::Upstream, Code::Partner, Code::Keys, Code::Field]);
}

fn check_push(error: &Error) {
    let codes = [
        Code::Malformed,
        Code::Field,
        Code::UnknownKey,
        Code::Decrypt,
        Code::SignatureInvalid,
        Code::SignatureMissing,
    ];
    refusal::check(error, &codes);
    assert!(error.code() != Code::Decrypt || error.detail() == "the message does not open");
}
