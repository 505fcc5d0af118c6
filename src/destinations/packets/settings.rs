//! `[upstream.packets]`

use std::collections::BTreeMap;
use std::time::Duration;

use http::Uri;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::super::{DestinationSettings, Lack, Sources, Url};
use super::KINDS;
use crate::config::Trouble;
use crate::config::section::Section;
use crate::config::token::{self, Token};
use crate::config::unused;
use crate::config::value::{Complaint, complaint, text};
use crate::json::Object;

/// The longest prefix of a registration id.
const LONGEST_PREFIX: usize = 20;

/// `[upstream.packets]`
pub(crate) struct Settings {
    /// `createPacket` of the packet manager; absent = no registration is taken.
    pub(crate) create: Option<Uri>,
    /// `workflowinstance` of the registration processor.
    pub(crate) process: Option<Uri>,
    /// MOSIP's number of the registration centre.
    pub(crate) center_id: Option<String>,
    /// MOSIP's number of the machine.
    pub(crate) machine_id: Option<String>,
    /// Default `OPENCRVS`.
    pub(crate) source: String,
    /// The process of each kind.
    pub(crate) processes: BTreeMap<&'static str, String>,
    /// Default `0.100`.
    pub(crate) schema_version: String,
    /// The text of `schema_file`, as a JSON string; absent = a registration brings its own, or goes without.
    pub(crate) schema: Option<Box<RawValue>>,
    /// What stands before the ten digits of a registration id; default `10001`.
    pub(crate) id_prefix: String,
    /// For one call; default 90 s.
    pub(crate) deadline: Duration,
    /// Registrations under way at once; default 4.
    pub(crate) concurrency: usize,
    /// `token`; absent = no token is sent.
    pub(crate) token: Option<Token>,
    /// `token` is set, rightly or wrongly.
    pub(crate) is_token_set: bool,
    /// What is not set, though packets need it.
    pub(crate) unset: Vec<&'static str>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            create: None,
            process: None,
            center_id: None,
            machine_id: None,
            source: "OPENCRVS".to_owned(),
            processes: KINDS.into_iter().map(|(kind, process)| (kind, process.to_owned())).collect(),
            schema_version: "0.100".to_owned(),
            schema: None,
            id_prefix: "10001".to_owned(),
            deadline: Duration::from_secs(90),
            concurrency: 4,
            token: None,
            is_token_set: false,
            unset: Vec::new(),
        }
    }
}

impl Settings {
    /// What works, and could be better.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        (self.create.is_some() && !self.is_token_set).then(|| {
            Trouble::new(
                "upstream.packets.token",
                "is not set, so that the packet manager is called without a token",
                "set it unless the packet manager takes packets from anybody: MOSIP's does not",
            )
        })
    }

    /// Whether a registration goes without an identity schema unless it brings its own.
    pub(crate) fn lacks_schema(&self) -> bool {
        self.create.is_some() && self.schema.is_none()
    }
}

impl DestinationSettings for Settings {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { upstream, plain, .. } = sources;
        let mut section = upstream.section("packets");
        section.client_certificate();
        let create = section.url("create", plain);
        let process = section.url("process", plain);
        let is_on = section.is_set("create") || section.is_set("process");
        let token = section.any_section("token");
        let is_token_set = token.is_some();
        let token = token.and_then(|token| match is_on {
            true => token::token(token, plain),
            // Variables of an older system may set one that nobody needs.
            false => {
                unused::token(token, plain);
                None
            }
        });
        let default = Self::default();
        let word = |section: &mut Section<'_>, name: &str, default: String| {
            section.parsed(name, text).unwrap_or(default)
        };
        let processes =
            default.processes.into_iter().map(|(kind, process)| (kind, word(&mut section, kind, process)));
        let mut settings = Self {
            processes: processes.collect(),
            create,
            process,
            center_id: section.parsed("center_id", text),
            machine_id: section.parsed("machine_id", text),
            source: word(&mut section, "source", default.source),
            schema_version: word(&mut section, "schema_version", default.schema_version),
            schema: schema(&mut section),
            id_prefix: section.parsed("id_prefix", id_prefix).unwrap_or(default.id_prefix),
            deadline: section.deadline(default.deadline),
            concurrency: section.concurrency(default.concurrency),
            token,
            is_token_set,
            unset: Vec::new(),
        };
        if is_on {
            settings.unset = ["create", "process", "center_id", "machine_id"]
                .into_iter()
                .filter(|name| !section.is_set(name))
                .collect();
        }
        section.finish();
        settings
    }

    fn urls(&self) -> Vec<Url<'_>> {
        let create = self.create.iter().map(|url| Url::whole("upstream.packets.create", url));
        let process = self.process.iter().map(|url| Url::whole("upstream.packets.process", url));
        let token = self.token.iter().map(|token| Url::whole("upstream.packets.token.url", &token.url));
        create.chain(process).chain(token).collect()
    }

    fn lacks(&self) -> Vec<Lack> {
        let lack = |name: &&'static str| Lack {
            subject: "upstream.packets",
            what: format!("upstream.packets.{name} is not set, and packets need it"),
            advice: match *name {
                "create" => "set it; until then registrations for packets are refused",
                "process" => "set it; until then registrations wait",
                _ => "set it to the number that the MOSIP administrator gives; until then registrations wait",
            },
        };
        self.unset.iter().map(lack).collect()
    }
}

/// `schema_file`, which holds the identity schema of this MOSIP.
fn schema(section: &mut Section<'_>) -> Option<Box<RawValue>> {
    let reader = section.reader();
    section.parsed("schema_file", |file| {
        let wrong =
            |what: &str| complaint(what, "put the identity schema of this MOSIP there, a JSON object");
        let contents = reader.contents(file)?;
        let text = std::str::from_utf8(&contents).map_err(|_| wrong("leads to a file that is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        let is_object = serde_json::from_str::<Object<BTreeMap<String, IgnoredAny>>>(text).is_ok();
        let schema = is_object.then(|| to_raw_value(text).ok()).flatten();
        schema.ok_or_else(|| wrong("leads to a file that holds no JSON object"))
    })
}

/// What MOSIP takes in a registration id, which also stands in our own paths.
fn id_prefix(text: &str) -> Result<String, Complaint> {
    let fits = text.len() <= LONGEST_PREFIX && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| text.to_owned()).ok_or_else(|| {
        complaint(
            format!("is longer than {LONGEST_PREFIX} characters or holds others than letters and digits"),
            "write the digits that the MOSIP administrator gives",
        )
    })
}
