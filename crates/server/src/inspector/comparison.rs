//! Two arrivals side by side: which headers and which parts of the body differ.

use serde_json::{Value, json};

use super::{arrival::Arrival, json_difference, shown};

/// Longest body that is compared as JSON, in bytes. Longer ones are compared byte by byte alone.
pub const JSON_BYTES_MAX: usize = 1 << 20;
/// Headers that are listed; no server of ours takes more of them.
const HEADERS_MAX: usize = 500;
/// Bytes shown from the first difference on.
const WINDOW_BYTES: usize = 32;

/// `{"headers": [..], "body": {..}}`.
#[must_use]
pub fn between(left: &Arrival, right: &Arrival) -> Value {
    json!({
        "left": left.id,
        "right": right.id,
        "requestLine": (line(left) != line(right)).then(|| json!({"left": line(left), "right": line(right)})),
        "headers": headers(left, right),
        "body": body(&left.body, &right.body),
    })
}

fn line(arrival: &Arrival) -> String {
    format!("{} {} {}", arrival.method, arrival.target, arrival.version)
}

/// Headers that only one of them has or that differ, in the order of the left one and then of the right one.
fn headers(left: &Arrival, right: &Arrival) -> Vec<Value> {
    let values = |arrival: &Arrival, name: &str| arrival.header_values(name).map(shown::text).collect::<Vec<_>>();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in left.headers.iter().chain(&right.headers).take(2 * HEADERS_MAX) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut found = Vec::new();
    for name in names {
        let (left, right) = (values(left, name), values(right, name));
        let change = match (left.is_empty(), right.is_empty()) {
            (true, _) => "added",
            (_, true) => "removed",
            _ if left != right => "changed",
            _ => continue,
        };
        found.push(json!({"name": name, "change": change, "left": left, "right": right}));
    }
    found
}

/// Whether the bodies are the same bytes; if not, whether they are the same JSON, and where they differ.
fn body(left: &[u8], right: &[u8]) -> Value {
    let sizes = json!({"left": left.len(), "right": right.len()});
    if left == right {
        return json!({"same": true, "bytes": sizes});
    }
    let at = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let window = |body: &[u8]| String::from_utf8_lossy(&body[at..body.len().min(at + WINDOW_BYTES)]).into_owned();
    let mut shown = json!({
        "same": false,
        "bytes": sizes,
        "firstDifference": {"at": at, "left": window(left), "right": window(right)},
        "sameJson": null,
        "json": null,
    });
    let parsed = |body: &[u8]| serde_json::from_slice::<Value>(body).ok().filter(|_| body.len() <= JSON_BYTES_MAX);
    if let (Some(left), Some(right)) = (parsed(left), parsed(right)) {
        let found = json_difference::between(&left, &right);
        shown["sameJson"] = found.listed.is_empty().into();
        shown["json"] = json!({"differences": found.listed, "cut": found.cut});
    }
    shown
}

#[cfg(test)]
mod tests {
    use countersign_core::{Timestamp, id::ArrivalId};

    use super::*;

    fn arrival(id: u64, headers: &[(&str, &str)], body: &[u8]) -> Arrival {
        let mut request = http::Request::post("/i/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap_or_default().into_parts();
        let arrival = Arrival::new(Timestamp::from_millis(0), &head, body, true);
        Arrival { id: ArrivalId::from_raw(id), ..arrival }
    }

    #[test]
    fn headers_and_bodies_are_compared_each_in_its_way() {
        let left = arrival(1, &[("x-a", "1"), ("x-b", "1"), ("x-c", "1"), ("x-c", "2")], br#"{"retryCount":0,"event":"a"}"#);
        let right = arrival(2, &[("x-a", "1"), ("x-c", "1"), ("x-d", "1")], br#"{"event":"a","retryCount":1}"#);
        let found = between(&left, &right);
        assert_eq!(
            found["headers"],
            json!([
                {"name": "x-b", "change": "removed", "left": ["1"], "right": []},
                {"name": "x-c", "change": "changed", "left": ["1", "2"], "right": ["1"]},
                {"name": "x-d", "change": "added", "left": [], "right": ["1"]},
            ])
        );
        assert_eq!(found["body"]["firstDifference"]["at"], 2);
        assert_eq!(found["body"]["json"]["differences"], json!([{"path": "/retryCount", "change": "changed", "left": "0", "right": "1"}]));
        assert_eq!(found["requestLine"], Value::Null);

        let respaced = between(&arrival(1, &[], b"{\"a\": 1}"), &arrival(2, &[], b"{\"a\":1}"));
        assert_eq!((&respaced["body"]["same"], &respaced["body"]["sameJson"]), (&json!(false), &json!(true)), "same JSON in other bytes");
        let same = between(&left, &left);
        assert_eq!((&same["headers"], &same["body"]["same"]), (&json!([]), &json!(true)));
        let binary = between(&arrival(1, &[], b"\xff\x00"), &arrival(2, &[], b"\xff"));
        assert_eq!((&binary["body"]["firstDifference"]["at"], &binary["body"]["json"]), (&json!(1), &Value::Null));
    }
}
