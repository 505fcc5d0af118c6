//! `credentials.data_share`: the one place from which credentials are fetched that the hub only names.

use http::{StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Code, Error, Result};

/// Most of a share that is read, bytes: MOSIP's own limit for a share is 5 MB.
pub(crate) const SHARE_LIMIT: usize = 6 << 20;

/// Where shares may be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataShare {
    scheme: String,
    host: String,
    port: u16,
    /// Ends with `/`.
    path: String,
}

impl DataShare {
    /// Shares below `url`, an absolute http or https one. `None`: its path does not end with `/`, or has parts that lead elsewhere.
    pub(crate) fn below(url: &Uri) -> Option<Self> {
        let (scheme, host, port) = origin(url)?;
        let path = url.path().to_owned();
        (path.ends_with('/') && url.query().is_none() && is_plain(&path)).then_some(Self {
            scheme,
            host,
            port,
            path,
        })
    }

    /// The address to call for `share`, the `dataShareUri` of a message: once, without following a redirect, with the token of the
    /// setting, and reading 6 MiB at most.
    ///
    /// # Errors
    ///
    /// [`Code::Field`] where it lies elsewhere: a hub that is not MOSIP's must not choose whom the token is shown to.
    pub(crate) fn address(&self, share: &str) -> Result<Uri> {
        let elsewhere = || {
            let what = "the message names a share outside credentials.data_share.url (scheme, host, port or folder differ), or in another form than MOSIP's";
            Error::field("/event/dataShareUri", what).advise(
                "Set credentials.data_share.url to the place that MOSIP shares from, if that is another one now, and start the gateway again. Else ask the MOSIP administrator who sent this.",
            )
        };
        // What is written in two ways is read in two ways. A share is known by its address, so that it has one: MOSIP's has no query and no
        // percent sign.
        if share.contains(|c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '\\' | '#' | '@' | '?' | '%')
        }) {
            return Err(elsewhere());
        }
        let uri: Uri = share.parse().map_err(|_| elsewhere())?;
        let (scheme, host, port) = origin(&uri).ok_or_else(elsewhere)?;
        let is_here = (scheme, host, port) == (self.scheme.clone(), self.host.clone(), self.port);
        let below = uri.path().strip_prefix(&self.path);
        match below {
            Some(rest) if is_here && !rest.is_empty() && !rest.ends_with('/') && is_plain(uri.path()) => {
                Ok(uri)
            }
            _ => Err(elsewhere()),
        }
    }
}

/// The sealed credential in the answer to the address of a share. Whatever its content type says, it is the text of an envelope in
/// base64url.
///
/// # Errors
///
/// [`Code::Upstream`] and [`Code::Partner`] where the share may be there later or to another token, [`Code::Malformed`] where what is
/// there is no sealed credential.
pub(crate) fn read(status: StatusCode, body: &[u8]) -> Result<&str> {
    let away = |what: &str| Error::new(Code::Upstream, what);
    match status {
        status if status.is_success() => {}
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(Error::new(
                Code::Partner,
                format!("MOSIP refuses the token for the share ({status})"),
            )
            .advise(
                "Check credentials.data_share.token with the MOSIP administrator: the client, and its roles.",
            ));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            return Err(ended(&format!("status {}", status.as_u16())));
        }
        status if status.is_redirection() => {
            return Err(away("the share leads on to another address, and no redirect is followed").advise(
                "Set credentials.data_share.url, and at MOSIP the address of shares, to the place that answers without a redirect.",
            ));
        }
        status => return Err(away(&format!("the share is answered with status {}", status.as_u16()))),
    }
    let text = std::str::from_utf8(body).map(str::trim).unwrap_or("\0");
    if text.is_empty() {
        return Err(away("the share is empty"));
    }
    if is_base64(text) {
        return Ok(text);
    }
    if text.starts_with('<') {
        return Err(away("a page is there in place of the share").advise(
            "Check credentials.data_share: a page is what a login or a proxy answers with in place of MOSIP.",
        ));
    }
    match error_code(text) {
        Some(code) => Err(ended(&code)),
        None => Err(Error::new(Code::Malformed, "the share holds no sealed credential").advise(
            "Ask the MOSIP administrator whether the partner's policy shares what is sealed to the partner (encryptionType).",
        )),
    }
}

/// The sealed credential that `body` was given by [`brought`].
///
/// # Errors
///
/// [`Code::Bug`] where it holds none.
pub(crate) fn held(body: &[u8]) -> Result<String> {
    let message = super::tree(body)?;
    let credential = message.pointer("/event/data/credential").and_then(Value::as_str);
    let lacks = || Error::new(Code::Bug, "a message does not hold the share that was fetched for it");
    credential.map(str::to_owned).ok_or_else(lacks)
}

/// `body`, a message that names a share, with `credential` in it as if it had come along.
pub(crate) fn brought(body: &[u8], credential: &str) -> Result<Vec<u8>> {
    let mut message = super::tree(body)?;
    let data = message.pointer_mut("/event/data").and_then(Value::as_object_mut);
    let data = data.ok_or_else(|| Error::field("/event/data", "this is no object"))?;
    data.insert("credential".to_owned(), credential.into());
    serde_json::to_vec(&message).map_err(|_| Error::new(Code::Bug, "a message does not serialise"))
}

fn ended(what: &str) -> Error {
    Error::new(Code::Upstream, format!("the share is not there ({what})")).advise(
        "It is tried again by itself. If the share has ended at MOSIP, ask for the credential to be issued again, and discard this message.",
    )
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'='))
}

/// MOSIP's code in what it answers in place of a share, such as `DAT-SER-006`.
fn error_code(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        errors: Vec<Refusal>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Refusal {
        error_code: String,
    }
    let code = serde_json::from_str::<Answer>(text).ok()?.errors.into_iter().next()?.error_code;
    let is_code = (1..=32).contains(&code.len())
        && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    Some(if is_code { code } else { "an error without a code".to_owned() })
}

/// Scheme, host and port, each in one spelling.
fn origin(uri: &Uri) -> Option<(String, String, u16)> {
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = uri.authority()?;
    // A port that is no number would be read as none.
    if authority.as_str().contains('@') || authority.as_str().ends_with(':') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    (!host.is_empty()).then(|| (scheme, host, authority.port_u16().unwrap_or(usual)))
}

/// Whether every server reads `path` as it is written: no empty or dotted part, no dot, slash or backslash behind a percent sign.
fn is_plain(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let is_hidden = ["%2e", "%2f", "%5c", "%25", "%00", ";"].iter().any(|hidden| lower.contains(hidden));
    let mut parts = path.split('/').skip(1).peekable();
    let mut are_plain = true;
    while let Some(part) = parts.next() {
        let is_end = parts.peek().is_none();
        are_plain &= !matches!(part, "." | "..") && (is_end || !part.is_empty());
    }
    are_plain && !is_hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Option<DataShare> {
        DataShare::below(&url.parse().unwrap())
    }

    #[test]
    fn a_share_below_the_place_is_fetched_as_it_is_named() {
        let place = place("https://API.example.org/v1/datashare/").unwrap();
        for share in [
            "https://api.example.org/v1/datashare/get/policy/partner/key0123",
            "https://api.example.org:443/v1/datashare/key0123",
            "HTTPS://api.EXAMPLE.org/v1/datashare/key0123",
        ] {
            assert_eq!(place.address(share).unwrap(), share.parse::<Uri>().unwrap(), "{share}");
        }
        let beside_us = self::place("http://localhost/v1/").unwrap();
        assert!(beside_us.address("http://localhost:80/v1/key").is_ok());
        assert!(beside_us.address("http://localhost:443/v1/key").is_err());
        assert!(self::place("https://user@api.example.org/v1/").is_none());
    }

    #[test]
    fn the_token_is_shown_nowhere_else() {
        let place = place("https://api.example.org/v1/datashare/").unwrap();
        for share in [
            "http://api.example.org/v1/datashare/key",
            "https://api.example.org:8443/v1/datashare/key",
            "https://api.example.org.evil.example/v1/datashare/key",
            "https://evil.example/v1/datashare/key",
            "https://api.example.org@evil.example/v1/datashare/key",
            "https://user:pass@api.example.org/v1/datashare/key",
            "https://api.example.org/v1/datashare/",
            "https://api.example.org/v1/datashare",
            "https://api.example.org/v1/datashareX/key",
            "https://api.example.org/v1/other/key",
            "https://api.example.org/v1/datashare/../admin",
            "https://api.example.org/v1/datashare/a/../../../admin",
            "https://api.example.org/v1/datashare/%2e%2e/admin",
            "https://api.example.org/v1/datashare/%2E%2E%2Fadmin",
            "https://api.example.org/v1/datashare/..%5cadmin",
            "https://api.example.org/v1/datashare/%252e%252e/admin",
            "https://api.example.org/v1/datashare//evil",
            "https://api.example.org/v1/datashare/..;/admin",
            "https://api.example.org/v1/datashare/key#fragment",
            // The same share once more, under another spelling.
            "https://api.example.org/v1/datashare/key?",
            "https://api.example.org/v1/datashare/key?x",
            "https://api.example.org/v1/datashare/%6bey",
            "https://api.example.org/v1/datashare/key/",
            "https://api.example.org\\.evil.example/v1/datashare/key",
            "https:///v1/datashare/key",
            "/v1/datashare/key",
            "file:///v1/datashare/key",
            "",
            " https://api.example.org/v1/datashare/key",
            "https://api.example.org/v1/datashare/k\u{2003}ey",
            "https://api.example.org/v1/datashare/k\u{7f}ey",
        ] {
            let error = place.address(share).unwrap_err();
            assert_eq!(
                (error.code(), error.pointer()),
                (Code::Field, Some("/event/dataShareUri")),
                "{share}"
            );
            assert!(error.advice().contains("credentials.data_share.url"));
            assert!(!error.detail().contains("example.org"), "what the hub says is not repeated");
        }
    }

    #[test]
    fn what_answers_in_place_of_a_share_waits_or_is_refused() {
        let told = |status: u16, body: &[u8]| {
            let error = read(StatusCode::from_u16(status).unwrap(), body).unwrap_err();
            (error.code(), error.detail().to_owned())
        };
        assert_eq!(read(StatusCode::OK, b" dGV4dA-_\n").unwrap(), "dGV4dA-_");
        let expired =
            br#"{"id":null,"errors":[{"errorCode":"DAT-SER-006","message":"Data share usage expired"}]}"#;
        for (status, body, code, words) in [
            (404, &b""[..], Code::Upstream, "not there (status 404)"),
            (410, b"", Code::Upstream, "not there (status 410)"),
            (200, expired, Code::Upstream, "not there (DAT-SER-006)"),
            (200, br#"{"errors":[{"errorCode":"<script>"}]}"#, Code::Upstream, "without a code"),
            (401, b"", Code::Partner, "refuses the token"),
            (403, b"dGV4dA", Code::Partner, "refuses the token"),
            (302, b"dGV4dA", Code::Upstream, "no redirect is followed"),
            (503, b"dGV4dA", Code::Upstream, "status 503"),
            (200, b"", Code::Upstream, "is empty"),
            (200, b"<html>login</html>", Code::Upstream, "a page"),
            (200, b"\x89PNG\r\n", Code::Malformed, "no sealed credential"),
            (200, br#"{"credentialSubject":{"VID":"1"}}"#, Code::Malformed, "no sealed credential"),
            (200, br#"{"errors":[]}"#, Code::Malformed, "no sealed credential"),
            (200, b"\xff\xfe", Code::Malformed, "no sealed credential"),
        ] {
            let (found, detail) = told(status, body);
            assert!(found == code && detail.contains(words), "{status}: {detail}");
            assert!(!detail.contains("script"), "{detail}");
        }
    }

    #[test]
    fn a_message_is_completed_with_what_its_share_holds() {
        let body = br#"{"topic":"t","event":{"id":"1","dataShareUri":"https://a.example/s/1","data":{"proof":{"signature":"x"}}}}"#;
        let completed: Value = serde_json::from_slice(&brought(body, "abc").unwrap()).unwrap();
        assert_eq!(
            completed["event"]["data"],
            serde_json::json!({ "credential": "abc", "proof": { "signature": "x" } })
        );
        assert_eq!(brought(b"{}", "abc").unwrap_err().pointer(), Some("/event/data"));
    }

    #[test]
    fn a_place_is_a_folder() {
        for url in ["https://a.example/share", "https://a.example/a/../b/", "https://a.example/b/?x=1"] {
            assert_eq!(place(url), None, "{url}");
        }
        assert!(place("https://a.example/").is_some());
    }
}
