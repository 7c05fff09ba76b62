//! `GET /`: one line for whoever opens the address in a browser and wonders what answers there.

use axum::response::{IntoResponse, Response};
use http::header;

/// It names nothing of the installation: whoever reaches the port may read it.
const LINE: &str = "Countersign sends signed webhooks about envelopes and other events. Its API is at /restapi/v2.1 and /api/v1; /api/openapi.json describes it.\n";
/// There is nothing to load and nothing to frame.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// `GET /`.
pub(crate) async fn line() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, LINE).into_response()
}
