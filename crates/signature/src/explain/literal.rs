//! Undoing what Python writes when bytes or a parsed message are made into text: `str(body)`, `str(request.json)`.

/// `b'...'`: the bytes inside.
pub(super) fn python_bytes_undone(body: &[u8]) -> Option<Vec<u8>> {
    let inside = body.trim_ascii().strip_prefix(b"b")?;
    let (text, rest) = string(inside)?;
    rest.is_empty().then(|| text.into_iter().flat_map(Unit::into_byte).collect())
}

/// `{'event': 'envelope-sent', 'retryCount': 0, 'anySigner': None}`: the message as compact JSON.
pub(super) fn python_literal_undone(body: &[u8]) -> Option<Vec<u8>> {
    if !body.starts_with(b"{'") && !body.starts_with(b"[{'") {
        return None;
    }
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(first) = rest.first() {
        match first {
            b'\'' | b'"' => {
                let (text, behind) = string(rest)?;
                write_json_string(&text, &mut out);
                rest = behind;
            }
            b' ' => rest = &rest[1..],
            byte if byte.is_ascii_alphabetic() => {
                let length = rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                out.extend(match &rest[..length] {
                    b"None" => &b"null"[..],
                    b"True" => b"true",
                    b"False" => b"false",
                    other => other,
                });
                rest = &rest[length..];
            }
            byte => {
                out.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    Some(out)
}

/// A piece of a literal: a byte as it stands there, or a character that an escape names.
enum Unit {
    Byte(u8),
    Escaped(char),
}

impl Unit {
    /// In a literal of bytes every unit is one byte.
    fn into_byte(self) -> Option<u8> {
        match self {
            Self::Byte(byte) => Some(byte),
            Self::Escaped(c) => u8::try_from(u32::from(c)).ok(),
        }
    }
}

/// The quoted string at the beginning of `text`, and what stands behind it.
fn string(text: &[u8]) -> Option<(Vec<Unit>, &[u8])> {
    let (quote, mut rest) = text.split_first().filter(|(quote, _)| matches!(**quote, b'\'' | b'"'))?;
    let mut units = Vec::new();
    loop {
        let (first, tail) = rest.split_first()?;
        rest = tail;
        if first == quote {
            return Some((units, rest));
        }
        if *first != b'\\' {
            units.push(Unit::Byte(*first));
            continue;
        }
        let (kind, tail) = rest.split_first()?;
        rest = tail;
        let digits = match kind {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let escaped = match kind {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ if digits > 0 => {
                let hex = std::str::from_utf8(rest.get(..digits)?).ok()?;
                rest = &rest[digits..];
                char::from_u32(u32::from_str_radix(hex, 16).ok()?)?
            }
            other => char::from(*other),
        };
        units.push(Unit::Escaped(escaped));
    }
}

fn write_json_string(units: &[Unit], out: &mut Vec<u8>) {
    out.push(b'"');
    for unit in units {
        match unit {
            Unit::Byte(b'"') | Unit::Escaped('"') => out.extend(b"\\\""),
            Unit::Escaped('\\') => out.extend(b"\\\\"),
            Unit::Escaped('\n') => out.extend(b"\\n"),
            Unit::Escaped('\r') => out.extend(b"\\r"),
            Unit::Escaped('\t') => out.extend(b"\\t"),
            Unit::Escaped(c) if *c < ' ' => out.extend(format!("\\u{:04x}", u32::from(*c)).bytes()),
            Unit::Escaped(c) => out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            Unit::Byte(byte) => out.push(*byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Option<Vec<u8>>) -> Option<String> {
        result.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn bytes_written_as_text_are_bytes_again() {
        assert_eq!(
            text(python_bytes_undone(br#"b'{"a":"Zo\xc3\xab \'x\' \\n","b":1}\n'"#)).as_deref(),
            Some("{\"a\":\"Zoë 'x' \\n\",\"b\":1}\n")
        );
        for body in [&b"b'open"[..], b"b'a'b", b"'a'", b"b", b"b'\\x4'", b"{}", b""] {
            assert_eq!(python_bytes_undone(body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_dictionary_written_as_text_is_json_again() {
        let body = r#"{'event': 'a', 'list': [{'n': 1.5}, None, True], "it's": 'say "x"\\\n', 'e': '\x01é'}"#;
        let json = r#"{"event":"a","list":[{"n":1.5},null,true],"it's":"say \"x\"\\\n","e":"\u0001é"}"#;
        assert_eq!(text(python_literal_undone(body.as_bytes())).as_deref(), Some(json));
        assert_eq!(python_literal_undone(br#"{"event": "a"}"#), None);
        assert_eq!(python_literal_undone(b"{'event"), None);
    }
}
