//! What is not as it should be with the settings and the files that they name, and stops no start. `doctor`, the log at the start, the
//! page, readiness and metrics walk this one list. What changes while the gateway runs stands beside it: keys, the outbox, channels, the hub.

pub(crate) mod files;
mod roles;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::{credentials, listeners};
use crate::config::Trouble;
use crate::destinations::{Lack, Url};
use crate::error::Error;
use crate::faces::FaceSettings as _;
use crate::mosip::credential::ProofKind;
use crate::opencrvs::event::EventKind;
use crate::settings::{self, Config};
use crate::upstream::{self, is_plain};

/// What settings and files say by themselves, and say until the next start. Permissions change meanwhile ([`files`]), and so do certificates
/// (`tls`); credentials have a section of their own ([`of_credentials`]).
pub(crate) fn all(config: &Config) -> Vec<Trouble> {
    let lacks = config.destinations.lacks().into_iter();
    let lacks = lacks.chain(config.esignet.iter().flat_map(|esignet| esignet.lacks()));
    let lacks = lacks.map(|Lack { subject, what, advice }| Trouble::fatal(subject, what, advice));
    config
        .connects_nothing()
        .into_iter()
        .chain(of_warnings(config))
        .chain(config.troubles.iter().cloned())
        .chain(listeners::troubles(config))
        .chain(listeners::in_the_clear(config))
        .chain(lacks)
        .chain(config.destinations.packets.trouble())
        .chain(config.esignet.iter().filter_map(|esignet| esignet.trouble()))
        .chain(config.destinations.hub.troubles())
        .chain(config.called_urls().iter().filter_map(of_url))
        .chain(webhooks_lead_nowhere(config))
        .chain(nothing_confirms(config))
        .chain(of_contexts(config))
        .chain(of_issuers(config))
        .chain(config.callback.key_trouble())
        .chain(config.faces.each.mosip_api.key_trouble())
        .chain(roles::unfilled(config))
        .collect()
}

/// What the settings say of themselves: one that takes a protection away, one that has no effect, a name of an older system. Plain http is
/// told URL by URL.
fn of_warnings(config: &Config) -> impl Iterator<Item = Trouble> {
    let has_plain = config.called_urls().iter().any(|url| is_plain(url.url));
    let warnings =
        config.warnings.iter().filter(move |sentence| !(has_plain && sentence.contains("plain http")));
    warnings.map(|sentence| {
        Trouble::new("configuration", sentence, "remove the setting where that is not wanted")
    })
}

/// Others can read and change what goes to this URL, or nothing is served there.
pub(crate) fn of_url(Url { setting, url, is_whole }: &Url<'_>) -> Option<Trouble> {
    let shown = upstream::redact(url);
    if is_plain(url) {
        let what = format!("{shown}: plain http off the loopback, where others can read and change it");
        return Some(Trouble::new(setting, what, "use https"));
    }
    let has_no_path = *is_whole && url.path().trim_matches('/').is_empty();
    has_no_path.then(|| {
        Trouble::new(setting, format!("{shown}: has no path"), "write the whole URL that is posted to")
    })
}

/// What OpenCRVS posts is kept until there is a URL that it goes to.
fn webhooks_lead_nowhere(config: &Config) -> Option<Trouble> {
    let (events, systems) = (&config.destinations.mediator.events, &config.destinations.systems);
    let is_unset = |kind: &EventKind| {
        !events.contains_key(kind.as_str()) && !systems.iter().any(|system| system.takes_webhooks(*kind))
    };
    let unset: Vec<String> = [EventKind::Birth, EventKind::Death]
        .into_iter()
        .filter(is_unset)
        .map(|kind| format!("upstream.mediator.{kind}"))
        .collect();
    (config.faces.each.webhooks.is_on() && !unset.is_empty()).then(|| {
        let unset = unset.join(" and ");
        Trouble::new(
            "faces.webhooks",
            format!(
                "OpenCRVS posts births and deaths, and {unset} is not set: what goes there stays in quarantine"
            ),
            "set it, name the kind in kinds of one of [[systems]], or subscribe to other topics alone",
        )
    })
}

/// Record tokens come by the face `mosip_api` alone.
fn nothing_confirms(config: &Config) -> Option<Trouble> {
    let opencrvs = &config.destinations.opencrvs;
    let comes_none = opencrvs.needs_record_tokens() && !config.faces.each.mosip_api.is_on();
    comes_none.then(|| {
        Trouble::fatal(
            "opencrvs.url",
            "no registration can be confirmed in OpenCRVS: record tokens come with faces.mosip_api alone, which is off, and no client is set",
            "set the system client of OpenCRVS in opencrvs.client_id, client_secret_file and auth_url, or faces.mosip_api where OpenCRVS is 1.9",
        )
    })
}

/// The proof beside a credential needs no contexts, and the one inside a credential does.
fn of_contexts(config: &Config) -> Option<Trouble> {
    let settings = &config.credentials;
    let is_odd = config.expects_credentials()
        && settings.contexts_dir.is_none()
        && settings.context.is_empty()
        && !settings.require.contains(&ProofKind::Embedded);
    is_odd.then(|| {
        Trouble::new(
            "credentials.contexts_dir",
            "is not set, and credentials.require names event-proof alone: a credential that holds a proof inside, as vercred and euin do, stays in quarantine",
            "set credentials.contexts_dir and credentials.context, unless MOSIP issues credentials of type opencrvs alone",
        )
    })
}

/// Where nothing has a certificate, [`of_credentials`] says so.
fn of_issuers(config: &Config) -> Option<Trouble> {
    let settings::Credentials { issuers, without_issuer, .. } = &config.credentials;
    let lacks_some = config.expects_credentials() && !issuers.is_empty() && !without_issuer.is_empty();
    lacks_some.then(|| {
        Trouble::new(
            "credentials.issuers",
            format!(
                "holds no certificate for {}, which MOSIP_VERIFIABLE_CREDENTIAL_ALLOWLIST names: what is signed there stays in quarantine",
                without_issuer.join(", ")
            ),
            "add each with its certificate, and start the gateway again, or take it out of the variable",
        )
    })
}

/// The files that hold secrets: those of settings, passwords of keys, keys of listeners. Private keys are looked at where they are loaded.
pub(crate) fn secret_files(config: &Config) -> Vec<PathBuf> {
    let passwords = config.keys.own.iter().flat_map(|own| own.source.secret_files()).map(Path::to_owned);
    let tls_keys = listeners::ALL.iter().filter_map(|listener| Some((listener.tls)(config)?.key.clone()));
    let client_keys = config.upstream.client.all.iter().map(|one| one.key.clone());
    config.secret_files.iter().cloned().chain(passwords).chain(tls_keys).chain(client_keys).collect()
}

/// Credentials are to come, and none can be verified, for each of the reasons `refusals`.
pub(crate) fn of_credentials(refusals: &[Error]) -> Vec<Trouble> {
    let trouble =
        |refusal: &Error| Trouble::fatal("credentials", credentials::reason(refusal), refusal.advice());
    refusals.iter().map(trouble).collect()
}
