//! How an arrival is told: a line for people, an object for programs.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_listener::{Authorized, Checked, Freshness, Refusal, TokenClaims, Verdict};
use countersign_signature::explain::Finding;
use serde_json::{Map, Value, json};

use super::arrival::{Arrival, Fate, Forwarded, time_of_day};
use crate::{
    output::{Paint, Tone, cut, escape},
    wire::millis,
};

/// Longest body in a line of JSON, in bytes; what is longer is cut and said to be.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest reason in a line for people, in characters.
const REASON_CHARS_MAX: usize = 300;

/// What one check said, in a few words.
pub(crate) struct Layer {
    /// The check.
    pub(crate) name: &'static str,
    /// How it went.
    pub(crate) tone: Tone,
    /// In words; they must be escaped.
    pub(crate) words: String,
}

/// What each check said that was asked for, in the order in which they are made.
pub(crate) fn layers(verdict: &Verdict) -> Vec<Layer> {
    fn layer<T>(name: &'static str, checked: &Checked<T>, found: impl Fn(&T) -> String) -> Option<Layer> {
        let (tone, words) = match checked {
            Checked::NotAsked => return None,
            Checked::NotReached => (Tone::Dim, "not reached".to_owned()),
            Checked::Passed(value) => (Tone::Good, found(value)),
            Checked::Refused(refusal) => (Tone::Bad, refusal.to_string()),
        };
        Some(Layer { name, tone, words })
    }
    let authorization = match &verdict.authorization {
        Checked::Passed(Authorized::Basic { user }) => Some(Layer { name: "basic", tone: Tone::Good, words: user.clone() }),
        Checked::Passed(Authorized::Bearer(claims)) => Some(Layer { name: "bearer", tone: Tone::Good, words: client_of(claims) }),
        other => layer("authorization", other, |_| String::new()),
    };
    // That the body was read is told only when it was not.
    let body = verdict.body.refusal().map(|refusal| Layer { name: "body", tone: Tone::Bad, words: refusal.to_string() });
    let mut layers: Vec<Layer> = [
        layer("certificate", &verdict.certificate, |accepted| fingerprint(&accepted.thumbprint)),
        authorization,
        body,
        layer("hmac", &verdict.hmac, |found| format!("key {} fits header {}", found.key + 1, found.header)),
        layer("standard-webhooks", &verdict.standard_webhooks, |found| format!("key {} fits, id {}", found.key + 1, found.id)),
        layer("account", &verdict.account, Clone::clone),
    ]
    .into_iter()
    .flatten()
    .collect();
    match &verdict.replay {
        Checked::Passed(Freshness::Duplicate) => {
            layers.push(Layer { name: "replay", tone: Tone::Odd, words: "seen before".to_owned() });
        }
        Checked::Refused(refusal) => layers.push(Layer { name: "replay", tone: Tone::Bad, words: refusal.to_string() }),
        _ => {}
    }
    layers
}

/// The beginning of a certificate's SHA-256, as people compare them.
fn fingerprint(sha256: &[u8; 32]) -> String {
    countersign_server::hex::encode(&sha256[..8])
}

fn client_of(claims: &TokenClaims) -> String {
    claims.client_id.clone().or_else(|| claims.subject.clone()).unwrap_or_else(|| "a client that the token does not name".to_owned())
}

/// The kind of a refusal: few words, fit for a label of a metric.
pub(crate) const fn kind_of(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Certificate(_) => "certificate",
        Refusal::NoCredentials => "no_credentials",
        Refusal::SeveralCredentials => "several_credentials",
        Refusal::Basic => "basic",
        Refusal::Token(_) => "token",
        Refusal::Hmac(_) => "hmac",
        Refusal::StandardWebhooks(_) => "standard_webhooks",
        Refusal::Account => "account",
        Refusal::BodyTooLarge { .. } => "body_too_large",
        Refusal::BodyUnreadable => "body_unreadable",
        Refusal::BodyTooSlow { .. } => "body_too_slow",
        Refusal::ReplayInProgress => "replay_in_progress",
        Refusal::ReplayGuard(_) => "replay_guard",
        _ => "other",
    }
}

/// Verdicts in a row, such as `basic connect, hmac key 1 fits header 1`. Escaped.
pub(crate) fn verdict_words(arrival: &Arrival, paint: Paint) -> String {
    let Some(verdict) = &arrival.verdict else { return paint.paint(Tone::Odd, "not verified") };
    let layers = layers(verdict).into_iter().map(|layer| {
        let words = cut(&escape(&layer.words), REASON_CHARS_MAX);
        paint.paint(layer.tone, &format!("{} {words}", layer.name))
    });
    layers.collect::<Vec<_>>().join(", ")
}

/// One line: time, event, envelope, verdict of each layer, answer, time taken, where it went.
pub(crate) fn line(arrival: &Arrival, paint: Paint) -> String {
    let tone = match arrival.fate {
        Fate::Accepted => Tone::Good,
        Fate::Duplicate => Tone::Odd,
        Fate::Refused | Fate::NotTaken => Tone::Bad,
    };
    let envelope = arrival.envelope.map_or_else(|| "-".to_owned(), |envelope| envelope.to_string());
    let mut line = format!(
        "{}  {}  {envelope}  {}  {}  {} {}  {}",
        time_of_day(arrival.at),
        escape(arrival.event.as_str()),
        verdict_words(arrival, paint),
        paint.paint(tone, arrival.fate.as_str()),
        paint.paint(Tone::Dim, "answered"),
        arrival.status,
        paint.paint(Tone::Dim, &millis(arrival.took)),
    );
    for forwarded in &arrival.forwards {
        line.push_str("  ");
        line.push_str(&forward_words(forwarded, paint));
    }
    if let Some(finding) = arrival.findings.first() {
        let text = format!("  {}: {}; {}", causes(finding), escape(&finding.evidence), escape(&finding.fix));
        line.push_str(&cut(&text, REASON_CHARS_MAX * 2));
    }
    line
}

/// `-> http://127.0.0.1:3001/ 200 (1.2 ms)`.
pub(crate) fn forward_words(forwarded: &Forwarded, paint: Paint) -> String {
    let (tone, result) = match &forwarded.result {
        Ok(status) => (if forwarded.is_taken() { Tone::Good } else { Tone::Bad }, status.to_string()),
        Err(why) => (Tone::Bad, cut(&escape(why), REASON_CHARS_MAX)),
    };
    format!("-> {} {} ({})", escape(&forwarded.to), paint.paint(tone, &result), millis(forwarded.took))
}

/// `proved body-pretty-printed + key-whitespace`.
pub(crate) fn causes(finding: &Finding) -> String {
    let ids: Vec<&str> = finding.causes.iter().map(|cause| cause.id()).collect();
    format!("{} {}", finding.certainty.id(), ids.join(" + "))
}

/// Everything there is to say of an arrival, for programs.
pub(crate) fn object(arrival: &Arrival) -> Value {
    let refusal = arrival.verdict.as_ref().and_then(Verdict::refusal);
    let mut object = json!({
        "type": "arrival",
        "number": arrival.number,
        "at": arrival.at.to_seven_digits(),
        "peer": arrival.peer.map(|peer| peer.to_string()),
        "path": arrival.path,
        "event": arrival.event,
        "envelopeId": arrival.envelope,
        "result": arrival.fate.as_str(),
        "status": arrival.status,
        "tookMs": round_millis(arrival.took),
        "verified": arrival.verdict.is_some() && arrival.fate != Fate::Refused,
        "verdict": arrival.verdict.as_ref().map(verdict_object),
        "refusal": refusal.map(|refusal| json!({"kind": kind_of(refusal), "reason": refusal.to_string()})),
        "findings": arrival.findings.iter().map(finding_object).collect::<Vec<_>>(),
        "headers": headers_object(&arrival.headers),
        "bodyBytes": arrival.body.len(),
        "forwards": arrival.forwards.iter().map(forward_object).collect::<Vec<_>>(),
        "eventId": arrival.stored,
    });
    let head = &arrival.body[..arrival.body.len().min(BODY_BYTES_MAX)];
    let (member, text) = match std::str::from_utf8(head) {
        Ok(text) => ("body", text.to_owned()),
        Err(_) => ("bodyBase64", STANDARD.encode(head)),
    };
    object[member] = text.into();
    if head.len() < arrival.body.len() {
        object["bodyCut"] = true.into();
    }
    object
}

/// One attempt of the inbox's worker, for programs; told after the arrival.
pub(crate) fn forward_event(event: countersign_core::id::EventId, forwarded: &Forwarded) -> Value {
    // The type stands first, as in every other line.
    let mut object = json!({"type": "forward"});
    if let (Value::Object(object), Value::Object(forward)) = (&mut object, forward_object(forwarded)) {
        object.extend(forward);
    }
    object["eventId"] = event.to_string().into();
    object
}

fn forward_object(forwarded: &Forwarded) -> Value {
    json!({
        "to": forwarded.to,
        "status": forwarded.result.as_ref().ok(),
        "error": forwarded.result.as_ref().err(),
        "tookMs": round_millis(forwarded.took),
        "delivery": forwarded.delivery,
    })
}

fn finding_object(finding: &Finding) -> Value {
    json!({
        "causes": finding.causes.iter().map(|cause| cause.id()).collect::<Vec<_>>(),
        "certainty": finding.certainty.id(),
        "evidence": finding.evidence,
        "fix": finding.fix,
    })
}

fn headers_object(headers: &[(String, String)]) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in headers {
        match object.get_mut(name) {
            // Repeated headers are rare; they become a list.
            Some(Value::Array(list)) => list.push(value.as_str().into()),
            Some(first) => *first = json!([first.take(), value]),
            None => {
                object.insert(name.clone(), value.as_str().into());
            }
        }
    }
    object
}

fn verdict_object(verdict: &Verdict) -> Value {
    fn checked<T>(checked: &Checked<T>, found: impl Fn(&T) -> Value) -> Value {
        match checked {
            Checked::NotAsked => Value::Null,
            Checked::NotReached => json!({"result": "not_reached"}),
            Checked::Passed(value) => {
                let mut object = json!({"result": "passed"});
                if let (Some(object), Value::Object(found)) = (object.as_object_mut(), found(value)) {
                    object.extend(found);
                }
                object
            }
            Checked::Refused(refusal) => json!({"result": "refused", "kind": kind_of(refusal), "reason": refusal.to_string()}),
        }
    }
    json!({
        "certificate": checked(&verdict.certificate, |accepted| json!({"sha256": countersign_server::hex::encode(&accepted.thumbprint)})),
        "authorization": checked(&verdict.authorization, |authorized| match authorized {
            Authorized::Basic { user } => json!({"scheme": "basic", "user": user}),
            Authorized::Bearer(claims) => json!({"scheme": "bearer", "claims": claims_object(claims)}),
        }),
        "body": checked(&verdict.body, |bytes| json!({"bytes": bytes})),
        "hmac": checked(&verdict.hmac, |found| json!({"key": found.key + 1, "header": found.header})),
        "standardWebhooks": checked(&verdict.standard_webhooks, |found| json!({"key": found.key + 1, "id": found.id})),
        "account": checked(&verdict.account, |account| json!({"account": account})),
        "replay": checked(&verdict.replay, |freshness| json!({"duplicate": *freshness == Freshness::Duplicate})),
    })
}

/// What a token says about itself.
pub(crate) fn claims_object(claims: &TokenClaims) -> Value {
    json!({
        "iss": claims.issuer, "sub": claims.subject, "client_id": claims.client_id, "aud": claims.audience, "scope": claims.scope,
        "iat": claims.issued_at, "exp": claims.expires_at, "jti": claims.token_id, "certificateBound": claims.certificate_bound,
    })
}

fn round_millis(took: std::time::Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use countersign_core::{Timestamp, event::EventName};
    use countersign_signature::{Match, Mismatch};

    use super::*;

    fn arrival(verdict: Verdict) -> Arrival {
        Arrival {
            number: 1,
            at: Timestamp::from_millis(1_670_610_569_736),
            peer: None,
            path: "/connect".into(),
            headers: vec![("a".into(), "1".into()), ("a".into(), "2".into()), ("b".into(), "\u{1b}[2J".into())],
            body: Bytes::from_static(b"{}"),
            event: EventName::ENVELOPE_SENT,
            envelope: None,
            fate: if verdict.is_accepted() { Fate::Accepted } else { Fate::Refused },
            status: if verdict.is_accepted() { 200 } else { 401 },
            verdict: Some(verdict),
            findings: Vec::new(),
            took: Duration::from_micros(1_240),
            forwards: vec![Forwarded {
                to: "http://127.0.0.1:3001/".into(),
                result: Ok(200),
                took: Duration::from_millis(3),
                delivery: "d".into(),
            }],
            stored: None,
        }
    }

    #[test]
    fn a_line_tells_the_verdict_of_each_layer_and_where_it_went() {
        let mut verdict = Verdict::default();
        verdict.authorization = Checked::Passed(Authorized::Basic { user: "con\u{1b}nect".into() });
        verdict.hmac = Checked::Passed(Match { key: 0, header: 2 });
        assert_eq!(
            line(&arrival(verdict), Paint::off()),
            "18:29:29.736  envelope-sent  -  basic con\\u{1b}nect, hmac key 1 fits header 2  accepted  answered 200  1.2 ms  \
             -> http://127.0.0.1:3001/ 200 (3.0 ms)"
        );
    }

    #[test]
    fn programs_get_the_reason_and_every_header() {
        let mut verdict = Verdict::default();
        verdict.hmac = Checked::Refused(Mismatch::NoHeader.into());
        let object = object(&arrival(verdict));
        assert_eq!(object["refusal"]["kind"], "hmac");
        assert_eq!(object["verdict"]["hmac"]["result"], "refused");
        assert_eq!(object["headers"], json!({"a": ["1", "2"], "b": "\u{1b}[2J"}));
        assert_eq!((&object["body"], &object["result"]), (&json!("{}"), &json!("refused")));
    }

    #[test]
    fn a_body_that_is_no_text_is_told_in_base64() {
        let mut arrival = arrival(Verdict::default());
        arrival.body = Bytes::from_static(b"\xff\x00");
        let object = object(&arrival);
        assert_eq!((&object["bodyBase64"], object.get("body")), (&json!("/wA="), None));
    }
}
