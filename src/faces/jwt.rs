//! The JWTs that callers bring: the key or the keys that sign them, in a file or at a URL, and what they have to say.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderMap, Uri, header};

use crate::bearer;
use crate::clock::Timestamp;
use crate::config::Trouble;
use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::value::text;
use crate::destinations::drive::Outside;
use crate::destinations::fetched::Fetched;
use crate::error::{Code, Error, Result};
use crate::mosip::caller::{self, Demands, Keys};
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

    /// Where the keys are fetched, if they are not in a file.
    pub(crate) fn url(&self) -> Option<&Uri> {
        match &self.place {
            Place::File { .. } => None,
            Place::Pem(url) | Place::Jwks(url) => Some(url),
        }
    }

    /// The bytes of the file of the key, if it is in one.
    pub(crate) fn pem(&self) -> Option<&[u8]> {
        match &self.place {
            Place::File { pem, .. } => Some(pem),
            Place::Pem(_) | Place::Jwks(_) => None,
        }
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
const NOBODY_KNOWN: &str = "nobody is known by a token, so that all who bring one are refused";

/// How the tokens of one kind of caller are checked. No `Debug`.
pub(crate) struct JwtCallers {
    keys: Source,
    demands: Demands,
}

enum Source {
    Held(Keys),
    /// The file holds no key, which a trouble says: nobody is let in.
    Broken,
    Fetched(Fetched<Keys>),
}

impl JwtCallers {
    /// Nothing is fetched before the first token. Where the key in the file cannot be used, nobody is let in.
    pub(crate) fn new(settings: JwtSettings, outside: Arc<dyn Outside>) -> Self {
        let JwtSettings { setting, place, demands } = settings;
        let fetched = |url: Uri, read: fn(&[u8]) -> Result<Keys>| {
            let read = move |reply: &Reply| match reply.status.is_success() {
                true => read(&reply.body).map_err(|error| {
                    Error::new(Code::Upstream, error.detail()).advise(format!("Check the URL in {setting}."))
                }),
                false => Err(refusal::of_status("The issuer of the tokens", reply.status, setting)),
            };
            Source::Fetched(Fetched::new(url, outside, read))
        };
        let keys = match place {
            Place::File { pem, .. } => Keys::from_pem(&pem).map_or(Source::Broken, Source::Held),
            Place::Pem(url) => fetched(url, Keys::from_pem),
            Place::Jwks(url) => fetched(url, Keys::from_jwks),
        };
        Self { keys, demands }
    }

    /// Checks a bearer token at `now`. The caller gets the same refusal for every failed check; the keys are fetched again, once a minute
    /// at most, where none of them signed it. [`Code::Keys`] where no key can be used: the caller is not at fault.
    pub(crate) async fn check(&self, token: &str, now: Timestamp) -> Result<()> {
        let check = |keys: &Keys| caller::check(keys, &self.demands, token, now);
        let keys = match &self.keys {
            Source::Held(keys) => return check(keys).map_err(Error::from),
            Source::Fetched(keys) => keys,
            Source::Broken => {
                return Err(Error::new(Code::Keys, "the key that callers are known by cannot be used"));
            }
        };
        let held = keys.get().await?;
        match check(&held) {
            Err(Denied::UnknownKey(_)) => check(&*keys.newer_than(&held).await).map_err(Error::from),
            checked => checked.map_err(Error::from),
        }
    }
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(bearer::token)
        .and_then(|token| std::str::from_utf8(token).ok())
        .ok_or_else(|| Error::new(Code::Unauthorized, "no bearer token"))
}
