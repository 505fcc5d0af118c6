//! Where a login goes, and the keys of the issuer.

use std::sync::{Arc, PoisonError};

use http::Uri;

use super::{Esignet, Settings};
use crate::destinations::fetched::Fetched;
use crate::error::{Code, Error, Result};
use crate::mosip::esignet::{self, Metadata};
use crate::mosip::jwks::Jwks;
use crate::refusal;
use crate::upstream::Reply;

/// Where a login goes.
pub(super) struct Endpoints {
    pub(super) token: Uri,
    pub(super) userinfo: Uri,
    pub(super) jwks: Uri,
    pub(super) takes_proofs: bool,
}

impl Esignet {
    /// From the settings, else from the document of the issuer.
    pub(super) async fn endpoints(&self, settings: &Settings) -> Result<Endpoints> {
        if let (Some(token), Some(userinfo), Some(jwks)) =
            (&settings.token_url, &settings.userinfo_url, &settings.jwks_url)
        {
            let (token, userinfo, jwks) = (token.clone(), userinfo.clone(), jwks.clone());
            return Ok(Endpoints { token, userinfo, jwks, takes_proofs: false });
        }
        let document = self.document().await?;
        let or = |set: &Option<Uri>, named: &Uri| set.as_ref().unwrap_or(named).clone();
        Ok(Endpoints {
            token: or(&settings.token_url, &document.token),
            userinfo: or(&settings.userinfo_url, &document.userinfo),
            jwks: or(&settings.jwks_url, &document.jwks),
            takes_proofs: document.takes_proofs,
        })
    }

    pub(super) async fn document(&self) -> Result<Arc<Metadata>> {
        match &self.0.document {
            Some(document) => document.get().await,
            None => Err(Error::new(Code::Keys, "eSignet cannot be asked: esignet.issuer is not set")),
        }
    }

    pub(super) fn keys_at(&self, url: &Uri) -> Arc<Fetched<Jwks>> {
        let mut kept = self.0.keys_of_issuer.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(keys) if keys.url() == url => Arc::clone(keys),
            _ => {
                let read = |reply: &Reply| match reply.status.is_success() {
                    true => esignet::read_keys(&reply.body),
                    false => Err(refusal::of_status("eSignet", reply.status, "esignet.jwks_url")),
                };
                let keys = Arc::new(Fetched::new(url.clone(), Arc::clone(&self.0.outside), read));
                Arc::clone(kept.insert(keys))
            }
        }
    }
}
