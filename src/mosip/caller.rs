//! The JWTs of callers: `opencrvs-jwt`, made by OpenCRVS's auth service and brought by the MOSIP-side mediator and by OpenCRVS's pages, and
//! `mosip-jwt`, made by MOSIP's IAM.

use http::Uri;
use jsonwebtoken::Algorithm;

use super::jwks::{Denied, Jwks, Unverified};
use super::jwt::{self, Audience, Claims, Key, Refusal};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};

/// The public keys of an issuer. No `Debug`.
pub(crate) enum Keys {
    /// An RSA key.
    One(Key),
    /// A JSON Web Key Set.
    Set(Jwks),
}

impl Keys {
    /// Of OpenCRVS's auth service: `pem` is an RSA public key or a certificate.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self> {
        Key::from_pem(pem, jwt::OF_OPENCRVS).map(Self::One).ok_or_else(|| {
            Error::new(Code::Keys, "this is neither an RSA public key nor a certificate in PEM")
        })
    }

    /// Of MOSIP's IAM: `json` is a JSON Web Key Set.
    pub(crate) fn from_jwks(json: &[u8]) -> Result<Self> {
        Jwks::read(json, jwt::OF_MOSIP).map(Self::Set)
    }

    /// The claims of `token`, whose signature is checked under these keys.
    fn verify(&self, token: &str) -> Result<Vec<u8>, Unverified> {
        match self {
            Self::One(key) => key.verify(token).map_err(Unverified::UnknownKey),
            Self::Set(keys) => keys.verify(token),
        }
    }
}

/// What the tokens of one kind of caller have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demands {
    /// OpenCRVS's auth service made it.
    Opencrvs {
        /// `iss`
        issuer: String,
        /// In `aud`; `None`: whatever is there.
        audience: Option<String>,
    },
    /// MOSIP's IAM made it, a Keycloak. The comparisons are those of MOSIP's own services.
    Mosip {
        /// The host of `iss`.
        issuer_host: String,
        /// One of these is in `aud` or is `azp`, in upper or lower case.
        allowed: Vec<String>,
        /// Among the roles of the realm.
        role: Option<String>,
    },
}

/// What a token of OpenCRVS that came with a registration is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// `eventId`, the record.
    pub(crate) event_id: Option<String>,
    /// `actionId`, the action of it that waits.
    pub(crate) action_id: Option<String>,
}

impl Demands {
    /// What these tokens may be signed with.
    fn algs(&self) -> &'static [Algorithm] {
        match self {
            Self::Opencrvs { .. } => jwt::OF_OPENCRVS,
            Self::Mosip { .. } => jwt::OF_MOSIP,
        }
    }

    fn check(&self, claims: &[u8], now: Timestamp) -> Result<Purpose, Refusal> {
        let claims = Claims::read(claims)?;
        claims.check_ends(now)?;
        claims.check_issued(now)?;
        let audience = claims.aud.as_ref().map(Audience::all).unwrap_or_default();
        let is_right = match self {
            Self::Opencrvs { issuer, .. } if claims.iss.as_ref() != Some(issuer) => {
                return Err("iss is not the configured issuer");
            }
            Self::Opencrvs { audience: Some(wanted), .. } if !audience.contains(wanted) => {
                return Err("aud does not hold the configured audience");
            }
            Self::Opencrvs { .. } => true,
            Self::Mosip { issuer_host, allowed, role } => {
                let issuer: Option<Uri> = claims.iss.as_ref().and_then(|iss| iss.parse().ok());
                let host = issuer.as_ref().and_then(Uri::host);
                if !host.is_some_and(|host| host.eq_ignore_ascii_case(issuer_host)) {
                    return Err("the host of iss is not the configured one");
                }
                let is_allowed = |name: &String| allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
                if !audience.iter().chain(&claims.azp).any(is_allowed) {
                    return Err("neither aud nor azp is an allowed one");
                }
                role.as_ref().is_none_or(|role| claims.has_role(role))
            }
        };
        if !is_right {
            return Err("the demanded role is not among its roles");
        }
        let (event_id, action_id) = claims.names_record();
        Ok(Purpose { event_id, action_id })
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Code::Unauthorized, "the bearer token is refused").for_operator(why)
}

/// Whether some key could make `token` good at `now`: it is a JWT under an accepted algorithm that says what it has to. The caller gets the
/// same refusal for every failed check.
pub(crate) fn could_be_good(demands: &Demands, token: &str, now: Timestamp) -> Result<()> {
    let claims = jwt::unverified(token, demands.algs()).map_err(refuse)?;
    demands.check(&claims, now).map(drop).map_err(refuse)
}

/// Checks a bearer token at `now`, and says what it is for. The caller gets the same refusal for every failed check. The operator's log names
/// the check.
pub(crate) fn check(keys: &Keys, demands: &Demands, token: &str, now: Timestamp) -> Result<Purpose, Denied> {
    let claims = keys.verify(token).map_err(|unverified| unverified.denied(refuse))?;
    demands.check(&claims, now).map_err(|why| Denied::Refused(refuse(why)))
}

/// The key of OpenCRVS's auth service and the claims that its tokens must have. No `Debug`.
pub struct CallerKey {
    keys: Keys,
    demands: Demands,
}

impl CallerKey {
    /// `pem` is an RSA public key or a certificate.
    pub fn from_pem(pem: &[u8], issuer: String, audience: String) -> Result<Self> {
        let demands = Demands::Opencrvs { issuer, audience: Some(audience) };
        Ok(Self { keys: Keys::from_pem(pem)?, demands })
    }

    /// Checks a bearer token at `now`, as every kind of caller's is.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<()> {
        check(&self.keys, &self.demands, token, now).map(drop).map_err(Error::from)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8] = include_bytes!("../../tests/vectors/keys/issuer.key.pem");
    const CERTIFICATE: &[u8] = include_bytes!("../../tests/vectors/keys/issuer.crt.pem");
    const JWKS: &[u8] = include_bytes!("../../tests/vectors/keys/issuer.jwks.json");
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
        check(&token(&Header::new(Algorithm::RS256), &claims(), KEY)).unwrap();
        check(&with("aud", json!("opencrvs:mosip-user"))).unwrap();
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
        let file: Value = serde_json::from_str(include_str!("../../tests/vectors/callers.json")).unwrap();
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
        (by_audience["azp"], by_audience["aud"]) =
            (json!("other"), json!(["account", "mosip-regproc-client"]));
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
        let purpose =
            |action: Option<&str>| Purpose { event_id: Some("e1".into()), action_id: action.map(Into::into) };
        assert_eq!(of("a1".into()).ok(), Some(purpose(Some("a1"))));
        assert_eq!(of(json!(7)).ok(), Some(purpose(None)));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "a.b", "a.b.c", "…"] {
            assert!(why(text).contains("not a JWT"));
        }
    }
}
