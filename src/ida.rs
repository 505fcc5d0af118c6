//! Calls to IDA: built under the keys and the clock of the moment, sent once; the reply is checked before anything of it is used.
//!
//! An attempt counts towards locking the person, so nothing is sent twice but what never left, and what IDA could not open because
//! its certificate had been replaced.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::clock::Clock;
use crate::config;
use crate::error::{Code, Error, Result};
use crate::keys::{Certificate, Keyring, Peer, Ring, Thumbprint};
use crate::mosip::ida::{
    self, Answer, Authenticated, Expected, IdLengths, Intent, Known, Origin, OtpSent, Response, Service,
    SignedRequest,
};
use crate::mosip::{Transport, Verified, roles};
use crate::pool::Pool;
use crate::upstream::{self, Client, Reply, Request};

/// For one attempt. IDA takes seconds where it compares biometrics.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Largest reply, bytes: an identity may hold a photograph.
const MAX_REPLY: usize = 8 << 20;

/// IDA looks whether this is there and not what it says; so does MOSIP's SDK fill it.
const AUTHORIZATION: HeaderValue = HeaderValue::from_static("Authorization");

/// IDA, as the routes and jobs see it. Cheap to clone.
#[derive(Clone)]
pub struct Ida(Arc<Parts>);

struct Parts {
    client: Client,
    settings: Option<config::Ida>,
    keys: Keyring,
    pool: Pool,
    clock: Clock,
}

/// What was sent, and the reply to it.
struct Exchange {
    sealed_to: Option<Thumbprint>,
    reply: Reply,
}

impl Ida {
    /// Without `settings` every call is refused.
    pub fn new(
        client: Client,
        settings: Option<config::Ida>,
        keys: Keyring,
        pool: Pool,
        clock: Clock,
    ) -> Self {
        Self(Arc::new(Parts { client, settings, keys, pool, clock }))
    }

    /// [`Code::Keys`] naming what is not set of URL, partner id, licence key and API key.
    pub fn check_configured(&self) -> Result<()> {
        match self.0.settings()?.unset.as_slice() {
            [] => Ok(()),
            unset => Err(not_configured(&unset.join(", "))),
        }
    }

    /// By which the type of a number is told.
    pub fn id_lengths(&self) -> IdLengths {
        self.0
            .settings
            .as_ref()
            .map_or_else(IdLengths::default, |set| IdLengths { uin: set.uin_length, vid: set.vid_length })
    }

    /// Whether the person is who they say, for [`Intent::Auth`].
    pub async fn authenticate(&self, intent: Arc<Intent>) -> Result<Answer<Authenticated>> {
        self.call(intent, Service::Auth).await?.try_map(ida::read_authenticated)
    }

    /// The same, and what MOSIP holds of them, for [`Intent::Kyc`].
    pub async fn know(&self, intent: Arc<Intent>) -> Result<Answer<Known>> {
        let answer = self.call(intent, Service::Kyc).await?;
        let ring = self.0.keys.current();
        self.0.pool.run(move || answer.try_map(|response| ida::read_known(response, &ring))).await
    }

    /// Sends the person a one-time password, for [`Intent::Otp`]. Here IDA's reasons are a problem: a caller that looks at nothing
    /// but the status shall not wait for a password that never comes.
    pub async fn send_otp(&self, intent: Arc<Intent>) -> Result<Verified<OtpSent>> {
        self.call(intent, Service::Otp).await?.try_map(ida::read_otp_sent)?.given()
    }

    async fn call(&self, intent: Arc<Intent>, service: Service) -> Result<Answer<Response>> {
        if intent.service() != service {
            return Err(Error::new(Code::Bug, "an intent went to another service"));
        }
        let exchange = self.exchange(&intent).await?;
        match self.read(&intent, &exchange) {
            Err(error) if cannot_open(&error) && self.has_another_certificate(exchange.sealed_to).await => {
                tracing::info!("IDA's certificate was replaced: the request is sent once more");
                let exchange = self.exchange(&intent).await?;
                self.read(&intent, &exchange)
            }
            read => read,
        }
    }

    /// Whether the file of peer `ida` holds another certificate by now than the one that was sealed to.
    async fn has_another_certificate(&self, sealed_to: Option<Thumbprint>) -> bool {
        let held = || certificate(&self.0.keys.current()).map(Certificate::thumbprint);
        if held() == sealed_to {
            self.0.keys.refresh().await;
        }
        sealed_to.is_some() && held().is_some_and(|held| Some(held) != sealed_to)
    }

    /// Sends once, and once more if nothing has left the first time.
    async fn exchange(&self, intent: &Arc<Intent>) -> Result<Exchange> {
        match self.attempt(intent).await? {
            Ok(exchange) => Ok(exchange),
            Err(failure) if failure.is_retry_safe() => Ok(self.attempt(intent).await??),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn attempt(
        &self,
        intent: &Arc<Intent>,
    ) -> Result<std::result::Result<Exchange, crate::upstream::SendError>> {
        let ring = self.0.keys.current();
        let uri = self.0.url(intent.service(), &ring)?;
        let (parts, building) = (Arc::clone(&self.0), Arc::clone(intent));
        let SignedRequest { body, signature, sealed_to } =
            self.0.pool.run(move || parts.build(&building, &ring)).await?;
        let signature = HeaderValue::from_str(&signature)
            .map_err(|_| Error::new(Code::Bug, "the signature does not fit into a header"))?;
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([
            (header::ACCEPT, JSON),
            (header::CONTENT_TYPE, JSON),
            (header::AUTHORIZATION, AUTHORIZATION),
            (HeaderName::from_static("signature"), signature),
        ]);
        let request =
            Request { method: Method::POST, uri, headers, body, deadline: DEADLINE, max_response: MAX_REPLY };
        let sent = self.0.client.send(request).await;
        Ok(sent.map(|reply| Exchange { sealed_to, reply }))
    }

    /// Under the keys of this moment: a signer that was put right meanwhile counts.
    fn read(&self, intent: &Intent, exchange: &Exchange) -> Result<Answer<Response>> {
        let ring = self.0.keys.current();
        let settings = self.0.settings()?;
        let signers = settings.signers(&ring);
        let expected = Expected {
            service: intent.service(),
            transaction: intent.transaction(),
            signers: &signers,
            danger_accept_unsigned: settings.danger_accept_unsigned_replies,
            transport: transport(&settings.url),
            now: self.0.clock.now(),
        };
        let Reply { status, headers, body } = &exchange.reply;
        ida::read(ida::Reply { status: *status, headers, body }, expected)
            .map_err(|error| exchange.reply.explain(error))
    }
}

impl Parts {
    fn settings(&self) -> Result<&config::Ida> {
        self.settings.as_ref().ok_or_else(|| not_configured("upstream.ida.url"))
    }

    /// `url/service/licence-key/partner/api-key`. Refuses before anything is sent where the reply could not be judged.
    fn url(&self, service: Service, ring: &Ring) -> Result<Uri> {
        let settings = self.settings()?;
        let (Some(license_key), Some(partner_id), Some(api_key)) =
            (&settings.misp_license_key, &settings.partner_id, &settings.api_key)
        else {
            return Err(not_configured(&settings.unset.join(", ")));
        };
        if !settings.danger_accept_unsigned_replies {
            if settings.reply_signers.is_empty() {
                return Err(not_configured("upstream.ida.reply_signers"));
            }
            if let (true, Some(name)) = (settings.signers(ring).is_empty(), settings.reply_signers.first()) {
                roles::peer(ring, name)?;
            }
        }
        let base = settings.url.to_string();
        let mut url = base.trim_end_matches('/').to_owned();
        for segment in
            [service.segment().as_bytes(), license_key.expose(), partner_id.as_bytes(), api_key.expose()]
        {
            url.push('/');
            push_segment(&mut url, segment);
        }
        url.parse().map_err(|_| Error::new(Code::Bug, "the URL of IDA cannot be put together"))
    }

    /// Stamps, seals and signs; runs where private keys are used, so that no queue stands between the stamp and the line.
    fn build(&self, intent: &Intent, ring: &Ring) -> Result<SignedRequest> {
        let settings = self.settings()?;
        let now = self.clock.now();
        let to = roles::recipient(ring, roles::IDA, now)?;
        let signer = roles::signer(ring, settings.sign_with.as_deref(), now)?;
        let origin = Origin { domain_uri: settings.domain_uri.as_deref(), env: settings.env };
        ida::request(intent, origin, to, signer, now)
    }
}

impl config::Ida {
    /// The signers that are loaded.
    fn signers<'r>(&self, ring: &'r Ring) -> Vec<&'r Peer> {
        self.reply_signers.iter().filter_map(|name| ring.peer(name)).map(|peer| &**peer).collect()
    }
}

fn transport(url: &Uri) -> Transport {
    let is_plain = url.scheme_str() == Some("http") && !upstream::is_loopback(url);
    if is_plain { Transport::Plain } else { Transport::Protected }
}

fn certificate(ring: &Ring) -> Option<&Certificate> {
    ring.peer(roles::IDA)?.certificate.as_ref()
}

/// IDA does not have, or has no longer, the key that was sealed to.
fn cannot_open(error: &Error) -> bool {
    error.upstream().is_some_and(|upstream| matches!(upstream.code.as_str(), "IDA-MPA-003" | "IDA-MPA-004"))
}

fn not_configured(what: &str) -> Error {
    Error::new(Code::Keys, format!("IDA cannot be called: {what} is not set"))
        .advise("Set it, and start the gateway again; events are accepted meanwhile.")
}

/// Percent-encodes all but the unreserved characters (RFC 3986 2.3).
fn push_segment(url: &mut String, segment: &[u8]) {
    for &byte in segment {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_looks_like_a_path_or_a_query_stays_one_segment() {
        let mut url = String::new();
        push_segment(&mut url, b"a/../b?c#d e%2F");
        assert_eq!(url, "a%2F..%2Fb%3Fc%23d%20e%252F");
    }
}
