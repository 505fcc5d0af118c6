//! JWTs that carry claims (RFC 7519): those of callers, and those that eSignet signs. The key, and with it the algorithm, is named by the
//! configuration or by a document of the issuer, never by the token.
//!
//! `jsonwebtoken` checks form, algorithm and signature. It accepts an unknown `crit`, passes an absent `iss` and reads the wall
//! clock, so those checks are made here, against our clock.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Header, Validation};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::crypto::{base64, ec, rsa};
use crate::error::{Code, Error, Result};
use crate::json::{self, Object};

/// How far two clocks may differ, in seconds.
const LEEWAY: i64 = 60;

/// The algorithm that OpenCRVS's auth service signs with.
pub(super) const OF_OPENCRVS: &[Algorithm] = &[Algorithm::RS256];

/// The algorithms that MOSIP's IAM may sign with.
pub(super) const OF_MOSIP: &[Algorithm] = &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512];

/// The algorithms that eSignet may sign with.
pub(super) const OF_ESIGNET: &[Algorithm] = &[Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];

/// What is wrong with a token, for the operator's log. It repeats nothing of the token.
pub(super) type Refusal = &'static str;

/// A public key that verifies. No `Debug`.
pub(crate) struct Key {
    key: DecodingKey,
    /// Of one family.
    algs: Vec<Algorithm>,
}

impl Key {
    /// `pem` is an RSA public key or a certificate. `None`: it is neither.
    pub(super) fn from_pem(pem: &[u8], algs: &[Algorithm]) -> Option<Self> {
        DecodingKey::from_rsa_pem(pem)
            .ok()
            .map(|key| Self { key, algs: of_family(algs, AlgorithmFamily::Rsa) })
    }

    /// A key of a JSON Web Key Set. `None`: it is of no use here, since its type, curve or algorithm is another, or it is not for
    /// signatures (`use`, `key_ops`: RFC 7517 4.2 and 4.3). MOSIP's `exp` is no member of a key (RFC 7517 4): the set says which keys count.
    pub(super) fn from_jwk(jwk: &Jwk, algs: &[Algorithm]) -> Option<Self> {
        let family = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => AlgorithmFamily::Rsa,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                AlgorithmFamily::Ec
            }
            _ => return None,
        };
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let may_verify = jwk
            .common
            .key_operations
            .as_ref()
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let mut algs = of_family(algs, family);
        if let Some(named) = &jwk.common.key_algorithm {
            algs.retain(|alg| named.to_string().parse::<Algorithm>().is_ok_and(|named| named == *alg));
        }
        let key = DecodingKey::from_jwk(jwk).ok()?;
        (is_for_signatures && may_verify && !algs.is_empty()).then_some(Self { key, algs })
    }

    /// Whether it verifies tokens under `alg`.
    pub(super) fn fits(&self, alg: Algorithm) -> bool {
        self.algs.contains(&alg)
    }

    /// The claims of `token`, as JSON, once its signature has been checked.
    pub(super) fn verify(&self, token: &str) -> Result<Vec<u8>, Refusal> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms.clone_from(&self.algs);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<IgnoredAny>(token, &self.key, &validation)
            .map_err(|_| header(token).err().unwrap_or("algorithm, signature or claims"))?;
        refuse_crit(&decoded.header)?;
        claims_of(token)
    }
}

fn claims_of(token: &str) -> Result<Vec<u8>, Refusal> {
    let claims = token.split('.').nth(1).unwrap_or_default();
    base64::decode_url_strict(claims.as_bytes()).map_err(|_| "the claims are not base64url")
}

/// The claims of `token`, as JSON, whose signature nobody has checked, if it is a JWT under one of `algs`.
pub(super) fn unverified(token: &str, algs: &[Algorithm]) -> Result<Vec<u8>, Refusal> {
    if !algs.contains(&header(token)?.alg) {
        return Err("its algorithm is none of those that are accepted");
    }
    claims_of(token)
}

fn of_family(algs: &[Algorithm], family: AlgorithmFamily) -> Vec<Algorithm> {
    algs.iter().copied().filter(|alg| alg.family() == family).collect()
}

/// The header of `token`, unverified. A `crit` is refused, whatever it names.
pub(super) fn header(token: &str) -> Result<Header, Refusal> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| "not a JWT")?;
    refuse_crit(&header)?;
    Ok(header)
}

fn refuse_crit(header: &Header) -> Result<(), Refusal> {
    match header.crit {
        Some(_) => Err("it has a crit header"),
        None => Ok(()),
    }
}

/// The claims that are looked at (RFC 7519 4.1, OpenID Connect Core 2 and 3.1.3.6).
#[derive(Deserialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    pub(super) sub: Option<String>,
    pub(super) aud: Option<Audience>,
    pub(super) azp: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) at_hash: Option<String>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    realm_access: Option<RealmAccess>,
    #[serde(rename = "eventId")]
    event_id: Option<Value>,
    #[serde(rename = "actionId")]
    action_id: Option<Value>,
}

/// The roles of Keycloak.
#[derive(Deserialize)]
struct RealmAccess {
    #[serde(default)]
    roles: Vec<String>,
}

/// `aud`
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Claims {
    /// From verified JSON, an object in which no name stands twice.
    pub(super) fn read(json: &[u8]) -> Result<Self, Refusal> {
        json::read(json)
            .map(|Object(claims)| claims)
            .map_err(|_| "the claims are no object with each name once")
    }

    /// That it has not ended, where it says when, and that it has begun.
    pub(super) fn check_dates(&self, now: Timestamp) -> Result<(), Refusal> {
        let now = now.seconds();
        let passes = |date: &Option<Value>, is_right: &dyn Fn(i64) -> bool| {
            date.as_ref().is_none_or(|date| json::seconds(date).is_some_and(is_right))
        };
        if !passes(&self.exp, &|exp| exp.saturating_add(LEEWAY) > now) {
            return Err("exp is absent, no date or past");
        }
        if !passes(&self.nbf, &|nbf| nbf.saturating_sub(LEEWAY) <= now) {
            return Err("nbf is no date or in the future");
        }
        Ok(())
    }

    /// The same for a token that has to end.
    pub(super) fn check_ends(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.exp.is_none() {
            return Err("exp is absent, no date or past");
        }
        self.check_dates(now)
    }

    /// That it was not issued in the future, where it says when. `None`: it does not say.
    pub(super) fn check_issued(&self, now: Timestamp) -> Result<Option<()>, Refusal> {
        let Some(iat) = &self.iat else { return Ok(None) };
        match json::seconds(iat) {
            Some(iat) if iat.saturating_sub(LEEWAY) <= now.seconds() => Ok(Some(())),
            _ => Err("iat is no date or in the future"),
        }
    }

    /// When it ends, where it says so.
    pub(super) fn ends(&self) -> Option<Timestamp> {
        self.exp.as_ref().and_then(json::seconds).map(Timestamp::from_seconds)
    }

    /// The record of OpenCRVS that it is for, and the action there; what is no text is not there.
    pub(super) fn names_record(self) -> (Option<String>, Option<String>) {
        let text = |value| if let Some(Value::String(text)) = value { Some(text) } else { None };
        (text(self.event_id), text(self.action_id))
    }

    /// Whether it names `role` among the roles of the realm.
    pub(super) fn has_role(&self, role: &str) -> bool {
        self.realm_access.as_ref().is_some_and(|access| access.roles.iter().any(|held| held == role))
    }
}

/// A private key of ours that signs JWTs.
#[derive(Clone, Copy)]
pub(crate) enum Signer<'k> {
    /// `RS256`
    Rsa(&'k rsa::PrivateKey),
    /// `ES256`
    Ec(&'k ec::PrivateKey),
}

impl Signer<'_> {
    /// Its name (RFC 7518 3.1).
    pub(super) const fn alg(self) -> &'static str {
        match self {
            Self::Rsa(_) => SignatureAlgorithm::Rs256.name(),
            Self::Ec(_) => "ES256",
        }
    }

    /// Whether it signs before another thread could have taken that over.
    pub(crate) const fn is_quick(self) -> bool {
        matches!(self, Self::Ec(_))
    }

    /// A JWT of `header`, whose `alg` is [`Self::alg`], and `claims`.
    pub(super) fn sign(self, header: &impl Serialize, claims: &impl Serialize) -> Result<String> {
        let mut token = part(header)?;
        token.push('.');
        token.push_str(&part(claims)?);
        let signature = match self {
            Self::Rsa(key) => key.sign(SignatureAlgorithm::Rs256, &[token.as_bytes()])?,
            Self::Ec(key) => key.sign(token.as_bytes())?,
        };
        token.push('.');
        token.push_str(&base64::encode_url(&signature));
        Ok(token)
    }
}

fn part(json: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(json)
        .map_err(|_| Error::new(Code::Bug, "a part of a token does not serialise"))?;
    Ok(base64::encode_url(&json))
}
