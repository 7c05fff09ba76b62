//! How the JSON writers of other languages write a message that they parsed.

use serde_json::{Map, Number, Value};

/// Members, in the order in which a writer writes them.
type Members<'v> = Vec<(&'v String, &'v Value)>;

/// A writer, described by what it does differently from Connect.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    /// Before each item, once a level; empty keeps everything on one line.
    pub(super) indent: &'static str,
    pub(super) line_end: &'static str,
    pub(super) comma: &'static str,
    pub(super) colon: &'static str,
    pub(super) order: fn(&Map<String, Value>) -> Members<'_>,
    /// What a character that JSON lets stand as itself is written as; `None` leaves it.
    pub(super) escape: fn(char) -> Option<String>,
    pub(super) number: fn(&Number) -> String,
}

/// `JSON.stringify(JSON.parse(body))`: numbers become doubles.
pub(super) const JAVASCRIPT: Writer =
    Writer { indent: "", line_end: "\n", comma: ",", colon: ":", order: as_parsed, escape: nothing, number: as_double };
/// `JSON.stringify(value, null, 2)`, Postman, most viewers.
pub(super) const JAVASCRIPT_PRETTY: Writer = Writer { indent: "  ", colon: ": ", ..JAVASCRIPT };
/// `json.dumps(value)`.
pub(super) const PYTHON: Writer = Writer { comma: ", ", colon: ": ", escape: non_ascii, number: as_is, ..JAVASCRIPT };
/// `json.dumps(value, ensure_ascii=False)`.
pub(super) const PYTHON_UNICODE: Writer = Writer { escape: nothing, ..PYTHON };
/// `json.dumps(value, separators=(",", ":"))`.
pub(super) const PYTHON_COMPACT: Writer = Writer { comma: ",", colon: ":", ..PYTHON };
/// `json.dumps(value, indent=4)`.
pub(super) const PYTHON_PRETTY: Writer = Writer { indent: "    ", comma: ",", ..PYTHON };
/// `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`.
pub(super) const PYTHON_SORTED: Writer = Writer { order: by_name, escape: nothing, ..PYTHON_COMPACT };
/// `json.Marshal` of a map.
pub(super) const GO_MAP: Writer = Writer { order: by_name, escape: go_escapes, ..JAVASCRIPT };
/// `json.Marshal` of a struct, its fields as declared.
pub(super) const GO_STRUCT: Writer = Writer { order: as_parsed, ..GO_MAP };
/// `json.MarshalIndent(value, "", "\t")` with HTML escaping off.
pub(super) const GO_TABS: Writer = Writer { indent: "\t", colon: ": ", ..JAVASCRIPT };
/// `json_encode($value)`.
pub(super) const PHP: Writer = Writer { escape: php_escapes, number: as_is, ..JAVASCRIPT };
/// `json_encode($value, JSON_UNESCAPED_UNICODE)`.
pub(super) const PHP_UNICODE: Writer = Writer { escape: slash, ..PHP };
/// `json_encode($value, JSON_PRETTY_PRINT)`.
pub(super) const PHP_PRETTY: Writer = Writer { indent: "    ", colon: ": ", ..PHP };
/// `JsonSerializer.Serialize(value)` with its default encoder.
pub(super) const DOTNET: Writer = Writer { escape: dotnet_escapes, number: as_is, ..JAVASCRIPT };
/// `JsonConvert.SerializeObject(value, Formatting.Indented)` on Windows.
pub(super) const NEWTONSOFT_PRETTY: Writer = Writer { line_end: "\r\n", number: as_is, ..JAVASCRIPT_PRETTY };
/// `value.to_json` in Rails.
pub(super) const RAILS: Writer = Writer { escape: rails_escapes, number: as_is, ..JAVASCRIPT };
/// `new Gson().toJson(value)`.
pub(super) const GSON: Writer = Writer { escape: gson_escapes, number: as_is, ..JAVASCRIPT };
/// A column of type `jsonb`: members by the length of their name, blanks behind comma and colon.
pub(super) const POSTGRES: Writer = Writer { order: by_length, comma: ", ", colon: ": ", number: as_is, ..JAVASCRIPT };

impl Writer {
    /// Parses `body` and writes it.
    pub(super) fn rewrite(&self, body: &[u8]) -> Vec<u8> {
        self.text(&serde_json::from_slice(body).expect("a JSON body")).into_bytes()
    }

    pub(super) fn text(&self, value: &Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn write(&self, value: &Value, level: usize, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
            Value::Number(number) => out.push_str(&(self.number)(number)),
            Value::String(text) => self.string(text, out),
            Value::Array(items) => self.items('[', ']', items, level, out, |writer, item, out| writer.write(item, level + 1, out)),
            Value::Object(members) => self.items('{', '}', &(self.order)(members), level, out, |writer, (key, item), out| {
                writer.string(key, out);
                out.push_str(writer.colon);
                writer.write(item, level + 1, out);
            }),
        }
    }

    fn items<T>(&self, open: char, close: char, items: &[T], level: usize, out: &mut String, write: impl Fn(&Self, &T, &mut String)) {
        let line = |out: &mut String, level: usize| {
            if !self.indent.is_empty() {
                out.push_str(self.line_end);
                out.push_str(&self.indent.repeat(level));
            }
        };
        out.push(open);
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.push_str(self.comma);
            }
            line(out, level + 1);
            write(self, item, out);
        }
        if !items.is_empty() {
            line(out, level);
        }
        out.push(close);
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => match (self.escape)(c) {
                    Some(written) => out.push_str(&written),
                    None => out.push(c),
                },
            }
        }
        out.push('"');
    }
}

fn as_parsed(members: &Map<String, Value>) -> Members<'_> {
    members.iter().collect()
}

fn by_name(members: &Map<String, Value>) -> Members<'_> {
    let mut sorted = as_parsed(members);
    sorted.sort_by_key(|(key, _)| *key);
    sorted
}

fn by_length(members: &Map<String, Value>) -> Members<'_> {
    let mut sorted = as_parsed(members);
    sorted.sort_by_key(|(key, _)| (key.len(), *key));
    sorted
}

fn as_is(number: &Number) -> String {
    number.to_string()
}

fn as_double(number: &Number) -> String {
    match number.as_f64() {
        Some(double) if number.is_f64() => format!("{double}"),
        _ => number.to_string(),
    }
}

fn nothing(_: char) -> Option<String> {
    None
}

fn lower(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn upper(c: char) -> String {
    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect()
}

fn non_ascii(c: char) -> Option<String> {
    (!c.is_ascii()).then(|| lower(c))
}

fn slash(c: char) -> Option<String> {
    (c == '/').then(|| "\\/".to_owned())
}

fn php_escapes(c: char) -> Option<String> {
    slash(c).or_else(|| non_ascii(c))
}

fn go_escapes(c: char) -> Option<String> {
    matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}').then(|| lower(c))
}

fn rails_escapes(c: char) -> Option<String> {
    go_escapes(c)
}

fn gson_escapes(c: char) -> Option<String> {
    matches!(c, '<' | '>' | '&' | '=' | '\'').then(|| lower(c))
}

fn dotnet_escapes(c: char) -> Option<String> {
    (!c.is_ascii() || matches!(c, '<' | '>' | '&' | '\'' | '+' | '`')).then(|| upper(c))
}
