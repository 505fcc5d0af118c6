//! The tokens that eSignet makes, true and false ones.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::{Esignet, SUBJECT, token};
use crate::crypto::jwk::Jwk;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::crypto::{base64, ec, jwe, sha256};
use crate::simulator::EsignetLie;

/// A key on P-256 that was made for this run.
pub(super) struct EcSigner {
    kid: String,
    key: EncodingKey,
    jwk: Value,
}

impl EcSigner {
    pub(super) fn generate() -> Option<Self> {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).ok()?;
        let public = ec::PrivateKey::from_der(pkcs8.as_ref()).ok()?;
        let jwk: Value = serde_json::from_str(Jwk::of_ec(public.public_key()).as_json()).ok()?;
        Some(Self { kid: token(), key: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk })
    }

    fn sign(&self, claims: &Value) -> Option<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.key).ok()
    }

    fn public(&self) -> Value {
        let mut jwk = self.jwk.clone();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), json!(self.kid));
            members.insert("use".to_owned(), json!("sig"));
            members.insert("alg".to_owned(), json!("ES256"));
        }
        jwk
    }
}

fn rsa_jwk(kid: &str, key: &PrivateKey) -> Option<Value> {
    let mut jwk: Value = serde_json::from_str(Jwk::of_rsa(key.public_key())?.as_json()).ok()?;
    let members = jwk.as_object_mut()?;
    members.insert("kid".to_owned(), json!(kid));
    members.insert("use".to_owned(), json!("sig"));
    // As MOSIP writes it: no alg, and the end of the certificate in seconds.
    members.insert("exp".to_owned(), json!(4_102_444_800_i64));
    Some(jwk)
}

/// How a token is made.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// What is false in it.
    pub(super) lie: Option<EsignetLie>,
    /// By the key that was made for the rotation.
    pub(super) is_rotated: bool,
}

const ESIGNET_KID: &str = "oidc-service-1";
const KYC_KID: &str = "ida-kyc-exchange-1";

impl Esignet {
    /// The JSON Web Key Set.
    pub(super) fn key_set(&self, is_rotated: bool) -> Value {
        let keys = [
            rsa_jwk(ESIGNET_KID, &self.key),
            rsa_jwk(KYC_KID, &self.kyc_key),
            is_rotated.then(|| self.rotated.public()),
        ];
        json!({ "keys": keys.into_iter().flatten().collect::<Vec<_>>() })
    }

    /// The ID token, or what a lie makes of it.
    pub(super) fn id_token(
        &self,
        how: How,
        access_token: &str,
        nonce: Option<&str>,
        now: i64,
    ) -> Option<String> {
        let mut claims = json!({
            "iss": self.issuer, "sub": SUBJECT, "aud": self.client.id, "iat": now, "exp": now + 600, "auth_time": now,
            "acr": "mosip:idp:acr:generated-code", "at_hash": base64::encode_url(sha256(access_token.as_bytes()).get(..16)?),
        });
        if let Some(nonce) = nonce {
            claims.as_object_mut()?.insert("nonce".to_owned(), json!(nonce));
        }
        self.signed(how, ESIGNET_KID, claims, now)
    }

    /// The userinfo as IDA makes it, or what a lie makes of it; sealed to the client where `seals`.
    pub(super) fn userinfo(&self, how: How, seals: bool, now: i64) -> Option<String> {
        let How { lie, .. } = how;
        let given_name = match lie {
            Some(EsignetLie::OddName) => json!([{"language": "eng", "value": "Leila"}]),
            _ => json!("Leila"),
        };
        let claims = json!({
            "sub": SUBJECT, "given_name": given_name, "middle_name": "Noor", "family_name": "Karim", "gender": "Female",
            "birthdate": "1990/03/14", "address": {"country": "Utopia"},
        });
        if lie == Some(EsignetLie::Plain) {
            return Some(claims.to_string());
        }
        let signed = match lie {
            Some(EsignetLie::Bomb) => "a".repeat(9 << 20),
            _ => self.signed(how, KYC_KID, claims, now)?,
        };
        match seals {
            true => {
                let certificate = &self.client.certificate;
                let kid = base64::encode_url(&sha256(certificate.der()));
                let sealed =
                    jwe::encrypt(certificate.public_key(), Some(&kid), signed.as_bytes(), true).ok()?;
                Some(if lie == Some(EsignetLie::AlteredSeal) { altered(&sealed)? } else { sealed })
            }
            false => Some(signed),
        }
    }

    /// `claims` under the signature of the key `kid`, or what a lie makes of both.
    fn signed(&self, how: How, kid: &str, mut claims: Value, now: i64) -> Option<String> {
        let How { lie, is_rotated } = how;
        let mut set = |name: &str, value: Value| {
            claims.as_object_mut().map(|members| members.insert(name.to_owned(), value));
        };
        match lie {
            Some(EsignetLie::WrongIssuer) => set("iss", json!("https://other.example.org")),
            Some(EsignetLie::WrongAudience) => set("aud", json!("another-client")),
            Some(EsignetLie::WrongSubject) => set("sub", json!("somebody-else")),
            Some(EsignetLie::Expired) => set("exp", json!(now - 600)),
            _ => {}
        }
        match lie {
            Some(EsignetLie::Stranger) => {
                // It shows the kid of the right key.
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some(kid.to_owned());
                jsonwebtoken::encode(&header, &claims, &self.stranger.key).ok()
            }
            Some(EsignetLie::UnknownKid) => self.stranger.sign(&claims),
            Some(EsignetLie::AlgNone) => Some(by_hand(&json!({"alg": "none", "kid": kid}), &claims)),
            Some(EsignetLie::Unsigned) => Some(by_hand(&json!({"alg": "RS256", "kid": kid}), &claims)),
            _ if is_rotated => self.rotated.sign(&claims),
            _ if kid == ESIGNET_KID => rsa(&self.key, SignatureAlgorithm::Ps256, kid, &claims),
            _ => rsa(&self.kyc_key, SignatureAlgorithm::Rs256, kid, &claims),
        }
    }
}

/// Another tag on what was sealed.
fn altered(sealed: &str) -> Option<String> {
    let (head, tag) = sealed.rsplit_once('.')?;
    let other: String = tag.chars().rev().collect();
    Some(format!("{head}.{other}"))
}

fn rsa(key: &PrivateKey, alg: SignatureAlgorithm, kid: &str, claims: &Value) -> Option<String> {
    let protected = Protected { alg, x5c: &[], kid: Some(kid), b64: true };
    jws::sign(key, protected, claims.to_string().as_bytes()).ok()
}

fn by_hand(header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| base64::encode_url(part.to_string().as_bytes()));
    format!("{header}.{claims}.")
}
