use super::*;

const RULE: Rule = Rule { text: "A rule with < and & and \"quotes\".", source: "RFC 0, section <1>" };

fn report() -> Report {
    let mut report = Report::new("mediator", &"http://user:pass@127.0.0.1:4546/secret?path".parse().unwrap());
    report.add("webhooks", "a <script>", &RULE, Verdict::Passed);
    let (sent, came) = ("</failure><i>sent</i>", "]]> & came \"here\"");
    report.add("webhooks", "b", &RULE, Verdict::of(false, sent, came));
    report.add("pushes", "c", &RULE, Verdict::skipped("no --pushes"));
    report
}

#[test]
fn what_comes_from_outside_is_text_in_every_form() {
    let report = report();
    for written in [report.to_html(), report.to_junit()] {
        for raw in ["<i>", "<script>", "section <1>", "& came"] {
            assert!(!written.contains(raw), "{raw}: {written}");
        }
        assert!(written.contains("&lt;/failure&gt;&lt;i&gt;sent"), "{written}");
    }
}

#[test]
fn a_report_names_host_and_port_of_the_program_and_nothing_else_of_its_url() {
    let report = report();
    for written in [report.to_html(), report.to_junit(), report.to_text()] {
        assert!(!written.contains("secret") && !written.contains("pass@"), "{written}");
    }
    assert!(report.to_text().contains("http://127.0.0.1:4546 as mediator"));
    assert!(report.to_text().ends_with("1 finding, 1 passed, 1 skipped\n"));
}

#[test]
fn junit_counts_what_it_holds() {
    let written = report().to_junit();
    assert!(
        written.contains(r#"<testsuite name="webhooks" tests="2" failures="1" skipped="0""#),
        "{written}"
    );
    assert_eq!(written.matches("<failure").count(), 1);
    assert!(written.contains(r#"<skipped message="no --pushes"></skipped>"#), "{written}");
}
