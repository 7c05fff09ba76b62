//! How values of the core stand in columns.

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{EnvelopeId, UserId},
};
use rusqlite::{Row, RowIndex, types::FromSql};

use super::fault::Fault;

/// An id's raw number as stored. Numbers of 2^63 and more never were given out and become negative ones, which no row has.
pub(super) fn id(raw: u64) -> i64 {
    raw.cast_signed()
}

/// A stored number as an id's raw number.
pub(super) fn raw(stored: i64) -> u64 {
    stored.cast_unsigned()
}

/// A column, or which one is damaged.
pub(super) fn column<T: FromSql>(row: &Row<'_>, index: impl RowIndex) -> Result<T, Fault> {
    row.get(index).map_err(Fault::from)
}

/// A time.
pub(super) fn time(row: &Row<'_>, index: usize) -> Result<Timestamp, Fault> {
    column(row, index).map(Timestamp::from_micros)
}

/// A time that may be absent.
pub(super) fn optional_time(row: &Row<'_>, index: usize) -> Result<Option<Timestamp>, Fault> {
    Ok(column::<Option<i64>>(row, index)?.map(Timestamp::from_micros))
}

/// A GUID that may be absent.
pub(super) fn optional_guid(row: &Row<'_>, index: usize) -> Result<Option<uuid::Uuid>, Fault> {
    column(row, index)
}

/// An envelope's id that may be absent.
pub(super) fn envelope(row: &Row<'_>, index: usize) -> Result<Option<EnvelopeId>, Fault> {
    Ok(optional_guid(row, index)?.map(EnvelopeId))
}

/// A user's id that may be absent.
pub(super) fn user(row: &Row<'_>, index: usize) -> Result<Option<UserId>, Fault> {
    Ok(optional_guid(row, index)?.map(UserId))
}

/// A count. Negative numbers are damage; they read as 0 rather than fail a list.
pub(super) fn count(row: &Row<'_>, index: usize) -> Result<u32, Fault> {
    Ok(u32::try_from(column::<i64>(row, index)?).unwrap_or(0))
}

/// A SHA-256.
pub(super) fn sha256(row: &Row<'_>, index: usize) -> Result<[u8; 32], Fault> {
    column(row, index)
}

/// Bytes.
pub(super) fn bytes(row: &Row<'_>, index: usize) -> Result<Bytes, Fault> {
    column::<Vec<u8>>(row, index).map(Bytes::from)
}

/// A limit or count on its way into SQL.
pub(super) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// SHA-256 values one after the other.
pub(super) fn join_hashes(hashes: &[[u8; 32]]) -> Vec<u8> {
    hashes.concat()
}

/// Takes them apart again; a rest is damage and left out.
pub(super) fn split_hashes(joined: &[u8]) -> Vec<[u8; 32]> {
    joined.as_chunks::<32>().0.to_vec()
}
