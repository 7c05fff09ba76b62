//! Undoing what carries a message as one of its parts: the event of a gateway or queue, a form of several parts.

use serde_json::Value;

use super::{coding::from_base64, wrapping::is_message};

/// Members in which gateways, queues and frameworks put the body they received.
const MEMBERS: [&str; 8] = ["body", "rawBody", "Body", "Message", "message", "payload", "content", "data"];

/// The message that stands as text in a member of an object.
pub(super) fn carried_text(body: &[u8]) -> Option<Vec<u8>> {
    member(body, |text| is_message(text.as_bytes()).then(|| text.as_bytes().to_vec()))
}

/// The message that stands as Base64 in a member of an object.
pub(super) fn carried_base64(body: &[u8]) -> Option<Vec<u8>> {
    member(body, |text| from_base64(text.as_bytes()).filter(|decoded| is_message(decoded)))
}

fn member(body: &[u8], read: impl Fn(&str) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let event: Value = serde_json::from_slice(body).ok()?;
    MEMBERS.iter().find_map(|name| read(event.get(name)?.as_str()?))
}

/// The first part of a `multipart/form-data` body that looks like a message (RFC 7578, RFC 2046 §5.1).
pub(super) fn form_part(body: &[u8]) -> Option<Vec<u8>> {
    let line = body.iter().position(|byte| *byte == b'\n')?;
    let boundary = body[..line].trim_ascii_end();
    if boundary.len() < 3 || !boundary.starts_with(b"--") {
        return None;
    }
    let mut rest = &body[line + 1..];
    while !rest.is_empty() {
        let end = position(rest, boundary).unwrap_or(rest.len());
        let part = &rest[..end];
        let content = position(part, b"\r\n\r\n").map(|at| &part[at + 4..]).or_else(|| position(part, b"\n\n").map(|at| &part[at + 2..]));
        if let Some(content) = content.filter(|content| is_message(content)) {
            let content = content.strip_suffix(b"\n").unwrap_or(content);
            return Some(content.strip_suffix(b"\r").unwrap_or(content).to_vec());
        }
        rest = rest.get(end + boundary.len()..).unwrap_or_default();
    }
    None
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_out_of_what_carries_it() {
        let message = br#"{"event":"a"}"#;
        type Undo = fn(&[u8]) -> Option<Vec<u8>>;
        let rows: [(Undo, &str); 5] = [
            (carried_text, r#"{"headers":{},"body":"{\"event\":\"a\"}","isBase64Encoded":false}"#),
            (carried_text, r#"{"Type":"Notification","Message":"{\"event\":\"a\"}"}"#),
            (carried_base64, r#"{"body":"eyJldmVudCI6ImEifQ==","isBase64Encoded":true}"#),
            (form_part, "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b\r\nA: b\r\n\r\n{\"event\":\"a\"}\r\n--b--\r\n"),
            (form_part, "--b\nA: b\n\n{\"event\":\"a\"}\n--b--"),
        ];
        for (undo, body) in rows {
            assert_eq!(undo(body.as_bytes()).as_deref(), Some(&message[..]), "{body}");
        }
    }

    #[test]
    fn a_message_itself_carries_nothing() {
        for body in [r#"{"event":"a","data":{"body":"{}"}}"#, r#"{"body":"text"}"#, "--", "--b", "--b\n", "--b\n--b--", "[]", ""] {
            for undo in [carried_text, carried_base64, form_part] {
                assert_eq!(undo(body.as_bytes()), None, "{body}");
            }
        }
    }
}
