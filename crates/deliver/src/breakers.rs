//! Open breakers over nodes: what changed here is told through the store, and what is open anywhere is heard.
//!
//! It takes one look at a poll interval, and a change is told within [`TELL`], so that a breaker that opens on one node is
//! open on all of them within that, a poll interval and what two statements take: under two seconds.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use countersign_core::{Timestamp, id::ListenerId};
use countersign_store::{
    Store,
    breaker::{OPEN_MAX, OpenBreaker},
};

use crate::{lane::Lane, settings::Settings};

/// Changes are gathered for so long: a statement for each would be many when many listeners are away.
const TELL: Duration = Duration::from_millis(250);

/// What is open anywhere, as last heard.
#[derive(Debug)]
pub(crate) struct Breakers {
    open: Mutex<HashMap<ListenerId, OpenBreaker>>,
    looked_at: Mutex<Timestamp>,
    /// A lane has something to tell.
    untold: AtomicBool,
    poll: Duration,
}

impl Breakers {
    /// Nothing was heard yet.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { open: Mutex::default(), looked_at: Mutex::default(), untold: AtomicBool::new(false), poll: settings.poll }
    }

    /// Notes that a lane may have something to tell. True when it is the first since the last time.
    pub(crate) fn note(&self, lane: &Lane) -> bool {
        lane.has_untold() && !self.untold.swap(true, Ordering::AcqRel)
    }

    /// A lane that has just been made hears what is known.
    pub(crate) fn tell(&self, lane: &Lane) {
        if let Some(breaker) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&lane.listener) {
            lane.hear(Some(breaker));
        }
    }

    /// Tells and hears where it is time, for the lanes that there are then. Answers how long to wait for the next time.
    pub(crate) async fn share(&self, lanes: impl Fn() -> Vec<Arc<Lane>>, store: &dyn Store, now: Timestamp) -> Duration {
        let pause = if self.untold.load(Ordering::Acquire) { TELL.min(self.poll) } else { self.poll };
        let last = *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back puts nothing off.
        let since = if last > now { pause } else { now.since(last) };
        if since < pause {
            return pause.saturating_sub(since);
        }
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        self.untold.store(false, Ordering::Release);
        let all = lanes();
        let (told, changes): (Vec<_>, Vec<_>) = all.iter().filter_map(|lane| Some((lane, lane.take_untold()?))).unzip();
        match store.share_breakers(changes, now).await {
            Ok(open) => self.hear(lanes(), open),
            Err(error) => {
                tracing::warn!(%error, "what became of breakers cannot be told to other nodes; trying again");
                told.iter().for_each(|lane| lane.tell_again());
            }
        }
        self.poll
    }

    fn hear(&self, lanes: Vec<Arc<Lane>>, open: Vec<OpenBreaker>) {
        let is_whole = open.len() < OPEN_MAX;
        let open: HashMap<ListenerId, OpenBreaker> = open.into_iter().map(|breaker| (breaker.listener, breaker)).collect();
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&open);
        for lane in lanes {
            match open.get(&lane.listener) {
                None if !is_whole => {}
                heard => lane.hear(heard),
            }
        }
    }
}
