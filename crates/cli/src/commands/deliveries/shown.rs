//! Deliveries and attempts for people.

use serde_json::Value;

use crate::{
    output::{self, Paint, Tone, escape, escape_lines},
    table::{Cell, Fields, Table, list, moment, text},
};

/// A line for each delivery.
pub(super) fn listed(deliveries: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["ID", "STATE", "EVENT", "SUBSCRIPTION", "RECORDED", "ATTEMPTS", "LAST", "WHY"]);
    for delivery in deliveries {
        let why = [text(delivery, "held"), text(delivery, "reason"), text(delivery, "lastError")].into_iter().find(|why| !why.is_empty());
        table.row([
            text(delivery, "id").into(),
            state(delivery),
            text(delivery, "event").into(),
            text(delivery, "subscription").into(),
            moment(delivery, "recordedAt").into(),
            text(delivery, "attemptsMade").into(),
            last(delivery).into(),
            why.unwrap_or_default().into(),
        ]);
    }
    table.print("there is no such delivery")
}

/// One delivery and a line for each attempt.
pub(super) fn whole(delivery: &Value) -> anyhow::Result<()> {
    let mut fields = Fields::default();
    fields.add("delivery", text(delivery, "id"));
    fields.toned("state", tone(&text(delivery, "state")), state_words(delivery));
    fields.add("next", text(delivery, "next"));
    fields.add("event", format!("{} ({})", text(delivery, "event"), text(delivery, "eventId")));
    fields.add("subscription", text(delivery, "subscription"));
    fields.add("envelope", text(delivery, "envelopeId"));
    fields.add("shape", text(delivery, "shape"));
    fields.add("recorded", moment(delivery, "recordedAt"));
    fields.add("due", moment(delivery, "dueAt"));
    fields.add("held since", moment(delivery, "heldSince"));
    fields.add("ended", moment(delivery, "endedAt"));
    fields.add("retry count", text(delivery, "retryCount"));
    fields.add("replay of", text(delivery, "replayOf"));
    fields.toned("last error", Tone::Bad, text(delivery, "lastError"));
    fields.print()?;
    output::line("")?;
    let mut table = Table::new(["ATTEMPT", "STARTED", "TOOK", "OUTCOME", "COUNTED", "REMOTE", "ERROR"]);
    for attempt in list(delivery, "attempts")? {
        table.row([
            text(attempt, "id").into(),
            moment(attempt, "startedAt").into(),
            format!("{} ms", text(attempt, "elapsedMs")).into(),
            outcome(attempt),
            text(attempt, "counted").into(),
            text(attempt, "remote").into(),
            text(attempt, "error").into(),
        ]);
    }
    table.print("there was no attempt yet")
}

/// One attempt as sent and as answered.
pub(super) fn attempt(attempt: &Value) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let request = &attempt["request"];
    let mut shown = format!("{} {}\n", paint.paint(Tone::Strong, "POST"), escape(&text(request, "url")));
    shown.push_str(&headers(&request["headers"], paint));
    let (bytes, sha256) = (text(request, "bodyBytes"), text(request, "bodySha256"));
    shown.push_str(&format!("  {bytes} bytes, SHA-256 {}\n\n", escape(&sha256)));
    let answer = &attempt["answer"];
    if answer.is_object() {
        let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
        shown.push_str(&format!("{}  in {} ms\n", crate::wire::status(status, paint), text(attempt, "elapsedMs")));
        shown.push_str(&headers(&answer["headers"], paint));
        let body = text(answer, "body");
        let body = if body.is_empty() { text(answer, "bodyBase64") } else { body };
        if !body.is_empty() {
            shown.push_str(&format!("\n{}\n", escape_lines(&body)));
        }
        if answer["truncated"].as_bool() == Some(true) {
            shown.push_str(&format!("{}\n", paint.paint(Tone::Dim, "(the rest was not kept)")));
        }
    } else {
        let words = [text(attempt, "class"), text(attempt, "error")].join(": ");
        shown.push_str(&format!("{}: {}\n", paint.paint(Tone::Bad, "no answer"), escape(&words)));
    }
    output::print(&shown)
}

/// Headers as the server gives them: pairs in a list, or an object.
fn headers(value: &Value, paint: Paint) -> String {
    let line = |name: &str, value: &str| format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{}:", escape(name))), escape(value));
    match value {
        Value::Object(members) => members.iter().map(|(name, value)| line(name, value.as_str().unwrap_or_default())).collect(),
        Value::Array(pairs) => {
            pairs.iter().map(|pair| line(pair[0].as_str().unwrap_or_default(), pair[1].as_str().unwrap_or_default())).collect()
        }
        _ => String::new(),
    }
}

fn state(delivery: &Value) -> Cell {
    Cell::toned(tone(&text(delivery, "state")), state_words(delivery))
}

/// `waiting (held)` for one that is.
fn state_words(delivery: &Value) -> String {
    let state = text(delivery, "state");
    if delivery["held"].is_string() { format!("{state} (held)") } else { state }
}

fn tone(state: &str) -> Tone {
    match state {
        "delivered" => Tone::Good,
        "waiting" | "leased" => Tone::Odd,
        "parked" => Tone::Bad,
        _ => Tone::Dim,
    }
}

/// The status of the last attempt, or the class of its failure.
fn last(delivery: &Value) -> String {
    let status = text(delivery, "lastStatus");
    if status.is_empty() { text(delivery, "lastClass") } else { status }
}

fn outcome(attempt: &Value) -> Cell {
    let accepted = text(attempt, "class") == "accepted";
    let status = text(attempt, "status");
    let words = if status.is_empty() { text(attempt, "class") } else { status };
    Cell::toned(if accepted { Tone::Good } else { Tone::Bad }, words)
}
