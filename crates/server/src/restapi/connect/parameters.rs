//! Query parameters: names and switches as tolerant as in bodies; a parameter that nothing here understands is refused by its
//! name, since a filter that is silently ignored answers another question.

use axum::extract::RawQuery;
use serde_json::{Map, Value};

use crate::{failure::Failure, restapi::wire::Wire};

/// Longest query, in bytes.
const QUERY_BYTES_MAX: usize = 16 << 10;

/// Reads a query; a name given twice counts as a comma-separated list, as the Node SDK sends lists.
///
/// # Errors
/// 400 naming the parameter that is not one of `known`.
pub(super) fn read(query: &RawQuery, known: &[&str]) -> Result<Wire, Failure> {
    let query = query.0.as_deref().unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(Failure::invalid_parameter(format!("the query is longer than {QUERY_BYTES_MAX} bytes")));
    }
    let mut read: Map<String, Value> = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let shown = || name.chars().take(64).flat_map(char::escape_debug).collect::<String>();
        let Some(name) = known.iter().find(|known| known.eq_ignore_ascii_case(&name)) else {
            return Err(Failure::invalid_parameter(format!(
                "the query parameter '{}' is not supported here; {}",
                shown(),
                if known.is_empty() { "none is".to_owned() } else { format!("these are: {}", known.join(", ")) }
            )));
        };
        match read.get_mut(*name) {
            Some(Value::String(before)) => *before = format!("{before},{value}"),
            _ => {
                read.insert((*name).to_owned(), value.into_owned().into());
            }
        }
    }
    Wire::of(Value::Object(read))
}

/// A whole number between bounds; `default` when absent.
///
/// # Errors
/// 400 for anything else.
pub(super) fn count(parameters: &Wire, name: &str, default: u32, bounds: std::ops::RangeInclusive<u32>) -> Result<u32, Failure> {
    let Some(number) = parameters.number(name)? else { return Ok(default) };
    u32::try_from(number)
        .ok()
        .filter(|number| bounds.contains(number))
        .ok_or_else(|| Failure::invalid_parameter(format!("{name} is {number}; it can be {} to {}", bounds.start(), bounds.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_nothing_understands_is_named() {
        let read = |query: &str| read(&RawQuery(Some(query.to_owned())), &["from_date", "count"]);
        let parameters = read("From_Date=2025-11-01T00%3A00%3A00%2B00%3A00&count=5&count=6").expect("known");
        assert_eq!(parameters.text("from_date"), Ok(Some("2025-11-01T00:00:00+00:00".to_owned())));
        assert_eq!(parameters.text("count"), Ok(Some("5,6".to_owned())));
        let refused = read("status=Sent").expect_err("unknown");
        assert!(refused.message.contains("'status'") && refused.message.contains("from_date, count"), "{refused}");
    }

    #[test]
    fn a_count_outside_its_bounds_is_refused() {
        let read = |text: &str| count(&read(&RawQuery(Some(format!("count={text}"))), &["count"]).expect("known"), "count", 100, 1..=1_000);
        for (text, number) in
            [("1", Some(1)), ("1000", Some(1_000)), ("", Some(100)), ("0", None), ("1001", None), ("-1", None), ("x", None)]
        {
            assert_eq!(read(text).ok(), number, "{text}");
        }
    }
}
