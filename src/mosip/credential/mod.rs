//! Verifiable credentials as MOSIP issues them: a proof of type `RsaSignature2018` that is a PS256 signature over the hash of the proof's
//! statements and the hash of the credential's, as `b64:false` JWS. And the messages that bring them.

pub mod canonical;
pub mod contexts;
pub mod event;
mod expand;
mod number;
mod probe;
mod shape;
pub mod share;
mod terms;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod w3c;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use self::contexts::Contexts;
use self::contexts::{ContextError, Reading};
use super::{Evidence, Verified};
use crate::clock::Timestamp;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::error::{Code, Error, Result};
use crate::json::member;
use crate::keys::cert::Validity;
use crate::keys::{Certificate, Thumbprint};

/// Whose credentials count, and how they are read.
pub struct Credentials {
    /// What gives the names of a credential a meaning. Without them no embedded proof can be verified.
    pub contexts: Option<Contexts>,
    /// Whose signatures count.
    pub issuers: Vec<Issuer>,
    /// `credentials.require`: which proofs suffice, one of them.
    pub require: Vec<ProofKind>,
    /// `credentials.danger_accept_jcs`: a proof over the JSON text counts, too.
    pub danger_accept_jcs: bool,
    /// `credentials.danger_accept_hub_alone`: a credential without any proof counts as far as the hub does.
    pub danger_accept_hub_alone: bool,
}

/// What proves a credential that MOSIP sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofKind {
    /// `event-proof`: the signature beside the credential in the message of the hub. It covers every byte.
    Event,
    /// `embedded-proof`: the `proof` inside the credential. It covers what the contexts give a meaning.
    Embedded,
}

/// A key that credentials are signed with.
pub struct Issuer {
    /// The proof's `verificationMethod`, byte for byte.
    pub verification_method: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// A former key: what it signed within its dates counts for ever.
    pub history: bool,
}

/// A credential whose embedded proof is good. No `Debug`: it is about a person.
pub struct Covered {
    /// JSON pointers to the values that the proof covers, in order.
    pub covered: Vec<String>,
    /// The names that it does not cover: the contexts give them no meaning, so anyone who carried the credential may have written them.
    pub not_covered: Vec<String>,
    /// Thumbprint of the issuer's certificate.
    pub key: Thumbprint,
}

/// The credential is MOSIP's.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedCredential)]
pub(crate) struct Verdict {
    valid: bool,
    /// JSON pointers to the values that the proof covers.
    covered: Vec<String>,
    /// To those that it does not: whoever carried the credential could have written them.
    pub(crate) not_covered: Vec<String>,
    /// Thumbprint of the issuer's certificate.
    key: String,
}

impl From<Verified<Covered>> for Verdict {
    fn from(verified: Verified<Covered>) -> Self {
        let Covered { covered, not_covered, key } = verified.into_inner();
        Self { valid: true, covered, not_covered, key: key.to_string() }
    }
}

/// Reads a credential as it stands in a file: alone, or as the body of `POST /v1/credentials/verify`.
///
/// # Errors
///
/// [`Code::Malformed`] where it is no JSON object that all readers read alike.
pub(crate) fn read(bytes: &[u8]) -> Result<Value> {
    match tree(bytes)? {
        Value::Object(mut members) => match (members.len(), members.remove("credential")) {
            (1, Some(credential)) => Ok(credential),
            (_, Some(other)) => {
                members.insert("credential".to_owned(), other);
                Ok(Value::Object(members))
            }
            (_, None) => Ok(Value::Object(members)),
        },
        _ => Err(Error::new(Code::Malformed, "this is no credential: it is no JSON object")),
    }
}

/// The tree of a text that may be a credential.
///
/// # Errors
///
/// [`Code::Malformed`] where it is no JSON that all readers read alike, or holds more values than any credential of MOSIP: its tree would
/// take many times its bytes.
pub(crate) fn tree(text: &[u8]) -> Result<Value> {
    shape::check_text(text)
        .map_err(|error| Error::new(Code::Malformed, format!("this is no credential of MOSIP: {error}")))?;
    crate::json::read(text)
}

/// What a date of [`issued_at`] says.
const ISSUED: &str = "it was issued";

/// On another `@context` than is configured.
const OTHER_CONTEXT: &str = "Set credentials.context to what @context of MOSIP's credentials holds, save its documents in credentials.contexts_dir, and start the gateway again. If MOSIP issues none like this, discard it.";

/// On a proof that no key of the issuer made.
const NEW_KEY: &str = "If MOSIP has a new key, add its certificate to credentials.issuers, and start the gateway again. Else the credential was altered: ask the MOSIP administrator to issue it again, and discard this one.";

/// When `credential` says that it was issued.
fn issued_at(credential: &Value) -> Option<Timestamp> {
    credential.get("issuanceDate").and_then(Value::as_str).and_then(Timestamp::from_iso)
}

/// One form of a credential that a proof may be made over.
struct Form {
    signed: Vec<u8>,
    /// What happened at `moment`, as in [`Issuer::check_dates`].
    what: &'static str,
    /// When it was signed, as the form itself says.
    moment: Timestamp,
    /// JSON pointers to the values that it depends on.
    covered: BTreeSet<String>,
}

/// An embedded proof. Any further member in it would be signed, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Proof<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    created: &'a str,
    proof_purpose: &'a str,
    verification_method: &'a str,
    jws: &'a str,
}

impl Credentials {
    /// Verifies the embedded proof of `credential`, a JSON object without two members of one name, at `now`.
    ///
    /// # Errors
    ///
    /// [`Code::SignatureInvalid`] where it does not verify, [`Code::SignerExpired`] where its issuer's certificate has ended, and
    /// [`Code::Keys`] where `credentials.contexts_dir` is not set.
    pub fn verify(&self, credential: &Value, now: Timestamp) -> Result<Verified<Covered>> {
        let proof = credential.get("proof").ok_or_else(|| refused("it holds no proof"))?;
        let proof = Proof::deserialize(proof).map_err(|_| refused("its proof is not one of MOSIP's form"))?;
        if proof.kind != "RsaSignature2018" || proof.proof_purpose != "assertionMethod" {
            return Err(refused("its proof is of another type, or for another purpose"));
        }
        let created = Timestamp::from_iso(proof.created)
            .ok_or_else(|| refused("its proof does not say in UTC when it was made"))?;
        let Some(contexts) = &self.contexts else {
            return Err(Error::new(
                Code::Keys,
                "the proof inside the credential cannot be verified: credentials.contexts_dir is not set",
            )
            .advise("Set credentials.contexts_dir and credentials.context, and start the gateway again."));
        };
        let Reading { text, covered } = contexts.read(credential).map_err(|error| match error {
            ContextError::Other => refused(&error.to_string()).advise(OTHER_CONTEXT),
            error => refused(&error.to_string()),
        })?;
        let hashes = [Sha256::digest(proof.text().as_bytes()), Sha256::digest(text.as_bytes())].concat();
        let values = values(credential);
        let mut forms = vec![Form { signed: hashes, what: "its proof was made", moment: created, covered }];
        if self.danger_accept_jcs {
            // The proof is no part of this form, and neither is its date. Every value is, whatever the contexts say of it.
            let issued = issued_at(credential).zip(plain_form(credential));
            let covered = values.iter().cloned().collect();
            forms.extend(issued.map(|(moment, signed)| Form { signed, what: ISSUED, moment, covered }));
        }
        let (issuer, form) = self.issuer_of(&proof, &forms, now)?;
        let (covered, not_covered) = values.into_iter().partition(|pointer| form.covered.contains(pointer));
        let key = issuer.certificate.thumbprint();
        Ok(Verified::new(Covered { covered, not_covered, key }, Evidence::Plaintext, None))
    }

    /// The issuer whose key made the proof over one of `forms`, and that form. The dates of its certificate count at `now`: of one key
    /// there may be several.
    fn issuer_of<'f>(
        &self,
        proof: &Proof<'_>,
        forms: &'f [Form],
        now: Timestamp,
    ) -> Result<(&Issuer, &'f Form)> {
        let jws = Jws::parse(proof.jws).map_err(|_| refused("the signature of its proof cannot be read"))?;
        if !jws.is_detached() {
            return Err(refused("the signature of its proof brings a text of its own"));
        }
        let named =
            self.issuers.iter().filter(|issuer| issuer.verification_method == proof.verification_method);
        let mut refusal = refused("its verificationMethod is not among credentials.issuers")
            .advise("Add the issuer's certificate to credentials.issuers, if this is an issuer of MOSIP, and start the gateway again; else discard the message.");
        let mut is_outside_dates = false;
        for issuer in named {
            let key = issuer.certificate.public_key();
            let fits =
                |form: &&Form| jws.verify(key, &[SignatureAlgorithm::Ps256], Some(&form.signed)).is_ok();
            match forms.iter().find(fits) {
                Some(form) => match issuer.check_dates(form.what, form.moment, now) {
                    Ok(()) => return Ok((issuer, form)),
                    Err(error) => (refusal, is_outside_dates) = (error, true),
                },
                None if is_outside_dates => {}
                None => {
                    refusal = refused("its proof does not fit the credential and the key of its issuer")
                        .advise(NEW_KEY);
                }
            }
        }
        Err(refusal)
    }
}

impl Issuer {
    /// What a key signed outside its dates never counts, and what it signed within them counts until they end, unless it is kept as a
    /// former key. `what` happened at `moment`.
    fn check_dates(&self, what: &str, moment: Timestamp, now: Timestamp) -> Result<()> {
        let dates = self.certificate.dates();
        match (dates.validity(moment), dates.validity(now)) {
            // Where it is not valid yet, the machine's clock is behind that of whoever signed.
            (Validity::Valid, Validity::Valid | Validity::NotYetValid(_)) => Ok(()),
            (Validity::Valid, _) if self.history => Ok(()),
            (Validity::Valid, Validity::ExpiredSince(_)) => {
                Err(expired("the certificate of its issuer has expired").advise(
                    "Add the issuer's new certificate, and set history = true for the former one in credentials.issuers, and start the gateway again.",
                ))
            }
            (Validity::ExpiredSince(_), _) => {
                Err(expired(&format!("{what} after the certificate of its issuer had expired"))
                    .advise("Add the certificate that its issuer has now to credentials.issuers, and start the gateway again. If its issuer has none, ask the MOSIP administrator to issue it anew."))
            }
            _ => Err(refused(&format!("{what} before the certificate of its issuer is valid")).advise(
                "Add the certificate that the issuer had then to credentials.issuers, with history = true, and start the gateway again.",
            )),
        }
    }
}

impl Proof<'_> {
    /// The statements of the proof, which always are these four, in this order.
    fn text(&self) -> String {
        let Self { created, verification_method, .. } = self;
        format!(
            "_:c14n0 <http://purl.org/dc/terms/created> \"{created}\"^^<http://www.w3.org/2001/XMLSchema#dateTime> .\n\
             _:c14n0 <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <https://w3id.org/security#RsaSignature2018> .\n\
             _:c14n0 <https://w3id.org/security#proofPurpose> <https://w3id.org/security#assertionMethod> .\n\
             _:c14n0 <https://w3id.org/security#verificationMethod> <{verification_method}> .\n"
        )
    }
}

/// What OpenCRVS's mock of MOSIP signs. `None` where a whole number has no exact place among the doubles that RFC 8785 writes: its
/// neighbours have the same text, and a reader sees another number than was signed.
fn plain_form(credential: &Value) -> Option<Vec<u8>> {
    fn is_exact(value: &Value) -> bool {
        const MOST: u64 = 1 << 53;
        match value {
            Value::Number(number) if number.is_f64() => true,
            Value::Number(number) => {
                number.as_u64().or(number.as_i64().map(i64::unsigned_abs)).is_some_and(|whole| whole < MOST)
            }
            Value::Array(items) => items.iter().all(is_exact),
            Value::Object(members) => members.values().all(is_exact),
            _ => true,
        }
    }
    if !is_exact(credential) {
        return None;
    }
    let mut document = credential.clone();
    document.as_object_mut()?.remove("proof");
    serde_json_canonicalizer::to_vec(&document).ok()
}

/// JSON pointers to the values of `credential`, but for its context and its proof, in order.
pub(crate) fn values(credential: &Value) -> Vec<String> {
    fn collect(at: String, value: &Value, pointers: &mut Vec<String>) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                members.iter().for_each(|(name, value)| collect(member(&at, name), value, pointers));
            }
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.for_each(|(index, item)| collect(format!("{at}/{index}"), item, pointers));
            }
            _ => pointers.push(at),
        }
    }
    let mut pointers = Vec::new();
    for (name, value) in credential.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "@context" | "proof") {
            collect(member("", name), value, &mut pointers);
        }
    }
    pointers
}

fn refused(why: &str) -> Error {
    unverified(Code::SignatureInvalid, why)
        .advise("Ask the MOSIP administrator whether it was issued so. If it was not, somebody altered or made it: discard it.")
}

fn expired(why: &str) -> Error {
    unverified(Code::SignerExpired, why)
}

fn unverified(code: Code, why: &str) -> Error {
    Error::new(code, format!("the credential does not verify: {why}")).because(why)
}
