//! Everything there is to say of one arrival, line by line. All of it is escaped.

use countersign_listener::Authorized;

use crate::{
    listen::{
        arrival::Arrival,
        told::{causes, claims_object, forward_words, layers},
    },
    output::{Paint, Tone, escape, escape_lines},
    wire::millis,
};

/// How much of a body is shown, in bytes.
const BODY_BYTES_SHOWN: usize = 64 * 1024;

/// A line and what it means.
pub(super) type Line = (Tone, String);

/// The lines of the pane.
pub(super) fn lines(arrival: &Arrival, raw: bool) -> Vec<Line> {
    let mut lines = Vec::with_capacity(64);
    let peer = arrival.peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    lines.push((Tone::Strong, format!("POST {}{peer}", escape(&arrival.path))));
    lines.push((Tone::Plain, format!("{}, answered {} in {}", arrival.fate.as_str(), arrival.status, millis(arrival.took))));
    if let Some(event) = arrival.stored {
        lines.push((Tone::Plain, format!("stored as {event}")));
    }
    match &arrival.verdict {
        None => lines.push((Tone::Odd, "not verified".to_owned())),
        Some(verdict) => {
            for layer in layers(verdict) {
                lines.push((layer.tone, format!("{}: {}", layer.name, escape(&layer.words))));
            }
            if let Some(Authorized::Bearer(claims)) = verdict.authorization.passed() {
                lines.push((Tone::Strong, "token claims".to_owned()));
                if let Some(claims) = claims_object(claims).as_object() {
                    lines.extend(
                        claims
                            .iter()
                            .filter(|(_, value)| !value.is_null())
                            .map(|(name, value)| (Tone::Plain, format!("  {name}: {}", escape(&value.to_string())))),
                    );
                }
            }
        }
    }
    for finding in &arrival.findings {
        lines.push((Tone::Bad, causes(finding)));
        lines.push((Tone::Plain, format!("  seen {}", escape(&finding.evidence))));
        lines.push((Tone::Plain, format!("  fix  {}", escape(&finding.fix))));
    }
    if !arrival.forwards.is_empty() {
        lines.push((Tone::Strong, "forwarded".to_owned()));
        lines.extend(arrival.forwards.iter().map(|forwarded| {
            let tone = if forwarded.is_taken() { Tone::Good } else { Tone::Bad };
            (tone, format!("  {}", forward_words(forwarded, Paint::none())))
        }));
    }
    lines.push((Tone::Strong, "headers".to_owned()));
    lines.extend(arrival.headers.iter().map(|(name, value)| (Tone::Plain, format!("  {}: {}", escape(name), escape(value)))));
    let kind = if raw { "raw" } else { "pretty" };
    lines.push((Tone::Strong, format!("body, {} bytes, {kind}", arrival.body.len())));
    lines.extend(body(arrival, raw).lines().map(|line| (Tone::Plain, line.to_owned())));
    if arrival.body.len() > BODY_BYTES_SHOWN {
        lines.push((Tone::Dim, format!("the first {BODY_BYTES_SHOWN} bytes are shown")));
    }
    lines
}

fn body(arrival: &Arrival, raw: bool) -> String {
    let head = &arrival.body[..arrival.body.len().min(BODY_BYTES_SHOWN)];
    let pretty = (!raw)
        .then(|| serde_json::from_slice::<serde_json::Value>(&arrival.body).ok())
        .flatten()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    match pretty {
        Some(text) => escape_lines(text.get(..BODY_BYTES_SHOWN.min(text.len())).unwrap_or(&text)),
        None => escape_lines(&String::from_utf8_lossy(head)),
    }
}
