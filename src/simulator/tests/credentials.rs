//! The issuer: its credentials verify as the known ones do, and each of its lies is found out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::super::credentials::{
    CredentialIssuer, CredentialType, IssuerSettings, Lie, Published, Registration,
};
use crate::clock::Timestamp;
use crate::crypto::rsa::{Keeper, PrivateKey};
use crate::error::{Code, Result};
use crate::keys::ring::fake;
use crate::keys::settings::UnknownThumbprint;
use crate::keys::{Certificate, Ring};
use crate::mosip::Verified;
use crate::mosip::credential::event::{Issued, IssuedNumber, Notification, Occasion};
use crate::mosip::credential::{Contexts, Credentials, Issuer, ProofKind};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const METHOD: &str = "https://api.example.org/.well-known/public-key.json";
const VECTORS: &str = "tests/vectors";

fn key(name: &str) -> Arc<PrivateKey> {
    let der = PrivatePkcs8KeyDer::from_pem_file(format!("{VECTORS}/keys/{name}.key.pem")).unwrap();
    Arc::new(PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).unwrap())
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_der(&std::fs::read(format!("{VECTORS}/keys/{name}.crt.der")).unwrap()).unwrap()
}

fn documents() -> BTreeMap<String, Vec<u8>> {
    let read = |name: &str| std::fs::read(Path::new(VECTORS).join("contexts").join(name)).unwrap();
    let index: BTreeMap<String, String> =
        toml::from_str(&String::from_utf8(read("index.toml")).unwrap()).unwrap();
    index.into_iter().map(|(url, file)| (url, read(&file))).collect()
}

fn context() -> Vec<Value> {
    vec![
        json!("https://www.w3.org/2018/credentials/v1"),
        json!("https://api.example.org/.well-known/mosip-context.json"),
        json!({ "sec": "https://w3id.org/security#" }),
    ]
}

/// With the keys of the vectors.
pub(super) fn settings() -> IssuerSettings {
    IssuerSettings {
        key: key("issuer"),
        certificate: certificate("issuer"),
        verification_method: METHOD.to_owned(),
        partner_id: "opencrvs-partner".to_owned(),
        partner: certificate("partner"),
        stranger: key("stranger"),
        documents: Arc::new(documents()),
        context: context(),
    }
}

fn issuer() -> CredentialIssuer {
    CredentialIssuer::new(settings())
}

/// What the gateway is configured with.
fn credentials(require: &[ProofKind]) -> Credentials {
    Credentials {
        contexts: Some(Contexts::pin(documents(), context()).unwrap()),
        issuers: vec![Issuer {
            verification_method: METHOD.to_owned(),
            certificate: certificate("issuer"),
            history: true,
        }],
        require: require.to_vec(),
        danger_accept_jcs: false,
        danger_accept_hub_alone: false,
    }
}

fn ring() -> Ring {
    fake::ring(&[("partner", &Keeper::there("files"))], UnknownThumbprint::Reject)
}

fn birth() -> Registration {
    Registration {
        registration_id: "10001".to_owned(),
        number: Some("8031687218".to_owned()),
        certificate_number: Some("C83B0".to_owned()),
        full_name: vec![
            ("eng".to_owned(), "Ana \"Q\"\t".to_owned()),
            ("ara".to_owned(), "أنا 🏠".to_owned()),
        ],
    }
}

fn verified(credentials: &Credentials, published: &Published) -> Result<Verified<Issued>> {
    credentials.verify_issued(&Notification::read(&published.body)?, &ring(), NOW)
}

#[test]
fn each_form_of_a_credential_verifies_by_each_of_its_proofs() {
    let issuer = issuer();
    for (kind, proofs) in [
        (CredentialType::Vercred, &[ProofKind::Event, ProofKind::Embedded][..]),
        (CredentialType::Euin, &[ProofKind::Event, ProofKind::Embedded]),
        (CredentialType::Opencrvs, &[ProofKind::Event]),
    ] {
        for proof in proofs {
            let published = issuer.publish(&birth(), kind, None, NOW).unwrap();
            assert_eq!(published.topic, "opencrvs-partner/CREDENTIAL_ISSUED");
            let issued = verified(&credentials(&[*proof]), &published).unwrap().into_inner();
            assert_eq!(issued.credential_type.as_deref(), Some(kind.as_str()));
            assert_eq!(
                (issued.registration_id.map(|id| id.value).as_deref(), issued.occasion),
                (Some("10001"), Occasion::Birth)
            );
            let is_uin = matches!(issued.number, Some(IssuedNumber::Uin(_)));
            assert_eq!(is_uin, kind != CredentialType::Vercred);
            assert_eq!(issued.certificate_number.as_deref(), Some("C83B0"));
        }
    }
    let death = Registration { registration_id: "10002".to_owned(), ..Registration::default() };
    let published = issuer.publish(&death, CredentialType::Vercred, None, NOW).unwrap();
    assert_eq!(
        verified(&credentials(&[ProofKind::Event]), &published).unwrap().get().occasion,
        Occasion::Death
    );
}

#[test]
fn each_lie_is_found_out() {
    let (issuer, credentials) = (issuer(), credentials(&[ProofKind::Event, ProofKind::Embedded]));
    for (lie, code) in [
        (Lie::WrongEventProof, Code::SignatureInvalid),
        (Lie::WrongEmbeddedProof, Code::SignatureInvalid),
        (Lie::Altered, Code::SignatureInvalid),
        (Lie::OtherPartner, Code::UnknownKey),
        (Lie::SignerExpired, Code::SignerExpired),
    ] {
        let published = issuer.publish(&birth(), CredentialType::Vercred, Some(lie), NOW).unwrap();
        assert_eq!(verified(&credentials, &published).err().map(|error| error.code()), Some(code), "{lie:?}");
    }
    let first = issuer.publish(&birth(), CredentialType::Euin, None, NOW).unwrap();
    let other = issuer.publish(&birth(), CredentialType::Euin, None, NOW).unwrap();
    let again = issuer.publish(&birth(), CredentialType::Euin, Some(Lie::Replayed), NOW).unwrap();
    let id = |published: &Published| verified(&credentials, published).unwrap().into_inner().event_id;
    assert_eq!(again.body, other.body);
    assert_ne!(id(&first), id(&other));
}
