//! The operators' page: one document, made here, that needs no script and loads nothing.
//!
//! It shows ids, reasons and advice; never a payload, an application id or MOSIP's own words.

mod lists;
mod overview;
pub(super) mod words;

use std::sync::LazyLock;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;

use super::Ops;
use super::decision::Done;
use super::headline::{self, Line, Tone};
use super::standing::Standing;
use crate::crypto::base64;
use crate::error::{Error, Result};
use lists::{List, Lists};

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
    /// Where that list begins.
    #[serde(default)]
    after: i64,
    /// What has just been done.
    done: Option<String>,
    #[serde(default)]
    events: usize,
}

impl Query {
    /// The address of the same page, without what has been done.
    fn address(&self) -> String {
        self.list.map_or_else(|| "?".to_owned(), |list| list.address(self.after))
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
    lines: Vec<Line>,
    lists: Option<Lists>,
    forms: Forms,
}

/// Makes forms for this page.
struct Forms {
    ops: Ops,
    address: String,
}

impl View {
    pub(super) async fn load(ops: &Ops, query: Query) -> Result<Self> {
        let standing = Standing::of(ops).await;
        // A database that does not count does not list either.
        let lists = match &standing.stored {
            Some(_) => Some(Lists::load(ops.app.ledger(), query.list, query.after).await?),
            None => None,
        };
        let refused = lists.as_ref().is_some_and(Lists::has_refused);
        let lines = headline::lines(&standing, refused);
        let forms = Forms { ops: ops.clone(), address: query.address() };
        Ok(Self { query, standing, lines, lists, forms })
    }

    pub(super) fn render(&self) -> Markup {
        let done = self.query.done.as_deref().and_then(|word| Done::parse(word, self.query.events));
        let title = self.lines.first().map_or("", |line| &line.text);
        document(
            title,
            html! {
                @match self.query.list {
                    None => { (headline(&self.lines)) (overview::figures(&self.standing)) }
                    Some(_) => { nav { a href="?" { "Overview" } } }
                }
                @if let Some(done) = done { p.done role="status" { (words::done(done)) } }
                @if let Some(lists) = &self.lists { (lists.render(&self.standing, &self.forms, self.query.list)) }
                @if self.query.list.is_none() {
                    (overview::channels(&self.standing))
                    (overview::keys(&self.standing))
                    (overview::listeners(&self.standing))
                }
                footer {
                    "mosip-gateway " (env!("CARGO_PKG_VERSION")) ", as of " (words::moment(self.standing.now)) ". "
                    a href=(self.query.address()) { "Load again" }
                }
            },
        )
    }
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

fn headline(lines: &[Line]) -> Markup {
    let class = |line: &Line| match line.tone {
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
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – mosip-gateway" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
}

/// A part of the page under its heading.
fn section(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section aria-labelledby=(id) { h2 id=(id) { (title) } (body) }
    }
}

/// A table under the heading `id`. On a narrow screen each row becomes a block, and each cell bears its heading; the roles keep it
/// a table for those who cannot see it.
fn table(id: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
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
                    span { "Reason; it is logged, so name nobody" }
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
    fn folded(&self, summary: &str, subject: &str, verbs: &[(&str, &str)]) -> Markup {
        html! { details { summary { (summary) } (self.form(subject, verbs)) } }
    }
}
