//! Subscriptions for people.

use serde_json::Value;

use crate::{
    output::Tone,
    table::{Cell, Fields, Table, moment, text},
};

/// A line for each.
pub(super) fn listed(subscriptions: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["ID", "NAME", "STATE", "URL", "EVENTS", "PROOFS"]);
    for subscription in subscriptions {
        let (tone, state) = state(subscription);
        table.row([
            text(subscription, "id").into(),
            text(subscription, "name").into(),
            Cell::toned(tone, state),
            text(subscription, "url").into(),
            text(subscription, "events").into(),
            proofs(subscription).into(),
        ]);
    }
    table.print("there is no configuration; make one with 'countersign config create'")
}

/// One, whole.
pub(super) fn whole(subscription: &Value) -> anyhow::Result<()> {
    let mut fields = Fields::default();
    let mut say = |name: &'static str, member: &str| fields.add(name, text(subscription, member));
    say("id", "id");
    say("name", "name");
    say("url", "url");
    say("scope", "scope");
    say("envelope", "envelopeId");
    say("events", "events");
    say("shape", "shape");
    say("include", "include");
    say("users", "users");
    say("headers", "headers");
    say("retry", "retry");
    say("ordered", "ordered");
    say("concurrency", "concurrencyMax");
    say("rate", "ratePerSecondMax");
    say("attempt time-out, ms", "timeoutMs");
    let (tone, state) = state(subscription);
    fields.toned("state", tone, state);
    fields.add("proofs", proofs(subscription));
    if subscription["oauth"]["own"].is_object() {
        fields.add("token URL", text(&subscription["oauth"]["own"], "tokenUrl"));
    }
    fields.add("disabled because", text(&subscription["disabled"], "reason"));
    fields.add("failing since", moment(subscription, "failingSince"));
    fields.add("created", moment(subscription, "createdAt"));
    fields.toned("warnings", Tone::Odd, text(subscription, "warnings"));
    fields.print()
}

fn state(subscription: &Value) -> (Tone, &'static str) {
    let is = |name: &str| subscription[name].as_bool() == Some(true);
    if subscription["disabled"].is_object() {
        (Tone::Bad, "disabled")
    } else if !is("active") {
        (Tone::Dim, "inactive")
    } else if is("paused") {
        (Tone::Odd, "paused")
    } else if subscription["failingSince"].is_string() {
        (Tone::Bad, "failing")
    } else {
        (Tone::Good, "active")
    }
}

/// How its messages prove where they come from.
fn proofs(subscription: &Value) -> String {
    let is = |name: &str| subscription[name].as_bool() == Some(true);
    let oauth = subscription["oauth"].is_object() || text(subscription, "oauth") == "account";
    let proofs = [
        ("hmac", is("hmac")),
        ("oauth", oauth),
        ("basic", subscription["basic"].is_object()),
        ("mutual-tls", is("mutualTls")),
        ("standard-webhooks", is("standardWebhooks")),
    ];
    let named: Vec<&str> = proofs.into_iter().filter_map(|(name, used)| used.then_some(name)).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(" ") }
}
