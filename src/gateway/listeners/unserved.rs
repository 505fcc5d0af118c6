//! What the configuration asks of listeners and does not get, known before anything is bound.

use super::knows_callers;
use crate::config::{Address, ServerTls, Trouble};
use crate::crypto::secret::SecretBytes;
use crate::faces::{Callers, LISTENER};
use crate::settings::Config;
use crate::tls_files::Refusal;

/// Every listener, and every part of one, that is configured and not served.
pub(crate) fn troubles(config: &Config) -> Vec<Trouble> {
    on_faces(config).into_iter().chain(on_internal(config)).chain(page(config)).collect()
}

/// A listener whose certificate, key or authorities cannot be used; `instead`: what the gateway does in its place.
pub(super) fn without_tls(setting: &str, refusal: &Refusal, instead: &str) -> Trouble {
    let Refusal { file, what, advice } = refusal;
    // Whoever reads this has the configuration.
    let file = file.file_name().unwrap_or_default().to_string_lossy();
    Trouble::fatal(
        setting,
        format!("{file}: {what}; {instead}"),
        format!("{advice}, and start the gateway again"),
    )
}

/// Whether `faces.listen` is left with a face to serve.
pub(super) fn is_faces_served(config: &Config) -> bool {
    let knows = faces_knows(config);
    let is_served = |callers| match callers {
        Callers::ByRequest => true,
        Callers::ByListener => knows,
    };
    config.faces.each.on().into_iter().any(|(_, callers)| is_served(callers))
}

fn on_faces(config: &Config) -> Option<Trouble> {
    let setting = format!("{LISTENER}.listen");
    config.faces.listen.as_ref()?;
    if config.faces.each.on().is_empty() {
        let what = "serves nothing, and the gateway does not listen there: no face is on";
        return Some(Trouble::new(
            setting,
            what,
            "set faces.webhooks, seeder.consent or faces.mosip_api, or remove faces.listen",
        ));
    }
    let left_out = guarded(config).filter(|_| !faces_knows(config))?;
    let advice = "set faces.token_file or faces.tls.client_ca, or put faces.listen on the loopback; seeder.consent = false turns /authtoken off";
    let what =
        format!("does not serve {left_out}: it is off the loopback, and nothing says who its callers are");
    Some(match is_faces_served(config) {
        true => Trouble::new(setting, what, advice),
        false => Trouble::fatal(setting, format!("{what}; the gateway does not listen there"), advice),
    })
}

/// A face that the internal listener leaves out is reported where no other listener serves it.
fn on_internal(config: &Config) -> Option<Trouble> {
    let internal = &config.internal;
    let is_elsewhere = config.faces.listen.is_some();
    let is_known = knows(config, &config.listen.internal, internal.token.as_ref(), internal.tls.as_ref());
    let left_out = guarded(config).filter(|_| !is_elsewhere && !is_known)?;
    Some(Trouble::fatal(
        "listen.internal",
        format!("does not serve {left_out}: it is off the loopback, and nothing says who its callers are"),
        "set internal.token_file or internal.tls.client_ca, or faces.listen",
    ))
}

/// The operators' page shows people's records, so it is never open to a network.
fn page(config: &Config) -> Option<Trouble> {
    (!has_page(&config.listen.ops, config.ops.token.as_ref())).then(|| {
        Trouble::new(
            "listen.ops",
            "does not serve the operators' page: it is off the loopback, and there is no ops.token_file",
            "set ops.token_file, or put listen.ops on the loopback",
        )
    })
}

/// Whether the listener of operators at `address` serves the page.
pub(super) fn has_page(address: &Address, token: Option<&SecretBytes>) -> bool {
    address.is_local() || token.is_some()
}

/// `/authtoken`: the faces that are on and whose callers the listener has to know; `None` where there is none.
fn guarded(config: &Config) -> Option<String> {
    let on = config.faces.each.on().into_iter();
    let guarded = on.filter(|(_, callers)| *callers == Callers::ByListener);
    let names: Vec<_> = guarded.map(|(name, _)| format!("/{name}")).collect();
    (!names.is_empty()).then(|| names.join(" and "))
}

fn faces_knows(config: &Config) -> bool {
    let faces = &config.faces;
    let Some(address) = &faces.listen else { return false };
    knows(config, address, faces.token.as_ref(), faces.tls.as_ref())
}

fn knows(config: &Config, address: &Address, token: Option<&SecretBytes>, tls: Option<&ServerTls>) -> bool {
    config.faces.danger_open || knows_callers(address, token, tls)
}
