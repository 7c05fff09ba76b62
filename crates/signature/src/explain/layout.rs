//! Undoing (and redoing) what JSON libraries change between the tokens and and in the order of members when they write a message anew.
//!
//! Each function gives `None` when the body is not JSON or the change does not apply. Those that lay out anew want a body that is compact
//! or, the other way round, one that is not, so that two changes in a row are found as two.

use super::{
    escapes::{escapes_undone, html_escaped_lower, slashes_escaped, unicode_escaped_lower, unicode_unescaped},
    json::{COMPACT, Document, Layout, Node, strings_rewritten},
    order::order_inside,
};

/// Strings as long as this are encoded documents.
const LONG_STRING_BYTES: usize = 256;

pub(super) fn is_compact(document: &Document<'_>) -> bool {
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

/// On one line and without Unicode escapes: undoes Python's `json.dumps`.
pub(super) fn python_undone(body: &[u8]) -> Option<Vec<u8>> {
    unicode_unescaped(&minified_spaces(body)?)
}

/// With spaces and Unicode escapes: Python's `json.dumps`.
pub(super) fn as_python(body: &[u8]) -> Option<Vec<u8>> {
    unicode_escaped_lower(&spaced(body)?)
}

/// With escaped slashes and Unicode escapes: PHP's `json_encode`.
pub(super) fn as_php(body: &[u8]) -> Option<Vec<u8>> {
    unicode_escaped_lower(&slashes_escaped(body)?)
}

/// Sorted and escaped for HTML: Go's `json.Marshal` of a map.
pub(super) fn as_go(body: &[u8]) -> Option<Vec<u8>> {
    html_escaped_lower(&sorted_keys(body)?)
}

pub(super) fn sorted_keys(body: &[u8]) -> Option<Vec<u8>> {
    reordered(body, |_, members| members.sort_by_key(|(key, _)| *key))
}

/// Known members in their order on the wire, the others behind them as they came.
pub(super) fn connect_order(body: &[u8]) -> Option<Vec<u8>> {
    reordered(body, |parent, members| {
        // An aggregate message is the envelope itself, without an outer object.
        let is_envelope = parent.is_empty() && !members.iter().any(|(key, _)| *key == b"\"event\"");
        let order = order_inside(if is_envelope { "envelopeSummary" } else { name_of(parent) });
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
    fn a_space_in_an_address_was_a_plus() {
        assert_eq!(
            text(plus_in_addresses(br#"{"email":"a b@c.d","subject":"a b"}"#)).as_deref(),
            Some(r#"{"email":"a+b@c.d","subject":"a b"}"#)
        );
    }
}
