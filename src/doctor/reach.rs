//! Every server that a URL leads to: whether a connection, with TLS where the URL asks for it, can be made, and what time it has there.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Uri, header};

use super::Finding;
use crate::clock::{Clock, Timestamp};
use crate::destinations::Url;
use crate::error::Error;
use crate::upstream::{self, Client, Reply, Request, SendError};

/// For a connection, and the answer to an empty request on it.
const DEADLINE: Duration = Duration::from_secs(15);
/// Largest answer to a request without an answer body, bytes.
const MAX_REPLY: usize = 64 << 10;
/// IDA takes requests of the last and of the next minute.
const WINDOW_SECONDS: u64 = 60;
/// What two clocks that are both set may differ by: the Date header has whole seconds, and the answer takes its time.
const TOLERANCE_SECONDS: u64 = 5;

/// What was found, and who did not answer.
pub(super) struct Reached {
    pub(super) findings: Vec<Finding>,
    away: Vec<Uri>,
}

impl Reached {
    /// Whether the server of `url` answered.
    pub(super) fn includes(&self, url: Option<&Uri>) -> bool {
        url.is_some_and(|url| !self.away.contains(&root(url)))
    }
}

/// Asks each server of `urls` once for the head of its first page. The paths of the URLs are never called: what they do is done in
/// earnest.
pub(super) async fn every_server(client: &Client, urls: &[Url<'_>], clock: &Clock) -> Reached {
    let mut servers: BTreeMap<String, (Uri, Vec<&str>)> = BTreeMap::new();
    for url in urls {
        let root = root(url.url);
        servers.entry(root.to_string()).or_insert_with(|| (root, Vec::new())).1.push(&url.setting);
    }
    let asked = servers.into_values().map(|(root, settings)| async move {
        let answer = ask(client, root.clone()).await;
        (root, settings, answer, clock.now())
    });
    let (mut findings, mut away) = (Vec::new(), Vec::new());
    for (root, settings, answer, now) in join_all(asked).await {
        match answer {
            Ok(reply) => {
                let host = upstream::host_and_port(&root);
                findings.extend(clocks(&host, &reply, now));
                let tls = if root.scheme_str() == Some("https") { " over TLS" } else { "" };
                findings.push(answers(&settings, format!("{host} answers{tls}")));
            }
            Err(failure) => {
                let error = Error::from(failure);
                findings.push(Finding::of_call(settings.join(", "), &error));
                away.push(root);
            }
        }
    }
    Reached { findings, away }
}

/// That the server of `settings` answers, and which of their paths nothing has tried.
fn answers(settings: &[&str], what: String) -> Finding {
    let subject = settings.join(", ");
    let untried: Vec<_> = settings.iter().copied().filter(|setting| is_untried(setting)).collect();
    let paths = match untried.as_slice() {
        [] => return Finding::ok(subject, what),
        _ if settings.len() == 1 => "the path was not tried".to_owned(),
        [one] => format!("the path of {one} was not tried"),
        several => format!("the paths of {} were not tried", several.join(", ")),
    };
    Finding {
        advice: Some("send an event or a message, and see whether it arrives".to_owned()),
        ..Finding::ok(subject, format!("{what}; {paths}, since what is posted there is done in earnest"))
    }
}

/// Whether nothing else calls the path of the URL in `setting`: a token is fetched, IDA is asked, and the hub too.
fn is_untried(setting: &str) -> bool {
    !setting.contains("token")
        && !setting.starts_with("esignet.")
        && !setting.contains("_jwt.")
        && !["upstream.ida.url", "websub.hub_url", "opencrvs.auth_url", "opencrvs.webhooks.url"]
            .contains(&setting)
}

async fn ask(client: &Client, uri: Uri) -> Result<Reply, SendError> {
    let (method, headers, body) = (Method::HEAD, HeaderMap::new(), Bytes::new());
    client.send(Request { method, uri, headers, body, deadline: DEADLINE, max_response: MAX_REPLY }).await
}

/// Scheme, host and port of `url`, and nothing else of it.
fn root(url: &Uri) -> Uri {
    let root = format!("{}://{}/", url.scheme_str().unwrap_or("https"), upstream::host_and_port(url));
    root.parse().unwrap_or_else(|_| url.clone())
}

/// Our clock beside that of `host`, where its answer has a date.
fn clocks(host: &str, reply: &Reply, now: Timestamp) -> Option<Finding> {
    let date = reply.headers.get(header::DATE)?.to_str().ok()?;
    let theirs = httpdate::parse_http_date(date).ok()?;
    let theirs = theirs.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    let ours = now.seconds();
    let theirs = i64::try_from(theirs).ok()?;
    let apart = ours.abs_diff(theirs);
    if apart <= TOLERANCE_SECONDS {
        return None;
    }
    let direction = if ours < theirs { "behind" } else { "ahead of" };
    let what = format!("is {apart} s {direction} the clock of {host}");
    let advice = "set the clock that is wrong (NTP): IDA accepts requests within 60 s only";
    Some(if apart > WINDOW_SECONDS {
        Finding::fail("clock", what, advice)
    } else {
        Finding::warn("clock", what, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_nothing_tries_are_said_not_to_be_tried() {
        let said = |settings: &[&str]| answers(settings, "mosip.example answers".to_owned()).what;
        assert_eq!(said(&["upstream.token.url", "upstream.ida.url"]), "mosip.example answers");
        let in_earnest = "since what is posted there is done in earnest";
        assert_eq!(
            said(&["upstream.token.url", "deliver.url", "upstream.ida.url"]),
            format!("mosip.example answers; the path of deliver.url was not tried, {in_earnest}")
        );
        assert_eq!(
            said(&["upstream.mediator.birth", "upstream.token.url", "deliver.url"]),
            format!(
                "mosip.example answers; the paths of upstream.mediator.birth, deliver.url were not tried, {in_earnest}"
            )
        );
        assert_eq!(
            said(&["deliver.url"]),
            format!("mosip.example answers; the path was not tried, {in_earnest}")
        );
    }
}
