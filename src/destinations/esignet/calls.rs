//! The calls of a login: each with an assertion of its own, and with a proof of possession where eSignet wants one.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri, header};

use super::endpoints::Endpoints;
use super::{Beginning, Dpop, Esignet, Settings};
use crate::crypto::base64;
use crate::crypto::secret::{SecretWriter, random};
use crate::error::{Code, Error, Result};
use crate::mosip::esignet::{
    self, Authorization, Challenge, DPOP, DpopKey, Login, Proof, Pushed, TokenReply, Tokens,
};
use crate::mosip::roles;
use crate::upstream::{Reply, Request, SendError};

/// Largest answer of the token endpoint, bytes.
const MAX_TOKEN_REPLY: usize = 1 << 20;

/// Largest userinfo, bytes: it may hold a photograph.
pub(super) const MAX_USERINFO: usize = 8 << 20;

/// Most attempts at one call: a first one, one with the proof of possession that it lacked, and one with another nonce.
const MOST_ATTEMPTS: usize = 3;

impl Esignet {
    pub(super) async fn tokens(
        &self,
        settings: &Settings,
        endpoints: &Endpoints,
        (key, dpop): (&str, &mut Option<DpopKey>),
        login: &Login,
        is_sent: &AtomicBool,
    ) -> Result<Tokens> {
        let sends_at_once = match settings.dpop {
            Dpop::Auto => endpoints.takes_proofs,
            Dpop::Off => false,
            Dpop::Always => true,
        };
        let audience = settings.audience.clone().unwrap_or_else(|| endpoints.token.to_string());
        let mut challenge = sends_at_once.then_some(Challenge::unasked(None));
        for _ in 0..MOST_ATTEMPTS {
            // An assertion is good for one request, and so is a proof.
            let assertion = self.assertion(key, &login.client_id, &audience).await?;
            let mut headers = posted();
            if let Some(challenge) = &challenge {
                let (url, nonce) = (&endpoints.token, challenge.nonce.as_deref());
                let proof = Proof {
                    method: "POST",
                    url,
                    nonce,
                    access_token: None,
                    jti: &jti(),
                    now: self.0.clock.now(),
                };
                headers.insert(DPOP, made_once(dpop)?.prove(&proof)?);
            }
            let request =
                self.request(settings, Method::POST, &endpoints.token, headers, login.form(&assertion));
            is_sent.store(true, Ordering::Relaxed);
            let sent = self.send(request).await?;
            let has_left = !matches!(&sent, Err(failure) if failure.is_retry_safe());
            is_sent.store(has_left, Ordering::Relaxed);
            let reply = sent?;
            let read = TokenReply::read(reply.status, &reply.headers, &reply.body);
            let read = read.map_err(|error| settings.blame(reply.explain(error)))?;
            // Who challenges has not used the code.
            is_sent.store(matches!(read, TokenReply::Given(_)), Ordering::Relaxed);
            match read {
                TokenReply::Given(tokens) => return settings.dpop.allows(tokens),
                TokenReply::Challenged(_) if settings.dpop == Dpop::Off => {
                    return Err(Error::new(Code::Partner, "eSignet demands a proof of possession (DPoP)")
                        .advise("Set esignet.dpop = \"auto\", and start the gateway again."));
                }
                TokenReply::Challenged(demanded) => challenge = Some(demanded.after(challenge.as_ref())?),
            }
        }
        Err(no_end())
    }

    /// The userinfo as it came.
    pub(super) async fn userinfo_of(
        &self,
        settings: &Settings,
        endpoints: &Endpoints,
        dpop: &mut Option<DpopKey>,
        tokens: &Tokens,
    ) -> Result<Bytes> {
        let mut challenge = Challenge::unasked(tokens.nonce.clone());
        for _ in 0..MOST_ATTEMPTS {
            let mut headers = HeaderMap::new();
            let scheme: &[u8] = if tokens.wants_proof { b"DPoP " } else { b"Bearer " };
            headers.insert(header::AUTHORIZATION, secret_value(&[scheme, tokens.access_token.as_bytes()])?);
            if tokens.wants_proof {
                let (url, nonce) = (&endpoints.userinfo, challenge.nonce.as_deref());
                let access_token = Some(tokens.access_token.as_str());
                let proof =
                    Proof { method: "GET", url, nonce, access_token, jti: &jti(), now: self.0.clock.now() };
                headers.insert(DPOP, made_once(dpop)?.prove(&proof)?);
            }
            let request = self.request(settings, Method::GET, &endpoints.userinfo, headers, Bytes::new());
            let reply = self.send(Request { max_response: MAX_USERINFO, ..request }).await??;
            let demanded = esignet::challenge(reply.status, &reply.headers);
            match demanded.map_err(|error| reply.explain(error))? {
                None => return Ok(reply.body),
                Some(demanded) if tokens.wants_proof => challenge = demanded.after(Some(&challenge))?,
                Some(_) => {
                    return Err(Error::new(
                        Code::Upstream,
                        "eSignet demands a proof of possession for a Bearer token",
                    ));
                }
            }
        }
        Err(no_end())
    }

    pub(super) async fn push(
        &self,
        settings: &Settings,
        key: &str,
        begin: Authorization,
    ) -> Result<Beginning> {
        let document = self.document().await?;
        let lacks = |what: &str| {
            Error::new(Code::Upstream, format!("the document of eSignet names no {what}"))
                .advise("Ask the administrator of eSignet for a document that names it.")
        };
        let page = document.authorization.as_ref().ok_or_else(|| lacks("authorization_endpoint"))?;
        if !document.requires_pushed {
            return Ok(Beginning { url: begin.url(page), expires_in: None });
        }
        let url = document.pushed.as_ref().ok_or_else(|| lacks("pushed_authorization_request_endpoint"))?;
        let audience = settings.audience.clone().unwrap_or_else(|| url.to_string());
        let assertion = self.assertion(key, &begin.client_id, &audience).await?;
        let request = self.request(settings, Method::POST, url, posted(), begin.form(&assertion));
        let reply = self.send(request).await??;
        let pushed = Pushed::read(reply.status, &reply.body).map_err(|error| reply.explain(error))?;
        Ok(Beginning { url: begin.url_of_pushed(page, &pushed), expires_in: Some(pushed.expires_in) })
    }

    async fn assertion(
        &self,
        key: &str,
        client_id: &str,
        audience: &str,
    ) -> Result<zeroize::Zeroizing<String>> {
        let (ring, now, jti) = (self.0.keys.current(), self.0.clock.now(), jti());
        let signer = roles::client_key(&ring, key, now)?;
        if signer.is_quick() {
            return esignet::assertion(signer, client_id, audience, &jti, now);
        }
        let [key, client_id, audience] = [key, client_id, audience].map(str::to_owned);
        let sign = move || {
            esignet::assertion(roles::client_key(&ring, &key, now)?, &client_id, &audience, &jti, now)
        };
        self.0.pool.run(sign).await
    }

    /// Sends once more where nothing has left, since a pooled connection was dead.
    async fn send(&self, request: Request) -> Result<Result<Reply, SendError>> {
        match self.0.outside.send(None, request.clone()).await? {
            Err(failure) if failure.is_retry_safe() => self.0.outside.send(None, request).await,
            sent => Ok(sent),
        }
    }

    fn request(
        &self,
        settings: &Settings,
        method: Method,
        url: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Request {
        let (deadline, max_response) = (settings.deadline, MAX_TOKEN_REPLY);
        Request { method, uri: url.clone(), headers, body, deadline, max_response }
    }
}

/// The head of a form.
fn posted() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ])
}

/// 128 random bits.
fn jti() -> String {
    base64::encode_url(&random::<16>())
}

/// A value of a header that is never shown.
fn secret_value(parts: &[&[u8]]) -> Result<HeaderValue> {
    let mut text = SecretWriter::default();
    parts.iter().for_each(|part| text.push(part));
    let mut value = HeaderValue::from_maybe_shared(text.into_bytes())
        .map_err(|_| Error::new(Code::Bug, "a token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A challenge follows each proof.
fn no_end() -> Error {
    Error::new(Code::Upstream, "eSignet demands another proof of possession (DPoP) after each one")
}

/// The key of the proofs of one login, which is made where a proof is wanted.
fn made_once(key: &mut Option<DpopKey>) -> Result<&DpopKey> {
    match key {
        Some(key) => Ok(key),
        None => Ok(key.insert(DpopKey::generate()?)),
    }
}
