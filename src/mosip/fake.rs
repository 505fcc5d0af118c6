//! What MOSIP's side sends, made with the keys of the vectors. For tests.

use bytes::Bytes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;

use super::envelope::{Flavour, Format, SealOptions, SignOver, seal_message};
use super::push::Notice;
use super::{Attested, Stated, Transport};
use crate::crypto::rsa::PrivateKey;
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

/// What a push of the hub tells that MOSIP does not sign.
pub(crate) fn under_the_hub(notice: Notice) -> Stated<Notice> {
    Stated::Unsigned(Attested::over(notice, Transport::Hub))
}
