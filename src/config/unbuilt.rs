//! Sections whose features are not built yet. They are checked, so that a file written today stays valid, but they have no effect, which a
//! warning says. A setting in them that would protect something is refused.

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{text, word};

/// `[upstream.packets]`
pub(crate) fn packets(mut section: Section<'_>, plain: &PlainHttp) {
    section.url("create", plain);
    section.url("process", plain);
    for name in ["center_id", "machine_id", "id_prefix"] {
        section.parsed(name, text);
    }
    if let Some(part) = section.any_section("token") {
        token(part, plain);
    }
    section.finish_not_built();
}

/// A token that nothing uses yet.
fn token(mut section: Section<'_>, plain: &PlainHttp) {
    token_settings(&mut section, plain);
    section.finish_not_built();
}

/// A token that nothing uses, since the feature that needs it is off.
pub(crate) fn unused_token(mut section: Section<'_>, plain: &PlainHttp) {
    token_settings(&mut section, plain);
    section.finish();
}

fn token_settings(section: &mut Section<'_>, plain: &PlainHttp) {
    section.parsed("kind", word(&[("keycloak", ()), ("authmanager", ())]));
    section.url("url", plain);
    for name in ["client_id", "app_id", "username"] {
        section.parsed(name, text);
    }
    for name in ["client_secret", "password"] {
        section.secret_setting(name, Unset::Absent);
    }
}
