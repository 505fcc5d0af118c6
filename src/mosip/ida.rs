//! IDA: authentication, e-KYC and one-time passwords.
//!
//! [`Intent`] is what the caller asks for. [`request`] makes the request to IDA with the keys and the time of one moment, and [`read`] reads
//! the reply. Personal data leaves a reply only as `Verified`. A refusal by IDA is `Stated`, signed or not.

mod input;
mod outcome;
mod record;
mod reply;
mod request;
mod sealed;

pub use input::{
    Attribute, Authentication, Demographics, IdType, Individual, Intent, OtpChannel, OtpOrder, Text,
    TransactionId,
};
pub(crate) use outcome::{NO_TOKEN, NOT_CONFIRMED, Outcome, Reason};
pub(crate) use record::MOST_RECORDS;
pub use record::{IdLengths, ListedRecord, Record, RecordList, read_kept};
pub use reply::{
    Answer, Authenticated, Expected, Known, OtpSent, RawReply, Response, read, read_authenticated,
    read_known, read_otp_sent,
};
pub use request::{Origin, SignedRequest, request};
#[cfg(test)]
pub(super) use sealed::{SealedIdentity, open_identity};
pub use sealed::{sign_body, verify_body};

/// A service of IDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Yes or no, and the UINTOKEN.
    Auth,
    /// The same, and the identity that the policy of the partner shares.
    Kyc,
    /// Sends the person a one-time password.
    Otp,
}

impl Service {
    /// The first path segment after the URL of IDA.
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Kyc => "kyc",
            Self::Otp => "otp",
        }
    }

    /// `id` in request and reply.
    const fn id(self) -> &'static str {
        match self {
            Self::Auth => "mosip.identity.auth",
            Self::Kyc => "mosip.identity.kyc",
            Self::Otp => "mosip.identity.otp",
        }
    }
}
