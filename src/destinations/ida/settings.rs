//! `[upstream.ida]`

use http::Uri;

use super::super::{KeyNeeds, Lack, Listed, Recipient, Sources, Url};
use super::Records;
use crate::config::section::{Section, Unset};
use crate::config::value::{text, word};
use crate::crypto::secret::SecretBytes;
use crate::mosip::roles;

/// The environments that IDA knows.
const IDA_ENVIRONMENTS: [(&str, &str); 4] = [
    ("Staging", "Staging"),
    ("Developer", "Developer"),
    ("Pre-Production", "Pre-Production"),
    ("Production", "Production"),
];

/// `[upstream.ida]`
pub(crate) struct Settings {
    /// Ends before `/auth`.
    pub(crate) url: Uri,
    pub(crate) partner_id: Option<String>,
    pub(crate) misp_license_key: Option<SecretBytes>,
    pub(crate) api_key: Option<SecretBytes>,
    /// Peers whose signature on a reply counts.
    pub(crate) reply_signers: Vec<String>,
    pub(crate) sign_with: Option<String>,
    pub(crate) domain_uri: Option<String>,
    pub(crate) env: Option<&'static str>,
    /// Digits of a UIN.
    pub(crate) uin_length: usize,
    /// Digits of a VID; never those of a UIN.
    pub(crate) vid_length: usize,
    pub(crate) danger_accept_unsigned_replies: bool,
    /// Of partner id, licence key and API key those that are not set: the setting, and the variable that should hold it.
    pub(crate) unset: Vec<String>,
}

impl super::super::DestinationSettings for Option<Settings> {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let mut section = sources.upstream.optional_section("ida")?;
        section.client_certificate();
        Settings::read(section, sources)
    }

    fn urls(&self) -> Vec<Url<'_>> {
        self.iter().map(|settings| Url::whole("upstream.ida.url", &settings.url)).collect()
    }

    fn lacks(&self) -> Vec<Lack> {
        let Some(settings) = self else { return Vec::new() };
        let unset = |name: &String| Lack {
            subject: "upstream.ida",
            what: format!("{name} is not set"),
            advice: "set it as MOSIP gave it; until then IDA cannot be asked",
        };
        let lacks_signers = settings.reply_signers.is_empty() && !settings.danger_accept_unsigned_replies;
        let signers = lacks_signers.then(|| Lack {
            subject: "upstream.ida.reply_signers",
            what: "names no peer, so no reply counts".to_owned(),
            advice: "name the peers whose certificates sign IDA's replies; until then IDA cannot be asked",
        });
        settings.unset.iter().map(unset).chain(signers).collect()
    }

    fn key_needs(&self) -> impl IntoIterator<Item = KeyNeeds> {
        let seals_to = Some(Recipient { name: roles::IDA, what: "requests to IDA", whose: "IDA's" });
        self.as_ref().map(|settings| KeyNeeds {
            destination: Records::ROWS.destination,
            section: "upstream.ida",
            signs: true,
            sign_with: settings.sign_with.clone(),
            verified_by: settings.verified_by().to_vec(),
            seals_to,
        })
    }
}

impl Settings {
    /// The peers whose signature makes a reply count.
    fn verified_by(&self) -> &[String] {
        if self.danger_accept_unsigned_replies { &[] } else { &self.reply_signers }
    }

    fn read(mut section: Section<'_>, sources: &Sources<'_, '_>) -> Option<Self> {
        let Sources { keys, plain, .. } = sources;
        let url = section.required_url("url", plain);
        let partner_id = section.parsed("partner_id", text);
        let license_variable = section.secret_variable("misp_license_key");
        let misp_license_key = section.secret("misp_license_key", Unset::Absent);
        let api_key_variable = section.secret_variable("api_key");
        let api_key = section.secret("api_key", Unset::Absent);
        // A file that is named and cannot be read is a problem of its own.
        let lacks = |secret: &Option<SecretBytes>, file| secret.is_none() && !section.is_set(file);
        let unset = [
            ("misp_license_key_env", lacks(&misp_license_key, "misp_license_key_file"), license_variable),
            ("partner_id", partner_id.is_none(), None),
            ("api_key_env", lacks(&api_key, "api_key_file"), api_key_variable),
        ]
        .into_iter()
        .filter_map(|(name, is_unset, variable)| {
            is_unset.then(|| {
                let by = variable.map(|variable| format!(" (the variable {variable})")).unwrap_or_default();
                format!("upstream.ida.{name}{by}")
            })
        })
        .collect::<Vec<String>>();
        let reply_signers = section.list("reply_signers", text).unwrap_or_default();
        if reply_signers.iter().any(|name| !keys.has_peer(name)) {
            section.problem("reply_signers", "names what is not a peer", "name entries of keys.peers");
        }
        let sign_with = keys.sign_with(&mut section);
        let domain_uri = section.parsed("domain_uri", text);
        let env = section.parsed("env", word(&IDA_ENVIRONMENTS));
        let mut digits =
            |name, default| section.number(name, 1..=64).map_or(default, |digits| digits as usize);
        let (uin_length, vid_length) = (digits("uin_length", 10), digits("vid_length", 16));
        if uin_length == vid_length {
            section.problem(
                "vid_length",
                "is uin_length, too",
                "set them apart: the length says which number it is",
            );
        }
        let danger_accept_unsigned_replies = section
            .danger("danger_accept_unsigned_replies", "success replies of IDA count without a signature");
        section.finish();
        Some(Self {
            url: url?,
            partner_id,
            misp_license_key,
            api_key,
            reply_signers,
            sign_with,
            domain_uri,
            env,
            uin_length,
            vid_length,
            danger_accept_unsigned_replies,
            unset,
        })
    }
}
