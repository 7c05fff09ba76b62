//! Undoing what JSON libraries change in numbers and dates.
//!
//! A number that was rewritten does not show what it was; only those changes are tried that libraries are known for.

use super::{
    json::{COMPACT, Document, Node, write},
    layout::is_compact,
};

/// The single numbers that are tried with a fraction of their own; more of them would crowd out likelier guesses.
pub(super) const SINGLE_FRACTIONS: usize = 6;

/// `generatedDateTime` with the seven digits that Connect writes; libraries keep fewer.
pub(super) fn dates_padded(body: &[u8]) -> Option<Vec<u8>> {
    members_rewritten(body, |key, token| {
        let inside = token.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let date = inside.strip_suffix(b"Z").or_else(|| inside.strip_suffix(b"+00:00"))?;
        let (whole, fraction) = date.split_at_checked(19)?;
        let digits = fraction.strip_prefix(b".").unwrap_or(fraction);
        let fits = key == b"\"generatedDateTime\"" && digits.len() <= 7 && digits.iter().all(u8::is_ascii_digit);
        fits.then(|| [b"\"", whole, b".", digits, &b"0000000"[digits.len()..], b"Z\""].concat())
    })
}

pub(super) fn numbers_unquoted(body: &[u8]) -> Option<Vec<u8>> {
    members_rewritten(body, |key, token| {
        let inside = token.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let is_number = is_of_the_outer_object(key) && !inside.is_empty() && inside.iter().all(u8::is_ascii_digit);
        is_number.then(|| inside.to_vec())
    })
}

/// `1.0` as `1` and `1.0363315E7` as `10363315`.
pub(super) fn numbers_whole(body: &[u8]) -> Option<Vec<u8>> {
    /// Above this, a double no longer holds every whole number.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    members_rewritten(body, |_, token| {
        let rewritten = is_number(token) && !is_whole_number(token);
        let number: f64 = std::str::from_utf8(token).ok().filter(|_| rewritten)?.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < EXACT_MAX).then(|| format!("{number:.0}").into_bytes())
    })
}

/// `1` as `1.0`, all of them but those of the outer object: JavaScript writes no fraction of zero.
pub(super) fn numbers_with_fraction(body: &[u8]) -> Option<Vec<u8>> {
    members_rewritten(body, |key, token| (is_whole_number(token) && !is_of_the_outer_object(key)).then(|| [token, b".0"].concat()))
}

/// The number at this place among those that have no fraction, as `1.0`.
pub(super) fn number_with_fraction(body: &[u8], place: usize) -> Option<Vec<u8>> {
    let mut left = place;
    members_rewritten(body, |key, token| {
        if !is_whole_number(token) || is_of_the_outer_object(key) {
            return None;
        }
        let is_meant = left == 0;
        left = left.wrapping_sub(1);
        is_meant.then(|| [token, b".0"].concat())
    })
}

/// `12.5` as `12.50`: amounts as they were written before a library cut their zeros.
pub(super) fn fractions_of_two_digits(body: &[u8]) -> Option<Vec<u8>> {
    members_rewritten(body, |_, token| with_two_digits(token))
}

/// The same, with `12` as `12.00`.
pub(super) fn numbers_of_two_digits(body: &[u8]) -> Option<Vec<u8>> {
    members_rewritten(body, |key, token| {
        let is_whole = is_whole_number(token) && !is_of_the_outer_object(key);
        if is_whole { Some([token, b".00"].concat()) } else { with_two_digits(token) }
    })
}

fn with_two_digits(token: &[u8]) -> Option<Vec<u8>> {
    let point = token.iter().position(|byte| *byte == b'.').filter(|_| is_number(token))?;
    (token.len() == point + 2 && token[point + 1].is_ascii_digit()).then(|| [token, b"0"].concat())
}

fn is_number(token: &[u8]) -> bool {
    token.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit())
}

fn is_whole_number(token: &[u8]) -> bool {
    is_number(token) && !token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
}

/// Connect writes these two as whole numbers, always.
fn is_of_the_outer_object(key: &[u8]) -> bool {
    matches!(key, b"\"retryCount\"" | b"\"configurationId\"")
}

/// The compact body with scalar members replaced; `rewrite` is given key and value as tokens, and keeps those it gives no other for.
fn members_rewritten(body: &[u8], mut rewrite: impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    if !is_compact(&document) {
        return None;
    }
    let mut out = document.before.to_vec();
    write_rewritten(&document.root, &mut rewrite, &mut out);
    out.extend(document.after);
    Some(out)
}

fn write_rewritten(node: &Node<'_>, rewrite: &mut impl FnMut(&[u8], &[u8]) -> Option<Vec<u8>>, out: &mut Vec<u8>) {
    match node {
        Node::Scalar(_) => write(node, COMPACT, 0, out),
        Node::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                out.extend((place > 0).then_some(b','));
                write_rewritten(item, rewrite, out);
            }
            out.push(b']');
        }
        Node::Object(members) => {
            out.push(b'{');
            for (place, (key, value)) in members.iter().enumerate() {
                out.extend((place > 0).then_some(b','));
                out.extend(*key);
                out.push(b':');
                match value {
                    Node::Scalar(token) => out.extend(rewrite(key, token).as_deref().unwrap_or(token)),
                    _ => write_rewritten(value, rewrite, out),
                }
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(result: Option<Vec<u8>>) -> Option<String> {
        result.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn values_that_libraries_rewrite_are_written_back() {
        type Rewrite = fn(&[u8]) -> Option<Vec<u8>>;
        let rows: [(Rewrite, &str, &str); 8] = [
            (
                dates_padded,
                r#"{"generatedDateTime":"2022-12-09T18:29:29.736Z","other":"2022-12-09T18:29:29.736Z"}"#,
                r#"{"generatedDateTime":"2022-12-09T18:29:29.7360000Z","other":"2022-12-09T18:29:29.736Z"}"#,
            ),
            (
                dates_padded,
                r#"{"generatedDateTime":"2022-12-09T18:29:29+00:00"}"#,
                r#"{"generatedDateTime":"2022-12-09T18:29:29.0000000Z"}"#,
            ),
            (
                numbers_unquoted,
                r#"{"retryCount":"0","configurationId":"10363315","recipientId":"1"}"#,
                r#"{"retryCount":0,"configurationId":10363315,"recipientId":"1"}"#,
            ),
            (
                numbers_whole,
                r#"{"retryCount":0.0,"configurationId":1.0363315E7,"half":0.5,"list":[1.0]}"#,
                r#"{"retryCount":0,"configurationId":10363315,"half":0.5,"list":[1.0]}"#,
            ),
            (
                numbers_with_fraction,
                r#"{"retryCount":0,"data":{"a":1,"b":1.5,"c":"2"}}"#,
                r#"{"retryCount":0,"data":{"a":1.0,"b":1.5,"c":"2"}}"#,
            ),
            (|body| number_with_fraction(body, 1), r#"{"retryCount":0,"a":1,"b":2,"c":3}"#, r#"{"retryCount":0,"a":1,"b":2.0,"c":3}"#),
            (fractions_of_two_digits, r#"{"a":12.5,"b":12,"c":1e5,"d":12.345}"#, r#"{"a":12.50,"b":12,"c":1e5,"d":12.345}"#),
            (numbers_of_two_digits, r#"{"configurationId":1,"a":12.5,"b":12}"#, r#"{"configurationId":1,"a":12.50,"b":12.00}"#),
        ];
        for (rewrite, body, expected) in rows {
            assert_eq!(text(rewrite(body.as_bytes())).as_deref(), Some(expected), "{body}");
        }
    }
}
