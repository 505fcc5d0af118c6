//! Any ID system beside MOSIP, or without it: each of `[[systems]]` is a destination of its own, with a channel of its own. An event is one
//! post, under the same id in every attempt, by which the system drops repeats.

mod accepted;
mod reply;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};

pub(crate) use self::reply::NationalId;
pub use self::reply::{NoNumber, NumberAt};
pub(crate) use self::settings::Settings;
use self::settings::{Body, Sign};
use super::iam::IamToken;
use super::{
    Call, Destination, Done, Form, Listed, News, Progress, Read, Remedy, Route, Rows, Step, Steps,
    TokenSource, Tools, Work, standard_webhooks, transport_of,
};
use crate::clock::{Clock, Timestamp};
use crate::crypto::jwe;
use crate::error::{Code, Error, Result};
use crate::keys::Keyring;
use crate::mosip::{roles, signature};
use crate::opencrvs::event::{self, EventKind};
use crate::store::Queue;
use crate::upstream::{self, Reply, Request};

/// Largest answer, bytes.
const MAX_REPLY: usize = 1 << 20;
/// The header of a detached JWS.
const JWS: &str = "x-jws-signature";

/// An ID system, as what we send to.
pub(crate) struct System {
    settings: Arc<Settings>,
    /// Absent: posts carry no token.
    token: Option<Arc<TokenSource>>,
    keys: Keyring,
    clock: Clock,
}

impl System {
    /// What is posted, sealed where it is to be sealed, with its media type.
    fn body(&self, payload: &Bytes, now: Timestamp) -> Result<(Bytes, HeaderValue)> {
        const JOSE: HeaderValue = HeaderValue::from_static("application/jose");
        let Settings { body, content_type, seal_to, .. } = &*self.settings;
        let content = match body {
            Body::AsItCame | Body::Registration => payload.clone(),
            Body::Bundle => event::bundle(payload)?,
        };
        let Some(peer) = seal_to else { return Ok((content, content_type.clone())) };
        let ring = self.keys.current();
        let to = roles::recipient(&ring, peer, now)?;
        let media_type = content_type.to_str().unwrap_or_default();
        let cty =
            media_type.strip_prefix("application/").filter(|rest| !rest.contains('/')).unwrap_or(media_type);
        let kid = to.thumbprint().to_base64url();
        let sealed = jwe::encrypt_content(to.public_key(), &kid, cty, &content)?;
        Ok((Bytes::from(sealed), JOSE))
    }

    /// The headers of the post of `body` under `id`. What is posted is what is signed.
    fn headers(&self, id: &str, body: &[u8], content_type: HeaderValue, now: Timestamp) -> Result<HeaderMap> {
        let Settings { sign, headers, .. } = &*self.settings;
        let mut headers = headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, content_type);
        let secret = match sign {
            Sign::StandardWebhooks(secret) => Some(secret),
            Sign::Nothing | Sign::Jws(_) => None,
        };
        standard_webhooks::write(&mut headers, id, body, secret, now)?;
        if let Sign::Jws(sign_with) = sign {
            headers.insert(JWS, self.signature(sign_with.as_deref(), body, now)?);
        }
        Ok(headers)
    }

    /// A detached JWS over `body` (RFC 7515, appendix F), with the certificate of the own key.
    fn signature(&self, sign_with: Option<&str>, body: &[u8], now: Timestamp) -> Result<HeaderValue> {
        let ring = self.keys.current();
        let own = roles::signer(&ring, sign_with, now)?;
        if own.certificate.is_none() {
            let name = self.settings.name;
            return Err(Error::new(
                Code::Keys,
                format!("{}: the key has no certificate, by which {name} knows it", own.location),
            )
            .advise("Add its certificate to this entry of keys.own."));
        }
        let token = signature::sign(own, body, true)?;
        HeaderValue::try_from(token).map_err(|_| Error::new(Code::Bug, "a JWS does not fit into a header"))
    }
}

impl Settings {
    /// What the answer means.
    fn read(&self, reply: &Reply) -> Result<Read> {
        if !self.accepted.holds(reply.status) {
            return Err(reply.explain(accepted::refused(self.name, self.section, reply.status)));
        }
        let over = transport_of(&self.url);
        let news = match &self.reply_id {
            None => News::Accepted(over),
            Some(at) => News::Numbered(at.find(&reply.body).map(NationalId), over),
        };
        Ok(Read::Done(Done { news: Some(news), ..Done::default() }))
    }
}

impl Listed for System {
    /// The name of a system takes the place of both.
    const ROWS: Rows = Rows {
        destination: "system",
        system: "an ID system",
        queue: Queue::Entries,
        kinds: &EventKind::WORDS,
        speaks: false,
        remedy: Remedy::COMMON,
    };

    type Settings = Settings;

    fn new(mut settings: Settings, tools: &Tools) -> Self {
        let Settings { section, name, .. } = settings;
        let section = super::names::kept(&format!("{section}.token"));
        let token = settings.token.take();
        Self {
            token: token
                .map(|settings| Arc::new(TokenSource::new(IamToken::bearer(section, name, settings)))),
            settings: Arc::new(settings),
            keys: tools.keys.clone(),
            clock: tools.clock.clone(),
        }
    }
}

impl Destination for System {
    fn rows(&self) -> Rows {
        Rows { destination: self.settings.name, system: self.settings.name, ..Self::ROWS }
    }

    fn routes(&self) -> Vec<Route> {
        vec![Route {
            host: upstream::host_and_port(&self.settings.url),
            kinds: self.settings.kinds.iter().map(|kind| kind.as_str().to_owned()).collect(),
            concurrency: self.settings.concurrency,
            deadline: self.settings.deadline,
        }]
    }

    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        self.token.iter().cloned().collect()
    }

    fn form(&self) -> Form {
        match self.settings.body {
            Body::AsItCame => Form::EventOrDocument,
            Body::Bundle => Form::Event,
            Body::Registration => Form::Registration,
        }
    }
}

impl Steps for System {
    fn next(&self, work: &Work) -> Result<Step> {
        let now = self.clock.now();
        let (body, content_type) = self.body(&work.payload, now)?;
        let request = Request {
            method: Method::POST,
            uri: self.settings.url.clone(),
            headers: self.headers(&work.id, &body, content_type, now)?,
            body,
            deadline: self.settings.deadline,
            max_response: MAX_REPLY,
        };
        let before = (!work.progress.sent).then(|| Progress { sent: true, ..work.progress.clone() });
        let settings = Arc::clone(&self.settings);
        let read = Box::new(move |reply: Result<Reply, _>| settings.read(&reply?));
        Ok(Step::from(Call { request, token: self.token.clone(), before, seal: None, resend: false, read }))
    }
}
