//! How a login begins: the URL to which the browser goes, with its parameters in it, or pushed to eSignet beforehand (RFC 9126).

use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::Refusal;
use super::token::{ASSERTION_TYPE, Form};
use super::{answer, broken};
use crate::error::{Code, Error, Result};
use crate::json;

const SETTING: &str = "esignet.issuer";

/// Longest value, bytes. `claims` is JSON of some size.
const LONGEST: usize = 8192;

/// The parameters of a login (OpenID Connect Core 3.1.2.1).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EsignetAuthorization)]
pub(crate) struct Authorization {
    /// The client id under which the country is registered with eSignet.
    #[schema(min_length = 1, max_length = 8192)]
    pub(crate) client_id: String,
    /// The address that eSignet leads the browser back to, as it is registered there.
    #[schema(min_length = 1, max_length = 8192)]
    redirect_uri: String,
    /// What the browser brings back unchanged.
    #[schema(min_length = 1, max_length = 8192)]
    state: String,
    /// `openid profile` where it is left out.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// What the ID token has to hold.
    #[schema(nullable = false)]
    nonce: Option<String>,
    /// The challenge of PKCE, S256 of the verifier (RFC 7636).
    #[schema(nullable = false)]
    code_challenge: Option<String>,
    /// The ways to log in, parted by blanks.
    #[schema(nullable = false)]
    acr_values: Option<String>,
    /// The claims that are asked for, as JSON text.
    #[schema(nullable = false)]
    claims: Option<String>,
    /// Languages of the claims, parted by blanks.
    #[schema(nullable = false)]
    claims_locales: Option<String>,
    /// Languages of the page, parted by blanks.
    #[schema(nullable = false)]
    ui_locales: Option<String>,
    /// `page`, `popup`, `touch` or `wap`.
    #[schema(nullable = false)]
    display: Option<String>,
    /// `none`, `login`, `consent` or `select_account`.
    #[schema(nullable = false)]
    prompt: Option<String>,
}

impl Authorization {
    fn parameters(&self) -> Vec<(&'static str, &'static str, &str)> {
        let challenge_method = self.code_challenge.as_ref().map(|_| "S256");
        let optional = [
            ("/nonce", "nonce", self.nonce.as_deref()),
            ("/codeChallenge", "code_challenge", self.code_challenge.as_deref()),
            ("/codeChallenge", "code_challenge_method", challenge_method),
            ("/acrValues", "acr_values", self.acr_values.as_deref()),
            ("/claims", "claims", self.claims.as_deref()),
            ("/claimsLocales", "claims_locales", self.claims_locales.as_deref()),
            ("/uiLocales", "ui_locales", self.ui_locales.as_deref()),
            ("/display", "display", self.display.as_deref()),
            ("/prompt", "prompt", self.prompt.as_deref()),
        ];
        let demanded = [
            ("/clientId", "client_id", self.client_id.as_str()),
            ("/responseType", "response_type", "code"),
            ("/redirectUri", "redirect_uri", &self.redirect_uri),
            ("/scope", "scope", self.scope.as_deref().unwrap_or("openid profile")),
            ("/state", "state", &self.state),
        ];
        let optional =
            optional.into_iter().filter_map(|(pointer, name, value)| Some((pointer, name, value?)));
        demanded.into_iter().chain(optional).collect()
    }

    /// [`Code::Field`](crate::error::Code::Field) for a value that eSignet could not take.
    pub(crate) fn check(&self) -> Result<()> {
        for (pointer, _, value) in self.parameters() {
            if value.is_empty() || value.len() > LONGEST {
                return Err(Error::field(pointer, "this is empty or longer than 8192 bytes"));
            }
        }
        match &self.scope {
            Some(scope) if !scope.split(' ').any(|word| word == "openid") => {
                Err(Error::field("/scope", "this lacks `openid`, without which nobody says who logged in"))
            }
            _ => Ok(()),
        }
    }

    /// The URL with all parameters.
    pub(crate) fn url(&self, authorization: &Uri) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (_, name, value) in self.parameters() {
            query.append_pair(name, value);
        }
        with_query(authorization, &query.finish())
    }

    /// The form that is pushed.
    pub(crate) fn form(&self, assertion: &str) -> Bytes {
        let mut form = Form::default();
        for (_, name, value) in self.parameters() {
            form.push(name, value);
        }
        form.push("client_assertion_type", ASSERTION_TYPE);
        form.push("client_assertion", assertion);
        form.into_bytes()
    }

    /// The URL of what was pushed.
    pub(crate) fn url_of_pushed(&self, authorization: &Uri, pushed: &Pushed) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &self.client_id).append_pair("request_uri", &pushed.request_uri);
        with_query(authorization, &query.finish())
    }
}

/// A proof that the code is bound to (RFC 9449 10.1) is none that we could make: the key of a login is made with its token request.
fn refused(refusal: Refusal) -> Error {
    match &*refusal.word {
        "use_dpop_nonce" | "invalid_dpop_proof" => {
            Error::new(Code::Partner, "eSignet demands a proof of possession (DPoP) of pushed parameters")
                .with_upstream(refusal.word, "")
                .advise("Ask the administrator of eSignet to take them of this client without a proof: proofs go with the token request.")
        }
        _ => refusal.into(),
    }
}

fn with_query(url: &Uri, query: &str) -> String {
    let parted_by = if url.query().is_some() { '&' } else { '?' };
    format!("{url}{parted_by}{query}")
}

/// Parameters that eSignet holds (RFC 9126 2.2).
pub(crate) struct Pushed {
    request_uri: String,
    /// Seconds for which it holds them.
    pub(crate) expires_in: i64,
}

impl Pushed {
    /// Reads the answer.
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Reply {
            request_uri: Option<String>,
            expires_in: Option<serde_json::Value>,
        }
        let reply: Reply = answer::read(status, body, SETTING)?.map_err(refused)?;
        let is_uri =
            |text: &String| (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let request_uri = reply.request_uri.filter(is_uri).ok_or_else(|| broken("no request_uri"))?;
        let expires_in = reply.expires_in.as_ref().and_then(json::seconds).unwrap_or(0).clamp(0, 86_400);
        Ok(Self { request_uri, expires_in })
    }
}
