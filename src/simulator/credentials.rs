//! MOSIP's issuer of credentials. It makes the messages that the hub delivers to a partner, true and false ones.
//!
//! A JSON-LD library makes the statements under the embedded proof, and not the table of terms with which the gateway reads them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::envelope;
use crate::clock::Timestamp;
use crate::crypto::base64;
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::{PrivateKey, PublicKey, SignatureAlgorithm};
use crate::crypto::secret::random;
use crate::keys::Certificate;
use crate::mosip::credential::{canonical, contexts};

/// Issues to one partner.
pub struct CredentialIssuer {
    /// Its keys and names.
    settings: IssuerSettings,
    /// The last message, for [`Lie::Replayed`].
    last: Mutex<Option<Bytes>>,
}

/// Keys and names of [`CredentialIssuer`].
pub struct IssuerSettings {
    /// Signs both proofs.
    pub key: Arc<PrivateKey>,
    /// Its certificate, which stands in the proof beside the credential.
    pub certificate: Certificate,
    /// The `verificationMethod` of the embedded proof.
    pub verification_method: String,
    /// The partner's id, which the topic begins with.
    pub partner_id: String,
    /// Credentials are sealed to it.
    pub partner: Certificate,
    /// The stranger's key, which signs false messages and to which some are sealed.
    pub stranger: Arc<PrivateKey>,
    /// JSON-LD documents by their URLs.
    pub documents: Arc<BTreeMap<String, Vec<u8>>>,
    /// `@context` of every credential.
    pub context: Vec<Value>,
}

/// The form of a credential, in MOSIP's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialType {
    /// JSON-LD with an embedded proof; a VID.
    Vercred,
    /// The same with the UIN.
    Euin,
    /// No context and no embedded proof; the UIN.
    Opencrvs,
}

/// Who is registered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registration {
    /// MOSIP's id of the registration.
    pub registration_id: String,
    /// The person's number; a death brings none.
    pub number: Option<String>,
    /// The number of the birth certificate.
    pub certificate_number: Option<String>,
    /// The name, by its language.
    pub full_name: Vec<(String, String)>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lie {
    /// The proof beside the credential is a stranger's.
    WrongEventProof,
    /// The proof inside the credential is a stranger's.
    WrongEmbeddedProof,
    /// The credential was altered after both proofs were made.
    Altered,
    /// It is sealed to another partner.
    OtherPartner,
    /// It was issued after the signer's certificate had ended.
    SignerExpired,
    /// It is the message before, byte for byte.
    Replayed,
}

/// A message of the hub.
#[derive(Debug, Clone)]
pub struct Published {
    /// `<partner>/CREDENTIAL_ISSUED`
    pub topic: String,
    /// The body as the hub posts it.
    pub body: Bytes,
}

/// Why nothing is issued: the contexts or the keys that were given do not fit.
pub type IssueError = Box<dyn std::error::Error + Send + Sync>;

impl CredentialIssuer {
    /// With these keys and names.
    pub fn new(settings: IssuerSettings) -> Self {
        Self { settings, last: Mutex::new(None) }
    }

    /// The message about `registration` at `now`, with what is wrong in it.
    ///
    /// # Errors
    ///
    /// [`IssueError`]
    pub fn publish(
        &self,
        registration: &Registration,
        kind: CredentialType,
        lie: Option<Lie>,
        now: Timestamp,
    ) -> Result<Published, IssueError> {
        let topic = format!("{}/CREDENTIAL_ISSUED", self.settings.partner_id);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let body = match last.clone().filter(|_| lie == Some(Lie::Replayed)) {
            Some(before) => before,
            None => self.message(&topic, registration, kind, lie, now)?,
        };
        *last = Some(body.clone());
        Ok(Published { topic, body })
    }

    fn message(
        &self,
        topic: &str,
        registration: &Registration,
        kind: CredentialType,
        lie: Option<Lie>,
        now: Timestamp,
    ) -> Result<Bytes, IssueError> {
        let IssuerSettings { key, certificate, partner, stranger, .. } = &self.settings;
        let issued = match lie {
            Some(Lie::SignerExpired) => Timestamp::from_seconds(certificate.not_after().seconds() + 86_400),
            _ => now,
        };
        let mut credential = credential(registration, kind, issued);
        if kind != CredentialType::Opencrvs {
            credential.insert("@context".to_owned(), Value::Array(self.settings.context.clone()));
            let signer = if lie == Some(Lie::WrongEmbeddedProof) { stranger } else { key };
            let proof = self.embedded_proof(&Value::Object(credential.clone()), signer, issued)?;
            credential.insert("proof".to_owned(), proof);
        }
        let mut credential = Value::Object(credential);
        let signed = credential.to_string();
        let signer = if lie == Some(Lie::WrongEventProof) { stranger } else { key };
        let protected =
            Protected { alg: SignatureAlgorithm::Rs256, x5c: &[certificate.der()], kid: None, b64: true };
        let signature = jws::sign_detached(signer, protected, signed.as_bytes())?;
        if let (Some(Lie::Altered), Some(version)) = (lie, credential.pointer_mut("/credentialSubject/vcVer"))
        {
            *version = json!("VC-V2");
        }
        let (thumbprint, to): (_, &PublicKey) = match lie {
            Some(Lie::OtherPartner) => (random(), stranger.public_key()),
            _ => (*partner.thumbprint().as_bytes(), partner.public_key()),
        };
        let sealed = envelope::seal_under(&thumbprint, to, credential.to_string().as_bytes())?;
        let now = now.to_iso();
        let message = json!({
            "publisher": "CREDENTIAL_SERVICE",
            "topic": topic,
            "publishedOn": now,
            "event": {
                "id": uuid(),
                "transactionId": uuid(),
                "type": { "namespace": "mosip", "name": "mosip" },
                "timestamp": now,
                "dataShareUri": null,
                "data": {
                    "registrationId": registration.registration_id,
                    "credential": base64::encode_url(&sealed),
                    "proof": { "signature": signature },
                    "credentialType": kind.as_str(),
                    "protectionKey": "123456",
                },
            },
        });
        Ok(message.to_string().into())
    }

    /// A PS256 signature over the hashes of the proof's statements and of the credential's.
    fn embedded_proof(
        &self,
        credential: &Value,
        signer: &PrivateKey,
        issued: Timestamp,
    ) -> Result<Value, IssueError> {
        let method = &self.settings.verification_method;
        // Whole seconds, as MOSIP writes it.
        let created = issued.to_iso();
        let created = format!("{}Z", created.split('.').next().unwrap_or_default());
        let proof = json!({
            "type": "RsaSignature2018", "created": created, "proofPurpose": "assertionMethod", "verificationMethod": method,
        });
        let about_proof = [
            format!("<http://purl.org/dc/terms/created> \"{created}\"^^<http://www.w3.org/2001/XMLSchema#dateTime>"),
            "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://w3id.org/security#RsaSignature2018>".to_owned(),
            "<https://w3id.org/security#proofPurpose> <https://w3id.org/security#assertionMethod>".to_owned(),
            format!("<https://w3id.org/security#verificationMethod> <{method}>"),
        ]
        .map(|statement| format!("_:c14n0 {statement} .\n"))
        .concat();
        let about_credential =
            canonical::write(&contexts::by_library(&self.settings.documents, credential)?)?;
        let signed = [about_proof, about_credential].map(|text| Sha256::digest(text.as_bytes())).concat();
        let protected =
            Protected { alg: SignatureAlgorithm::Ps256, x5c: &[], kid: Some("opaque-kid"), b64: false };
        let signature = jws::sign_detached(signer, protected, &signed)?;
        let mut members = proof.as_object().cloned().unwrap_or_default();
        members.insert("jws".to_owned(), signature.into());
        Ok(Value::Object(members))
    }
}

impl CredentialType {
    /// MOSIP's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vercred => "vercred",
            Self::Euin => "euin",
            Self::Opencrvs => "opencrvs",
        }
    }
}

/// A credential without context and proof.
fn credential(registration: &Registration, kind: CredentialType, issued: Timestamp) -> Map<String, Value> {
    let Registration { registration_id, number, certificate_number, full_name } = registration;
    let mut subject = Map::new();
    subject.insert("id".to_owned(), json!(format!("http://credential.idrepo/credentials/{registration_id}")));
    subject.insert("vcVer".to_owned(), json!("VC-V1"));
    let (number_name, certificate_name) = match kind {
        CredentialType::Vercred => ("VID", "birthCertificateNumber"),
        CredentialType::Euin => ("UIN", "birthCertificateNumber"),
        CredentialType::Opencrvs => ("UIN", "opencrvsBRN"),
    };
    for (name, value) in [(number_name, number), (certificate_name, certificate_number)] {
        subject.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    if !full_name.is_empty() {
        let names = full_name.iter().map(|(language, value)| json!({ "language": language, "value": value }));
        subject.insert("fullName".to_owned(), names.collect());
    }
    let (types, more) = match kind {
        CredentialType::Vercred | CredentialType::Euin => {
            (json!(["VerifiableCredential", "MOSIPVerifiableCredential"]), Vec::new())
        }
        CredentialType::Opencrvs => (
            json!(["MOSIPVerifiableCredential"]),
            vec![("issuedTo", json!("opencrvs")), ("protectedAttributes", json!([])), ("consent", json!(""))],
        ),
    };
    let members = [
        ("id", json!(format!("http://credential.idrepo/credentials/{}", uuid()))),
        ("type", types),
        ("issuer", json!("https://api.example.org/.well-known/controller.json")),
        ("issuanceDate", json!(issued.to_iso())),
        ("credentialSubject", Value::Object(subject)),
    ];
    members.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A random one, version 4.
fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    let (head, rest) = hex.split_at(8);
    let (second, rest) = rest.split_at(4);
    let (third, rest) = rest.split_at(4);
    let (fourth, last) = rest.split_at(4);
    format!("{head}-{second}-{third}-{fourth}-{last}")
}
