//! Undoing (and redoing) the escapes that JSON libraries write in strings though JSON does not need them.

use super::json::{Document, strings_rewritten};

pub(super) fn slashes_unescaped(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| unescape(inside, out, |escape| matches!(escape, Escape::Slash))))
}

pub(super) fn unicode_unescaped(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| unescape(inside, out, |escape| matches!(escape, Escape::Unicode(_)))))
}

pub(super) fn escapes_undone(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| unescape(inside, out, |_| true)))
}

enum Escape {
    Slash,
    Unicode(char),
}

/// Copies the inside of a string; escapes of characters that JSON lets stand as themselves are undone when `wanted`.
fn unescape(inside: &[u8], out: &mut Vec<u8>, wanted: fn(&Escape) -> bool) {
    let mut rest = inside;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend(&rest[..at]);
        rest = &rest[at..];
        let (escape, length) = match rest.get(1) {
            Some(b'/') => (Some(Escape::Slash), 2),
            Some(b'u') => unicode_escape(rest).map_or((None, 2), |(c, length)| (Some(Escape::Unicode(c)), length)),
            _ => (None, 2),
        };
        let length = length.min(rest.len());
        match escape.filter(wanted) {
            Some(Escape::Slash) => out.push(b'/'),
            Some(Escape::Unicode('"')) => out.extend(b"\\\""),
            Some(Escape::Unicode(c)) if c >= ' ' && c != '\\' => out.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            _ => out.extend(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.extend(rest);
}

/// The character of `\uXXXX` or of a surrogate pair at the beginning of `text`, and the length of its escape.
fn unicode_escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        digits.iter().all(u8::is_ascii_hexdigit).then(|| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(u32::from(first)) {
        return Some((c, 6));
    }
    let c = char::decode_utf16([first, unit(6)?]).next()?.ok()?;
    Some((c, 12))
}

pub(super) fn slashes_escaped(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| {
        let mut escaped = false;
        for byte in inside {
            if *byte == b'/' && !escaped {
                out.push(b'\\');
            }
            out.push(*byte);
            escaped = *byte == b'\\' && !escaped;
        }
    }))
}

pub(super) fn unicode_escaped_lower(body: &[u8]) -> Option<Vec<u8>> {
    escaped(body, |c| !c.is_ascii(), |unit| format!("\\u{unit:04x}"))
}

pub(super) fn unicode_escaped_upper(body: &[u8]) -> Option<Vec<u8>> {
    escaped(body, |c| !c.is_ascii(), |unit| format!("\\u{unit:04X}"))
}

pub(super) fn html_escaped_lower(body: &[u8]) -> Option<Vec<u8>> {
    escaped(body, |c| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}'), |unit| format!("\\u{unit:04x}"))
}

pub(super) fn html_escaped_upper(body: &[u8]) -> Option<Vec<u8>> {
    escaped(body, |c| matches!(c, '<' | '>' | '&' | '\'' | '`' | '+') || !c.is_ascii(), |unit| format!("\\u{unit:04X}"))
}

/// The body with the characters of `which` escaped inside its strings.
fn escaped(body: &[u8], which: fn(char) -> bool, write: fn(u16) -> String) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Document::read(body).ok()?;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut inside, mut escape) = (false, false);
    for c in text.chars() {
        if inside && which(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&write(*unit)));
        } else {
            out.push(c);
        }
        inside ^= c == '"' && !escape;
        escape = c == '\\' && !escape;
    }
    Some(out.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Option<Vec<u8>>) -> Option<String> {
        result.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn only_needless_escapes_are_undone() {
        let body = br#"{"a":"\\/\/\n\"\u0022\u005c\u000a\u003cb\u003e \u00e9\u20AC\ud83d\ude00\ud83d x","k\/":1}"#;
        let expected = r#"{"a":"\\//\n\"\"\u005c\u000a<b> é€😀\ud83d x","k/":1}"#;
        assert_eq!(text(escapes_undone(body)).as_deref(), Some(expected));
        assert_eq!(text(slashes_unescaped(br#"["\/\\/"]"#)).as_deref(), Some(r#"["/\\/"]"#));
    }

    #[test]
    fn escaping_and_its_undoing_are_inverse() {
        let body = r#"{"name":"Zoë <b> & 'q' a+b 😀 \\ \"","uri":"/restapi/v2.1"}"#.as_bytes();
        for escape in [slashes_escaped, unicode_escaped_lower, unicode_escaped_upper, html_escaped_lower, html_escaped_upper] {
            let escaped = escape(body).expect("it applies");
            assert_ne!(escaped, body);
            assert_eq!(text(escapes_undone(&escaped)), Some(String::from_utf8_lossy(body).into_owned()));
        }
    }
}
