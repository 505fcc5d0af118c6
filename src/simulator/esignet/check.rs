//! What eSignet checks of its client: the assertion, the proof of possession. The checks are jsonwebtoken's and rules of this file, so that
//! they share nothing with what the gateway signs with.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::{Esignet, token};
use crate::crypto::{base64, sha256};

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 5;

/// An assertion lives no longer, in seconds.
const LONGEST_LIFE: i64 = 300;

/// Why a request is refused: the word of the error.
pub(super) type Refused = &'static str;

/// The request that a proof has to fit.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) url: &'a str,
    pub(super) access_token: Option<&'a str>,
    pub(super) now: i64,
}

impl Esignet {
    /// The client of `form`, by its assertion for `audience`.
    pub(super) fn check_client(
        &self,
        form: &BTreeMap<String, String>,
        audience: &str,
        now: i64,
    ) -> Result<(), Refused> {
        let field = |name: &str| form.get(name).map(String::as_str);
        if field("client_id") != Some(&self.client.id) {
            return Err("invalid_client_id");
        }
        if field("client_assertion_type") != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
            return Err("invalid_assertion_type");
        }
        let assertion = field("client_assertion").ok_or("invalid_assertion")?;
        let header = jsonwebtoken::decode_header(assertion).map_err(|_| "invalid_assertion")?;
        if !matches!(header.alg, Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256) {
            return Err("invalid_assertion");
        }
        let claims = decode(assertion, &self.key_of_client, header.alg).ok_or("invalid_client")?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let id = Some(self.client.id.as_str());
        let is_ours = text("iss") == id && text("sub") == id;
        let is_for_us = [Some(audience), Some(self.issuer.as_str())].contains(&text("aud"));
        let lives = match (number("iat"), number("exp")) {
            (Some(iat), Some(exp)) => iat <= now + LEEWAY && now < exp + LEEWAY && exp - iat <= LONGEST_LIFE,
            _ => false,
        };
        let jti = text("jti").filter(|jti| !jti.trim().is_empty()).ok_or("invalid_assertion")?;
        if !(is_ours && is_for_us && lives && self.memory().jtis.insert(jti.to_owned())) {
            return Err("invalid_assertion");
        }
        Ok(())
    }

    /// The thumbprint of the key of the proof in `headers`, which fits `request` and holds a nonce that was given out.
    pub(super) fn check_proof(&self, headers: &HeaderMap, request: &Request<'_>) -> Result<String, Refused> {
        const WRONG: Refused = "invalid_dpop_proof";
        let mut proofs = headers.get_all("dpop").iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else { return Err(WRONG) };
        let proof = proof.to_str().map_err(|_| WRONG)?;
        let header = jsonwebtoken::decode_header(proof).map_err(|_| WRONG)?;
        let jwk = header.jwk.as_ref().filter(|_| header.typ.as_deref() == Some("dpop+jwt")).ok_or(WRONG)?;
        if header.alg != Algorithm::ES256 || has_private_member(proof) {
            return Err(WRONG);
        }
        let key = DecodingKey::from_jwk(jwk).map_err(|_| WRONG)?;
        let claims = decode(proof, &key, Algorithm::ES256).ok_or(WRONG)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let is_new =
            claims.get("iat").and_then(Value::as_i64).is_some_and(|iat| (iat - request.now).abs() <= 60);
        let ath = request.access_token.map(|token| base64::encode_url(&sha256(token.as_bytes())));
        if text("htm") != Some(request.method)
            || text("htu") != Some(request.url)
            || text("ath") != ath.as_deref()
            || !is_new
        {
            return Err(WRONG);
        }
        let mut memory = self.memory();
        if !text("jti").is_some_and(|jti| !jti.is_empty() && memory.jtis.insert(jti.to_owned())) {
            return Err(WRONG);
        }
        if !text("nonce").is_some_and(|nonce| memory.nonces.remove(nonce)) {
            return Err("use_dpop_nonce");
        }
        jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| WRONG)
    }

    /// What the next proof has to hold. It can be used once.
    pub(super) fn new_nonce(&self) -> String {
        let nonce = token();
        self.memory().nonces.insert(nonce.clone());
        nonce
    }
}

fn has_private_member(proof: &str) -> bool {
    let header = proof.split('.').next().unwrap_or_default();
    let header = base64::decode_url_strict(header.as_bytes()).unwrap_or_default();
    let header: Value = serde_json::from_slice(&header).unwrap_or_default();
    header.pointer("/jwk/d").is_some()
}

fn decode(token: &str, key: &DecodingKey, alg: Algorithm) -> Option<Value> {
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, key, &validation).ok().map(|read| read.claims)
}
