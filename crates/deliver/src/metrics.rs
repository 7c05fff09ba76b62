//! What the worker counts, in OpenMetrics. No account and no URL is ever a label: both are without bound.

use std::sync::Arc;

use countersign_store::settle::{Next, Settlement};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::lanes::Lanes;

/// Attempt times from 1 ms to the default time-out of 100 s.
const ATTEMPT_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 100.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// Counters of the worker; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    attempts: Family<ClassLabel, Counter>,
    attempt_seconds: Histogram,
    settled: Family<ResultLabel, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { attempts: Family::default(), attempt_seconds: Histogram::new(ATTEMPT_SECONDS), settled: Family::default() }
    }
}

impl Metrics {
    /// Puts them into a registry, which adds the prefix `countersign_`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("attempts", "Attempts by outcome class", self.attempts.clone());
        registry.register_with_unit("attempt", "Time of an attempt", Unit::Seconds, self.attempt_seconds.clone());
        registry.register("deliveries_settled", "Deliveries by what became of them in an attempt", self.settled.clone());
    }

    /// A settlement was written, or refused because the lease had passed to another node.
    pub fn settled(&self, settlement: &Settlement, stood: bool) {
        if let Some(attempt) = &settlement.attempt {
            self.attempts.get_or_create(&ClassLabel { class: attempt.class.clone() }).inc();
            #[expect(clippy::cast_precision_loss, reason = "a time in microseconds fits 52 bits for 142 years")]
            self.attempt_seconds.observe(attempt.elapsed_us as f64 / 1e6);
        }
        let result = match settlement.next {
            _ if !stood => "lease_lost",
            Next::Delivered => "delivered",
            Next::Waiting { .. } => "waiting",
            Next::Parked(_) => "parked",
            Next::Cancelled => "cancelled",
        };
        self.settled.get_or_create(&ResultLabel { result }).inc();
    }
}

/// Figures of the lanes, read when they are asked for.
#[derive(Debug)]
pub struct LaneFigures(pub Arc<Lanes>);

impl Collector for LaneFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let views = self.0.views();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let figures = [
            ("lanes", "Lanes in memory", count(views.len())),
            ("lanes_breaker_open", "Lanes whose breaker is open", count(views.iter().filter(|v| v.breaker_open).count())),
            ("lanes_backlogged", "Lanes with due deliveries in the store", count(views.iter().filter(|v| v.backlogged).count())),
            ("lanes_throttled", "Lanes that wait for the rate of their subscription", count(views.iter().filter(|v| v.throttled).count())),
            ("attempts_in_flight", "Attempts under way", views.iter().map(|v| i64::from(v.in_flight)).sum()),
            ("deliveries_queued", "Deliveries in memory, not begun", views.iter().map(|v| i64::from(v.queued)).sum()),
        ];
        for (name, help, value) in figures {
            let gauge = ConstGauge::new(value);
            let encoder = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(encoder)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn names_carry_the_prefix_of_the_registry_once() {
        let mut registry = Registry::with_prefix("countersign");
        let metrics = Metrics::default();
        metrics.register(&mut registry);
        // A family is written once it has a member.
        metrics.attempts.get_or_create(&ClassLabel { class: "accepted".to_owned() }).inc();
        metrics.settled.get_or_create(&ResultLabel { result: "delivered" }).inc();
        let mut text = String::new();
        encode(&mut text, &registry).expect("text takes everything");
        for name in ["countersign_attempts", "countersign_attempt_seconds", "countersign_deliveries_settled"] {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} in {text}");
        }
    }
}
