//! The tokens are jwcrypto's (tests/peers/make_esignet_vectors.py). What the gateway signs is checked by jsonwebtoken under the public keys
//! that jwcrypto exported.

mod dpop;
mod id_token;
mod refused;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;
use crate::clock::Timestamp;
use crate::crypto::{base64, ec, jwe, sha256};
use crate::error::Fault;
use crate::keys::settings::{Keys, OwnKey, Uses};
use crate::keys::source::file::{KeyFile, Password};
use crate::keys::{Certificate, Ring};
use crate::mosip::Evidence;
use crate::mosip::jwks::Denied;
use crate::mosip::jwt::Signer;

fn file() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/esignet.json")).unwrap()
}

fn text<'a>(file: &'a Value, name: &str) -> &'a str {
    file[name].as_str().unwrap()
}

fn now(file: &Value) -> Timestamp {
    Timestamp::from_seconds(file["now"].as_i64().unwrap())
}

/// The partner's key, to which userinfo is sealed, and the client's on P-256.
fn ring() -> Ring {
    ring_with(None)
}

fn ring_with(certificate: Option<&str>) -> Ring {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let own = |name: &str, file: &str, cert: Option<&str>, uses| OwnKey {
        name: Some(name.to_owned()),
        source: KeyFile::source(folder.join(file), Password::None),
        cert: cert.map(|cert| folder.join(cert)),
        uses,
    };
    let keys = Keys {
        dir: folder.clone(),
        own: vec![
            own("partner", "partner.key.pem", certificate, Uses { sign: true, decrypt: true }),
            own("esignet", "ec.key.pem", None, Uses { sign: true, decrypt: false }),
        ],
        peers: Vec::new(),
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
    };
    Ring::load(&keys, Timestamp::from_seconds(1_800_000_000))
}

fn expected(file: &Value) -> Expected<'_> {
    Expected {
        issuer: text(file, "issuer"),
        client_id: text(file, "client_id"),
        subject: text(file, "sub"),
        now: now(file),
    }
}

fn read_token(file: &Value, token: &str) -> Result<crate::mosip::Verified<UserInfo>> {
    let keys = file["jwks"].to_string();
    read_userinfo(token.as_bytes(), keys.as_bytes(), &ring(), &expected(file))
}

#[test]
fn userinfo_is_believed_as_another_library_made_it_and_in_no_other_way() {
    let file = file();
    let cases = file["userinfo"].as_array().unwrap();
    assert!(cases.len() >= 37);
    for case in cases {
        let (name, token) = (text(case, "name"), text(case, "token"));
        match (read_token(&file, token), case["valid"].as_bool().unwrap()) {
            (Ok(read), true) => {
                let claims: Value = serde_json::from_str(read.get().claims().get()).unwrap();
                assert_eq!(claims, case["claims"], "{name}");
                assert_eq!((read.evidence(), read.word()), (Evidence::Plaintext, "signature"), "{name}");
                assert_eq!(read.get().token().split('.').count(), 3, "{name}");
                assert!(token.split('.').count() == 5 || read.get().token() == token, "{name}");
            }
            (Err(refused), false) => {
                let wanted = if text(case, "refused") == "decrypt" { Code::Keys } else { Code::Tampered };
                assert_eq!(refused.code(), wanted, "{name}: {refused}");
                let said = format!("{refused:?}");
                assert!(!said.contains("Leila") && !said.contains(text(&file, "sub")), "{name}: {said}");
            }
            (read, valid) => panic!("{name}: valid is {valid}, and it is {:?}", read.err()),
        }
    }
}

#[test]
fn only_an_unknown_kid_is_worth_another_look_at_the_keys() {
    let file = file();
    let keys = read_keys(file["jwks"].to_string().as_bytes()).unwrap();
    let (ring, expected) = (ring(), expected(&file));
    for case in file["userinfo"].as_array().unwrap().iter().filter(|case| case["valid"] == false) {
        let token = text(case, "token").as_bytes();
        let denied = verify_userinfo(token, &ring, &keys, &expected, Evidence::Plaintext).err().unwrap();
        let is_unknown = matches!(denied, Denied::UnknownKey(_));
        assert_eq!(is_unknown, text(case, "refused") == "unknown-kid", "{}", case["name"]);
    }
}

#[test]
fn a_redirect_is_not_followed_wherever_it_comes_from() {
    let status = StatusCode::FOUND;
    let refusals = [
        challenge(status, &HeaderMap::new()).err(),
        TokenReply::read(status, &HeaderMap::new(), b"").err(),
        Pushed::read(status, b"").err(),
        read_metadata("https://e.example.org", status, b"").err(),
    ];
    for refused in refusals.map(Option::unwrap) {
        assert_eq!((refused.code(), refused.fault()), (Code::Upstream, Fault::Partner));
        assert!(refused.detail().contains("redirect"), "{refused}");
    }
}

fn token_reply(status: u16, headers: &[(&str, &str)], body: &str) -> Result<TokenReply> {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect::<HeaderMap>();
    TokenReply::read(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

#[test]
fn a_refusal_of_esignet_is_told_by_whose_move_it_is() {
    for (status, word, fault, pointer) in [
        (400, "invalid_grant", Fault::Caller, Some("/code")),
        (400, "invalid_redirect_uri", Fault::Caller, Some("/redirectUri")),
        (400, "invalid_pkce", Fault::Caller, Some("/codeVerifier")),
        (403, "access_denied", Fault::Caller, Some("/code")),
        (401, "invalid_client", Fault::Partner, None),
        (400, "invalid_assertion", Fault::Partner, None),
        (401, "something_new", Fault::Partner, None),
        (400, "something_new", Fault::Upstream, None),
    ] {
        let body = json!({"error": word, "error_description": "of eSignet"}).to_string();
        let refused = token_reply(status, &[], &body).err().unwrap();
        assert_eq!((refused.fault(), refused.pointer()), (fault, pointer), "{word}");
        assert_eq!(refused.upstream().unwrap().code, word);
    }
    for echo in ["mGQ2d6fM9x0", "c o&de", "", &"a".repeat(41)] {
        let body = json!({"error": echo, "error_description": "x".repeat(5000)}).to_string();
        let refused = token_reply(400, &[], &body).err().unwrap();
        let upstream = refused.upstream().unwrap();
        assert_eq!((&*upstream.code, upstream.message.len()), ("an error without a code", 300), "{echo}");
    }
    for (status, body) in [
        (500, ""),
        // What a broken server or a proxy says of the login says nothing of it.
        (500, r#"{"error":"invalid_grant"}"#),
        (200, "<html>"),
        (200, "[]"),
        (200, "{}"),
        (200, r#"{"access_token":"a","token_type":"Bearer"}"#),
        (200, r#"{"access_token":"a b","token_type":"Bearer","id_token":"a.b.c"}"#),
        (200, r#"{"access_token":"a","token_type":"mac","id_token":"a.b.c"}"#),
        (200, r#"{"access_token":"a","id_token":"a.b.c"}"#),
    ] {
        assert_eq!(token_reply(status, &[], body).err().unwrap().fault(), Fault::Upstream, "{status} {body}");
    }
}

fn decoded(token: &str, key: &Value, alg: Algorithm) -> (jsonwebtoken::Header, Value) {
    let jwk: Jwk = serde_json::from_value(key.clone()).unwrap();
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let read = jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap();
    (read.header, read.claims)
}

#[test]
fn an_assertion_has_a_jti_and_a_short_life_and_verifies_under_the_registered_key() {
    let (file, ring) = (file(), ring());
    let number = |name: &str| {
        base64::decode_url_strict(file["client_jwk"][name].as_str().unwrap().as_bytes()).unwrap()
    };
    let client = ec::PrivateKey::from_numbers(&number("d"), &number("x"), &number("y")).unwrap();
    let (rsa, jwks) = (&ring.own()[0].private, &file["thumbprints"]);
    let rsa_jwk: Value =
        serde_json::from_str(crate::crypto::jwk::Jwk::of_rsa(rsa.public_key()).unwrap().as_json()).unwrap();
    for (signer, key, alg) in [
        (Signer::Ec(&client), &jwks[2]["jwk"], Algorithm::ES256),
        (Signer::Rsa(rsa), &rsa_jwk, Algorithm::RS256),
    ] {
        let token = assertion(signer, "client", "https://e.example.org/token", "j1", now(&file)).unwrap();
        let (header, claims) = decoded(&token, key, alg);
        assert_eq!((header.typ.as_deref(), header.kid), (Some("JWT"), None));
        let iat = file["now"].as_i64().unwrap();
        assert_eq!(
            claims,
            json!({"iss": "client", "sub": "client", "aud": "https://e.example.org/token", "jti": "j1",
                   "iat": iat, "exp": iat + 120})
        );
    }
}

fn login(more: Value) -> Login {
    let mut login =
        json!({"code": "c o&de", "clientId": "client", "redirectUri": "https://r.example.org/?a=b"});
    for (name, value) in more.as_object().unwrap() {
        login[name] = value.clone();
    }
    serde_json::from_value(login).unwrap()
}

#[test]
fn a_login_is_posted_as_a_form_and_cannot_break_out_of_it() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let form = login(json!({ "codeVerifier": verifier })).form("a.b.c");
    assert_eq!(
        std::str::from_utf8(&form).unwrap(),
        "grant_type=authorization_code&code=c+o%26de&client_id=client&redirect_uri=https%3A%2F%2Fr.example.org%2F%3Fa%3Db\
         &client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=a.b.c\
         &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    );
}

#[test]
fn a_login_that_cannot_be_one_is_refused_by_its_member() {
    login(json!({})).check().unwrap();
    login(json!({ "code": "c".repeat(2048), "codeVerifier": "aZ09-._~".repeat(6) })).check().unwrap();
    for (name, value) in [
        ("code", String::new()),
        ("code", "c".repeat(2049)),
        ("clientId", String::new()),
        ("redirectUri", "r".repeat(2049)),
        ("nonce", String::new()),
        ("codeVerifier", "v".repeat(42)),
        ("codeVerifier", "v".repeat(129)),
        ("codeVerifier", " ".repeat(43)),
        ("codeVerifier", "v+".repeat(22)),
    ] {
        let refused = login(json!({ name: value })).check().unwrap_err();
        assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some(&*format!("/{name}"))));
    }
}

#[test]
fn a_login_that_cannot_begin_is_refused_by_its_member() {
    let check = |name: &str, value: &str| {
        let mut begin =
            json!({ "clientId": "client", "redirectUri": "https://r.example.org/", "state": "s" });
        begin[name] = json!(value);
        serde_json::from_value::<Authorization>(begin).unwrap().check()
    };
    for (name, value) in [("state", "s".repeat(8192)), ("scope", "profile openid".to_owned())] {
        check(name, &value).unwrap();
    }
    for (name, value) in [
        ("state", String::new()),
        ("state", "s".repeat(8193)),
        ("nonce", String::new()),
        ("scope", "profile".to_owned()),
        ("scope", "openidx profile".to_owned()),
    ] {
        let refused = check(name, &value).unwrap_err();
        assert_eq!((refused.code(), refused.pointer()), (Code::Field, Some(&*format!("/{name}"))));
    }
}

#[test]
fn a_login_begins_at_a_url_or_is_pushed() {
    let begin: Authorization = serde_json::from_value(json!({
        "clientId": "client", "redirectUri": "https://r.example.org/", "state": "s&1", "codeChallenge": "E9Melhoa",
    }))
    .unwrap();
    begin.check().unwrap();
    let page = "https://e.example.org/authorize".parse().unwrap();
    let query = "client_id=client&response_type=code&redirect_uri=https%3A%2F%2Fr.example.org%2F&scope=openid+profile&state=s%261\
                 &code_challenge=E9Melhoa&code_challenge_method=S256";
    assert_eq!(begin.url(&page), format!("https://e.example.org/authorize?{query}"));
    let form = begin.form("a.b.c");
    assert!(std::str::from_utf8(&form).unwrap().starts_with(query));
    let pushed =
        Pushed::read(StatusCode::CREATED, br#"{"request_uri":"urn:esignet:1","expires_in":60}"#).unwrap();
    assert_eq!(pushed.expires_in, 60);
    assert_eq!(
        begin.url_of_pushed(&page, &pushed),
        "https://e.example.org/authorize?client_id=client&request_uri=urn%3Aesignet%3A1"
    );
    for (status, body) in [(201, "{}"), (201, r#"{"request_uri":"a b"}"#), (200, "<html>"), (500, "")] {
        let refused = Pushed::read(StatusCode::from_u16(status).unwrap(), body.as_bytes()).err().unwrap();
        assert_eq!(refused.fault(), Fault::Upstream, "{status} {body}");
    }
    let refused = Pushed::read(StatusCode::BAD_REQUEST, br#"{"error":"invalid_client"}"#).err().unwrap();
    assert_eq!(refused.fault(), Fault::Partner);
}
