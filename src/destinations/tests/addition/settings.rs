//! `[example]`

use http::Uri;

use super::Example;
use crate::config::section::Unset;
use crate::crypto::secret::SecretBytes;
use crate::destinations::{DestinationSettings, KeyNeeds, Listed, Recipient, Sources, Url};

/// `[example]`
pub(crate) struct Settings {
    pub(crate) url: Uri,
    pub(crate) key_url: Uri,
    pub(crate) secret: SecretBytes,
}

impl DestinationSettings for Option<Settings> {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let mut section = sources.root.optional_section("example")?;
        let url = section.required_url("url", sources.plain);
        let key_url = section.required_url("key_url", sources.plain);
        let secret = section.secret("secret", Unset::Refused);
        section.finish();
        Some(Settings { url: url?, key_url: key_url?, secret: secret? })
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let Some(Settings { url, key_url, .. }) = self else { return Vec::new() };
        vec![Url::whole("example.url", url), Url::whole("example.key_url", key_url)]
    }

    fn key_needs(&self) -> impl IntoIterator<Item = KeyNeeds> {
        let seals_to = Some(Recipient { name: "exampleland", what: "notices", whose: "Exampleland's" });
        self.as_ref().map(|_| KeyNeeds {
            destination: Example::ROWS.destination,
            section: "example",
            signs: true,
            sign_with: None,
            verified_by: Vec::new(),
            seals_to,
        })
    }
}
