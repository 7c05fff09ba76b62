//! The body of an attempt as it was sent. It is not kept: it is made anew from the event's snapshot and the delivery's frozen
//! form, and shown only when its SHA-256 is that of what was sent.

use bytes::Bytes;
use countersign_core::{
    delivery::Delivery,
    message::{Contents, Message},
};
use countersign_store::settle::AttemptRow;
use http::StatusCode;

use crate::{App, failure::Failure, hex};

/// Content type and body.
///
/// # Errors
/// 409 when it cannot be made any more, and why; the store's own.
pub async fn rebuilt(app: &App, delivery: &Delivery, attempt: &AttemptRow) -> Result<(&'static str, Bytes), Failure> {
    let gone = |why: String| Failure::new(StatusCode::CONFLICT, "BODY_NOT_AVAILABLE", why);
    if attempt.exchange.body_sha256.is_empty() {
        return Err(gone("nothing was sent in this attempt".to_owned()));
    }
    let event = app.store.event(delivery.account, delivery.event).await?.ok_or_else(|| gone("the event is gone".to_owned()))?;
    let (config, subscription) = app
        .configs
        .subscription(delivery.account, delivery.subscription)
        .await?
        .ok_or_else(|| gone("the subscription was deleted, and with it what the body carried".to_owned()))?;
    let message = Message {
        account: &config.account,
        configuration: subscription.id,
        shape: delivery.shape,
        include: &subscription.include,
        generated_at: delivery.generated_at,
        event: &event,
    };
    let mut contents = Contents::new();
    for content in message.contents().map_err(|e| gone(e.to_string()))? {
        if let Some(bytes) = app.store.content(delivery.account, content.hash.0).await? {
            contents.insert(content.hash, bytes);
        }
    }
    let prepared = message.prepare(&contents).map_err(|e| gone(e.to_string()))?;
    let body = prepared.render(attempt.retry_count);
    let sha256 = {
        use sha2::Digest;
        sha2::Sha256::digest(&body)
    };
    if hex::encode(&sha256) == attempt.exchange.body_sha256 {
        Ok((prepared.content_type(), body))
    } else {
        Err(gone("the subscription carries other data now than when this was sent; what was sent cannot be made any more".to_owned()))
    }
}
