//! A verdict as JSON: each layer, what it found or why it refused.

use countersign_listener::{Authorized, Checked, TokenClaims, Verdict};
use serde_json::{Value, json};

/// `{"accepted": bool, "layers": [{"layer", "result", "detail"}]}`; `null` when nothing was checked.
#[must_use]
pub fn shown(verdict: Option<&Verdict>) -> Value {
    let Some(verdict) = verdict else { return Value::Null };
    let layers = [
        layer("authorization", &verdict.authorization, authorized),
        layer("body", &verdict.body, |bytes| json!({"bytes": bytes})),
        layer("hmac", &verdict.hmac, |found| json!({"key": found.key, "header": found.header})),
        layer("standardWebhooks", &verdict.standard_webhooks, |found| json!({"id": found.id})),
        layer("account", &verdict.account, |account| json!({"account": account})),
    ];
    let asked: Vec<Value> = layers.into_iter().flatten().collect();
    json!({"accepted": verdict.is_accepted(), "layers": asked})
}

/// One layer; `None` when it was not asked for.
fn layer<T>(name: &str, checked: &Checked<T>, found: impl Fn(&T) -> Value) -> Option<Value> {
    match checked {
        Checked::NotAsked => None,
        Checked::NotReached => Some(json!({"layer": name, "result": "notReached"})),
        Checked::Passed(passed) => Some(json!({"layer": name, "result": "passed", "found": found(passed)})),
        Checked::Refused(refusal) => Some(json!({"layer": name, "result": "refused", "reason": refusal.to_string()})),
    }
}

fn authorized(authorized: &Authorized) -> Value {
    match authorized {
        Authorized::Basic { user } => json!({"basic": user}),
        Authorized::Bearer(claims) => json!({"token": claims_shown(claims)}),
    }
}

fn claims_shown(claims: &TokenClaims) -> Value {
    json!({
        "issuer": claims.issuer,
        "subject": claims.subject,
        "clientId": claims.client_id,
        "audience": claims.audience,
        "scope": claims.scope,
        "issuedAt": claims.issued_at,
        "expiresAt": claims.expires_at,
        "certificateBound": claims.certificate_bound,
    })
}
