//! What is kept of one connection, and what a caller does next. Everything here is decided under one short lock and without
//! waiting.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    Timestamp,
    auth::{CachedToken, TokenStep, token_step},
};
use tokio::sync::watch;

use super::{
    failure::{TokenFailure, TokenFailureCause},
    pause::pause,
    token::{Token, TokenState},
};

/// What a request brought, once it has ended.
pub(super) type Landed = Option<Result<Token, TokenFailure>>;

/// A request under way.
pub(super) type Flight = watch::Receiver<Landed>;

/// Forced renewals that are made at once.
const FORCED_RENEWALS: u32 = 3;

/// Then one more in each of these.
const FORCED_RENEWAL_EVERY: Duration = Duration::from_secs(60);

/// Names tokens over all connections, so that a token of an entry that was dropped is not taken for one of its successor.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// One connection.
#[derive(Default)]
pub(super) struct Entry(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    failing: Option<Failing>,
    flight: Option<Flight>,
    forced: ForcedRenewals,
    requests: u64,
    hits: u64,
}

struct Failing {
    since: Timestamp,
    failures: u32,
    last: TokenFailure,
}

/// What a caller does next.
pub(super) enum Step {
    /// Send this token.
    Use(Token),
    /// Wait for the request under way.
    Wait(Flight),
    /// Hold the message.
    Refuse(TokenFailure),
}

impl Entry {
    /// For a message: the token when it is good, the failure while it is fresh, and else a request, which `start` begins when
    /// there is none under way.
    pub(super) fn next_step(&self, now: Timestamp, start: impl FnOnce(watch::Sender<Landed>)) -> Step {
        self.lock().next_step(now, start)
    }

    /// After a refusal by the listener; `None` when renewing would be of no use.
    pub(super) fn renewal_step(&self, refused: u64, now: Timestamp, start: impl FnOnce(watch::Sender<Landed>)) -> Option<Step> {
        let mut kept = self.lock();
        if kept.token.as_ref().is_some_and(|token| token.serial == refused) {
            if !kept.forced.take(now) {
                return None;
            }
            kept.token = None;
        }
        Some(kept.next_step(now, start))
    }

    /// A request in any case.
    pub(super) fn fetch_step(&self, start: impl FnOnce(watch::Sender<Landed>)) -> Step {
        Step::Wait(self.lock().join(start))
    }

    /// Takes in what the request brought.
    pub(super) fn settle(
        &self,
        result: Result<CachedToken, TokenFailureCause>,
        now: Timestamp,
        chance: f64,
    ) -> Result<Token, TokenFailure> {
        let mut kept = self.lock();
        kept.flight = None;
        match result {
            Ok(cached) => {
                let token = Token { cached: Arc::new(cached), serial: SERIAL.fetch_add(1, Ordering::Relaxed) };
                kept.token = Some(token.clone());
                kept.failing = None;
                Ok(token)
            }
            Err(cause) => {
                let (since, before) = kept.failing.as_ref().map_or((now, 0), |failing| (failing.since, failing.failures));
                let failures = before.saturating_add(1);
                let retry_at = now + pause(failures, cause.is_configuration_fault(), chance);
                let last = TokenFailure { cause, asked_at: now, retry_at };
                kept.failing = Some(Failing { since, failures, last: last.clone() });
                Err(last)
            }
        }
    }

    pub(super) fn state(&self, now: Timestamp) -> TokenState {
        let kept = self.lock();
        let token = kept.token.as_ref().map(|token| &*token.cached);
        let failing = kept.failing.as_ref();
        TokenState {
            authorized: token_step(token, now) != TokenStep::Fetch,
            obtained_at: token.map(|token| token.obtained_at),
            expires_at: token.map(|token| token.expires_at),
            granted_scope: token.and_then(|token| token.granted_scope.clone()),
            failing_since: failing.map(|failing| failing.since),
            failures: failing.map_or(0, |failing| failing.failures),
            last_failure: failing.map(|failing| failing.last.clone()),
            requests: kept.requests,
            hits: kept.hits,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn next_step(&mut self, now: Timestamp, start: impl FnOnce(watch::Sender<Landed>)) -> Step {
        let step = token_step(self.token.as_ref().map(|token| &*token.cached), now);
        match (step, self.token.clone()) {
            (TokenStep::Use, Some(token)) => {
                self.hits += 1;
                Step::Use(token)
            }
            (TokenStep::UseAndRefresh, Some(token)) => {
                self.hits += 1;
                if self.fresh_failure(now).is_none() {
                    self.join(start);
                }
                Step::Use(token)
            }
            _ => match self.fresh_failure(now) {
                Some(failure) if self.under_way().is_none() => Step::Refuse(failure),
                _ => Step::Wait(self.join(start)),
            },
        }
    }

    /// The failure that stands until its time has come.
    fn fresh_failure(&self, now: Timestamp) -> Option<TokenFailure> {
        let last = &self.failing.as_ref()?.last;
        // A clock that was set back must not make a pause of seconds one of hours.
        (last.asked_at <= now && now < last.retry_at).then(|| last.clone())
    }

    fn under_way(&mut self) -> Option<Flight> {
        // A request whose task is gone without a word was aborted.
        if self.flight.as_ref().is_some_and(|flight| flight.has_changed().is_err()) {
            self.flight = None;
        }
        self.flight.clone()
    }

    /// The request under way, or a new one.
    fn join(&mut self, start: impl FnOnce(watch::Sender<Landed>)) -> Flight {
        if let Some(flight) = self.under_way() {
            return flight;
        }
        let (landing, flight) = watch::channel(None);
        self.flight = Some(flight.clone());
        self.requests += 1;
        start(landing);
        flight
    }
}

/// A small allowance that fills up again with time.
struct ForcedRenewals {
    left: u32,
    filled_at: Timestamp,
}

impl Default for ForcedRenewals {
    fn default() -> Self {
        Self { left: FORCED_RENEWALS, filled_at: Timestamp::EPOCH }
    }
}

impl ForcedRenewals {
    /// Takes one; false when there is none left.
    fn take(&mut self, now: Timestamp) -> bool {
        let periods = now.since(self.filled_at).as_secs() / FORCED_RENEWAL_EVERY.as_secs();
        if periods > 0 {
            self.left = self.left.saturating_add(u32::try_from(periods).unwrap_or(u32::MAX)).min(FORCED_RENEWALS);
            self.filled_at = now;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forced_renewals_come_in_a_burst_and_then_one_a_minute() {
        let mut forced = ForcedRenewals::default();
        let at = |seconds: i64| Timestamp::from_secs(1_700_000_000 + seconds);
        let granted: Vec<bool> =
            [0, 1, 2, 3, 30, 59, 60, 61, 119, 120, 1_000, 1_001, 1_002, 1_003].map(|seconds| forced.take(at(seconds))).to_vec();
        assert_eq!(granted, [true, true, true, false, false, false, true, false, false, true, true, true, true, false]);
    }
}
