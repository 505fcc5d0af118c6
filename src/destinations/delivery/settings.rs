//! `[deliver]`

use std::time::Duration;

use http::Uri;

use super::super::{DestinationSettings, Sources, Url};
use crate::config::section::Unset;
use crate::crypto::secret::SecretBytes;

/// `[deliver]`
pub(crate) struct Settings {
    /// Where opened messages go; absent = nothing is pushed.
    pub(crate) url: Option<Uri>,
    /// Secret of the Standard Webhooks signature.
    pub(crate) secret: Option<SecretBytes>,
    /// For one attempt; default 10 s.
    pub(crate) deadline: Duration,
    /// Messages under way at once; those about one subject go one after the other. Default 8.
    pub(crate) concurrency: usize,
}

impl Default for Settings {
    /// The mediator is beside us, so that an answer comes soon.
    fn default() -> Self {
        Self { url: None, secret: None, deadline: Duration::from_secs(10), concurrency: 8 }
    }
}

impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let mut section = sources.root.section("deliver");
        section.client_certificate();
        let default = Self::default();
        let settings = Self {
            url: section.url("url", sources.plain),
            secret: section.secret("secret", Unset::Refused),
            deadline: section.deadline(default.deadline),
            concurrency: section.concurrency(default.concurrency),
        };
        section.finish();
        settings
    }

    fn urls(&self) -> Vec<Url<'_>> {
        self.url.iter().map(|url| Url::whole("deliver.url", url)).collect()
    }
}
