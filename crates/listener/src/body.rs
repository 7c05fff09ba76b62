//! Reading a raw body, bounded three ways: its own length, the time it takes, and what all bodies at once may hold.
//!
//! Before a signature is checked its body has to be read, so that anyone can make a listener hold bytes. What counts against the common
//! budget is what has arrived, not what was announced: a stranger who announces much and sends little takes nothing from the others. Who
//! finds the budget spent is told to come again (503), which every sender of webhooks does.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::Refusal;

/// How bodies are read, for all requests of a listener.
#[derive(Debug)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: usize,
    pub(crate) timeout: Duration,
    /// Bytes left for all bodies together.
    pub(crate) budget: Arc<Semaphore>,
}

/// A body that arrived whole. Its share of the budget is given back when this goes.
#[derive(Debug, Default)]
pub(crate) struct ReadBody {
    pub(crate) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

impl BodyLimits {
    /// Reads the body of a request with these headers.
    pub(crate) async fn read<B: Body>(&self, headers: &HeaderMap, body: B) -> Result<ReadBody, Refusal> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|bytes| usize::try_from(bytes).map_or(true, |bytes| bytes > self.bytes_max)) {
            return Err(self.too_large());
        }
        let read = tokio::time::timeout(self.timeout, self.read_frames(body)).await;
        read.unwrap_or_else(|_| Err(Refusal::BodyTooSlow { seconds: self.timeout.as_secs() }))
    }

    async fn read_frames<B: Body>(&self, body: B) -> Result<ReadBody, Refusal> {
        let mut body = pin!(body);
        // Most bodies come in one piece, which is kept as it is.
        let (mut first, mut all) = (Bytes::new(), BytesMut::new());
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let Ok(mut data) = frame.map_err(|_| Refusal::BodyUnreadable)?.into_data() else { continue };
            let bytes = data.remaining();
            if bytes > self.bytes_max - first.len().max(all.len()) {
                return Err(self.too_large());
            }
            let more = u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(&self.budget).try_acquire_many_owned(bytes).ok());
            let more = more.ok_or(Refusal::Busy)?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            let piece = data.copy_to_bytes(bytes);
            if first.is_empty() && all.is_empty() {
                first = piece;
            } else {
                if all.is_empty() {
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&piece);
            }
        }
        Ok(ReadBody { bytes: if all.is_empty() { first } else { all.freeze() }, _share: share })
    }

    fn too_large(&self) -> Refusal {
        Refusal::BodyTooLarge { bytes_max: self.bytes_max }
    }
}
