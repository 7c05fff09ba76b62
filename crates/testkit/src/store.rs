//! A store that fails when told.
//!
//! It passes every call on to a real store. A call can fail in two ways: it is not made, or it is made and its answer lost, as
//! when a connection is cut in the middle of a commit. Calls are counted, so that a test can let the n-th one fail for every n.
//!
//! Where tokio's clock is paused it stands still while a call is under way: a real store works on threads of its own, which the
//! clock does not know of and would run away from.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use countersign_store::{Store, StoreError};
use tokio::sync::{Notify, watch};

mod forward;

/// How long a test waits for a signal, on tokio's clock; beyond it something hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a call fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreFault {
    /// It is not made.
    NotMade,
    /// It is made, and its answer is lost.
    AnswerLost,
}

/// A store that fails when told, in front of a real one.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    plan: Mutex<Plan>,
    /// Calls that came, by method.
    calls: watch::Sender<HashMap<&'static str, u64>>,
    /// Rung as a hint of another node.
    hint: Notify,
    /// Methods whose calls are held.
    held: watch::Sender<Vec<&'static str>>,
}

type Chance = Box<dyn FnMut(u64) -> Option<StoreFault> + Send>;

#[derive(Default)]
struct Plan {
    /// The number of the call that fails, counted over all methods from 1.
    nth: Option<(u64, StoreFault)>,
    /// Methods that fail until told otherwise.
    methods: HashMap<&'static str, StoreFault>,
    /// Decides for each call, by its number.
    chance: Option<Chance>,
    counted: u64,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

impl FaultyStore {
    /// In front of a store; nothing fails yet.
    #[must_use]
    pub fn before(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            plan: Mutex::default(),
            calls: watch::Sender::default(),
            hint: Notify::new(),
            held: watch::Sender::default(),
        })
    }

    /// Hints as another node would: whoever waits for one is woken.
    pub fn hint(&self) {
        self.hint.notify_one();
    }

    /// The real store, which never fails through this.
    #[must_use]
    pub fn real(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner)
    }

    /// The `nth` call from now on fails, counted from 1 over all methods.
    pub fn fail_nth(&self, nth: u64, fault: StoreFault) {
        let mut plan = self.lock();
        plan.nth = Some((plan.counted + nth, fault));
    }

    /// Every call of a method fails until [`FaultyStore::mend`].
    pub fn fail_all(&self, method: &'static str, fault: StoreFault) {
        self.lock().methods.insert(method, fault);
    }

    /// Each call fails as this says of its number, counted from now on from 1, until [`FaultyStore::mend`]: for faults drawn from a
    /// seed.
    pub fn fail_by(&self, mut chance: impl FnMut(u64) -> Option<StoreFault> + Send + 'static) {
        let mut plan = self.lock();
        let from = plan.counted;
        plan.chance = Some(Box::new(move |counted| chance(counted - from)));
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        let mut plan = self.lock();
        plan.nth = None;
        plan.chance = None;
        plan.methods.clear();
    }

    /// Holds every call of a method, before it is made, until [`FaultyStore::release`].
    pub fn hold(&self, method: &'static str) {
        self.held.send_modify(|held| held.push(method));
    }

    /// Lets the calls of a method go.
    pub fn release(&self, method: &'static str) {
        self.held.send_modify(|held| held.retain(|known| *known != method));
    }

    /// How many calls have come, over all methods.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.lock().counted
    }

    /// How many calls of a method have come.
    #[must_use]
    pub fn calls_of(&self, method: &str) -> u64 {
        self.calls.borrow().get(method).copied().unwrap_or(0)
    }

    /// Waits until so many calls of a method have come, since the beginning.
    ///
    /// # Panics
    /// After five minutes on tokio's clock.
    pub async fn wait_for(&self, method: &'static str, count: u64) {
        let mut calls = self.calls.subscribe();
        let enough = calls.wait_for(|calls| calls.get(method).copied().unwrap_or(0) >= count);
        assert!(tokio::time::timeout(PATIENCE, enough).await.is_ok(), "{method} was not called {count} times: {self:?}");
    }

    async fn call<T>(&self, method: &'static str, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let fault = self.count(method);
        self.calls.send_modify(|calls| *calls.entry(method).or_default() += 1);
        // The sender is in self, so the channel does not close while this waits.
        let _ = self.held.subscribe().wait_for(|held| !held.contains(&method)).await;
        match fault {
            Some(StoreFault::NotMade) => Err(StoreError::Unavailable(format!("{method} was made to fail"))),
            Some(StoreFault::AnswerLost) => {
                let _time = StandingTime::new();
                call.await.and_then(|_| Err(StoreError::Unknown(format!("that of {method}"))))
            }
            None => {
                let _time = StandingTime::new();
                call.await
            }
        }
    }

    fn count(&self, method: &'static str) -> Option<StoreFault> {
        let mut plan = self.lock();
        plan.counted += 1;
        let nth = plan.nth.filter(|(nth, _)| *nth == plan.counted).map(|(_, fault)| fault);
        let counted = plan.counted;
        nth.or_else(|| plan.methods.get(method).copied()).or_else(|| plan.chance.as_mut().and_then(|chance| chance(counted)))
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps tokio's paused clock from moving: it does not advance by itself while a blocking task runs.
struct StandingTime(#[expect(dead_code, reason = "dropping it ends the blocking task")] mpsc::Sender<()>);

impl StandingTime {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || receiver.recv());
        Self(sender)
    }
}
