//! Sections of the schema whose features are not built yet: checked all the same, so that a file written today stays right,
//! and without effect, which a warning says. A setting in them that protects is refused.

use toml::Value;

use super::section::Section;
use super::value::{text, url};

/// Every section that is not built yet.
pub(super) fn check(root: &mut Section<'_>, plain_http: bool) {
    events(root.section("events"));
    credentials(root.section("credentials"));
    esignet(root.section("esignet"), plain_http);
}

fn events(mut section: Section<'_>) {
    let mut death = section.section("death");
    death.flag("link", false);
    death.finish_not_built();
    section.finish();
}

fn credentials(mut section: Section<'_>) {
    section.path("contexts_dir");
    let context = section.array("context").unwrap_or_default();
    if !context.iter().all(|item| matches!(item, Value::String(_) | Value::Table(_))) {
        section.problem(
            "context",
            "holds what is neither a URL nor a table",
            "write what @context has to equal",
        );
    }
    for mut issuer in section.sections("issuers") {
        issuer.required("verification_method", text);
        issuer.required("file", text);
        issuer.finish();
    }
    section.danger("danger_accept_jcs", "credentials count without the canonical form that MOSIP signs");
    section.finish_not_built();
}

fn esignet(mut section: Section<'_>, plain_http: bool) {
    section.parsed("token_url", url(plain_http));
    section.parsed("userinfo_url", url(plain_http));
    section.path("client_key_file");
    section.finish_not_built();
}
