//! Work that must not stop in the middle.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::runtime::Handle;

/// Runs a future where it is awaited. When that place is dropped in the middle, as a handler is whose client went away, the rest runs as a
/// task of its own. In the common case this spares the task, and the two wake-ups that a hand-over to it and back would cost.
pub(crate) struct ToTheEnd<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
}

impl<T: Send + 'static> ToTheEnd<T> {
    /// Nothing runs before it is awaited, and nothing at all when it never is.
    pub(crate) fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), has_begun: false }
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    /// Must not be polled again after it was ready, like any future.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        // Outside of a runtime there is nobody left to run it: the process ends.
        if self.has_begun
            && let Some(rest) = self.work.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{task::Waker, time::Duration};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_awaited_answers_and_is_not_run_again() {
        assert_eq!(ToTheEnd::new(async { 7 }).await, 7);
    }

    #[tokio::test]
    async fn what_was_never_awaited_does_not_run() {
        let (done, ended) = oneshot::channel();
        drop(ToTheEnd::new(async move { done.send(()) }));
        assert!(ended.await.is_err());
    }

    #[tokio::test]
    async fn what_is_dropped_in_the_middle_goes_on() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let mut work = Box::pin(ToTheEnd::new(async move {
            let _ = gone.await;
            let _ = done.send(());
        }));
        assert!(work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        let _ = go.send(());
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it goes on").expect("to its end");
    }
}
