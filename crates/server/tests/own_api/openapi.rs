//! The OpenAPI document is the truth: about routes, and about what they answer.

use std::{collections::BTreeSet, fs, path::Path};

use countersign_core::shape::MessageShape;
use countersign_server::openapi::{Answer, OPERATIONS, Operation, document};
use serde_json::{Value, json};

use crate::{
    house::House,
    tenants::{filled, one_of_each},
};

/// `METHOD path` of every route that a source file of `src/api` makes, the parts in braces left nameless.
fn routes_of_sources() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut routes = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for piece in text.split(".route(\"").skip(1) {
            let (route, rest) = piece.split_once('"').unwrap();
            // The hot path stands under its whole path.
            let route = route.strip_prefix("/api/v1/accounts/{account_id}").unwrap_or(route);
            // Below the account, unless the file's routes say otherwise.
            let below_account = !(route.starts_with("/accounts") || route == "/nodes");
            let whole = if below_account { format!("/accounts/{{account_id}}{route}") } else { route.to_owned() };
            let handlers = rest.split(".route(").next().unwrap().split('}').next().unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                let calls = [format!(" {method}("), format!(".{method}(")];
                if calls.iter().any(|call| handlers.contains(call.as_str())) {
                    routes.insert(format!("{} {whole}", method.to_ascii_uppercase()));
                }
            }
        }
    }
    routes
}

#[test]
fn every_route_is_documented_and_every_documented_route_exists() {
    let documented: BTreeSet<String> = OPERATIONS.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    assert_eq!(documented.len(), OPERATIONS.len(), "each once");
    assert_eq!(routes_of_sources(), documented);
}

#[test]
fn the_document_holds_together() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let ids: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(ids.len(), OPERATIONS.len(), "operation ids are unique");
    let mut used = BTreeSet::new();
    references(&document, &mut used);
    for reference in &used {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for kind in ["schemas", "parameters"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "nothing uses {kind}/{name}");
        }
    }
}

#[test]
fn every_shape_of_a_message_is_in_the_document() {
    let shapes: Vec<Value> = (0..=u8::MAX).filter_map(MessageShape::from_code).map(|shape| json!(shape)).collect();
    assert_eq!(document()["components"]["schemas"]["MessageShape"]["enum"], json!(shapes));
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                found.insert(reference.to_owned());
            }
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_served_without_a_token() {
    let house = House::new().await;
    let served = house.call("", "GET", "/api/openapi.json", None).await.expect(200);
    assert_eq!(served, document());
}

#[tokio::test]
async fn what_is_answered_fits_its_schema() {
    let house = House::new().await;
    let ids = one_of_each(&house, &house.home).await;
    let document = document();
    let check = |operation: &Operation, answer: &Value| {
        let Answer::Json(schema) = operation.answer else { return };
        let schema = &document["components"]["schemas"][schema];
        if let Err(why) = fits(answer, schema, &document) {
            panic!("{} {}: {why}\n{answer}", operation.method, operation.path);
        }
    };
    let body = |operation: &Operation| match operation.id {
        "createToken" => json!({"name": "n", "right": "write", "expiresAt": "2030-01-01T00:00:00Z"}),
        "createUser" => json!({"name": "n", "email": "n@example.com"}),
        "createIntegrationKey" => json!({"name": "n", "generateKeyPair": true, "redirectUris": ["https://a.example/"]}),
        "createSubscription" => json!({
            "name": "n", "url": "https://hooks.example/n", "events": ["envelope-sent", "invoice.*"], "retry": "5s,10s", "hmac": true,
            "basic": {"user": "u", "password": "p"}, "headers": {"X-Team": "a"}, "users": {"only": []}, "include": ["custom_fields"],
            "oauth": {"own": {"tokenUrl": "https://id.example/token", "clientId": "c", "clientSecret": "s"}},
        }),
        "saveOAuth" | "changeOAuth" => json!({
            "tokenUrl": "https://id.example/token", "clientId": "c", "clientSecret": "s", "scope": "a", "customParameters": {"audience": "x"},
        }),
        "postEvents" => json!({"event": "invoice.paid", "data": {"a": 1}}),
        "replayDeliveries" => json!({"filter": {"state": ["delivered"], "class": "accepted"}}),
        "playRecipient" => json!({"action": "complete", "tabs": {"a": "b"}}),
        "testSubscription" => json!({"event": "test.it", "data": [1]}),
        _ => json!({}),
    };
    // First what only makes and changes, then what reads, so that lists hold all there is; deletions last, of parts before wholes.
    let rank = |operation: &Operation| match operation.method {
        "POST" | "PUT" | "PATCH" => 0,
        "GET" => 1,
        _ => 1_000 - operation.path.len(),
    };
    let mut operations: Vec<&Operation> = OPERATIONS.iter().collect();
    operations.sort_by_key(|operation| (rank(operation), operation.id == "cancelJob"));
    let mut checked = 0;
    for operation in operations {
        let request = (operation.method != "GET").then(|| body(operation));
        if let (Some(schema), Some(request)) = (operation.request, &request)
            && !matches!(operation.id, "createCertificate")
        {
            let schema = &document["components"]["schemas"][schema];
            if let Err(why) = fits(request, schema, &document) {
                panic!("the request of {} {}: {why}\n{request}", operation.method, operation.path);
            }
        }
        let answer = house.call(&house.home.token, operation.method, &filled(operation.path, &ids), request).await;
        let status = answer.status.as_u16();
        // What cannot be done with a finished delivery, a draft, or the certificate made before.
        let refused = ["retryDelivery", "cancelDelivery", "playRecipient", "createCertificate"];
        if refused.contains(&operation.id) && answer.status.is_client_error() {
            assert_eq!(fits(&answer.json(), &document["components"]["schemas"]["Problem"], &document), Ok(()), "{}", operation.id);
            continue;
        }
        assert_eq!(status, operation.status, "{} {}: {}", operation.method, operation.path, answer.json());
        if operation.answer == Answer::Nothing {
            assert!(answer.body.is_empty(), "{} {}", operation.method, operation.path);
        }
        check(operation, &answer.json());
        checked += 1;
    }
    assert!(checked >= OPERATIONS.len() - 4, "{checked}");
}

/// The part of JSON Schema that the document uses.
fn fits(value: &Value, schema: &Value, document: &Value) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return fits(value, document.pointer(&reference[1..]).unwrap(), document);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return match choices.iter().filter(|choice| fits(value, choice, document).is_ok()).count() {
            1 => Ok(()),
            count => Err(format!("{count} of the choices fit {value}")),
        };
    }
    if let Some(constant) = schema.get("const") {
        return if value == constant { Ok(()) } else { Err(format!("{value} is not {constant}")) };
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return Err(format!("{value} is none of {values:?}"));
    }
    let is = |kind: &str| match kind {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the document has a type '{other}'"),
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is(kind)) {
        return Err(format!("{value} is not {kinds:?}"));
    }
    if let (Some(items), Some(schema)) = (value.as_array(), schema.get("items")) {
        items.iter().try_for_each(|item| fits(item, schema, document))?;
    }
    let Some(map) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            return Err(format!("'{name}' is missing"));
        }
    }
    for (name, value) in map {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => fits(value, schema, document).map_err(|why| format!("{name}: {why}"))?,
            (None, Value::Bool(false)) => return Err(format!("'{name}' is not documented")),
            (None, schema @ Value::Object(_)) => fits(value, schema, document).map_err(|why| format!("{name}: {why}"))?,
            (None, _) => {}
        }
    }
    Ok(())
}
