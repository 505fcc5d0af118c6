//! Messages of MOSIP's WebSub hub.

use super::Stated;
use super::push::{Notice, Trust};
use crate::error::{Code, Error, Result};

/// A credential stays in quarantine until a gateway that verifies credentials examines it again.
pub(crate) fn verify_credential(_: &[u8], _: Trust<'_>) -> Result<Stated<Notice>> {
    Err(Error::new(Code::SignatureInvalid, "credentials are not verified yet")
        .advise("It is kept until a gateway that verifies credentials runs here."))
}
