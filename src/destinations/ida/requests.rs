//! Calls to IDA: built with the current keys and time; the reply is checked before anything in it is used.
//!
//! An attempt counts towards locking the person, so nothing is sent twice but what never left, and what IDA could not open because
//! its certificate had been replaced.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::super::drive::Breaker;
use super::super::{Call, Read, transport_of};
use super::Settings;
use crate::clock::Clock;
use crate::crypto::secret::SecretWriter;
use crate::error::{Code, Error, Result};
use crate::keys::{Certificate, Keyring, Peer, Ring, Thumbprint};
use crate::mosip::ida::{
    self, Answer, Expected, IdLengths, Intent, Origin, Response, Service, SignedRequest,
};
use crate::mosip::roles;
use crate::upstream::{self, Reply, Request};

/// Largest reply, bytes: an identity may hold a photograph.
const MAX_REPLY: usize = 8 << 20;

/// IDA looks whether this is there and not what it says; so does MOSIP's SDK fill it.
const AUTHORIZATION: HeaderValue = HeaderValue::from_static("Authorization");

/// Builds calls to IDA and reads their replies. Share it in an `Arc`.
pub(crate) struct Requests {
    settings: Option<Settings>,
    keys: Keyring,
    clock: Clock,
    breaker: OnceLock<Arc<dyn Breaker>>,
}

impl Requests {
    /// Without `settings` every call is refused.
    pub(crate) fn new(settings: Option<Settings>, keys: Keyring, clock: Clock) -> Self {
        Self { settings, keys, clock, breaker: OnceLock::new() }
    }

    /// [`Code::Keys`] naming what is not set of URL, partner id, licence key and API key.
    pub(crate) fn check_configured(&self) -> Result<()> {
        match self.settings()?.unset.as_slice() {
            [] => Ok(()),
            unset => Err(not_configured(&unset.join(", "))),
        }
    }

    /// By which the type of a number is known.
    pub(crate) fn id_lengths(&self) -> IdLengths {
        self.settings
            .as_ref()
            .map_or_else(IdLengths::default, |set| IdLengths { uin: set.uin_length, vid: set.vid_length })
    }

    /// `upstream.ida.danger_accept_unsigned_replies`
    pub(super) fn accepts_unsigned(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.danger_accept_unsigned_replies)
    }

    /// From now on calls that are not for records share `breaker`. Only the first one counts.
    pub(crate) fn share(&self, breaker: Arc<dyn Breaker>) {
        // A second one would be the same.
        let _ = self.breaker.set(breaker);
    }

    /// What is shared with the records, where they move.
    pub(crate) fn breaker(&self) -> Option<Arc<dyn Breaker>> {
        self.breaker.get().map(Arc::clone)
    }

    /// Host and port of `upstream.ida.url`.
    pub(crate) fn host(&self) -> String {
        let unset = || "upstream.ida.url is not set".to_owned();
        self.settings.as_ref().map_or_else(unset, |settings| upstream::host_and_port(&settings.url))
    }

    /// The current keys.
    pub(super) fn keys(&self) -> &Keyring {
        &self.keys
    }

    /// The call that asks IDA `intent`. `finish` learns what IDA says, or why it says nothing. Where IDA cannot open the request and
    /// its certificate was replaced meanwhile, the step is made again in place of that.
    pub(crate) fn call(
        self: &Arc<Self>,
        intent: Arc<Intent>,
        deadline: Duration,
        finish: impl FnOnce(Result<Answer<Response>>) -> Result<Read> + Send + 'static,
    ) -> Result<Call> {
        let ring = self.keys.current();
        let uri = self.url(intent.service(), &ring)?;
        let SignedRequest { body, signature, sealed_to } = self.seal(&intent, &ring)?;
        let signature = HeaderValue::from_str(&signature)
            .map_err(|_| Error::new(Code::Bug, "the signature does not fit into a header"))?;
        const JSON: HeaderValue = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([
            (header::ACCEPT, JSON),
            (header::CONTENT_TYPE, JSON),
            (header::AUTHORIZATION, AUTHORIZATION),
            (HeaderName::from_static("signature"), signature),
        ]);
        let request = Request { method: Method::POST, uri, headers, body, deadline, max_response: MAX_REPLY };
        let requests = Arc::clone(self);
        let read = Box::new(move |reply: Result<Reply, upstream::SendError>| {
            let answer = reply.map_err(Error::from).and_then(|reply| requests.read(&intent, &reply));
            match (answer, sealed_to) {
                (Err(error), Some(sealed_to)) if cannot_open(&error) => {
                    let then = Box::new(move || match requests.has_another_certificate(sealed_to) {
                        true => {
                            tracing::info!("IDA's certificate was replaced: the request is sent once more");
                            Ok(None)
                        }
                        false => finish(Err(error)).map(Some),
                    });
                    Ok(Read::KeysMayBeOld { then })
                }
                (answer, _) => finish(answer),
            }
        });
        Ok(Call { request, token: None, before: None, seal: None, resend: true, read })
    }

    /// Whether peer `ida` has another certificate by now than the one that was sealed to.
    fn has_another_certificate(&self, sealed_to: Thumbprint) -> bool {
        certificate(&self.keys.current()).is_some_and(|held| held.thumbprint() != sealed_to)
    }

    /// Under the keys of this moment: a signer that was put right meanwhile counts.
    fn read(&self, intent: &Intent, reply: &Reply) -> Result<Answer<Response>> {
        let ring = self.keys.current();
        let settings = self.settings()?;
        let signers = signers(settings, &ring);
        let expected = Expected {
            service: intent.service(),
            transaction: intent.transaction(),
            signers: &signers,
            danger_accept_unsigned: settings.danger_accept_unsigned_replies,
            transport: transport_of(&settings.url),
            now: self.clock.now(),
        };
        let Reply { status, headers, body } = reply;
        ida::read(ida::RawReply { status: *status, headers, body }, expected)
            .map_err(|error| reply.explain(error))
    }

    fn settings(&self) -> Result<&Settings> {
        self.settings.as_ref().ok_or_else(|| not_configured("upstream.ida.url"))
    }

    /// `url/service/licence-key/partner/api-key`. Refuses before anything is sent where the reply could not be verified.
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
            roles::one_of(ring, &settings.reply_signers)?;
        }
        let mut path = SecretWriter::default();
        path.push(settings.url.path().trim_end_matches('/').as_bytes());
        for segment in
            [service.segment().as_bytes(), license_key.expose(), partner_id.as_bytes(), api_key.expose()]
        {
            path.push(b"/");
            percent_encoding::percent_encode(segment, SEGMENT).for_each(|piece| path.push(piece.as_bytes()));
        }
        upstream::with_secret_path(&settings.url, path)
            .ok_or_else(|| Error::new(Code::Bug, "the URL of IDA cannot be put together"))
    }

    /// Stamps, seals and signs.
    fn seal(&self, intent: &Intent, ring: &Ring) -> Result<SignedRequest> {
        let settings = self.settings()?;
        let now = self.clock.now();
        let to = roles::recipient(ring, roles::IDA, now)?;
        let signer = roles::signer(ring, settings.sign_with.as_deref(), now)?;
        let origin = Origin { domain_uri: settings.domain_uri.as_deref(), env: settings.env };
        ida::request(intent, origin, to, signer, now)
    }
}

/// All but the unreserved characters (RFC 3986 2.3) are encoded.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The signers that are loaded.
fn signers<'r>(settings: &Settings, ring: &'r Ring) -> Vec<&'r Peer> {
    settings.reply_signers.iter().filter_map(|name| ring.peer(name)).map(|peer| &**peer).collect()
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
