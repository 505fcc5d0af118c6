//! The wire format of MOSIP's Token Seeder: the requests of callers, read into records, and the error codes.
//!
//! Its bodies cannot express consent, so the setting `seeder.consent` does.

mod batch;
mod csv;
mod request;

use serde::Deserialize;

pub use batch::Batch;
pub use csv::read_csv;
pub use request::{Asked, read_json};

/// What a record may hold, in the seeder's order.
pub(crate) const FIELDS: [&str; 7] =
    ["vid", "name", "gender", "dob", "phoneNumber", "emailId", "fullAddress"];

/// Which form the file of a job has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A JSON list.
    #[default]
    Json,
    /// Comma-separated values.
    Csv,
}

/// Why the Token Seeder refuses a request or a record, with its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// `ATS-REQ-…`
    pub code: &'static str,
    /// A sentence without a value of the caller's.
    pub message: &'static str,
}

const fn refused(code: &'static str, message: &'static str) -> Refused {
    Refused { code, message }
}

impl Refused {
    /// The number is neither a UIN nor a VID.
    pub(crate) const VID_WRONG: Self =
        refused("ATS-REQ-002", "the number is as long as neither a UIN nor a VID");
    /// A name without a letter.
    pub(crate) const NAME_EMPTY: Self = refused("ATS-REQ-003", "name is not provided");
    /// An empty gender.
    pub(crate) const GENDER_EMPTY: Self = refused("ATS-REQ-004", "gender is empty");
    /// An empty date of birth.
    pub(crate) const DOB_EMPTY: Self = refused("ATS-REQ-006", "date of birth is empty");
    /// Not `yyyy/MM/dd`.
    pub(crate) const DOB_WRONG: Self = refused("ATS-REQ-007", "date of birth has not the form yyyy/MM/dd");
    /// An empty address.
    pub(crate) const ADDRESS_EMPTY: Self = refused("ATS-REQ-008", "address is empty");
    /// No number.
    pub(crate) const VID_ABSENT: Self = refused("ATS-REQ-009", "vid or its mapping not present");
    /// No name.
    pub(crate) const NAME_ABSENT: Self = refused("ATS-REQ-010", "name or its mapping not present");
    /// No gender.
    pub(crate) const GENDER_ABSENT: Self = refused("ATS-REQ-011", "gender or its mapping not present");
    /// No date of birth.
    pub(crate) const DOB_ABSENT: Self = refused("ATS-REQ-012", "dateOfBirth or its mapping not present");
    /// No telephone number where the mapping names one.
    pub(crate) const PHONE_ABSENT: Self = refused("ATS-REQ-013", "phoneNumber or its mapping not present");
    /// No e-mail address where the mapping names one.
    pub(crate) const EMAIL_ABSENT: Self = refused("ATS-REQ-014", "emailId or its mapping not present");
    /// No address where the mapping names one.
    pub(crate) const ADDRESS_ABSENT: Self = refused("ATS-REQ-015", "fullAddress or its mapping not present");
    /// No such request.
    pub const UNKNOWN: Self = refused("ATS-REQ-016", "no auth request found for the given identifier");
    /// No file yet.
    pub(crate) const NOT_PROCESSED: Self = refused("ATS-REQ-017", "auth request not processed yet");
    /// Every record is wrong.
    pub(crate) const NO_RECORD: Self = refused("ATS-REQ-101", "none of the record form a valid request");
    /// The request itself is wrong.
    pub const INVALID: Self = refused("ATS-REQ-102", "invalid input");
    /// A record that is not an object of texts.
    pub const RECORD_WRONG: Self =
        refused("ATS-REQ-102", "the record is not an object of texts, or a value is wrong");
    /// A row of another length than the header.
    pub const ROW_LENGTH: Self = refused("ATS-REQ-102", "the row has not as many columns as the header");
    /// A row whose quotation does not end.
    pub const ROW_QUOTES: Self = refused("ATS-REQ-102", "a quotation mark of the row is not closed");
    /// A row that is no text.
    pub const ROW_NOT_TEXT: Self = refused("ATS-REQ-102", "the row is not UTF-8 text");
}

/// Nothing is known about the person: IDA is away, or its reply does not verify.
pub(crate) const UNKNOWN_ERROR: &str = "ATS-REQ-100";
/// Several errors of IDA, joined.
pub(crate) const SEVERAL_ERRORS: &str = "ATS-REQ-103";
