//! Messages of MOSIP's WebSub hub.

use super::Verified;
use super::envelope::Policy;
use super::push::Notice;
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};
use crate::keys::Ring;

/// A credential stays in quarantine until a gateway that verifies credentials examines it again.
pub(crate) fn verify_credential(_: &[u8], _: &Ring, _: Timestamp, _: Policy) -> Result<Verified<Notice>> {
    Err(Error::new(Code::SignatureInvalid, "credentials are not verified yet")
        .advise("It is kept until a gateway that verifies credentials runs here."))
}
