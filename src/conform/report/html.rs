//! A page that stands alone: no script, and nothing from elsewhere.

use maud::{DOCTYPE, Markup, html};

use super::{Case, Report, Verdict};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    li{margin:.5rem 0}dd{margin-left:2rem;overflow-wrap:anywhere}.finding>b{color:#a40000}.skipped>b{color:#6b6b6b}";

pub(super) fn write(report: &Report) -> String {
    let title = format!("{} as {}", report.against, report.role);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Conformance of " (title) }
                style { (STYLE) }
            }
            body {
                h1 { "Conformance of " (title) }
                p { (report.summary()) ", by mosip-gateway " (report.version) }
                @for (subject, cases) in report.subjects() {
                    h2 { (subject) }
                    ul { @for case in cases { (item(case)) } }
                }
            }
        }
    };
    page.into_string()
}

fn item(case: &Case) -> Markup {
    let rows = match &case.verdict {
        Verdict::Passed => vec![],
        Verdict::Finding { sent, came } => {
            vec![("Rule", case.rule.text), ("Source", case.rule.source), ("Sent", sent), ("Came", came)]
        }
        Verdict::Skipped { why } => vec![("Why", why.as_str())],
    };
    html! {
        li class=(case.verdict.word()) {
            b { (case.verdict.word()) } " " (case.name)
            @if !rows.is_empty() {
                dl { @for (name, value) in rows { dt { (name) } dd { (value) } } }
            }
        }
    }
}
