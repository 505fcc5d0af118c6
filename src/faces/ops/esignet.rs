//! eSignet, as the last logins show it: in the headline, on the page, and in readiness.

use maud::{Markup, html};
use serde::Serialize;
use utoipa::ToSchema;

use super::headline::{Remark, Tone};
use super::page::{section, table, words};
use super::readiness::Refusal;
use super::standing::Standing;
use crate::destinations::esignet::{Failing, Status};
use crate::error::Fault;

#[derive(Serialize, ToSchema)]
pub(super) struct Esignet {
    /// For those whom the page is open to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    host: Option<String>,
    /// `open`; `failing`: logins of the last hour failed through no fault of those who log in, and none was believed since
    state: &'static str,
    /// Since when they fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// When the last login was believed; absent: none since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_success: Option<String>,
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

impl Esignet {
    pub(super) fn of(status: &Status) -> Self {
        let failing = status.failing.as_ref();
        Self {
            host: Some(status.host.clone()),
            state: if failing.is_some() { "failing" } else { "open" },
            since: failing.map(|failing| failing.since.to_iso()),
            last_success: status.believed.map(|at| at.to_iso()),
            refusal: failing.map(|failing| Refusal::of(&failing.error)),
        }
    }

    /// Without sentences and names.
    pub(super) fn for_strangers(self) -> Self {
        Self { host: None, refusal: self.refusal.map(Refusal::short), ..self }
    }
}

/// In the headline.
pub(super) fn remarks(standing: &Standing, remarks: &mut Vec<Remark>) {
    let Some(Failing { since, error, .. }) =
        standing.esignet.as_ref().and_then(|esignet| esignet.failing.as_ref())
    else {
        return;
    };
    let (since, detail) = (words::moment(*since), words::sentence(error.detail()));
    let (tone, text) = match error.fault() {
        Fault::Upstream => (
            Tone::Waits,
            format!("eSignet gives no usable answer since {since}: nobody can log in. {detail} Events flow."),
        ),
        Fault::Tampered => (
            Tone::Act,
            format!(
                "Put right: what eSignet says of persons is not believed since {since}. {detail} Events flow."
            ),
        ),
        _ => (
            Tone::Act,
            format!(
                "Put right the registration with eSignet: nobody can log in since {since}. {detail} Events flow."
            ),
        ),
    };
    let advice = words::sentence(error.advice());
    let advice = match tone {
        Tone::Waits => {
            format!("Each login tries again by itself; a registrar fills in the form meanwhile. {advice}")
        }
        _ => advice,
    };
    remarks.push(Remark { tone, text, advice });
}

/// On the page. Nothing where there is no eSignet.
pub(super) fn render(standing: &Standing) -> Markup {
    let Some(status) = &standing.esignet else { return Markup::default() };
    let state = match &status.failing {
        None => html! { span.flows { "Flows" } },
        Some(failing) if failing.error.fault() == Fault::Upstream => {
            html! { span.waits { "No usable answer since " (words::time(failing.since)) } }
        }
        Some(failing) => html! { span.act { "Refused since " (words::time(failing.since)) } },
    };
    let believed = match status.believed {
        Some(at) => words::time(at),
        None => html! { "none since the start" },
    };
    let why = html! {
        @if let Some(failing) = &status.failing {
            (words::sentence(failing.error.detail())) " " (words::sentence(failing.error.advice()))
            " The last login failed at " (words::time(failing.last)) "."
        }
    };
    let row = vec![state, believed, why];
    section(
        "esignet",
        &format!("eSignet, {}", status.host),
        table("esignet", &["Logins", "Last one believed", "Reason"], std::iter::once(row)),
    )
}
