//! What is measured: each figure by its key in JSON, its words and its unit. The same figure has the same key in every profile.

/// A figure. Compared by its key.
#[derive(Debug)]
pub(crate) struct Figure {
    /// Its name in JSON.
    pub(crate) key: &'static str,
    /// Its name for people.
    pub(crate) words: &'static str,
    /// What it is counted in.
    pub(crate) unit: Unit,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// So many a second.
    PerSecond,
    /// A share of something, kept as 0 to 1 and shown in per cent.
    Share,
    /// A multiple of something.
    Times,
    /// Processor seconds for a thousand.
    CpuSeconds,
    /// Milliseconds.
    Millis,
    /// Bytes of memory, shown in MB.
    Memory,
    /// Bytes of one thing.
    Bytes,
    /// A count, or a count for one thing.
    Count,
}

impl Unit {
    /// The value for people, without its unit.
    pub(crate) fn digits(self, value: f64) -> String {
        match self {
            Self::PerSecond | Self::Bytes => format!("{value:.0}"),
            Self::Share => format!("{:.1}", value * 100.0),
            Self::Times | Self::Millis => format!("{value:.2}"),
            Self::CpuSeconds => format!("{value:.4}"),
            Self::Memory => format!("{:.1}", value / 1e6),
            Self::Count if value.fract() == 0.0 => format!("{value:.0}"),
            Self::Count => format!("{value:.3}"),
        }
    }

    /// The unit for people.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Share => "%",
            Self::Times => "times",
            Self::CpuSeconds => "s per 1,000",
            Self::Millis => "ms",
            Self::Memory => "MB",
            Self::Bytes => "bytes",
            Self::Count => "",
        }
    }
}

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $words:literal, $unit:ident;)+) => {
        $($(#[$doc])* pub(crate) static $name: Figure = Figure { key: $key, words: $words, unit: Unit::$unit };)+

        /// All of them, for the test that no two share a key.
        #[cfg(test)]
        const ALL: &[&Figure] = &[$(&$name),+];
    };
}

figures! {
    /// From the first request to the last arrival.
    DELIVERIES_PER_SECOND = "deliveries_per_second", "deliveries", PerSecond;
    /// Deliveries a second over the bare client's POSTs a second.
    RATE_OF_BARE = "rate_of_bare", "of the bare client's POSTs", Share;
    /// Of the server, for 1,000 deliveries, intake included.
    CPU_PER_1000 = "cpu_seconds_per_1000", "processor time", CpuSeconds;
    /// Processor time of a delivery over that of a bare POST.
    CPU_OF_BARE = "cpu_of_bare", "of the bare client's processor time", Times;
    /// The bare client's POSTs.
    BARE_PER_SECOND = "bare_posts_per_second", "bare client", PerSecond;
    /// Of the bare client, for 1,000 POSTs.
    BARE_CPU_PER_1000 = "bare_cpu_seconds_per_1000", "processor time of the bare client", CpuSeconds;
    /// From the request being written (or due, at a fixed rate) to its 202 being read.
    ACCEPTED_P50 = "accepted_p50_ms", "202 after, p50", Millis;
    /// The same, 99 of 100.
    ACCEPTED_P99 = "accepted_p99_ms", "202 after, p99", Millis;
    /// From the request being written (or due, at a fixed rate) to the head of its message being read by the sink.
    RECEIVED_P50 = "accept_to_received_p50_ms", "accept to received, p50", Millis;
    /// The same, 99 of 100.
    RECEIVED_P99 = "accept_to_received_p99_ms", "accept to received, p99", Millis;
    /// From the caller having its 202 to the head of the message being read by the sink; 0 where the message was first.
    AFTER_202_P50 = "after_202_p50_ms", "received after the 202, p50", Millis;
    /// The same, 99 of 100.
    AFTER_202_P99 = "after_202_p99_ms", "received after the 202, p99", Millis;
    /// Most resident memory of the server.
    PEAK_MEMORY = "peak_memory_bytes", "peak memory", Memory;
    /// On disk, for one event with its deliveries and attempts.
    DISK_PER_EVENT = "disk_bytes_per_event", "on disk for an event", Bytes;
    /// Commits of the server, each of which waits for the disk, for one event with its deliveries and attempts.
    COMMITS_PER_EVENT = "commits_per_event", "commits (fsync) for an event", Count;
    /// Requests for a token.
    TOKEN_REQUESTS = "token_requests", "token requests", Count;

    /// Events answered 202.
    EVENTS_PER_SECOND = "events_per_second", "events taken in", PerSecond;
    /// Requests that the bare handler answers 202.
    BARE_HANDLER_PER_SECOND = "bare_handler_per_second", "bare handler", PerSecond;
    /// Events a second over the bare handler's requests a second.
    SHARE_OF_HANDLER = "share_of_bare", "of the bare handler's requests", Share;
    /// Of the server or listener, for 1,000 requests.
    INTAKE_CPU_PER_1000 = "intake_cpu_seconds_per_1000", "processor time", CpuSeconds;
    /// Of the bare handler, for 1,000 requests.
    HANDLER_CPU_PER_1000 = "bare_handler_cpu_seconds_per_1000", "processor time of the bare handler", CpuSeconds;

    /// A page written and brought to the disk, again and again at the same rate, before and after the run.
    FSYNC_P50 = "fsync_p50_ms", "fsync of this disk, p50", Millis;
    /// The same, 99 of 100.
    FSYNC_P99 = "fsync_p99_ms", "fsync of this disk, p99", Millis;
    /// The 202's p50 less the disk's.
    ACCEPTED_OVER_FSYNC_P50 = "accepted_over_fsync_p50_ms", "202 beyond the disk's fsync, p50", Millis;
    /// The 202's p99 less the disk's.
    ACCEPTED_OVER_FSYNC_P99 = "accepted_over_fsync_p99_ms", "202 beyond the disk's fsync, p99", Millis;

    /// Deliveries that waited.
    WAITING = "waiting", "deliveries waiting", Count;
    /// Deliveries a second while the backlog drains, until 99 of 100 have arrived.
    DRAINED_PER_SECOND = "drained_per_second", "drained", PerSecond;
    /// Over the rate of deliveries without a backlog in the same run.
    DRAIN_OF_DIRECT = "drain_of_direct", "of the direct rate", Share;
    /// Most resident memory while the backlog was taken in.
    FILLING_MEMORY = "filling_memory_bytes", "peak memory while taking in", Memory;
    /// Resident memory some seconds after a start over the backlog.
    STARTED_MEMORY = "memory_after_restart_bytes", "memory after a restart", Memory;
    /// From the start of the process to the first request taken.
    START = "start_ms", "start", Millis;

    /// The healthy listeners' p99 while all are healthy.
    ALONE_P99 = "alone_p99_ms", "healthy, accept to received, p99", Millis;
    /// The same beside a listener that hangs.
    BESIDE_P99 = "beside_hanging_p99_ms", "beside one that hangs, p99", Millis;
    /// One over the other.
    ISOLATION = "ratio", "beside over alone", Times;
    /// Events for the listener that hangs.
    TO_HANGING = "sent_to_hanging", "events for the one that hangs", Count;
    /// Requests that it held at the end.
    HELD_BY_HANGING = "held_by_hanging", "requests it held", Count;

    /// Attempts stored before the run.
    STORED_ATTEMPTS = "stored_attempts", "attempts stored", Count;
    /// Processor time of a delivery over that with few attempts stored.
    CPU_OF_FEW = "cpu_of_few_stored", "of the processor time with few stored", Times;

    /// Processor time of a delivery over that with the embedded store in the same round; the database's own is not in it.
    CPU_OF_EMBEDDED = "cpu_of_embedded", "of the processor time with the embedded store", Times;
    /// Counted by the database, BEGIN and COMMIT included, intake and upkeep as well.
    STATEMENTS_PER_DELIVERY = "statements_per_delivery", "database statements for a delivery", Count;

    /// Messages verified and on stable storage while the application is down.
    VERIFIED_PER_SECOND = "stored_per_second", "verified and stored", PerSecond;
    /// Messages verified, stored and taken by a prompt application.
    PASSED_ON_PER_SECOND = "passed_on_per_second", "verified, stored, passed on", PerSecond;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_figures_share_a_key() {
        let keys: BTreeSet<&str> = ALL.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), ALL.len());
    }

    #[test]
    fn a_figure_is_shown_in_its_unit() {
        for (unit, value, shown) in [
            (Unit::PerSecond, 9_947.4, "9947 /s"),
            (Unit::Share, 0.225, "22.5 %"),
            (Unit::Times, 5.9, "5.90 times"),
            (Unit::Memory, 60_400_000.0, "60.4 MB"),
            (Unit::Count, 3.0, "3 "),
            (Unit::Count, 0.0821, "0.082 "),
        ] {
            assert_eq!(format!("{} {}", unit.digits(value), unit.sign()), shown);
        }
    }
}
