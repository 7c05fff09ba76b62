//! The OpenAPI 3.1 document of `/api/v1`, at `/api/openapi.json`: one row per operation here, the bodies in `schemas.json`.
//!
//! Tests hold it to the truth: every route of the sources is a row and every row a route, each row's right is the one its handler
//! asks for, and what the handlers answer fits the schemas.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use countersign_core::account::Right;
use http::header;
use serde_json::{Map, Value, json};

mod operations;

pub use operations::OPERATIONS;

/// One operation of `/api/v1`.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// Below `/api/v1`, with its parameters in braces.
    pub path: &'static str,
    /// `operationId`.
    pub id: &'static str,
    /// The right it needs.
    pub right: Right,
    /// What it does, one sentence.
    pub summary: &'static str,
    /// Query parameters and headers, by their names under `components/parameters`.
    pub parameters: &'static [&'static str],
    /// The schema of the request's body, if it takes one.
    pub request: Option<&'static str>,
    /// The status of success.
    pub status: u16,
    /// What success answers.
    pub answer: Answer,
}

/// The body of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// None.
    Nothing,
    /// JSON of a schema.
    Json(&'static str),
    /// Bytes of whatever type was sent.
    Bytes,
}

/// Schemas and parameters.
static COMPONENTS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("openapi/schemas.json")).expect("the embedded file is JSON, which a test reads"));

/// The document, made once.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// `GET /api/openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=300")], DOCUMENT.as_str()).into_response()
}

/// The document.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(format!("/api/v1{}", operation.path)).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described(operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Countersign's own API. The Docusign-compatible one is under /restapi and is not described here.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "An API token, or an access token from /oauth/token."}},
            "parameters": COMPONENTS["parameters"],
            "schemas": COMPONENTS["schemas"],
        },
    })
}

fn described(operation: &Operation) -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .chain(operation.parameters.iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})))
        .collect();
    let mut success = json!({"description": "Done."});
    match operation.answer {
        Answer::Nothing => {}
        Answer::Json(schema) => success["content"] = json!({"application/json": {"schema": reference(schema)}}),
        Answer::Bytes => success["content"] = json!({"*/*": {}}),
    }
    let mut responses = Map::new();
    responses.insert(operation.status.to_string(), success);
    let problem = json!({"description": "Refused, or failed.", "content": {"application/problem+json": {"schema": reference("Problem")}}});
    responses.insert("default".to_owned(), problem);
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "description": format!("Needs a token with the right '{}'.", operation.right.as_str()),
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(schema) = operation.request {
        described["requestBody"] = json!({"content": {"application/json": {"schema": reference(schema)}}});
    }
    described
}
