//! JSON Web Key Sets (RFC 7517 5): the keys by which MOSIP's IAM and eSignet sign.

use jsonwebtoken::Algorithm;
use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::jwt::{self, Key, Refusal};
use crate::error::{Code, Error, Result};
use crate::json::Object;

/// Most keys of one set; a real one has a handful.
const MOST_KEYS: usize = 100;

/// Most keys that are tried on one token: those of its `kid`, or all where it names none.
const MOST_TRIES: usize = 16;

const NO_ALG: Refusal = "its algorithm is none of those that are accepted for its key";

/// The keys of a set that are of use: RSA and P-256, for signatures. No `Debug`.
pub(crate) struct Jwks(Vec<(Option<String>, Key)>);

/// Why a token does not verify.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unverified {
    /// None of the keys signed it. A key that the issuer made since may have.
    UnknownKey(Refusal),
    /// The key that it names did not sign it. One that has this name since may have.
    WrongSignature(Refusal),
    /// It is no token, or no key can make it good.
    Refused(Refusal),
}

/// Why a token is not taken.
pub(crate) enum Denied {
    /// None of the keys signed it. A key that the issuer made since may have.
    UnknownKey(Error),
    /// The key that it names did not sign it. One that has this name since may have; where nobody can tell, it is refused.
    WrongSignature(Error),
    /// No other key changes that.
    Refused(Error),
}

impl Unverified {
    /// With the refusal that is made of the reason.
    pub(super) fn denied(self, refuse: impl Fn(&str) -> Error) -> Denied {
        match self {
            Self::UnknownKey(why) => Denied::UnknownKey(refuse(why)),
            Self::WrongSignature(why) => Denied::WrongSignature(refuse(why)),
            Self::Refused(why) => Denied::Refused(refuse(why)),
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        let (Denied::UnknownKey(error) | Denied::WrongSignature(error) | Denied::Refused(error)) = denied;
        error
    }
}

impl Jwks {
    /// Reads a set, whose keys may sign with `algs`. A key that is of no use, or that does not read, does not spoil the others.
    ///
    /// # Errors
    ///
    /// [`Code::Upstream`] where it is no set, or where none of its keys, or more than a hundred, can be used.
    pub(super) fn read(json: &[u8], algs: &[Algorithm]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Set<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        let refuse = |what: &str| {
            Error::new(Code::Upstream, what).advise(
                "Check the URL of the keys: a JSON Web Key Set has to stand there, not a login page or a proxy.",
            )
        };
        let Object(set): Object<Set<'_>> =
            serde_json::from_slice(json).map_err(|_| refuse("the keys are no JSON Web Key Set"))?;
        if set.keys.len() > MOST_KEYS {
            return Err(refuse("the JSON Web Key Set has more than a hundred keys"));
        }
        let keys: Vec<_> = set
            .keys
            .iter()
            .filter_map(|text| serde_json::from_str::<Jwk>(text.get()).ok())
            .filter_map(|jwk| Some((jwk.common.key_id.clone(), Key::from_jwk(&jwk, algs)?)))
            .collect();
        if keys.is_empty() {
            return Err(refuse(
                "the JSON Web Key Set has no key for signatures of a kind that is accepted here",
            ));
        }
        Ok(Self(keys))
    }

    /// The claims of `token`, as JSON, once its signature has been checked. Where several keys have its `kid`, each of them counts.
    pub(super) fn verify(&self, token: &str) -> Result<Vec<u8>, Unverified> {
        let header = jwt::header(token).map_err(Unverified::Refused)?;
        let is_named = |kid: &Option<String>| header.kid.is_none() || *kid == header.kid;
        let mut named = self.0.iter().filter(|(kid, _)| is_named(kid)).map(|(_, key)| key).peekable();
        if named.peek().is_none() {
            return Err(Unverified::UnknownKey("no key of the issuer has its kid"));
        }
        let mut tried = None;
        for key in named.filter(|key| key.fits(header.alg)).take(MOST_TRIES) {
            match key.verify(token) {
                Ok(claims) => return Ok(claims),
                Err(why) => tried = Some(why),
            }
        }
        Err(match (tried, header.kid) {
            (None, Some(_)) => Unverified::Refused(NO_ALG),
            (None, None) => Unverified::UnknownKey(NO_ALG),
            (Some(why), Some(_)) => Unverified::WrongSignature(why),
            (Some(why), None) => Unverified::UnknownKey(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mosip::jwt::OF_ESIGNET;

    fn file() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/esignet.json")).unwrap()
    }

    fn read(set: &Value) -> Result<Jwks> {
        Jwks::read(set.to_string().as_bytes(), OF_ESIGNET)
    }

    fn token(name: &str) -> String {
        let file = file();
        let cases = file["userinfo"].as_array().unwrap();
        cases.iter().find(|case| case["name"] == name).unwrap()["token"].as_str().unwrap().to_owned()
    }

    fn keys() -> [Value; 2] {
        let file = file();
        [file["jwks"]["keys"][0].clone(), file["jwks"]["keys"][1].clone()]
    }

    fn with(mut key: Value, name: &str, value: &str) -> Value {
        key[name] = value.into();
        key
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let [rsa, _] = keys();
        for text in ["", "<html><title>Login</title></html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#]
        {
            assert_eq!(
                Jwks::read(text.as_bytes(), OF_ESIGNET).err().unwrap().code(),
                Code::Upstream,
                "{text}"
            );
        }
        let of = |count: usize| json!({ "keys": vec![&rsa; count] });
        assert!(read(&of(100)).is_ok());
        assert!(read(&of(101)).err().unwrap().detail().contains("more than a hundred"));
        let of_no_use = json!({"keys": [
            {"kty": "oct", "k": "AAAA"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
            {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        ]});
        assert!(read(&of_no_use).err().unwrap().detail().contains("no key for signatures"));
    }

    #[test]
    fn a_key_that_is_odd_does_not_spoil_the_others() {
        let [rsa, ec] = keys();
        let odd = [
            json!(3),
            json!({"kty": "RSA"}),
            json!({"kty": "RSA", "n": "AQAB", "e": "&"}),
            json!({"kty": "EC", "crv": "P-999", "x": "", "y": ""}),
            json!({"kty": "future"}),
            with(rsa.clone(), "use", "enc"),
        ];
        let keys = [&odd[..], &[rsa, ec]].concat();
        let set = json!({ "keys": keys });
        read(&set).unwrap().verify(&token("ps256-as-esignet-signs")).unwrap();
        read(&set).unwrap().verify(&token("es256")).unwrap();
    }

    #[test]
    fn a_key_that_is_for_other_operations_verifies_nothing() {
        let [rsa, _] = keys();
        let name = "ps256-as-esignet-signs";
        for (operations, counts) in [
            (json!(["verify"]), true),
            (json!(["verify", "of-tomorrow"]), true),
            (json!(["encrypt"]), false),
            (json!(["sign"]), false),
            (json!([]), false),
        ] {
            let mut key = rsa.clone();
            key["key_ops"] = operations.clone();
            let set = read(&json!({ "keys": [key] }));
            assert_eq!(set.is_ok_and(|set| set.verify(&token(name)).is_ok()), counts, "{operations}");
        }
    }

    /// MOSIP writes the end of a certificate into its keys. RFC 7517 knows no such member, and eSignet takes out the keys that no longer count.
    #[test]
    fn a_key_counts_while_the_set_lists_it_whatever_its_exp() {
        let [rsa, _] = keys();
        for exp in [json!(0), json!(1), json!(4_102_444_800_i64), json!("soon")] {
            let mut key = rsa.clone();
            key["exp"] = exp;
            read(&json!({ "keys": [key] })).unwrap().verify(&token("ps256-as-esignet-signs")).unwrap();
        }
    }

    #[test]
    fn of_two_keys_of_one_kid_the_right_one_counts() {
        let [rsa, ec] = keys();
        let stranger = with(ec.clone(), "kid", "es-rsa");
        let set = json!({"keys": [stranger, &ec, rsa]});
        read(&set).unwrap().verify(&token("rs256-as-ida-signs")).unwrap();
        read(&set).unwrap().verify(&token("es256")).unwrap();
    }

    #[test]
    fn a_token_that_names_no_key_is_tried_under_all_of_a_usual_set() {
        let issuer: Value =
            serde_json::from_str(include_str!("../../tests/vectors/keys/issuer.jwks.json")).unwrap();
        let right = issuer["keys"][0].clone();
        let modulus = right["n"].as_str().unwrap().to_owned();
        let others = (0..7).map(|nth| with(right.clone(), "n", &modulus.replacen("A", "B", nth + 1)));
        let keys: Vec<Value> =
            others.filter(|key| key["n"] != modulus.as_str()).chain([right.clone()]).collect();
        assert!(keys.len() > 5);
        let set = Jwks::read(json!({ "keys": keys }).to_string().as_bytes(), jwt::OF_MOSIP).unwrap();
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(include_bytes!(
            "../../tests/vectors/keys/issuer.key.pem"
        ));
        let token =
            jsonwebtoken::encode(&jsonwebtoken::Header::new(Algorithm::RS256), &json!({}), &key.unwrap())
                .unwrap();
        set.verify(&token).unwrap();
    }

    #[test]
    fn a_key_says_what_it_signs_with_and_the_token_does_not() {
        let [rsa, ec] = keys();
        let ps256 = json!({"keys": [with(rsa.clone(), "alg", "PS256"), with(ec, "kid", "es-ec")]});
        read(&ps256).unwrap().verify(&token("ps256-as-esignet-signs")).unwrap();
        let refused = read(&ps256).unwrap().verify(&token("rs256-as-ida-signs"));
        assert!(matches!(refused, Err(Unverified::Refused(_))), "{refused:?}");
        let for_encryption = json!({"keys": [with(rsa, "alg", "RSA-OAEP-256")]});
        assert!(read(&for_encryption).is_err());
    }

    #[test]
    fn an_unknown_kid_is_told_from_a_wrong_signature() {
        let set = read(&file()["jwks"]).unwrap();
        for (name, expected) in [
            ("unknown-kid", "no key of the issuer has its kid"),
            ("strangers-key", "algorithm, signature or claims"),
            ("alg-none", "not a JWT"),
            ("unsigned", "algorithm, signature or claims"),
            ("unknown-crit", "it has a crit header"),
            ("hs256-under-the-public-key", "its algorithm is none of those that are accepted for its key"),
            ("rs512-is-not-agreed", "its algorithm is none of those that are accepted for its key"),
        ] {
            let wanted = match name {
                "unknown-kid" => Unverified::UnknownKey(expected),
                "strangers-key" | "unsigned" => Unverified::WrongSignature(expected),
                _ => Unverified::Refused(expected),
            };
            assert_eq!(set.verify(&token(name)).err(), Some(wanted), "{name}");
        }
    }
}
