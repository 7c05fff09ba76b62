//! Identifiers: 64-bit, time-ordered inside; a prefix and base32 outside.
//!
//! An id is `milliseconds << 22 | node << 12 | sequence`, counted from 2020-01-01, and never goes back within one node.
//! New rows therefore land on the right edge of every index and a range of time is a range of ids.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::time::Timestamp;

/// 2020-01-01T00:00:00Z in milliseconds since 1970: where the time part of an id starts counting.
const ID_EPOCH_MS: i64 = 1_577_836_800_000;
const NODE_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;
/// Lower-case Crockford base32: no i, l, o, u, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 13 characters of 5 bits hold 64 bits.
const DIGITS: usize = 13;

/// The text is not an id of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 13 characters")]
pub struct NotAnId {
    /// The prefix that was expected, without its underscore.
    pub prefix: &'static str,
}

/// Hands out ids for one node. The caller passes the time; the source never goes back, even when the clock does.
#[derive(Debug)]
pub struct IdSource {
    node: AtomicU64,
    /// The last `milliseconds << SEQUENCE_BITS | sequence` handed out.
    last: AtomicU64,
}

impl IdSource {
    /// A source for `node`, 0 to 1023; higher numbers wrap.
    #[must_use]
    pub fn new(node: u16) -> Self {
        let source = Self { node: AtomicU64::new(0), last: AtomicU64::new(0) };
        source.renumber(node);
        source
    }

    /// From now on ids are made for `node`: the store gives a node its number when it registers, and another one when it had to
    /// register again.
    pub fn renumber(&self, node: u16) {
        self.node.store(u64::from(node) & ((1 << NODE_BITS) - 1), Ordering::Relaxed);
    }

    /// The next raw id at `now`. More than 4,096 within one millisecond borrow from the next one.
    pub fn next(&self, now: Timestamp) -> u64 {
        let floor = u64::try_from(now.as_millis() - ID_EPOCH_MS).unwrap_or(0) << SEQUENCE_BITS;
        let step = |last: u64| floor.max(last + 1);
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(step(last))).unwrap_or_default();
        let next = step(last);
        let sequence = next & ((1 << SEQUENCE_BITS) - 1);
        let millis = next >> SEQUENCE_BITS;
        millis << (NODE_BITS + SEQUENCE_BITS) | self.node.load(Ordering::Relaxed) << SEQUENCE_BITS | sequence
    }
}

/// The moment an id was made, to the millisecond.
#[must_use]
pub fn time_of(raw: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(raw >> (NODE_BITS + SEQUENCE_BITS)).unwrap_or(0) + ID_EPOCH_MS)
}

/// The smallest raw id that can have been made at `at` or later; turns a range of time into a range of ids. Stores keep ids
/// signed, so that all times beyond the last of them lead to the same id: a date far ahead finds nothing instead of going round.
#[must_use]
pub fn first_at(at: Timestamp) -> u64 {
    const MILLIS_MAX: u64 = i64::MAX.cast_unsigned() >> (NODE_BITS + SEQUENCE_BITS);
    u64::try_from(at.as_millis() - ID_EPOCH_MS).unwrap_or(0).min(MILLIS_MAX) << (NODE_BITS + SEQUENCE_BITS)
}

fn write_base32(f: &mut fmt::Formatter<'_>, raw: u64) -> fmt::Result {
    let mut text = [0_u8; DIGITS];
    for (i, byte) in text.iter_mut().enumerate() {
        let shift = 5 * (DIGITS - 1 - i);
        *byte = ALPHABET[(raw >> shift & 31) as usize];
    }
    f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
}

fn read_base32(text: &str) -> Option<u64> {
    if text.len() != DIGITS {
        return None;
    }
    text.bytes().try_fold(0_u64, |raw, byte| {
        let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase())?;
        raw.checked_mul(32)?.checked_add(digit as u64)
    })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The prefix of the outside form, without its underscore.
            pub const PREFIX: &'static str = $prefix;

            /// From the raw number as stored.
            #[must_use]
            pub const fn from_raw(raw: u64) -> Self {
                Self(raw)
            }

            /// The raw number, as stored; fits `i64` until the year 2089.
            #[must_use]
            pub const fn raw(self) -> u64 {
                self.0
            }

            /// When it was made, to the millisecond.
            #[must_use]
            pub fn made_at(self) -> Timestamp {
                time_of(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_base32(f, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "_")).and_then(read_base32).map(Self).ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

ids! {
    /// Something that happened.
    EventId = "evt";
    /// One event for one subscription; the same over all its attempts.
    DeliveryId = "dlv";
    /// One HTTP exchange.
    AttemptId = "att";
    /// A piece of work that outlives its request: replay, historical publish, import.
    JobId = "job";
    /// Something due at a time: expiry, reminder, purge.
    TimerId = "tmr";
    /// One life of one node: made at every start, so that a node that comes back is another one.
    Incarnation = "inc";
    /// One request that came to a bin of the inspector.
    ArrivalId = "arr";
    /// A stored credential of the account: signing key, API token, client certificate, OAuth connection.
    CredentialId = "crd";
}

/// The external number of an account, as in Docusign's numeric `accountId`; the key of every row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub i64);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `connectId`: a number of its own sequence from 10000001, since it is a JSON number in messages.
/// Envelope-level subscriptions are numbered from the same sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub i64);

impl SubscriptionId {
    /// Where the sequence starts.
    pub const FIRST: Self = Self(10_000_001);
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a lane leads: account, origin and TLS identity, hashed to 63 bits (see [`crate::listener::Listener`]). Negative numbers are lanes
/// of one subscription alone (see [`crate::listener::lane_of_its_own`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ListenerId(pub i64);

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lst_{:016x}", self.0)
    }
}

macro_rules! guids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )+};
}

guids! {
    /// The GUID of an account, as on the wire; case does not matter when read.
    AccountGuid;
    /// A user of an account.
    UserId;
    /// An envelope.
    EnvelopeId;
    /// A template.
    TemplateId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_never_go_back_even_when_the_clock_does() {
        let source = IdSource::new(7);
        let now = Timestamp::from_secs(1_763_800_000);
        let mut last = 0;
        for step in 0..10_000_i64 {
            let id = source.next(if step % 3 == 0 { now } else { Timestamp::from_secs(1_763_700_000) });
            assert!(id > last, "step {step}");
            last = id;
        }
    }

    #[test]
    fn an_id_reads_back_and_tells_its_time() {
        let now = Timestamp::from_secs(1_763_800_000);
        let id = DeliveryId::from_raw(IdSource::new(1023).next(now));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.made_at(), now);
        assert!(i64::try_from(id.raw()).is_ok());
        assert!(id.raw() >= first_at(now));
        assert_eq!(first_at(Timestamp::EPOCH), 0);
        for far in ["2090-01-01", "2099-01-01", "2199-12-31"] {
            let far = first_at(Timestamp::parse_generous(far).expect("a date"));
            assert!(i64::try_from(far).is_ok_and(|far| far > 0) && far > id.raw(), "{far}");
        }
        assert_eq!("evt_0000000000000".parse::<DeliveryId>(), Err(NotAnId { prefix: "dlv" }));
        assert_eq!("dlv_zzzzzzzzzzzzz".parse::<DeliveryId>(), Err(NotAnId { prefix: "dlv" }), "more than 64 bits");
    }
}
