//! A valid request to a route, and the same request with a marker in one place of it.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::site::{self, FORM, basic, bearer};
use crate::support::seeder::BOUNDARY;

/// Every place that a marker was put into.
pub(super) struct Markers {
    /// Begins every marker, and occurs nowhere else. A number and an `n` follow it, which say where it was put.
    stem: String,
    /// Begins every marker that is a number.
    digits: &'static str,
    places: Vec<String>,
    /// Markers that have the form of a person's number.
    numbers: Vec<(String, usize)>,
}

impl Markers {
    /// `digits`, four, tell them from those of a test that runs meanwhile and logs to the same place.
    pub(super) fn new(digits: &'static str) -> Self {
        Self { stem: format!("marker{digits}081500n"), digits, places: Vec::new(), numbers: Vec::new() }
    }

    /// A new marker for `place`.
    pub(super) fn text(&mut self, place: &str) -> String {
        self.places.push(place.to_owned());
        format!("{}{}n", self.stem, self.places.len() - 1)
    }

    /// As [`Self::text`], of `length` digits.
    fn number(&mut self, place: &str, length: usize) -> String {
        self.places.push(format!("{place} (a number)"));
        let index = self.places.len() - 1;
        let number = format!("{}{index:0width$}", self.digits, width = length - 4);
        self.numbers.push((number.clone(), index));
        number
    }

    /// The places whose markers are in `text`, and where they are there.
    pub(super) fn found(&self, text: &str) -> Vec<(&str, usize)> {
        let lower = text.to_ascii_lowercase();
        let mut found: Vec<(&str, usize)> = lower
            .match_indices(&self.stem)
            .map(|(at, _)| {
                let digits = lower[at + self.stem.len()..].split('n').next().unwrap();
                let index: usize = digits.parse().unwrap_or_else(|_| panic!("a part of a marker: {text}"));
                (self.places[index].as_str(), at)
            })
            .collect();
        if lower.contains(self.digits) {
            let numbers = self.numbers.iter();
            found.extend(
                numbers
                    .filter_map(|(number, index)| Some((self.places[*index].as_str(), lower.find(number)?))),
            );
        }
        found
    }

    pub(super) fn count(&self) -> usize {
        self.places.len()
    }
}

/// A route as a document describes it.
pub(super) struct Route {
    pub(super) listener: &'static str,
    pub(super) method: Method,
    pub(super) path: String,
    /// The names of the parameters of its query.
    pub(super) query: Vec<String>,
}

impl Route {
    pub(super) fn name(&self) -> String {
        format!("{} {} {}", self.listener, self.method, self.path)
    }
}

/// A body that a route takes.
#[derive(Clone)]
pub(super) enum Body {
    None,
    Json(Value),
    /// What it holds, and how that is sealed or signed.
    Around(Value, fn(&Value) -> String),
    /// Text in which each value stands between `‹` and `›`.
    Text(&'static str, String),
    Form(Vec<(&'static str, String)>),
}

/// A request that a route answers with one of `statuses`.
pub(super) struct Sample {
    /// In place of the parameter of the path.
    pub(super) segment: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Body,
    pub(super) statuses: &'static [u16],
}

/// One request.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) place: String,
    pub(super) target: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Sample {
    pub(super) fn has_status(&self, status: u16) -> bool {
        self.statuses.contains(&status)
    }

    /// The request as it is valid.
    pub(super) fn valid(&self, route: &Route) -> Request {
        self.request(route, String::new(), &self.body)
    }

    fn request(&self, route: &Route, place: String, body: &Body) -> Request {
        let body_text = body.text();
        let kind = body.kind().map(|kind| ("content-type".to_owned(), kind.to_owned()));
        Request {
            place,
            target: self.target(route, &self.segment, &self.query),
            headers: kind.into_iter().collect(),
            body: body_text,
        }
    }

    fn target(&self, route: &Route, segment: &str, query: &[(&'static str, String)]) -> String {
        let parts: Vec<_> =
            route.path.split('/').map(|part| if part.starts_with('{') { segment } else { part }).collect();
        let mut target = parts.join("/");
        if !query.is_empty() {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
            target = format!("{target}?{query}");
        }
        target
    }

    /// The same request with a marker in one place, for every place that there is.
    pub(super) fn marked(&self, route: &Route, markers: &mut Markers) -> Vec<Request> {
        let name = route.name();
        let mut all = Vec::new();
        let as_it_is = self.valid(route);
        let valid = |place: &str| Request { place: place.to_owned(), ..as_it_is.clone() };
        if route.path.contains('{') {
            let place = format!("{name}: path");
            let target = self.target(route, &markers.text(&place), &self.query);
            all.push(Request { target, ..valid(&place) });
        }
        let place = format!("{name}: name in the query");
        let unknown = format!("{}={}", markers.text(&place), markers.text(&place));
        let and = if self.query.is_empty() { '?' } else { '&' };
        let target = format!("{}{and}{unknown}", as_it_is.target);
        all.push(Request { target, ..valid(&place) });
        for parameter in &route.query {
            let place = format!("{name}: query {parameter}");
            let mut pairs: Vec<(&str, String)> =
                self.query.iter().map(|(name, value)| (*name, value.clone())).collect();
            pairs.retain(|(known, _)| *known != parameter.as_str());
            pairs.push((parameter.as_str(), markers.text(&place)));
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let target = format!("{}?{query}", self.target(route, &self.segment, &[]));
            all.push(Request { target, ..valid(&place) });
        }
        for (header, value) in headers(route, &name, markers) {
            let place = format!("{name}: header {header}");
            let mut request = valid(&place);
            request.headers.insert(header, value);
            all.push(request);
        }
        for (place, body) in self.body.marked(&name, markers) {
            all.push(self.request(route, place, &body));
        }
        for kind in ["application/json", FORM, "text/plain", BOUNDARY] {
            let place = format!("{name}: body that is no {kind}");
            let mut request = valid(&place);
            request.headers.insert("content-type".to_owned(), kind.to_owned());
            request.body = format!("[{{\"{0}\": {0}", markers.text(&place));
            all.push(request);
        }
        all
    }
}

/// Headers that a browser, a proxy, a tracer or a client sends. One request bears one of them.
const HEADERS: &str = "accept accept-charset accept-encoding accept-language access-control-request-headers \
    access-control-request-method authorization baggage cache-control content-encoding \
    content-language content-type cookie date forwarded from host idempotency-key if-match \
    if-modified-since if-none-match origin prefer proxy-authorization range referer sec-fetch-mode \
    sec-fetch-site traceparent tracestate user-agent via x-api-key x-forwarded-for x-forwarded-host \
    x-forwarded-proto x-hub-signature x-request-id";

fn headers(route: &Route, name: &str, markers: &mut Markers) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |header: &str, value: &dyn Fn(&str) -> String| {
        let marker = markers.text(&format!("{name}: header {header}"));
        all.push((header.to_owned(), value(&marker)));
    };
    for header in HEADERS.split_whitespace() {
        add(header, &str::to_owned);
    }
    add("accept", &|marker| format!("text/{marker}, text/html"));
    add("authorization", &bearer);
    add("authorization", &basic);
    add("origin", &|marker| format!("https://{marker}.example"));
    add("host", &|marker| format!("{marker}.example"));
    add("x-hub-signature", &|marker| format!("sha256={marker}"));
    if route.path.starts_with("/birthReceiveNid") {
        for claim in ["iss", "aud", "sub", "jti"] {
            add("authorization", &|marker| bearer(&site::token(&[(claim, marker)])));
        }
    }
    let place = format!("{name}: name of a header");
    all.push((markers.text(&place), markers.text(&place)));
    all
}

impl Body {
    fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Json(_) | Self::Around(..) => Some("application/json"),
            Self::Text(kind, _) => Some(kind),
            Self::Form(_) => Some(FORM),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Json(value) => value.to_string(),
            Self::Around(value, wrap) => wrap(value),
            Self::Text(_, text) => text.replace(['‹', '›'], ""),
            Self::Form(pairs) => form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish(),
        }
    }

    /// The body with a marker in one of its values or as a further name, for each of them.
    fn marked(&self, name: &str, markers: &mut Markers) -> Vec<(String, Self)> {
        match self {
            Self::None => Vec::new(),
            Self::Json(value) => marked(value, name, "body at", markers)
                .into_iter()
                .map(|(place, value)| (place, Self::Json(value)))
                .collect(),
            Self::Around(value, wrap) => {
                let inside = marked(value, name, "sealed at", markers).into_iter();
                let inside = inside.map(|(place, value)| (place, Self::Around(value, *wrap)));
                let whole: Value = serde_json::from_str(&wrap(value)).unwrap();
                let outside = marked(&whole, name, "body at", markers).into_iter();
                inside.chain(outside.map(|(place, value)| (place, Self::Json(value)))).collect()
            }
            Self::Text(kind, text) => {
                let slots: Vec<usize> = text.match_indices('‹').map(|(at, _)| at).collect();
                let fill = |(slot, at): (usize, &usize)| {
                    let place = format!("{name}: body, value {slot}");
                    let (before, rest) = text.split_at(*at);
                    let (_, after) = rest.split_once('›').unwrap();
                    let text = format!("{before}‹{}›{after}", markers.text(&place));
                    (place, Self::Text(kind, text))
                };
                slots.iter().enumerate().map(fill).collect()
            }
            Self::Form(pairs) => {
                let mut all = Vec::new();
                for field in ["find", "about", "do", "reason", "token"] {
                    let place = format!("{name}: field {field}");
                    let mut pairs = pairs.clone();
                    pairs.retain(|(known, _)| *known != field);
                    pairs.push((field, markers.text(&place)));
                    all.push((place, Self::Form(pairs)));
                }
                all
            }
        }
    }
}

/// `value` with a marker in place of one of its texts, or as a further member of one of its objects, for each of them. In place of a number
/// of a person stands one, too.
fn marked(value: &Value, route: &str, whole: &str, markers: &mut Markers) -> Vec<(String, Value)> {
    let mut pointers = Vec::new();
    walk(value, String::new(), &mut pointers);
    let mut all = Vec::new();
    for pointer in pointers {
        let is_sealed = whole.starts_with("sealed");
        let place = match value.pointer(&pointer) {
            Some(Value::Object(_)) if !is_sealed => format!("{route}: name in {pointer}/"),
            _ => format!("{route}: {whole} {pointer}"),
        };
        let mut put = |put: &dyn Fn(&mut Value)| {
            let mut value = value.clone();
            put(value.pointer_mut(&pointer).unwrap());
            all.push((place.clone(), value));
        };
        match value.pointer(&pointer).unwrap() {
            Value::Object(_) => {
                let marker = markers.text(&place);
                put(&|object| object[marker.as_str()] = json!(marker));
            }
            Value::String(text) => {
                let marker = markers.text(&place);
                put(&|value| *value = json!(marker));
                if text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit()) {
                    let number = markers.number(&place, text.len());
                    put(&|value| *value = json!(number));
                }
            }
            _ => {
                let marker = markers.text(&place);
                put(&|value| *value = json!(marker));
            }
        }
    }
    all
}

/// The pointers of the objects and of all that holds nothing in `value`.
fn walk(value: &Value, pointer: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                walk(member, format!("{pointer}/{name}"), pointers);
            }
            pointers.push(pointer);
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, format!("{pointer}/{index}"), pointers);
            }
        }
        _ => pointers.push(pointer),
    }
}
