//! What surrounds every request: a trace token, a count, an end to the patience with its body, and a wall that turns a panic into an
//! answer.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use tracing::Instrument;

use crate::{App, failure::Failure, timed_body};

/// Connect: every answer names its trace token; the SDKs show it beside an error (reference: 9).
const TRACE_TOKEN: HeaderName = HeaderName::from_static("x-docusign-tracetoken");

/// A part of the API with a form of its own for what it refuses.
#[derive(Clone)]
pub(crate) struct Surface {
    app: Arc<App>,
    name: &'static str,
    form: Option<Form>,
    is_traced: bool,
    bodies: Bodies,
}

/// Who sees to it that a body does not take for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bodies {
    /// This layer, with this patience: what takes too long is answered 408.
    Timed(Duration),
    /// The handlers.
    Untimed,
}

/// Renders the failure in an answer, if there is one.
pub(crate) type Form = fn(Response) -> Response;

impl Surface {
    /// Counted under `name`; failures stay as they are.
    pub(crate) fn new(app: &Arc<App>, name: &'static str) -> Self {
        Self { app: Arc::clone(app), name, form: None, is_traced: false, bodies: Bodies::Timed(timed_body::PATIENCE) }
    }

    /// Failures take this form.
    pub(crate) fn in_form(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    /// Requests are named in the log and in the answer.
    pub(crate) fn traced(self) -> Self {
        Self { is_traced: true, ..self }
    }

    /// The handlers themselves end bodies that take too long, and show what came.
    pub(crate) fn with_bodies_untimed(self) -> Self {
        Self { bodies: Bodies::Untimed, ..self }
    }
}

/// Everything that surrounds the requests of a surface, from the inside out: the patience with bodies, the wall against panics, the form of failures, the trace
/// token, the count. One layer, since each costs every request two boxes and a copy of what is inside of it.
pub(crate) async fn surround(State(surface): State<Surface>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let answering = answered(surface.form, in_time(surface.bodies, request, next));
    let response = if surface.is_traced { traced(answering).await } else { answering.await };
    surface.app.metrics.request(surface.name, response.status(), begun.elapsed());
    response
}

/// Runs the handler, and answers 408 when the body took too long.
async fn in_time(bodies: Bodies, request: Request, next: Next) -> Response {
    let Bodies::Timed(patience) = bodies else { return next.run(request).await };
    let (head, body) = request.into_parts();
    let (body, lateness) = timed_body::in_time(body, patience);
    let response = next.run(Request::from_parts(head, body)).await;
    lateness.and_then(|lateness| lateness.failure()).map_or(response, Failure::into_response)
}

/// Names the request in the log and in the answer.
async fn traced(answering: impl Future<Output = Response>) -> Response {
    let token = uuid::Uuid::new_v4().to_string();
    let span = tracing::info_span!("request", trace = %token);
    let mut response = answering.instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&token) {
        response.headers_mut().insert(TRACE_TOKEN, value);
    }
    response
}

async fn answered(form: Option<Form>, answering: impl Future<Output = Response>) -> Response {
    let response = without_panic(answering).await;
    match form {
        Some(form) => form(response),
        None => response,
    }
}

/// Answers 500 when a handler panics; the process and its other requests go on.
async fn without_panic(answer: impl Future<Output = Response>) -> Response {
    match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            let words = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            tracing::error!(panic = %words, "a handler panicked; this is a fault of Countersign");
            Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the server failed; the log says why").into_response()
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::{
        Router,
        body::to_bytes,
        middleware,
        routing::{get, post},
    };
    use tower::ServiceExt;

    use super::*;
    use crate::failure;

    async fn panics() -> Response {
        panic!("a fault planted for this test")
    }

    async fn reads(_body: Result<bytes::Bytes, axum::extract::rejection::BytesRejection>) -> StatusCode {
        StatusCode::IM_A_TEAPOT
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_answered_in_time_whatever_the_handler_makes_of_it() {
        let timed = Bodies::Timed(Duration::from_millis(20));
        let (hour, moment) = (Duration::from_secs(3_600), Duration::from_millis(1));
        for (bodies, ends_after, status) in [(timed, hour, StatusCode::REQUEST_TIMEOUT), (Bodies::Untimed, moment, StatusCode::IM_A_TEAPOT)]
        {
            let within = middleware::from_fn(move |request: Request, next: Next| async move {
                answered(Some(failure::as_problem), in_time(bodies, request, next)).await
            });
            let router: Router = Router::new().route("/", post(reads)).layer(within);
            let begins = futures_util::stream::once(async { Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"grant_type=")) });
            let ends = futures_util::stream::once(async move {
                tokio::time::sleep(ends_after).await;
                Ok(bytes::Bytes::new())
            });
            let body = axum::body::Body::from_stream(futures_util::StreamExt::chain(begins, ends));
            let response = router.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{bodies:?}");
            let body = to_bytes(response.into_body(), 10_000).await.unwrap();
            let is_told = String::from_utf8_lossy(&body).contains("\"code\":\"request-timeout\"");
            assert_eq!(is_told, bodies == timed, "{bodies:?}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_form_of_its_surface_and_tells_nothing() {
        for (row, form, is_traced, words) in [
            ("docusign", failure::as_docusign as Form, true, "\"errorCode\":\"INTERNAL_ERROR\""),
            ("problem", failure::as_problem, false, "\"code\":\"internal-error\""),
            ("oauth", failure::as_oauth, false, "\"error\":\"server_error\""),
        ] {
            let within = middleware::from_fn(move |request: Request, next: Next| async move {
                let answering = answered(Some(form), next.run(request));
                if is_traced { traced(answering).await } else { answering.await }
            });
            let router: Router = Router::new().route("/", get(panics)).layer(within);
            let response = router.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{row}");
            assert_eq!(response.headers().contains_key(TRACE_TOKEN), row == "docusign", "{row}");
            let body = to_bytes(response.into_body(), 10_000).await.unwrap();
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains(words) && !text.contains("planted"), "{row}: {text}");
        }
    }
}
