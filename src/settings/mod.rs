//! All settings of the gateway, in one list: each room reads its own from its sections, so that all problems are reported at
//! once.

pub(crate) mod credentials;
mod load;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

pub use self::credentials::Credentials;
use crate::config::section::Section;
use crate::config::{
    CONNECTS_NOTHING, ClientCertificates, Envelope, Listen, Trouble, Upstream, listeners, upstream,
};
use crate::destinations::{self, Url, esignet};
use crate::faces::callback::Settings as Callback;
use crate::faces::jwt::JwtSettings;
use crate::faces::{self, callback, ops, plain};
use crate::keys::settings::Keys;
use crate::ledger::settings::{Outbox, Quarantine};
use crate::{keys, ledger, telemetry};

/// All settings of the gateway, checked. Paths are joined already: absolute, or relative to the process's folder.
pub struct Config {
    /// `[listen]`
    pub listen: Listen,
    /// `[keys]`
    pub keys: Keys,
    /// `[envelope]`
    pub envelope: Envelope,
    /// `[outbox]`
    pub(crate) outbox: Outbox,
    /// `[quarantine]`
    pub(crate) quarantine: Quarantine,
    /// `[upstream]`
    pub upstream: Upstream,
    /// `[credentials]`
    pub credentials: Credentials,
    /// `[internal]`
    pub(crate) internal: plain::Settings,
    /// `[ops]`
    pub(crate) ops: ops::Settings,
    /// `[callback]`
    pub(crate) callback: callback::Settings,
    /// `[faces]`, and the sections of the faces that stand in for older systems.
    pub(crate) faces: faces::Settings,
    /// The sections of all destinations.
    pub(crate) destinations: destinations::Settings,
    /// `[events]`
    pub(crate) events: Events,
    /// `[telemetry]`
    pub(crate) telemetry: telemetry::Settings,
    /// `[esignet]`; `None`: nothing of it is set.
    pub(crate) esignet: Option<esignet::Settings>,
    /// Sentences for the log at start: `danger_` settings that are on, sections not built yet, aliases used.
    pub warnings: Vec<String>,
    /// What is not as it should be, and stops no start: on the page, in readiness, in metrics, in the log.
    pub troubles: Vec<Trouble>,
    /// Where each setting that was set came from, for `doctor`: its path, and `file` or the name of the variable. No values.
    pub origins: Vec<(String, String)>,
    /// The files that secrets were read from at start (`…_file` outside `[keys]`), for `doctor`.
    pub secret_files: Vec<PathBuf>,
}

/// `[events]`
pub(crate) struct Events {
    /// `events.death.link`: a death goes with the UINTOKEN of the deceased, where IDA gives it. Default false.
    pub(crate) death_link: bool,
}

impl Config {
    /// Every URL that is called for events, pushes and logins, for the keys of callers, and for traces.
    pub(crate) fn called_urls(&self) -> Vec<Url<'_>> {
        let mut urls = self.destinations.urls();
        urls.extend(self.esignet.iter().flat_map(|esignet| esignet.urls()));
        urls.extend(self.jwt_callers().filter_map(JwtSettings::called_url));
        urls.extend(self.telemetry.otlp_url.iter().map(|url| Url::whole("telemetry.otlp_url", url)));
        urls
    }

    /// How callers who bring a JWT are known, of every listener.
    pub(crate) fn jwt_callers(&self) -> impl Iterator<Item = &JwtSettings> {
        let Callback { opencrvs_jwt, mosip_jwt, .. } = &self.callback;
        [opencrvs_jwt, mosip_jwt, &self.faces.each.mosip_api.jwt].into_iter().flatten()
    }

    /// Every section in turn; problems, warnings and origins gather in the reader.
    fn settings(mut root: Section<'_>) -> Self {
        let reader = root.reader();
        let listen = listeners::listen(&mut root);
        let internal = plain::Settings::read(&mut root);
        let ops = ops::Settings::read(&mut root);
        let mut keys = keys::settings::keys(&mut root);
        let envelope = envelope(&mut root);
        let quarantine = ledger::settings::quarantine(&mut root);
        let outbox = ledger::settings::outbox(&mut root, &keys.dir);
        let mut section = root.section("upstream");
        let (upstream, plain) = upstream::upstream(&mut section);
        let esignet = esignet::Settings::read(&mut root, &keys, &plain);
        keys.esignet = esignet.as_ref().and_then(|esignet| esignet.key.clone());
        let mut destinations = destinations::Settings::read(&mut destinations::Sources {
            root: &mut root,
            upstream: &mut section,
            keys: &keys,
            plain: &plain,
        });
        section.finish();
        let address = listen.callback.as_ref();
        let callback = callback::Settings::read(&mut root, &plain, address, destinations.hub.is_secret_set);
        let faces = faces::Settings::read(&mut root, &plain);
        let lacking = callback.lacks_for_hub(address).filter(|_| !faces.takes_hub());
        destinations.hub.check_listener(lacking, &root);
        if let Some(webhooks) = &mut destinations.opencrvs.webhooks {
            webhooks.answers_at(faces.each.webhooks.as_ref().map(|face| Arc::clone(&face.secret)));
        }
        let events = events(&mut root, destinations.ida.is_some(), faces.each.authtoken.consent);
        let credentials = credentials::credentials(&mut root, &plain);
        let telemetry = telemetry::Settings::read(&mut root, &plain);
        root.finish();
        let (warnings, troubles, origins, secret_files) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut config = Self {
            listen,
            keys,
            envelope,
            outbox,
            quarantine,
            upstream,
            credentials,
            internal,
            ops,
            callback,
            faces,
            destinations,
            events,
            telemetry,
            esignet,
            warnings,
            troubles,
            origins,
            secret_files,
        };
        let called = config.called_urls().into_iter().map(|url| (url.setting, url.url.clone())).collect();
        config.upstream.client = ClientCertificates { all: reader.client_certificates(), called };
        config.upstream.client.check(reader);
        config
    }
}

impl Config {
    /// Whether credentials are to come: something says whose count, or their topic is subscribed.
    pub(crate) fn expects_credentials(&self) -> bool {
        self.credentials.is_begun() || self.destinations.hub.topics.credential().is_some()
    }

    /// That a gateway under this configuration is connected to nothing, and what makes it useful; `None`: it is. With keys it still serves
    /// those who seal and open; without, nobody.
    pub(crate) fn connects_nothing(&self) -> Option<Trouble> {
        let settings = &self.destinations;
        let is_connected = !settings.mediator.events.is_empty()
            || settings.packets.create.is_some()
            || !settings.systems.is_empty()
            || settings.ida.is_some()
            || settings.hub.hub_url.is_some()
            || self.esignet.is_some()
            || self.listen.callback.is_some();
        if is_connected {
            return None;
        }
        let advice = "set upstream.mediator.birth, upstream.packets.create, [[systems]], upstream.ida, listen.callback or websub.hub_url; or name the configuration with \
                      --config FILE or MOSIP_GATEWAY_CONFIG. deploy/mosip-gateway.toml shows every setting";
        let has_keys = !self.keys.own.is_empty() || !self.keys.peers.is_empty();
        let why = match has_keys {
            true => {
                "no event is taken, nothing comes from MOSIP, and the keys serve /v1/seal, open, sign and verify alone"
            }
            false => "no key and no URL is set, so that nothing can be sent, opened or verified",
        };
        let trouble = Trouble::new("configuration", format!("{CONNECTS_NOTHING}{why}"), advice);
        Some(Trouble { fatal: !has_keys, ..trouble })
    }
}

fn envelope(root: &mut Section<'_>) -> Envelope {
    let mut section = root.section("envelope");
    let danger_accept_unsigned =
        section.danger("danger_accept_unsigned", "messages without a signature are accepted");
    section.finish();
    Envelope { danger_accept_unsigned }
}

/// `[events]`: a link needs IDA, and the operator's word for `consent`.
fn events(root: &mut Section<'_>, has_ida: bool, consent: bool) -> Events {
    let mut section = root.section("events");
    let mut death = section.section("death");
    let death_link = death.flag("link", false);
    if death_link && !has_ida {
        death.problem("link", "needs calls to IDA", "set upstream.ida, or remove it");
    }
    if death_link && !consent {
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
