//! The tokens of both kinds of callers, good and bad.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;

const KEY: &[u8] = include_bytes!("../../../tests/vectors/keys/issuer.key.pem");
const CERTIFICATE: &[u8] = include_bytes!("../../../tests/vectors/keys/issuer.crt.pem");
const JWKS: &[u8] = include_bytes!("../../../tests/vectors/keys/issuer.jwks.json");
const STRANGER: &[u8] = include_bytes!("../../../tests/vectors/keys/stranger.key.pem");
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn claims() -> Value {
    json!({"iss": "opencrvs:auth-service", "aud": ["opencrvs:x", "opencrvs:mosip-user"], "exp": NOW.seconds() + 10})
}

fn token(header: &Header, claims: &Value, key: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_rsa_pem(key).unwrap()).unwrap()
}

fn check(token: &str) -> Result<()> {
    let key = CallerKey::from_pem(CERTIFICATE, "opencrvs:auth-service".into(), "opencrvs:mosip-user".into());
    key.unwrap().check(token, NOW)
}

fn why(token: &str) -> String {
    let error = check(token).unwrap_err();
    assert_eq!((error.code(), error.detail()), (Code::Unauthorized, "the bearer token is refused"));
    error.operator_detail().unwrap().to_owned()
}

fn with(claim: &str, value: Value) -> String {
    let mut claims = claims();
    claims[claim] = value;
    token(&Header::new(Algorithm::RS256), &claims, KEY)
}

#[test]
fn a_good_token_passes_under_key_and_certificate() {
    check(&token(&Header::new(Algorithm::RS256), &claims(), KEY)).unwrap();
    check(&with("aud", json!("opencrvs:mosip-user"))).unwrap();
}

#[test]
fn a_token_that_came_before_is_checked_against_the_clock_and_no_other_passes_for_it() {
    let demands = opencrvs();
    let keys = Keys::from_pem(CERTIFICATE).unwrap();
    let good = token(&Header::new(Algorithm::RS256), &claims(), KEY);
    let at = |token: &str, now| super::check(&keys, &demands, token, now).is_ok();
    assert!(at(&good, NOW) && at(&good, NOW));
    let later = Timestamp::from_seconds(NOW.seconds() + 600);
    assert!(!at(&good, later), "it has ended since");
    assert!(at(&good, NOW), "by the clock alone");
    // The same claims under another signature, and other claims under this one.
    assert!(!at(&token(&Header::new(Algorithm::RS256), &claims(), STRANGER), NOW));
    let other = with("aud", json!("opencrvs:mosip-user"));
    let (head, tail) = (good.rsplit_once('.').unwrap(), other.rsplit_once('.').unwrap());
    assert!(!at(&format!("{}.{}", tail.0, head.1), NOW));
}

#[test]
fn opencrvs_signs_rs256_and_nothing_else() {
    for alg in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        assert!(why(&token(&Header::new(alg), &claims(), KEY)).contains("algorithm"), "{alg:?}");
    }
}

#[test]
fn what_no_key_can_make_good_is_told_without_one() {
    let could = |token: &str| could_be_good(&opencrvs(), token, NOW).err();
    assert!(
        could(&token(&Header::new(Algorithm::RS256), &claims(), STRANGER)).is_none(),
        "its key may be new"
    );
    let hs256 =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &EncodingKey::from_secret(b"k"));
    for (text, why) in [
        ("x".to_owned(), "not a JWT"),
        ("a.b.c".to_owned(), "not a JWT"),
        (hs256.unwrap(), "its algorithm"),
        (token(&Header::new(Algorithm::RS512), &claims(), KEY), "its algorithm"),
        (with("exp", json!(NOW.seconds() - 600)), "exp"),
        (with("iss", json!("https://iam.example.org")), "iss"),
        (with("aud", json!("other")), "aud"),
    ] {
        let refusal = could(&text).unwrap();
        assert_eq!(refusal.code(), Code::Unauthorized);
        assert!(refusal.operator_detail().unwrap().contains(why), "{text}: {refusal}");
    }
}

#[test]
fn dates_pass_as_number_fraction_and_text() {
    let now = NOW.seconds();
    for exp in [
        json!(now + 10),
        json!(now as f64 + 10.75),
        json!((now + 10).to_string()),
        json!(format!("{}.5", now + 10)),
    ] {
        check(&with("exp", exp)).unwrap();
    }
    for past in [json!((now - 600).to_string()), json!(now as f64 - 600.5)] {
        assert!(why(&with("exp", past)).contains("exp"));
    }
    assert!(why(&with("nbf", json!((now + 600).to_string()))).contains("nbf"));
}

#[test]
fn absent_claims_are_refused() {
    for claim in ["iss", "aud", "exp"] {
        assert!(why(&with(claim, Value::Null)).contains(claim));
    }
}

#[test]
fn wrong_claims_are_refused() {
    assert!(why(&with("iss", json!("somebody"))).contains("iss"));
    assert!(why(&with("aud", json!(["other"]))).contains("aud"));
    assert!(why(&with("exp", json!(NOW.seconds() - 60))).contains("exp"));
    assert!(why(&with("nbf", json!(NOW.seconds() + 61))).contains("nbf"));
    for unreadable in [json!("soon"), json!("NaN"), json!("")] {
        assert!(why(&with("exp", unreadable.clone())).contains("exp"));
        assert!(why(&with("nbf", unreadable)).contains("nbf"));
    }
}

#[test]
fn a_token_that_is_issued_in_the_future_is_refused_and_one_that_does_not_say_when_passes() {
    let now = NOW.seconds();
    for passes in [json!(now - 600), json!(now + 60), json!((now + 60).to_string()), Value::Null] {
        check(&with("iat", passes)).unwrap();
    }
    for refused in [json!(now + 61), json!((now + 600).to_string()), json!("soon"), json!(u64::MAX)] {
        assert!(why(&with("iat", refused)).contains("iat"));
    }
    for (iat, passes) in [(now + 60, true), (now + 61, false)] {
        let mut claims = of_mosip();
        claims["iat"] = json!(iat);
        assert_eq!(check_mosip(&mosip(None), None, &claims).is_ok(), passes, "{iat}");
    }
}

/// jwcrypto made them, which shares no code with what verifies them here.
#[test]
fn what_another_library_made_is_judged_as_it_says() {
    let file: Value = serde_json::from_str(include_str!("../../../tests/vectors/callers.json")).unwrap();
    let now = Timestamp::from_seconds(file["now"].as_i64().unwrap());
    let opencrvs = (Keys::from_pem(CERTIFICATE).unwrap(), opencrvs());
    let mosip = (Keys::from_jwks(JWKS).unwrap(), mosip(Some("REGISTRATION_PROCESSOR")));
    let mut judged = [0, 0];
    for case in file["tokens"].as_array().unwrap() {
        let (keys, demands) = if case["of"] == "mosip" { &mosip } else { &opencrvs };
        let (token, refused) = (case["token"].as_str().unwrap(), case["refused"].as_str());
        let denied = super::check(keys, demands, token, now).map_err(Error::from).err();
        let why = denied.as_ref().map(|error| (error.code(), error.operator_detail().unwrap()));
        assert_eq!(why.map(|(code, _)| code), refused.map(|_| Code::Unauthorized), "{case}: {why:?}");
        let (refused, why) = (refused.unwrap_or_default(), why.map(|(_, why)| why).unwrap_or_default());
        assert!(why.contains(refused), "{case}: {why}");
        let is_left_to_the_key = ["", "signature", "for its key"].contains(&refused);
        assert_eq!(could_be_good(demands, token, now).is_ok(), is_left_to_the_key, "{case}");
        judged[usize::from(denied.is_some())] += 1;
    }
    assert!(judged.iter().all(|count| *count > 5), "{judged:?}");
}

fn opencrvs() -> Demands {
    Demands::Opencrvs {
        issuer: "opencrvs:auth-service".to_owned(),
        audience: Some("opencrvs:mosip-user".to_owned()),
    }
}

fn mosip(role: Option<&str>) -> Demands {
    Demands::Mosip {
        issuer_host: "iam.example.org".to_owned(),
        allowed: vec!["mosip-regproc-client".to_owned()],
        role: role.map(str::to_owned),
    }
}

/// The key set of the issuer, and what it says of `claims`.
fn check_mosip(demands: &Demands, kid: Option<&str>, claims: &Value) -> Result<Purpose, Denied> {
    let keys = Keys::from_jwks(JWKS).unwrap();
    let mut header = Header::new(Algorithm::RS256);
    header.kid = kid.map(str::to_owned);
    super::check(&keys, demands, &token(&header, claims, KEY), NOW)
}

fn of_mosip() -> Value {
    json!({
        "iss": "https://iam.example.org/auth/realms/mosip", "azp": "MOSIP-regproc-client", "aud": "account",
        "exp": NOW.seconds() + 10, "realm_access": {"roles": ["REGISTRATION_PROCESSOR"]},
    })
}

#[test]
fn mosips_token_is_for_a_client_that_is_allowed_under_a_key_of_the_set() {
    assert!(check_mosip(&mosip(None), None, &of_mosip()).is_ok());
    assert!(check_mosip(&mosip(Some("REGISTRATION_PROCESSOR")), None, &of_mosip()).is_ok());
    let mut by_audience = of_mosip();
    (by_audience["azp"], by_audience["aud"]) = (json!("other"), json!(["account", "mosip-regproc-client"]));
    assert!(check_mosip(&mosip(None), None, &by_audience).is_ok());

    for (claim, value) in [
        ("iss", json!("https://other.example.org/auth/realms/mosip")),
        ("iss", json!("iam.example.org.evil.example")),
        ("iss", Value::Null),
        ("azp", json!("other")),
        ("azp", Value::Null),
        ("exp", Value::Null),
        ("exp", json!(NOW.seconds() - 600)),
    ] {
        let mut claims = of_mosip();
        claims[claim] = value.clone();
        let denied = check_mosip(&mosip(None), None, &claims);
        assert!(matches!(denied, Err(Denied::Refused(_))), "{claim} {value}");
    }
    let mut header = Header::new(Algorithm::PS256);
    header.kid = Some("issuer-1".to_owned());
    let set = Keys::from_jwks(JWKS).unwrap();
    let ps256 = super::check(&set, &mosip(None), &token(&header, &of_mosip(), KEY), NOW);
    assert!(matches!(ps256, Err(Denied::Refused(_))), "MOSIP's IAM signs RS256, RS384 or RS512");
    let denied = check_mosip(&mosip(Some("ADMIN")), None, &of_mosip()).err().map(Error::from).unwrap();
    assert_eq!(denied.operator_detail(), Some("the demanded role is not among its roles"));
    let unknown = check_mosip(&mosip(None), Some("no-such-kid"), &of_mosip());
    assert!(matches!(unknown, Err(Denied::UnknownKey(_))), "worth another look at the keys");
}

#[test]
fn a_token_of_opencrvs_says_what_it_is_for_in_text_alone() {
    let demands = Demands::Opencrvs { issuer: "opencrvs:auth-service".to_owned(), audience: None };
    let keys = Keys::from_pem(CERTIFICATE).unwrap();
    let of = |action: Value| {
        let mut claims = claims();
        (claims["eventId"], claims["actionId"]) = ("e1".into(), action);
        super::check(&keys, &demands, &token(&Header::new(Algorithm::RS256), &claims, KEY), NOW)
    };
    let ends = claims()["exp"].as_i64().map(Timestamp::from_seconds);
    let purpose = |action: Option<&str>| Purpose {
        event_id: Some("e1".into()),
        action_id: action.map(Into::into),
        ends,
    };
    assert_eq!(of("a1".into()).ok(), Some(purpose(Some("a1"))));
    assert_eq!(of(json!(7)).ok(), Some(purpose(None)));
}

#[test]
fn what_is_no_token_is_refused() {
    for text in ["", "a.b", "a.b.c", "…"] {
        assert!(why(text).contains("not a JWT"));
    }
}
