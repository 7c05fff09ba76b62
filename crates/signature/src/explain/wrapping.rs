//! Undoing what carries a body inside something else: compression, Base64, forms, JSON strings, another character encoding; and cuts.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::{
    coding::{Plus, from_base64, percent_decoded},
    json::{Broken, Document},
};

/// Inflating stops here: four times the largest body looked at as a whole. More is a bomb.
const INFLATED_BYTES_MAX: u64 = 16 << 20;

pub(super) fn gzip_undone(body: &[u8]) -> Option<Vec<u8>> {
    body.starts_with(&[0x1f, 0x8b]).then(|| inflated(GzDecoder::new(body)))?
}

pub(super) fn deflated_undone(body: &[u8]) -> Option<Vec<u8>> {
    // Bare deflate has no mark of its own; what looks like text is not tried.
    let is_text = body.first().is_none_or(|byte| matches!(byte, b'{' | b'[' | b'<' | b'"' | b' ' | b'\n' | 0xef));
    inflated(ZlibDecoder::new(body)).or_else(|| inflated(DeflateDecoder::new(body)).filter(|_| !is_text))
}

fn inflated(decoder: impl std::io::Read) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let read = decoder.take(INFLATED_BYTES_MAX).read_to_end(&mut out).ok()?;
    (read > 0 && (read as u64) < INFLATED_BYTES_MAX).then_some(out)
}

pub(super) fn base64_decoded(body: &[u8]) -> Option<Vec<u8>> {
    let inside = body.trim_ascii();
    let inside = inside.strip_prefix(b"\"").and_then(|inside| inside.strip_suffix(b"\"")).unwrap_or(inside);
    // MIME tools break the lines.
    let joined: Vec<u8> = inside.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).copied().collect();
    from_base64(&joined)
}

pub(super) fn base64_encoded(body: &[u8]) -> Option<Vec<u8>> {
    Some(STANDARD.encode(body).into_bytes())
}

pub(super) fn from_json_string(body: &[u8]) -> Option<Vec<u8>> {
    let text: String = serde_json::from_slice(body).ok()?;
    Some(text.into_bytes())
}

pub(super) fn as_json_string(body: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(std::str::from_utf8(body).ok()?).ok()
}

/// The value of the first form field that looks like a message.
pub(super) fn form_decoded(body: &[u8]) -> Option<Vec<u8>> {
    if !is_form(body) {
        return None;
    }
    body.split(|byte| *byte == b'&').find_map(|field| {
        let equals = field.iter().position(|byte| *byte == b'=')?;
        let value = percent_decoded(&field[equals + 1..], Plus::Space);
        is_message(&value).then_some(value)
    })
}

/// The body when a form parser took all of it for the name of a field without value: `%7B...%7D=`.
pub(super) fn form_key_decoded(body: &[u8]) -> Option<Vec<u8>> {
    let name = body.strip_suffix(b"=").unwrap_or(body);
    let decoded = percent_decoded(name, Plus::Space);
    (is_message(&decoded) && (is_form(name) || name.len() < body.len())).then_some(decoded)
}

pub(super) fn percent_undone(body: &[u8]) -> Option<Vec<u8>> {
    is_form(body).then(|| percent_decoded(body, Plus::Itself))
}

/// Whether the body has no byte that a form would have encoded.
fn is_form(body: &[u8]) -> bool {
    body.contains(&b'%') && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"%+=&-._~*!'()".contains(byte))
}

pub(super) fn is_message(text: &[u8]) -> bool {
    text.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'[' | b'<'))
}

pub(super) fn plus_for_every_space(body: &[u8]) -> Option<Vec<u8>> {
    Some(body.iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }).collect())
}

/// Each byte taken for a character of Windows-1252 (which the web takes Latin-1 for) and written as UTF-8.
pub(super) fn latin1_to_utf8(body: &[u8]) -> Option<Vec<u8>> {
    if body.is_ascii() || std::str::from_utf8(body).is_ok() {
        return None;
    }
    Some(body.iter().map(|byte| windows_1252(*byte)).collect::<String>().into_bytes())
}

pub(super) fn utf8_to_latin1(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    text.chars().map(from_windows_1252).collect()
}

/// UTF-8 that was read as Windows-1252 and written as UTF-8 again.
pub(super) fn mojibake_undone(body: &[u8]) -> Option<Vec<u8>> {
    let undone = utf8_to_latin1(body)?;
    std::str::from_utf8(&undone).is_ok().then_some(undone)
}

const fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9f => HIGH_CONTROLS[byte as usize - 0x80],
        _ => byte as char,
    }
}

fn from_windows_1252(c: char) -> Option<u8> {
    let place = HIGH_CONTROLS.iter().position(|known| *known == c);
    place.map_or_else(|| u8::try_from(u32::from(c)).ok(), |place| u8::try_from(0x80 + place).ok())
}

/// Windows-1252, 0x80 to 0x9f; the five unused codes stand for themselves, as browsers take them.
const HIGH_CONTROLS: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}', '\u{2030}', '\u{160}',
    '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}',
    '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

pub(super) fn utf16_to_utf8(body: &[u8]) -> Option<Vec<u8>> {
    type Unit = fn([u8; 2]) -> u16;
    let (bytes, unit): (&[u8], Unit) = match body {
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => (body, u16::from_le_bytes),
        [0, first, ..] if *first != 0 => (body, u16::from_be_bytes),
        _ => return None,
    };
    let (pairs, odd) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    String::from_utf16(&units).ok().filter(|_| odd.is_empty()).map(String::into_bytes)
}

pub(super) fn utf8_to_utf16(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect())
}

/// The body up to the end of its JSON value, when something other than white space follows.
pub(super) fn cut_after_json(body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    (!document.is_whole()).then(|| body[..body.len() - document.after.len()].to_vec())
}

/// The body with the brackets that close what is still open, when it ends behind a value.
pub(super) fn closed(body: &[u8]) -> Option<Vec<u8>> {
    match Document::read(body) {
        Err(Broken { closing: Some(closing), .. }) => Some([body, &closing].concat()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    const MESSAGE: &[u8] = r#"{"event":"envelope-sent","name":"Zoë 50% + “q” €"}"#.as_bytes();

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    #[test]
    fn each_wrapping_is_taken_off() {
        let form = "%7B%22a%22%3A%22b+c%22%7D";
        type Row<'a> = (&'a str, Option<Vec<u8>>, &'a [u8]);
        let rows: [Row<'_>; 9] = [
            ("gzip", gzip_undone(&gzip(MESSAGE)), MESSAGE),
            ("base64", base64_decoded(&base64_encoded(MESSAGE).expect("it applies")), MESSAGE),
            ("json string", from_json_string(&as_json_string(MESSAGE).expect("it applies")), MESSAGE),
            ("form", form_decoded(format!("x=1&payload={form}").as_bytes()), br#"{"a":"b c"}"#),
            ("form name", form_key_decoded(format!("{form}=").as_bytes()), br#"{"a":"b c"}"#),
            ("latin-1", latin1_to_utf8(&utf8_to_latin1(MESSAGE).expect("it applies")), MESSAGE),
            ("utf-16", utf16_to_utf8(&utf8_to_utf16(MESSAGE).expect("it applies")), MESSAGE),
            ("trailing text", cut_after_json(br#"{"a":1}--boundary--"#), br#"{"a":1}"#),
            ("lost brackets", closed(br#"{"a":{"b":1"#), br#"{"a":{"b":1}}"#),
        ];
        for (row, undone, expected) in rows {
            assert_eq!(undone.as_deref(), Some(expected), "{row}");
        }
        let twice: String = MESSAGE.iter().map(|byte| windows_1252(*byte)).collect();
        assert_eq!(mojibake_undone(twice.as_bytes()).as_deref(), Some(MESSAGE));
    }

    #[test]
    fn plain_messages_are_not_unwrapped() {
        let functions = [
            gzip_undone,
            deflated_undone,
            base64_decoded,
            from_json_string,
            form_decoded,
            percent_undone,
            latin1_to_utf8,
            utf16_to_utf8,
            closed,
        ];
        for function in functions {
            assert_eq!(function(MESSAGE), None);
        }
    }

    #[test]
    fn a_compressed_bomb_stops_at_the_bound() {
        assert_eq!(gzip_undone(&gzip(&vec![0; 20 << 20])), None);
    }
}
