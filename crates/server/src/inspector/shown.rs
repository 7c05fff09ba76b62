//! Arrivals as JSON: short in lists and streams, whole one by one.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_signature::explain::Finding;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{arrival::Arrival, token_shown, verdict};
use crate::{hex, peer::TlsFacts};

/// Longest body that stands in JSON, in bytes; a longer one is downloaded.
pub const BODY_SHOWN_BYTES_MAX: usize = 256 * 1024;
/// Longest request line in lists, in characters.
const TARGET_CHARS_MAX: usize = 200;

/// An arrival in a list.
#[must_use]
pub fn summary(arrival: &Arrival) -> Value {
    json!({
        "id": arrival.id,
        "receivedAt": arrival.at.to_seven_digits(),
        "method": arrival.method,
        "target": arrival.target.chars().take(TARGET_CHARS_MAX).collect::<String>(),
        "remote": arrival.remote.map(|remote| remote.to_string()),
        "event": arrival.names.event,
        "envelopeId": arrival.names.envelope,
        "bodyBytes": arrival.body.len(),
        "complete": arrival.complete,
        "accepted": arrival.verdict.as_ref().map(countersign_listener::Verdict::is_accepted),
        "answered": arrival.answered,
    })
}

/// An arrival as a whole, with what was found when it was explained.
#[must_use]
pub fn whole(arrival: &Arrival, findings: &[Finding]) -> Value {
    let headers: Vec<Value> = arrival.headers.iter().map(|(name, value)| json!({"name": name, "value": text(value)})).collect();
    let mut shown = summary(arrival);
    shown["target"] = arrival.target.as_str().into();
    shown["httpVersion"] = arrival.version.as_str().into();
    shown["headers"] = headers.into();
    shown["body"] = body(arrival);
    shown["tls"] = arrival.tls.as_ref().map_or(Value::Null, tls);
    shown["token"] = token_shown::shown(arrival);
    shown["verdict"] = verdict::shown(arrival.verdict.as_ref());
    shown["findings"] = findings.iter().map(finding).collect::<Vec<_>>().into();
    shown
}

fn body(arrival: &Arrival) -> Value {
    let fits = arrival.body.len() <= BODY_SHOWN_BYTES_MAX;
    let text = std::str::from_utf8(&arrival.body).ok().filter(|_| fits);
    let pretty = text.and_then(|text| serde_json::from_str::<Value>(text).ok()).and_then(|json| serde_json::to_string_pretty(&json).ok());
    json!({
        "bytes": arrival.body.len(),
        "sha256": hex::encode(&Sha256::digest(&arrival.body)),
        "text": text,
        "base64": (fits && text.is_none()).then(|| STANDARD.encode(&arrival.body)),
        "pretty": pretty,
    })
}

/// A header's value; bytes that are no UTF-8 are replaced, and stand as they came in the raw download.
pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

fn tls(tls: &TlsFacts) -> Value {
    let certificate = tls.certificates.first().map(|leaf| {
        let encoded = STANDARD.encode(leaf);
        let lines: Vec<&str> = (0..encoded.len()).step_by(64).map(|at| &encoded[at..encoded.len().min(at + 64)]).collect();
        json!({
            "sha256": hex::encode(&Sha256::digest(leaf)),
            "pem": format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")),
            "chain": tls.certificates.len(),
        })
    });
    json!({
        "version": tls.version,
        "cipher": tls.cipher,
        "alpn": tls.alpn,
        "serverName": tls.server_name,
        "clientCertificate": certificate,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "causes": finding.causes.iter().map(|cause| cause.id()).collect::<Vec<_>>(),
        "certainty": finding.certainty.id(),
        "evidence": finding.evidence,
        "fix": finding.fix,
    })
}
