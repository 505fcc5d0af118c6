//! `[faces]`: routes that stand in for older systems; `[seeder]` and `[events]`, which ask IDA in the operator's name.

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{Complaint, complaint};
use super::{Events, Faces, Seeder, listeners, unbuilt, value};

/// `faces.webhook_signature`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookSignature {
    /// Either of the two (the default).
    #[default]
    Either,
    /// `sha256:` and `encodeURIComponent` of the body, as OpenCRVS signs.
    Core,
    /// The body as it stands.
    Raw,
}

/// `[faces]`
pub(super) fn faces(root: &mut Section<'_>, plain: &PlainHttp) -> Faces {
    let mut section = root.section("faces");
    let base = section.reader().base();
    let danger_open =
        section.danger("danger_open", "callers of the faces need no authentication off the loopback");
    let secret = section.secret("webhook_secret", Unset::Refused);
    let on = section.flag("webhooks", false);
    if on && !section.is_secret_set("webhook_secret") {
        section.missing("webhook_secret_file");
    }
    let faces = Faces {
        listen: section.parsed("listen", value::address(base)),
        webhooks: secret.filter(|_| on),
        webhook_signature: section.parsed("webhook_signature", webhook_signature).unwrap_or_default(),
        token: section.secret("token", Unset::Refused),
        danger_open,
        tls: listeners::tls(&mut section),
    };
    if faces.listen.is_none() {
        let protecting = [("token_file", faces.token.is_some()), ("tls", faces.tls.is_some())];
        for (name, _) in protecting.into_iter().filter(|(_, is_set)| *is_set) {
            section.reader().warn(format!(
                "faces.{name} protects nothing without faces.listen; on the internal listener internal.token_file and internal.tls protect"
            ));
        }
    }
    unbuilt::mosip_api(&mut section, plain);
    section.finish();
    faces
}

fn webhook_signature(form: &str) -> Result<WebhookSignature, Complaint> {
    match form {
        "either" => Ok(WebhookSignature::Either),
        "core" => Ok(WebhookSignature::Core),
        "raw" => Ok(WebhookSignature::Raw),
        _ => Err(complaint("is no form of a signature", "write \"either\", \"core\" or \"raw\"")),
    }
}

/// `[seeder]`
pub(super) fn seeder(root: &mut Section<'_>) -> Seeder {
    let mut section = root.section("seeder");
    let seeder = Seeder { consent: section.flag("consent", true) };
    section.finish();
    seeder
}

/// `[events]`: a link needs IDA, and the operator's word for consent.
pub(super) fn events(root: &mut Section<'_>, has_ida: bool, seeder: &Seeder) -> Events {
    let mut section = root.section("events");
    let mut death = section.section("death");
    let death_link = death.flag("link", false);
    if death_link && !has_ida {
        death.problem("link", "needs calls to IDA", "set upstream.ida, or remove it");
    }
    if death_link && !seeder.consent {
        death.problem(
            "link",
            "asks IDA about people without their consent",
            "set seeder.consent = true, or remove it",
        );
    }
    death.finish();
    section.finish();
    Events { death_link }
}
