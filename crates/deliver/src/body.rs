//! The message of a delivery, made from the event's snapshot, the documents it shows, and what the subscription asks for.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use countersign_core::{
    config::AccountConfig,
    message::{Contents, Message},
    subscription::Subscription,
};
use countersign_store::{Store, StoreError};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::lane::Item;

/// Up to this size a body is sent in one piece: one copy costs less than several writes.
const ONE_PIECE_BYTES_MAX: usize = 64 * 1024;

/// Bytes of documents in memory over all attempts, as they came and in Base64. The snapshots' budget does not see them: a small snapshot
/// may name large documents. Enough for one message of the largest size, and for thousands of common ones.
const DOCUMENT_BYTES_MAX: usize = 256 << 20;
/// What is counted as one.
const UNIT_BYTES: usize = 4 << 10;
/// How long an attempt waits for room before it is put off.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// A body ready to be signed and sent.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its bytes, in order; the large ones shared with the store's.
    pub(crate) segments: Vec<Bytes>,
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
    /// Given back when the attempt is over.
    _room: Option<OwnedSemaphorePermit>,
}

/// Room for documents, shared by all attempts.
#[derive(Debug)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DOCUMENT_BYTES_MAX / UNIT_BYTES)))
    }
}

impl Room {
    /// Room for documents of so many bytes, taken at once, so that no two attempts wait for each other.
    async fn take(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, NoBody> {
        if bytes == 0 {
            return Ok(None);
        }
        // As they came, and a third more in Base64.
        let units = ((bytes / UNIT_BYTES + 1).saturating_mul(7) / 3).min(DOCUMENT_BYTES_MAX / UNIT_BYTES);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        match timeout(ROOM_WAIT, Arc::clone(&self.0).acquire_many_owned(units)).await {
            Ok(Ok(room)) => Ok(Some(room)),
            Ok(Err(_)) | Err(_) => Err(NoBody::NoRoom),
        }
    }
}

impl Body {
    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.segments.iter().map(Bytes::len).sum()
    }

    /// It in one piece; copies when it is in several.
    pub(crate) fn whole(&self) -> Bytes {
        match self.segments.as_slice() {
            [one] => one.clone(),
            many => many
                .iter()
                .fold(BytesMut::with_capacity(self.len()), |mut whole, segment| {
                    whole.extend_from_slice(segment);
                    whole
                })
                .freeze(),
        }
    }
}

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum NoBody {
    /// Not now: the store did not give the documents.
    Store(StoreError),
    /// Not now: others hold as many documents in memory as there may be.
    NoRoom,
    /// Never: the snapshot or a document is gone, or the message is too large. In words for people.
    Never(String),
}

/// Makes the body of an item's next attempt.
pub(crate) async fn render(
    store: &dyn Store,
    room: &Room,
    item: &Item,
    config: &AccountConfig,
    subscription: &Subscription,
    bytes_max: usize,
) -> Result<Body, NoBody> {
    let delivery = &item.delivery;
    let message = Message {
        account: &config.account,
        configuration: subscription.id,
        shape: delivery.shape,
        include: &subscription.include,
        generated_at: delivery.generated_at,
        event: &item.event,
    };
    let shown = message.contents().map_err(|e| NoBody::Never(e.to_string()))?;
    let shown_bytes =
        shown.iter().fold(0_usize, |sum, content| sum.saturating_add(usize::try_from(content.bytes_len).unwrap_or(usize::MAX)));
    if shown_bytes > bytes_max {
        return Err(too_large(shown_bytes, bytes_max));
    }
    let room = room.take(shown_bytes).await?;
    let mut contents = Contents::new();
    for content in shown {
        match store.content(delivery.account, content.hash.0).await {
            Ok(Some(bytes)) => {
                contents.insert(content.hash, bytes);
            }
            // What is missing is named when the body is made.
            Ok(None) => {}
            Err(error @ StoreError::Damaged(_)) => return Err(NoBody::Never(error.to_string())),
            Err(error) => return Err(NoBody::Store(error)),
        }
    }
    let prepared = message.prepare(&contents).map_err(|e| NoBody::Never(e.to_string()))?;
    let bytes = prepared.len(delivery.retry_count);
    if bytes > bytes_max {
        return Err(too_large(bytes, bytes_max));
    }
    let segments =
        if bytes <= ONE_PIECE_BYTES_MAX { vec![prepared.render(delivery.retry_count)] } else { prepared.segments(delivery.retry_count) };
    Ok(Body { segments, content_type: prepared.content_type(), _room: room })
}

fn too_large(bytes: usize, bytes_max: usize) -> NoBody {
    NoBody::Never(format!("the message has {bytes} bytes or more; at most {bytes_max} are sent. Ask for fewer documents in includeData"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn documents_beyond_the_room_wait_and_are_put_off() {
        let room = Room::default();
        assert!(matches!(room.take(0).await, Ok(None)), "a message without documents needs none");
        // 60 MiB are 140 in memory: one of them has room, a second one has not.
        let first = room.take(60 << 20).await.expect("room");
        let small = room.take(1 << 20).await.expect("room for a small one beside it");
        assert!(matches!(room.take(60 << 20).await, Err(NoBody::NoRoom)));
        drop((first, small));
        room.take(60 << 20).await.expect("room again");
        room.take(usize::MAX).await.expect("the largest takes all of it, and can be sent");
    }
}
