//! Envelopes for people.

use serde_json::Value;

use crate::{
    output::{self, Tone},
    table::{Cell, Fields, Table, moment, text},
};

/// Kinds of recipients as the API groups them, and as they are called here.
const KINDS: [(&str, &str); 4] =
    [("signers", "signer"), ("inPersonSigners", "in person"), ("certifiedDeliveries", "certified delivery"), ("carbonCopies", "copy")];

/// A line for each.
pub(super) fn listed(envelopes: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["ID", "STATUS", "SUBJECT", "CHANGED", "RECIPIENTS"]);
    for envelope in envelopes {
        let people: Vec<String> = recipients(envelope).map(|(_, recipient)| text(recipient, "name")).collect();
        table.row([
            text(envelope, "envelopeId").into(),
            status(&text(envelope, "status")),
            text(envelope, "emailSubject").into(),
            moment(envelope, "statusChangedDateTime").into(),
            people.join(", ").into(),
        ]);
    }
    table.print("there is no such envelope")
}

/// One, with its recipients.
pub(super) fn whole(envelope: &Value) -> anyhow::Result<()> {
    let mut fields = Fields::default();
    fields.add("envelope", text(envelope, "envelopeId"));
    fields.toned("status", tone(&text(envelope, "status")), text(envelope, "status"));
    fields.add("subject", text(envelope, "emailSubject"));
    fields.add("sender", text(&envelope["sender"], "email"));
    for (name, member) in [
        ("created", "createdDateTime"),
        ("sent", "sentDateTime"),
        ("delivered", "deliveredDateTime"),
        ("completed", "completedDateTime"),
        ("declined", "declinedDateTime"),
        ("voided", "voidedDateTime"),
        ("expires", "expireDateTime"),
    ] {
        fields.add(name, moment(envelope, member));
    }
    fields.add("voided because", text(envelope, "voidedReason"));
    let documents =
        envelope["envelopeDocuments"].as_array().into_iter().flatten().chain(envelope["documents"].as_array().into_iter().flatten());
    let names: Vec<String> = documents.map(|document| format!("{} {}", text(document, "documentId"), text(document, "name"))).collect();
    fields.add("documents", names.join(", "));
    fields.print()?;
    output::line("")?;
    let mut table = Table::new(["RECIPIENT", "ORDER", "KIND", "NAME", "EMAIL", "STATUS", "SIGNED"]);
    for (kind, recipient) in recipients(envelope) {
        table.row([
            text(recipient, "recipientId").into(),
            text(recipient, "routingOrder").into(),
            kind.into(),
            text(recipient, "name").into(),
            text(recipient, "email").into(),
            status(&text(recipient, "status")),
            moment(recipient, "signedDateTime").into(),
        ]);
    }
    table.print("it has no recipient")
}

/// What an action of a recipient led to.
pub(super) fn played(answer: &Value) -> anyhow::Result<()> {
    let envelope = &answer["envelope"];
    let paint = output::Paint::stdout();
    let word = text(envelope, "status");
    output::line(&format!("{} {}", output::escape(&text(envelope, "id")), paint.paint(tone(&word), &output::escape(&word))))?;
    let mut table = Table::new(["RECIPIENT", "ORDER", "NAME", "EMAIL", "STATUS"]);
    for recipient in answer["recipients"].as_array().into_iter().flatten() {
        table.row([
            text(recipient, "id").into(),
            text(recipient, "order").into(),
            text(recipient, "name").into(),
            text(recipient, "email").into(),
            status(&text(recipient, "status")),
        ]);
    }
    table.print("it has no recipient")
}

/// The audit trail.
pub(super) fn history(events: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["TIME", "WHO", "ACTION", "WHAT", "STATUS", "FROM"]);
    for event in events {
        let field = |name: &str| {
            let fields = event["eventFields"].as_array().into_iter().flatten();
            fields.filter(|field| field["name"] == name).map(|field| text(field, "value")).next().unwrap_or_default()
        };
        let at = serde_json::json!({"at": field("logTime")});
        table.row([
            moment(&at, "at").into(),
            field("UserName").into(),
            field("Action").into(),
            field("Message").into(),
            status(&field("EnvelopeStatus")),
            field("ClientIPAddress").into(),
        ]);
    }
    table.print("nothing was done with it")
}

/// All recipients with their kind, in the order of their turns.
fn recipients(envelope: &Value) -> impl Iterator<Item = (&'static str, &Value)> {
    let mut found: Vec<(u64, &'static str, &Value)> = KINDS
        .into_iter()
        .flat_map(|(group, kind)| envelope["recipients"][group].as_array().into_iter().flatten().map(move |recipient| (kind, recipient)))
        .map(|(kind, recipient)| (text(recipient, "routingOrder").parse().unwrap_or(u64::MAX), kind, recipient))
        .collect();
    found.sort_by_key(|(order, ..)| *order);
    found.into_iter().map(|(_, kind, recipient)| (kind, recipient))
}

fn status(word: &str) -> Cell {
    Cell::toned(tone(word), word)
}

fn tone(status: &str) -> Tone {
    match status {
        "completed" | "signed" => Tone::Good,
        "sent" | "delivered" => Tone::Odd,
        "declined" | "voided" | "autoresponded" => Tone::Bad,
        _ => Tone::Dim,
    }
}
