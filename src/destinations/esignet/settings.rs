//! `[esignet]`

use std::time::Duration;

use http::Uri;

use super::super::{Lack, Url};
use crate::config::Trouble;
use crate::config::plain_http::PlainHttp;
use crate::config::section::Section;
use crate::config::value::{Complaint, complaint, text, url, word};
use crate::error::{Code, Error, Result};
use crate::keys::settings::Keys;
use crate::mosip::esignet::Tokens;

const ISSUER: &str = "esignet.issuer";
/// For the whole of a login, all its calls together: the page of OpenCRVS that waits gives up after 15 s.
const DEADLINE: Duration = Duration::from_secs(10);

/// `[esignet]`
pub(crate) struct Settings {
    /// Whose tokens count, to the letter.
    pub(crate) issuer: Option<String>,
    /// The same as a URL: its document is fetched there.
    pub(crate) issuer_url: Option<Uri>,
    /// In place of what the document of the issuer names.
    pub(crate) token_url: Option<Uri>,
    /// The same.
    pub(crate) userinfo_url: Option<Uri>,
    /// The same.
    pub(crate) jwks_url: Option<Uri>,
    /// The clients that assertions are made for. Empty: whichever a caller names.
    pub(crate) clients: Vec<String>,
    /// For whom assertions are made; absent: the URL of the token endpoint.
    pub(crate) audience: Option<String>,
    /// The own key that signs them.
    pub(crate) key: Option<String>,
    /// When proofs of possession go with the calls.
    pub(crate) dpop: Dpop,
    /// For all calls of one login.
    pub(crate) deadline: Duration,
    /// What is not set, though a login needs it.
    pub(crate) unset: Vec<&'static str>,
}

/// `esignet.dpop`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dpop {
    /// Where eSignet's document says that it takes them, and where it demands them.
    #[default]
    Auto,
    /// Never.
    Off,
    /// With every login.
    Always,
}

impl Dpop {
    /// `tokens`, where they are bound to a key as this says.
    pub(super) fn allows(self, tokens: Tokens) -> Result<Tokens> {
        let refuse = |what: &str, advice: &str| Err(Error::new(Code::Partner, what).advise(advice));
        match (self, tokens.wants_proof) {
            (Self::Always, false) => refuse(
                "eSignet gave a token that is bound to no key (Bearer), and esignet.dpop is \"always\"",
                "Ask the administrator of eSignet to bind the tokens of this client to keys (DPoP), or set esignet.dpop = \"auto\".",
            ),
            (Self::Off, true) => refuse(
                "eSignet gave a token that is bound to a key (DPoP), and esignet.dpop is \"off\"",
                "Set esignet.dpop = \"auto\", and start the gateway again.",
            ),
            _ => Ok(tokens),
        }
    }
}

impl Settings {
    /// Reads `[esignet]`. `None`: nothing is set, so that there is no eSignet.
    pub(crate) fn read(root: &mut Section<'_>, keys: &Keys, plain: &PlainHttp) -> Option<Self> {
        let mut section = root.any_section("esignet")?;
        section.client_certificate();
        let issuer = section.parsed("issuer", issuer(plain));
        let token_url = section.url("token_url", plain);
        let userinfo_url = section.url("userinfo_url", plain);
        let jwks_url = section.url("jwks_url", plain);
        let clients = section.list("clients", text).unwrap_or_default();
        if clients.is_empty() && section.is_set("clients") {
            section.problem("clients", "lists nobody", "name the client ids that the country has at eSignet");
        }
        let audience = section.parsed("audience", text);
        let key = section.parsed("key", text);
        if key.as_ref().is_some_and(|name| !keys.has_signer(name)) {
            section.problem(
                "key",
                "names no own key that may sign",
                "name an entry of keys.own that has a name and the use sign",
            );
        }
        let dpop = section
            .parsed("dpop", word(&[("auto", Dpop::Auto), ("off", Dpop::Off), ("always", Dpop::Always)]));
        let deadline = section.deadline(DEADLINE);
        if section.path("client_key_file").is_some() {
            section.reader().warn(
                "esignet.client_key_file has no effect: name the file in keys.own, with a name and use = [\"sign\"], and that name as esignet.key"
                    .to_owned(),
            );
        }
        let is_issuer_set = section.is_set("issuer");
        let is_key_set = section.is_set("key");
        let unset: Vec<_> = [(ISSUER, is_issuer_set), ("esignet.key", is_key_set)]
            .into_iter()
            .filter_map(|(name, is_set)| (!is_set).then_some(name))
            .collect();
        section.finish();
        let dpop = dpop.unwrap_or_default();
        let issuer_url = issuer.as_ref().and_then(|issuer| issuer.parse().ok());
        Some(Self {
            issuer,
            issuer_url,
            token_url,
            userinfo_url,
            jwks_url,
            clients,
            audience,
            key,
            dpop,
            deadline,
            unset,
        })
    }

    /// Every URL that is called.
    pub(crate) fn urls(&self) -> Vec<Url<'_>> {
        let issuer = self.issuer_url.as_ref().map(|url| Url::begun(ISSUER, url));
        let set = [
            ("esignet.token_url", &self.token_url),
            ("esignet.userinfo_url", &self.userinfo_url),
            ("esignet.jwks_url", &self.jwks_url),
        ];
        let set = set.into_iter().filter_map(|(name, url)| Some(Url::whole(name, url.as_ref()?)));
        issuer.into_iter().chain(set).collect()
    }

    /// That the gateway signs for whichever client a caller names.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        (self.clients.is_empty() && self.unset.is_empty()).then(|| {
            Trouble::new(
                "esignet.clients",
                "is not set, so that the gateway proves itself to eSignet as whichever client a caller names",
                "list the client ids that the country has at eSignet, and start the gateway again",
            )
        })
    }

    /// [`Code::Field`] for a client that no assertion is made for.
    pub(super) fn check_client(&self, client_id: &str) -> Result<()> {
        match self.clients.is_empty() || self.clients.iter().any(|known| known == client_id) {
            true => Ok(()),
            false => Err(Error::field("/clientId", "this is not a client id that the gateway signs for")
                .advise("Send one of esignet.clients, or have this one added there.")),
        }
    }

    /// `error` of the token endpoint. Where no client is listed, a client id that eSignet does not know is the caller's.
    pub(super) fn blame(&self, error: Error) -> Error {
        match error.upstream() {
            Some(told) if self.clients.is_empty() && told.code == "invalid_client_id" => {
                Error::field("/clientId", "eSignet knows no client of this id")
                    .advise("Send the client id under which the country is registered with eSignet.")
                    .with_upstream(&*told.code, &*told.message)
            }
            _ => error,
        }
    }

    /// What is not set, for `doctor` and the page.
    pub(crate) fn lacks(&self) -> Vec<Lack> {
        let lack = |name: &&'static str| Lack {
            subject: "esignet",
            what: format!("{name} is not set, so that no login can be verified"),
            advice: match *name {
                ISSUER => "set it as eSignet's document names it",
                _ => "set it to the name of the own key that is registered at eSignet",
            },
        };
        self.unset.iter().map(lack).collect()
    }
}

/// The text as it stands: a `iss` is compared to the letter.
fn issuer(plain: &PlainHttp) -> impl Fn(&str) -> Result<String, Complaint> {
    move |text| {
        let uri = url(text)?;
        if uri.query().is_some() {
            return Err(complaint("holds a query", "write the issuer as eSignet's document names it"));
        }
        match plain.forbidden_host(&uri) {
            None => Ok(text.to_owned()),
            Some(_) => Err(complaint(
                "is plain http off the loopback",
                "use https, or name the host in upstream.danger_plain_http_hosts",
            )),
        }
    }
}
