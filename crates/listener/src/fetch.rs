//! How this crate reaches an authorization server: through a function of the caller. There is no HTTP client in here.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};

/// A boxed future, as the traits of this crate return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An answer of the authorization server takes no longer than this; a sender waits 100 s for ours (Connect's time-out).
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The exchange failed. Holds the reason for our log; it is never shown to the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchFailed(pub String);

/// Makes one HTTP exchange with the authorization server.
///
/// An implementation verifies TLS, follows no redirect, sends the request once, and reads at most `answer_bytes_max` bytes of the answer: a
/// longer one is an error, not a cut. Any function of that form is one:
///
/// ```
/// use bytes::Bytes;
/// use countersign_listener::{Fetch, FetchFailed};
/// use http::{Request, Response};
///
/// fn takes(_: impl Fetch) {}
/// takes(|request: Request<Bytes>, _answer_bytes_max: usize| async move {
///     Err::<Response<Bytes>, _>(FetchFailed(format!("{} is out of reach", request.uri())))
/// });
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Sends `request` and reads the answer.
    fn fetch(&self, request: Request<Bytes>, answer_bytes_max: usize) -> BoxFuture<'static, Result<Response<Bytes>, FetchFailed>>;
}

impl<F, A> Fetch for F
where
    F: Fn(Request<Bytes>, usize) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Response<Bytes>, FetchFailed>> + Send + 'static,
{
    fn fetch(&self, request: Request<Bytes>, answer_bytes_max: usize) -> BoxFuture<'static, Result<Response<Bytes>, FetchFailed>> {
        Box::pin(self(request, answer_bytes_max))
    }
}

/// One exchange with a bound on its time and, whatever the implementation does, on its answer.
pub(crate) async fn fetch_bounded(
    fetch: &Arc<dyn Fetch>,
    request: Request<Bytes>,
    answer_bytes_max: usize,
) -> Result<Response<Bytes>, FetchFailed> {
    let answer = tokio::time::timeout(FETCH_TIMEOUT, fetch.fetch(request, answer_bytes_max))
        .await
        .map_err(|_| FetchFailed(format!("no answer within {} s", FETCH_TIMEOUT.as_secs())))??;
    if answer.body().len() > answer_bytes_max {
        return Err(FetchFailed(format!("the answer has more than {answer_bytes_max} bytes")));
    }
    Ok(answer)
}

/// Whether the answer says that it is JSON: `application/json` or a `+json` type.
pub(crate) fn is_json(answer: &Response<Bytes>) -> bool {
    let kind = answer.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
