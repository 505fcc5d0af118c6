//! eSignet: a login with authorization code, pushed parameters, proofs of possession, a key set that rotates, and sealed userinfo.
//!
//! It is as strict as the newest release, and stricter: an assertion lives five minutes at most and its `jti` is used once, a verifier of
//! PKCE fits its challenge and does not stand without one, a proof fits its request, and a code is used once. There is no page: whoever
//! comes to `/authorize` is logged in as Leila Karim. On request it lies ([`EsignetLie`](super::EsignetLie)).

mod check;
mod routes;
mod sign;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;

pub(super) use routes::routes;

use self::sign::EcSigner;
use super::settings::StartError;
use crate::crypto::base64;
use crate::crypto::rsa::PrivateKey;
use crate::crypto::secret::random;
use crate::keys::Certificate;

/// The one client that eSignet knows.
pub struct EsignetClient {
    /// `client_id`
    pub id: String,
    /// Its public JSON Web Key, as JSON; private members are not read.
    pub jwk: String,
    /// Userinfo is sealed to it.
    pub certificate: Certificate,
}

/// The `sub` of everybody who logs in.
const SUBJECT: &str = "294872947294729472947294729472947294";

/// eSignet's state. Cheap to share.
pub struct Esignet {
    client: EsignetClient,
    key_of_client: DecodingKey,
    /// Without a trailing slash.
    issuer: String,
    /// Signs ID tokens, PS256, and the JSON of plugins.
    key: Arc<PrivateKey>,
    /// Signs the userinfo that IDA makes, RS256.
    kyc_key: Arc<PrivateKey>,
    /// Signs everything after a rotation, ES256.
    rotated: EcSigner,
    stranger: EcSigner,
    memory: Mutex<Memory>,
    keys_served: AtomicUsize,
}

#[derive(Default)]
struct Memory {
    codes: BTreeMap<String, Begun>,
    tokens: BTreeMap<String, Bound>,
    pushed: BTreeMap<String, BTreeMap<String, String>>,
    /// Of assertions and proofs.
    jtis: BTreeSet<String>,
    nonces: BTreeSet<String>,
}

/// A login whose code was not used yet.
struct Begun {
    redirect_uri: String,
    challenge: Option<String>,
    nonce: Option<String>,
}

/// A token, and the thumbprint of the key that it is bound to.
struct Bound {
    thumbprint: Option<String>,
}

impl Esignet {
    pub(super) fn new(
        base_url: &str,
        client: EsignetClient,
        key: Arc<PrivateKey>,
        kyc_key: Arc<PrivateKey>,
    ) -> Result<Self, StartError> {
        let jwk: Jwk = serde_json::from_str(&client.jwk).map_err(|_| StartError::TokenKey)?;
        Ok(Self {
            key_of_client: DecodingKey::from_jwk(&jwk).map_err(|_| StartError::TokenKey)?,
            client,
            issuer: base_url.to_owned(),
            key,
            kyc_key,
            rotated: EcSigner::generate().ok_or(StartError::TokenKey)?,
            stranger: EcSigner::generate().ok_or(StartError::TokenKey)?,
            memory: Mutex::default(),
            keys_served: AtomicUsize::new(0),
        })
    }

    /// How often the key set was fetched.
    pub fn keys_served(&self) -> usize {
        self.keys_served.load(Ordering::SeqCst)
    }

    /// A login that has just succeeded, as the browser brings it back: its code.
    pub fn log_in(&self, redirect_uri: &str, challenge: Option<&str>, nonce: Option<&str>) -> String {
        let begun = Begun {
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            nonce: nonce.map(str::to_owned),
        };
        let code = token();
        self.memory().codes.insert(code.clone(), begun);
        code
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// 128 random bits.
fn token() -> String {
    base64::encode_url(&random::<16>())
}
