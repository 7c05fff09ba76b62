//! Settings of the HTTP side.

use std::time::Duration;

use countersign_core::address::TargetPolicy;

/// Settings of the HTTP side; the command line merges files, environment and flags into it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the service is reached from outside, without a trailing slash; stands in links and in `/oauth/userinfo`.
    pub public_url: String,
    /// Further host names by which clients log in, beside the public URL's: the audience of a JWT grant must be one of them.
    pub login_hosts: Vec<String>,
    /// Development mode: consent is given at once, unencrypted targets are allowed.
    pub dev: bool,
    /// Where the installation lets messages and token requests go.
    pub targets: TargetPolicy,
    /// The largest posted event (one element of an array), in bytes.
    pub event_bytes_max: usize,
    /// The largest request that carries documents, in bytes.
    pub envelope_bytes_max: usize,
    /// How long an idempotency key is remembered.
    pub idempotency_life: Duration,
    /// How long events, deliveries and attempts are kept once finished.
    pub retention: Duration,
    /// How long an envelope stays in the bin before it is removed for good; `None` keeps it.
    pub bin_life: Option<Duration>,
    /// How long an access token from `/oauth/token` lives.
    pub access_token_life: Duration,
    /// How many bytes the store may use; `None` is no limit. From nine tenths of it on, the oldest finished deliveries go before their
    /// retention ends; when it is spent and nothing may be deleted any more, events are refused with 507.
    pub disk_bytes_max: Option<u64>,
    /// `/healthz`, `/readyz` and `/metrics` are served on an address of their own and not beside the API.
    pub operations_apart: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            public_url: "http://127.0.0.1:8400".to_owned(),
            login_hosts: Vec::new(),
            dev: false,
            targets: TargetPolicy::default(),
            event_bytes_max: 1 << 20,
            envelope_bytes_max: 50 << 20,
            idempotency_life: DAY,
            retention: 30 * DAY,
            bin_life: Some(30 * DAY),
            access_token_life: Duration::from_secs(8 * 3600),
            disk_bytes_max: None,
            operations_apart: false,
        }
    }
}
