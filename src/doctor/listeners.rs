//! Every listener that the gateway knows: its certificate, and how its callers are known.

use std::sync::Arc;
use std::time::Duration;

use super::Finding;
use crate::clock::Timestamp;
use crate::config::{Address, ServerTls, Trouble};
use crate::faces::Certificates;
use crate::faces::jwt::{JwtCallers, JwtSettings};
use crate::gateway::listeners::{self, Listener};
use crate::gateway::tls;
use crate::http::server::{self, Acceptor};
use crate::keys::dated::{self, LISTENER};
use crate::queue::outside::Network;
use crate::settings::Config;

/// The files of every listener.
pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let with_tls = listeners::ALL.iter().filter_map(|listener| Some((listener, (listener.tls)(config)?)));
    let mut findings: Vec<Finding> =
        with_tls.map(|(listener, tls)| examine_tls(config, listener, tls)).collect();
    findings.extend(addresses(config));
    findings.extend(proxies(config));
    findings.extend(certificates(config, now));
    findings.extend(config.jwt_callers().filter(|jwt| jwt.check().is_ok()).map(|jwt| {
        let what = match jwt.called_url() {
            Some(_) => "the keys are fetched when the gateway starts; --online tries it",
            None => "the key can be used",
        };
        Finding::ok(jwt.setting(), what)
    }));
    findings
}

/// Fetches the keys that callers are known by, where these are at a URL.
pub(super) async fn call(jwts: Vec<JwtSettings>, network: &Arc<Network>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for jwt in jwts {
        let Some(setting) = jwt.called_url().map(|url| url.setting) else { continue };
        let outside = Arc::<Network>::clone(network);
        findings.push(match JwtCallers::new(jwt, outside, Duration::ZERO).reach().await {
            Ok(()) => Finding::ok(setting, "the keys of callers come, and can be used"),
            Err(error) => Finding::fail(setting, error.detail(), error.advice()),
        });
    }
    findings
}

/// Every certificate outside the key ring, and the files of TLS to servers that cannot be used. Issuers of credentials that have not expired
/// are looked at with their contexts.
fn certificates(config: &Config, now: Timestamp) -> Vec<Finding> {
    let Ok(Certificates { dated: all, refused }) = tls::examine(config) else { return Vec::new() };
    let of_certificates = all.iter().filter_map(|one| {
        let subject = match one.place.role {
            LISTENER => file_of(config, &one.place.name)?,
            _ => one.place.subject.clone(),
        };
        let is_elsewhere = subject.starts_with("credentials.") && !one.has_ended(now);
        (!is_elsewhere).then(|| match dated::trouble(one, &all, now) {
            Some(trouble) => Finding::of_trouble(Trouble { subject, ..trouble }),
            None => Finding::ok(subject, one.state(now)),
        })
    });
    refused.into_iter().map(Finding::of_trouble).chain(of_certificates).collect()
}

/// The file of the certificate that the listener `name` shows.
fn file_of(config: &Config, name: &str) -> Option<String> {
    let listener = listeners::ALL.iter().find(|listener| listener.name == name)?;
    (listener.tls)(config).map(|tls| tls.cert.display().to_string())
}

/// How callers of the callback listener who have proved nothing yet are told apart. On the loopback something stands before it, whose
/// address all of them have.
fn proxies(config: &Config) -> Option<Finding> {
    const SUBJECT: &str = "callback.trusted_proxies";
    let Some(address @ Address::Tcp(_)) = &config.listen.callback else { return None };
    Some(match (config.callback.trusted_proxies.is_empty(), address.is_local()) {
        (false, _) => Finding::ok(SUBJECT, "strangers are told apart by the address that these proxies say"),
        (true, false) => Finding::ok(
            SUBJECT,
            "is not set: strangers are told apart by the address that they connect from; behind a proxy they would share one",
        ),
        (true, true) => Finding::warn(
            SUBJECT,
            "is not set, and listen.callback is on the loopback: behind a proxy all strangers share one address and one limit",
            "name the proxy that stands before it, such as 127.0.0.1, if it sends X-Forwarded-For",
        ),
    })
}

/// Every address, by taking it for a moment. What a running gateway holds is as it should be.
fn addresses(config: &Config) -> Vec<Finding> {
    let mut running = None;
    let mut is_running = || *running.get_or_insert_with(|| config.outbox.location.is_in_use());
    let mut taken: Vec<(&str, &Address)> = Vec::new();
    let mut findings = Vec::new();
    for listener in listeners::ALL {
        let Some(address) = (listener.address)(config) else { continue };
        let subject = format!("listener {}", listener.name);
        if let Some((other, _)) = taken.iter().find(|(_, other)| address.overlaps(other)) {
            let what = format!("{address} is the address of another listener ({other}), too");
            findings.push(Finding::fail(
                subject,
                what,
                format!("give it an address of its own in {}", listener.address_setting),
            ));
            continue;
        }
        // What is not bound takes nothing.
        if listener.served_at(config).is_none() {
            continue;
        }
        taken.push((listener.name, address));
        findings.push(match server::try_address(address) {
            Ok(()) => Finding::ok(subject, format!("{address} is free")),
            Err(refusal) if refusal.is_taken() && is_running() => {
                Finding::ok(subject, format!("{address} is in use, and a gateway runs on this outbox"))
            }
            Err(refusal) => Finding::fail(subject, refusal.to_string(), refusal.advice()),
        });
    }
    findings
}

/// Whether the files of a listener can be used. How long its certificates last is told with all others.
fn examine_tls(config: &Config, listener: &Listener, tls: &ServerTls) -> Finding {
    let setting = listener.tls_setting;
    match Acceptor::load(tls) {
        Ok(_) => Finding::ok(setting, "certificate, key and authorities can be used"),
        Err(refusal) => {
            let unserved = listener.without_tls(config, &refusal).map(Finding::of_trouble);
            let no_start =
                || Finding::fail(setting, format!("{refusal}; the gateway does not start"), refusal.advice);
            let mut finding = unserved.unwrap_or_else(no_start);
            if let Some(advice) = &mut finding.advice {
                advice.push_str("; a gateway that runs keeps what it loaded before, and takes the files once they are right");
            }
            finding
        }
    }
}
