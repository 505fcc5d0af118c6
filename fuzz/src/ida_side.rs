//! IDA's side of the cryptography: it opens our requests and seals identities.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mosip_gateway::crypto::aead::{self, Nonce};
use mosip_gateway::crypto::rsa::PrivateKey;
use mosip_gateway::crypto::secret::SessionKey;
use mosip_gateway::keys::Certificate;
use serde_json::Value;

const IV: [u8; 16] = [7; 16];

/// The factors in the request `body`, which is sealed to `key`.
pub fn open(body: &[u8], key: &PrivateKey) -> Value {
    let body: Value = serde_json::from_slice(body).unwrap();
    let member = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(body[name].as_str().unwrap()).unwrap();
    let session = key.unwrap(&member("requestSessionKey")).unwrap();
    let mut request = member("request");
    let iv = request.split_off(request.len() - IV.len()).try_into().unwrap();
    let inner = aead::open_in_place(&session, Nonce::Sixteen(&iv), &[], &mut request).unwrap();
    serde_json::from_slice(inner).unwrap()
}

/// `sessionKey` and `identity` of a kyc reply, sealed to `certificate`.
pub fn seal(identity: &[u8], certificate: &Certificate) -> (String, String) {
    let key = SessionKey::generate();
    let mut sealed = identity.to_vec();
    aead::seal_tail(&key, Nonce::Sixteen(&IV), &[], &mut sealed, 0).unwrap();
    sealed.extend_from_slice(&IV);
    let wrapped = certificate.public_key().wrap(&key).unwrap();
    (BASE64_URL_SAFE_NO_PAD.encode(wrapped), BASE64_URL_SAFE_NO_PAD.encode(sealed))
}
