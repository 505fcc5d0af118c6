//! Who may talk to a listener that signs and decrypts: no page in a browser, no name that was rebound to
//! this address, and where a token is configured a caller without it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::server::{Peer, Transport};
use crate::bearer;
use crate::crypto::base64;
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};

/// Fetch Metadata, sent by every current browser.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What makes a browser ask for the token.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"mosip-gateway\", charset=\"UTF-8\"");

/// The names under which a page cannot be led here by a name of its own. Another address of the loopback stands in `listen.hosts`.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The caller of a probe brings what the listener demands of the callers of everything else; an extension of its request.
#[derive(Clone, Copy)]
pub(crate) struct LetIn;

/// What a listener demands of a request. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Demands>);

struct Demands {
    /// `None`: whatever the request calls this listener.
    hosts: Option<Vec<String>>,
    token: Option<SecretBytes>,
    /// Whether the token may come as the password of `Authorization: Basic`.
    basic: bool,
    /// Paths that a page alone is refused.
    probes: &'static [&'static str],
}

impl Guard {
    /// `hosts`: further names accepted in `Host` (`listen.hosts`); `token`: the bearer token to demand, if any.
    pub(crate) fn new(hosts: Vec<String>, token: Option<SecretBytes>) -> Self {
        Self(Arc::new(Demands { hosts: Some(hosts), token, basic: false, probes: &[] }))
    }

    /// As [`Guard::new`], for a listener with a page: a browser cannot send a bearer token, so the token is taken as the password of
    /// `Authorization: Basic` (RFC 7617) too, under any name.
    /// Probes come under the address of the pod and without a token: the paths `probes` need neither, and [`LetIn`] says who would be let
    /// in elsewhere.
    pub(crate) fn for_browsers(
        hosts: Vec<String>,
        token: Option<SecretBytes>,
        probes: &'static [&'static str],
    ) -> Self {
        Self(Arc::new(Demands { hosts: Some(hosts), token, basic: true, probes }))
    }

    /// As [`Guard::new`], for a listener that has other names in the network.
    pub(crate) fn under_any_name(token: Option<SecretBytes>) -> Self {
        Self(Arc::new(Demands { hosts: None, token, basic: false, probes: &[] }))
    }

    /// Whether the caller has proved who it is: it brings the token, shows a client certificate or is a process of this host. A probe
    /// proves nothing.
    fn check(&self, peer: Option<&Peer>, uri: &Uri, headers: &HeaderMap) -> Result<bool> {
        let host = named_host(uri, headers);
        refuse_pages(host.as_ref(), headers)?;
        if self.is_probe(uri) {
            return Ok(false);
        }
        self.check_caller(peer, host.as_ref(), headers)?;
        let is_near = |peer: &Peer| peer.certificate.is_some() || peer.transport.is_local();
        Ok(self.0.token.is_some() || peer.is_some_and(is_near))
    }

    fn is_probe(&self, uri: &Uri) -> bool {
        self.0.probes.contains(&uri.path())
    }

    /// Whether the caller of a probe would be let in elsewhere.
    fn lets_in(&self, peer: Option<&Peer>, uri: &Uri, headers: &HeaderMap) -> bool {
        self.is_probe(uri) && self.check_caller(peer, named_host(uri, headers).as_ref(), headers).is_ok()
    }

    fn check_caller(&self, peer: Option<&Peer>, host: Option<&Authority>, headers: &HeaderMap) -> Result<()> {
        if !matches!(peer, Some(Peer { transport: Transport::Unix, .. })) {
            self.check_host(host)?;
        }
        self.check_token(headers)
    }

    fn check_host(&self, host: Option<&Authority>) -> Result<()> {
        let Some(hosts) = &self.0.hosts else { return Ok(()) };
        let host = host.ok_or_else(|| forbidden("the request does not name one host"))?.host();
        let known = LOOPBACK_HOSTS.into_iter().chain(hosts.iter().map(String::as_str));
        match known.into_iter().any(|known| known.eq_ignore_ascii_case(host)) {
            true => Ok(()),
            false => Err(forbidden("the host that the request names is not this listener")),
        }
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<()> {
        let Some(token) = &self.0.token else { return Ok(()) };
        let password = if self.0.basic { password(headers) } else { None };
        match bearer(headers).or(password.as_ref().map(|password| password.as_slice())) {
            Some(sent) if token.matches(sent) => Ok(()),
            Some(_) => {
                Err(Error::new(Code::Unauthorized, "the bearer token is not the one of this listener"))
            }
            None => Err(Error::new(Code::Unauthorized, "there is no bearer token")),
        }
    }
}

/// Middleware: `router.layer(from_fn_with_state(guard, guard::enforce))`.
pub(crate) async fn enforce(
    State(guard): State<Guard>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Response {
    if guard.lets_in(request.extensions().get(), request.uri(), request.headers()) {
        request.extensions_mut().insert(LetIn);
    }
    let checked = guard.check(request.extensions().get(), request.uri(), request.headers());
    let counted = checked.and_then(|is_known| match is_known {
        true => {
            caller.prove();
            Ok(())
        }
        false => caller.count(),
    });
    match counted {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let mut response = refusal.into_response();
            if guard.0.basic && response.status() == StatusCode::UNAUTHORIZED {
                response.headers_mut().append(header::WWW_AUTHENTICATE, BASIC);
            }
            response
        }
    }
}

/// JSON routes want `application/json`: a form or plain text is what a page can post without asking. Parameters are ignored.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<()> {
    require_type(headers, "application/json")
}

/// Forms of a page come as a browser sends them. Parameters are ignored.
pub(crate) fn require_form(headers: &HeaderMap) -> Result<()> {
    require_type(headers, "application/x-www-form-urlencoded")
}

fn require_type(headers: &HeaderMap, wanted: &str) -> Result<()> {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    match essence.trim().eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(Error::new(Code::MediaType, format!("the content type is not {wanted}"))),
    }
}

/// A body that is compressed is refused before it is read: nothing here unpacks it, and what is signed or sealed would be the packed
/// bytes.
pub(crate) fn refuse_compressed(headers: &HeaderMap) -> Result<()> {
    let is_plain = |coding: &[u8]| coding.trim_ascii().eq_ignore_ascii_case(b"identity");
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    match codings.all(|value| value.as_bytes().split(|byte| *byte == b',').all(is_plain)) {
        true => Ok(()),
        false => Err(Error::new(Code::MediaType, "the body has a Content-Encoding")
            .advise("Send the body as it is, not compressed and without Content-Encoding.")),
    }
}

/// The host that the request is for. `None` where there is none, or where the request names more than one.
fn named_host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = Authority::try_from(values.next()?.as_bytes()).ok()?;
    // An absolute request target outranks `Host` (RFC 9112 3.2.2), so the two have to agree.
    let agrees = uri.authority().is_none_or(|target| *target == host);
    (values.next().is_none() && agrees && !host.as_str().contains('@')).then_some(host)
}

fn refuse_pages(host: Option<&Authority>, headers: &HeaderMap) -> Result<()> {
    let own = |origin: &[u8]| {
        let authority =
            [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| origin.strip_prefix(scheme));
        host.zip(authority)
            .is_some_and(|(host, authority)| authority.eq_ignore_ascii_case(host.as_str().as_bytes()))
    };
    if !headers.get_all(header::ORIGIN).iter().all(|origin| own(origin.as_bytes())) {
        return Err(forbidden("the Origin is not this listener"));
    }
    let near = |site: &[u8]| matches!(site, b"none" | b"same-origin");
    if !headers.get_all(SEC_FETCH_SITE).iter().all(|site| near(site.as_bytes())) {
        return Err(forbidden("the request comes from a page of another site"));
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    bearer::token(headers.get(header::AUTHORIZATION)?)
}

/// The password of `Authorization: Basic` (RFC 7617 2).
fn password(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, pair) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked("Basic ".len())?;
    let pair = scheme.eq_ignore_ascii_case(b"Basic ").then(|| base64::decode(pair).ok()).flatten()?;
    let pair = Zeroizing::new(pair);
    let colon = memchr::memchr(b':', &pair)?;
    pair.get(colon + 1..).map(|password| Zeroizing::new(password.to_vec()))
}

fn forbidden(detail: &str) -> Error {
    Error::new(Code::Forbidden, detail)
}

#[cfg(test)]
mod tests;
