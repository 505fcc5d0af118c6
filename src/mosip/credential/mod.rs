//! Verifiable credentials as MOSIP issues them: a proof of type `RsaSignature2018` that is a PS256 signature over the hash of the proof's
//! statements and the hash of the credential's, as `b64:false` JWS.

mod canonical;
mod contexts;
mod coverage;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(crate) use self::contexts::Contexts;
use super::{Evidence, Verified};
use crate::clock::Timestamp;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::error::{Code, Error, Result};
use crate::keys::Certificate;
use crate::keys::cert::Validity;

/// Whose credentials count, and how they are read.
pub(crate) struct Credentials {
    pub(crate) contexts: Contexts,
    pub(crate) issuers: Vec<Issuer>,
    /// `credentials.danger_accept_jcs`: a proof over the JSON text counts, too.
    pub(crate) danger_accept_jcs: bool,
}

/// A key that credentials are signed with.
pub(crate) struct Issuer {
    /// The proof's `verificationMethod`, byte for byte.
    pub(crate) verification_method: String,
    pub(crate) certificate: Certificate,
    /// A former key: what it signed within its dates counts for ever.
    pub(crate) history: bool,
}

/// A credential whose embedded proof is good. No `Debug`: it is about a person.
pub(crate) struct Covered {
    /// JSON pointers to the values that the proof covers, in order.
    pub(crate) covered: Vec<String>,
    /// To those that it does not: the contexts give them no meaning, so that whoever carried the credential could have written them.
    pub(crate) not_covered: Vec<String>,
    /// Thumbprint of the issuer's certificate.
    pub(crate) key: crate::keys::Thumbprint,
}

/// An embedded proof. Whatever else stood in it would be signed, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Proof {
    #[serde(rename = "type")]
    kind: String,
    created: String,
    proof_purpose: String,
    verification_method: String,
    jws: String,
}

impl Credentials {
    /// Verifies the embedded proof of `credential`, a JSON object without two members of one name, at `now`.
    pub(crate) fn verify(&self, credential: &Value, now: Timestamp) -> Result<Verified<Covered>> {
        let mut document = credential.clone();
        let proof = document.as_object_mut().and_then(|members| members.remove("proof"));
        let proof = proof.ok_or_else(|| refused("it holds no proof"))?;
        let proof: Proof =
            serde_json::from_value(proof).map_err(|_| refused("its proof is not one of MOSIP's form"))?;
        if proof.kind != "RsaSignature2018" || proof.proof_purpose != "assertionMethod" {
            return Err(refused("its proof is of another type, or for another purpose"));
        }
        let created = Timestamp::from_iso(&proof.created)
            .ok_or_else(|| refused("its proof does not say in UTC when it was made"))?;
        self.contexts.check(&document).map_err(|error| refused(&error.to_string()))?;
        let text = self.text(&document)?;
        let hashes = [Sha256::digest(proof.text().as_bytes()), Sha256::digest(text.as_bytes())].concat();
        let mut forms = vec![hashes];
        if self.danger_accept_jcs {
            let plain = serde_json_canonicalizer::to_vec(&document);
            forms.extend(plain);
        }
        let issuer = self.issuer_of(&proof, &forms)?;
        issuer.check_dates(created, now)?;
        let (covered, not_covered) = coverage::of(&document, &text, |document| self.text(document).ok());
        let key = issuer.certificate.thumbprint();
        Ok(Verified::new(Covered { covered, not_covered, key }, Evidence::Plaintext, None))
    }

    /// The text of `document` that is signed.
    fn text(&self, document: &Value) -> Result<String> {
        let statements = self.contexts.statements(document).map_err(|error| refused(&error.to_string()))?;
        canonical::write(&statements).map_err(|error| refused(&error.to_string()))
    }

    /// The issuer whose key made the proof over one of `forms`.
    fn issuer_of(&self, proof: &Proof, forms: &[Vec<u8>]) -> Result<&Issuer> {
        let jws = Jws::parse(&proof.jws).map_err(|_| refused("the signature of its proof cannot be read"))?;
        if !jws.is_detached() {
            return Err(refused("the signature of its proof brings a text of its own"));
        }
        let named =
            self.issuers.iter().filter(|issuer| issuer.verification_method == proof.verification_method);
        let mut is_known = false;
        for issuer in named {
            is_known = true;
            let key = issuer.certificate.public_key();
            let verifies =
                |form: &Vec<u8>| jws.verify(key, &[SignatureAlgorithm::Ps256], Some(form.as_slice())).is_ok();
            if forms.iter().any(verifies) {
                return Ok(issuer);
            }
        }
        Err(match is_known {
            true => refused("its proof does not fit the credential and the key of its issuer"),
            false => refused("its verificationMethod is not among credentials.issuers").advise(
                "Add the issuer's certificate to credentials.issuers, if this is an issuer of MOSIP.",
            ),
        })
    }
}

impl Issuer {
    /// What a key signed outside its dates never counts, and what it signed within them counts until they end, unless it is kept as a
    /// former key.
    fn check_dates(&self, created: Timestamp, now: Timestamp) -> Result<()> {
        let dates = self.certificate.dates();
        let is_within = |moment| dates.validity(moment) == Validity::Valid;
        if !is_within(created) {
            return Err(refused("its proof was made outside the dates of its issuer's certificate"));
        }
        if is_within(now) || self.history {
            return Ok(());
        }
        Err(refused("the certificate of its issuer has expired").advise(
            "Add the new certificate, and set history = true for the former one in credentials.issuers.",
        ))
    }
}

impl Proof {
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

fn refused(why: &str) -> Error {
    Error::new(Code::SignatureInvalid, format!("the credential does not verify: {why}"))
}
