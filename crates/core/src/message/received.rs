//! Bodies that are passed on as they came in.

use super::{
    body::{OCTETS_CONTENT_TYPE, Pieces, PreparedBody},
    facts::{Message, Unrenderable},
};
use crate::event::Snapshot;

/// The posted bytes, shared with the event, the same on every attempt: a signature over them stays good.
pub(super) fn prepare(message: &Message<'_>) -> Result<PreparedBody, Unrenderable> {
    let mut body = Pieces::default();
    match &message.event.snapshot {
        Snapshot::Posted(bytes) => body.share(bytes.clone()),
        Snapshot::Envelope(_) | Snapshot::Nothing => return Err(Unrenderable::NothingReceived),
    }
    Ok(PreparedBody::fixed(body, OCTETS_CONTENT_TYPE))
}
