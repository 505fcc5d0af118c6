//! Sections of the schema whose features are not built yet: checked all the same, so that a file written today stays right,
//! and without effect, which a warning says. A setting in them that protects is refused.

use std::path::Path;
use std::time::Duration;

use bytesize::{MIB, TIB};
use toml::Value;

use super::section::{Section, Unset};
use super::value::{duration, is_inside, size, text, url};

const DAY: Duration = Duration::from_hours(24);

/// Every section that is not built yet.
pub(super) fn check(root: &mut Section<'_>, keys_dir: &Path, plain_http: bool) {
    quarantine(root.section("quarantine"));
    outbox(root.section("outbox"), keys_dir);
    seeder(root.section("seeder"));
    faces(root.section("faces"));
    events(root.section("events"));
    credentials(root.section("credentials"));
    esignet(root.section("esignet"), plain_http);
    websub(root.section("websub"), plain_http);
}

fn quarantine(mut section: Section<'_>) {
    section.parsed("max_bytes", size(MIB..=TIB));
    section.number("max_rows", 1..=10_000_000);
    section.finish_not_built();
}

fn outbox(mut section: Section<'_>, keys_dir: &Path) {
    let path = section.path("path");
    let key_file = section.path("key_file").or_else(|| Some(path?.with_file_name("outbox.key")));
    if key_file.is_some_and(|file| is_inside(&file, keys_dir)) {
        section.problem(
            "key_file",
            "is inside keys.dir, which is shared and replaced whole",
            "put it on a volume of its own",
        );
    }
    section.parsed("retention", duration(Duration::ZERO..=3650 * DAY));
    section.parsed("remember", duration(DAY..=3650 * DAY));
    section.parsed("give_up_after", duration(DAY..=3650 * DAY));
    section.parsed("reserve", size(0..=TIB));
    section.finish_not_built();
}

fn seeder(mut section: Section<'_>) {
    section.flag("consent", true);
    section.finish_not_built();
}

fn faces(mut section: Section<'_>) {
    for name in ["listen", "webhook_secret_file", "token_file", "tls"] {
        section.refuse(name, "is not built yet", "remove it, since it would protect nothing");
    }
    section.danger("danger_open", "callers of the faces need no authentication off the loopback");
    section.flag("webhooks", false);
    section.finish_not_built();
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

fn websub(mut section: Section<'_>, plain_http: bool) {
    section.parsed("hub_url", url(plain_http));
    section.parsed("callback_url", url(plain_http));
    section.parsed("topic", text);
    section.secret("secret", Unset::Refused);
    section.finish_not_built();
}
