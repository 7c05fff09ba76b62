//! The tower layer: reads the body, runs the checks, and lets through what passed them all.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, request::Parts};
use http_body::Body;
use http_body_util::{Either, Full};
use tower::{Layer, Service};

use crate::{
    answer::DUPLICATE_HEADER,
    body::ReadBody,
    listener::Listener,
    replay::Handled,
    verdict::{Checked, Freshness, Verdict},
    verified::VerifiedBody,
};

/// Any error of a body.
type BoxError = Box<dyn Error + Send + Sync>;

/// Puts a [`Listener`] in front of a service.
///
/// What the service gets has the raw body, byte for byte as it arrived, and the [`Verdict`] in its extensions.
#[derive(Debug, Clone)]
pub struct ListenerLayer(Listener);

impl Listener {
    /// The layer that puts this listener in front of a service.
    #[must_use]
    pub fn layer(&self) -> ListenerLayer {
        ListenerLayer(self.clone())
    }
}

impl<S> Layer<S> for ListenerLayer {
    type Service = ListenerService<S>;

    fn layer(&self, inner: S) -> ListenerService<S> {
        ListenerService { listener: self.0.clone(), inner }
    }
}

/// A service behind a [`Listener`].
#[derive(Debug, Clone)]
pub struct ListenerService<S> {
    listener: Listener,
    inner: S,
}

impl<S, B, A> Service<Request<B>> for ListenerService<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    A: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Either<Full<Bytes>, A>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The instance that was polled ready is the one to be called; the clone takes its place.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let listener = self.listener.clone();
        Box::pin(pass_or_refuse(listener, inner, request))
    }
}

async fn pass_or_refuse<S, B, A>(
    listener: Listener,
    mut inner: S,
    request: Request<B>,
) -> Result<Response<Either<Full<Bytes>, A>>, S::Error>
where
    S: Service<Request<Full<Bytes>>, Response = Response<A>>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let (mut head, body) = request.into_parts();
    // Holds its share of the budget until the application has answered.
    let (mut verdict, read) = judge(&listener, &mut head, body).await;
    let body = read.bytes.clone();
    let key = if verdict.is_accepted() { listener.begin(&body, &mut verdict).await } else { None };
    listener.observe(&head, &verdict);
    if let Some(refusal) = verdict.refusal() {
        return Ok(listener.answer(refusal, Either::Left(Full::default())));
    }
    if verdict.replay == Checked::Passed(Freshness::Duplicate) {
        let mut answer = Response::new(Either::Left(Full::default()));
        answer.headers_mut().insert(DUPLICATE_HEADER, HeaderValue::from_static("true"));
        return Ok(answer);
    }
    head.extensions.insert(verdict);
    head.extensions.insert(VerifiedBody(body.clone()));
    let answer = inner.call(Request::from_parts(head, Full::new(body))).await;
    if let Some(key) = key {
        let taken = answer.as_ref().is_ok_and(|answer| answer.status().is_success());
        listener.finish(key, if taken { Handled::Taken } else { Handled::NotTaken }).await;
    }
    Ok(answer?.map(Either::Right))
}

/// Runs the checks up to the first refusal. Who does not authenticate has his body left unread.
async fn judge<B: Body>(listener: &Listener, head: &mut Parts, body: B) -> (Verdict, ReadBody) {
    let shown = listener.certificate(head);
    let mut verdict = Verdict { certificate: listener.check_certificate(&shown), ..Verdict::default() };
    if verdict.certificate.refusal().is_some() {
        verdict.authorization = Checked::NotReached;
        verdict.body = Checked::NotReached;
        return (verdict, ReadBody::default());
    }
    verdict.authorization = listener.check_authorization(head, &shown).await;
    listener.settle_certificate(head, shown);
    if verdict.authorization.refusal().is_some() {
        verdict.body = Checked::NotReached;
        return (verdict, ReadBody::default());
    }
    match listener.body_limits().read(&head.headers, body).await {
        Ok(read) => {
            verdict.body = Checked::Passed(read.bytes.len());
            listener.check_body(head, &read.bytes, &mut verdict);
            (verdict, read)
        }
        Err(refusal) => {
            verdict.body = Checked::Refused(refusal);
            (verdict, ReadBody::default())
        }
    }
}
