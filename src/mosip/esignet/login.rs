//! What a browser brings back from eSignet.

use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroize;

use crate::error::{Error, Result};

/// Longest value of a login, bytes. eSignet's codes and our callers' addresses stay far below it.
const LONGEST: usize = 2048;

// No `Debug`: with the code others could ask in our name.
/// What a browser brings back from eSignet after a login.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EsignetLogin)]
pub(crate) struct Login {
    /// `code` of the redirect. It can be used once.
    #[schema(min_length = 1, max_length = 2048)]
    pub(crate) code: String,
    /// The client id under which the country is registered with eSignet.
    #[schema(min_length = 1, max_length = 2048)]
    pub(crate) client_id: String,
    /// The address that eSignet was told to lead the browser back to.
    #[schema(min_length = 1, max_length = 2048)]
    pub(crate) redirect_uri: String,
    /// The verifier of PKCE (RFC 7636), where the login began with a challenge.
    #[schema(nullable = false, min_length = 43, max_length = 128)]
    pub(crate) code_verifier: Option<String>,
    /// The `nonce` that the login began with. Where it is there, the ID token has to hold it.
    #[schema(nullable = false, min_length = 1, max_length = 2048)]
    pub(crate) nonce: Option<String>,
}

impl Login {
    /// [`Code::Field`](crate::error::Code::Field) for a value that eSignet could not have given.
    pub(crate) fn check(&self) -> Result<()> {
        let texts = [
            ("/code", Some(&self.code)),
            ("/clientId", Some(&self.client_id)),
            ("/redirectUri", Some(&self.redirect_uri)),
            ("/nonce", self.nonce.as_ref()),
        ];
        for (pointer, text) in texts.into_iter().filter_map(|(pointer, text)| Some((pointer, text?))) {
            if text.is_empty() || text.len() > LONGEST {
                return Err(Error::field(pointer, "this is empty or longer than 2048 bytes"));
            }
        }
        // RFC 7636 4.1.
        let is_verifier = |text: &String| {
            (43..=128).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        if !self.code_verifier.as_ref().is_none_or(is_verifier) {
            return Err(Error::field(
                "/codeVerifier",
                "this is no verifier of PKCE: 43 to 128 unreserved characters",
            ));
        }
        Ok(())
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        self.code.zeroize();
        self.code_verifier.zeroize();
    }
}
