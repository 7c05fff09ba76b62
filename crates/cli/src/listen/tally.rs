//! What has arrived so far, counted: for the summary at the end and for `/metrics`.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use serde_json::{Value, json};

use super::arrival::{Fate, Forwarded};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Counts; cheap to count into from any task.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    arrivals: Family<ResultLabel, Counter>,
    refusals: Family<KindLabel, Counter>,
    /// The kinds of refusal that came up. There are few.
    kinds: Mutex<BTreeMap<&'static str, u64>>,
    accepted: AtomicU64,
    duplicates: AtomicU64,
    refused: AtomicU64,
    not_taken: AtomicU64,
    forwarded: AtomicU64,
    not_forwarded: AtomicU64,
}

impl Tally {
    /// Adds the figures to `/metrics`.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("listener_arrivals", "Requests that reached the listener, by what became of them", self.arrivals.clone());
        registry.register("listener_refusals", "Refused requests, by the kind of the first refusal", self.refusals.clone());
    }

    /// One arrival; `kind` names the refusal.
    pub(crate) fn count(&self, fate: Fate, kind: Option<&'static str>) {
        let count = match fate {
            Fate::Accepted => &self.accepted,
            Fate::Duplicate => &self.duplicates,
            Fate::Refused => &self.refused,
            Fate::NotTaken => &self.not_taken,
        };
        count.fetch_add(1, Ordering::Relaxed);
        self.arrivals.get_or_create(&ResultLabel { result: fate.as_str() }).inc();
        if let Some(kind) = kind {
            *self.kinds.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
            self.refusals.get_or_create(&KindLabel { kind }).inc();
        }
    }

    /// One attempt to forward.
    pub(crate) fn count_forward(&self, forwarded: &Forwarded) {
        let count = if forwarded.is_taken() { &self.forwarded } else { &self.not_forwarded };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        json!({
            "type": "summary",
            "accepted": read(&self.accepted),
            "duplicates": read(&self.duplicates),
            "refused": read(&self.refused),
            "refusals": *self.kinds.lock().unwrap_or_else(PoisonError::into_inner),
            "notTaken": read(&self.not_taken),
            "forwarded": read(&self.forwarded),
            "forwardsFailed": read(&self.not_forwarded),
        })
    }

    /// For people: `3 accepted, 1 duplicate, 2 refused (hmac 2), ...`.
    pub(crate) fn words(&self) -> String {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        let duplicates = read(&self.duplicates);
        let ending = if duplicates == 1 { "" } else { "s" };
        format!(
            "{} accepted, {duplicates} duplicate{ending}, {} refused{kinds}, {} not taken; {} forwarded, {} attempts to forward failed",
            read(&self.accepted),
            read(&self.refused),
            read(&self.not_taken),
            read(&self.forwarded),
            read(&self.not_forwarded),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_refusals_by_kind() {
        let tally = Tally::default();
        tally.count(Fate::Accepted, None);
        tally.count(Fate::Duplicate, None);
        for kind in ["hmac", "hmac", "basic"] {
            tally.count(Fate::Refused, Some(kind));
        }
        assert_eq!(
            tally.words(),
            "1 accepted, 1 duplicate, 3 refused (basic 1, hmac 2), 0 not taken; 0 forwarded, 0 attempts to forward failed"
        );
        assert_eq!(tally.object()["refusals"], json!({"basic": 1, "hmac": 2}));
    }
}
