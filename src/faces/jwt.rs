//! The JWTs that callers bring: the key or the keys that sign them, in a file or at a URL, and what they have to say.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri, header};
use tokio::time::Instant;

use crate::bearer;
use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::value::text;
use crate::destinations::Url;
use crate::destinations::drive::Outside;
use crate::destinations::fetched::{Fetched, by};
use crate::error::{Code, Error, Result};
use crate::faces::App;
use crate::http::caller::Caller;
use crate::mosip::caller::{self, Demands, Keys, Purpose};
use crate::mosip::jwks::Denied;
use crate::refusal;
use crate::upstream::Reply;

/// Settings of one kind of caller.
pub(crate) struct JwtSettings {
    /// The setting, for who has to put it right.
    setting: &'static str,
    place: Place,
    demands: Demands,
}

/// Where the keys are.
enum Place {
    /// PEM of a public key or certificate: the bytes of the file, read at start. Empty: it cannot be read, which a trouble says.
    File { file: PathBuf, pem: Vec<u8> },
    /// The same at a URL.
    Pem(Uri),
    /// A JSON Web Key Set.
    Jwks(Uri),
}

impl JwtSettings {
    /// A section of the form `opencrvs_jwt`: the key by `file` or by `url`. `audience` stands in where none is set; `None`: any is good.
    pub(crate) fn opencrvs(
        setting: &'static str,
        mut section: Section<'_>,
        plain: &PlainHttp,
        audience: Option<&str>,
    ) -> Option<Self> {
        let reader = section.reader();
        let read = |text: &str| {
            let pem = reader.contents_or_trouble(&format!("{setting}.file"), text, NOBODY_KNOWN);
            Ok(Place::File { file: reader.base().join(text), pem })
        };
        let url = section.url("url", plain).map(Place::Pem);
        let is_url_set = section.is_set("url");
        let file = if is_url_set { section.parsed("file", read) } else { section.required("file", read) };
        if is_url_set && section.is_set("file") {
            section.problem("file", "is set beside url", "name one place of the key");
        }
        let issuer = section.parsed("issuer", text).unwrap_or_else(|| "opencrvs:auth-service".to_owned());
        let audience = section.parsed("audience", text).or_else(|| audience.map(str::to_owned));
        section.finish();
        Some(Self { setting, place: url.or(file)?, demands: Demands::Opencrvs { issuer, audience } })
    }

    /// A section of the form `mosip_jwt`: the keys by `jwks_url`.
    pub(crate) fn mosip(setting: &'static str, mut section: Section<'_>, plain: &PlainHttp) -> Option<Self> {
        let url = section.required_url("jwks_url", plain);
        let issuer_host = section.required("issuer_host", crate::config::value::host);
        let allowed = section.list("allowed", text).unwrap_or_default();
        if allowed.is_empty() && !section.is_set("allowed") {
            section.missing("allowed");
        } else if allowed.is_empty() {
            section.problem("allowed", "allows nobody", "name the clients of MOSIP's IAM that may call");
        }
        let role = section.parsed("role", text);
        section.finish();
        let demands = Demands::Mosip { issuer_host: issuer_host?, allowed, role };
        Some(Self { setting, place: Place::Jwks(url?), demands })
    }

    /// The section, for who has to put it right.
    pub(crate) fn setting(&self) -> &'static str {
        self.setting
    }

    /// Where the keys are fetched, if they are not in a file.
    pub(crate) fn called_url(&self) -> Option<Url<'_>> {
        let (name, url) = match &self.place {
            Place::File { .. } => return None,
            Place::Pem(url) => ("url", url),
            Place::Jwks(url) => ("jwks_url", url),
        };
        Some(Url::whole(format!("{}.{name}", self.setting), url))
    }

    /// The bytes of the file of the key, if it is in one.
    pub(crate) fn pem(&self) -> Option<&[u8]> {
        match &self.place {
            Place::File { pem, .. } => Some(pem),
            Place::Pem(_) | Place::Jwks(_) => None,
        }
    }

    /// The key or the keys at `url`, for tests.
    #[cfg(test)]
    pub(super) fn at(url: &str, demands: Demands) -> Self {
        let url = url.parse().unwrap();
        let place = match &demands {
            Demands::Opencrvs { .. } => Place::Pem(url),
            Demands::Mosip { .. } => Place::Jwks(url),
        };
        Self { setting: "callback.jwt", place, demands }
    }

    /// What the tokens have to say.
    #[cfg(test)]
    pub(crate) fn demands(&self) -> &Demands {
        &self.demands
    }

    /// That the key in the file, if it is in one, can be used.
    pub(crate) fn check(&self) -> Result<()> {
        self.pem().map_or(Ok(()), |pem| Keys::from_pem(pem).map(drop))
    }

    /// The file holds something, and no key.
    pub(crate) fn key_trouble(&self) -> Option<Trouble> {
        let Place::File { file, pem } = &self.place else { return None };
        let refusal = self.check().err().filter(|_| !pem.is_empty())?;
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        Some(Trouble::fatal(
            format!("{}.file", self.setting),
            format!("{file}: {}: {NOBODY_KNOWN}", refusal.detail()),
            "put the public key of OpenCRVS's auth service there, and start the gateway again",
        ))
    }
}

/// What does not work without the key.
const NOBODY_KNOWN: &str = "nobody is known by it, so that all whose token this key would prove are refused";

/// How the tokens of one kind of caller are checked. No `Debug`.
pub(crate) struct JwtCallers {
    keys: Source,
    demands: Demands,
    /// How long a caller waits for keys that have not come since the start, or that may be old.
    patience: Duration,
}

enum Source {
    Held(Keys),
    /// The file holds no key, which a trouble says: nobody is let in.
    Broken,
    Fetched(Fetched<Keys>),
}

impl JwtCallers {
    /// What is at a URL is fetched at once, so that the first caller finds it; a caller who comes before waits with `patience`. Where the key
    /// in the file cannot be used, nobody is let in.
    pub(crate) fn new(settings: JwtSettings, outside: Arc<dyn Outside>, patience: Duration) -> Self {
        let JwtSettings { setting, place, demands } = settings;
        let fetched = |url: Uri, read: fn(&[u8]) -> Result<Keys>| {
            let read = move |reply: &Reply| match reply.status.is_success() {
                true => read(&reply.body).map_err(|error| {
                    Error::new(Code::Upstream, error.detail()).advise(format!("Check the URL in {setting}."))
                }),
                false => Err(refusal::of_status("The issuer of the tokens", reply.status, setting)),
            };
            let keys = Fetched::new(url, outside, read);
            keys.fetch_beforehand(setting);
            Source::Fetched(keys)
        };
        let keys = match place {
            Place::File { pem, .. } => Keys::from_pem(&pem).map_or(Source::Broken, Source::Held),
            Place::Pem(url) => fetched(url, Keys::from_pem),
            Place::Jwks(url) => fetched(url, Keys::from_jwks),
        };
        Self { keys, demands, patience }
    }

    /// As [`Self::new`], for a face of `app`, whose operators learn of keys that do not come.
    pub(crate) fn of(app: &App, settings: JwtSettings, patience: Duration) -> Self {
        let setting = settings.called_url().map(|url| url.setting);
        let callers = Self::new(settings, app.outside(), patience);
        if let (Some(setting), Source::Fetched(keys)) = (setting, &callers.keys) {
            app.caller_keys().add(setting, app.now(), keys.clone());
        }
        callers
    }

    /// That there are keys that can be used, for `doctor`.
    pub(crate) async fn reach(&self) -> Result<()> {
        match &self.keys {
            Source::Held(_) | Source::Broken => Ok(()),
            Source::Fetched(keys) => keys.get().await.map(drop),
        }
    }

    /// Checks a bearer token of `caller` at `now`. The caller gets the same refusal for every failed check; the keys are fetched again, once
    /// a minute at most, where none of them signed a token that says what it has to; the fetch, and the end of that minute, are waited for with
    /// `patience`.
    /// While that takes its time, `caller` is a stranger whose connection may be closed to make room. [`Code::Keys`] or
    /// [`Code::CallerKeys`] where nobody knows whose the token is: the caller is not at fault.
    pub(crate) async fn check(&self, token: &str, now: Timestamp, caller: &Caller) -> Result<Purpose> {
        let check = |keys: &Keys| caller::check(keys, &self.demands, token, now);
        let keys = match &self.keys {
            Source::Held(keys) => return check(keys).map_err(Error::from),
            Source::Fetched(keys) => keys,
            Source::Broken => {
                return Err(Error::new(Code::Keys, "the key that callers are known by cannot be used"));
            }
        };
        let held = keys.kept();
        let denied = match held.as_deref().map(check) {
            Some(Ok(purpose)) => return Ok(purpose),
            Some(Err(Denied::Refused(refusal))) => return Err(refusal),
            Some(Err(denied)) => Some(denied),
            None => None,
        };
        caller::could_be_good(&self.demands, token, now)?;
        let _waits = caller.begin_wait();
        let deadline = Instant::now() + self.patience;
        let newer = match (&held, &denied) {
            // A new key of the same name is no reason to wait: nobody makes one.
            (Some(held), Some(Denied::WrongSignature(_))) => by(deadline, keys.newer_than(held)).await,
            (Some(held), _) => keys.newer_than_by(held, deadline).await,
            (None, _) => keys.get_by(deadline).await,
        };
        match (newer, denied) {
            (Ok(newer), _) => check(&newer).map_err(Error::from),
            (Err(_), Some(Denied::WrongSignature(refusal))) => Err(refusal),
            (Err(failure), _) => Err(keys_away(&failure)),
        }
    }
}

/// What a caller who has proved nothing learns of `failure`: no address and no setting.
fn keys_away(failure: &Error) -> Error {
    const UNKNOWN: &str = "the key that signed the token is not known here, and the keys of callers cannot be fetched at this moment";
    Error::new(Code::CallerKeys, UNKNOWN)
        .for_operator(failure.detail())
        .with_retry_after(failure.retry_after())
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(bearer::token)
        .and_then(|token| std::str::from_utf8(token).ok())
        .ok_or_else(|| Error::new(Code::Unauthorized, "no bearer token"))
}
