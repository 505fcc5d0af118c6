//! A document for a reader.

use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::faces::ops::page;

/// `document` as a page; `listeners` are those that have one.
pub(super) fn render(document: &Value, listeners: &[&str]) -> Markup {
    let title = text(member(document, "/info/title"));
    let schemas = member(document, "/components/schemas").as_object();
    let tokens = entries(member(document, "/components/securitySchemes"));
    page::document(
        title,
        html! {
            header { h1 { (title) " " (text(member(document, "/info/version"))) } p { (text(member(document, "/info/description"))) } }
            nav { @for name in listeners { a href={ "?listener=" (name) } { (name) } " " } a href="/openapi.json" { "openapi.json" } }
            @for (name, scheme) in tokens { p { "Bearer token " code { (name) } ": " (text(member(scheme, "/description"))) } }
            @for (path, item) in entries(member(document, "/paths")) {
                @for (method, operation) in entries(item) { (render_operation(path, method, operation)) }
            }
            @if let Some(schemas) = schemas {
                h2 { "Bodies" }
                @for (name, schema) in schemas {
                    section id=(name) { h3 { (name) } (render_schema(schema)) }
                }
            }
        },
    )
}

fn render_operation(path: &str, method: &str, operation: &Value) -> Markup {
    let parameters = member(operation, "/parameters").as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        section id=(text(member(operation, "/operationId"))) {
            h2 { (method.to_uppercase()) " " (path) }
            p { (text(member(operation, "/summary"))) }
            @if !text(member(operation, "/description")).is_empty() { p { (text(member(operation, "/description"))) } }
            @for name in member(operation, "/security").as_array().into_iter().flatten().flat_map(entries).map(|(name, _)| name) {
                p { "Bearer token: " code { (name) } }
            }
            @if !parameters.is_empty() {
                h3 { "Parameters" }
                ul { @for parameter in parameters { li {
                    code { (text(member(parameter, "/name"))) } ", " (text(member(parameter, "/in")))
                    @if member(parameter, "/required") == true { ", required" }
                    ": " (text(member(parameter, "/description"))) " " (render_schema(member(parameter, "/schema")))
                } } }
            }
            @let body = member(operation, "/requestBody/content");
            @if body.is_object() { h3 { "Body" } (render_content(body)) }
            h3 { "Answers" }
            dl { @for (status, response) in entries(member(operation, "/responses")) {
                dt { (status) }
                dd {
                    @for line in text(member(response, "/description")).lines() { p { (line) } }
                    @let headers: Vec<&str> = entries(member(response, "/headers")).map(|(name, _)| name).collect();
                    p { "Headers: " (headers.join(", ")) }
                    (render_content(member(response, "/content")))
                }
            } }
        }
    }
}

fn render_content(content: &Value) -> Markup {
    html! {
        @for (kind, media) in entries(content) { p { code { (kind) } ": " (render_schema(member(media, "/schema"))) } }
    }
}

/// A schema in words. Named ones are led to, so that none contains itself.
fn render_schema(schema: &Value) -> Markup {
    if let Some(name) = member(schema, "/$ref").as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#" (name) } { (name) } };
    }
    let alternatives =
        ["allOf", "oneOf", "anyOf"].into_iter().find_map(|key| Some((key, schema.get(key)?.as_array()?)));
    if let Some((key, parts)) = alternatives {
        let between = if key == "allOf" { " with " } else { " or " };
        return html! { @for (index, part) in parts.iter().enumerate() { @if index > 0 { (between) } (render_schema(part)) } };
    }
    let words: Vec<&str> =
        member(schema, "/enum").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let required = |name: &str| {
        member(schema, "/required").as_array().is_some_and(|names| names.iter().any(|one| one == name))
    };
    html! {
        (kind(schema))
        @if !words.is_empty() { ": " @for word in &words { code { (word) } " " } }
        @if member(schema, "/items").is_object() { " of " (render_schema(member(schema, "/items"))) }
        @if member(schema, "/properties").is_object() {
            ul { @for (name, schema) in entries(member(schema, "/properties")) { li {
                code { (name) } @if !required(name) { " (optional)" } ": "
                (text(member(schema, "/description"))) " " (render_schema(schema))
            } } }
        }
    }
}

fn kind(schema: &Value) -> String {
    match member(schema, "/type") {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter).map(|(name, value)| (name.as_str(), value))
}

/// What stands at `pointer`, or null.
fn member<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
