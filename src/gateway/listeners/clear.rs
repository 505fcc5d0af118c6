//! Listeners that others reach, and that do not speak TLS.

use super::ALL;
use crate::config::Trouble;
use crate::settings::Config;

/// Every listener whose callers send tokens or people's records through a network in the clear, unless TLS ends before it, which no gateway
/// can know.
pub(crate) fn in_the_clear(config: &Config) -> Vec<Trouble> {
    let troubles = ALL.iter().filter_map(|listener| {
        let address = listener.served_at(config)?;
        if address.is_local() || (listener.tls)(config).is_some() {
            return None;
        }
        let (setting, carries) = (listener.address_setting, (listener.carries)(config)?);
        Some(Trouble::new(
            listener.tls_setting,
            format!("is not set, and {setting} is off the loopback: {carries} goes through the network in the clear, unless TLS ends before it"),
            "set it, or let TLS end at an ingress or a proxy and keep everybody else off the way from there",
        ))
    });
    troubles.collect()
}
