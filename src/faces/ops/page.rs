//! The operators' page: one document, made here, that needs no script and loads nothing.
//!
//! It shows ids, reasons and advice; never a payload, an application id or MOSIP's own words.

mod event;
pub(super) mod lists;
mod overview;
pub(super) mod words;

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::Ops;
use super::decision::Done;
use super::failing;
use super::headline::{self, Remark, Tone};
use super::standing::Standing;
use crate::crypto::base64;
use crate::error::{Code, Error, Fault, Result};
use crate::ledger::entry::Entry;
use event::Event;
use lists::{List, Lists};

/// The overview is loaded again after this many seconds; pages with forms are not, so that a person does not lose what they write.
const REFRESH: u32 = 20;

const STYLE: &str = include_str!("page.css");

/// `sha256-…` of the style, for the content security policy.
pub(super) fn style_hash() -> &'static str {
    static HASH: LazyLock<String> =
        LazyLock::new(|| format!("sha256-{}", base64::encode(&Sha256::digest(STYLE))));
    &HASH
}

/// What the address asks for: everything, or one list from a cursor on; and what has just been done.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// One list alone.
    #[param(inline)]
    list: Option<List>,
    /// One event alone.
    event: Option<String>,
    /// The form that looks for an event.
    find: Option<String>,
    /// Of what is parked or in quarantine that for this reason.
    reason: Option<String>,
    /// Where that list begins.
    #[serde(default)]
    after: i64,
    /// What has just been done.
    done: Option<String>,
    #[serde(default)]
    events: usize,
}

impl Query {
    /// [`Code::Field`] for the name of a reason that can be none. It goes into addresses of the page, where nothing of a stranger's stands.
    pub(super) fn checked(self) -> Result<Self> {
        let is_name = |name: &String| name.len() == 16 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
        if self.reason.as_ref().is_none_or(is_name) {
            return Ok(self);
        }
        Err(Error::new(Code::Field, "the query: `reason` names no reason")
            .advise("Load the page again, and follow its links."))
    }

    /// The address of the same page, without what has been done.
    fn address(&self) -> String {
        match (&self.event, self.list) {
            (Some(id), _) => event_address(id),
            (None, Some(list)) => list.address(self.after, self.reason.as_deref()),
            (None, None) => "?".to_owned(),
        }
    }

    /// The address that a decision leads back to.
    pub(super) fn after_decision(&self, done: Done) -> String {
        let (word, events) = done.query();
        let address = self.address();
        let and = if address.len() > 1 { "&" } else { "" };
        format!("{address}{and}done={word}&events={events}")
    }
}

/// Everything that the page shows.
pub(super) struct View {
    query: Query,
    standing: Standing,
    lines: Vec<Remark>,
    lists: Option<Lists>,
    event: Option<Event>,
    forms: Forms,
}

/// Makes forms for this page.
pub(super) struct Forms {
    ops: Ops,
    address: String,
}

impl View {
    pub(super) async fn load(ops: &Ops, query: Query) -> Result<Self> {
        let standing = Standing::of(ops).await;
        let event = match &query.event {
            Some(id) => {
                let ledger = ops.app.ledger();
                Some(Event {
                    entry: ops.app.engine().timed(ledger.entry(id.clone()).await?),
                    attempts: ledger.attempts(id.clone()).await?,
                    answer: ledger.answer(id.clone()).await?,
                })
            }
            None => None,
        };
        // The page also stands where the database does not list.
        let lists = match &standing.stored {
            Some(_) => match Lists::load(&ops.app, query.list, query.after, query.reason.clone()).await {
                Err(error) if matches!(error.fault(), Fault::Storage) => None,
                loaded => Some(loaded?),
            },
            None => None,
        };
        let lines = headline::remarks(&standing);
        let forms = Forms { ops: ops.clone(), address: query.address() };
        Ok(Self { query, standing, lines, lists, event, forms })
    }

    pub(super) fn render(&self) -> Markup {
        let is_overview =
            self.query.list.is_none() && self.query.event.is_none() && self.query.find.is_none();
        let title = self.lines.first().map_or("", |line| &line.text);
        let refresh =
            is_overview.then(|| html! { meta http-equiv="refresh" content={ (REFRESH) ";url=?" }; });
        named(
            &self.forms.ops,
            title,
            refresh,
            html! {
                @if is_overview {
                    (headline(&self.lines))
                } @else {
                    nav { a href="?" { "Overview" } }
                }
                @if let Some(done) = self.query.done.as_deref().and_then(|word| Done::parse(word, self.query.events)) {
                    p.done role="status" { (words::done(done)) }
                }
                @if is_overview {
                    nav { a href="?find=" { "Find an event" } }
                    (overview::figures(&self.standing))
                    (failing::render(&self.standing))
                    @if let Some(lists) = &self.lists { (lists.overview(&self.standing)) }
                    (overview::channels(&self.standing))
                    (super::hub::render(&self.standing, None))
                    (super::esignet::render(&self.standing))
                    (overview::gateways(&self.standing))
                    (overview::keys(&self.standing))
                    (overview::listeners(&self.standing))
                    (overview::settings(&self.standing))
                } @else if let Some(event) = &self.event {
                    (event::render(event, &self.standing, &self.forms))
                } @else if self.query.find.is_some() {
                    (event::search())
                } @else if let Some(lists) = &self.lists {
                    (lists.render(&self.standing, &self.forms, self.query.list))
                }
                footer {
                    "mosip-gateway " (env!("CARGO_PKG_VERSION")) ", as of " (words::moment(self.standing.now)) ". "
                    @if is_overview { "Loads again by itself every " (REFRESH) " seconds. " }
                    a href=(self.query.address()) { "Load again" }
                }
            },
        )
    }
}

/// Where the event `id` is shown.
pub(super) fn event_address(id: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("event", id).finish();
    format!("?{query}")
}

/// Several events of one name.
pub(super) fn found(ops: &Ops, entries: &[Entry]) -> Markup {
    let body = html! { nav { a href="?" { "Overview" } } (event::found(entries)) };
    named(ops, "Found", None, body)
}

/// A page of this installation.
fn named(ops: &Ops, title: &str, head: Option<Markup>, body: Markup) -> Markup {
    let name = ops.app.name();
    let title = name.map_or_else(|| title.to_owned(), |name| format!("{title} – {name}"));
    let body = html! {
        @if let Some(name) = name { p.name { (name) } }
        (body)
    };
    whole(&title, head, body)
}

/// What a form could not do.
pub(super) fn refusal(error: &Error) -> Markup {
    document(
        "Not done",
        html! {
            header.act {
                h1 { "Not done. " (words::sentence(error.detail())) }
                p { (words::sentence(error.advice())) }
            }
            nav { a href="?" { "Overview" } }
        },
    )
}

/// A browser that does not bring the token.
pub(super) fn locked(error: &Error) -> Markup {
    document(
        "Locked",
        html! {
            header.waits {
                h1 { "This page asks for a token." }
                p { (words::sentence(error.detail())) }
            }
            ul {
                li {
                    "The token stands in the file that " code { "ops.token_file" } " names in the configuration of the gateway. \
                     Whoever runs the gateway can read it there."
                }
                li { "Load the page again, and give the token as the password. The user name may be any." }
                li {
                    "A program sends it as " code { "Authorization: Bearer" } " and the token, or as the password of Basic \
                     authentication: " code { "curl --user :TOKEN" } "."
                }
            }
            nav { a href="?" { "Load again" } }
        },
    )
}

fn headline(lines: &[Remark]) -> Markup {
    let class = |line: &Remark| match line.tone {
        Tone::Flows => "flows",
        Tone::Waits => "waits",
        Tone::Act => "act",
    };
    html! {
        @if let Some((first, others)) = lines.split_first() {
            header class=(class(first)) {
                h1 { (first.text) }
                p { (first.advice) }
            }
            @if !others.is_empty() {
                ul.also aria-label="Also" {
                    @for line in others {
                        li class=(class(line)) { strong { (line.text) } " " (line.advice) }
                    }
                }
            }
        }
    }
}

pub(in crate::faces) fn document(title: &str, body: Markup) -> Markup {
    whole(title, None, body)
}

fn whole(title: &str, head: Option<Markup>, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(head) = head { (head) }
                title { (title) " – mosip-gateway" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}

/// A part of the page under its heading.
pub(super) fn section(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section aria-labelledby=(id) { h2 id=(id) { (title) } (body) }
    }
}

/// A table under the heading `id`. On a narrow screen each row becomes a block, and each cell bears its heading; the roles keep it
/// a table for those who cannot see it.
pub(super) fn table(id: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    html! {
        table role="table" aria-labelledby=(id) {
            thead role="rowgroup" {
                tr role="row" { @for head in heads { th role="columnheader" scope="col" { (head) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (index, (head, cell)) in heads.iter().zip(row).enumerate() {
                            @if index == 0 {
                                th role="rowheader" scope="row" data-head=(head) { (cell) }
                            } @else {
                                td role="cell" data-head=(head) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

impl Forms {
    /// A form about `subject` that asks for a reason; one button per verb.
    fn form(&self, subject: &str, verbs: &[(&str, &str)]) -> Markup {
        let token = self.ops.csrf.token(subject, self.ops.app.now());
        html! {
            form method="post" action=(self.address) {
                input type="hidden" name="about" value=(subject);
                input type="hidden" name="token" value=(token);
                label {
                    span { "Reason; it is logged, so do not name a person" }
                    input name="reason" required maxlength=(super::decision::LONGEST_REASON) autocomplete="off";
                }
                div {
                    @for (verb, label) in verbs {
                        button class=(verb) name="do" value=(verb) { (label) }
                    }
                }
            }
        }
    }

    /// As [`Self::form`], folded until it is wanted.
    pub(super) fn folded(&self, summary: &str, subject: &str, verbs: &[(&str, &str)]) -> Markup {
        html! { details { summary { (summary) } (self.form(subject, verbs)) } }
    }
}
