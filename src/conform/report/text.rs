//! Text for a terminal: a line for each check, and below each finding what it rests on.

use std::fmt::Write;

use super::{Report, Verdict};

pub(super) fn write(report: &Report) -> String {
    let mut text =
        format!("mosip-gateway {} conform: {} as {}\n\n", report.version, report.against, report.role);
    for case in &report.cases {
        let mut line = |name: &str, value: &str| {
            // Writing to a string never fails.
            let _ = writeln!(text, "{name:<9}{value}");
        };
        line(case.verdict.word(), &format!("{}: {}", case.subject, case.name));
        match &case.verdict {
            Verdict::Passed => {}
            Verdict::Finding { sent, came } => {
                line("  rule", case.rule.text);
                line("  source", case.rule.source);
                line("  sent", sent);
                line("  came", came);
            }
            Verdict::Skipped { why } => line("  why", why),
        }
    }
    text.push_str(&format!("\n{}\n", report.summary()));
    text
}
