//! `[upstream.mediator]`, and `[upstream.token]` that its calls carry.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;

use super::super::{DestinationSettings, KeyNeeds, Listed, Recipient, Sources, Url};
use super::Mediator;
use crate::config::token::{self, Token};
use crate::mosip::roles;
use crate::opencrvs::event::EventKind;

/// `[upstream.mediator]`
pub(crate) struct Settings {
    /// URL by kind: `birth`, `death`, `birth-correction`, …
    pub(crate) events: BTreeMap<String, Uri>,
    /// `generateAid`; absent = no AID is fetched.
    pub(crate) aid: Option<Uri>,
    /// Name of the signing key; absent = the first with use `sign`.
    pub(crate) sign_with: Option<String>,
    /// Default 90 s.
    pub(crate) deadline: Duration,
    /// Posts at once per URL; default 1.
    pub(crate) concurrency: usize,
    /// `[upstream.token]`; absent = no token is sent.
    pub(crate) token: Option<Token>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
            aid: None,
            sign_with: None,
            deadline: Duration::from_secs(90),
            concurrency: 1,
            token: None,
        }
    }
}

impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { upstream, keys, plain, .. } = sources;
        let token = upstream.optional_section("token").and_then(|section| token::token(section, plain));
        let mut section = upstream.section("mediator");
        section.client_certificate();
        let url = |kind: &str| Some((kind.to_owned(), section.url(kind, plain)?));
        let events = EventKind::WORDS.into_iter().filter_map(url).collect();
        let default = Self::default();
        let settings = Self {
            events,
            aid: section.url("aid", plain),
            sign_with: keys.sign_with(&mut section),
            deadline: section.deadline(default.deadline),
            concurrency: section.concurrency(default.concurrency),
            token,
        };
        section.finish();
        settings
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let token = self.token.iter().map(|token| Url::whole("upstream.token.url", &token.url));
        let events =
            self.events.iter().map(|(kind, url)| Url::whole(format!("upstream.mediator.{kind}"), url));
        let aid = self.aid.iter().map(|url| Url::whole("upstream.mediator.aid", url));
        token.chain(events).chain(aid).collect()
    }

    fn key_needs(&self) -> impl IntoIterator<Item = KeyNeeds> {
        let seals_to =
            Some(Recipient { name: roles::MOSIP, what: "events", whose: "the MOSIP-side mediator's" });
        (!self.events.is_empty()).then(|| KeyNeeds {
            destination: Mediator::ROWS.destination,
            section: "upstream.mediator",
            signs: true,
            sign_with: self.sign_with.clone(),
            verified_by: Vec::new(),
            seals_to,
        })
    }
}
