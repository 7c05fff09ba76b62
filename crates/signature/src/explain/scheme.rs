//! Signatures of other senders, recognised by their form and, where what they sign is at hand, recomputed.

use subtle::ConstantTimeEq as _;

use super::{
    candidate::Candidate,
    coding::from_hex,
    finding::{Cause, Certainty, Finding},
    method::Method,
};
use crate::{standard_webhooks, verification::Match};

/// Values looked at; a request has one or two.
const VALUES_MAX: usize = 16;

/// Findings for every signature of another scheme, the proved ones first.
pub(super) fn recognised(candidate: &Candidate<'_>) -> Vec<Finding> {
    let named = candidate.headers.iter().map(|(name, value)| (*name, *value));
    let bare = candidate.signatures.iter().map(|signature| ("", signature.value));
    let mut findings: Vec<Finding> = Vec::new();
    for (name, value) in named.chain(bare).filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?.trim()))) {
        let found = [stripe, github, standard].iter().find_map(|recognise| recognise(candidate, name, value));
        if let Some(finding) = found.filter(|finding| !findings.iter().any(|known| known.causes == finding.causes))
            && findings.len() < VALUES_MAX
        {
            findings.push(finding);
        }
    }
    findings.sort_by_key(|finding| finding.certainty == Certainty::Indicated);
    findings
}

/// `t=1492774577,v1=5257a8...`: HMAC-SHA256 in hexadecimal over `t.body`.
fn stripe(candidate: &Candidate<'_>, name: &str, value: &str) -> Option<Finding> {
    let part = |label: &str| value.split(',').find_map(|part| part.trim().strip_prefix(label)?.strip_prefix('='));
    let time = part("t").filter(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))?;
    let signature = part("v1").and_then(|hex| from_hex(hex.as_bytes()))?;
    let signed = [time.as_bytes(), b".", candidate.body].concat();
    let key = place_of_key(candidate, |key| Method::HmacSha256.digest(key, &signed), &signature);
    let name = if name.is_empty() { "the signature" } else { name };
    Some(finding(
        Cause::SchemeStripe,
        key,
        format!("{name} has the form t=..,v1=.. of Stripe, an HMAC-SHA256 in hexadecimal over time, full stop and body"),
        "verify it with Stripe's library and secret; Connect signs the body alone and sends X-DocuSign-Signature-n",
    ))
}

/// `sha256=...` or `sha1=...` in hexadecimal, over the body.
fn github(candidate: &Candidate<'_>, name: &str, value: &str) -> Option<Finding> {
    let (method, hex) = match value.split_once('=')? {
        ("sha256", hex) => (Method::HmacSha256, hex),
        ("sha1", hex) => (Method::HmacSha1, hex),
        _ => return None,
    };
    let signature = from_hex(hex.as_bytes()).filter(|bytes| bytes.len() == method.digest_bytes())?;
    let is_named = name.get(..15).is_some_and(|start| start.eq_ignore_ascii_case("x-hub-signature"));
    // Without the header's name the same bytes may be a Connect signature with a prefix; the search proves that better.
    let key = is_named.then(|| place_of_key(candidate, |key| method.digest(key, candidate.body), &signature)).flatten();
    let name = if name.is_empty() { "the signature" } else { name };
    Some(finding(
        Cause::SchemeGithub,
        key,
        format!("{name} has the form sha256=.. in hexadecimal of GitHub and its followers"),
        "verify it as X-Hub-Signature-256 with the secret of that sender; Connect sends Base64 in X-DocuSign-Signature-n",
    ))
}

/// `v1,` and Base64, over id, timestamp and body.
fn standard(candidate: &Candidate<'_>, name: &str, value: &str) -> Option<Finding> {
    let named = ["webhook-signature", "svix-signature"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let shaped = value.split(' ').all(|entry| entry.strip_prefix("v1,").is_some_and(|value| value.len() == 44));
    let versioned = named && value.starts_with("v1");
    if !(shaped || versioned) {
        return None;
    }
    Some(finding(
        Cause::SchemeStandardWebhooks,
        standard_key(candidate, value),
        "the signature has the form v1,.. of Standard Webhooks, an HMAC-SHA256 over id, timestamp and body".into(),
        "verify it together with webhook-id and webhook-timestamp, with the secret decoded from Base64; for Connect's scheme take X-DocuSign-Signature-n",
    ))
}

/// The place of the key under which the message verifies, whenever it was sent.
fn standard_key(candidate: &Candidate<'_>, value: &str) -> Option<usize> {
    let header = |own: &str, other: &str| candidate.header_value(own).or_else(|| candidate.header_value(other));
    let id = header("webhook-id", "svix-id")?;
    let timestamp = header("webhook-timestamp", "svix-timestamp")?;
    let now = std::str::from_utf8(timestamp).ok()?.parse().ok()?;
    let headers = [
        (standard_webhooks::ID_HEADER, id),
        (standard_webhooks::TIMESTAMP_HEADER, timestamp),
        (standard_webhooks::SIGNATURE_HEADER, value.as_bytes()),
    ];
    candidate.keys.iter().chain(&candidate.other_keys).position(|key| {
        let key = std::str::from_utf8(key).ok().and_then(|key| standard_webhooks::StandardKey::try_new(key.trim()).ok());
        key.is_some_and(|key| standard_webhooks::verify(&[key], headers, candidate.body, now).is_ok())
    })
}

fn place_of_key(candidate: &Candidate<'_>, digest: impl Fn(&[u8]) -> Vec<u8>, signature: &[u8]) -> Option<usize> {
    candidate.keys.iter().chain(&candidate.other_keys).position(|key| digest(key).ct_eq(signature).into())
}

fn finding(cause: Cause, key: Option<usize>, evidence: String, fix: &str) -> Finding {
    let mut finding = Finding::indicated(cause, evidence, fix);
    if let Some(key) = key {
        finding.certainty = Certainty::Proved;
        finding.evidence.push_str(&format!("; recomputed that way, key {} fits", key + 1));
        finding.matched = Some(Match { key, header: 1 });
    }
    finding
}
