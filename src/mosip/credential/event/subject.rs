//! Whom a credential is for, and which registration it answers.

use serde_json::Value;

use super::{IssuedNumber, Occasion};
use crate::error::{Error, Result};

/// Where a credential says whom it is about.
pub(super) const SUBJECT: &str = "/credentialSubject";
/// Members of a subject that hold the number of the person.
pub(super) const NUMBERS: [&str; 2] = ["VID", "UIN"];
/// Members of a subject that are read, each of which only one name may stand for.
pub(in crate::mosip::credential) const MEMBERS: [&str; 6] =
    ["VID", "UIN", "birthCertificateNumber", "opencrvsBRN", "deathCertificateNumber", "opencrvsDRN"];
/// Members of a subject that hold the number of the certificate of a birth or a death.
const CERTIFICATE_NUMBERS: [(&str, Occasion); 4] = [
    ("birthCertificateNumber", Occasion::Birth),
    ("opencrvsBRN", Occasion::Birth),
    ("deathCertificateNumber", Occasion::Death),
    ("opencrvsDRN", Occasion::Death),
];

/// What a credential says about whom it is for.
pub(super) struct CredentialSubject {
    pub(super) registration_id: Option<String>,
    pub(super) number: Option<IssuedNumber>,
    pub(super) occasion: Occasion,
    pub(super) certificate_number: Option<String>,
}

impl CredentialSubject {
    /// By the members that count.
    pub(super) fn read(credential: &Value, counts: impl Fn(&str) -> bool) -> Result<Self> {
        let subject = credential.get("credentialSubject").and_then(Value::as_object);
        let subject = subject
            .ok_or_else(|| Error::field(format!("/credential{SUBJECT}"), "the credential is about nobody"))?;
        let text = |name: &'static str| match subject.get(name).filter(|_| counts(name)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.trim().is_empty())),
            Some(Value::Number(number)) if number.is_u64() => Ok(Some(number.to_string())),
            // Read as nothing, it would make another kind of event.
            Some(_) => {
                let what = "this is neither a text nor a whole number, as MOSIP writes it";
                let advice = "Ask the MOSIP administrator why it was issued so; the message is kept.";
                Err(Error::field(format!("/credential{SUBJECT}/{name}"), what).advise(advice))
            }
        };
        let number = match (text("VID")?, text("UIN")?) {
            (Some(vid), _) => Some(IssuedNumber::Vid(vid)),
            (None, uin) => uin.map(IssuedNumber::Uin),
        };
        let mut certificate = None;
        for (name, occasion) in CERTIFICATE_NUMBERS {
            let number = text(name)?;
            certificate = certificate.or(number.map(|number| (number, occasion)));
        }
        let occasion = match (&certificate, &number) {
            (Some((_, occasion)), _) => *occasion,
            (None, Some(_)) => Occasion::Birth,
            (None, None) => Occasion::Death,
        };
        if occasion == Occasion::Birth && number.is_none() {
            return Err(Error::field(format!("/credential{SUBJECT}/VID"), "the credential of a birth brings no number").advise(
                "Ask the MOSIP administrator why the credential was issued without VID and UIN; the message is kept.",
            ));
        }
        let id = text("id")?;
        let registration_id = id.as_deref().and_then(|id| id.rsplit('/').next()).filter(|id| !id.is_empty());
        Ok(Self {
            registration_id: registration_id.map(str::to_owned),
            number,
            occasion,
            certificate_number: certificate.map(|(number, _)| number),
        })
    }
}
