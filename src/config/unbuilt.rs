//! Sections whose features are not built yet. They are checked, so that a file written today stays valid, but they have no effect, which a
//! warning says. A setting in them that would protect something is refused.

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{text, word};

/// A token that nothing uses, since the feature that needs it is off.
pub(crate) fn unused_token(mut section: Section<'_>, plain: &PlainHttp) {
    section.parsed("kind", word(&[("keycloak", ()), ("authmanager", ())]));
    section.url("url", plain);
    for name in ["client_id", "app_id", "username"] {
        section.parsed(name, text);
    }
    for name in ["client_secret", "password"] {
        section.secret_setting(name, Unset::Absent);
    }
    section.finish();
}
