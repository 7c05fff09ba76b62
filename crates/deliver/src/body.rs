//! The message of a delivery, made from the event's snapshot, the documents it shows, and what the subscription asks for.

use bytes::{Bytes, BytesMut};
use countersign_core::{
    config::AccountConfig,
    message::{Contents, Message},
    subscription::Subscription,
};
use countersign_store::{Store, StoreError};

use crate::lane::Item;

/// Up to this size a body is sent in one piece: one copy costs less than several writes.
const ONE_PIECE_BYTES_MAX: usize = 64 * 1024;

/// A body ready to be signed and sent.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    /// Its bytes, in order; the large ones shared with the store's.
    pub(crate) segments: Vec<Bytes>,
    /// `Content-Type`.
    pub(crate) content_type: &'static str,
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
    /// Never: the snapshot or a document is gone, or the message is too large. In words for people.
    Never(String),
}

/// Makes the body of an item's next attempt.
pub(crate) async fn render(
    store: &dyn Store,
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
    let mut contents = Contents::new();
    for content in message.contents().map_err(|e| NoBody::Never(e.to_string()))? {
        match store.content(delivery.account, content.hash.0).await {
            Ok(Some(bytes)) => {
                contents.insert(content.hash, bytes);
            }
            // What is missing is named when the body is made.
            Ok(None) => {}
            Err(error @ StoreError::Damaged(_)) => return Err(NoBody::Never(error.to_string())),
            Err(error) => return Err(NoBody::Store(error)),
        }
        let so_far: usize = contents.values().map(Bytes::len).sum();
        if so_far > bytes_max {
            return Err(too_large(so_far, bytes_max));
        }
    }
    let prepared = message.prepare(&contents).map_err(|e| NoBody::Never(e.to_string()))?;
    let bytes = prepared.len(delivery.retry_count);
    if bytes > bytes_max {
        return Err(too_large(bytes, bytes_max));
    }
    let segments =
        if bytes <= ONE_PIECE_BYTES_MAX { vec![prepared.render(delivery.retry_count)] } else { prepared.segments(delivery.retry_count) };
    Ok(Body { segments, content_type: prepared.content_type() })
}

fn too_large(bytes: usize, bytes_max: usize) -> NoBody {
    NoBody::Never(format!("the message has {bytes} bytes or more; at most {bytes_max} are sent. Ask for fewer documents in includeData"))
}
