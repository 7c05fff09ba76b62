//! JSON as bytes: a tree that keeps every token as it was written, so that a body can be laid out anew without changing it otherwise.
//!
//! `serde_json` would rewrite numbers and escapes and so lose what has to be compared; this reader looks at structure alone.

/// Deeper nesting is not read; Connect's messages have about ten levels.
const DEPTH_MAX: usize = 128;

/// A value, its tokens as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node<'a> {
    /// Members: the key with its quotes, and the value.
    Object(Vec<(&'a [u8], Node<'a>)>),
    Array(Vec<Node<'a>>),
    /// A string with its quotes, a number or a literal.
    Scalar(&'a [u8]),
}

/// A body that holds one JSON value.
#[derive(Debug, Clone)]
pub(super) struct Document<'a> {
    /// What stands before the value: white space.
    pub(super) before: &'a [u8],
    pub(super) root: Node<'a>,
    /// What stands behind the value: white space, or anything.
    pub(super) after: &'a [u8],
    /// The white space bytes between the tokens of the value.
    pub(super) inner_whitespace: Vec<u8>,
}

/// Where and how the text stops being JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// Offset of the byte that does not fit; the length of the text when it ends too early.
    pub(super) at: usize,
    /// The brackets that would complete it, when it ends behind a value; `None` when it ends inside a token or does not fit at all.
    pub(super) closing: Option<Vec<u8>>,
}

impl Broken {
    fn at(at: usize) -> Self {
        Self { at, closing: None }
    }
}

/// How a value is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// What one level is indented by; `None` puts everything on one line.
    pub(super) indent: Option<&'static [u8]>,
    pub(super) comma: &'static [u8],
    pub(super) colon: &'static [u8],
}

/// As Connect writes it: no white space between tokens.
pub(super) const COMPACT: Layout = Layout { indent: None, comma: b",", colon: b":" };

impl<'a> Document<'a> {
    /// Reads the first JSON value in `text`.
    pub(super) fn read(text: &'a [u8]) -> Result<Self, Broken> {
        let mut reader = Reader { text, at: 0, whitespace: Vec::new() };
        reader.skip_whitespace();
        let start = reader.at;
        reader.whitespace.clear();
        let root = reader.value(0)?;
        Ok(Self { before: &text[..start], root, after: &text[reader.at..], inner_whitespace: reader.whitespace })
    }

    /// Whether nothing but white space stands behind the value.
    pub(super) fn is_whole(&self) -> bool {
        self.after.trim_ascii().is_empty()
    }

    /// The document with its value laid out anew; what stands before and behind stays.
    pub(super) fn laid_out(&self, layout: Layout) -> Vec<u8> {
        let mut out = self.before.to_vec();
        write(&self.root, layout, 0, &mut out);
        out.extend(self.after);
        out
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    whitespace: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn skip_whitespace(&mut self) {
        while let Some(byte) = self.text.get(self.at).filter(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.whitespace.push(*byte);
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, Broken> {
        if depth > DEPTH_MAX {
            return Err(Broken::at(self.at));
        }
        match self.text.get(self.at) {
            Some(b'{') => self.items(depth, b'}', Self::member).map(Node::Object),
            Some(b'[') => self.items(depth, b']', Self::value).map(Node::Array),
            Some(b'"') => self.string().map(Node::Scalar),
            Some(byte) if byte.is_ascii_alphanumeric() || *byte == b'-' => {
                let rest = &self.text[self.at..];
                let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')).count();
                self.at += length;
                Ok(Node::Scalar(&rest[..length]))
            }
            _ => Err(Broken::at(self.at)),
        }
    }

    fn items<T>(&mut self, depth: usize, close: u8, item: fn(&mut Self, usize) -> Result<T, Broken>) -> Result<Vec<T>, Broken> {
        self.at += 1;
        self.skip_whitespace();
        let mut items = Vec::new();
        if self.text.get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(items);
        }
        loop {
            items.push(item(self, depth + 1).map_err(|mut broken| {
                broken.closing.iter_mut().for_each(|closing| closing.push(close));
                broken
            })?);
            self.skip_whitespace();
            match self.text.get(self.at) {
                Some(b',') => self.at += 1,
                Some(byte) if *byte == close => {
                    self.at += 1;
                    return Ok(items);
                }
                Some(_) => return Err(Broken::at(self.at)),
                None => return Err(Broken { at: self.at, closing: Some(vec![close]) }),
            }
            self.skip_whitespace();
        }
    }

    fn member(&mut self, depth: usize) -> Result<(&'a [u8], Node<'a>), Broken> {
        let key = self.string()?;
        self.skip_whitespace();
        if self.text.get(self.at) != Some(&b':') {
            return Err(Broken::at(self.at));
        }
        self.at += 1;
        self.skip_whitespace();
        Ok((key, self.value(depth)?))
    }

    fn string(&mut self) -> Result<&'a [u8], Broken> {
        let start = self.at;
        if self.text.get(start) != Some(&b'"') {
            return Err(Broken::at(start));
        }
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += match byte {
                b'\\' => 2,
                _ => 1,
            };
            if *byte == b'"' {
                return Ok(&self.text[start..self.at]);
            }
        }
        Err(Broken::at(self.text.len()))
    }
}

/// Writes a value; `level` is the depth of the line it begins on.
pub(super) fn write(node: &Node<'_>, layout: Layout, level: usize, out: &mut Vec<u8>) {
    let line = |out: &mut Vec<u8>, level: usize| {
        if let Some(indent) = layout.indent {
            out.push(b'\n');
            (0..level).for_each(|_| out.extend(indent));
        }
    };
    match node {
        Node::Scalar(token) => out.extend(*token),
        Node::Object(members) => {
            out.push(b'{');
            for (place, (key, value)) in members.iter().enumerate() {
                out.extend(if place > 0 { layout.comma } else { b"" });
                line(out, level + 1);
                out.extend(*key);
                out.extend(layout.colon);
                write(value, layout, level + 1, out);
            }
            if !members.is_empty() {
                line(out, level);
            }
            out.push(b'}');
        }
        Node::Array(items) => {
            out.push(b'[');
            for (place, item) in items.iter().enumerate() {
                out.extend(if place > 0 { layout.comma } else { b"" });
                line(out, level + 1);
                write(item, layout, level + 1, out);
            }
            if !items.is_empty() {
                line(out, level);
            }
            out.push(b']');
        }
    }
}

/// Copies `text`, with the inside of each string passed through `rewrite`.
pub(super) fn strings_rewritten(text: &[u8], rewrite: fn(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while let Some(open) = rest.iter().position(|byte| *byte == b'"') {
        out.extend(&rest[..=open]);
        rest = &rest[open + 1..];
        let mut end = 0;
        while end < rest.len() && rest[end] != b'"' {
            end = (end + if rest[end] == b'\\' { 2 } else { 1 }).min(rest.len());
        }
        rewrite(&rest[..end], &mut out);
        out.extend(rest.get(end));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.extend(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_stay_as_they_were_written() {
        let text = br#" { "a\"/\u00e9" : [ 1.0e+2 , -0 , null , "x" , { } , [ ] ] , "a" : true } "#;
        let document = Document::read(text).expect("it is JSON");
        assert_eq!(document.laid_out(COMPACT), br#" {"a\"/\u00e9":[1.0e+2,-0,null,"x",{},[]],"a":true} "#);
        let pretty = Layout { indent: Some(b"  "), comma: b",", colon: b": " };
        let document = Document::read(br#"{"a":[1,{}],"b":{"c":"d"}}"#).expect("it is JSON");
        let expected = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": \"d\"\n  }\n}";
        assert_eq!(String::from_utf8(document.laid_out(pretty)).expect("UTF-8"), expected);
    }

    #[test]
    fn broken_text_names_the_byte_and_what_would_complete_it() {
        let rows: [(&str, usize, Option<&str>); 8] = [
            ("", 0, None),
            ("<xml/>", 0, None),
            ("{\"a\":1", 6, Some("}")),
            ("{\"a\":[{\"b\":1}", 13, Some("]}")),
            ("{\"a\":\"cut", 9, None),
            ("{\"a\"", 4, None),
            ("{\"a\":1;}", 6, None),
            ("{\"a\":\"x\\", 8, None),
        ];
        for (text, at, closing) in rows {
            let expected = Broken { at, closing: closing.map(|closing| closing.as_bytes().to_vec()) };
            assert_eq!(Document::read(text.as_bytes()).err(), Some(expected), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_overflow() {
        assert!(Document::read(&b"[".repeat(1_000_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(text: Vec<u8>) {
            let read = Document::read(&text);
            prop_assert!(read.is_err() || read.is_ok());
            prop_assert_eq!(strings_rewritten(&text, |inside, out| out.extend(inside)), text);
        }

        #[test]
        fn what_serde_reads_is_read_here_too(text in "[\\{\\}\\[\\],:\"a1 \\\\]{0,40}") {
            if let Ok(value) = serde_json::from_str::<Box<serde_json::value::RawValue>>(&text) {
                let document = Document::read(value.get().as_bytes());
                prop_assert!(document.is_ok_and(|document| document.is_whole()));
            }
        }
    }
}
