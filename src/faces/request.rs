//! What a request brings, read the same way for every route: its query, the names in its path, its body in JSON. A refusal names
//! parameters and members that the route knows, and repeats nothing else.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Path, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use utoipa::IntoParams;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{OpenApi, RefOr};

use crate::error::{Code, Error, Result};
use crate::http::{body, guard};
use crate::json::{self, Mismatch, Object};
use crate::ledger::IdempotencyKey;

/// A query read strictly: a parameter that is missing, wrong, given twice or, where `T` says so, unknown is refused.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// The operations of a document that take a query.
pub(super) type TakeQuery = Arc<HashSet<(Method, String)>>;

/// Those of `document`.
pub(super) fn take_query(document: &OpenApi) -> TakeQuery {
    let is_query = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(it) if it.parameter_in == ParameterIn::Query);
    let takes = |operation: &Option<Operation>| {
        operation.iter().flat_map(|operation| operation.parameters.iter().flatten()).any(is_query)
    };
    let mut found = HashSet::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in
            [(Method::GET, &item.get), (Method::POST, &item.post), (Method::DELETE, &item.delete)]
        {
            if takes(operation) {
                found.insert((method, path.clone()));
            }
        }
    }
    Arc::new(found)
}

/// Refuses a query that a route does not take, as one that takes some refuses a parameter that it does not know: whoever wrote it means
/// something that would not happen.
pub(super) async fn refuse_unread_query(
    State(takes): State<TakeQuery>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Result<Response> {
    if request.uri().query().is_some()
        && let Some(path) = path
    {
        let method = if request.method() == Method::HEAD { Method::GET } else { request.method().clone() };
        if !takes.contains(&(method, path.as_str().to_owned())) {
            refuse_query(&request)?;
        }
    }
    Ok(next.run(request).await)
}

/// Refuses the query of `request`, if it has one.
pub(super) fn refuse_query(request: &Request) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    query_of(request).map(|Nothing {}| ())
}

/// The query of `request`, read as strictly as [`Query`] is.
pub(super) fn query_of<T: DeserializeOwned>(request: &Request) -> Result<T> {
    read_query(request.uri().query().unwrap_or_default())
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T> {
    QUERY.read(query.as_bytes())
}

/// Names with their values, in `application/x-www-form-urlencoded`.
pub(super) struct Encoded {
    /// What holds them.
    whole: &'static str,
    /// What one of them is.
    part: &'static str,
    /// What to do about a refusal.
    advice: &'static str,
}

/// A query.
const QUERY: Encoded = Encoded {
    whole: "the query",
    part: "parameter",
    advice: "Correct the query; /docs lists the parameters.",
};

/// A form of a page.
pub(super) const FORM: Encoded =
    Encoded { whole: "the form", part: "field", advice: "Load the page again, and repeat what you did." };

impl Encoded {
    /// Reads `text` strictly.
    pub(super) fn read<T: DeserializeOwned>(&self, text: &[u8]) -> Result<T> {
        let part = self.part;
        let pairs: Vec<_> = form_urlencoded::parse(text).collect();
        let is_repeated =
            |index: usize, name: &str| pairs.iter().take(index).any(|(earlier, _)| earlier == name);
        if pairs.iter().enumerate().any(|(index, (name, _))| is_repeated(index, name)) {
            return Err(self.refused(&format!("a {part} is given twice")));
        }
        let text = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text));
        serde_path_to_error::deserialize(text).map_err(|error| {
            match (Mismatch::of(&error.inner().to_string()), error.path().iter().next()) {
                (Mismatch::Unknown { known }, _) => {
                    self.refused(&format!("there is an unknown {part}; {known}"))
                }
                (Mismatch::Missing { name }, _) => self.missing(&name),
                (Mismatch::Other, Some(Segment::Map { key })) => {
                    self.refused(&format!("the value of `{key}` is none that this {part} takes"))
                }
                (Mismatch::Other, _) => self.refused("it cannot be read"),
            }
        })
    }

    /// The field or parameter `name` is missing.
    pub(super) fn missing(&self, name: &str) -> Error {
        self.refused(&format!("`{name}` is missing"))
    }

    fn refused(&self, what: &str) -> Error {
        Error::new(Code::Field, format!("{}: {what}", self.whole)).advise(self.advice)
    }
}

/// The body of `request`, a form of a page, read as strictly as a query is.
pub(super) async fn read_form<T: DeserializeOwned>(request: Request, limits: &body::Limits) -> Result<T> {
    guard::require_form(request.headers())?;
    guard::refuse_compressed(request.headers())?;
    FORM.read(&body::read(request, limits).await?)
}

/// The one name in the path of a route.
pub(super) struct Name(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(name) = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::new(Code::NotFound, "the path holds what is not UTF-8 text"))?;
        Ok(Self(name))
    }
}

/// Of two keys nobody knows which one is meant.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>> {
    let mut keys = headers.get_all("idempotency-key").iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => IdempotencyKey::parse(key.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Error::new(Code::Malformed, "there are two Idempotency-Key headers")
            .advise("Send one Idempotency-Key, or none.")),
    }
}

/// The body of `request`, an object in JSON.
pub(super) async fn read_object<T>(request: Request, limits: &body::Limits) -> Result<T>
where
    T: DeserializeOwned + Send + 'static,
{
    read_json(request, limits, |body| read_as_object(&body)).await
}

/// The object in JSON that `body` is.
pub(super) fn read_as_object<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T> {
    json::read(body).map(|Object(read)| read)
}

/// What `read` makes of the body of `request`, which says that it is JSON.
pub(super) async fn read_json<T, F>(request: Request, limits: &body::Limits, read: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(body::HeldBody) -> Result<T> + Send + 'static,
{
    read_json_body(request, limits).await?.read_as(read).await
}

/// The body of `request`, which says that it is JSON.
pub(super) async fn read_json_body(request: Request, limits: &body::Limits) -> Result<body::HeldBody> {
    guard::require_json(request.headers())?;
    guard::refuse_compressed(request.headers())?;
    body::read(request, limits).await
}

/// The query of a decision.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Reason {
    /// Why it was taken; it is logged and kept.
    pub(super) reason: String,
}

/// The answer to a path that is not there.
pub(crate) async fn not_found() -> Error {
    Error::new(Code::NotFound, "there is no such route")
}

/// The answer to a method that a path does not take.
pub(super) async fn method_not_allowed() -> Error {
    Error::new(Code::MethodNotAllowed, "this route takes another method")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Form {
        Json,
        Csv,
    }

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        reason: String,
        format: Option<Form>,
        #[serde(default)]
        from: u64,
    }

    #[test]
    fn a_query_is_read_with_what_is_left_out() {
        let asked: Asked = read_query("reason=a%20b+c&format=csv").unwrap();
        assert_eq!(asked, Asked { reason: "a b c".to_owned(), format: Some(Form::Csv), from: 0 });
    }

    #[test]
    fn a_query_is_refused_by_the_parameter_and_nothing_of_the_caller_is_repeated() {
        for (query, what) in [
            ("", "`reason` is missing"),
            ("reason=a&47110815=b", "there is an unknown parameter; known are `reason`, `format`, `from`"),
            ("reason=a&reason=47110815", "a parameter is given twice"),
            ("reason=a&47110815=1&47110815=2", "a parameter is given twice"),
            ("reason=a&from=47110815x", "the value of `from` is none that this parameter takes"),
            ("reason=a&from=-1", "the value of `from` is none that this parameter takes"),
            ("reason=a&format=47110815", "the value of `format` is none that this parameter takes"),
        ] {
            let error = read_query::<Asked>(query).unwrap_err();
            assert_eq!((error.code(), error.pointer()), (Code::Field, None), "{query}");
            assert_eq!(error.detail(), format!("the query: {what}"), "{query}");
            assert!(!format!("{error:?}").contains("47110815"), "{error:?}");
        }
    }

    #[test]
    fn a_form_is_refused_as_a_query_is() {
        for (form, what) in [
            ("", "`reason` is missing"),
            ("reason=a&47110815=b", "there is an unknown field; known are `reason`, `format`, `from`"),
            ("reason=a&reason=47110815", "a field is given twice"),
            ("reason=a&from=47110815x", "the value of `from` is none that this field takes"),
        ] {
            let error = FORM.read::<Asked>(form.as_bytes()).unwrap_err();
            assert_eq!(
                (error.code(), error.detail()),
                (Code::Field, &*format!("the form: {what}")),
                "{form}"
            );
            assert!(!format!("{error:?}").contains("47110815"), "{error:?}");
        }
    }
}
