//! `[ops]`

use crate::config::section::{Section, Unset};
use crate::config::value::{Complaint, complaint};
use crate::config::{ServerTls, listeners};
use crate::crypto::secret::SecretBytes;

/// `[ops]`
pub(crate) struct Settings {
    /// What this installation is called on the page.
    pub(crate) name: Option<String>,
    /// Bearer token for the page and its posts.
    pub(crate) token: Option<SecretBytes>,
    /// TLS on this listener.
    pub(crate) tls: Option<ServerTls>,
}

impl Settings {
    /// Reads `[ops]`.
    pub(crate) fn read(root: &mut Section<'_>) -> Self {
        let mut section = root.section("ops");
        let settings = Self {
            name: section.parsed("name", name),
            token: section.secret("token", Unset::Refused),
            tls: listeners::tls(&mut section),
        };
        section.finish();
        settings
    }
}

/// One line that fits a heading.
fn name(text: &str) -> Result<String, Complaint> {
    let fits =
        (1..=60).contains(&text.chars().count()) && !text.contains(char::is_control) && text.trim() == text;
    if fits {
        return Ok(text.to_owned());
    }
    Err(complaint(
        "is not a name of 1 to 60 characters on one line",
        "write one, such as \"Registry of Exampleland, production\"",
    ))
}
