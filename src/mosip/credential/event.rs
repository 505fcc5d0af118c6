//! `CREDENTIAL_ISSUED`: a credential that MOSIP's hub brings, sealed to us, with a signature beside it.

mod notification;
mod subject;

use serde_json::{Value, json};

pub use self::notification::Notification;
use self::notification::{Data, Event};
pub(super) use self::subject::MEMBERS;
use self::subject::{CredentialSubject, NUMBERS, SUBJECT};
use super::{Credentials, ISSUED, Issuer, NEW_KEY, ProofKind, issued_at, refused, shape, values};
use crate::clock::Timestamp;
use crate::crypto::jws::Jws;
use crate::crypto::rsa::SignatureAlgorithm;
use crate::error::{Code, Error, Result};
use crate::json::{Object, member};
use crate::keys::{Ring, Thumbprint};
use crate::mosip::envelope::{Plaintext, open_with_ring};
use crate::mosip::push::digest;
use crate::mosip::{Evidence, Verified};
use crate::words::words;

/// What MOSIP issued. No `Debug`: it is about a person.
///
/// What it says of the registration and the person is read from values that a proof covers, and from others only where there is none and
/// the hub alone is trusted: whoever carried the credential could have written them.
pub struct Issued {
    /// The hub's id of the message. Nothing signs it.
    pub event_id: String,
    /// SHA-256 of what the message says: the credential as it was sealed, the signature beside it, and the members that nothing signs. It
    /// is the same however the credential is sealed and the message is written.
    pub says: [u8; 32],
    /// SHA-256 of what makes it one credential, under whichever ids the hub brings it: its registration and the id that its issuer gave it,
    /// as far as a proof covers them.
    pub identity: [u8; 32],
    /// MOSIP's id of the request for a credential, which a status goes back under. Nothing signs it.
    pub transaction_id: Option<String>,
    /// The id of the registration: the last part of the subject's id, else what the message says, which nothing signs.
    pub registration_id: Option<Named>,
    /// `vercred`, `euin`, `opencrvs` or another word of the deployment. Nothing signs it.
    pub credential_type: Option<String>,
    /// What it says of the person's number.
    pub number: Option<IssuedNumber>,
    /// Why it was issued.
    pub occasion: Occasion,
    /// The birth or death registration number.
    pub certificate_number: Option<String>,
    /// The credential.
    pub credential: Value,
    /// JSON pointers to the values that a proof covers.
    pub covered: Vec<String>,
    /// To those that none covers.
    pub not_covered: Vec<String>,
    /// Thumbprint of the certificate of the issuer that a proof fits.
    pub issuer: Option<Thumbprint>,
}

/// The id of the registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The id.
    pub value: String,
    /// Whether a proof covers it, or there is none and the hub alone is trusted.
    pub is_covered: bool,
}

/// The number of a person.
#[derive(PartialEq, Eq)]
pub enum IssuedNumber {
    /// A virtual one.
    Vid(String),
    /// The number itself.
    Uin(String),
}

words! {
    /// Which registration a credential answers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Occasion {
        /// It brings a number.
        Birth = "birth",
        /// It brings none.
        Death = "death",
    }
}

impl Issued {
    /// The member `data` of the delivery `credential.issued`: everything but the hub's own id.
    pub fn data(&self) -> Value {
        let (vid, uin) = match &self.number {
            Some(IssuedNumber::Vid(number)) => (Some(number), None),
            Some(IssuedNumber::Uin(number)) => (None, Some(number)),
            None => (None, None),
        };
        let is_unsigned = self.registration_id.as_ref().is_some_and(|id| !id.is_covered);
        let unsigned = [
            ("registrationId", is_unsigned),
            ("transactionId", self.transaction_id.is_some()),
            ("credentialType", self.credential_type.is_some()),
        ];
        let unsigned: Vec<_> =
            unsigned.into_iter().filter_map(|(name, is_unsigned)| is_unsigned.then_some(name)).collect();
        let members = [
            ("registrationId", self.registration_id.as_ref().map(|id| json!(id.value))),
            ("transactionId", self.transaction_id.as_ref().map(|id| json!(id))),
            ("credentialType", self.credential_type.as_ref().map(|kind| json!(kind))),
            ("event", Some(json!(self.occasion.as_str()))),
            ("vid", vid.map(|number| json!(number))),
            ("uin", uin.map(|number| json!(number))),
            ("certificateNumber", self.certificate_number.as_ref().map(|number| json!(number))),
            ("issuer", self.issuer.map(|issuer| json!(issuer.to_string()))),
            ("unsigned", Some(json!(unsigned))),
            ("covered", Some(json!(self.covered))),
            ("not_covered", Some(json!(self.not_covered))),
            ("credential", Some(self.credential.clone())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

impl Credentials {
    /// Opens and verifies what `notification` brings.
    ///
    /// # Errors
    ///
    /// [`Code::UnknownKey`] where it is sealed to another partner, [`Code::Decrypt`] where it does not open, [`Code::SignatureInvalid`]
    /// where a proof is wrong, [`Code::Keys`] where the credential is in a share, [`Code::SignatureMissing`] where none of `credentials.require` is there, [`Code::SignerExpired`] where
    /// the issuer's certificate has ended, [`Code::Field`] where it lacks what it is for.
    pub fn verify_issued(
        &self,
        notification: &Notification<'_>,
        ring: &Ring,
        now: Timestamp,
    ) -> Result<Verified<Issued>> {
        let Event { id, transaction_id, data, .. } = notification.event();
        let Data { registration_id, credential_type, proof, .. } = &data.0;
        let (plaintext, key) = open(notification.credential(), ring)?;
        let credential = super::tree(&plaintext)?;
        shape::check_size(&credential).map_err(|error| refused(&error.to_string()))?;
        if !credential.is_object() {
            return Err(Error::new(Code::Malformed, "what was sealed is no credential"));
        }
        let signed_by = match proof {
            Some(Object(proof)) => {
                Some(self.check_event_proof(&proof.signature, &plaintext, &credential, now)?)
            }
            None => None,
        };
        let embedded = match credential.get("proof") {
            Some(_) => Some(self.verify(&credential, now)?.into_inner()),
            None => None,
        };
        let is_enough = self.require.iter().any(|kind| match kind {
            ProofKind::Event => signed_by.is_some(),
            ProofKind::Embedded => embedded.is_some(),
        });
        let evidence = match is_enough {
            true => Evidence::Plaintext,
            false if self.danger_accept_hub_alone => Evidence::DangerHubAlone,
            false => return Err(unproved(signed_by.is_some() || embedded.is_some())),
        };
        let issuer = signed_by
            .map(|issuer| issuer.certificate.thumbprint())
            .or_else(|| embedded.as_ref().map(|embedded| embedded.key));
        let (covered, not_covered) = match (signed_by, embedded) {
            (Some(_), _) => (values(&credential), Vec::new()),
            (None, Some(embedded)) => (embedded.covered, embedded.not_covered),
            (None, None) => (Vec::new(), values(&credential)),
        };
        let subject = CredentialSubject::read(&credential, |name| {
            !is_enough || is_covered(&covered, &member(SUBJECT, name))
        })?;
        // What is not signed may have been taken out.
        if subject.number.is_none()
            && subject.certificate_number.is_none()
            && is_enough
            && signed_by.is_none()
        {
            self.check_absence(&credential)?;
        }
        let of_subject = subject.registration_id.map(|value| Named { value, is_covered: true });
        let said = registration_id.as_deref().filter(|said| !said.is_empty());
        let of_message = || Some(Named { value: said?.to_owned(), is_covered: !is_enough });
        let registration_id = of_subject.or_else(of_message);
        let identity = identity_of(&credential, &plaintext, registration_id.as_ref(), |pointer| {
            !is_enough || is_covered(&covered, pointer)
        });
        let [signature, said, transaction, kind] = notification.beside();
        let says = digest(&[&plaintext, signature, said, transaction, kind]);
        let issued = Issued {
            event_id: id.to_string(),
            says,
            identity,
            transaction_id: transaction_id.as_deref().map(str::to_owned),
            registration_id,
            credential_type: credential_type.as_deref().map(str::to_owned),
            number: subject.number,
            occasion: subject.occasion,
            certificate_number: subject.certificate_number,
            credential,
            covered,
            not_covered,
            issuer,
        };
        Ok(Verified::new(issued, evidence, key))
    }

    /// A credential without a number is one of a death, where a number that was left out would have been part of what is signed.
    fn check_absence(&self, credential: &Value) -> Result<()> {
        let contexts = self.contexts.as_ref();
        let is_signed = |name: &str| contexts.is_some_and(|contexts| contexts.would_cover(credential, name));
        match NUMBERS.iter().find(|name| !is_signed(name)) {
            None => Ok(()),
            Some(name) => Err(Error::field(
                format!("/credential{SUBJECT}/{name}"),
                format!("the credential brings no number that its proof covers, and the contexts give {name} no meaning: nobody knows whether a number was taken out"),
            )
            .advise("Ask the MOSIP administrator for a signature beside the credential (event-proof), or for contexts that define VID and UIN.")),
        }
    }

    /// The issuer whose key made the signature beside `plaintext`. What it covers says when it was issued.
    fn check_event_proof(
        &self,
        signature: &str,
        plaintext: &[u8],
        credential: &Value,
        now: Timestamp,
    ) -> Result<&Issuer> {
        let jws = Jws::parse(signature).map_err(|_| refused("the signature beside it cannot be read"))?;
        if !jws.is_detached() {
            return Err(refused("the signature beside it brings a text of its own"));
        }
        // A certificate in its header proves nothing: anybody can write one.
        let fits = |issuer: &&Issuer| {
            let key = issuer.certificate.public_key();
            jws.verify(key, &[SignatureAlgorithm::Rs256], Some(plaintext)).is_ok()
        };
        let mut refusal =
            refused("the signature beside it fits no key of credentials.issuers").advise(NEW_KEY);
        // Of one key there may be several certificates.
        for issuer in self.issuers.iter().filter(fits) {
            let issued = issued_at(credential)
                .ok_or_else(|| refused("it does not say in issuanceDate when it was issued"))?;
            match issuer.check_dates(ISSUED, issued, now) {
                Ok(()) => return Ok(issuer),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

fn unproved(has_other: bool) -> Error {
    let what = match has_other {
        true => "the credential has a good proof, but not one that credentials.require names",
        false => "the credential has no proof",
    };
    Error::new(Code::SignatureMissing, what)
        .advise("Ask the MOSIP administrator why it is issued without one of the proofs that credentials.require names; the message is kept.")
}

/// The text that was sealed, and the key of ours that it was sealed to.
fn open(credential: Option<&str>, ring: &Ring) -> Result<(Plaintext, Option<Thumbprint>)> {
    let sealed = credential.ok_or_else(|| {
        Error::new(Code::Keys, "the credential is in a data share, and none is fetched").advise(
            "Set credentials.data_share to the place that MOSIP shares under, and start the gateway again.",
        )
    })?;
    open_with_ring(ring, sealed)
}

/// What makes `credential` one credential. Where no proof covers an id of its issuer, the proof inside it stands for the id, or all of it.
fn identity_of(
    credential: &Value,
    plaintext: &[u8],
    registration: Option<&Named>,
    is_covered: impl Fn(&str) -> bool,
) -> [u8; 32] {
    let text = |pointer: &str| credential.pointer(pointer).and_then(Value::as_str);
    let own_id = text("/id").filter(|_| is_covered("/id")).or(text("/proof/jws"));
    let registration = registration.filter(|id| id.is_covered).map(|id| id.value.as_bytes());
    digest(&[registration.unwrap_or_default(), own_id.map_or(plaintext, str::as_bytes)])
}

/// Whether `covered` holds the value at `pointer`, or a part of it.
fn is_covered(covered: &[String], pointer: &str) -> bool {
    let is_part =
        |at: &String| at.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    covered.iter().any(is_part)
}

#[cfg(test)]
mod tests;
