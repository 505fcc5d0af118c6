//! What rules and dashboard read: names of metrics, and their labels.

use std::collections::BTreeSet;

use serde_json::Value;

/// Labels that Prometheus adds.
const ADDED: [&str; 3] = ["instance", "job", "le"];

/// An expression of PromQL, and the text that is shown for each series of it.
pub(super) struct Query {
    pub(super) expression: String,
    shown: String,
}

/// The queries of the rules in `text`.
pub(super) fn of_rules(text: &str) -> Vec<Query> {
    let alarms = text.split("- alert: ").skip(1);
    let line = |alarm: &str, key: &str| {
        alarm
            .lines()
            .find_map(|line| line.trim().strip_prefix(key))
            .unwrap_or_else(|| panic!("no {key} in {alarm}"))
            .to_owned()
    };
    alarms
        .map(|alarm| Query { expression: line(alarm, "expr: "), shown: line(alarm, "annotations: ") })
        .collect()
}

/// The queries of a Grafana dashboard.
pub(super) fn of_dashboard(dashboard: &Value) -> Vec<Query> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let panels = targets
        .map(|target| Query { expression: text(&target["expr"]), shown: text(&target["legendFormat"]) });
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables
        .filter(|variable| variable["type"] == "query")
        .map(|variable| Query { expression: text(&variable["query"]["query"]), shown: String::new() });
    panels.chain(variables).collect()
}

impl Query {
    /// The names of the gateway's metrics in it.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let starts = self.expression.match_indices("mosip_gateway_").map(|(at, _)| &self.expression[at..]);
        starts.map(|name| leading(name).to_owned()).collect()
    }

    /// The labels that it reads or shows, but those of Prometheus.
    pub(super) fn labels(&self) -> BTreeSet<String> {
        let selectors = self.expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        // The name before each quoted value.
        let selected = selectors.flat_map(|selector| selector.split('"').step_by(2));
        let selected = selected.map(|name| name.trim_start_matches(',').trim());
        let lists = self.expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
        let grouped = lists.flat_map(|list| list.split(',').map(str::trim));
        let shown = self.shown.split("{{").skip(1).map(|rest| rest.trim().trim_start_matches("$labels."));
        let labels = selected.chain(grouped).chain(shown).map(leading).filter(|label| !label.is_empty());
        labels.filter(|label| !ADDED.contains(label) && *label != "$value").map(str::to_owned).collect()
    }
}

/// The name that `text` begins with.
fn leading(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && !matches!(c, '_' | '$'))
        .next()
        .unwrap()
}

#[test]
fn names_and_labels_of_an_expression_are_read() {
    let text = "- alert: A\n  expr: rate(mosip_gateway_a_total{b=\"x,y\",c!~\"z\"}[5m]) / on () max by (d, job) (mosip_gateway_e)\n  annotations: { summary: \"{{ $labels.f }} {{ $value }}\" }";
    let [query] = &of_rules(text)[..] else { panic!("one rule") };
    assert_eq!(query.names().into_iter().collect::<Vec<_>>(), ["mosip_gateway_a_total", "mosip_gateway_e"]);
    assert_eq!(query.labels().into_iter().collect::<Vec<_>>(), ["b", "c", "d", "f"]);
}
