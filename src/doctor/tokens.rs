//! The tokens that calls carry. Nothing is called with one: whatever went there would be done in earnest.

use super::Finding;
use crate::destinations::TokenSource;
use crate::queue::outside::Network;

/// What came of every token. One client that several sections name is one thing to put right.
#[derive(Default)]
pub(super) struct Tokens {
    given: Vec<Finding>,
    /// With the sections whose client is refused for the same reason.
    refused: Vec<(Vec<&'static str>, Finding)>,
}

impl Tokens {
    /// Fetches the token of `source`.
    pub(super) async fn fetch(&mut self, network: &Network, source: &TokenSource) {
        let (section, giver) = (source.grant().section(), source.grant().giver());
        let error = match network.check_token(source).await {
            Ok(()) => {
                self.given.push(Finding::ok(section, format!("{giver} gives a token to the client")));
                return;
            }
            Err(error) => error,
        };
        match self.refused.iter_mut().find(|(_, finding)| finding.what == error.detail()) {
            Some((sections, _)) => sections.push(section),
            None => {
                let finding = Finding::of_call(section, &error);
                self.refused.push((vec![section], finding));
            }
        }
    }

    /// The finding that the client of `section` is refused.
    pub(super) fn refused(&mut self, section: &str) -> Option<&mut Finding> {
        let of = self.refused.iter_mut().find(|(sections, _)| sections.contains(&section));
        of.map(|(_, finding)| finding)
    }

    pub(super) fn into_findings(self) -> impl Iterator<Item = Finding> {
        let refused = self.refused.into_iter();
        let refused = refused.map(|(sections, finding)| Finding { subject: sections.join(", "), ..finding });
        self.given.into_iter().chain(refused)
    }
}
