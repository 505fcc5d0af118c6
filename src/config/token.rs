//! The settings of an access token: where it is requested, and with which registration.

use http::Uri;

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{text, word};
use crate::crypto::secret::SecretBytes;

/// `[upstream.token]`, and every other section of that form
pub struct Token {
    /// Keycloak's token endpoint or authmanager's clientidsecretkey.
    pub url: Uri,
    /// The protocol by which the token is requested.
    pub kind: TokenKind,
    /// `client_id`
    pub client_id: String,
    /// From `client_secret_file` or `client_secret_env`.
    pub client_secret: SecretBytes,
}

/// How the token is requested.
pub enum TokenKind {
    /// Grant `client_credentials`.
    KeycloakClientCredentials,
    /// Grant `password`.
    KeycloakPassword {
        /// `username`
        username: String,
        /// From `password_file` or `password_env`.
        password: SecretBytes,
    },
    /// authmanager `clientidsecretkey`.
    Authmanager {
        /// `appId`
        app_id: String,
    },
}

/// Reads a section of the form of `[upstream.token]`.
pub(crate) fn token(mut section: Section<'_>, plain: &PlainHttp) -> Option<Token> {
    let url = section.required_url("url", plain);
    let client_id = section.required("client_id", text);
    let client_secret = section.required_secret("client_secret");
    let kind = token_kind(&mut section);
    section.finish();
    Some(Token { url: url?, kind: kind?, client_id: client_id?, client_secret: client_secret? })
}

fn token_kind(section: &mut Section<'_>) -> Option<TokenKind> {
    let is_authmanager =
        section.parsed("kind", word(&[("keycloak", false), ("authmanager", true)])).unwrap_or(false);
    if is_authmanager {
        for name in ["username", "password_file", "password_env"] {
            section.refuse(name, "belongs to kind = \"keycloak\"", "remove it, or change the kind");
        }
        return section.required("app_id", text).map(|app_id| TokenKind::Authmanager { app_id });
    }
    section.refuse("app_id", "belongs to kind = \"authmanager\"", "remove it, or change the kind");
    let username = section.parsed("username", text);
    let password = section.secret("password", Unset::Refused);
    match (section.is_set("username"), section.is_secret_set("password")) {
        (false, false) => Some(TokenKind::KeycloakClientCredentials),
        (true, true) => Some(TokenKind::KeycloakPassword { username: username?, password: password? }),
        (true, false) => {
            section.missing("password_file");
            None
        }
        (false, true) => {
            section.missing("username");
            None
        }
    }
}
