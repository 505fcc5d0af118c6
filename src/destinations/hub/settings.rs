//! `[websub]`: MOSIP's hub, what is subscribed there, and what its messages are checked with.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::super::{DestinationSettings, Lack, Sources, Url};
use super::Subscriber;
use crate::config::Trouble;
use crate::config::section::{Section, Unset};
use crate::config::token::{self, Token};
use crate::config::unused;
use crate::config::value::{complaint, text};
use crate::crypto::secret::SecretBytes;
use crate::mosip::push::{PushKind, Topic};
use crate::mosip::websub::{self, Topics};

/// How often subscriptions are renewed, where no lease ends before.
const RENEW_EVERY: Duration = Duration::from_hours(6);
/// How long MOSIP may be silent about a registration.
const EXPECT_WITHIN: Duration = Duration::from_hours(24);
/// Fewest characters of the part of the callback's path that nobody can guess.
const UNGUESSABLE: usize = 16;
/// Shortest secret that nobody guesses, bytes.
const SHORTEST_SECRET: usize = 16;
/// Longest secret that a hub has to take (W3C WebSub, 5.1), bytes.
const LONGEST_SECRET: usize = 199;

/// `[websub]`
pub(crate) struct Settings {
    /// Where is subscribed; absent: nowhere, and the callback confirms subscriptions that others make.
    pub(crate) hub_url: Option<Uri>,
    /// Where the hub posts.
    pub(crate) callback_url: Option<Uri>,
    /// What the hub signs with.
    pub(crate) secret: Option<Arc<SecretBytes>>,
    /// `secret` is set, rightly or wrongly.
    pub(crate) is_secret_set: bool,
    /// `websub.token`; absent = no token is sent.
    pub(crate) token: Option<Token>,
    /// `token` is set, rightly or wrongly.
    pub(crate) is_token_set: bool,
    /// `websub.topics`
    pub(crate) topics: Topics,
    /// How often subscriptions are renewed; default 6 h.
    pub(crate) renew_every: Duration,
    /// How long MOSIP may be silent about a registration that went as a packet; default 24 h.
    pub(crate) expect_within: Duration,
    /// `CREDENTIAL_STATUS_UPDATE` is published to the hub for each credential; default false.
    pub(crate) publish_status: bool,
    /// What a subscription needs beside `hub_url` and is not set. Empty where no hub is set.
    pub(crate) unset: Vec<&'static str>,
    /// The callback listener is not served, since a file of its TLS settings cannot be used: what the hub posted would be lost, so that
    /// nothing is subscribed. Known once the files are read.
    pub(crate) is_unreachable: bool,
}

/// As where nothing is set.
impl Default for Settings {
    fn default() -> Self {
        Self {
            hub_url: None,
            callback_url: None,
            secret: None,
            is_secret_set: false,
            token: None,
            is_token_set: false,
            topics: Topics::default(),
            renew_every: RENEW_EVERY,
            expect_within: EXPECT_WITHIN,
            publish_status: false,
            unset: Vec::new(),
            is_unreachable: false,
        }
    }
}

impl Settings {
    /// What is subscribed with; `None` where something is not set that a subscription needs, or where no listener takes what the hub sends.
    pub(crate) fn subscriber(&self) -> Option<Subscriber> {
        let (Some(hub), Some(callback), Some(secret)) = (&self.hub_url, &self.callback_url, &self.secret)
        else {
            return None;
        };
        let (hub, callback, secret) = (hub.clone(), callback.clone(), Arc::clone(secret));
        (self.unset.is_empty() && !self.is_unreachable).then_some(Subscriber { hub, callback, secret })
    }

    /// Within which time MOSIP is to say what became of a registration; `None`: its credentials do not come here.
    pub(crate) fn expects_within(&self) -> Option<Duration> {
        self.topics.credential().map(|_| self.expect_within)
    }

    /// What stands behind `/websub/callback/` in `callback_url`, where it cannot be guessed: the hub alone is told.
    pub(crate) fn callback_path(&self) -> Option<SecretBytes> {
        let (_, part) = self.callback_url.as_ref()?.path().rsplit_once("/websub/callback/")?;
        let part = part.trim_end_matches('/');
        (part.len() >= UNGUESSABLE).then(|| SecretBytes::new(part.as_bytes().to_vec()))
    }

    /// Notes `lacking`, a setting of the listener that the hub posts to, and warns of an address that can be guessed.
    pub(crate) fn check_listener(&mut self, lacking: Option<&'static str>, root: &Section<'_>) {
        if self.hub_url.is_none() {
            return;
        }
        self.unset.extend(lacking);
        if self.unset.is_empty() && self.callback_path().is_none() {
            root.reader().trouble(Trouble::new(
                "websub.callback_url",
                "has no part of 16 characters or more that cannot be guessed, so that strangers may use up the connections of the hub, and say in its place that a topic is subscribed",
                "let it end with /websub/callback/ and 16 random characters or more",
            ));
        }
    }

    /// What works, and could be better.
    pub(crate) fn troubles(&self) -> Vec<Trouble> {
        let mut troubles = Vec::new();
        if self.hub_url.is_some() && !self.is_token_set {
            troubles.push(Trouble::new(
                "websub.token",
                "is not set, so that the hub is asked without a token",
                "set it unless the hub takes subscriptions from anybody: MOSIP's does not",
            ));
        }
        if self.secret.as_ref().is_some_and(|secret| secret.expose().len() < SHORTEST_SECRET) {
            troubles.push(Trouble::new(
                "websub.secret_file",
                "leads to a secret of less than 16 bytes, which can be guessed: whoever has it can reject registrations",
                "make one with `openssl rand -hex 32 > websub.secret`, and start the gateway again, which subscribes with it",
            ));
        }
        troubles
    }
}

impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { root, plain, .. } = sources;
        let mut section = root.section("websub");
        section.client_certificate();
        let hub_url = section.url("hub_url", plain);
        let callback_url = section.url_of_ours("callback_url", plain);
        let token = section.any_section("token");
        let is_token_set = token.is_some();
        let token = token.and_then(|token| match hub_url {
            Some(_) => token::token(token, plain),
            // Variables of an older system may set one that nobody needs.
            None => {
                unused::token(token, plain);
                None
            }
        });
        let topics = topics(&mut section);
        let secret = section.secret("secret", Unset::Refused);
        if secret.as_ref().is_some_and(|secret| secret.expose().len() > LONGEST_SECRET) {
            section.problem(
                "secret_file",
                "leads to a secret of 200 bytes or more",
                "take a shorter one: hubs refuse it",
            );
        }
        let renew = Duration::from_mins(1)..=Duration::from_hours(24 * 7);
        let expect = Duration::from_mins(1)..=Duration::from_hours(24 * 365);
        let mut websub = Self {
            token,
            is_token_set,
            topics,
            renew_every: section.duration("renew_every", renew).unwrap_or(RENEW_EVERY),
            expect_within: section.duration("expect_within", expect).unwrap_or(EXPECT_WITHIN),
            publish_status: section.flag("publish_status", false),
            unset: Vec::new(),
            is_unreachable: false,
            hub_url,
            callback_url,
            is_secret_set: section.is_secret_set("secret"),
            secret: secret.map(Arc::new),
        };
        if websub.hub_url.is_some() {
            let needs = [
                ("websub.callback_url", websub.callback_url.is_none()),
                ("websub.secret_file", !websub.is_secret_set),
                ("websub.topics", websub.topics.set().next().is_none()),
            ];
            websub.unset.extend(needs.into_iter().filter_map(|(name, is_unset)| is_unset.then_some(name)));
        }
        if websub.callback_url.as_ref().is_some_and(|url| !is_served(url.path())) {
            section.trouble(
                "callback_url",
                "leads to a path that the gateway does not serve",
                "let it end with /websub/callback/ and 16 random characters or more, unless a proxy before the gateway rewrites it",
            );
        }
        if websub.publish_status && (websub.hub_url.is_none() || websub.topics.credential().is_none()) {
            section.problem(
                "publish_status",
                "needs websub.hub_url and websub.topics.credential",
                "set them, or remove publish_status",
            );
        }
        section.finish();
        websub
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let hub = self.hub_url.iter().map(|url| Url::whole("websub.hub_url", url));
        let token = self.token.iter().map(|token| Url::whole("websub.token.url", &token.url));
        hub.chain(token).collect()
    }

    fn lacks(&self) -> Vec<Lack> {
        let lack = |name: &&'static str| Lack {
            subject: "websub",
            what: format!("{name} is not set, and websub.hub_url needs it"),
            advice: "set it; until then nothing is subscribed, and MOSIP's answers do not come",
        };
        self.unset.iter().map(lack).collect()
    }
}

/// Whether the callback listener serves `path`, perhaps below a folder of a proxy.
fn is_served(path: &str) -> bool {
    const ROUTE: &str = "/websub/callback";
    let rest =
        path.rfind(ROUTE).and_then(|at| path.get(at + ROUTE.len()..)).map(|rest| rest.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('/').is_some_and(|part| !part.contains('/')))
}

fn topics(section: &mut Section<'_>) -> Topics {
    let mut older = section.parsed("topic", text);
    if older.is_some() {
        section.reader().warn(
            "websub.topic is the older name of websub.topics.credential: it still counts, and should be renamed".to_owned(),
        );
    }
    let mut section = section.section("topics");
    let topics: Topics = PushKind::of_hub()
        .filter_map(|(_, Topic { setting, .. })| {
            let older = (setting == websub::credential::SETTING).then(|| older.take()).flatten();
            Some((setting, section.parsed(setting, text).or(older)?))
        })
        .collect();
    let mut names: Vec<_> = topics.set().map(|(_, topic)| topic).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() < all {
        section.reader().problem(
            "websub.topics",
            complaint("names one topic twice", "give each kind of message a topic of its own"),
        );
    }
    section.finish();
    topics
}
