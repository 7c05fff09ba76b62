//! How two JSON values differ, place by place.

use serde_json::{Map, Value, json};

/// Differences that are listed; more are counted as "and so on".
pub const DIFFERENCES_MAX: usize = 200;
/// Longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 200;
/// Longest place that is shown, in bytes.
const PATH_BYTES_MAX: usize = 1_000;

/// The differences of two values, and whether there are more of them than are listed.
#[derive(Debug, Default, PartialEq)]
pub struct Differences {
    /// `{"path", "change": "added" | "removed" | "changed", "left", "right"}`, the path a JSON Pointer (RFC 6901).
    pub listed: Vec<Value>,
    /// True when [`DIFFERENCES_MAX`] did not suffice.
    pub cut: bool,
}

/// Compares member by member and element by element; the order of members counts for nothing.
#[must_use]
pub fn between(left: &Value, right: &Value) -> Differences {
    let mut found = Differences::default();
    compare(&mut String::new(), left, right, &mut found);
    found
}

/// The depth of the values, and so of the recursion, is bounded by the parser (128).
fn compare(path: &mut String, left: &Value, right: &Value, found: &mut Differences) {
    if found.cut || left == right {
        return;
    }
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => members(path, left, right, found),
        (Value::Array(left), Value::Array(right)) => {
            for at in 0..left.len().max(right.len()) {
                below(path, &at.to_string(), left.get(at), right.get(at), found);
            }
        }
        _ => add(path, "changed", Some(left), Some(right), found),
    }
}

fn members(path: &mut String, left: &Map<String, Value>, right: &Map<String, Value>, found: &mut Differences) {
    for (name, value) in left {
        below(path, name, Some(value), right.get(name), found);
    }
    for (name, value) in right.iter().filter(|(name, _)| !left.contains_key(*name)) {
        below(path, name, None, Some(value), found);
    }
}

fn below(path: &mut String, name: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Differences) {
    let length = path.len();
    path.push('/');
    // RFC 6901 §3.
    path.push_str(&name.replace('~', "~0").replace('/', "~1"));
    match (left, right) {
        (Some(left), Some(right)) => compare(path, left, right, found),
        (Some(_), None) => add(path, "removed", left, None, found),
        (None, Some(_)) => add(path, "added", None, right, found),
        (None, None) => {}
    }
    path.truncate(length);
}

fn add(path: &str, change: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Differences) {
    if found.listed.len() == DIFFERENCES_MAX {
        found.cut = true;
        return;
    }
    let shown = |value: Option<&Value>| value.map(|value| value.to_string().chars().take(VALUE_CHARS_MAX).collect::<String>());
    let path = &path[..path.floor_char_boundary(PATH_BYTES_MAX)];
    found.listed.push(json!({"path": path, "change": change, "left": shown(left), "right": shown(right)}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_difference_is_named_by_its_place() {
        let left = json!({"event": "a", "data": {"x": [1, 2, 3], "gone": null}, "same": {"a": 1, "b": 2}, "a/b": 1});
        let right = json!({"data": {"x": [1, 5], "new": true}, "event": "b", "same": {"b": 2, "a": 1}, "a/b": 2});
        let found = between(&left, &right);
        let lines: Vec<String> = found
            .listed
            .iter()
            .map(|d| format!("{} {} {} {}", d["path"].as_str().unwrap_or_default(), d["change"], d["left"], d["right"]))
            .collect();
        assert_eq!(
            lines,
            [
                r#"/event "changed" "\"a\"" "\"b\"""#,
                r#"/data/x/1 "changed" "2" "5""#,
                r#"/data/x/2 "removed" "3" null"#,
                r#"/data/gone "removed" "null" null"#,
                r#"/data/new "added" null "true""#,
                r#"/a~1b "changed" "1" "2""#,
            ]
        );
        assert!(!found.cut);
        assert_eq!(between(&left, &left.clone()), Differences::default());
    }

    #[test]
    fn the_list_is_cut_where_it_helps_nobody_any_more() {
        let many = |from: usize| Value::from((from..from + 10_000).collect::<Vec<_>>());
        let found = between(&many(0), &many(1));
        assert_eq!((found.listed.len(), found.cut), (DIFFERENCES_MAX, true));
        let long = between(&json!({"x".repeat(5_000): "é".repeat(5_000)}), &json!({}));
        assert!(long.listed[0].to_string().len() < 3_000);
    }
}
