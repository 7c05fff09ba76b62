//! Objects are read as objects alone. Serde reads an array as a struct too, member by member in the order of the source: a form
//! given so would mean whatever stands at its place, and would mean something else with the next version.
//!
//! [`StrictObjects`] wraps any deserializer and whatever comes out of it, so that it holds at any depth. A refusal says "an object"
//! where serde would name the struct. What a type buffers for itself before it reads it (`#[serde(tag, untagged, flatten)]`) is out
//! of its sight: such a type must hold no struct inside, and is safe as a whole body, which [`object`] asks to be an object.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor},
    forward_to_deserialize_any,
};

/// A whole body that is one object.
///
/// # Errors
/// It is not JSON, is something else than an object, or does not fit the type.
pub(super) fn object<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, serde_json::Error> {
    whole(text, |json| T::deserialize(Outermost(json)))
}

/// A whole body of any kind, such as an array of objects.
///
/// # Errors
/// It is not JSON, or does not fit the type.
pub(super) fn any<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, serde_json::Error> {
    whole(text, |json| T::deserialize(StrictObjects(json)))
}

type Json<'de> = serde_json::Deserializer<serde_json::de::SliceRead<'de>>;

fn whole<'de, T>(text: &'de [u8], read: impl FnOnce(&mut Json<'de>) -> Result<T, serde_json::Error>) -> Result<T, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = read(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Gives an object, whatever the type asks for; one that reads anything at all, as a tagged enum does, would take an array.
struct Outermost<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Outermost<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Object(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Wraps a deserializer, a visitor, an access or a seed: what it hands on is wrapped again.
struct StrictObjects<T>(T);

/// A visitor that takes an object and nothing else.
struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(StrictObjects(access))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _access: A) -> Result<V::Value, A::Error> {
        Err(A::Error::invalid_type(Unexpected::Other("array"), &self))
    }
}

macro_rules! wrapping {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(StrictObjects(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StrictObjects<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Object(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Object(visitor))
    }

    wrapping! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit deserialize_seq
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, StrictObjects(visitor))
    }

    /// `serde_json` tells its raw values by this name: it goes through as it is.
    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, StrictObjects(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, StrictObjects(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, name: &'static str, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, StrictObjects(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, StrictObjects(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! handing_on {
    ($($method:ident($type:ty))*) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictObjects<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    handing_on! {
        visit_bool(bool) visit_i8(i8) visit_i16(i16) visit_i32(i32) visit_i64(i64) visit_i128(i128) visit_u8(u8) visit_u16(u16)
        visit_u32(u32) visit_u64(u64) visit_u128(u128) visit_f32(f32) visit_f64(f64) visit_char(char) visit_str(&str)
        visit_borrowed_str(&'de str) visit_string(String) visit_bytes(&[u8]) visit_borrowed_bytes(&'de [u8]) visit_byte_buf(Vec<u8>)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(StrictObjects(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(StrictObjects(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(StrictObjects(access))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(StrictObjects(access))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(StrictObjects(access))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictObjects<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(StrictObjects(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictObjects<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(StrictObjects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictObjects<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(StrictObjects(seed))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(StrictObjects(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for StrictObjects<A> {
    type Error = A::Error;
    type Variant = StrictObjects<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(StrictObjects(seed))?;
        Ok((value, StrictObjects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for StrictObjects<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(StrictObjects(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, StrictObjects(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Object(visitor))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::borrow::Cow;

    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Choice {
        Unit,
        Newtype(Leaf),
        Struct { n: u8 },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Leaf {
        n: u8,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Wrapped(Leaf);

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Tree<'a> {
        optional: Option<Leaf>,
        wrapped: Option<Wrapped>,
        listed: Vec<Leaf>,
        named: std::collections::BTreeMap<String, Leaf>,
        choice: Option<Choice>,
        pair: Option<(u8, Leaf)>,
        #[serde(borrow)]
        text: Cow<'a, str>,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
        id: Option<uuid::Uuid>,
    }

    #[test]
    fn an_array_is_no_object_at_any_depth_and_no_refusal_names_a_type() {
        for text in [
            "[]",
            "[null]",
            r#"{"optional": [1]}"#,
            r#"{"wrapped": [1]}"#,
            r#"{"wrapped": [[1]]}"#,
            r#"{"listed": [{"n": 1}, [1]]}"#,
            r#"{"named": [1]}"#,
            r#"{"named": {"a": [1]}}"#,
            r#"{"choice": {"newtype": [1]}}"#,
            r#"{"choice": {"struct": [1]}}"#,
            r#"{"pair": [1, [1]]}"#,
            r#"{"optional": 1}"#,
            r#"{"optional": "n"}"#,
        ] {
            for refused in [object::<Tree<'_>>(text.as_bytes()).unwrap_err(), any::<Tree<'_>>(text.as_bytes()).unwrap_err()] {
                let refused = refused.to_string();
                assert!(refused.starts_with("invalid type: ") && refused.contains(", expected an object at line 1"), "{text}: {refused}");
            }
        }
    }

    #[test]
    fn what_is_right_is_read_and_text_and_raw_values_are_borrowed() {
        let text = br#" {"optional": {"n": 1}, "wrapped": {"n": 2}, "listed": [{"n": 3}], "named": {"a": {"n": 4}}, "pair": [5, {"n": 6}],
            "choice": {"struct": {"n": 7}}, "text": "plain", "raw": [1 , [2]], "id": "00000000-0000-4000-8000-000000000000"} "#;
        let tree: Tree<'_> = object(text).unwrap();
        assert_eq!((tree.optional, tree.wrapped), (Some(Leaf { n: 1 }), Some(Wrapped(Leaf { n: 2 }))));
        assert_eq!((tree.listed, tree.named["a"].n), (vec![Leaf { n: 3 }], 4));
        assert_eq!((tree.pair, tree.choice), (Some((5, Leaf { n: 6 })), Some(Choice::Struct { n: 7 })));
        assert!(matches!(tree.text, Cow::Borrowed("plain")), "{:?}", tree.text);
        assert_eq!(tree.raw.unwrap().get(), "[1 , [2]]");
        assert!(tree.id.is_some());
        for (text, choice) in [(r#""unit""#, Choice::Unit), (r#"{"newtype": {"n": 1}}"#, Choice::Newtype(Leaf { n: 1 }))] {
            assert_eq!(any::<Choice>(text.as_bytes()).unwrap(), choice);
        }
    }

    #[test]
    fn what_follows_the_value_is_refused() {
        assert!(object::<Tree<'_>>(b"{} {}").is_err());
        assert!(any::<Vec<u8>>(b"[1] 2").is_err());
    }
}
