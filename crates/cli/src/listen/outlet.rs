//! Where arrivals are told: a bounded queue, and at its end a thread that writes lines, or the screen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use countersign_core::id::EventId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    arrival::{Arrival, Forwarded},
    told,
};
use crate::output::{self, Paint};

/// What waits to be told, at most.
const QUEUE_MAX: usize = 1_024;

/// Something to be told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A request arrived and was answered.
    Arrived(Box<Arrival>),
    /// The inbox's worker made an attempt for an event told of before.
    Forwarded(EventId, Forwarded),
}

/// What happens when whoever reads does not keep up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pressure {
    /// Senders wait: every arrival is told.
    Wait,
    /// Arrivals go untold, and how many is said: nobody's terminal may hold up an inbox.
    Leave,
}

/// The way in. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    queue: Option<mpsc::Sender<Told>>,
    pressure: Pressure,
    untold: Arc<AtomicU64>,
}

/// The way out.
#[derive(Debug)]
pub(crate) struct Outflow {
    /// What is to be told.
    pub(crate) queue: mpsc::Receiver<Told>,
    untold: Arc<AtomicU64>,
}

/// How arrivals are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    /// A line for people.
    Lines,
    /// A JSON object on a line.
    Json,
}

impl Outlet {
    /// A queue with both its ends.
    pub(crate) fn new(pressure: Pressure) -> (Self, Outflow) {
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let untold = Arc::new(AtomicU64::new(0));
        (Self { queue: Some(sender), pressure, untold: Arc::clone(&untold) }, Outflow { queue, untold })
    }

    /// Tells nobody.
    pub(crate) fn silent() -> Self {
        Self { queue: None, pressure: Pressure::Leave, untold: Arc::default() }
    }

    /// Whether nobody is told.
    pub(crate) fn is_silent(&self) -> bool {
        self.queue.is_none()
    }

    /// Tells of an arrival.
    pub(crate) async fn arrived(&self, arrival: Arrival) {
        self.tell(Told::Arrived(Box::new(arrival))).await;
    }

    /// Tells of an attempt of the worker.
    pub(crate) async fn forwarded(&self, event: EventId, forwarded: Forwarded) {
        self.tell(Told::Forwarded(event, forwarded)).await;
    }

    async fn tell(&self, told: Told) {
        let Some(queue) = &self.queue else { return };
        match self.pressure {
            // A closed queue means that nobody reads any more, which concerns no sender.
            Pressure::Wait => drop(queue.send(told).await),
            Pressure::Leave => {
                if let Err(mpsc::error::TrySendError::Full(_)) = queue.try_send(told) {
                    self.untold.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Outflow {
    /// How many went untold since this was last asked.
    pub(crate) fn take_untold(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// Writes until the last way in is gone. When nobody reads standard output any more, `unheard` is cancelled.
    pub(crate) fn write(mut self, style: Style, unheard: CancellationToken) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let paint = Paint::stdout();
            while let Some(told) = self.queue.blocking_recv() {
                let untold = self.take_untold();
                let written = written(&told, style, paint).and_then(|line| output::line(&line)).and_then(|()| match untold {
                    0 => Ok(()),
                    count if style == Style::Json => output::line(&format!("{{\"type\":\"untold\",\"arrivals\":{count}}}")),
                    count => output::line(&format!("{count} more are not told: they came faster than they could be written")),
                });
                if written.is_err() {
                    unheard.cancel();
                    return;
                }
            }
        })
    }
}

fn written(told: &Told, style: Style, paint: Paint) -> anyhow::Result<String> {
    match (told, style) {
        (Told::Arrived(arrival), Style::Lines) => Ok(told::line(arrival, paint)),
        (Told::Arrived(arrival), Style::Json) => output::json_on_one_line(&told::object(arrival)),
        (Told::Forwarded(event, forwarded), Style::Lines) => Ok(format!("{event}  {}", told::forward_words(forwarded, paint))),
        (Told::Forwarded(event, forwarded), Style::Json) => output::json_on_one_line(&told::forward_event(*event, forwarded)),
    }
}
