//! Telling a message that was handled before from a new one.
//!
//! Connect's signature covers the body and nothing else, so an old message verifies for ever, and an honest sender repeats a message whose
//! answer got lost. Both are recognised by what the message says, signed, and what stays the same over its attempts: configuration, event,
//! the moment the message was generated, and what `data` names: account, envelope, recipient. `retryCount` is left out, since it changes.
//! A delivery id counts only when a verified Standard Webhooks signature covers it.
//!
//! A message is remembered as handled when the application answered it with 2xx, and forgotten when it did not, so that the sender's next
//! attempt goes through.

use std::{
    fmt::{self, Write as _},
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use sha2::{Digest as _, Sha256};

use crate::{clock::UnixSeconds, fetch::BoxFuture, message::Outline};

/// How long a handled message is remembered unless configured otherwise, in seconds: Connect's 15 days of retries and a day more.
pub const REPLAY_WINDOW_SECONDS: u64 = 16 * 86_400;
/// An application that has not answered after this long never will, in seconds: Connect waits 100.
const IN_PROGRESS_SECONDS: u64 = 120;
/// Messages remembered in memory, the oldest forgotten first: about 10 MB.
const MEMORY_ENTRIES_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("a hundred thousand is not zero");

/// What a message is recognised by: a hash over the signed parts that stay the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReplayKey([u8; 32]);

impl ReplayKey {
    /// The hash, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of a message with a verified delivery id (`webhook-id`).
    #[must_use]
    pub fn of_delivery(id: &str) -> Self {
        Self::over([b"delivery", id.as_bytes()])
    }

    /// Of a verified body. One event is recognised by its identity. Everything else is recognised by all of its bytes: the XML and the
    /// aggregate message are the same on every attempt, `TimeGenerated` and the dates of the envelope among them.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        Self::of_read_body(body, Outline::read(body).as_ref())
    }

    /// [`ReplayKey::of_body`] where the body's outline is at hand; `None`: it has none.
    #[must_use]
    pub fn of_read_body(body: &[u8], outline: Option<&Outline<'_>>) -> Self {
        outline.and_then(Self::of_event).unwrap_or_else(|| Self::over([b"body", body]))
    }

    /// `data` goes in member by member, but for the state of the envelope: that may be written anew for a later attempt, and what else is
    /// there says what the event is about.
    fn of_event(outline: &Outline<'_>) -> Option<Self> {
        let (event, generated_at) = (outline.event()?, outline.generated_date_time()?);
        let members = outline.data()?.filter(|(name, _)| *name != "envelopeSummary");
        let mut hash = Sha256::new();
        for part in ["message", event, generated_at, outline.configuration_id().unwrap_or_default()] {
            hash_part(&mut hash, part.as_bytes());
        }
        // The members together are one part; they are hashed where they stand, each behind the lengths of its name and value in digits.
        let digits = |length: usize| length.checked_ilog10().unwrap_or(0) as usize + 1;
        let framed = |(name, value): (&str, &str)| digits(name.len()) + name.len() + digits(value.len()) + value.len() + ":".len() * 2;
        hash.update((members.clone().map(framed).sum::<usize>() as u64).to_be_bytes());
        let mut frame = String::with_capacity(64);
        for (name, value) in members {
            frame.clear();
            let _ = write!(frame, "{}:{name}{}:", name.len(), value.len());
            hash.update(&frame);
            hash.update(value);
        }
        Some(Self(hash.finalize().into()))
    }

    /// Each part behind its length, so that parts cannot run into one another.
    fn over<const N: usize>(parts: [&[u8]; N]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash_part(&mut hash, part);
        }
        Self(hash.finalize().into())
    }
}

fn hash_part(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
}

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayKey(")?;
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("..)")
    }
}

/// What the guard knows about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing; it is now noted as in progress.
    New,
    /// It is being handled at this moment.
    InProgress,
    /// It was handled.
    Before,
}

/// How handling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// The application answered 2xx: remember the message.
    Taken,
    /// It did not: forget it, the sender will try again.
    NotTaken,
}

/// The guard's memory failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GuardFailed(pub String);

/// Remembers handled messages. [`MemoryReplayGuard`] forgets them at a restart; a durable one is the caller's.
pub trait ReplayGuard: Send + Sync + 'static {
    /// Notes that handling begins, in one step with looking whether it did before.
    fn begin(&self, key: ReplayKey, now: UnixSeconds) -> BoxFuture<'_, Result<Seen, GuardFailed>>;

    /// Notes how handling ended.
    fn finish(&self, key: ReplayKey, handled: Handled, now: UnixSeconds) -> BoxFuture<'_, Result<(), GuardFailed>>;
}

/// Remembers the last hundred thousand messages of one process.
#[derive(Debug)]
pub struct MemoryReplayGuard {
    window_seconds: u64,
    entries: Mutex<LruCache<ReplayKey, Entry>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    since: UnixSeconds,
    handled: bool,
}

impl MemoryReplayGuard {
    /// A guard that remembers each message for `window_seconds`.
    #[must_use]
    pub fn new(window_seconds: u64) -> Self {
        Self { window_seconds, entries: Mutex::new(LruCache::sparse(MEMORY_ENTRIES_MAX)) }
    }

    fn entries(&self) -> MutexGuard<'_, LruCache<ReplayKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_now(&self, key: ReplayKey, now: UnixSeconds) -> Seen {
        let mut entries = self.entries();
        let seen = entries.get(&key).map_or(Seen::New, |entry| {
            let age = now.saturating_sub(entry.since);
            match entry.handled {
                true if age < self.window_seconds => Seen::Before,
                false if age < IN_PROGRESS_SECONDS => Seen::InProgress,
                _ => Seen::New,
            }
        });
        if seen == Seen::New {
            entries.put(key, Entry { since: now, handled: false });
        }
        seen
    }

    fn finish_now(&self, key: ReplayKey, handled: Handled, now: UnixSeconds) {
        let mut entries = self.entries();
        match handled {
            Handled::Taken => {
                entries.put(key, Entry { since: now, handled: true });
            }
            Handled::NotTaken => {
                entries.pop(&key);
            }
        }
    }
}

impl Default for MemoryReplayGuard {
    fn default() -> Self {
        Self::new(REPLAY_WINDOW_SECONDS)
    }
}

impl ReplayGuard for MemoryReplayGuard {
    fn begin(&self, key: ReplayKey, now: UnixSeconds) -> BoxFuture<'_, Result<Seen, GuardFailed>> {
        let seen = self.begin_now(key, now);
        Box::pin(async move { Ok(seen) })
    }

    fn finish(&self, key: ReplayKey, handled: Handled, now: UnixSeconds) -> BoxFuture<'_, Result<(), GuardFailed>> {
        self.finish_now(key, handled, now);
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"event":"envelope-sent","retryCount":0,"configurationId":1,"generatedDateTime":"2022-12-09T18:29:29.7360000Z","data":{"accountId":"a","envelopeId":"e","recipientId":"1"}}"#;

    #[test]
    fn attempts_of_one_message_are_the_same_and_other_messages_are_not() {
        let key = |from: &str, to: &str| ReplayKey::of_body(MESSAGE.replace(from, to).as_bytes());
        let own = ReplayKey::of_body(MESSAGE.as_bytes());
        assert_eq!(own, key("\"retryCount\":0", "\"retryCount\":3"));
        for (from, to) in [
            ("envelope-sent", "envelope-completed"),
            ("\"configurationId\":1", "\"configurationId\":2"),
            (".7360000Z", ".7360001Z"),
            ("\"envelopeId\":\"e\"", "\"envelopeId\":\"f\""),
            ("\"accountId\":\"a\"", "\"accountId\":\"b\""),
            ("\"recipientId\":\"1\"", "\"recipientId\":\"2\""),
        ] {
            assert_ne!(own, key(from, to), "{from}");
        }
    }

    #[test]
    fn the_key_of_a_message_stays_what_it_was() {
        // Stores remember keys for days, and over versions.
        assert_eq!(
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, ReplayKey::of_body(MESSAGE.as_bytes()).as_bytes()),
            "kwcIWbJ+Gkm1nIlc22OhtRaxpkuJaJhbW6p9Sz9lMj8="
        );
    }

    #[test]
    fn events_without_an_envelope_are_told_apart_by_their_data() {
        let event = |n: u8| ReplayKey::of_body(format!(r#"{{"event":"x","generatedDateTime":"t","data":{{"n":{n}}}}}"#).as_bytes());
        assert_eq!(event(1), event(1));
        assert_ne!(event(1), event(2));
        assert_ne!(ReplayKey::of_body(b"<a/>"), ReplayKey::of_body(b"<b/>"));
        assert_ne!(ReplayKey::of_delivery("a"), ReplayKey::of_body(b"a"));
    }

    #[test]
    fn a_message_is_remembered_when_taken_and_forgotten_when_not() {
        let (guard, key) = (MemoryReplayGuard::new(300), ReplayKey::of_delivery("dlv_1"));
        assert_eq!(guard.begin_now(key, 1_000), Seen::New);
        assert_eq!(guard.begin_now(key, 1_001), Seen::InProgress);
        guard.finish_now(key, Handled::NotTaken, 1_002);
        assert_eq!(guard.begin_now(key, 1_003), Seen::New);
        guard.finish_now(key, Handled::Taken, 1_004);
        assert_eq!(guard.begin_now(key, 1_004), Seen::Before);
        assert_eq!(guard.begin_now(key, 1_303), Seen::Before);
        assert_eq!(guard.begin_now(key, 1_304), Seen::New);
    }

    #[test]
    fn a_message_in_progress_for_ever_does_not_block_its_next_attempt() {
        let (guard, key) = (MemoryReplayGuard::default(), ReplayKey::of_delivery("dlv_1"));
        assert_eq!(guard.begin_now(key, 1_000), Seen::New);
        assert_eq!(guard.begin_now(key, 1_119), Seen::InProgress);
        assert_eq!(guard.begin_now(key, 1_120), Seen::New);
    }
}
