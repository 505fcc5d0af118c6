//! Certificates, and the listeners that show them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::faces::ops::standing::Standing;
use crate::keys::dated::{Dated, LISTENER};

#[derive(Serialize, ToSchema)]
pub(super) struct Certificate {
    /// `own`, `peer`, `authority` (in `keys.ca_file`), `listener`, `trusted` (by a setting), `client` (shown to servers)
    role: &'static str,
    name: String,
    /// Its place in the file, from 1; behind that of a key stand its issuers.
    number: usize,
    /// Negative once it has expired.
    days_to_expiry: i64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Listener {
    name: &'static str,
    tls: bool,
    /// Of its certificate, or of an issuer that ends before; negative once it has expired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    days_to_expiry: Option<i64>,
}

impl Certificate {
    pub(super) fn all(standing: &Standing) -> Vec<Self> {
        let view = |dated: &Dated| Self {
            role: dated.place.role,
            name: dated.place.name.clone(),
            number: dated.number,
            days_to_expiry: dated.days_left(standing.now),
        };
        standing.certificates.iter().map(view).collect()
    }
}

impl Listener {
    /// `soonest`: of each file the certificate that ends it.
    pub(super) fn all(standing: &Standing, soonest: &[&Dated]) -> Vec<Self> {
        let is_of = |dated: &&&Dated, name: &str| dated.place.role == LISTENER && dated.place.name == name;
        let listeners = standing.listeners.iter().map(|listener| Self {
            name: listener.name,
            tls: listener.has_tls,
            days_to_expiry: soonest
                .iter()
                .find(|dated| is_of(dated, listener.name))
                .map(|dated| dated.days_left(standing.now)),
        });
        listeners.collect()
    }
}
