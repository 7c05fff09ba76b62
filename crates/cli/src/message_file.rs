//! A message as people save it: headers as lines, or a whole request.

use crate::misuse::Misuse;

/// Longest head read, in bytes: four times what common servers take.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1_024;

/// Header names and values in order; values without the blanks around them (RFC 9110 §5.5).
pub(crate) type Headers = Vec<(String, Vec<u8>)>;

/// The headers in `bytes`, one a line, up to the first empty line. A request or status line before them is passed over.
pub(crate) fn headers(bytes: &[u8], what: &str) -> anyhow::Result<Headers> {
    read_head(split(bytes).0, what)
}

/// Headers and body of a request as it was captured.
pub(crate) fn request<'b>(bytes: &'b [u8], what: &str) -> anyhow::Result<(Headers, &'b [u8])> {
    let (head, body) = split(bytes);
    let body = body.ok_or_else(|| Misuse::error(format!("{what}: there is no empty line between head and body")))?;
    Ok((read_head(head, what)?, body))
}

/// Head and body; no body when no empty line ends the head.
fn split(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut start = 0;
    while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        if bytes[start..start + length].trim_ascii().is_empty() {
            return (&bytes[..start], Some(&bytes[start + length + 1..]));
        }
        start += length + 1;
    }
    (bytes, None)
}

fn read_head(head: &[u8], what: &str) -> anyhow::Result<Headers> {
    if head.len() > HEAD_BYTES_MAX {
        return Err(Misuse::error(format!("{what}: the headers are longer than {HEAD_BYTES_MAX} bytes")));
    }
    let mut headers = Headers::new();
    for (number, line) in head.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || (number == 0 && is_start_line(line)) {
            continue;
        }
        let name = line.iter().position(|byte| *byte == b':').and_then(|colon| {
            let name = std::str::from_utf8(&line[..colon]).ok()?;
            is_name(name).then_some((name, &line[colon + 1..]))
        });
        let Some((name, value)) = name else {
            return Err(Misuse::error(format!("{what}: line {} is not a header like 'Name: value'", number + 1)));
        };
        headers.push((name.to_owned(), value.trim_ascii().to_vec()));
    }
    Ok(headers)
}

/// `POST /path HTTP/1.1` or `HTTP/1.1 200 OK`.
fn is_start_line(line: &[u8]) -> bool {
    line.starts_with(b"HTTP/") || line.windows(6).any(|part| part == b" HTTP/")
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
        ] {
            assert_eq!(headers(text.as_bytes(), "--headers").expect("headers"), expected, "{text:?}");
        }
        for text in ["nonsense", "A: 1\nnonsense", ": 1", "a b: 1", "{\"a\": 1}"] {
            assert!(headers(text.as_bytes(), "--headers").is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_body_of_a_request_is_every_byte_behind_the_empty_line() {
        for (text, body) in [("POST / HTTP/1.1\r\nA: 1\r\n\r\n{\"a\":1}\r\n", "{\"a\":1}\r\n"), ("A: 1\n\n\nx", "\nx"), ("A: 1\n\n", "")] {
            let (headers, found) = request(text.as_bytes(), "--request").expect("a request");
            assert_eq!((headers.len(), found), (1, body.as_bytes()), "{text:?}");
        }
        assert!(request(b"A: 1\n", "--request").is_err());
    }
}
