//! How values of the core stand in parameters and columns.
//!
//! Every statement is sent with the types of its parameters, so that it is parsed, bound and run in one round trip and leaves
//! nothing behind on the connection: a pooler may hand the next statement to another one.

use std::borrow::Cow;

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{EnvelopeId, UserId},
};
use tokio_postgres::{
    Row,
    types::{FromSql, ToSql, Type},
};
use uuid::Uuid;

use super::fault::Fault;

/// A parameter with its type.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// A value that has one type of PostgreSQL.
pub(super) trait Typed: ToSql + Sync {
    /// Which.
    const TYPE: Type;
}

/// A value that also stands in arrays.
pub(super) trait Element: Typed {
    /// The type of an array of it.
    const ARRAY: Type;
}

macro_rules! typed {
    ($($value:ty: $one:ident $many:ident,)+) => {$(
        impl Typed for $value {
            const TYPE: Type = Type::$one;
        }
        impl Element for $value {
            const ARRAY: Type = Type::$many;
        }
    )+};
}

typed! {
    i64: INT8 INT8_ARRAY,
    bool: BOOL BOOL_ARRAY,
    Uuid: UUID UUID_ARRAY,
    String: TEXT TEXT_ARRAY,
    &str: TEXT TEXT_ARRAY,
    &[u8]: BYTEA BYTEA_ARRAY,
    Vec<u8>: BYTEA BYTEA_ARRAY,
}

impl Typed for Cow<'_, str> {
    const TYPE: Type = Type::TEXT;
}

impl Element for Cow<'_, str> {
    const ARRAY: Type = Type::TEXT_ARRAY;
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: Type = T::TYPE;
}

impl<T: Element> Element for Option<T> {
    const ARRAY: Type = T::ARRAY;
}

impl<T: Element> Typed for Vec<T> {
    const TYPE: Type = T::ARRAY;
}

/// A parameter.
pub(super) fn p<T: Typed>(value: &T) -> Param<'_> {
    (value, T::TYPE)
}

/// A text as the database can hold it: it knows no NUL characters, which become the sign for a character that cannot be shown.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// An id's raw number as stored. Numbers of 2^63 and more never were given out and become negative ones, which no row has.
pub(super) fn id(raw: u64) -> i64 {
    raw.cast_signed()
}

/// A stored number as an id's raw number.
pub(super) fn raw(stored: i64) -> u64 {
    stored.cast_unsigned()
}

/// A column, or which one is damaged.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, Fault> {
    row.try_get(index).map_err(Fault::from)
}

/// A time.
pub(super) fn time(row: &Row, index: usize) -> Result<Timestamp, Fault> {
    column(row, index).map(Timestamp::from_micros)
}

/// A time that may be absent.
pub(super) fn optional_time(row: &Row, index: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(column::<Option<i64>>(row, index)?.map(Timestamp::from_micros))
}

/// An envelope's id that may be absent.
pub(super) fn envelope(row: &Row, index: usize) -> Result<Option<EnvelopeId>, Fault> {
    Ok(column::<Option<Uuid>>(row, index)?.map(EnvelopeId))
}

/// A user's id that may be absent.
pub(super) fn user(row: &Row, index: usize) -> Result<Option<UserId>, Fault> {
    Ok(column::<Option<Uuid>>(row, index)?.map(UserId))
}

/// A count. Negative numbers are damage; they read as 0 rather than fail a list.
pub(super) fn count(row: &Row, index: usize) -> Result<u32, Fault> {
    Ok(u32::try_from(column::<i32>(row, index)?).unwrap_or(0))
}

/// A number of rows.
pub(super) fn total(row: &Row, index: usize) -> Result<u64, Fault> {
    Ok(u64::try_from(column::<i64>(row, index)?).unwrap_or(0))
}

/// A count on its way into an `integer`, whose greatest number stands for all beyond it.
pub(super) fn counted(count: u32) -> i64 {
    i64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

/// A code of a small set.
pub(super) fn code(row: &Row, index: usize) -> Result<u8, Fault> {
    Ok(u8::try_from(column::<i16>(row, index)?).unwrap_or(u8::MAX))
}

/// A SHA-256.
pub(super) fn sha256(row: &Row, index: usize) -> Result<[u8; 32], Fault> {
    column::<&[u8]>(row, index)?.try_into().map_err(|_| Fault::damaged("a SHA-256 of another length"))
}

/// Bytes.
pub(super) fn bytes(row: &Row, index: usize) -> Result<Bytes, Fault> {
    column::<&[u8]>(row, index).map(Bytes::copy_from_slice)
}

/// A limit or count on its way into SQL.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// SHA-256 values one after the other, taken apart; a rest is damage and left out.
pub(super) fn split_hashes(joined: &[u8]) -> Vec<[u8; 32]> {
    joined.as_chunks::<32>().0.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_character_becomes_one_that_the_database_can_hold() {
        assert_eq!(text("a\0b"), "a\u{fffd}b");
        assert!(matches!(text("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn a_count_beyond_an_integer_is_the_greatest_integer() {
        assert_eq!((counted(7), counted(u32::MAX)), (7, i64::from(i32::MAX)));
    }
}
