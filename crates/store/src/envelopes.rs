//! Envelopes as rows: the whole state as bytes, and beside it what lists filter and sort by.

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId, UserId},
};

/// The version of a stored envelope; rises by one with every change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EnvelopeVersion(pub i64);

/// A stored envelope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvelopeRow {
    /// Its id.
    pub id: EnvelopeId,
    /// Whose it is.
    pub account: AccountId,
    /// `created`, `sent`, ... as text.
    pub status: String,
    /// The sender.
    pub sender: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was first sent.
    pub sent_at: Option<Timestamp>,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
    /// When its status last changed.
    pub status_changed_at: Timestamp,
    /// When anything last changed.
    pub changed_at: Timestamp,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// E-mail subject, for sorting.
    pub subject: String,
    /// `inbox`-like place: `draft`, `sent`, `deleted`.
    pub folder: String,
    /// The caller's `transactionId`, if any.
    pub transaction_id: Option<String>,
    /// Lower-case text that `search_text` looks into: subject, names and addresses, one per line.
    pub search_text: String,
    /// Custom fields as `name=value` lines, each ended by a newline, lower case.
    pub custom_fields: String,
    /// SHA-256 of every content (document bytes) it refers to.
    pub contents: Vec<[u8; 32]>,
    /// The serialised envelope.
    pub body: Bytes,
}

/// An envelope as read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEnvelope {
    /// The version read; a change names it.
    pub version: EnvelopeVersion,
    /// The row.
    pub row: EnvelopeRow,
}

/// Which date a list is bounded and sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvelopeDate {
    /// When it was made.
    Created,
    /// When it was sent.
    Sent,
    /// When it was completed.
    Completed,
    /// When its status changed.
    StatusChanged,
    /// When anything changed.
    Changed,
    /// When it expires.
    Expires,
}

/// What a list is sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EnvelopeOrder {
    /// A date.
    By(EnvelopeDate),
    /// The subject.
    Subject,
    /// The status.
    Status,
}

/// A list of envelopes of one account.
#[derive(Clone, Debug)]
pub struct EnvelopeQuery {
    /// Whose.
    pub account: AccountId,
    /// Which date the bounds are about.
    pub date: EnvelopeDate,
    /// From here, included.
    pub from: Option<Timestamp>,
    /// To here, excluded.
    pub to: Option<Timestamp>,
    /// Only these statuses; all when empty.
    pub statuses: Vec<String>,
    /// Only these ids; all when empty. At most 1,000.
    pub ids: Vec<EnvelopeId>,
    /// Only these transaction ids; all when empty.
    pub transaction_ids: Vec<String>,
    /// Only these senders; all when empty.
    pub senders: Vec<UserId>,
    /// Only these folders; all but `deleted` when empty.
    pub folders: Vec<String>,
    /// Lower-case text that must be in the search text.
    pub search_text: Option<String>,
    /// A lower-case custom field line (`name=value`) that must be there.
    pub custom_field: Option<String>,
    /// Sorted by.
    pub order: EnvelopeOrder,
    /// Newest or greatest first.
    pub descending: bool,
    /// How many to skip (Connect's `start_position`); at most 100,000, since it is a cost.
    pub start: u32,
    /// How many at most, 1 to 1,000.
    pub count: u32,
}

/// A page of envelopes and how many there are in all.
#[derive(Clone, Debug)]
pub struct EnvelopePage {
    /// The page.
    pub envelopes: Vec<StoredEnvelope>,
    /// All that fit the query.
    pub total: u64,
}
