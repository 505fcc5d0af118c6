//! `[opencrvs]`: where OpenCRVS 1.x takes application ids and UINTOKENs, and how later versions are notified.

use std::time::Duration;

use http::Uri;

use super::super::{DestinationSettings, Lack, Sources, Url};
use crate::config::plain_http::PlainHttp;
use crate::config::reader::Origin;
use crate::config::section::{Section, Unset};
use crate::config::value::{duration, text, word};
use crate::crypto::secret::SecretBytes;

/// `[opencrvs]`: how OpenCRVS is called.
pub(crate) struct Settings {
    /// Our own client there.
    pub(crate) client: Client,
    /// Where application ids and UINTOKENs are posted (OpenCRVS 1.x); absent = nowhere.
    pub(crate) legacy_url: Option<Uri>,
    /// The member that holds the UINTOKEN there; default `MOSIP_PSUT_TOKEN_ID`.
    pub(crate) legacy_token_member: &'static str,
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

/// The members by which country configurations have called the UINTOKEN, the newest first.
const TOKEN_MEMBERS: [(&str, &str); 2] =
    [("MOSIP_PSUT_TOKEN_ID", "MOSIP_PSUT_TOKEN_ID"), ("UINTOKEN", "UINTOKEN")];

impl Default for Settings {
    fn default() -> Self {
        Self { client: Client::default(), legacy_url: None, legacy_token_member: TOKEN_MEMBERS[0].0 }
    }
}

/// Settings whose features are not built yet are checked and have no effect, which a warning says.
impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { root, plain, .. } = sources;
        let mut section = root.section("opencrvs");
        let settings = Self {
            client: client(&mut section, plain),
            legacy_url: section.url("legacy_url", plain),
            legacy_token_member: section
                .parsed("legacy_token_member", word(&TOKEN_MEMBERS))
                .unwrap_or(Self::default().legacy_token_member),
        };
        not_built(&mut section, plain);
        section.finish();
        settings
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let posts = self.legacy_url.iter().map(|url| Url::whole("opencrvs.legacy_url", url));
        let client = self.client.auth_url.iter().map(|url| Url::begun("opencrvs.auth_url", url));
        posts.chain(client).collect()
    }

    /// What the client lacks matters where something is posted.
    fn lacks(&self) -> Vec<Lack> {
        let lack = |name: &String| Lack {
            subject: "opencrvs",
            what: format!("{name} is not set, and opencrvs.legacy_url needs it"),
            advice: "set it as OpenCRVS gave it under Integrations; until then application ids and UINTOKENs wait",
        };
        let needed = self.legacy_url.iter().flat_map(|_| &self.client.unset);
        needed.map(lack).collect()
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

fn not_built(section: &mut Section<'_>, plain: &PlainHttp) {
    let reader = section.reader();
    let warn = |name: &str| reader.warn_not_built(&format!("opencrvs.{name}"));
    if section.url("url", plain).is_some() {
        warn("url");
    }
    let words: [(&str, &[(&str, ())]); 3] = [
        ("confirm_with", &[("client", ()), ("record-token", ())]),
        ("on_rejected", &[("reject", ()), ("alarm", ())]),
        ("on_silence", &[("alarm", ()), ("reject", ())]),
    ];
    for (name, words) in words {
        if section.parsed(name, word(words)).is_some() {
            warn(name);
        }
    }
    for name in ["national_id_field", "national_id_key"] {
        if section.parsed(name, text).is_some() {
            warn(name);
        }
    }
    let often = duration(Duration::from_mins(1)..=Duration::from_hours(24 * 30));
    if section.parsed("reconcile_every", often).is_some() {
        warn("reconcile_every");
    }
    if let Some(mut webhooks) = section.optional_section("webhooks") {
        webhooks.required_url("url", plain);
        // The older mediator starts without it.
        if matches!(reader.origin("opencrvs.webhooks.url"), Some(Origin::Alias(_))) {
            webhooks.url_of_ours("callback_url", plain);
        } else {
            webhooks.required_url("callback_url", plain);
        }
        webhooks.list("topics", text);
        webhooks.finish_not_built();
    }
}
