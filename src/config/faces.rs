//! `[faces]`: routes that stand in for older systems; `[seeder]`.

use super::section::{Section, Unset};
use super::{Faces, Seeder, listeners, value};

/// `[faces]`
pub(super) fn faces(root: &mut Section<'_>) -> Faces {
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
        token: section.secret("token", Unset::Refused),
        danger_open,
        tls: listeners::tls(&mut section),
    };
    section.finish();
    faces
}

/// `[seeder]`
pub(super) fn seeder(root: &mut Section<'_>) -> Seeder {
    let mut section = root.section("seeder");
    let seeder = Seeder { consent: section.flag("consent", true) };
    section.finish();
    seeder
}
