//! Keys that something configured needs, and that no setting names.

use crate::config::Trouble;
use crate::destinations::{KeyNeeds, Recipient};
use crate::mosip::roles;
use crate::settings::Config;

/// Roles without a key in the configuration that something configured needs.
pub(super) fn unfilled(config: &Config) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let needs = config.destinations.key_needs();
    let has_signer = config.keys.sign_for_mosip();
    let advice = match config.keys.esignet {
        Some(_) => "add a key with use = [\"sign\"]; the one that esignet.key names signs for eSignet alone",
        None => "add a key with use = [\"sign\"]",
    };
    for KeyNeeds { section, .. } in needs.iter().filter(|needs| needs.signs && !has_signer) {
        troubles.push(Trouble::fatal(
            "keys.own",
            format!("names no key that signs, and {section} wants signatures"),
            advice,
        ));
    }
    let is_called = config.listen.callback.is_some();
    if is_called && !config.keys.own.iter().any(|own| own.uses.decrypt) {
        troubles.push(Trouble::fatal(
            "keys.own",
            "names no key that decrypts, and what MOSIP pushes is sealed",
            "add a key with use = [\"decrypt\"]",
        ));
    }
    let lacks_peer = |name: &str| !config.keys.peers.iter().any(|peer| peer.name == name);
    let recipients: Vec<_> = needs.iter().filter_map(|needs| needs.seals_to.as_ref()).collect();
    for Recipient { name, what, whose } in recipients.iter().filter(|peer| lacks_peer(peer.name)) {
        troubles.push(Trouble::fatal(
            "keys.peers",
            format!("names no peer `{name}`, to whom {what} are sealed"),
            format!("add {whose} certificate under the name `{name}`"),
        ));
    }
    let is_named = recipients.iter().any(|peer| peer.name == roles::MOSIP);
    let takes_tokens = is_called && config.callback.expects_tokens();
    if takes_tokens && !is_named && lacks_peer(roles::MOSIP) {
        troubles.push(Trouble::fatal(
            "keys.peers",
            "names no peer `mosip`, whose signature on a push counts",
            "add the MOSIP-side mediator's certificate under the name `mosip`",
        ));
    }
    troubles
}
