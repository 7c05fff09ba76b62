//! An exchange over the wire, as it is shown.

use std::time::Duration;

use countersign_egress::{Answer, Timings};
use http::{HeaderMap, StatusCode, Version};
use serde_json::{Value, json};

use crate::output::{Paint, Tone};

/// Names and values; values that are not UTF-8 with replacement characters.
pub(crate) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect()
}

/// `Content-Type` of `content-type`, as our HTTP/1.1 client writes it.
pub(crate) fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// `200 OK  HTTP/1.1 from 127.0.0.1:8400 in 3.1 ms (connect 0.2 ms)`.
pub(crate) fn status_line(answer: &Answer, paint: Paint) -> String {
    let status = status(answer.status, paint);
    let Timings { dns, connect, tls, first_byte: _, total } = answer.timings;
    let steps: Vec<String> = [("name", dns), ("connect", connect), ("tls", tls)]
        .into_iter()
        .filter_map(|(name, took)| took.map(|took| format!("{name} {}", millis(took))))
        .collect();
    let steps = if steps.is_empty() { String::new() } else { format!(" ({})", steps.join(", ")) };
    format!("{status}  {} from {} in {}{steps}\n", version(answer.version), answer.remote, millis(total))
}

/// The status with its reason, in its colour.
pub(crate) fn status(status: u16, paint: Paint) -> String {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let tone = if (200..300).contains(&status) { Tone::Good } else { Tone::Bad };
    paint.paint(tone, format!("{status} {reason}").trim_end())
}

/// For programs: milliseconds by step.
pub(crate) fn timings(timings: &Timings) -> Value {
    let ms = |took: Duration| (took.as_secs_f64() * 1e6).round() / 1e3;
    json!({
        "dnsMs": timings.dns.map(ms),
        "connectMs": timings.connect.map(ms),
        "tlsMs": timings.tls.map(ms),
        "firstByteMs": ms(timings.first_byte),
        "totalMs": ms(timings.total),
    })
}

/// `3.1 ms`, or `12.04 s`.
pub(crate) fn millis(took: Duration) -> String {
    if took < Duration::from_secs(10) { format!("{:.1} ms", took.as_secs_f64() * 1e3) } else { format!("{:.2} s", took.as_secs_f64()) }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_are_shown_as_they_are_written() {
        assert_eq!(title_case("content-type"), "Content-Type");
        assert_eq!(title_case("x-docusign-signature-1"), "X-Docusign-Signature-1");
        assert_eq!(title_case(""), "");
    }

    #[test]
    fn times_are_in_the_unit_that_reads_best() {
        assert_eq!(millis(Duration::from_micros(3_140)), "3.1 ms");
        assert_eq!(millis(Duration::from_millis(12_040)), "12.04 s");
    }
}
