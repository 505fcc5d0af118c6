//! What eSignet says of itself (OpenID Connect Discovery 1.0).

use http::{StatusCode, Uri};
use serde::Deserialize;

use super::{ESIGNET, broken};
use crate::error::{Error, Result};
use crate::json::Object;
use crate::refusal;

const SETTING: &str = "esignet.issuer";

/// Where eSignet's parts are, and what it demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) token: Uri,
    pub(crate) userinfo: Uri,
    pub(crate) jwks: Uri,
    /// Where the browser goes.
    pub(crate) authorization: Option<Uri>,
    /// Where the parameters of a login are pushed beforehand (RFC 9126).
    pub(crate) pushed: Option<Uri>,
    /// They have to be.
    pub(crate) requires_pushed: bool,
    /// It takes proofs of possession that ES256 signs (RFC 9449).
    pub(crate) takes_proofs: bool,
}

/// Where the document of `issuer` stands. `None`: that is no URL.
pub(crate) fn document_url(issuer: &str) -> Option<Uri> {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')).parse().ok()
}

/// The document of `issuer`. What it names has to be on the server of the issuer: whoever could change the document could lead the codes of
/// logins elsewhere.
pub(crate) fn read(issuer: &str, status: StatusCode, body: &[u8]) -> Result<Metadata> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        token_endpoint: String,
        userinfo_endpoint: String,
        jwks_uri: String,
        authorization_endpoint: Option<String>,
        pushed_authorization_request_endpoint: Option<String>,
        require_pushed_authorization_requests: Option<bool>,
        dpop_signing_alg_values_supported: Option<Vec<String>>,
    }
    if !status.is_success() {
        return Err(refusal::of_status(ESIGNET, status, SETTING));
    }
    let Object(document): Object<Document> =
        serde_json::from_slice(body).map_err(|_| refusal::of_body(ESIGNET, status, SETTING))?;
    if document.issuer != issuer {
        return Err(odd("names another issuer than esignet.issuer")
            .advise("Write esignet.issuer as eSignet's document has it, to the letter."));
    }
    let server = issuer.parse().ok();
    let url = |name: &str, text: String| {
        on_server(server.as_ref(), &text).ok_or_else(|| {
            odd(&format!("names a {name} that is not on the server of the issuer"))
                .advise("Set esignet.token_url, esignet.userinfo_url and esignet.jwks_url, if that is meant.")
        })
    };
    let optional = |name: &str, text: Option<String>| text.map(|text| url(name, text)).transpose();
    let algs = document.dpop_signing_alg_values_supported.unwrap_or_default();
    Ok(Metadata {
        token: url("token_endpoint", document.token_endpoint)?,
        userinfo: url("userinfo_endpoint", document.userinfo_endpoint)?,
        jwks: url("jwks_uri", document.jwks_uri)?,
        authorization: optional("authorization_endpoint", document.authorization_endpoint)?,
        pushed: optional(
            "pushed_authorization_request_endpoint",
            document.pushed_authorization_request_endpoint,
        )?,
        requires_pushed: document.require_pushed_authorization_requests.unwrap_or(false),
        takes_proofs: algs.iter().any(|alg| alg == "ES256"),
    })
}

fn odd(what: &str) -> Error {
    broken(format!("a document that {what}"))
}

fn on_server(server: Option<&Uri>, text: &str) -> Option<Uri> {
    let (server, url) = (server?, text.parse::<Uri>().ok()?);
    let of = |uri: &Uri| {
        let port = uri.port_u16().or(match uri.scheme_str() {
            Some("https") => Some(443),
            _ => Some(80),
        });
        Some((uri.scheme_str()?.to_owned(), uri.host()?.to_ascii_lowercase(), port))
    };
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    (of(server).is_some() && of(server) == of(&url) && !has_user).then_some(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::Code;

    const ISSUER: &str = "https://esignet.example.org";

    /// As eSignet 1.5 writes it, with the members of later releases.
    fn document() -> Value {
        json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/authorize"),
            "token_endpoint": format!("{ISSUER}/v1/esignet/oauth/v2/token"),
            "userinfo_endpoint": format!("{ISSUER}/v1/esignet/oidc/userinfo"),
            "jwks_uri": format!("{ISSUER}/v1/esignet/oauth/.well-known/jwks.json"),
            "pushed_authorization_request_endpoint": format!("{ISSUER}/v1/esignet/oauth/par"),
            "require_pushed_authorization_requests": true,
            "dpop_signing_alg_values_supported": ["RS256", "ES256"],
            "userinfo_encryption_alg_values_supported": ["RSAXXXXX"],
            "scopes_supported": ["openid"],
        })
    }

    fn reading(document: &Value) -> Result<Metadata> {
        read(ISSUER, StatusCode::OK, document.to_string().as_bytes())
    }

    fn with(name: &str, value: Value) -> Value {
        let mut document = document();
        document[name] = value;
        document
    }

    #[test]
    fn the_document_stands_behind_the_issuer() {
        for issuer in [ISSUER, "https://esignet.example.org/"] {
            assert_eq!(
                document_url(issuer).unwrap().to_string(),
                format!("{ISSUER}/.well-known/openid-configuration")
            );
        }
    }

    #[test]
    fn endpoints_and_demands_are_read() {
        let read = reading(&document()).unwrap();
        assert_eq!(read.token.path(), "/v1/esignet/oauth/v2/token");
        assert_eq!(read.pushed.as_ref().unwrap().path(), "/v1/esignet/oauth/par");
        assert!(read.requires_pushed && read.takes_proofs);
        let others = with("dpop_signing_alg_values_supported", json!(["RS256", "ES384"]));
        assert!(!reading(&others).unwrap().takes_proofs);
        let mut plain = document();
        for name in [
            "require_pushed_authorization_requests",
            "dpop_signing_alg_values_supported",
            "pushed_authorization_request_endpoint",
        ] {
            plain.as_object_mut().unwrap().remove(name);
        }
        let read = reading(&plain).unwrap();
        assert_eq!((read.pushed, read.requires_pushed, read.takes_proofs), (None, false, false));
    }

    #[test]
    fn another_issuer_is_refused() {
        for issuer in
            ["https://other.example.org", "https://esignet.example.org/", "HTTPS://esignet.example.org"]
        {
            let refused = reading(&with("issuer", json!(issuer))).err().unwrap();
            assert!(refused.detail().contains("another issuer"), "{issuer}: {refused}");
        }
    }

    #[test]
    fn another_host_is_refused() {
        for url in [
            "https://other.example.org/token",
            "http://esignet.example.org/token",
            "https://esignet.example.org:8443/token",
            "https://esignet.example.org@other.example.org/token",
            "https://user@esignet.example.org/token",
            "/token",
            "",
        ] {
            for name in
                ["token_endpoint", "userinfo_endpoint", "jwks_uri", "pushed_authorization_request_endpoint"]
            {
                let refused = reading(&with(name, json!(url))).err();
                assert_eq!(refused.map(|error| error.code()), Some(Code::Upstream), "{name} {url}");
            }
        }
        reading(&with("token_endpoint", json!("https://ESIGNET.example.org:443/token"))).unwrap();
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for body in ["", "<html></html>", "[]", "{}", r#"{"issuer":"https://esignet.example.org"}"#] {
            assert_eq!(
                read(ISSUER, StatusCode::OK, body.as_bytes()).err().unwrap().code(),
                Code::Upstream,
                "{body}"
            );
        }
        let redirect = read(ISSUER, StatusCode::FOUND, b"").err().unwrap();
        assert!(redirect.advice().contains("esignet.issuer"), "{}", redirect.advice());
    }
}
