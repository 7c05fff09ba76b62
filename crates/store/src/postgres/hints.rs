//! Hints from node to node that something became due, by `LISTEN` and `NOTIFY`.
//!
//! What one node records waiting another one may have room for; without a hint it finds it with its next look, within a second.
//! So nothing depends on a hint: it may get lost with its connection, come for nothing, or come late.
//!
//! - They are sent after the commit, on a connection of their own choice and at most twenty times a second: `NOTIFY` inside the
//!   transaction would let only one transaction of the whole database commit at a time.
//! - Listening takes a connection of its own, which a transaction pooler cannot give: there hints are switched off.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_core::delivery::{Delivery, DeliveryState};
use tokio::{sync::Notify, task::JoinSet};
use tokio_postgres::AsyncMessage;

use super::{
    fault::Fault,
    pool::{Connector, Pool},
    value::p,
};

/// The channel. Databases have channels of their own.
const CHANNEL: &str = "countersign_due";
/// Between two hints that are sent: what becomes due meanwhile goes with the next one.
const SENT_APART: Duration = Duration::from_millis(50);
/// The wait before the first try to listen again; it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait: a node that listens to nobody is a second late, no more.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// The hints of one node.
pub(super) struct Hints {
    /// Tells this node's own hints, which its worker does not need, from those of others.
    me: String,
    heard: Notify,
    due: Notify,
    tasks: Mutex<JoinSet<()>>,
}

impl Hints {
    /// Starts to listen and to tell.
    pub(super) fn start(connector: Connector, pool: Arc<Pool>) -> Arc<Self> {
        let me = uuid::Uuid::new_v4().simple().to_string();
        let hints = Arc::new(Self { me, heard: Notify::new(), due: Notify::new(), tasks: Mutex::default() });
        let mut tasks = hints.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(listen(Arc::clone(&hints), connector));
        tasks.spawn(tell(Arc::clone(&hints), pool));
        drop(tasks);
        hints
    }

    /// Something that was committed is due, and whoever has room may take it.
    pub(super) fn tell(&self) {
        self.due.notify_one();
    }

    /// Waits until another node tells, or until it may have told while this one could not hear.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }

    /// Ends both.
    pub(super) async fn close(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

/// True when nothing but room keeps a new delivery from being sent.
pub(super) fn is_for_anybody(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Waiting { held: None, .. })
}

async fn tell(hints: Arc<Hints>, pool: Arc<Pool>) {
    loop {
        hints.due.notified().await;
        if let Err(fault) = tell_once(&hints, &pool).await {
            let error = crate::StoreError::from(fault);
            tracing::debug!(%error, "the other nodes could not be told of what is due; they find it by themselves");
        }
        tokio::time::sleep(SENT_APART).await;
    }
}

async fn tell_once(hints: &Hints, pool: &Arc<Pool>) -> Result<(), Fault> {
    let conn = pool.take().await?;
    conn.rows("SELECT pg_notify($1, $2)", &[p(&CHANNEL), p(&hints.me)]).await?;
    Ok(())
}

async fn listen(hints: Arc<Hints>, connector: Connector) {
    let mut pause = RETRY_FIRST;
    loop {
        let began = Instant::now();
        let ended = listen_once(&hints, &connector).await;
        let reason = ended.err().map_or_else(|| "it was closed".to_owned(), |fault| crate::StoreError::from(fault).to_string());
        if began.elapsed() > RETRY_MAX {
            pause = RETRY_FIRST;
        }
        tracing::debug!(%reason, again_in = ?pause, "not listening to hints of other nodes; what they record is found by looking");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

/// Listens until the connection ends.
async fn listen_once(hints: &Hints, connector: &Connector) -> Result<(), Fault> {
    let (client, mut connection) = connector.begin().await?;
    let statement = format!("LISTEN {CHANNEL}");
    let listen = client.batch_execute(&statement);
    tokio::pin!(listen);
    let mut is_listening = false;
    loop {
        tokio::select! {
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                Some(Ok(AsyncMessage::Notification(hint))) if hint.payload() != hints.me => hints.heard.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            begun = &mut listen, if !is_listening => {
                begun?;
                is_listening = true;
                // What was told before is not heard any more.
                hints.heard.notify_one();
            }
        }
    }
}
