//! `[internal]`

use crate::config::section::{Section, Unset};
use crate::config::{ServerTls, listeners};
use crate::crypto::secret::SecretBytes;

/// `[internal]`
pub(crate) struct Settings {
    /// Bearer token that callers must send (content of `token_file`, trimmed of one trailing newline).
    pub(crate) token: Option<SecretBytes>,
    /// `false` switches seal, open, sign and verify off; default true.
    pub(crate) primitives: bool,
    /// TLS on this listener.
    pub(crate) tls: Option<ServerTls>,
}

impl Settings {
    /// Reads `[internal]`.
    pub(crate) fn read(root: &mut Section<'_>) -> Self {
        let mut section = root.section("internal");
        let settings = Self {
            token: section.secret("token", Unset::Refused),
            primitives: section.flag("primitives", true),
            tls: listeners::tls(&mut section),
        };
        section.finish();
        settings
    }
}
