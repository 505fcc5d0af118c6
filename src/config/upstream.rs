//! `[upstream]` and what stands below it; `[deliver]`.

use std::time::Duration;

use super::plain_http::PlainHttp;
use super::section::{Section, Unset};
use super::value::{duration, text, word};
use super::{Deliver, Ida, Keys, Mediator, Token, TokenKind, Upstream, unbuilt};

/// Kinds of events, as they stand in the path of the plain API.
const EVENT_KINDS: [&str; 6] =
    ["birth", "death", "birth-correction", "death-correction", "birth-revocation", "death-revocation"];

/// The environments that IDA knows.
const IDA_ENVIRONMENTS: [(&str, &str); 4] = [
    ("Staging", "Staging"),
    ("Developer", "Developer"),
    ("Pre-Production", "Pre-Production"),
    ("Production", "Production"),
];

/// `[upstream]`, and where plain http may go; keys and peers that it names have to be among `keys`.
pub(super) fn upstream(root: &mut Section<'_>, keys: &Keys) -> (Upstream, PlainHttp) {
    let mut section = root.section("upstream");
    let reader = section.reader();
    let plain = PlainHttp::read(&mut section);
    let probe_interval = section
        .parsed("probe_interval", duration(Duration::from_secs(1)..=Duration::from_hours(1)))
        .unwrap_or(Duration::from_secs(30));
    let upstream = Upstream {
        ca_pem: section.parsed("ca_file", |text| reader.contents(text)),
        danger_plain_http: plain.is_everywhere(),
        danger_plain_http_hosts: plain.hosts().to_vec(),
        probe_interval,
        token: section.optional_section("token").and_then(|section| token(section, &plain)),
        mediator: mediator(section.section("mediator"), keys, &plain),
        ida: section.optional_section("ida").and_then(|section| ida(section, keys, &plain)),
    };
    unbuilt::packets(section.section("packets"), &plain);
    section.finish();
    (upstream, plain)
}

/// `[deliver]`
pub(super) fn deliver(root: &mut Section<'_>, plain: &PlainHttp) -> Deliver {
    let mut section = root.section("deliver");
    let deliver = Deliver {
        url: section.url("url", plain),
        secret: section.secret("secret", Unset::Refused),
        // The mediator is beside us.
        deadline: deadline(&mut section, Duration::from_secs(10)),
        concurrency: section.number("concurrency", 1..=64).map_or(8, |posts| posts as usize),
    };
    section.finish();
    deliver
}

fn token(mut section: Section<'_>, plain: &PlainHttp) -> Option<Token> {
    let url = section.required_url("url", plain);
    let client_id = section.required("client_id", text);
    let client_secret = section.required_secret("client_secret");
    let kind = token_kind(&mut section);
    section.finish();
    Some(Token { url: url?, kind: kind?, client_id: client_id?, client_secret: client_secret? })
}

fn token_kind(section: &mut Section<'_>) -> Option<TokenKind> {
    let is_authmanager =
        section.parsed("kind", word(&[("keycloak", false), ("authmanager", true)])).unwrap_or(false);
    if is_authmanager {
        for name in ["username", "password_file", "password_env"] {
            section.refuse(name, "belongs to kind = \"keycloak\"", "remove it, or change the kind");
        }
        return section.required("app_id", text).map(|app_id| TokenKind::Authmanager { app_id });
    }
    section.refuse("app_id", "belongs to kind = \"authmanager\"", "remove it, or change the kind");
    let username = section.parsed("username", text);
    let password = section.secret("password", Unset::Refused);
    match (section.is_set("username"), section.is_secret_set("password")) {
        (false, false) => Some(TokenKind::KeycloakClientCredentials),
        (true, true) => Some(TokenKind::KeycloakPassword { username: username?, password: password? }),
        (true, false) => {
            section.missing("password_file");
            None
        }
        (false, true) => {
            section.missing("username");
            None
        }
    }
}

fn mediator(mut section: Section<'_>, keys: &Keys, plain: &PlainHttp) -> Mediator {
    let events = EVENT_KINDS
        .into_iter()
        .filter_map(|kind| Some((kind.to_owned(), section.url(kind, plain)?)))
        .collect();
    let mediator = Mediator {
        events,
        aid: section.url("aid", plain),
        sign_with: sign_with(&mut section, keys),
        deadline: deadline(&mut section, Duration::from_secs(90)),
        concurrency: section.number("concurrency", 1..=64).map_or(1, |posts| posts as usize),
    };
    section.finish();
    mediator
}

fn ida(mut section: Section<'_>, keys: &Keys, plain: &PlainHttp) -> Option<Ida> {
    let url = section.required_url("url", plain);
    let partner_id = section.parsed("partner_id", text);
    let license_variable = section.secret_variable("misp_license_key");
    let misp_license_key = section.secret("misp_license_key", Unset::Absent);
    let api_key_variable = section.secret_variable("api_key");
    let api_key = section.secret("api_key", Unset::Absent);
    let unset = [
        ("misp_license_key_env", misp_license_key.is_none(), license_variable),
        ("partner_id", partner_id.is_none(), None),
        ("api_key_env", api_key.is_none(), api_key_variable),
    ]
    .into_iter()
    .filter_map(|(name, is_unset, variable)| {
        is_unset.then(|| variable.unwrap_or_else(|| format!("upstream.ida.{name}")))
    })
    .collect::<Vec<String>>();
    let reply_signers = section.list("reply_signers", text).unwrap_or_default();
    if reply_signers.iter().any(|name| !keys.has_peer(name)) {
        section.problem("reply_signers", "names what is not a peer", "name entries of keys.peers");
    }
    let sign_with = sign_with(&mut section, keys);
    let domain_uri = section.parsed("domain_uri", text);
    let env = section.parsed("env", word(&IDA_ENVIRONMENTS));
    let mut digits = |name, default| section.number(name, 1..=64).map_or(default, |digits| digits as usize);
    let (uin_length, vid_length) = (digits("uin_length", 10), digits("vid_length", 16));
    if uin_length == vid_length {
        section.problem(
            "vid_length",
            "is uin_length, too",
            "set them apart: the length says which number it is",
        );
    }
    let danger_accept_unsigned_replies =
        section.danger("danger_accept_unsigned_replies", "success replies of IDA count without a signature");
    warn_of_what_is_missing(&section, &unset, reply_signers.is_empty() && !danger_accept_unsigned_replies);
    section.finish();
    Some(Ida {
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

/// The gateway starts without them; no call to IDA can be made.
fn warn_of_what_is_missing(section: &Section<'_>, unset: &[String], lacks_signers: bool) {
    let signers = lacks_signers
        .then(|| "upstream.ida.reply_signers (the peers whose signature on a reply counts)".to_owned());
    let missing: Vec<String> = unset.iter().cloned().chain(signers).collect();
    if !missing.is_empty() {
        section.reader().warn(format!("IDA cannot be asked until this is set: {}", missing.join(", ")));
    }
}

fn deadline(section: &mut Section<'_>, default: Duration) -> Duration {
    let range = Duration::from_secs(1)..=Duration::from_mins(10);
    section.parsed("deadline", duration(range)).unwrap_or(default)
}

fn sign_with(section: &mut Section<'_>, keys: &Keys) -> Option<String> {
    let name = section.parsed("sign_with", text)?;
    if !keys.has_signer(&name) {
        section.problem(
            "sign_with",
            "names no own key that may sign",
            "name an entry of keys.own that has a name and the use sign",
        );
    }
    Some(name)
}
