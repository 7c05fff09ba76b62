//! Why the signature of an arrival does not fit, found when somebody looks.

use std::sync::Arc;

use countersign_core::config::AccountConfig;
use countersign_listener::Checked;
use countersign_signature::{
    HmacKey,
    explain::{Candidate, Finding, explain},
};

use super::{arrival::Arrival, bin::Checks, checks};
use crate::inspector::Inspector;

/// What explains a refused signature, the best first; nothing when the signature fits or was not asked for. Found once and kept with
/// the arrival: the keys that counted are those of the moment somebody first asked.
pub async fn of(inspector: &Inspector, arrival: &Arc<Arrival>, bin: &Checks, account: &AccountConfig) -> Arc<[Finding]> {
    let none = || Arc::from([]);
    if !is_refused(arrival) {
        return none();
    }
    if let Some(found) = arrival.explanation.get() {
        return Arc::clone(found);
    }
    let Ok(keys) = checks::keys(bin, account) else { return none() };
    // Never closed.
    let Ok(place) = Arc::clone(&inspector.thinking).acquire_owned().await else { return none() };
    let arrival = Arc::clone(arrival);
    let found = tokio::task::spawn_blocking(move || {
        let _place = place;
        Arc::clone(arrival.explanation.get_or_init(|| findings(&arrival, &keys).into()))
    });
    found.await.unwrap_or_else(|_| none())
}

/// The work itself, which `explain` bounds.
#[must_use]
pub fn findings(arrival: &Arrival, keys: &[HmacKey]) -> Vec<Finding> {
    let candidate = Candidate::new(&arrival.body);
    let candidate = keys.iter().fold(candidate, |candidate, key| candidate.key(key.expose_text().as_bytes()));
    let candidate = arrival.headers.iter().fold(candidate, |candidate, (name, value)| candidate.header(name, value));
    explain(&candidate)
}

fn is_refused(arrival: &Arrival) -> bool {
    arrival.verdict.as_ref().is_some_and(|verdict| matches!(verdict.hmac, Checked::Refused(_)))
}
