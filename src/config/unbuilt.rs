//! Sections whose features are not built yet. They are checked, so that a file written today stays valid, but they have no effect, which a
//! warning says. A setting in them that would protect something is refused.

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{text, url, word};

/// Every top-level section that is not built yet.
pub(crate) fn check(root: &mut Section<'_>, plain: &PlainHttp) {
    esignet(root.section("esignet"), plain);
}

fn esignet(mut section: Section<'_>, plain: &PlainHttp) {
    section.url("token_url", plain);
    section.url("userinfo_url", plain);
    section.path("client_key_file");
    section.finish_not_built();
}

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

/// The face of `mosip-api`: its routes are not built, so a setting here has nothing to protect.
pub(crate) fn mosip_api(section: &mut Section<'_>, plain: &PlainHttp) {
    let is_on = section.flag("mosip_api", false);
    section.flag("consent", true);
    section.parsed("verify_names", word(&[("all", ()), ("first-last", ())]));
    // This is the origin of a page. Nothing is sent there.
    section.parsed("cors_origin", url);
    if let Some(mut jwt) = section.any_section("opencrvs_jwt") {
        jwt.url("url", plain);
        for name in ["file", "issuer", "audience"] {
            jwt.parsed(name, text);
        }
        jwt.finish();
    }
    if is_on {
        section.reader().warn("the face mosip_api is not built yet: its routes are not there".to_owned());
    }
}
