//! What MOSIP's side makes, with the keys of `keys.example`.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mosip_gateway::crypto::rsa::PrivateKey;
use mosip_gateway::keys::Certificate;
use mosip_gateway::mosip::envelope::{Flavour, Format, SealOptions, SealedMessage, SignOver, seal_message};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

/// A push as it travels.
pub(crate) struct Push {
    pub(crate) data: String,
    pub(crate) signature: String,
}

impl Push {
    /// What the MOSIP-side mediator posts to `/birthReceiveNid`, with a UINTOKEN of its own.
    pub(crate) fn new(uin_token: &str) -> Self {
        Self::signed_by(&private_key("keys.example/simulator/mosip-priv.key"), uin_token)
    }

    /// As [`Push::new`], by the hand of somebody else.
    pub(crate) fn signed_by(key: &PrivateKey, uin_token: &str) -> Self {
        Self::holding(key, &json!({"uinToken": uin_token, "opencrvsBRN": "2026BPUSH01"}).to_string())
    }

    /// A push of any text.
    pub(crate) fn holding(key: &PrivateKey, plaintext: &str) -> Self {
        let options = SealOptions { format: Format::VerR2, sign: SignOver::Plaintext, base64: Flavour::Url };
        let sealed = seal_message(
            &certificate("keys.example/opencrvs-pub.key"),
            Some(key),
            plaintext.as_bytes(),
            options,
        );
        let SealedMessage { data, signature, .. } = sealed.unwrap();
        Self { data, signature: signature.unwrap() }
    }

    /// The body; `id` and `requestTime` are empty, as they are from MOSIP.
    pub(crate) fn body(&self) -> String {
        json!({"id": "", "requestTime": "", "data": self.data, "signature": self.signature}).to_string()
    }
}

/// A bearer token that OpenCRVS's auth service could have made.
pub(crate) fn caller_token() -> String {
    caller_token_of(&[])
}

/// The same with these claims besides.
pub(crate) fn caller_token_of(more: &[(&str, &str)]) -> String {
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, json!(value))).collect();
    caller_token_saying(&more)
}

/// The same with these claims over its own; null takes one away.
pub(crate) fn caller_token_saying(more: &[(&str, Value)]) -> String {
    token("keys.example/simulator/opencrvs-jwt-priv.key", more)
}

/// The same by the hand of somebody else.
pub(crate) fn caller_token_signed_by(key: &str) -> String {
    token(key, &[])
}

fn token(key: &str, more: &[(&str, Value)]) -> String {
    let key = std::fs::read(key).unwrap();
    let mut claims: Value = json!({
        "iss": "opencrvs:auth-service",
        "aud": ["opencrvs:mosip-user"],
        "exp": super::now().seconds() + 600,
    });
    for (name, value) in more {
        claims[*name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let key = EncodingKey::from_rsa_pem(&key).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

fn certificate(path: &str) -> Certificate {
    Certificate::from_der(&CertificateDer::from_pem_file(path).unwrap()).unwrap()
}

/// A key in PKCS#8 PEM.
pub(crate) fn private_key(path: &str) -> PrivateKey {
    let der = PrivatePkcs8KeyDer::from_pem_file(path).unwrap();
    PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).unwrap()
}
