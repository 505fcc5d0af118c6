//! What eSignet's endpoints of OAuth answer: what was asked for, or an error (RFC 6749 5.2, RFC 9126 2.3).

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{ESIGNET, printable};
use crate::error::{Code, Error, Result};
use crate::json::Object;
use crate::refusal;

/// What to do where eSignet does not take the client.
const REFUSED: &str = "Check with the administrator of eSignet that clientId is registered there with the public half of the key that esignet.key \
     names, and that the clocks agree.";

/// Longest sentence of eSignet that its caller sees, in characters.
const LONGEST_SENTENCE: usize = 300;

fn shortened(mut sentence: String) -> String {
    if let Some((end, _)) = sentence.char_indices().nth(LONGEST_SENTENCE) {
        sentence.truncate(end);
    }
    sentence
}

/// The words of an error.
pub(super) struct Refusal {
    pub(super) word: String,
    description: String,
    status: StatusCode,
    setting: &'static str,
}

/// Reads the answer of the endpoint whose URL `setting` says or leads to: what was asked for, or the words of an error.
/// [`Code::Upstream`] where it is neither.
pub(super) fn read<T: DeserializeOwned>(
    status: StatusCode,
    body: &[u8],
    setting: &'static str,
) -> Result<Result<T, Refusal>> {
    #[derive(Deserialize)]
    struct Words {
        error: Option<String>,
        error_description: Option<String>,
    }
    if status.is_server_error() || status.is_redirection() {
        return Err(refusal::of_status(ESIGNET, status, setting));
    }
    let unreadable = |_| refusal::of_body(ESIGNET, status, setting);
    let Object(Words { error, error_description }) = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(word) = error {
        let description = error_description.unwrap_or_default();
        return Ok(Err(Refusal { word, description, status, setting }));
    }
    if !status.is_success() {
        return Err(refusal::of_status(ESIGNET, status, setting));
    }
    let Object(reply) = serde_json::from_slice(body).map_err(unreadable)?;
    Ok(Ok(reply))
}

/// By the words of RFC 6749 5.2 and eSignet's own.
impl From<Refusal> for Error {
    fn from(Refusal { word, description, status, setting }: Refusal) -> Self {
        const ABOUT_US: [&str; 6] = [
            "invalid_client",
            "unauthorized_client",
            "invalid_client_id",
            "invalid_assertion",
            "invalid_assertion_type",
            "unsupported_grant_type",
        ];
        // `access_denied`: the person did not agree.
        const ABOUT_THE_LOGIN: [(&str, &str); 9] = [
            ("access_denied", "/code"),
            ("invalid_grant", "/code"),
            ("invalid_code", "/code"),
            ("invalid_transaction", "/code"),
            ("invalid_redirect_uri", "/redirectUri"),
            ("invalid_pkce", "/codeVerifier"),
            ("invalid_pkce_code_verifier", "/codeVerifier"),
            ("pkce_failed", "/codeVerifier"),
            ("invalid_code_verifier", "/codeVerifier"),
        ];
        let error = match ABOUT_THE_LOGIN.iter().find(|(known, _)| *known == word) {
            Some((known, pointer)) => Error::field(*pointer, format!("eSignet does not take this ({known})"))
                .advise("Let the person log in again: a code can be used once, and for a short time."),
            None if ABOUT_US.contains(&word.as_str())
                || status == StatusCode::UNAUTHORIZED
                || status == StatusCode::FORBIDDEN =>
            {
                Error::new(Code::Partner, "eSignet does not take the client").advise(REFUSED)
            }
            None => refusal::of_status(ESIGNET, status, setting),
        };
        error.with_upstream(printable(&word), shortened(description))
    }
}
