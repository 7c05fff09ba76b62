//! JSON objects without room for two opinions: no member twice, no deep nesting, nothing behind the end.
//!
//! Parsers disagree about repeated members, and a token that means one thing to the server and another to us is a way in (RFC 8725 §2.4
//! and RFC 8259 §4 warn of it).

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deeper nesting is refused; real tokens have two or three levels.
const DEPTH_MAX: usize = 8;

/// Reads one object; `None` when the text is anything else.
pub(crate) fn read_object(text: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Strict { depth: 0 }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match value {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn below<E: Error>(&self) -> Result<usize, E> {
        if self.depth < DEPTH_MAX { Ok(self.depth + 1) } else { Err(E::custom("nested too deep")) }
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Self { depth })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let depth = self.below()?;
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Self { depth })?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member is repeated"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unambiguous_objects_are_read() {
        let deep = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
        let rows: [(&str, bool); 14] = [
            ("{}", true),
            ("{\"a\":[1,2.5,null,true,\"x\",{\"b\":-1}]} ", true),
            (&deep(8), true),
            (&deep(9), false),
            ("{\"a\":1,\"a\":1}", false),
            ("{\"a\":1,\"\\u0061\":2}", false),
            ("{\"a\":{\"b\":1,\"b\":2}}", false),
            ("{\"a\":1e400}", false),
            ("{} {}", false),
            ("[]", false),
            ("\"a\"", false),
            ("{'a':1}", false),
            ("", false),
            ("{\"a\":1,}", false),
        ];
        for (text, accepted) in rows {
            assert_eq!(read_object(text.as_bytes()).is_some(), accepted, "{text}");
        }
        assert!(read_object(b"{\"a\":\"\xff\"}").is_none(), "not UTF-8");
        assert!(read_object(&b"[".repeat(100_000)).is_none());
    }
}
