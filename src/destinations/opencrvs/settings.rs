//! `[opencrvs]`: where OpenCRVS 1.x takes application ids and UINTOKENs, and how later versions learn what came of a registration.

use http::Uri;

use super::super::{DestinationSettings, Lack, Sources, Url};
use super::search::SearchSettings;
use super::webhooks::Webhooks;
use crate::config::plain_http::PlainHttp;
use crate::config::section::{Section, Unset};
use crate::config::value::{text, word};
use crate::crypto::secret::SecretBytes;

/// `[opencrvs]`: how OpenCRVS is called.
pub(crate) struct Settings {
    /// Our own client there.
    pub(crate) client: Client,
    /// Where application ids and UINTOKENs are posted (OpenCRVS 1.x); absent = nowhere.
    pub(crate) legacy_url: Option<Uri>,
    /// The member that holds the UINTOKEN there; default `MOSIP_PSUT_TOKEN_ID`.
    pub(crate) legacy_token_member: &'static str,
    /// How registrations are confirmed (OpenCRVS 2.0 and later).
    pub(crate) confirmation: Confirmation,
    /// Which webhooks are subscribed (OpenCRVS 1.x); absent = none.
    pub(crate) webhooks: Option<Webhooks>,
    /// How OpenCRVS 1.x is asked for what did not come.
    pub(crate) search: SearchSettings,
}

/// How OpenCRVS's core learns what came of a registration.
pub(crate) struct Confirmation {
    /// Where its `/events` is; absent = nothing is confirmed.
    pub(crate) url: Option<Uri>,
    /// What a confirmation goes with; by default the client where `client_id` is set, else the record token.
    pub(crate) with: ConfirmWith,
    /// The field of a record that takes the number of the person; default `child.nid`.
    pub(crate) national_id_field: String,
    /// The member of a credential that holds it; default `UIN`, with the record token `VID`.
    pub(crate) national_id_key: String,
    /// `on_rejected`: what MOSIP rejects is rejected; default true.
    pub(crate) rejects_rejected: bool,
    /// `on_silence`: what MOSIP is silent about is rejected; default false.
    pub(crate) rejects_silent: bool,
}

/// `confirm_with`: what a confirmation goes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfirmWith {
    /// The token of our own client, which may read records, too (OpenCRVS 2.0 and later).
    Client,
    /// The token that came with the registration (OpenCRVS 1.9).
    RecordToken,
}

/// The client that OpenCRVS gave us under "Integrations".
#[derive(Default)]
pub(crate) struct Client {
    /// OpenCRVS's auth service: what stands before `/token`.
    pub(crate) auth_url: Option<Uri>,
    pub(crate) client_id: Option<String>,
    /// From `client_secret_file` or `client_secret_env`.
    pub(crate) client_secret: Option<SecretBytes>,
    /// Of the three those that are not set, by the setting or by the variable that should hold it.
    pub(crate) unset: Vec<String>,
}

impl ConfirmWith {
    /// Which member of a credential `mosip-api` of that time took.
    const fn national_id_key(self) -> &'static str {
        match self {
            Self::Client => "UIN",
            Self::RecordToken => "VID",
        }
    }
}

impl Client {
    /// Nothing of it is unset.
    pub(crate) fn is_set(&self) -> bool {
        self.unset.is_empty()
    }

    /// Something of it is set that is of no use without the rest.
    fn is_begun(&self) -> bool {
        self.client_id.is_some() || self.client_secret.is_some()
    }
}

/// The members by which country configurations have called the UINTOKEN, the newest first.
const TOKEN_MEMBERS: [(&str, &str); 2] =
    [("MOSIP_PSUT_TOKEN_ID", "MOSIP_PSUT_TOKEN_ID"), ("UINTOKEN", "UINTOKEN")];

impl Default for Settings {
    fn default() -> Self {
        Self {
            client: Client::default(),
            legacy_url: None,
            legacy_token_member: TOKEN_MEMBERS[0].0,
            confirmation: Confirmation::default(),
            webhooks: None,
            search: SearchSettings::default(),
        }
    }
}

impl Default for Confirmation {
    fn default() -> Self {
        Self {
            url: None,
            with: ConfirmWith::RecordToken,
            national_id_field: "child.nid".to_owned(),
            national_id_key: ConfirmWith::RecordToken.national_id_key().to_owned(),
            rejects_rejected: true,
            rejects_silent: false,
        }
    }
}

impl Settings {
    /// Nothing but record tokens confirms.
    pub(crate) fn needs_record_tokens(&self) -> bool {
        let Confirmation { url, with, .. } = &self.confirmation;
        url.is_some() && *with == ConfirmWith::RecordToken && !self.client.is_set()
    }
}

impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { root, plain, .. } = sources;
        let mut section = root.section("opencrvs");
        section.client_certificate();
        let client = client(&mut section, plain);
        let confirmation = confirmation(&mut section, plain, client.client_id.is_some());
        let webhooks = Webhooks::read(&mut section, plain, &client.unset);
        let (url, auth_url) = (confirmation.url.as_ref(), client.auth_url.as_ref());
        let search = SearchSettings::read(&mut section, plain, url, auth_url);
        let settings = Self {
            legacy_url: section.url("legacy_url", plain),
            legacy_token_member: section
                .parsed("legacy_token_member", word(&TOKEN_MEMBERS))
                .unwrap_or(Self::default().legacy_token_member),
            client,
            confirmation,
            webhooks,
            search,
        };
        section.finish();
        settings
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let posts = self.legacy_url.iter().map(|url| Url::whole("opencrvs.legacy_url", url));
        let core = self.confirmation.url.iter().map(|url| Url::begun("opencrvs.url", url));
        let client = self.client.auth_url.iter().map(|url| Url::begun("opencrvs.auth_url", url));
        let webhooks = self.webhooks.iter().map(|of| Url::begun("opencrvs.webhooks.url", &of.url));
        let search = self.search.url.iter().map(|url| Url::begun("opencrvs.search.url", url));
        posts.chain(core).chain(client).chain(webhooks).chain(search).collect()
    }

    /// What the client lacks matters where something is sent.
    fn lacks(&self) -> Vec<Lack> {
        let lack = |name: &String, needed_by, advice| Lack {
            subject: "opencrvs",
            what: format!("{name} is not set, and {needed_by} needs it"),
            advice,
        };
        let posts = self.legacy_url.iter().flat_map(|_| &self.client.unset).map(|name| {
            lack(
                name,
                "opencrvs.legacy_url",
                "set it as OpenCRVS gave it under Integrations; until then application ids and UINTOKENs wait",
            )
        });
        let Confirmation { url, with, .. } = &self.confirmation;
        let (is_used, advice) = match with {
            ConfirmWith::Client => (
                true,
                "set it to the system client of OpenCRVS that may confirm; until then confirmations wait",
            ),
            ConfirmWith::RecordToken => (
                self.client.is_begun(),
                "set it to the system client of OpenCRVS that confirms what no record token does any more, or remove the rest of the client",
            ),
        };
        let needed = url.iter().filter(|_| is_used);
        let confirmations =
            needed.flat_map(|_| &self.client.unset).map(|name| lack(name, "opencrvs.url", advice));
        let webhooks = self.webhooks.iter().flat_map(Webhooks::lacks);
        posts.chain(confirmations).chain(webhooks).chain(self.search.lacks()).collect()
    }
}

fn client(section: &mut Section<'_>, plain: &PlainHttp) -> Client {
    let auth_url = section.url("auth_url", plain);
    if auth_url.as_ref().is_some_and(|url| url.query().is_some()) {
        // A path is put behind it.
        section.problem("auth_url", "holds a query", "end the URL before `?`");
    }
    let client_id = section.parsed("client_id", text);
    let variable = section.secret_variable("client_secret");
    let client_secret = section.secret("client_secret", Unset::Absent);
    let unset = [
        ("auth_url", auth_url.is_none(), None),
        ("client_id", client_id.is_none(), None),
        ("client_secret_file", client_secret.is_none(), variable),
    ]
    .into_iter()
    .filter(|(_, is_unset, _)| *is_unset)
    .map(|(name, _, variable)| variable.unwrap_or_else(|| format!("opencrvs.{name}")))
    .collect();
    Client { auth_url, client_id, client_secret, unset }
}

fn confirmation(section: &mut Section<'_>, plain: &PlainHttp, has_client_id: bool) -> Confirmation {
    let default = Confirmation::default();
    let url = section.url("url", plain);
    if url.as_ref().is_some_and(|url| url.query().is_some()) {
        // A path is put behind it.
        section.problem("url", "holds a query", "end the URL before `?`");
    }
    let words = [("client", ConfirmWith::Client), ("record-token", ConfirmWith::RecordToken)];
    let with = section.parsed("confirm_with", word(&words)).unwrap_or(match has_client_id {
        true => ConfirmWith::Client,
        false => ConfirmWith::RecordToken,
    });
    let rejects = [("reject", true), ("alarm", false)];
    Confirmation {
        url,
        with,
        national_id_field: section.parsed("national_id_field", text).unwrap_or(default.national_id_field),
        national_id_key: section
            .parsed("national_id_key", text)
            .unwrap_or_else(|| with.national_id_key().to_owned()),
        rejects_rejected: section.parsed("on_rejected", word(&rejects)).unwrap_or(default.rejects_rejected),
        rejects_silent: section.parsed("on_silence", word(&rejects)).unwrap_or(default.rejects_silent),
    }
}
