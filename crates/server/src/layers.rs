//! What surrounds every request: a trace token, a count, and a wall that turns a panic into an answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, StatusCode};
use tracing::Instrument;

use crate::{App, failure::Failure};

/// Connect: every answer names its trace token; the SDKs show it beside an error (reference: 9).
const TRACE_TOKEN: HeaderName = HeaderName::from_static("x-docusign-tracetoken");

/// Names the request in the log and in the answer.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let token = uuid::Uuid::new_v4().to_string();
    let span = tracing::info_span!("request", trace = %token);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&token) {
        response.headers_mut().insert(TRACE_TOKEN, value);
    }
    response
}

/// Answers 500 when a handler panics; the process and its other requests go on. Must be inside the layer that renders failures.
pub(crate) async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
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

/// Counts requests of one surface.
pub(crate) async fn count(State((app, surface)): State<(Arc<App>, &'static str)>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    app.metrics.request(surface, response.status(), begun.elapsed());
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::{Router, body::to_bytes, middleware, routing::get};
    use tower::ServiceExt;

    use super::*;
    use crate::failure;

    async fn panics() -> Response {
        panic!("a fault planted for this test")
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_form_of_its_surface_and_tells_nothing() {
        let docusign = Router::new()
            .route("/", get(panics))
            .layer(middleware::from_fn(catch_panic))
            .layer(middleware::from_fn(failure::as_docusign))
            .layer(middleware::from_fn(trace));
        let problem =
            Router::new().route("/", get(panics)).layer(middleware::from_fn(catch_panic)).layer(middleware::from_fn(failure::as_problem));
        let oauth =
            Router::new().route("/", get(panics)).layer(middleware::from_fn(catch_panic)).layer(middleware::from_fn(failure::as_oauth));
        for (row, router, words) in [
            ("docusign", docusign, "\"errorCode\":\"INTERNAL_ERROR\""),
            ("problem", problem, "\"code\":\"internal-error\""),
            ("oauth", oauth, "\"error\":\"server_error\""),
        ] {
            let response = router.oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{row}");
            assert_eq!(response.headers().contains_key(TRACE_TOKEN), row == "docusign", "{row}");
            let body = to_bytes(response.into_body(), 10_000).await.unwrap();
            let text = String::from_utf8_lossy(&body);
            assert!(text.contains(words) && !text.contains("planted"), "{row}: {text}");
        }
    }
}
