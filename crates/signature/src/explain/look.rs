//! What a body looks like when nothing could be recomputed: the signs that it is not as Connect sent it.

use super::{
    candidate::Candidate,
    carrier::{carried_base64, carried_text},
    finding::{Cause, Finding},
    json::{Document, Node},
};

const RAW: &str = "verify the raw bytes of the request before any parser sees them";
const WHOLE: &str = "read the body to its full Content-Length; look for a limit or an early close";
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
/// The root of the legacy XML messages.
const XML_ROOT: &[u8] = b"DocuSignEnvelopeInformation";

/// The most telling sign; `None` when the body looks as Connect sends it.
pub(super) fn look_of_body(candidate: &Candidate<'_>) -> Option<Finding> {
    let body = candidate.body;
    let text = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii_start();
    if text.is_empty() {
        return Some(Finding::indicated(
            Cause::BodyTruncated,
            "the body at hand is empty: it ends at byte 0",
            "read the raw body before a parser consumes it; a stream can be read once",
        ));
    }
    wrapped(body).or_else(|| if text.starts_with(b"<") { xml(candidate, text) } else { json(body) }).or_else(|| replaced(body))
}

fn wrapped(body: &[u8]) -> Option<Finding> {
    let (cause, evidence, fix) = if body.starts_with(&[0x1f, 0x8b]) {
        (Cause::BodyGzip, "the body begins with the mark of gzip", "undo the Content-Encoding before verifying")
    } else if body.starts_with(b"b'") || body.starts_with(b"b\"") {
        (Cause::BodyDoubleEncoded, "the body is bytes written as text by Python", "use the bytes themselves, not str() of them")
    } else if body.starts_with(b"{'") {
        (Cause::BodyReserialised, "the body is a parsed message written as text by Python", RAW)
    } else if body.starts_with(b"--") && body.windows(12).take(1_024).any(|part| part.eq_ignore_ascii_case(b"content-disp")) {
        (Cause::BodyForm, "the body is a form of several parts", "take the raw body; something wrapped it in a form")
    } else if body.starts_with(b"%7B")
        || body.starts_with(b"%7b")
        || body.windows(4).take(128).any(|part| part.eq_ignore_ascii_case(b"=%7b"))
    {
        (Cause::BodyForm, "the body is percent-encoded, as a form is", "take the raw body; a form parser or proxy wrapped it")
    } else if carried_base64(body).is_some() {
        (Cause::BodyBase64, "the body is an object with the message in Base64 inside", "decode that member and verify it alone")
    } else if carried_text(body).is_some() {
        (Cause::BodyDoubleEncoded, "the body is an object with the message as text inside", "verify that member alone")
    } else {
        return None;
    };
    Some(Finding::indicated(cause, evidence, fix))
}

fn xml(candidate: &Candidate<'_>, text: &[u8]) -> Option<Finding> {
    const FIX: &str = "check that body and signature are of the same message and what data format the Connect configuration has";
    let declared =
        candidate.header_value("content-type").is_some_and(|value| value.windows(3).any(|part| part.eq_ignore_ascii_case(b"xml")));
    let is_message = text.windows(XML_ROOT.len()).any(|part| part == XML_ROOT);
    if is_message && !text.trim_ascii_end().ends_with(b"</DocuSignEnvelopeInformation>") {
        let evidence = format!("the XML of the body is cut: it ends at byte {} before its root is closed", candidate.body.len());
        return Some(Finding::indicated(Cause::BodyTruncated, evidence, WHOLE));
    }
    if is_message && declared {
        return None;
    }
    let evidence = if is_message {
        "the body is XML, the legacy format of Connect, and not JSON"
    } else {
        "the body is XML or HTML and no message of Connect; it may be the error page of a proxy"
    };
    Some(Finding::indicated(Cause::BodyNotJson, evidence, FIX))
}

fn json(body: &[u8]) -> Option<Finding> {
    let document = match Document::read(body) {
        Err(broken) if broken.at >= body.len() => {
            let evidence = format!("the JSON of the body is cut: it ends at byte {} before it is complete", body.len());
            return Some(Finding::indicated(Cause::BodyTruncated, evidence, WHOLE));
        }
        Err(broken) => {
            return Some(Finding::indicated(Cause::BodyNotJson, format!("the body is not JSON: byte {} does not fit", broken.at), RAW));
        }
        Ok(Document { root: Node::Scalar(token), .. }) if token.starts_with(b"\"") => {
            let evidence = "the body is one JSON string; Connect sends an object";
            return Some(Finding::indicated(
                Cause::BodyDoubleEncoded,
                evidence,
                "do not serialise the body again: it is JSON text already",
            ));
        }
        Ok(Document { root: Node::Scalar(_), .. }) => {
            return Some(Finding::indicated(Cause::BodyNotJson, "the body is not a JSON object", RAW));
        }
        Ok(document) if !document.is_whole() => {
            let end = body.len() - document.after.len();
            let evidence = format!("the JSON of the body ends at byte {end} of {}, something else follows", body.len());
            return Some(Finding::indicated(Cause::BodyTruncated, evidence, RAW));
        }
        Ok(document) => document,
    };
    let (cause, evidence, fix) = if document.inner_whitespace.contains(&b'\n') {
        (
            Cause::BodyPrettyPrinted,
            "the body is laid out over several lines; Connect sends compact JSON",
            "verify the raw bytes; this copy was laid out for reading",
        )
    } else if !document.inner_whitespace.is_empty() {
        (Cause::BodyReserialised, "the body has spaces between its tokens; Connect sends compact JSON", RAW)
    } else if body.windows(2).any(|pair| pair == b"\\/") {
        (Cause::BodyReserialised, "the body has slashes written as \\/; Connect does not escape them", RAW)
    } else if body.starts_with(b"{\"apiVersion\":") || body.starts_with(b"{\"configurationId\":") {
        (Cause::BodyReserialised, "the members of the body are not in Connect's order, which begins with event", RAW)
    } else {
        return None;
    };
    Some(Finding::indicated(cause, evidence, fix))
}

fn replaced(body: &[u8]) -> Option<Finding> {
    let at = body.windows(REPLACEMENT.len()).position(|window| window == REPLACEMENT)?;
    Some(Finding::indicated(
        Cause::BodyCharset,
        format!("the body has the replacement character at byte {at}: a decoder met bytes that it could not read, and they are lost"),
        "verify the bytes and not a decoded string; what was replaced cannot be brought back",
    ))
}
