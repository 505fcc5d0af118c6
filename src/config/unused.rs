//! Settings that have no effect, since what needs them is off. They are checked all the same.

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{text, word};

/// A token that nothing uses, since the feature that needs it is off.
pub(crate) fn token(mut section: Section<'_>, plain: &PlainHttp) {
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
