//! Settings of the worker.

use std::time::Duration;

use countersign_core::retry::RetryProfile;

/// Settings of the worker; the command line merges files, environment and flags into it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The whole time of one attempt (Connect: 100 s).
    pub delivery_timeout: Duration,
    /// When failed attempts are repeated, unless a subscription says otherwise.
    pub retry: RetryProfile,
    /// Park after one failure where "require acknowledgement" is off, as the spec text has it. Off: retried all the same.
    pub honour_acknowledgement_off: bool,
    /// Attempts at once to one listener, at most, by all nodes together.
    pub lane_concurrency_max: u32,
    /// Deliveries of one lane in memory, at most; beyond that they wait in the store.
    pub lane_queue_max: u32,
    /// Bytes of snapshots in memory over all lanes, at most.
    pub bytes_in_memory_max: usize,
    /// The largest message sent, in bytes.
    pub message_bytes_max: usize,
    /// How much of a listener's answer is kept in the log, in bytes.
    pub answer_bytes_kept: usize,
    /// How often due work is looked for when nothing gives a hint.
    pub poll: Duration,
    /// How long a node's leases live unless renewed.
    pub lease: Duration,
    /// How often they are renewed.
    pub renew: Duration,
    /// How long attempts in flight may go on at shutdown.
    pub grace: Duration,
    /// A subscription that only fails for so long is disabled (Connect: 14 days).
    pub disable_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(100),
            retry: RetryProfile::Docusign,
            honour_acknowledgement_off: false,
            lane_concurrency_max: 64,
            lane_queue_max: 1_024,
            bytes_in_memory_max: 64 << 20,
            message_bytes_max: 64 << 20,
            answer_bytes_kept: 1_024,
            poll: Duration::from_secs(1),
            lease: Duration::from_secs(30),
            renew: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            disable_after: Duration::from_secs(14 * 24 * 3600),
        }
    }
}
