//! Which deliveries are meant: the flags that `deliveries` and `replay` share.

use clap::Args;
use serde_json::{Map, Value};

/// A filter; nothing given means all.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filter {
    /// State: waiting, leased, delivered, parked, cancelled; several separated by commas
    #[arg(long, help_heading = "Filter", value_name = "STATE")]
    state: Option<String>,
    /// Only those whose last attempt failed
    #[arg(long, help_heading = "Filter")]
    failures: bool,
    /// Subscription (Connect: configuration)
    #[arg(long, help_heading = "Filter", value_name = "ID")]
    subscription: Option<String>,
    /// Envelope
    #[arg(long, help_heading = "Filter", value_name = "ID")]
    envelope: Option<String>,
    /// Event, by name or id
    #[arg(long, help_heading = "Filter", value_name = "EVENT")]
    event: Option<String>,
    /// Class of the last error, such as http_5xx, timeout or tls
    #[arg(long, help_heading = "Filter", value_name = "CLASS")]
    class: Option<String>,
    /// Recorded at this time or later, such as 2025-11-01T10:00:00Z
    #[arg(long, help_heading = "Filter", value_name = "TIME")]
    from: Option<String>,
    /// Recorded before this time
    #[arg(long, help_heading = "Filter", value_name = "TIME")]
    to: Option<String>,
}

impl Filter {
    /// The words of the API and their values, those given.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, Option<String>)> {
        let given = [
            ("state", self.state.clone()),
            ("failures", self.failures.then(|| "true".to_owned())),
            ("subscription", self.subscription.clone()),
            ("envelope", self.envelope.clone()),
            ("event", self.event.clone()),
            ("class", self.class.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
        ];
        given.into_iter().filter(|(_, value)| value.is_some()).collect()
    }

    /// True when nothing is filtered out.
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    /// As the JSON of a replay.
    pub(crate) fn json(&self) -> Value {
        let members: Map<String, Value> =
            self.pairs().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
        Value::Object(members)
    }
}
