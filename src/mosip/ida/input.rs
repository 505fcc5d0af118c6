//! Requests of callers to IDA, in plain JSON. They are read strictly: what IDA would refuse or, worse, ignore is refused here with a JSON
//! pointer. No type here has a `Debug`, because all of it is personal.

mod biometrics;
mod demographics;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use demographics::{Attribute, Demographics, Text};

use super::Service;
use crate::crypto::secret;
use crate::error::{Error, Result};
use crate::json::{self, Object};

/// A call that may be made: consent is given, every value is well-formed, and there is at least one factor to recognise the person by.
pub enum Intent {
    /// `/v1/ida/auth`
    Auth(Authentication),
    /// `/v1/ida/kyc`
    Kyc(Authentication),
    /// `/v1/ida/otp`
    Otp(OtpOrder),
}

/// Who the person claims to be, and the factors that prove it, of which there is at least one.
pub struct Authentication {
    /// The person.
    pub individual: Individual,
    /// The transaction of this call. With a one-time password, it is the transaction that ordered the password.
    pub transaction: TransactionId,
    /// Name, date of birth and the like.
    pub demographics: Option<Demographics>,
    /// The one-time password that they received.
    pub otp: Option<String>,
    /// Biometrics from a capture device, passed on unchanged.
    pub biometrics: Vec<Box<RawValue>>,
}

/// A one-time password for a person.
pub struct OtpOrder {
    /// The person.
    pub individual: Individual,
    /// The transaction, which has to be given again when the password is used.
    pub transaction: TransactionId,
    /// Where it is sent; never empty.
    pub channels: Vec<OtpChannel>,
}

/// Where a one-time password is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OtpChannel {
    /// `email`
    #[serde(alias = "EMAIL")]
    Email,
    /// `phone`
    #[serde(alias = "PHONE")]
    Phone,
}

/// `individualIdType`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum IdType {
    /// A UIN, which a person keeps for life.
    Uin,
    /// A VID, a number that stands in for a UIN.
    Vid,
    /// A handle, a name that stands in for a UIN.
    Handle,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    individual_id: Option<String>,
    individual_id_type: Option<String>,
    consent: Option<bool>,
    transaction_id: Option<String>,
    demographics: Option<demographics::Members>,
    otp: Option<String>,
    biometrics: Option<Vec<Box<RawValue>>>,
    otp_channel: Option<Vec<OtpChannel>>,
}

impl Intent {
    /// Reads the body that was posted to the route of `service`.
    pub fn parse(service: Service, body: &[u8]) -> Result<Self> {
        let Object(asked): Object<Asked> = json::read(body)?;
        match service {
            Service::Auth => asked.authentication().map(Self::Auth),
            Service::Kyc => asked.authentication().map(Self::Kyc),
            Service::Otp => asked.otp_order().map(Self::Otp),
        }
    }

    /// The service that is called.
    pub const fn service(&self) -> Service {
        match self {
            Self::Auth(_) => Service::Auth,
            Self::Kyc(_) => Service::Kyc,
            Self::Otp(_) => Service::Otp,
        }
    }

    /// Whom it is about.
    pub const fn individual(&self) -> &Individual {
        match self {
            Self::Auth(asked) | Self::Kyc(asked) => &asked.individual,
            Self::Otp(order) => &order.individual,
        }
    }

    /// The transaction, which the reply has to name.
    pub const fn transaction(&self) -> &TransactionId {
        match self {
            Self::Auth(asked) | Self::Kyc(asked) => &asked.transaction,
            Self::Otp(order) => &order.transaction,
        }
    }
}

impl Asked {
    fn authentication(self) -> Result<Authentication> {
        if self.otp_channel.is_some() {
            return Err(Error::field("/otpChannel", "this belongs to /v1/ida/otp"));
        }
        let (individual, transaction) =
            person(self.individual_id, self.individual_id_type, self.consent, self.transaction_id)?;
        let demographics = self.demographics.map(Demographics::from_members).transpose()?;
        let otp = self.otp.map(check_otp).transpose()?;
        let biometrics = self.biometrics.unwrap_or_default();
        biometrics::check(&biometrics)?;
        if demographics.is_none() && otp.is_none() && biometrics.is_empty() {
            return Err(Error::field("/demographics", "give demographics, an otp or biometrics"));
        }
        Ok(Authentication { individual, transaction, demographics, otp, biometrics })
    }

    fn otp_order(self) -> Result<OtpOrder> {
        let factors = [
            ("/demographics", self.demographics.is_some()),
            ("/otp", self.otp.is_some()),
            ("/biometrics", self.biometrics.is_some()),
        ];
        if let Some((pointer, _)) = factors.into_iter().find(|(_, is_there)| *is_there) {
            return Err(Error::field(pointer, "this belongs to /v1/ida/auth and /v1/ida/kyc"));
        }
        let (individual, transaction) =
            person(self.individual_id, self.individual_id_type, self.consent, self.transaction_id)?;
        match self.otp_channel {
            Some(channels) if !channels.is_empty() => Ok(OtpOrder { individual, transaction, channels }),
            _ => Err(Error::field("/otpChannel", "name \"email\", \"phone\" or both")),
        }
    }
}

fn person(
    id: Option<String>,
    id_type: Option<String>,
    consent: Option<bool>,
    transaction: Option<String>,
) -> Result<(Individual, TransactionId)> {
    if consent != Some(true) {
        return Err(Error::field("/consent", "the person's consent is not given")
            .advise("Send \"consent\": true once the person has agreed."));
    }
    let id_type = match id_type.as_deref() {
        Some("UIN") => IdType::Uin,
        Some("VID") => IdType::Vid,
        Some("HANDLE") => IdType::Handle,
        _ => return Err(Error::field("/individualIdType", "this is not \"UIN\", \"VID\" or \"HANDLE\"")),
    };
    let individual = Individual::new(id_type, id.unwrap_or_default())?;
    let transaction = transaction.map_or_else(|| Ok(TransactionId::generate()), TransactionId::parse)?;
    Ok((individual, transaction))
}

/// MOSIP makes six digits by default.
fn check_otp(otp: String) -> Result<String> {
    let fits = (1..=16).contains(&otp.len()) && otp.bytes().all(|b| b.is_ascii_alphanumeric());
    if fits { Ok(otp) } else { Err(Error::field("/otp", "a one-time password is 1 to 16 letters or digits")) }
}

/// A person by one of their numbers or names.
pub struct Individual {
    id_type: IdType,
    id: String,
}

impl Individual {
    /// A UIN or VID is all digits; a handle is anything without spaces.
    pub fn new(id_type: IdType, id: String) -> Result<Self> {
        let fits = match id_type {
            IdType::Uin | IdType::Vid => id.bytes().all(|b| b.is_ascii_digit()),
            IdType::Handle => !id.contains(|c: char| c.is_whitespace() || c.is_control()),
        };
        if fits && (1..=128).contains(&id.len()) {
            Ok(Self { id_type, id })
        } else {
            Err(Error::field("/individualId", "this is missing, or has not the form of its type"))
        }
    }

    /// Which kind of number.
    pub const fn id_type(&self) -> IdType {
        self.id_type
    }

    /// The number.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Names a call at IDA, and ties a one-time password to its use: ten ASCII letters or digits.
#[derive(Clone, PartialEq, Eq)]
pub struct TransactionId(String);

impl TransactionId {
    const LEN: usize = 10;

    /// Reads an id that the caller chose.
    pub fn parse(text: String) -> Result<Self> {
        if text.len() == Self::LEN && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            Ok(Self(text))
        } else {
            Err(Error::field("/transactionId", "a transaction id is ten ASCII letters or digits"))
        }
    }

    /// Makes a new one of 50 random bits, so that no earlier reply matches it.
    pub fn generate() -> Self {
        // Crockford's alphabet: nobody mistakes a letter for a digit on the telephone.
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let random: [u8; Self::LEN] = secret::random();
        let symbol = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().map_or('0', char::from);
        Self(random.iter().map(symbol).collect())
    }

    /// The ten characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests;
