//! Hand-over: how a freshly recorded delivery reaches a lane in memory without a query.
//!
//! The server reserves a slot before it records. With a slot the row is inserted leased to this node, and the delivery goes
//! straight to the lane after the commit. Without one it is inserted waiting and the claim finds it.

use std::sync::Arc;

use countersign_core::{
    delivery::Delivery,
    event::Event,
    id::{DeliveryId, Incarnation, ListenerId},
};

/// Gives out slots. Implemented by the worker; a server without one uses [`NoHandOver`].
pub trait HandOver: Send + Sync {
    /// A slot for one delivery to `listener` whose snapshot has `bytes`; `None` when the lane is full, unknown to be healthy, or the byte
    /// budget is spent. The slot is given back when dropped unused.
    fn reserve(&self, listener: ListenerId, bytes: usize) -> Option<Box<dyn Slot>>;

    /// Something was recorded waiting: a hint to look for due work soon. Losing it costs one poll interval.
    fn wake(&self, listener: ListenerId);

    /// These deliveries may have been recorded as leased to this node without reaching a lane ([`crate::StoreError::Unknown`]): the worker
    /// gives them back, so that no row stays leased to a node that does not know of it. They may also show only after that: see
    /// [`HandOver::doubt`], which this implies.
    fn disown(&self, deliveries: Vec<DeliveryId>);

    /// Something may be leased to this node, or become so, of which nobody knows: the answer to a claim was lost. The node goes on as another
    /// incarnation, and the present one ends with what is known to be leased to it, which lets go of the rest.
    fn doubt(&self);

    /// What the lanes of this process look like together, for people; `None` where there is no worker.
    fn lanes(&self) -> Option<LaneCounts> {
        None
    }
}

/// The lanes of one process together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LaneCounts {
    /// To whom they lease; `None` while the node has no lease.
    pub incarnation: Option<Incarnation>,
    /// Lanes in memory.
    pub count: u64,
    /// Those with due deliveries in the store, as far as the last claims told.
    pub backlogged: u64,
    /// Those whose breaker is open.
    pub breaker_open: u64,
    /// Attempts under way.
    pub in_flight: u64,
    /// Deliveries in memory that were not begun.
    pub queued: u64,
}

/// A place in a lane.
pub trait Slot: Send {
    /// To whom the row must be leased.
    fn incarnation(&self) -> Incarnation;

    /// Puts the recorded delivery into the lane. Called only after the commit.
    fn fill(self: Box<Self>, delivery: Delivery, event: Arc<Event>);
}

/// No worker in this process: everything is inserted waiting.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHandOver;

impl HandOver for NoHandOver {
    fn reserve(&self, _listener: ListenerId, _bytes: usize) -> Option<Box<dyn Slot>> {
        None
    }

    fn wake(&self, _listener: ListenerId) {}

    fn disown(&self, _deliveries: Vec<DeliveryId>) {}

    fn doubt(&self) {}
}
