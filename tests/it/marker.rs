//! What a caller sends stays where it was sent: nothing of a query, a path, a header or a body comes back in an answer, a log line, a metric
//! or the page, but for what the API returns by contract.
//!
//! The routes are those of the documents of the listeners. Each is asked with a marker in one place at a time, so that the refusal of one
//! place hides no other; with what proves the caller, and without.

mod requests;
mod samples;
mod site;

use std::collections::{BTreeMap, BTreeSet};

use http::Method;

use self::requests::{Markers, Request, Route};
use self::samples::Facts;
use self::site::{Site, credentials};
use crate::support::event::event;
use crate::support::logs::Logs;
use crate::support::patience;

/// Where a marker is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    Answer,
    Log,
}

use Seen::{Answer, Log};

/// What comes back by contract.
struct Echo {
    /// Both are in the name of the place that it was sent in.
    sent: [&'static str; 2],
    seen: Seen,
    /// Kept beside the list, for those who read it.
    _why: &'static str,
}

const fn echo(sent: [&'static str; 2], seen: Seen, why: &'static str) -> Echo {
    Echo { sent, seen, _why: why }
}

const RECEIPT: &str = "mosip-api tells the hub which message it received";

const ECHOES: [Echo; 20] = [
    echo([": header x-request-id", ""], Answer, "the answer says under which id the request is in the log"),
    echo([": header x-request-id", ""], Log, "an id of a request of the caller's is that of its log lines"),
    echo(["POST /v1/esignet/authorize", ": body at /"], Answer, "the URL holds the parameters of the login"),
    echo(["POST /v1/esignet/userinfo", ": body at /"], Answer, "the one who asks is told what eSignet says"),
    echo(["GET /webhooks", ": query challenge"], Answer, "OpenCRVS wants its challenge back"),
    echo(
        ["POST /v1/events/{id}", "/resource/identifier/"],
        Answer,
        "the inbox names an event by its numbers",
    ),
    echo(
        ["POST /v1/packets/{kind}", ": body at /requestFields/birthCertificateNumber"],
        Answer,
        "the inbox names an event by its numbers",
    ),
    echo(
        ["POST /events/registration", ": body at /requestFields/birthCertificateNumber"],
        Answer,
        "the inbox names an event by its numbers",
    ),
    echo(["POST /websub/callback", ": body at /publi"], Answer, RECEIPT),
    echo(["POST /websub/callback", ": body at /topic"], Answer, RECEIPT),
    echo(["POST /websub/callback", ": body at /event/"], Answer, RECEIPT),
    echo(["POST /webhooks", "/resource/identifier/"], Answer, "the inbox names an event by its numbers"),
    echo(["POST /birthReceiveNid", ": sealed"], Answer, "the inbox brings what MOSIP pushed"),
    echo(["POST /v1/open", ": sealed"], Answer, "what was sealed is opened"),
    echo(["POST /v1/verify", ": sealed"], Answer, "what was signed is its payload"),
    echo(
        ["POST /v1/credentials/verify", ": name in /credential"],
        Answer,
        "names that no proof covers are listed",
    ),
    echo(["POST /v1/ida/", ": name in /demographics"], Answer, "the one who asks is told what MOSIP says"),
    echo(["the reason of a decision about an event", ""], Answer, "an event says why it was discarded"),
    echo(["the reason of a decision about an event", ""], Log, "a decision is logged with its reason"),
    echo(["the reason of a decision about a message", ""], Log, "a decision is logged with its reason"),
];

impl Echo {
    fn is_of(&self, place: &str, seen: Seen) -> bool {
        self.seen == seen && self.sent.iter().all(|part| place.contains(part))
    }
}

/// Every marker that was seen, by the place that it was sent in.
#[derive(Default)]
struct Sightings(BTreeMap<(String, Seen), String>);

impl Sightings {
    fn look(&mut self, markers: &Markers, seen: Seen, text: &str) {
        for (place, at) in markers.found(text) {
            let around = || text.chars().skip(at.saturating_sub(200)).take(400).collect();
            self.0.entry((place.to_owned(), seen)).or_insert_with(around);
        }
    }

    /// Nothing was seen but what comes back by contract.
    fn check(&self) {
        let is_leak = |(place, seen): &(String, Seen)| !ECHOES.iter().any(|echo| echo.is_of(place, *seen));
        let leaks: Vec<_> = self.0.iter().filter(|(place, _)| is_leak(place)).collect();
        assert!(leaks.is_empty(), "{} leaks: {leaks:#?}", leaks.len());
    }

    /// All that comes back by contract was seen: what is looked through shows what is there.
    fn check_echoes(&self) {
        for echo in &ECHOES {
            let was_seen = self.0.keys().any(|(place, seen)| echo.is_of(place, *seen));
            assert!(was_seen, "this does not come back any more: {:?} {:?}", echo.sent, echo.seen);
        }
    }
}

async fn routes(site: &Site) -> Vec<Route> {
    let mut routes = Vec::new();
    for (listener, _) in &site.gateway.listeners {
        let (_, document) = site.call(Method::GET, &format!("/openapi.json?listener={listener}"), "").await;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().into_iter().flatten();
                let named = parameters.filter(|parameter| {
                    parameter["in"] == "query" && parameter["schema"]["type"] != "object"
                });
                routes.push(Route {
                    listener,
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.clone(),
                    query: named.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect(),
                });
            }
        }
    }
    routes
}

/// Sends `request` with what proves its caller, or without; the status of the answer.
async fn send(
    site: &Site,
    route: &Route,
    request: &Request,
    is_known: bool,
    sent: &mut u32,
) -> (u16, String) {
    let proof =
        if is_known { credentials(route.listener, &route.path, &request.body) } else { BTreeMap::new() };
    *sent += 1;
    let [_, high, middle, low] = sent.to_be_bytes();
    let address = format!("10.{high}.{middle}.{low}");
    let mut headers = BTreeMap::from([("x-forwarded-for".to_owned(), address)]);
    headers.extend(proof);
    headers.extend(request.headers.clone());
    let headers: Vec<_> = headers.into_iter().collect();
    let (status, head, body) =
        site.ask(route.listener, &route.method, &request.target, &headers, &request.body).await;
    assert!(!body.contains("\"code\":\"busy\""), "a limit hides the answer to {}: {body}", request.place);
    (status, format!("{status} {head:?} {body}"))
}

/// Decisions about what waits or is kept, with a marker as their reason.
async fn decide(site: &Site, markers: &mut Markers) {
    for (id, is_on_the_page) in [("discarded", false), ("discarded-on-the-page", true)] {
        let (status, taken) = site.call(Method::POST, "/v1/events/death", &event("death", id, "Ada")).await;
        assert_eq!(status, 202, "{taken}");
        site.until(&format!("/v1/events/{id}"), |event| {
            event["state"] == "queued" && event["lastFault"].is_object()
        })
        .await;
        let reason = markers.text("the reason of a decision about an event");
        patience::until("no attempt under way", async || {
            let status = if is_on_the_page {
                let (_, page) = site.page(&format!("/?event={id}")).await;
                let token = page.split("name=\"token\" value=\"").nth(1).unwrap_or_default();
                let token = token.split('"').next().unwrap();
                let about = format!("event:{id}");
                site.post_form(&[("about", &about), ("do", "discard"), ("reason", &reason), ("token", token)])
                    .await
            } else {
                site.call(Method::DELETE, &format!("/v1/events/{id}?reason={reason}"), "").await.0
            };
            if status == 200 || status == 303 { Ok(()) } else { Err(status) }
        })
        .await;
    }
    let kept = site.until("/v1/quarantine", |kept| kept["messages"][0].is_object()).await;
    let id = kept["messages"][0]["id"].as_str().unwrap();
    let reason = markers.text("the reason of a decision about a message");
    let (status, answer) =
        site.call(Method::DELETE, &format!("/v1/quarantine/{id}?reason={reason}"), "").await;
    assert!((200..300).contains(&status), "{answer}");
}

/// All lists to their ends, and the page in every view.
async fn look_around(site: &Site, markers: &Markers, seen: &mut Sightings) {
    for route in [
        "/v1/events",
        "/v1/events/discarded",
        "/v1/quarantine",
        "/v1/unanswered",
        "/v1/uin-tokens",
        "/v1/inbox",
        "/v1/keys",
    ] {
        let mut target = route.to_owned();
        loop {
            let (status, answer) = site.call(Method::GET, &target, "").await;
            assert_eq!(status, 200, "{target}: {answer}");
            seen.look(markers, Answer, &answer.to_string());
            let Some(next) = answer["next"].as_i64() else { break };
            target = format!("{route}?cursor={next}");
        }
    }
    for target in [
        "/",
        "/?list=queued",
        "/?list=parked",
        "/?list=quarantine",
        "/?list=unanswered",
        "/?list=hub",
        "/?find=",
        "/?event=discarded",
        "/?event=discarded-on-the-page",
        "/metrics",
        "/readyz",
    ] {
        let (status, page) = site.page(target).await;
        assert_eq!(status, 200, "{target}: {page}");
        seen.look(markers, Answer, &page);
    }
}

async fn nothing_comes_back(has_tls: bool) -> Sightings {
    let logs = Logs::from_here();
    let site = Site::start(has_tls).await;
    let facts = Facts::make(&site).await;
    let (mut markers, mut seen, mut sent) =
        (Markers::new(if has_tls { "4713" } else { "4711" }), Sightings::default(), 0);
    let (mut listeners, mut unfit) = (BTreeSet::new(), Vec::new());
    for route in routes(&site).await {
        let sample = facts.sample(&route);
        let (status, answer) = send(&site, &route, &sample.valid(&route), true, &mut sent).await;
        if !sample.has_status(status) {
            unfit.push(format!("{}: {answer}", route.name()));
        }
        if listeners.insert(route.listener) {
            let place = format!("{}: a path of nobody", route.listener);
            let target = format!("/{0}/{0}?{0}={0}", markers.text(&place));
            let request = Request { place, target, headers: BTreeMap::new(), body: String::new() };
            seen.look(&markers, Answer, &send(&site, &route, &request, true, &mut sent).await.1);
            let place = format!("{}: a method of nobody", route.listener);
            let method: Method = markers.text(&place).parse().unwrap();
            let odd = Route { method, query: Vec::new(), path: route.path.clone(), listener: route.listener };
            let request = Request { place, ..sample.valid(&odd) };
            seen.look(&markers, Answer, &send(&site, &odd, &request, true, &mut sent).await.1);
        }
        // What stands inside a request goes the same way over TLS.
        let is_inside = |request: &&Request| {
            request.place.contains(": header ")
                || request.place.contains(": body")
                || request.place.contains(": name in /")
        };
        for request in
            sample.marked(&route, &mut markers).iter().filter(|request| !has_tls || !is_inside(request))
        {
            for is_known in [true, false] {
                let (_, answer) = send(&site, &route, request, is_known, &mut sent).await;
                seen.look(&markers, Answer, &answer);
            }
        }
    }
    for listener in listeners.iter().filter(|_| has_tls) {
        let name = markers.text(&format!("{listener}: the name of the server in TLS"));
        site.begin_tls(listener, &format!("{name}.example")).await;
    }
    assert_eq!(listeners.len(), site.gateway.listeners.len(), "every listener");
    decide(&site, &mut markers).await;
    look_around(&site, &markers, &mut seen).await;
    for line in logs.text().lines() {
        seen.look(&markers, Log, line);
    }
    assert!(markers.count() > 2_000 && sent > if has_tls { 300 } else { 4_000 }, "{sent}");
    assert!(unfit.is_empty(), "these requests are not valid: {unfit:#?}");
    seen.check();
    seen
}

#[tokio::test]
async fn nothing_that_callers_send_comes_back() {
    nothing_comes_back(false).await.check_echoes();
}

#[tokio::test]
async fn nothing_that_callers_send_comes_back_over_tls() {
    nothing_comes_back(true).await;
}
