//! JUnit XML: a suite for each subject, a case for each check.

use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use super::{Case, Report, Verdict};

pub(super) fn write(report: &Report) -> String {
    let subjects = report.subjects();
    let suites = html! {
        testsuites name="mosip-gateway conform" tests=(report.cases.len()) failures=(report.count("finding"))
            skipped=(report.count("skipped")) errors="0" time=(seconds(report.cases.iter())) {
            @for (subject, cases) in &subjects {
                testsuite name=(subject) tests=(cases.len()) failures=(count(cases, "finding"))
                    skipped=(count(cases, "skipped")) errors="0" time=(seconds(cases.iter().copied())) {
                    @for case in cases { (test_case(report, case)) }
                }
            }
        }
    };
    format!("{}\n{}\n", r#"<?xml version="1.0" encoding="UTF-8"?>"#, suites.into_string())
}

fn test_case(report: &Report, case: &Case) -> Markup {
    let class = format!("{}.{}", report.role, case.subject);
    html! {
        testcase classname=(class) name=(case.name) time=(seconds([case].into_iter())) {
            @match &case.verdict {
                Verdict::Passed => {}
                Verdict::Finding { sent, came } => {
                    failure type="finding" message=(case.rule.text) {
                        "source: " (case.rule.source) (PreEscaped("\n")) "sent: " (sent) (PreEscaped("\n")) "came: " (came)
                    }
                }
                Verdict::Skipped { why } => { skipped message=(why) {} }
            }
        }
    }
}

fn count(cases: &[&Case], word: &str) -> usize {
    cases.iter().filter(|case| case.verdict.word() == word).count()
}

fn seconds<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    format!("{:.3}", cases.map(|case| case.took).sum::<Duration>().as_secs_f64())
}
