//! The documents of the API (OpenAPI 3.1), made of the routes themselves, and how they are served.
//!
//! A document describes all that a listener can serve. Which settings switch a route off stands in its text.

mod codes;
mod page;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, ParameterStyle, PathItem, Paths};
use utoipa::openapi::response::{Response as Described, ResponseBuilder};
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Info, OpenApi, Ref, RefOr, Required};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

pub(crate) use self::codes::compared;
use super::request::Query;
use super::{App, plain};
use crate::error::{Code, Error, Fault, Result};
use crate::http::problem::{Problem, headers};

/// What makes the document of each listener, by name. They are made when they are asked for: together they hold as much memory as all else.
pub(crate) type Documents = Vec<(&'static str, fn() -> OpenApi)>;

/// The name of the scheme in which a bearer token is asked for.
const BEARER: &str = "token";

/// Bytes as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[allow(dead_code, reason = "it stands for a body in the documents alone")]
pub(super) struct RawBytes(Vec<u8>);

/// Adds to every operation of `routes` the problems that it may answer: those that `common` and `own` list.
pub(super) fn refusing<S>(
    routes: UtoipaMethodRouter<S>,
    common: &[Code],
    own: &[Code],
) -> UtoipaMethodRouter<S> {
    refusing_in(Form::Problem, routes, &[common, own].concat())
}

/// As [`refusing`], for routes that a person reads in a browser: the refusals `pages` are pages, and `problems` are problems.
pub(super) fn refusing_with_pages<S>(
    routes: UtoipaMethodRouter<S>,
    problems: &[Code],
    pages: &[Code],
) -> UtoipaMethodRouter<S> {
    refusing_in(Form::Page, refusing_in(Form::Problem, routes, problems), pages)
}

/// Adds to every operation of `routes` the refusals `codes` in the form of the system that a face stands in for: `{"error"}`, under the
/// status that `status` gives.
pub(super) fn refusing_as<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    codes: &[Code],
    status: fn(Code, Fault) -> StatusCode,
) -> UtoipaMethodRouter<S> {
    let mut by_status = BTreeMap::<StatusCode, Vec<&str>>::new();
    for code in codes {
        let words = by_status.entry(status(*code, code.fault())).or_default();
        if !words.contains(&code.as_str()) {
            words.push(code.as_str());
        }
    }
    for operation in paths.paths.values_mut().flat_map(operations_mut) {
        for (status, words) in &by_status {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let body = ObjectBuilder::new().property("error", text).required("error");
            let mut response = ResponseBuilder::new().description("What is wrong, in a sentence.").build();
            response.content.insert("application/json".to_owned(), content(Schema::from(body)));
            let words = ExtensionsBuilder::new().add(codes::OWN_FORM, words.clone()).build();
            response.extensions.get_or_insert_default().merge(words);
            operation.responses.responses.insert(status.as_str().to_owned(), RefOr::T(response));
        }
    }
    (schemas, paths, router)
}

/// In which form a route refuses.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// `application/problem+json`
    Problem,
    /// `text/html`
    Page,
}

fn refusing_in<S>(
    form: Form,
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    codes: &[Code],
) -> UtoipaMethodRouter<S> {
    let mut codes = codes.to_vec();
    codes.sort_unstable_by_key(|code| (code.status(), code.as_str()));
    codes.dedup();
    for operation in paths.paths.values_mut().flat_map(operations_mut) {
        for same_status in codes.chunk_by(|one, other| one.status() == other.status()) {
            add_refusals(operation, form, same_status);
        }
    }
    (schemas, paths, router)
}

/// Says that the operations of `routes` take parameters of any name in the query and do not read them, and `why`.
pub(super) fn taking_any_query<S>(
    why: &str,
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    let parameter = ParameterBuilder::new()
        .name("others")
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .style(Some(ParameterStyle::Form))
        .explode(Some(true))
        .description(Some(why))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::Object)
                .additional_properties(Some(AdditionalProperties::FreeForm(true))),
        ))
        .build();
    for operation in paths.paths.values_mut().flat_map(operations_mut) {
        operation.parameters.get_or_insert_default().push(RefOr::T(parameter.clone()));
    }
    (schemas, paths, router)
}

/// Says that the operations of `routes` take an empty body, too.
pub(super) fn taking_empty_body<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    let operations = paths.paths.values_mut().flat_map(operations_mut);
    for body in operations.filter_map(|operation| operation.request_body.as_mut()) {
        if let RefOr::T(body) = body {
            body.required = Some(Required::False);
        }
    }
    (schemas, paths, router)
}

/// The same routes at another path.
pub(super) fn at<S>(path: &str, (schemas, paths, router): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    let mut moved = Paths::new();
    moved.paths.extend(paths.paths.into_values().map(|item| (path.to_owned(), item)));
    (schemas, moved, router)
}

/// Names the wildcard at the end of `path`, if it has one, among the parameters.
pub(super) fn with_rest<S>(
    path: &str,
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    if let Some(name) = path.split_once("{*").and_then(|(_, name)| name.strip_suffix('}')) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
            .build();
        for operation in paths.paths.values_mut().flat_map(operations_mut) {
            operation.parameters.get_or_insert_default().push(RefOr::T(parameter.clone()));
        }
    }
    (schemas, paths, router)
}

fn add_refusals(operation: &mut Operation, form: Form, codes: &[Code]) {
    let Some(first) = codes.first() else { return };
    let responses = &mut operation.responses.responses;
    let empty = || RefOr::T(ResponseBuilder::new().build());
    let RefOr::T(response) = responses.entry(first.status().to_string()).or_insert_with(empty) else {
        return;
    };
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    for code in codes {
        let line = format!("`{}`: {}.", code.as_str(), code.title());
        if !response.description.contains(&line) {
            let gap = if response.description.is_empty() { "" } else { "\n" };
            response.description.push_str(&format!("{gap}{line}"));
        }
    }
    let text = || ObjectBuilder::new().schema_type(Type::String);
    match form {
        Form::Problem => {
            for code in codes {
                let names = headers(*code).into_iter().filter_map(|(name, _)| name);
                for name in names.filter(|name| *name != header::CONTENT_TYPE) {
                    describe_header(response, name.as_str(), "See RFC 9110.");
                }
            }
            let code = text().enum_values(Some(words));
            let schema = AllOfBuilder::new()
                .item(Ref::from_schema_name("Problem"))
                .item(ObjectBuilder::new().property("code", code));
            let content = content(Schema::AllOf(schema.build()));
            response.content.insert("application/problem+json".to_owned(), content);
        }
        Form::Page => {
            response.content.insert("text/html".to_owned(), content(Schema::from(text())));
            let words = ExtensionsBuilder::new().add(codes::PAGES, words).build();
            response.extensions.get_or_insert_default().merge(words);
        }
    }
}

fn content(schema: Schema) -> RefOr<Content> {
    RefOr::T(ContentBuilder::new().schema(Some(RefOr::T(schema))).build())
}

fn describe_header(response: &mut Described, name: &str, what: &str) {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String));
    header.description = Some(what.to_owned());
    response.headers.entry(name.to_owned()).or_insert(RefOr::T(header));
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten()
}

/// What a document says beside its routes.
pub(crate) struct About {
    /// The listener.
    pub(crate) name: &'static str,
    /// Who calls it, in a sentence.
    pub(crate) text: &'static str,
    /// The setting of its bearer token, if it can have one.
    pub(crate) token: Option<&'static str>,
}

/// The document of a listener with `routes`.
pub(crate) fn document(about: &About, routes: OpenApi) -> OpenApi {
    let mut document = routes;
    document.info =
        Info::new(format!("mosip-gateway, listener {}", about.name), env!("CARGO_PKG_VERSION").to_owned());
    document.info.description = Some(format!(
        "{} A path that is not there is answered 404 `not-found`. A method that a path does not take is answered 405 `method-not-allowed`, with `Allow`. HEAD is answered as GET is, without the body. The body of a request whose route takes none is not read. Every refusal is a problem (RFC 9457) unless its route says otherwise.",
        about.text
    ));
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        name_operations(&path, &mut item);
        for response in
            operations_mut(&mut item).flat_map(|operation| operation.responses.responses.values_mut())
        {
            if let RefOr::T(response) = response {
                describe_header(response, "x-request-id", "Names the log line of the request.");
            }
        }
        // A wildcard of the router is a parameter like any other here.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
    let components = document.components.get_or_insert_default();
    demand_no_member_of_absent_parts(&mut components.schemas);
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    if let Some(setting) = about.token {
        components.add_security_scheme(BEARER, bearer(format!("Where `{setting}` is set.")));
        let nothing = SecurityRequirement::default();
        document.security = Some(vec![nothing, SecurityRequirement::new(BEARER, [] as [String; 0])]);
    }
    document
}

/// A flattened member that may be absent is described as an object or null, and a body is never both that null and an object. What holds of the
/// body is that it may have the members of that object.
fn demand_no_member_of_absent_parts(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    let named = schemas.clone();
    let object_of = |part: &RefOr<Schema>| {
        let schema = match part {
            RefOr::Ref(name) => named.get(name.ref_location.rsplit('/').next()?)?,
            inline @ RefOr::T(_) => inline,
        };
        match schema {
            RefOr::T(Schema::Object(object)) if !object.properties.is_empty() => Some(object.clone()),
            _ => None,
        }
    };
    for schema in schemas.values_mut() {
        let RefOr::T(Schema::AllOf(whole)) = schema else { continue };
        for part in &mut whole.items {
            let RefOr::T(Schema::OneOf(object_or_null)) = &*part else { continue };
            if let Some(mut object) = object_or_null.items.iter().find_map(object_of) {
                object.required.clear();
                *part = RefOr::T(Schema::Object(object));
            }
        }
    }
}

/// A token in `Authorization: Bearer`. `what`: which one, and where it is asked for.
pub(super) fn bearer(what: impl Into<String>) -> SecurityScheme {
    let mut scheme = Http::new(HttpAuthScheme::Bearer);
    scheme.description = Some(what.into());
    SecurityScheme::Http(scheme)
}

/// By method and path, since names of functions repeat.
fn name_operations(path: &str, item: &mut PathItem) {
    let words: Vec<&str> =
        path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slash = if path.len() > 1 && path.ends_with('/') { "_" } else { "" };
    for (method, operation) in
        [("get", &mut item.get), ("post", &mut item.post), ("delete", &mut item.delete)]
    {
        if let Some(operation) = operation {
            operation.operation_id = Some(format!("{method}_{}{slash}", words.join("_")));
        }
    }
}

/// The documentation, on the internal listener.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(refusing(routes!(document_of), &plain::COMMON, &[Code::Field, Code::NotFound]))
        .routes(refusing(routes!(docs), &plain::COMMON, &[Code::Field, Code::NotFound]))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// The name of a listener; `internal` where none is given.
    listener: Option<String>,
}

impl Which {
    fn find(&self, documents: &Documents) -> Result<OpenApi> {
        let name = self.listener.as_deref().unwrap_or(plain::LISTENER);
        documents.iter().find(|(known, _)| *known == name).map(|(_, document)| document()).ok_or_else(|| {
            let names: Vec<_> = documents.iter().map(|(name, _)| *name).collect();
            Error::new(Code::NotFound, "there is no such listener")
                .advise(format!("The listeners are {}.", names.join(", ")))
        })
    }
}

/// The API of a listener as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", params(Which), responses((status = 200, description = "The document.", body = serde_json::Value)))]
async fn document_of(State(app): State<App>, Query(which): Query<Which>) -> Result<Response> {
    Ok(axum::Json(which.find(app.documents())?).into_response())
}

/// The same for a reader: a page without scripts that loads nothing.
#[utoipa::path(get, path = "/docs", params(Which), responses((status = 200, description = "The page.", content_type = "text/html", body = String)))]
async fn docs(State(app): State<App>, Query(which): Query<Which>) -> Result<Response> {
    let names: Vec<_> = app.documents().iter().map(|(name, _)| *name).collect();
    let document = serde_json::to_value(which.find(app.documents())?)
        .map_err(|_| Error::new(Code::Bug, "the document does not serialise"))?;
    let markup = page::render(&document, &names);
    let response =
        ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], markup.into_string()).into_response();
    Ok(super::ops::protect(response).await)
}

#[cfg(test)]
mod tests;
