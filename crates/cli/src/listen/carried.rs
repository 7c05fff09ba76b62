//! What goes on to the application with a body: the headers that belong to the message, and what was verified.
//!
//! Names are let through by a list and never shut out by one: credentials end here, and no sender can bring the verdict along.

use countersign_listener::{Authorized, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What was verified, in the form of a structured dictionary (RFC 8941 §3.2), such as `hmac=1, basic="connect"`. `hmac` names the key, in
/// the order configured, from 1; `none` stands alone and says that nothing was checked.
pub(crate) const VERIFIED_HEADER: HeaderName = HeaderName::from_static("x-countersign-verified");
/// A header of a message that Countersign sent itself goes on under this prefix: the forwarded message has a delivery id of its own.
const ORIGIN_PREFIX: &str = "x-countersign-origin-";
/// Beginnings of the names that go on.
const PREFIXES: [&str; 2] = ["x-docusign-", "webhook-"];
/// Names that go on.
const NAMES: [&str; 3] = ["content-type", "content-encoding", "x-authorization-digest"];
/// Names and values kept, in bytes: a hundred signatures fit.
const BYTES_MAX: usize = 32 * 1024;

/// Names and values, in the order received, and the verdict last. `None`: nothing was checked.
pub(crate) fn headers(received: &HeaderMap, verdict: Option<&Verdict>) -> Vec<(String, String)> {
    let mut carried = Vec::with_capacity(8);
    let mut bytes = 0;
    for (name, value) in received {
        let (Some(name), Ok(value)) = (name_carried(name), value.to_str()) else { continue };
        bytes += name.len() + value.len();
        if bytes > BYTES_MAX {
            break;
        }
        carried.push((name, value.to_owned()));
    }
    carried.push((VERIFIED_HEADER.as_str().to_owned(), verified(verdict)));
    carried
}

/// Under which name a header goes on, if it does.
fn name_carried(name: &HeaderName) -> Option<String> {
    let name = name.as_str();
    if let Some(own) = name.strip_prefix("x-countersign-") {
        let goes_on = ["delivery", "attempt", "replay-of"].contains(&own);
        return goes_on.then(|| format!("{ORIGIN_PREFIX}{own}"));
    }
    let goes_on = NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    goes_on.then(|| name.to_owned())
}

/// The value of [`VERIFIED_HEADER`].
fn verified(verdict: Option<&Verdict>) -> String {
    let Some(verdict) = verdict else { return "none".to_owned() };
    let mut members = Vec::with_capacity(4);
    if let Some(accepted) = verdict.certificate.passed() {
        members.push(format!("certificate={}", quoted(&countersign_server::hex::encode(&accepted.thumbprint))));
    }
    if let Some(found) = verdict.hmac.passed() {
        members.push(format!("hmac={}", found.key + 1));
    }
    match verdict.authorization.passed() {
        Some(Authorized::Basic { user }) => members.push(format!("basic={}", quoted(user))),
        Some(Authorized::Bearer(claims)) => {
            members.push(format!("bearer={}", quoted(claims.client_id.as_deref().or(claims.subject.as_deref()).unwrap_or_default())));
        }
        None => {}
    }
    if let Some(found) = verdict.standard_webhooks.passed() {
        members.push(format!("standard-webhooks={}", quoted(&found.id)));
    }
    if let Some(account) = verdict.account.passed() {
        members.push(format!("account={}", quoted(account)));
    }
    members.join(", ")
}

/// A structured string (RFC 8941 §3.3.3); characters that one cannot have become question marks.
fn quoted(text: &str) -> String {
    let plain: String = text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect();
    format!("\"{}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The same as a map, for a request that is made at once. What cannot stand in a header is left out.
pub(crate) fn as_map(carried: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(carried.len() + 4);
    for (name, value) in carried {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/octet-stream"));
    headers
}

#[cfg(test)]
mod tests {
    use countersign_listener::Checked;
    use countersign_signature::Match;

    use super::*;

    fn received(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_messages_own_headers_go_on_and_credentials_do_not() {
        let headers = headers(
            &received(&[
                ("authorization", "Bearer secret"),
                ("cookie", "a=b"),
                ("x-forwarded-for", "192.0.2.1"),
                ("content-type", "application/json"),
                ("x-docusign-signature-1", "abc="),
                ("x-docusign-signature-2", "def="),
                ("x-authorization-digest", "HMACSHA256"),
                ("webhook-id", "msg_1"),
                ("x-countersign-delivery", "dlv_1"),
                ("x-countersign-verified", "hmac=1"),
            ]),
            None,
        );
        let names: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            names,
            [
                "content-type: application/json",
                "x-docusign-signature-1: abc=",
                "x-docusign-signature-2: def=",
                "x-authorization-digest: HMACSHA256",
                "webhook-id: msg_1",
                "x-countersign-origin-delivery: dlv_1",
                "x-countersign-verified: none",
            ]
        );
    }

    #[test]
    fn the_verdict_is_a_dictionary() {
        let mut verdict = Verdict::default();
        verdict.hmac = Checked::Passed(Match { key: 1, header: 1 });
        verdict.authorization = Checked::Passed(Authorized::Basic { user: "con\"nect\u{e9}".to_owned() });
        assert_eq!(verified(Some(&verdict)), r#"hmac=2, basic="con\"nect?""#);
    }
}
