//! Messages of MOSIP's side for tests, made with the keys of the vectors.

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::envelope::{self, Flavour, Format, SealOptions, SignOver, seal_message};
use super::push::Notice;
use super::{Attested, Stated, Transport};
use crate::crypto::base64;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, SignatureAlgorithm};
use crate::keys::Certificate;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/keys");

/// A post to `/birthReceiveNid` that holds `plaintext`, signed by `mosip` and sealed to `partner`.
pub(crate) fn push(plaintext: &str) -> Bytes {
    let to = CertificateDer::from_pem_file(format!("{KEYS}/partner.crt.pem")).unwrap();
    let mosip = PrivatePkcs8KeyDer::from_pem_file(format!("{KEYS}/mosip.key.pem")).unwrap();
    let mosip = PrivateKey::from_pkcs8_der(mosip.secret_pkcs8_der()).unwrap();
    let options = SealOptions { format: Format::VerR2, sign: SignOver::Plaintext, base64: Flavour::Url };
    let to = Certificate::from_der(&to).unwrap();
    let sealed = seal_message(&to, Some(&mosip), plaintext.as_bytes(), options).unwrap();
    json!({ "id": "", "requestTime": "", "data": sealed.data, "signature": sealed.signature })
        .to_string()
        .into()
}

/// A UINTOKEN for the birth with the number `brn`.
pub(crate) fn uin_token(token: &str, brn: &str) -> Bytes {
    push(&json!({ "uinToken": token, "opencrvsBRN": brn }).to_string())
}

/// A notice from a push of the hub that MOSIP does not sign.
pub(crate) fn under_the_hub(notice: Notice) -> Stated<Notice> {
    Stated::Unsigned(Attested::new(notice, Transport::Hub))
}

/// A message of the hub that brings `credential`, sealed to `partner`; signed by the key of the file `signer`, where one is named.
pub(crate) fn issued(credential: &Value, signer: Option<&str>) -> Value {
    let plaintext = credential.to_string();
    let proof = signer.map(|signer| {
        let key = PrivatePkcs8KeyDer::from_pem_file(format!("{KEYS}/{signer}.key.pem")).unwrap();
        let key = PrivateKey::from_pkcs8_der(key.secret_pkcs8_der()).unwrap();
        let protected = Protected { alg: SignatureAlgorithm::Rs256, x5c: &[], kid: None, b64: true };
        json!({ "signature": jws::sign_detached(&key, protected, plaintext.as_bytes()).unwrap() })
    });
    json!({
        "publisher": "CREDENTIAL_SERVICE", "topic": "partner/CREDENTIAL_ISSUED",
        "publishedOn": "2026-11-24T08:00:02.000Z",
        "event": {
            "id": "event-1", "transactionId": "request-1", "timestamp": "2026-11-24T08:00:02.000Z",
            "dataShareUri": null, "type": { "namespace": "mosip", "name": "mosip" },
            "data": {
                "credential": sealed(plaintext.as_bytes()), "proof": proof, "credentialType": "opencrvs",
                "protectionKey": "123456", "registrationId": "10001"
            }
        }
    })
}

/// An envelope for `partner`, in base64.
pub(crate) fn sealed(plaintext: &[u8]) -> String {
    sealed_to("partner", plaintext)
}

/// An envelope for the certificate of the file `name`, in base64.
pub(crate) fn sealed_to(name: &str, plaintext: &[u8]) -> String {
    let to = CertificateDer::from_pem_file(format!("{KEYS}/{name}.crt.pem")).unwrap();
    let to = Certificate::from_der(&to).unwrap();
    base64::encode_url(&envelope::seal(&to, plaintext, Format::VerR2).unwrap())
}
