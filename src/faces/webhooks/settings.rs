//! `faces.webhooks` and what belongs to it.

use std::sync::Arc;

use super::super::{FaceSettings, Sources};
use crate::config::section::Unset;
use crate::config::value::{Complaint, complaint};
use crate::crypto::secret::SecretBytes;
use crate::opencrvs::webhook::WebhookSignature;

/// How OpenCRVS proves itself.
pub(crate) struct Settings {
    /// What it signs with: the `sha_secret` of its integration.
    pub(crate) secret: Arc<SecretBytes>,
    /// `faces.webhook_signature`: what the signature has to cover.
    pub(crate) signature: WebhookSignature,
}

/// `None`: the face is off.
impl FaceSettings for Option<Settings> {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let section = &mut *sources.faces;
        let secret = section.secret("webhook_secret", Unset::Refused);
        let on = section.flag("webhooks", false);
        if on && !section.is_secret_set("webhook_secret") {
            section.missing("webhook_secret_file");
        }
        let signature = section.parsed("webhook_signature", webhook_signature).unwrap_or_default();
        secret.filter(|_| on).map(|secret| Settings { secret: Arc::new(secret), signature })
    }

    fn is_on(&self) -> bool {
        self.is_some()
    }
}

fn webhook_signature(form: &str) -> Result<WebhookSignature, Complaint> {
    match form {
        "either" => Ok(WebhookSignature::Either),
        "core" => Ok(WebhookSignature::Core),
        "raw" => Ok(WebhookSignature::Raw),
        _ => Err(complaint("is no form of a signature", "write \"either\", \"core\" or \"raw\"")),
    }
}
