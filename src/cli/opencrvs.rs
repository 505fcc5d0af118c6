//! `opencrvs subscribe|status|unsubscribe|reconcile`: through the running gateway, or alone where none runs.

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::input::Asking;
use super::outcome::{self, Failure, Outcome};
use crate::clock::Clock;
use crate::error::{Code, Error, with_advice};
use crate::faces::plain::opencrvs::{MissingView, SubscriptionsView, is_in_order, moment};
use crate::ledger::Ledger;
use crate::local::Target;
use crate::mosip::envelope::Policy;
use crate::pool::Pool;
use crate::services::{self, Services};
use crate::settings::Config;
use crate::store::{OpenError, Remains};
use crate::tasks::key_watch;
use crate::tasks::reconcile::NO_BODY;
use crate::telemetry::Tracer;
use crate::upstream::Client;

/// Long, because OpenCRVS may have many pages of records.
const DEADLINE: Duration = Duration::from_mins(30);
/// A command needs no second look at the key files.
const NEVER: Duration = Duration::from_hours(24);

/// Arguments of `opencrvs`.
#[derive(Args)]
pub(super) struct Opencrvs {
    #[command(flatten)]
    pub(super) asking: Asking,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Subscribes what OpenCRVS does not list, and ends the alarm about webhooks that may be missing.
    ///
    /// Where no gateway runs, nobody can answer OpenCRVS's question: the gateway then subscribes once it starts.
    Subscribe,
    /// Has OpenCRVS list the gateway's subscriptions. Exit code 1 unless each topic is subscribed once, or was ended on request, and nothing may be
    /// missing.
    Status,
    /// Ends the gateway's subscriptions. None is made until `subscribe`, whatever is restarted.
    Unsubscribe,
    /// Lists the births and deaths that OpenCRVS has registered and that no event here is about. Exit code 1 where there are any.
    Reconcile {
        /// A day (2026-11-01) or a moment (RFC 3339): records that were declared from then on.
        #[arg(long, value_name = "DATE")]
        since: String,
        /// The same: until then; without it until now.
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
        /// Is refused: OpenCRVS's search gives nothing that could be queued.
        #[arg(long)]
        post: bool,
    },
}

impl Opencrvs {
    pub(super) fn run(&self) -> Outcome {
        if let Command::Reconcile { post: true, .. } = self.command {
            return Err(Failure::Usage(NO_BODY.to_owned()));
        }
        let config = self.asking.config.load_local()?;
        let location = &config.outbox.location;
        if location.remains() != Remains::Database {
            return self.on_running_gateway(&config);
        }
        if location.is_shared() {
            // No gateway has it for itself, so that only an answer tells whether one runs here.
            match self.on_running_gateway(&config) {
                Err(Failure::Environment(_)) => {}
                answered => return answered,
            }
        }
        match Ledger::open(config.outbox.clone(), config.quarantine.clone(), Clock::system()) {
            // Alone, every secret is needed.
            Ok(ledger) => outcome::block_on(self.alone(self.asking.config.load()?, ledger))?,
            Err(OpenError::InUse(held)) => {
                self.on_running_gateway(&config).map_err(|failure| failure.of_holder(&held))
            }
            Err(error) => Err(Failure::Unfit(error.to_string())),
        }
    }

    /// Calls OpenCRVS itself, since no gateway runs here. Nothing else moves.
    async fn alone(&self, config: Config, ledger: Ledger) -> Outcome {
        let clock = Clock::system();
        let (client, pool) = (Client::new(&config.upstream)?, Pool::for_this_machine()?);
        let (_, keys) = key_watch::watch(Arc::new(config.keys), clock.clone(), NEVER);
        let settings = services::Settings {
            destinations: config.destinations,
            esignet: None,
            death_link: false,
            probe_interval: config.upstream.probe_interval,
            data_share: None,
        };
        let policy = Policy { danger_accept_unsigned: config.envelope.danger_accept_unsigned };
        let credentials = Err(Error::new(Code::Keys, "this command verifies no credential"));
        let logins = pool.clone();
        let tracer = Tracer::default();
        let tools = services::Tools { client, keys, pool, logins, clock, tracer, policy, credentials };
        let Services { subscriptions, reconciler, .. } = Services::new(ledger, settings, tools);
        let status = match &self.command {
            Command::Subscribe => {
                subscriptions.allow().await?;
                subscriptions.look().await?
            }
            Command::Status => subscriptions.look().await?,
            Command::Unsubscribe => subscriptions.end().await?,
            Command::Reconcile { since, until, .. } => {
                let (since, until) = span(since, until.as_deref())?;
                let compared = reconciler.compare(since, until).await?;
                let is_in_order = compared.missing.is_empty() && compared.is_whole;
                return self.print(&value(&MissingView::of(&compared))?, is_in_order);
            }
        };
        self.print(&value(&SubscriptionsView::of(&status))?, is_in_order(&status))?;
        if matches!(self.command, Command::Subscribe) && !is_in_order(&status) {
            eprintln!(
                "mosip-gateway: no gateway runs here; what is missing is subscribed once one starts, or at the next look of another one"
            );
            return Ok(ExitCode::SUCCESS);
        }
        Ok(exit(is_in_order(&status)))
    }

    fn on_running_gateway(&self, config: &Config) -> Outcome {
        let (method, path) = self.command.request()?;
        let target = Target::internal(config, self.asking.client.files()?)?;
        let token = config.internal.token.as_ref();
        let answer = outcome::block_on(target.ask(method, &path, token, DEADLINE))?;
        let answer = answer.map_err(Failure::no_gateway)?;
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == StatusCode::OK {
            let is_in_order = is_answer_in_order(&said);
            return self.print(&said, is_in_order);
        }
        let word = |member: &str| said.get(member).and_then(Value::as_str).unwrap_or("?").to_owned();
        let advice = outcome::advice(&word("code"), &word("pointer"), &word("advice"));
        Err(Failure::Unfit(with_advice(&format!("{}: {}", word("code"), word("detail")), &advice)))
    }

    fn print(&self, answer: &Value, is_in_order: bool) -> Outcome {
        if self.asking.json {
            outcome::print_json(answer)?;
        } else {
            outcome::print(text(answer).as_bytes())?;
        }
        Ok(exit(is_in_order))
    }
}

impl Command {
    fn request(&self) -> Result<(Method, String), Failure> {
        const WEBHOOKS: &str = "/v1/opencrvs/webhooks";
        let on_webhooks = |method| Ok((method, WEBHOOKS.to_owned()));
        match self {
            Self::Subscribe => on_webhooks(Method::POST),
            Self::Status => on_webhooks(Method::GET),
            Self::Unsubscribe => on_webhooks(Method::DELETE),
            Self::Reconcile { since, until, .. } => {
                span(since, until.as_deref())?;
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.append_pair("since", since);
                query.extend_pairs(until.iter().map(|until| ("until", until)));
                Ok((Method::GET, format!("/v1/opencrvs/missing?{}", query.finish())))
            }
        }
    }
}

type Span = (crate::clock::Timestamp, Option<crate::clock::Timestamp>);

/// An option that is no date is wrong usage.
fn span(since: &str, until: Option<&str>) -> Result<Span, Failure> {
    let of = |option: &str, text: &str| {
        moment(text, "").map_err(|error| {
            Failure::Usage(with_advice(&format!("{option}: {}", error.detail()), error.advice()))
        })
    };
    Ok((of("--since", since)?, until.map(|until| of("--until", until)).transpose()?))
}

fn value(view: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(view).map_err(Failure::environment)
}

fn exit(is_in_order: bool) -> ExitCode {
    ExitCode::from(if is_in_order { 0 } else { outcome::REFUSED })
}

fn list<'v>(answer: &'v Value, member: &str) -> &'v [Value] {
    answer.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// As [`is_in_order`], of the answer of a running gateway.
fn is_answer_in_order(answer: &Value) -> bool {
    let is_settled = |topic: &Value| {
        let is = |state| topic.get("state") == Some(&json!(state));
        let subscriptions = topic.get("subscriptions").and_then(Value::as_u64).unwrap_or_default();
        (is("active") || is("ended")) && subscriptions <= 1 && topic.get("missing_since").is_none()
    };
    let is_whole = answer.get("whole").and_then(Value::as_bool).unwrap_or(true);
    list(answer, "topics").iter().all(is_settled) && list(answer, "missing").is_empty() && is_whole
}

/// The answer for a person.
fn text(answer: &Value) -> String {
    let word =
        |of: &Value, member: &str| of.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut lines = String::new();
    // Writing to a string never fails.
    for topic in list(answer, "topics") {
        let _ = write!(lines, "{:8} {}", word(topic, "state"), word(topic, "topic"));
        let subscriptions = topic.get("subscriptions").and_then(Value::as_u64).unwrap_or_default();
        if subscriptions > 1 {
            let _ = write!(lines, ", subscribed {subscriptions} times");
        }
        if let Some(since) = topic.get("missing_since").and_then(Value::as_str) {
            let _ = write!(lines, ", webhooks may be missing since {since}");
        }
        if let Some(refusal) = topic.get("refusal") {
            let _ = write!(lines, ": {}", with_advice(&word(refusal, "detail"), &word(refusal, "advice")));
        }
        lines.push('\n');
    }
    if answer.get("ended") == Some(&json!(true)) {
        lines.push_str("ended on request; `mosip-gateway opencrvs subscribe` has them made again\n");
    }
    if let Some(records) = answer.get("records").and_then(Value::as_u64) {
        for missing in list(answer, "missing") {
            let _ = writeln!(lines, "{:5} {}", word(missing, "kind"), word(missing, "compositionId"));
        }
        let (since, until) = (word(answer, "since"), word(answer, "until"));
        let missing = list(answer, "missing").len();
        let _ = writeln!(
            lines,
            "{missing} of {records} records that were declared from {since} until {until} have no event here"
        );
        if answer.get("whole") == Some(&json!(false)) {
            lines.push_str("OpenCRVS has more records than it names: ask for a shorter time with --until\n");
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_in_order_only_where_nothing_is_missing_anywhere() {
        let active = json!({ "topic": "T", "state": "active", "subscriptions": 1 });
        for (answer, is_in_order) in [
            (json!({ "topics": [active] }), true),
            (json!({ "topics": [{ "state": "ended", "subscriptions": 0 }], "ended": true }), true),
            (json!({ "topics": [active, { "state": "failing", "subscriptions": 0 }] }), false),
            (json!({ "topics": [{ "state": "active", "subscriptions": 2 }] }), false),
            (json!({ "topics": [{ "state": "active", "subscriptions": 1, "missing_since": "x" }] }), false),
            (json!({ "missing": [], "whole": true }), true),
            (json!({ "missing": [{}], "whole": true }), false),
            (json!({ "missing": [], "whole": false }), false),
        ] {
            assert_eq!(is_answer_in_order(&answer), is_in_order, "{answer}");
        }
    }
}
