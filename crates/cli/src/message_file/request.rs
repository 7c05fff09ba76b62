//! A request as it was captured: head, empty line, body.

use super::{Saved, curl::Data, head, unreadable::Unreadable};

/// Headers and body. The framing of a chunked body is taken off; it is no part of what was signed.
pub(super) fn read(bytes: &[u8]) -> Result<Saved, Unreadable> {
    let (head, body) = head::split(bytes);
    let body = body.ok_or(Unreadable::NoBody)?;
    let headers = head::read(head)?;
    let is_chunked = headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().ends_with(b"chunked"));
    let whole = is_chunked.then(|| unchunked(body)).flatten().unwrap_or_else(|| body.to_vec());
    Ok(Saved { headers, body: vec![Data::Bytes(whole)] })
}

/// The body without its chunk sizes (RFC 9112 §7.1); `None` when it has none, as where the capturing program took them off.
fn unchunked(body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let line = rest[..end].split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        // Sixteen digits would be more bytes than there are.
        let size = std::str::from_utf8(line).ok().filter(|size| (1..16).contains(&size.len()))?;
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 1..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend(rest.get(..size)?);
        rest = &rest[size..];
        rest = rest.strip_prefix(b"\r").unwrap_or(rest).strip_prefix(b"\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Result<(usize, String), Unreadable> {
        read(text.as_bytes()).map(|saved| match &saved.body[..] {
            [Data::Bytes(body)] => (saved.headers.len(), String::from_utf8(body.clone()).expect("UTF-8")),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_body_of_a_request_is_every_byte_behind_the_empty_line() {
        for (text, expected) in
            [("POST / HTTP/1.1\r\nA: 1\r\n\r\n{\"a\":1}\r\n", "{\"a\":1}\r\n"), ("A: 1\n\n\nx", "\nx"), ("A: 1\n\n", "")]
        {
            assert_eq!(body(text), Ok((1, expected.to_owned())), "{text:?}");
        }
        assert_eq!(body("A: 1\n"), Err(Unreadable::NoBody));
    }

    #[test]
    fn the_framing_of_chunks_is_taken_off_where_there_is_any() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (chunks, expected) in [
            ("6\r\n{\"a\":1\r\n1;x=y\r\n}\r\n0\r\n\r\n", "{\"a\":1}"),
            ("7\n{\"a\":1}\n0\n\n", "{\"a\":1}"),
            ("{\"a\":1}", "{\"a\":1}"),
            ("7\r\n{\"a\"", "7\r\n{\"a\""),
            ("ffffffffffffffff\r\n{}", "ffffffffffffffff\r\n{}"),
        ] {
            assert_eq!(body(&format!("{head}{chunks}")), Ok((1, expected.to_owned())), "{chunks:?}");
        }
    }
}
