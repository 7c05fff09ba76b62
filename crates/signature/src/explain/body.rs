//! What may have happened to a body, and how to undo it.
//!
//! A step takes the body at hand and gives the body that would have been signed if that one thing had happened. Steps are data: a new
//! guess is one row. Some rows undo what the receiver's side did, the others repeat what the signer's side may have done.

use super::{
    carrier::{carried_base64, carried_text, form_part},
    escapes::{
        escapes_undone, html_escaped_lower, html_escaped_upper, slashes_escaped, slashes_unescaped, unicode_escaped_lower,
        unicode_escaped_upper, unicode_unescaped,
    },
    finding::Cause,
    layout::{
        as_go, as_php, as_python, connect_layout, connect_order, indented_by_2, indented_by_4, indented_by_tab, minified_lines,
        minified_spaces, plus_in_addresses, plus_in_long_strings, python_undone, sorted_keys, spaced,
    },
    literal::{python_bytes_undone, python_literal_undone},
    number::{
        SINGLE_FRACTIONS, dates_padded, fractions_of_two_digits, number_with_fraction, numbers_of_two_digits, numbers_unquoted,
        numbers_whole, numbers_with_fraction,
    },
    wrapping::{
        as_json_string, base64_decoded, base64_encoded, closed, cut_after_json, deflated_undone, form_decoded, form_key_decoded,
        from_json_string, gzip_undone, latin1_to_utf8, mojibake_undone, percent_undone, plus_for_every_space, utf8_to_latin1,
        utf8_to_utf16, utf16_to_utf8,
    },
};

const BOM: &[u8] = "\u{feff}".as_bytes();
/// Buffers that receivers and tools are known to cut bodies at, in bytes.
const BUFFERS: [usize; 8] = [1_024, 4_096, 8_192, 16_384, 65_536, 102_400, 1 << 20, 8_000_000];

/// One guess.
#[derive(Clone, Copy)]
pub(super) struct BodyStep {
    pub(super) cause: Cause,
    /// The body that would have been signed, as a phrase behind "the body".
    pub(super) what: &'static str,
    pub(super) fix: &'static str,
    /// Lower is likelier.
    pub(super) cost: u16,
    /// Whether it works on a body of any size without reading it as a whole.
    pub(super) streams: bool,
    pub(super) apply: Apply,
}

/// How a step is carried out.
#[derive(Clone, Copy)]
pub(super) enum Apply {
    /// `None` when there is nothing to undo.
    Function(fn(&[u8]) -> Option<Vec<u8>>),
    /// With this `retryCount`.
    RetryCount(u32),
    /// With a fraction of zero behind one whole number, the one at this place.
    Fraction(usize),
    /// Only the first so many bytes.
    Cut(usize),
}

impl BodyStep {
    /// The body under this guess; `None` when the guess does not apply or changes nothing.
    pub(super) fn undo(&self, body: &[u8]) -> Option<Vec<u8>> {
        let undone = match self.apply {
            Apply::Function(function) => function(body),
            Apply::RetryCount(count) => with_retry_count(body, count),
            Apply::Fraction(place) => number_with_fraction(body, place),
            Apply::Cut(length) => body.get(..length).map(<[u8]>::to_vec),
        };
        undone.filter(|undone| undone != body)
    }
}

const fn whole(cause: Cause, cost: u16, what: &'static str, fix: &'static str, function: fn(&[u8]) -> Option<Vec<u8>>) -> BodyStep {
    BodyStep { cause, what, fix, cost, streams: false, apply: Apply::Function(function) }
}

const fn streaming(cause: Cause, cost: u16, what: &'static str, fix: &'static str, function: fn(&[u8]) -> Option<Vec<u8>>) -> BodyStep {
    BodyStep { cause, what, fix, cost, streams: true, apply: Apply::Function(function) }
}

/// Connect tries a message up to 10 times, Countersign by default 17 times; the first attempts are looked at most.
const fn attempt(count: u32, what: &'static str) -> BodyStep {
    let cost = 5 + count as u16 / 2;
    BodyStep { cause: Cause::BodyOtherAttempt, what, fix: ATTEMPT, cost, streams: true, apply: Apply::RetryCount(count) }
}

const fn fraction(place: usize) -> BodyStep {
    let cost = 10 + place as u16;
    let what = "with .0 behind one of its whole numbers";
    BodyStep { cause: Cause::BodyReserialised, what, fix: RAW, cost, streams: false, apply: Apply::Fraction(place) }
}

const fn buffer(length: usize) -> BodyStep {
    BodyStep {
        cause: Cause::BodyTruncated,
        what: "cut at the size of a common buffer",
        fix: "sign and verify the whole body: a buffer of the signer ended before it",
        cost: 26,
        streams: true,
        apply: Apply::Cut(length),
    }
}

const RAW: &str = "verify the raw bytes of the request before any parser sees them; register the webhook route before a body parser, or keep its raw buffer";
const PRETTY: &str = "verify the raw bytes as they arrived; a body copied from a viewer or test site is laid out for reading";
const NEWLINE: &str = "verify the bytes as they arrived; an editor, echo or a text function added or removed the line end (use printf, --data-binary, a binary file)";
const CRLF: &str = "keep the body binary: a text-mode file, version control or a mail gateway converted its line ends";
const CHARSET: &str = "verify the bytes and not a decoded string; if it must be a string, decode and encode it as UTF-8";
const GATEWAY: &str = "decode the body before verifying: the gateway marks it as Base64 (isBase64Encoded), or send it through as binary";
const ATTEMPT: &str = "compare body and header of the same attempt: each one carries its own retryCount and so its own signature";
const FORM: &str = "take the raw body: a form parser read JSON sent as application/json, or a proxy wrapped it in a form";

/// All guesses for a message: the table, and the length that its sender announced.
pub(super) fn body_steps(content_length: Option<usize>) -> Vec<BodyStep> {
    let announced = content_length.map(|length| BodyStep {
        what: "cut at its Content-Length",
        fix: "something was appended to the body on the way; verify the raw bytes, as many as Content-Length says",
        cost: 4,
        ..buffer(length)
    });
    STEPS.iter().copied().chain(announced).collect()
}

static STEPS: &[BodyStep] = &[
    // Likeliest: tools and frameworks on the receiver's side.
    whole(Cause::BodyPrettyPrinted, 1, "without the white space between its tokens", PRETTY, minified_lines),
    streaming(Cause::BodyTrailingNewline, 1, "without the line end at its end", NEWLINE, without_newline),
    whole(Cause::BodyReserialised, 2, "without the spaces between its tokens", RAW, minified_spaces),
    streaming(Cause::BodyTrailingNewline, 2, "with a line feed at its end", NEWLINE, with_lf),
    whole(Cause::BodyReserialised, 2, "with its escaped characters written as themselves", RAW, unicode_unescaped),
    whole(Cause::BodyReserialised, 3, "without spaces between its tokens and without Unicode escapes", RAW, python_undone),
    whole(Cause::BodyReserialised, 3, "as JSON and not as Python writes it", RAW, python_literal_undone),
    whole(Cause::BodyReserialised, 2, "with \\/ written as /", RAW, slashes_unescaped),
    whole(Cause::BodyReserialised, 3, "with all escapes that JSON does not need undone", RAW, escapes_undone),
    whole(Cause::BodyReserialised, 3, "with its members in the order of Connect", RAW, connect_order),
    streaming(Cause::BodyTrailingSpace, 3, "without the spaces at its end", NEWLINE, without_spaces),
    streaming(Cause::BodyBom, 3, "without its byte order mark", "do not write a byte order mark when saving the body", without_bom),
    streaming(Cause::BodyCrlf, 3, "with line feeds in place of carriage return and line feed", CRLF, with_lf_lines),
    streaming(Cause::BodyCrlf, 4, "with carriage return and line feed in place of line feeds", CRLF, with_crlf_lines),
    whole(Cause::BodyCharset, 3, "as UTF-8 in place of Latin-1", CHARSET, latin1_to_utf8),
    whole(Cause::BodyCharset, 4, "as UTF-8 read once in place of twice", CHARSET, mojibake_undone),
    whole(Cause::BodyCharset, 4, "as UTF-8 in place of UTF-16", CHARSET, utf16_to_utf8),
    whole(
        Cause::BodyDoubleEncoded,
        2,
        "taken out of its JSON string",
        "do not serialise the body again: it is JSON text already",
        from_json_string,
    ),
    whole(
        Cause::BodyDoubleEncoded,
        3,
        "as the bytes that Python wrote as text",
        "use the bytes of the body; str() of bytes writes b'...' around them",
        python_bytes_undone,
    ),
    whole(
        Cause::BodyDoubleEncoded,
        3,
        "taken out of the object that carries it as text",
        "verify the body alone, not the event of the gateway or queue that carries it",
        carried_text,
    ),
    whole(Cause::BodyBase64, 3, "taken out of the object that carries it in Base64", GATEWAY, carried_base64),
    whole(Cause::BodyBase64, 2, "decoded from Base64", GATEWAY, base64_decoded),
    whole(
        Cause::BodyGzip,
        2,
        "after gzip is undone",
        "undo the Content-Encoding before verifying: the signature covers the body before compression",
        gzip_undone,
    ),
    whole(
        Cause::BodyGzip,
        4,
        "after deflate is undone",
        "undo the Content-Encoding before verifying: the signature covers the body before compression",
        deflated_undone,
    ),
    whole(Cause::BodyForm, 2, "taken out of its form field", FORM, form_decoded),
    whole(Cause::BodyForm, 3, "taken out of its part of a form", FORM, form_part),
    whole(Cause::BodyForm, 3, "after percent-decoding", FORM, percent_undone),
    whole(Cause::BodyForm, 4, "taken out of the name of a form field", FORM, form_key_decoded),
    // It stands for several changes at once, so the exact pairs come before it.
    whole(Cause::BodyReserialised, 50, "laid out, escaped and ordered as Connect does", RAW, connect_layout),
    whole(Cause::BodyReserialised, 7, "with seven digits in generatedDateTime", RAW, dates_padded),
    whole(Cause::BodyReserialised, 7, "with retryCount and configurationId as numbers", RAW, numbers_unquoted),
    whole(Cause::BodyReserialised, 8, "with whole numbers written without a fraction or exponent", RAW, numbers_whole),
    whole(Cause::BodyReserialised, 8, "with .0 behind its whole numbers", RAW, numbers_with_fraction),
    whole(Cause::BodyReserialised, 9, "with two digits in its fractions", RAW, fractions_of_two_digits),
    whole(Cause::BodyReserialised, 9, "with two digits behind the point of its numbers", RAW, numbers_of_two_digits),
    fraction(0),
    fraction(1),
    fraction(2),
    fraction(3),
    fraction(4),
    fraction(SINGLE_FRACTIONS - 1),
    whole(Cause::BodyReserialised, 8, "with + for the spaces in addresses", RAW, plus_in_addresses),
    whole(Cause::BodyReserialised, 9, "with + for the spaces in encoded documents", RAW, plus_in_long_strings),
    whole(Cause::BodyReserialised, 14, "with + for every space", RAW, plus_for_every_space),
    attempt(0, "with retryCount 0"),
    attempt(1, "with retryCount 1"),
    attempt(2, "with retryCount 2"),
    attempt(3, "with retryCount 3"),
    attempt(4, "with retryCount 4"),
    attempt(5, "with retryCount 5"),
    attempt(6, "with retryCount 6"),
    attempt(7, "with retryCount 7"),
    attempt(8, "with retryCount 8"),
    attempt(9, "with retryCount 9"),
    attempt(10, "with retryCount 10"),
    attempt(11, "with retryCount 11"),
    attempt(12, "with retryCount 12"),
    attempt(13, "with retryCount 13"),
    attempt(14, "with retryCount 14"),
    attempt(15, "with retryCount 15"),
    attempt(16, "with retryCount 16"),
    attempt(17, "with retryCount 17"),
    whole(
        Cause::BodyTruncated,
        5,
        "up to the end of its JSON",
        "something was appended to the body on the way; verify the raw bytes",
        cut_after_json,
    ),
    whole(
        Cause::BodyTruncated,
        6,
        "with the closing brackets it lacks",
        "the last bytes of the body were lost; read it to its full Content-Length",
        closed,
    ),
    // The same things done by the signer.
    streaming(Cause::BodyTrailingNewline, 10, "with carriage return and line feed at its end", NEWLINE, with_crlf),
    streaming(Cause::BodyTrailingSpace, 10, "with a space at its end", NEWLINE, with_space),
    streaming(
        Cause::BodyBom,
        11,
        "behind a byte order mark",
        "the signer signs a byte order mark that the body lacks; write UTF-8 without one",
        behind_bom,
    ),
    whole(Cause::BodyPrettyPrinted, 10, "indented by 2 spaces", PRETTY, indented_by_2),
    whole(Cause::BodyPrettyPrinted, 11, "indented by 4 spaces", PRETTY, indented_by_4),
    whole(Cause::BodyPrettyPrinted, 12, "indented by tabs", PRETTY, indented_by_tab),
    whole(Cause::BodyReserialised, 10, "with a space behind each comma and colon", RAW, spaced),
    whole(Cause::BodyReserialised, 14, "as json.dumps of Python writes it", RAW, as_python),
    whole(Cause::BodyReserialised, 15, "as json_encode of PHP writes it", RAW, as_php),
    whole(Cause::BodyReserialised, 16, "as json.Marshal of Go writes a map", RAW, as_go),
    whole(Cause::BodyReserialised, 12, "with / written as \\/", RAW, slashes_escaped),
    whole(Cause::BodyReserialised, 12, "with its non-ASCII characters escaped", RAW, unicode_escaped_lower),
    whole(Cause::BodyReserialised, 13, "with its non-ASCII characters escaped in capitals", RAW, unicode_escaped_upper),
    whole(Cause::BodyReserialised, 14, "with < > & escaped", RAW, html_escaped_lower),
    whole(Cause::BodyReserialised, 15, "with < > & ' + escaped in capitals", RAW, html_escaped_upper),
    whole(Cause::BodyReserialised, 13, "with its members sorted by name", RAW, sorted_keys),
    whole(Cause::BodyCharset, 14, "as Latin-1 in place of UTF-8", CHARSET, utf8_to_latin1),
    whole(Cause::BodyCharset, 18, "as UTF-16 in place of UTF-8", CHARSET, utf8_to_utf16),
    whole(
        Cause::BodyDoubleEncoded,
        14,
        "inside a JSON string",
        "the signer serialised the body twice for signing; sign the text that is sent",
        as_json_string,
    ),
    whole(
        Cause::BodyBase64,
        15,
        "encoded in Base64",
        "the signer signed the Base64 text of the body; sign the bytes that are sent",
        base64_encoded,
    ),
    BodyStep { what: "emptied", fix: "the signer signed an empty body: it was consumed before, or not yet written", cost: 12, ..buffer(0) },
    buffer(BUFFERS[0]),
    buffer(BUFFERS[1]),
    buffer(BUFFERS[2]),
    buffer(BUFFERS[3]),
    buffer(BUFFERS[4]),
    buffer(BUFFERS[5]),
    buffer(BUFFERS[6]),
    buffer(BUFFERS[7]),
];

fn without_newline(body: &[u8]) -> Option<Vec<u8>> {
    let ends = body.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    Some(body[..body.len() - ends].to_vec())
}

fn without_spaces(body: &[u8]) -> Option<Vec<u8>> {
    let ends = body.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Some(body[..body.len() - ends].to_vec())
}

fn with_lf(body: &[u8]) -> Option<Vec<u8>> {
    Some([body, b"\n"].concat())
}

fn with_crlf(body: &[u8]) -> Option<Vec<u8>> {
    Some([body, b"\r\n"].concat())
}

fn with_space(body: &[u8]) -> Option<Vec<u8>> {
    Some([body, b" "].concat())
}

fn without_bom(body: &[u8]) -> Option<Vec<u8>> {
    body.strip_prefix(BOM).map(<[u8]>::to_vec)
}

fn behind_bom(body: &[u8]) -> Option<Vec<u8>> {
    Some([BOM, body].concat())
}

fn with_lf_lines(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    for (at, byte) in body.iter().enumerate() {
        if *byte != b'\r' || body.get(at + 1) != Some(&b'\n') {
            out.push(*byte);
        }
    }
    Some(out)
}

fn with_crlf_lines(body: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len() + body.len() / 16);
    for byte in body {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    Some(out)
}

/// The body with its first `retryCount` (Connect: a number in the outer object, raised with every attempt) changed.
fn with_retry_count(body: &[u8], count: u32) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"\"retryCount\":";
    let name = body.windows(NAME.len()).position(|window| window == NAME)?;
    let start = name + NAME.len();
    let digits = body[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| [&body[..start], count.to_string().as_bytes(), &body[start + digits..]].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_at_the_ends_and_line_ends_are_changed_and_nothing_else() {
        assert_eq!(without_newline(b"a\nb\r\n\n"), Some(b"a\nb".to_vec()));
        assert_eq!(without_spaces(b" a b \t"), Some(b" a b".to_vec()));
        assert_eq!(with_lf_lines(b"a\r\nb\rc\n"), Some(b"a\nb\rc\n".to_vec()));
        assert_eq!(with_crlf_lines(b"a\nb\r\nc"), Some(b"a\r\nb\r\nc".to_vec()));
    }

    #[test]
    fn another_attempt_differs_in_retry_count_alone() {
        let body = br#"{"event":"envelope-sent","retryCount":2,"data":{"retryCount":7}}"#;
        let other = |count| with_retry_count(body, count).map(|other| String::from_utf8(other).expect("UTF-8"));
        assert_eq!(other(0).as_deref(), Some(r#"{"event":"envelope-sent","retryCount":0,"data":{"retryCount":7}}"#));
        assert_eq!(other(10).as_deref(), Some(r#"{"event":"envelope-sent","retryCount":10,"data":{"retryCount":7}}"#));
        assert_eq!(with_retry_count(br#"{"retryCount":"2"}"#, 1), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn no_step_panics_and_none_gives_the_body_back(body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\{\\}\\[\\],:\"a1 \\\\/%=&\r\n+é]{0,60}".prop_map(String::into_bytes),
        ]) {
            for step in STEPS {
                prop_assert_ne!(step.undo(&body), Some(body.clone()), "{}", step.what);
            }
        }
    }
}
