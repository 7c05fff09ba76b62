//! Headers as lines.

use super::unreadable::Unreadable;

/// Longest head read, in bytes: four times what common servers take.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Header names and values in order; values without the blanks around them (RFC 9110 §5.5).
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The headers in `bytes`, one a line, up to the first empty line. A request or status line before them is passed over, and so are the
/// pseudo-headers of HTTP/2.
pub(crate) fn headers(bytes: &[u8]) -> Result<Headers, Unreadable> {
    read(split(bytes).0)
}

/// Head and body; no body when no empty line ends the head.
pub(super) fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        if matches!(&bytes[start..start + length], b"" | b"\r") {
            return (&bytes[..start], Some(&bytes[start + length + 1..]));
        }
        start += length + 1;
    }
    (bytes, None)
}

/// The headers of a head.
pub(super) fn read(head: &[u8]) -> Result<Headers, Unreadable> {
    if head.len() > HEAD_BYTES_MAX {
        return Err(Unreadable::HeadTooLong(HEAD_BYTES_MAX));
    }
    let mut headers = Headers::new();
    for (number, line) in head.split(|byte| *byte == b'\n').enumerate() {
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let line = line.trim_ascii();
        if line.is_empty() || (number == 0 && is_start_line(line)) || is_pseudo_header(line) {
            continue;
        }
        if is_folded && let Some((_, value)) = headers.last_mut() {
            // The rest of a value on a line of its own, obsolete and still met (RFC 9110 §5.5, RFC 9112 §5.2).
            value.push(b' ');
            value.extend(line);
            continue;
        }
        headers.push(header(line).ok_or(Unreadable::NoHeader(number + 1))?);
    }
    Ok(headers)
}

/// One header, `Name: value`.
pub(super) fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok().filter(|name| is_name(name))?;
    Some((name.to_owned(), line[colon + 1..].trim_ascii().to_vec()))
}

/// `POST /path HTTP/1.1` or `HTTP/1.1 200 OK`.
fn is_start_line(line: &[u8]) -> bool {
    line.starts_with(b"HTTP/") || line.windows(6).any(|part| part == b" HTTP/")
}

/// `:method: POST` (RFC 9113 §8.3).
fn is_pseudo_header(line: &[u8]) -> bool {
    [&b":method"[..], b":scheme", b":authority", b":path", b":status"].iter().any(|name| line.starts_with(name))
}

/// A token (RFC 9110 §5.6.2).
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_lines_with_or_without_a_start_line() {
        let expected = vec![("X-A".to_owned(), b"1".to_vec()), ("x-b".to_owned(), b"two: 2".to_vec())];
        for text in [
            "X-A: 1\nx-b: two: 2",
            "POST / HTTP/1.1\r\nX-A:1\r\nx-b: two: 2 \r\n\r\nbody: no header",
            "HTTP/1.1 200 OK\nX-A:  1\nx-b:two: 2\n",
            ":method: POST\n:path: /connect\nX-A: 1\nx-b: two:\n\t2\n",
        ] {
            assert_eq!(headers(text.as_bytes()), Ok(expected.clone()), "{text:?}");
        }
        for (text, line) in [("nonsense", 1), ("A: 1\nnonsense", 2), (": 1", 1), ("a b: 1", 1), ("{\"a\": 1}", 1), (" folded", 1)] {
            assert_eq!(headers(text.as_bytes()), Err(Unreadable::NoHeader(line)), "{text:?}");
        }
        assert_eq!(headers(&b"A: 1\n".repeat(20_000)), Err(Unreadable::HeadTooLong(HEAD_BYTES_MAX)));
    }
}
