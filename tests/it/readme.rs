//! The documents: their command lines run as they stand and print what stands below them, and their links lead somewhere.
//! `CONTRIBUTING.md`, "Documents", says how a command line and its output are written.

pub(crate) mod document;
mod log;
mod promql;
pub(crate) mod shell;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::future::join_all;
use mosip_gateway::clock::Clock;
use mosip_gateway::simulator::{self, Behaviour, Callback, Settings, Simulator};

use self::document::{RUN, commands, dead_links, line_matches};
use self::shell::Shell;
use crate::support::event::birth;
use crate::support::gateway::{Running, secrets};
use crate::support::patience;
use crate::support::port::Port;
use crate::support::world::{Hub, urls};

/// Each document has a gateway, a simulator and a shell of its own, so that none depends on what another one did.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_line_of_the_documents_prints_what_they_show() {
    let others = documents().into_iter().filter(|path| path != Path::new(ONBOARDING));
    let wrong = join_all(others.map(wrong_commands)).await.concat();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// It begins with an empty folder: no gateway runs, and the document starts a simulator of its own. OpenSSL plays the authorities.
#[tokio::test]
async fn the_onboarding_goes_from_an_empty_folder_to_a_partner_that_is_accepted() {
    if !has_openssl() {
        return;
    }
    let [internal, ops, callback, mosip] = [(); 4].map(|()| Port::hold());
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("onboarding.toml");
    let example = "deploy/example-onboarding.toml";
    let text = std::fs::read_to_string(example).unwrap();
    let text =
        text.replace("127.0.0.1:4600", &mosip.address()).replace("127.0.0.1:4547", &callback.address());
    std::fs::write(&configuration, text).unwrap();
    let replacements = [
        (example, configuration.display().to_string()),
        ("cargo run --release -- ", format!("{} ", env!("CARGO_BIN_EXE_mosip-gateway"))),
        ("127.0.0.1:4600", mosip.address()),
    ];
    let listeners = [("INTERNAL", internal.address()), ("OPS", ops.address())];
    let variables = listeners.map(|(name, address)| (format!("MOSIP_GATEWAY__LISTEN__{name}"), address));
    let path = Path::new(ONBOARDING);
    let mut shell = Shell::start(&variables, &replacements);
    let commands = commands(path, &std::fs::read_to_string(path).unwrap(), RUN);
    let wrong: Vec<_> = commands.iter().filter_map(|command| shell.run(command).err()).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

fn has_openssl() -> bool {
    Command::new("openssl").arg("version").output().is_ok()
}

/// The commands of the document at `path` that do not print what it shows, each with what it prints.
async fn wrong_commands(path: PathBuf) -> Vec<String> {
    let document = std::fs::read_to_string(&path).unwrap();
    let mut commands = commands(&path, &document, RUN);
    if !has_openssl() {
        // What OpenSSL makes lies in this folder.
        let needs_it = |text: &str| ["openssl", "$new/", "$JWT"].iter().any(|made| text.contains(made));
        commands.retain(|command| !needs_it(&command.text));
    }
    if commands.is_empty() {
        return Vec::new();
    }
    let stage = Stage::start(|example| document.contains(example)).await;
    let mut shell = Shell::start(&stage.variables(), &stage.replacements());
    let running = move || commands.iter().filter_map(|command| shell.run(command).err()).collect();
    let wrong = tokio::task::spawn_blocking(running).await.unwrap();
    stage.gateway.stop().await;
    wrong
}

#[test]
fn every_link_of_the_documents_leads_somewhere() {
    let further = ["keys.example/README.md", "CHANGELOG.md"].map(PathBuf::from);
    let dead: Vec<_> = documents().iter().chain(&further).flat_map(|path| dead_links(path)).collect();
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_of_metrics_has_every_name_and_no_other() {
    let stage = Stage::start(|example| example == ESIGNET.0).await;
    // One metric is absent while nothing is in quarantine.
    stage.simulator.controls.set(Behaviour { wrong_push_signature: true, ..Behaviour::default() });
    stage.gateway.accept("birth", &birth("quarantined")).await;
    patience::until("a push in quarantine", async || {
        let (_, list) = stage.gateway.get("/v1/quarantine").await;
        list["messages"].get(0).map(|_| ()).ok_or_else(|| list.to_string())
    })
    .await;
    let mut shell = Shell::start(&[], &stage.replacements());
    let exposition = shell.output("curl http://127.0.0.1:4548/metrics");
    let scraped: BTreeSet<_> = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let page = operator_page();
    let shown = metrics_in_the_table(&page);
    for sample in exposition.lines().filter(|line| line.contains('{')) {
        let (name, labels) = sample.split_once('{').unwrap();
        let (labels, _) = labels.rsplit_once('}').unwrap();
        let of_histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|end| name.strip_suffix(end));
        let name = of_histogram.filter(|name| name.ends_with("_seconds")).unwrap_or(name);
        let row = page
            .lines()
            .find(|line| line.starts_with("| `mosip_gateway_") && line.contains(&format!("`{name}`")));
        let row = row.unwrap_or_else(|| panic!("no row of {name}"));
        let labels = labels.split("\",").filter_map(|label| label.split_once("=\""));
        // Every histogram has bounds.
        for (label, value) in labels.filter(|(label, _)| *label != "le") {
            assert!(row.contains(&format!("`{label}`")), "{label} of {name} is in no row");
            // The values of the other labels come from outside, or are those of a list elsewhere.
            if ["cause", "file", "role", "state", "table"].contains(&label) && name != "mosip_gateway_failing"
            {
                let value = value.trim_end_matches('"');
                assert!(row.contains(&format!("`{value}`")), "{label} {value} of {name} is in no row");
            }
        }
    }
    let undocumented: Vec<_> = scraped.difference(&shown).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}\n{exposition}");
    // A family without a sample is not scraped, so the names that are registered count.
    let registered = [
        include_str!("../../src/faces/ops/failing.rs"),
        include_str!("../../src/faces/ops/metrics.rs"),
        include_str!("../../src/faces/ops/hub.rs"),
        include_str!("../../src/faces/ops/webhooks.rs"),
        include_str!("../../src/http/meters.rs"),
        include_str!("../../src/queue/meters.rs"),
        include_str!("../../src/telemetry/spans.rs"),
    ]
    .concat();
    for name in shown.difference(&scraped) {
        let bare = name.trim_start_matches("mosip_gateway_").trim_end_matches("_total");
        assert!(registered.contains(&format!("\"{bare}\"")), "nothing is called {name}");
    }
    stage.gateway.stop().await;
}

#[test]
fn the_alarms_of_the_table_are_those_of_the_sample_of_rules() {
    let page = operator_page();
    let (_, table) = page.split_once("| when | what it means |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let told: BTreeSet<_> =
        table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let rules = std::fs::read_to_string("deploy/alerts.yaml").unwrap();
    let sample: BTreeSet<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    assert_eq!(told, sample);
}

#[test]
fn every_alarm_is_set_off_in_the_tests_of_the_rules() {
    let rules = std::fs::read_to_string("deploy/alerts.yaml").unwrap();
    let tests = std::fs::read_to_string("deploy/alerts_test.yaml").unwrap();
    let alarms = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let asserted: Vec<_> = tests.split("- alertname: ").skip(1).collect();
    let set_off = |alarm: &str| {
        let mut of_alarm = asserted.iter().filter_map(|test| test.strip_prefix(alarm)?.strip_prefix('\n'));
        of_alarm.any(|test| test.contains("exp_labels:"))
    };
    let silent: Vec<_> = alarms.filter(|alarm| !set_off(alarm)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

/// The table is that of a running gateway, as [`the_table_of_metrics_has_every_name_and_no_other`] says.
#[test]
fn rules_and_dashboard_read_names_and_labels_that_the_table_has() {
    let page = operator_page();
    let rules = promql::of_rules(&std::fs::read_to_string("deploy/alerts.yaml").unwrap());
    let dashboard = serde_json::from_slice(&std::fs::read("deploy/grafana.json").unwrap()).unwrap();
    let dashboard = promql::of_dashboard(&dashboard);
    assert!(rules.len() > 30 && dashboard.len() > 30, "{} {}", rules.len(), dashboard.len());
    let row = |name: &str| {
        let is_row_of =
            |line: &&str| line.starts_with("| `mosip_gateway_") && line.contains(&format!("`{name}`"));
        page.lines().find(is_row_of)
    };
    for query in rules.iter().chain(&dashboard) {
        let rows: Vec<_> = query
            .names()
            .iter()
            .map(|name| {
                // A histogram is one metric of three names.
                let bare = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
                row(name).or_else(|| row(bare?)).unwrap_or_else(|| panic!("nothing is called {name}"))
            })
            .collect();
        for label in query.labels() {
            let has = rows.iter().any(|row| row.contains(&format!("`{label}`")));
            assert!(has, "{label} is no label in {}", query.expression);
        }
    }
}

#[test]
fn the_table_of_the_log_has_every_message() {
    let page = operator_page();
    let (_, table) = page.split_once("\n## The log\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).filter_map(|row| row.split(" | ").next());
    let told: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    let messages = log::messages(Path::new("src"));
    assert!(messages.len() > 50, "{messages:?}");
    // A message that is a variable is a sentence made elsewhere.
    let fixed = messages.iter().filter(|(_, message)| !message.starts_with('{'));
    let untold: Vec<_> =
        fixed.filter(|(_, message)| !told.iter().any(|told| line_matches(told, message))).collect();
    assert!(untold.is_empty(), "{untold:#?}");
}

fn operator_page() -> String {
    std::fs::read_to_string("docs/operator.md").unwrap()
}

/// The names of metrics in the table of metrics.
fn metrics_in_the_table(page: &str) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `mosip_gateway_"));
    let names = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
    // The table of alarms writes conditions, the other columns words of their own.
    names
        .filter(|name| name.starts_with("mosip_gateway_") && !name.contains(' '))
        .map(str::to_owned)
        .collect()
}

/// README, CONTRIBUTING, SECURITY, RELEASING and everything in `docs/`, relative to the top of the tree.
fn documents() -> Vec<PathBuf> {
    let pages = std::fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = pages.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect();
    pages.sort();
    assert!(pages.len() >= 9, "{pages:?}");
    ["README.md", "CONTRIBUTING.md", "SECURITY.md", "RELEASING.md"]
        .into_iter()
        .map(PathBuf::from)
        .chain(pages)
        .collect()
}

const ONBOARDING: &str = "docs/onboarding.md";

/// An example: its file, what it holds, and its sections that are not those of the example that subscribes at the hub.
type Example = (&'static str, &'static str, &'static [&'static str]);
const ESIGNET: Example = (
    "deploy/example-esignet.toml",
    include_str!("../../deploy/example-esignet.toml"),
    &["keys", "esignet", "faces"],
);
const SYSTEMS: Example =
    ("deploy/example-systems.toml", include_str!("../../deploy/example-systems.toml"), &["systems"]);

/// What the documents have the reader start in two terminals.
struct Stage {
    simulator: simulator::Running,
    gateway: Running,
    callback: Port,
}

impl Stage {
    /// Under the example that subscribes at the hub, with what those examples add to it whose files `is_added`.
    async fn start(is_added: impl Fn(&str) -> bool) -> Self {
        // The simulator has to know the callback before the gateway stands, and the gateway the simulator.
        let callback = Port::hold();
        let mut settings = Settings::from_key_set(Path::new("keys.example")).unwrap();
        settings.bind.set_port(0);
        let url = format!("http://{}/birthReceiveNid", callback.address()).parse().unwrap();
        settings.callback = Some(Callback { url, roots_pem: None, client: None });
        let simulator = Simulator::start(settings, Clock::system()).await.unwrap();
        let set = upstream(&simulator, &callback);
        let hub = Hub::beside(&simulator.base_url, &callback.address());
        let set: Vec<_> = set.iter().map(|(name, value)| (*name, value.as_str())).chain(hub.set()).collect();
        let mut text: toml::Table = hub.text.parse().unwrap();
        let mut set = set;
        for (file, example, sections) in [ESIGNET, SYSTEMS] {
            if is_added(file) {
                let example: toml::Table = example.parse().unwrap();
                text.extend(sections.iter().map(|name| ((*name).to_owned(), example[*name].clone())));
            }
        }
        if text.contains_key("esignet") {
            set.push(("ESIGNET__ISSUER", &simulator.base_url));
        }
        let gateway = Running::start_under(&text.to_string(), &set).await;
        patience::until("the hub", async || match simulator.hub.subscriptions().len() {
            3 => Ok(()),
            few => Err(few),
        })
        .await;
        Self { simulator, gateway, callback }
    }

    /// The variables that lead commands to this gateway and this simulator.
    fn variables(&self) -> Vec<(String, String)> {
        let own = [
            ("LISTEN__INTERNAL", self.gateway.api.clone()),
            ("LISTEN__OPS", self.gateway.ops.clone()),
            ("OUTBOX__PATH", self.gateway.outbox().display().to_string()),
        ];
        let settings = own.into_iter().chain(upstream(&self.simulator, &self.callback));
        secrets()
            .into_iter()
            .chain(settings.map(|(name, value)| (format!("MOSIP_GATEWAY__{name}"), value)))
            .collect()
    }

    /// What the documents name, and what stands for it here.
    fn replacements(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cargo run --release -- ", format!("{} ", env!("CARGO_BIN_EXE_mosip-gateway"))),
            ("http://127.0.0.1:4600", self.simulator.base_url.clone()),
            ("127.0.0.1:4546", self.gateway.api.clone()),
            ("127.0.0.1:4547", self.callback.address()),
            ("127.0.0.1:4548", self.gateway.ops.clone()),
        ]
    }
}

fn upstream(simulator: &simulator::Running, callback: &Port) -> Vec<(&'static str, String)> {
    let ida = format!("{}/idauthentication/v1", simulator.base_url);
    let further = [("UPSTREAM__IDA__URL", ida), ("LISTEN__CALLBACK", callback.address())];
    urls(&simulator.base_url).into_iter().chain(further).collect()
}
