//! An outside that answers as a test says and writes down what it was sent, and a book that can refuse.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};

use super::drive::{Keep, Outside};
use super::{News, Progress, Step, Steps, TokenSource, Tools, Work, ida};
use crate::clock::{Clock, Timestamp};
use crate::crypto::rsa::SignatureAlgorithm;
use crate::crypto::secret::SecretBytes;
use crate::error::{Code, Error, Result};
use crate::keys::source::file::{KeyFile, Password};
use crate::keys::{Keyring, Ring};
use crate::opencrvs::record_token::KeptToken;
use crate::upstream::{Reply, Request, SendError};

/// What comes of a call: the answer to what was sent.
pub(crate) type Answer = Box<dyn FnOnce(&Request) -> Result<Result<Reply, SendError>> + Send>;

/// This status with this body.
pub(crate) fn says(status: u16, body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    Box::new(move |_| {
        Ok(Ok(Reply { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body }))
    })
}

/// Nobody is there: nothing has left.
pub(crate) fn is_away() -> Answer {
    Box::new(|_| {
        Ok(Err(SendError::NotSent {
            host: "upstream".to_owned(),
            reason: "refused".to_owned(),
            kind: std::io::ErrorKind::ConnectionRefused,
        }))
    })
}

/// It took the request and did not answer.
pub(crate) fn is_silent() -> Answer {
    Box::new(|request| Ok(Err(SendError::Timeout { host: "upstream".to_owned(), after: request.deadline })))
}

/// The answers to come, in order, and what was sent, each with the section that its token is set in.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<VecDeque<Answer>>,
    pub(crate) sent: Mutex<Vec<(Option<&'static str>, Request)>>,
    /// Done where the keys are read again.
    pub(crate) on_refresh: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Script {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    /// Paths that were called, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|(_, request)| request.uri.path().to_owned()).collect()
    }

    /// The body of the last call.
    pub(crate) fn last_body(&self) -> Bytes {
        self.sent.lock().unwrap().last().unwrap().1.body.clone()
    }
}

impl Outside for Script {
    fn send(
        &self,
        token: Option<Arc<TokenSource>>,
        request: Request,
    ) -> BoxFuture<'_, Result<Result<Reply, SendError>>> {
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| panic!("nobody expects {}", request.uri))(&request);
        let section = token.map(|token| token.grant().section());
        self.sent.lock().unwrap().push((section, request));
        std::future::ready(answer).boxed()
    }

    fn next(&self, steps: &Arc<dyn Steps>, work: Work) -> BoxFuture<'_, Result<(Work, Step)>> {
        let step = steps.next(&work);
        std::future::ready(step.map(|step| (work, step))).boxed()
    }

    fn refresh_keys(&self) -> BoxFuture<'_, ()> {
        if let Some(on_refresh) = &self.on_refresh {
            on_refresh();
        }
        std::future::ready(()).boxed()
    }
}

/// What was kept, in order. The process dies before it keeps more than `most`.
pub(crate) struct Book {
    pub(crate) kept: Mutex<Vec<(Progress, Option<News>)>>,
    pub(crate) most: usize,
}

impl Default for Book {
    fn default() -> Self {
        Self { kept: Mutex::default(), most: usize::MAX }
    }
}

impl Book {
    /// Keeps this many steps, and dies at the next.
    pub(crate) fn dies_after(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// How far the entry had come when the process died, seen from where it began.
    pub(crate) fn progress(&self, began: Progress) -> Progress {
        self.kept.lock().unwrap().last().map_or(began, |(progress, _)| progress.clone())
    }

    pub(crate) fn news(&self) -> Vec<News> {
        self.kept.lock().unwrap().iter().filter_map(|(_, news)| news.clone()).collect()
    }
}

impl Keep for Book {
    fn keep<'a>(&'a self, progress: &'a Progress, news: Option<News>) -> BoxFuture<'a, Result<bool>> {
        let mut kept = self.kept.lock().unwrap();
        let outcome = if kept.len() < self.most {
            kept.push((progress.clone(), news));
            Ok(true)
        } else {
            Err(Error::new(Code::Storage, "the process has died"))
        };
        std::future::ready(outcome).boxed()
    }
}

/// An entry that nothing was done about.
pub(crate) fn work(id: &str, kind: &str, payload: impl Into<Bytes>) -> Work {
    let (id, kind, payload) = (id.to_owned(), kind.to_owned(), payload.into());
    Work { id, kind, payload, progress: Progress::default(), record_token: KeptToken::None }
}

/// The moment of the tests.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// The keys of the vectors: our own is the file `own`, and each peer has the certificate in a file.
pub(crate) fn ring(own: &str, peers: &[(&str, &str)]) -> Ring {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/keys");
    let peer = |(name, file): &(&str, &str)| crate::keys::settings::Peer {
        name: (*name).to_owned(),
        file: dir.join(format!("{file}.crt.pem")),
        unknown_thumbprint: crate::keys::settings::UnknownThumbprint::Reject,
        algs: SignatureAlgorithm::ALL.to_vec(),
    };
    let own = crate::keys::settings::OwnKey {
        name: None,
        source: KeyFile::source(dir.join(format!("{own}.key.pem")), Password::None),
        cert: Some(dir.join(format!("{own}.crt.pem"))),
        uses: crate::keys::settings::Uses { sign: true, decrypt: true },
    };
    let peers = peers.iter().map(peer).collect();
    let keys = crate::keys::settings::Keys {
        own: vec![own],
        peers,
        strict_permissions: false,
        retire_after: std::time::Duration::from_hours(24),
        ca_file: None,
        esignet: None,
        dir: dir.clone(),
    };
    Ring::load(&keys, NOW)
}

/// What destinations are made of, where nobody asks IDA.
pub(crate) fn tools(keys: Keyring, clock: Clock) -> Tools {
    let ida = Arc::new(ida::Requests::new(None, keys.clone(), clock.clone()));
    Tools { keys, clock, ida, death_link: false }
}

/// `[upstream.ida]`, where replies count without a signature unless there are `reply_signers`.
pub(crate) fn ida_settings(reply_signers: &[&str]) -> ida::Settings {
    let secret = |text: &str| Some(SecretBytes::new(text.as_bytes().to_vec()));
    ida::Settings {
        url: "http://127.0.0.1:4600/idauthentication/v1".parse().unwrap(),
        partner_id: Some("opencrvs-partner".to_owned()),
        misp_license_key: secret("a/../b?c#d e%2F"),
        api_key: secret("api-key"),
        reply_signers: reply_signers.iter().map(|name| (*name).to_owned()).collect(),
        sign_with: None,
        domain_uri: None,
        env: None,
        uin_length: 10,
        vid_length: 16,
        danger_accept_unsigned_replies: reply_signers.is_empty(),
        unset: Vec::new(),
    }
}

/// IDA confirms the person of the request, and gives this token. Unsigned.
pub(crate) fn ida_gives(token: &'static str) -> Answer {
    Box::new(move |request| {
        let asked: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let body = serde_json::json!({
            "id": "mosip.identity.auth",
            "transactionID": asked["transactionID"],
            "responseTime": NOW.to_iso(),
            "response": { "authStatus": true, "authToken": token },
            "errors": null,
        });
        says(200, &body.to_string())(request)
    })
}
