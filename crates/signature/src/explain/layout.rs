//! Undoing (and redoing) what JSON libraries change between the tokens and in numbers and dates when they write a message anew.
//!
//! Each function gives `None` when the body is not JSON or the change does not apply. Those that lay out anew want a body that is compact
//! or, the other way round, one that is not, so that two changes in a row are found as two.

use super::{
    escapes::escapes_undone,
    json::{COMPACT, Document, Layout, Node, strings_rewritten, write},
    order::order_inside,
};

/// Strings as long as this are encoded documents.
const LONG_STRING_BYTES: usize = 256;

fn is_compact(document: &Document<'_>) -> bool {
    document.inner_whitespace.is_empty()
}

/// The compact body, when it was laid out over several lines that end in a line feed alone.
pub(super) fn minified_lines(body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    (document.inner_whitespace.contains(&b'\n') && !document.inner_whitespace.contains(&b'\r')).then(|| document.laid_out(COMPACT))
}

/// The compact body, when it was written on one line with spaces.
pub(super) fn minified_spaces(body: &[u8]) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    (!is_compact(&document) && !document.inner_whitespace.contains(&b'\n')).then(|| document.laid_out(COMPACT))
}

fn laid_out(body: &[u8], layout: Layout) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    is_compact(&document).then(|| document.laid_out(layout))
}

pub(super) fn indented_by_2(body: &[u8]) -> Option<Vec<u8>> {
    laid_out(body, Layout { indent: Some(b"  "), comma: b",", colon: b": " })
}

pub(super) fn indented_by_4(body: &[u8]) -> Option<Vec<u8>> {
    laid_out(body, Layout { indent: Some(b"    "), comma: b",", colon: b": " })
}

pub(super) fn indented_by_tab(body: &[u8]) -> Option<Vec<u8>> {
    laid_out(body, Layout { indent: Some(b"\t"), comma: b",", colon: b": " })
}

pub(super) fn spaced(body: &[u8]) -> Option<Vec<u8>> {
    laid_out(body, Layout { indent: None, comma: b", ", colon: b": " })
}

pub(super) fn sorted_keys(body: &[u8]) -> Option<Vec<u8>> {
    reordered(body, |_, members| members.sort_by_key(|(key, _)| *key))
}

/// Known members in their order on the wire, the others behind them as they came.
pub(super) fn connect_order(body: &[u8]) -> Option<Vec<u8>> {
    reordered(body, |parent, members| {
        let order = order_inside(name_of(parent));
        members.sort_by_key(|(key, _)| order.iter().position(|known| *known == name_of(key)).unwrap_or(order.len()));
    })
}

fn name_of(key: &[u8]) -> &str {
    let name = key.strip_prefix(b"\"").and_then(|key| key.strip_suffix(b"\"")).unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

/// Orders the members of the object that is the value of the first argument, a key with quotes.
type Sort = fn(&[u8], &mut Vec<(&[u8], Node<'_>)>);

fn reordered(body: &[u8], sort: Sort) -> Option<Vec<u8>> {
    let mut document = Document::read(body).ok()?;
    if !is_compact(&document) {
        return None;
    }
    reorder(b"", &mut document.root, sort);
    Some(document.laid_out(COMPACT))
}

fn reorder(parent: &[u8], node: &mut Node<'_>, sort: Sort) {
    match node {
        Node::Scalar(_) => {}
        Node::Array(items) => items.iter_mut().for_each(|item| reorder(parent, item, sort)),
        Node::Object(members) => {
            sort(parent, members);
            members.iter_mut().for_each(|(key, value)| reorder(key, value, sort));
        }
    }
}

/// Everything at once: compact, no needless escapes, members in order. Finds what took a library three changes.
pub(super) fn connect_layout(body: &[u8]) -> Option<Vec<u8>> {
    let compact = Document::read(body).ok()?.laid_out(COMPACT);
    connect_order(&escapes_undone(&compact)?)
}

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
        let is_number =
            matches!(key, b"\"retryCount\"" | b"\"configurationId\"") && !inside.is_empty() && inside.iter().all(u8::is_ascii_digit);
        is_number.then(|| inside.to_vec())
    })
}

/// `1.0` as `1` and `1.0363315E7` as `10363315`.
pub(super) fn numbers_whole(body: &[u8]) -> Option<Vec<u8>> {
    /// Above this, a double no longer holds every whole number.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    members_rewritten(body, |_, token| {
        let is_number = token.first().is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
        let rewritten = is_number && token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
        let number: f64 = std::str::from_utf8(token).ok().filter(|_| rewritten)?.parse().ok()?;
        (number.fract() == 0.0 && number.abs() < EXACT_MAX).then(|| format!("{number:.0}").into_bytes())
    })
}

/// `a b@c` as `a+b@c`.
pub(super) fn plus_in_addresses(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| {
        let at = inside.iter().position(|byte| *byte == b'@').unwrap_or(0);
        out.extend(inside[..at].iter().map(|byte| if *byte == b' ' { b'+' } else { *byte }));
        out.extend(&inside[at..]);
    }))
}

pub(super) fn plus_in_long_strings(body: &[u8]) -> Option<Vec<u8>> {
    Some(strings_rewritten(body, |inside, out| {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b" +/=".contains(byte);
        let encoded = inside.len() >= LONG_STRING_BYTES && inside.iter().all(is_base64);
        out.extend(inside.iter().map(|byte| if encoded && *byte == b' ' { b'+' } else { *byte }));
    }))
}

/// What to put in the place of a scalar member, given its key and value as tokens; `None` keeps it.
type Rewrite = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

/// The compact body with scalar members replaced.
fn members_rewritten(body: &[u8], rewrite: Rewrite) -> Option<Vec<u8>> {
    let document = Document::read(body).ok()?;
    if !is_compact(&document) {
        return None;
    }
    let mut out = document.before.to_vec();
    write_rewritten(&document.root, rewrite, &mut out);
    out.extend(document.after);
    Some(out)
}

fn write_rewritten(node: &Node<'_>, rewrite: Rewrite, out: &mut Vec<u8>) {
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
    use super::{super::escapes::slashes_escaped, *};

    fn text(result: Option<Vec<u8>>) -> Option<String> {
        result.map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
    }

    #[test]
    fn layouts_are_undone_by_the_one_that_fits() {
        let body = br#"{"event":"x","data":{"list":[1,{"a":null}],"none":{},"empty":[]}}"#;
        for indent in [indented_by_2, indented_by_4, indented_by_tab] {
            let pretty = indent(body).expect("it applies");
            assert_eq!(minified_lines(&pretty).as_deref(), Some(&body[..]));
            assert_eq!(minified_spaces(&pretty), None);
            assert_eq!(indent(&pretty), None, "an indented body is not indented again");
        }
        assert_eq!(minified_spaces(&spaced(body).expect("it applies")).as_deref(), Some(&body[..]));
        assert_eq!(minified_lines(b"{\r\n}"), None, "line ends come first");
    }

    #[test]
    fn members_are_put_into_the_order_of_the_wire() {
        let body = br#"{"event":"e","apiVersion":"v2.1","uri":"/u","retryCount":0,"configurationId":1,"generatedDateTime":"t","data":{"accountId":"a","userId":"u","envelopeId":"e","envelopeSummary":{"status":"sent","sender":{"userName":"n","userId":"u","accountId":"a","email":"m"}}}}"#;
        let sorted = sorted_keys(body).expect("it is JSON");
        assert!(sorted.starts_with(br#"{"apiVersion""#));
        assert_eq!(connect_order(&sorted).as_deref(), Some(&body[..]));
        let mangled = spaced(&slashes_escaped(&sorted).expect("it applies")).expect("it applies");
        assert_eq!(connect_layout(&mangled).as_deref(), Some(&body[..]));
    }

    #[test]
    fn values_that_libraries_rewrite_are_written_back() {
        assert_eq!(
            text(dates_padded(br#"{"generatedDateTime":"2022-12-09T18:29:29.736Z","other":"2022-12-09T18:29:29.736Z"}"#)).as_deref(),
            Some(r#"{"generatedDateTime":"2022-12-09T18:29:29.7360000Z","other":"2022-12-09T18:29:29.736Z"}"#)
        );
        assert_eq!(
            text(dates_padded(br#"{"generatedDateTime":"2022-12-09T18:29:29+00:00"}"#)).as_deref(),
            Some(r#"{"generatedDateTime":"2022-12-09T18:29:29.0000000Z"}"#)
        );
        assert_eq!(
            text(numbers_unquoted(br#"{"retryCount":"0","configurationId":"10363315","recipientId":"1"}"#)).as_deref(),
            Some(r#"{"retryCount":0,"configurationId":10363315,"recipientId":"1"}"#)
        );
        assert_eq!(
            text(numbers_whole(br#"{"retryCount":0.0,"configurationId":1.0363315E7,"half":0.5,"list":[1.0]}"#)).as_deref(),
            Some(r#"{"retryCount":0,"configurationId":10363315,"half":0.5,"list":[1.0]}"#)
        );
        assert_eq!(
            text(plus_in_addresses(br#"{"email":"a b@c.d","subject":"a b"}"#)).as_deref(),
            Some(r#"{"email":"a+b@c.d","subject":"a b"}"#)
        );
    }
}
