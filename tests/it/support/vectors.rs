//! Reads the known-answer cases of `tests/vectors`.

use std::fs;
use std::path::PathBuf;

use mosip_gateway::crypto::rsa::{PrivateKey, PublicKey};
use serde_json::Value;
use x509_parser::pem::parse_x509_pem;

/// The bytes of a file of `tests/vectors`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The cases of a JSON file; never none.
pub(crate) fn cases(name: &str) -> Vec<Value> {
    let cases: Vec<Value> = serde_json::from_slice(&file(name)).unwrap();
    assert!(!cases.is_empty());
    cases
}

/// A string member of a case.
pub(crate) fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", case["name"]))
}

/// The public key of `keys/<name>.crt.pem`.
pub(crate) fn public_key(name: &str) -> PublicKey {
    let der = pem(&format!("keys/{name}.crt.pem"));
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    PublicKey::from_spki_der(certificate.public_key().raw).unwrap()
}

/// The key of `keys/<name>.key.pem`.
pub(crate) fn private_key(name: &str) -> PrivateKey {
    PrivateKey::from_pkcs8_der(&pem(&format!("keys/{name}.key.pem"))).unwrap()
}

/// What stands inside a PEM file.
pub(crate) fn pem(name: &str) -> Vec<u8> {
    parse_x509_pem(&file(name)).unwrap().1.contents
}
