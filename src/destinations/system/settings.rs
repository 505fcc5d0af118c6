//! `[[systems]]`

use std::collections::BTreeSet;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::super::names::kept;
use super::super::{DestinationSettings, KeyNeeds, Recipient, Rows, Sources, Url, standard_webhooks};
use super::JWS;
use super::accepted::Taken;
use super::reply::NumberAt;
use crate::config::section::{Section, Unset};
use crate::config::token::{self, Token};
use crate::config::value::{Complaint, complaint, text, word};
use crate::crypto::secret::SecretBytes;
use crate::keys::settings::Keys;
use crate::opencrvs::event::EventKind;
use crate::opencrvs::registration::Registration;

/// The longest name of a system: it stands in ids.
const LONGEST_NAME: usize = 32;
/// What follows `@` in the ids of entries that are no events.
const TAKEN_NAMES: [&str; 2] = ["legacy-aid", "legacy-token"];

/// One of `[[systems]]`
pub(crate) struct Settings {
    /// `systems[0]`
    pub(crate) section: &'static str,
    /// Names its rows, its channel, and the entries that go there.
    pub(crate) name: &'static str,
    /// Where everything is posted.
    pub(crate) url: Uri,
    /// What goes there.
    pub(crate) kinds: Vec<EventKind>,
    pub(crate) body: Body,
    /// Which statuses say that it took the body; default `2xx`.
    pub(crate) accepted: Taken,
    pub(crate) sign: Sign,
    /// The peer that bodies are sealed to; absent = they are not.
    pub(crate) seal_to: Option<&'static str>,
    /// Beside those that the gateway writes.
    pub(crate) headers: HeaderMap,
    /// What the body is; default `application/json`.
    pub(crate) content_type: HeaderValue,
    /// Where its reply holds a number; absent = nothing is looked for.
    pub(crate) reply_id: Option<NumberAt>,
    /// Default 30 s.
    pub(crate) deadline: Duration,
    /// Posts at once; default 4.
    pub(crate) concurrency: usize,
    /// Absent = no token is sent.
    pub(crate) token: Option<Token>,
}

/// What is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// The webhook, or the EventDocument, as it came.
    AsItCame,
    /// The first bundle of the webhook.
    Bundle,
    /// The registration, as it came.
    Registration,
}

/// By what the system knows that a post is ours.
pub(crate) enum Sign {
    /// By nothing in it.
    Nothing,
    /// A tag under this shared secret.
    StandardWebhooks(SecretBytes),
    /// A signature of the own key of this name, or of the first that signs.
    Jws(Option<String>),
}

impl Settings {
    /// Whether webhooks of `kind` go there.
    pub(crate) fn takes_webhooks(&self, kind: EventKind) -> bool {
        self.body != Body::Registration && self.kinds.contains(&kind)
    }
}

impl DestinationSettings for Vec<Settings> {
    fn read(sources: &mut Sources<'_, '_>) -> Self {
        let Sources { root, keys, plain, .. } = sources;
        let mut names = BTreeSet::new();
        let sections = root.sections("systems").into_iter().enumerate();
        let read = sections.filter_map(|(index, mut section)| {
            let at = format!("systems[{index}]");
            let name = section.required("name", name);
            if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
                section.problem("name", "names two systems", "give each a name of its own");
            }
            let url = section.required_url("url", plain);
            let body = section
                .parsed(
                    "body",
                    word(&[
                        ("webhook", Body::AsItCame),
                        ("bundle", Body::Bundle),
                        ("registration", Body::Registration),
                    ]),
                )
                .unwrap_or(Body::AsItCame);
            let kinds = kinds(&mut section, body);
            let token = section.optional_section("token").and_then(|section| token::token(section, plain));
            let accepted = section.parsed("accepted", Taken::parse).unwrap_or_default();
            section.client_certificate();
            let settings = Settings {
                section: kept(&at),
                name: kept(name.as_deref().unwrap_or_default()),
                url: url.clone().unwrap_or_default(),
                kinds: kinds.clone().unwrap_or_default(),
                body,
                accepted,
                sign: sign(&mut section, keys),
                seal_to: section.parsed("seal_to", text).map(|peer| kept(&peer)),
                headers: headers(&mut section),
                content_type: section
                    .parsed("content_type", content_type)
                    .unwrap_or(HeaderValue::from_static("application/json")),
                reply_id: section.parsed("reply_id", NumberAt::parse),
                deadline: section.deadline(Duration::from_secs(30)),
                concurrency: section.concurrency(4),
                token,
            };
            section.finish();
            // What is missing is reported.
            name.and(url).and(kinds).map(|_| settings)
        });
        read.collect()
    }

    fn urls(&self) -> Vec<Url<'_>> {
        self.iter()
            .flat_map(|one: &Settings| {
                let Settings { section, url, token, .. } = one;
                let token =
                    token.iter().map(move |token| Url::whole(format!("{section}.token.url"), &token.url));
                std::iter::once(Url::whole(format!("{section}.url"), url)).chain(token)
            })
            .collect()
    }

    fn key_needs(&self) -> impl IntoIterator<Item = KeyNeeds> {
        let of_one = |Settings { section, name, sign, seal_to, .. }: &Settings| {
            let (signs, sign_with) = match sign {
                Sign::Jws(name) => (true, name.clone()),
                Sign::Nothing | Sign::StandardWebhooks(_) => (false, None),
            };
            let recipient = |peer| Recipient { name: peer, what: "posts", whose: kept(&format!("{name}'s")) };
            (signs || seal_to.is_some()).then(|| KeyNeeds {
                destination: name,
                section,
                signs,
                sign_with,
                verified_by: Vec::new(),
                seals_to: seal_to.map(recipient),
            })
        };
        self.iter().filter_map(of_one).collect::<Vec<_>>()
    }
}

/// What stands behind `@` in ids, and in metrics.
fn name(text: &str) -> Result<String, Complaint> {
    let fits = (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_taken = TAKEN_NAMES.contains(&text) || Rows::ALL.iter().any(|rows| rows.destination == text);
    match (fits, is_taken) {
        (false, _) => Err(complaint(
            format!(
                "is longer than {LONGEST_NAME} characters or holds others than a to z, digits and hyphens"
            ),
            "write a short name, such as \"nia\"",
        )),
        (true, true) => Err(complaint("is the name of a destination of the gateway", "write another name")),
        (true, false) => Ok(text.to_owned()),
    }
}

/// `kinds`, each once.
fn kinds(section: &mut Section<'_>, body: Body) -> Option<Vec<EventKind>> {
    if !section.holds("kinds") {
        section.missing("kinds");
    }
    let mut kinds = section.list("kinds", |text| {
        let kind: EventKind = text.parse().map_err(|_| {
            let known = EventKind::ALL.map(EventKind::as_str).join(", ");
            complaint("is no kind of event", format!("write one of {known}"))
        })?;
        match body {
            Body::Registration if !Registration::KINDS.contains(&kind) => {
                Err(complaint("is no kind of registration", "remove it, or set another body"))
            }
            _ => Ok(kind),
        }
    })?;
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        section.problem("kinds", "is empty", "name what goes there, such as \"birth\"");
    }
    Some(kinds)
}

/// `sign`, with the secret or the key that it needs.
fn sign(section: &mut Section<'_>, keys: &Keys) -> Sign {
    let how = section
        .parsed("sign", word(&[("none", 0), ("standard-webhooks", 1), ("jws", 2)]))
        .unwrap_or_default();
    let unused = |section: &mut Section<'_>, name: &str, of: &str| {
        section.refuse(name, &format!("belongs to sign = \"{of}\""), "remove it, or change sign");
    };
    if how != 1 {
        unused(section, "secret_file", "standard-webhooks");
        unused(section, "secret_env", "standard-webhooks");
    }
    if how != 2 {
        unused(section, "sign_with", "jws");
    }
    match how {
        1 => {
            let secret = section.secret("secret", Unset::Refused);
            if !section.is_secret_set("secret") {
                section.missing("secret_file");
            }
            secret.map_or(Sign::Nothing, Sign::StandardWebhooks)
        }
        2 => Sign::Jws(keys.sign_with(section)),
        _ => Sign::Nothing,
    }
}

/// `headers`, none of which the gateway or HTTP writes by itself.
fn headers(section: &mut Section<'_>) -> HeaderMap {
    let mut table = section.section("headers");
    let mut headers = HeaderMap::new();
    for name in table.names() {
        let value = table.parsed(&name, |text| {
            let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
            HeaderValue::from_str(text)
                .ok()
                .filter(|_| visible && text.trim() == text)
                .ok_or_else(|| complaint("holds what no header may hold", "write visible ASCII"))
        });
        let header = HeaderName::try_from(&name).ok();
        let problem = match &header {
            None => Some(("is not the name of a header", "write letters, digits and hyphens")),
            Some(header) => why_refused(header).or_else(|| {
                headers
                    .contains_key(header)
                    .then_some(("is set twice, in two spellings", "remove one of them"))
            }),
        };
        match (problem, header, value) {
            (Some((what, advice)), ..) => table.problem(&name, what, advice),
            (None, Some(header), Some(value)) => drop(headers.insert(header, value)),
            _ => {}
        }
    }
    table.finish();
    headers
}

/// Why `name` may not be set, and what to do.
fn why_refused(name: &HeaderName) -> Option<(&'static str, &'static str)> {
    const OF_CONNECTION: [&str; 12] = [
        "host",
        "content-length",
        "content-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "date",
    ];
    const SECRET: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    const OURS: [&str; 7] = [
        standard_webhooks::ID,
        standard_webhooks::TIMESTAMP,
        standard_webhooks::SIGNATURE,
        JWS,
        "accept",
        "traceparent",
        "tracestate",
    ];
    let name = name.as_str();
    if name == header::CONTENT_TYPE {
        return Some(("is written by the gateway", "set content_type instead"));
    }
    if OF_CONNECTION.contains(&name) {
        return Some(("belongs to the connection, and the gateway writes it", "remove it"));
    }
    if SECRET.contains(&name) {
        return Some(("would hold a secret in the open", "set token instead"));
    }
    OURS.contains(&name).then_some(("would forge what the gateway writes", "remove it, or set sign"))
}

/// A media type.
fn content_type(text: &str) -> Result<HeaderValue, Complaint> {
    let wrong = || complaint("is not a media type", "write one such as \"application/fhir+json\"");
    let (kind, rest) = text.split_once('/').ok_or_else(wrong)?;
    let visible = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let is_whole = !kind.is_empty() && !rest.is_empty() && visible && text.trim() == text;
    HeaderValue::from_str(text).ok().filter(|_| is_whole).ok_or_else(wrong)
}
