//! The JWTs of callers: `opencrvs-jwt`, made by OpenCRVS's auth service and sent by the MOSIP-side mediator.
//!
//! `jsonwebtoken` checks form, algorithm and signature. It accepts an unknown `crit`, passes an absent `iss` and reads the wall
//! clock, so those checks are made here, against our clock, and every claim is required.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::json;

/// How far two clocks may differ, in seconds.
const LEEWAY: i64 = 60;

/// The issuer's public key and the claims that its tokens must have. No `Debug`.
pub struct CallerKey {
    key: DecodingKey,
    issuer: String,
    audience: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<Value>,
    nbf: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl CallerKey {
    /// `pem` is an RSA public key or a certificate.
    pub fn from_pem(pem: &[u8], issuer: String, audience: String) -> Result<Self> {
        let key = DecodingKey::from_rsa_pem(pem).map_err(|_| {
            Error::new(Code::Keys, "this is neither an RSA public key nor a certificate in PEM")
        })?;
        Ok(Self { key, issuer, audience })
    }

    /// Checks a bearer token at `now`. The caller gets the same refusal for every failed check. The operator's log names the check.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<()> {
        let refuse =
            |why: &str| Error::new(Code::Unauthorized, "the bearer token is refused").for_operator(why);
        let header = jsonwebtoken::decode_header(token).map_err(|_| refuse("not a JWT"))?;
        if header.crit.is_some() {
            return Err(refuse("it has a crit header"));
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = vec![Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256];
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &validation)
            .map_err(|_| refuse("algorithm, signature or claims"))?
            .claims;
        let now = now.seconds();
        if claims.exp.as_ref().and_then(json::seconds).is_none_or(|exp| exp.saturating_add(LEEWAY) <= now) {
            return Err(refuse("exp is absent, no date or past"));
        }
        if claims
            .nbf
            .is_some_and(|nbf| json::seconds(&nbf).is_none_or(|nbf| nbf.saturating_sub(LEEWAY) > now))
        {
            return Err(refuse("nbf is no date or in the future"));
        }
        if claims.iss.as_ref() != Some(&self.issuer) {
            return Err(refuse("iss is not the configured issuer"));
        }
        let for_us = match &claims.aud {
            Some(Audience::One(aud)) => *aud == self.audience,
            Some(Audience::Many(auds)) => auds.contains(&self.audience),
            None => false,
        };
        if for_us { Ok(()) } else { Err(refuse("aud does not hold the configured audience")) }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = include_bytes!("../../tests/vectors/keys/issuer.key.pem");
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/vectors/keys/issuer.crt.pem");
    const STRANGER: &[u8] = include_bytes!("../../tests/vectors/keys/stranger.key.pem");
    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn claims() -> Value {
        json!({"iss": "opencrvs:auth-service", "aud": ["opencrvs:x", "opencrvs:mosip-user"], "exp": NOW.seconds() + 10})
    }

    fn token(header: &Header, claims: &Value, key: &[u8]) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_rsa_pem(key).unwrap()).unwrap()
    }

    fn check(token: &str) -> Result<()> {
        let key =
            CallerKey::from_pem(CERTIFICATE, "opencrvs:auth-service".into(), "opencrvs:mosip-user".into());
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
        for alg in [Algorithm::RS256, Algorithm::PS256] {
            check(&token(&Header::new(alg), &claims(), KEY)).unwrap();
        }
        check(&with("aud", json!("opencrvs:mosip-user"))).unwrap();
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
        assert!(why(&with("exp", json!(NOW.seconds() - LEEWAY))).contains("exp"));
        assert!(why(&with("nbf", json!(NOW.seconds() + LEEWAY + 1))).contains("nbf"));
        for unreadable in [json!("soon"), json!("NaN"), json!("")] {
            assert!(why(&with("exp", unreadable.clone())).contains("exp"));
            assert!(why(&with("nbf", unreadable)).contains("nbf"));
        }
    }

    #[test]
    fn a_stranger_is_refused() {
        assert!(why(&token(&Header::new(Algorithm::RS256), &claims(), STRANGER)).contains("signature"));
    }

    #[test]
    fn hs256_with_the_public_key_is_refused() {
        let key = EncodingKey::from_secret(CERTIFICATE);
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims(), &key).unwrap();
        assert!(why(&token).contains("algorithm"));
    }

    #[test]
    fn an_unknown_crit_is_refused() {
        let vectors: Vec<Value> = serde_json::from_str(include_str!("../../tests/vectors/jws.json")).unwrap();
        let case = vectors.iter().find(|case| case["name"] == "unknown-crit").unwrap();
        assert!(why(case["token"].as_str().unwrap()).contains("crit"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a.b", "a.b.c", "…"] {
            assert!(why(text).contains("not a JWT"));
        }
    }
}
