//! How token checks of a bin reach an authorization server: by the one way out, under the policy for token URLs.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_core::address::check_target_url;
use countersign_egress::{BodyEnd, Egress, Limits, Purpose, Request, Target, TlsProfile};
use countersign_listener::{Fetch, FetchFailed};
use http::{HeaderMap, Method, Response, StatusCode, header};

/// How long an exchange may take.
const TIMEOUT: Duration = Duration::from_secs(8);

/// Asks through `egress`.
pub(super) fn through(egress: Egress, profile: Arc<TlsProfile>) -> impl Fetch {
    move |request: http::Request<Bytes>, answer_bytes_max: usize| {
        let (egress, profile) = (egress.clone(), Arc::clone(&profile));
        async move { exchange(&egress, profile, request, answer_bytes_max).await }
    }
}

async fn exchange(
    egress: &Egress,
    profile: Arc<TlsProfile>,
    request: http::Request<Bytes>,
    answer_bytes_max: usize,
) -> Result<Response<Bytes>, FetchFailed> {
    let failed = |words: String| FetchFailed(words);
    let (head, body) = request.into_parts();
    let url = check_target_url(&head.uri.to_string(), egress.token_policy()).map_err(|fault| failed(fault.to_string()))?;
    let target = Target::try_new(&url).map_err(|fault| failed(fault.to_string()))?;
    let mut headers: HeaderMap = head.headers;
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let limits =
        Limits { total_timeout: TIMEOUT, body_timeout: TIMEOUT, answer_kept_bytes: answer_bytes_max, ..Limits::of(egress.settings()) };
    let base = if head.method == Method::GET { Request::get(target) } else { Request::post(target, body) };
    let answer = egress
        .send(Request { headers, profile, limits: Some(limits), purpose: Purpose::Token, ..base })
        .await
        .map_err(|failure| failed(failure.to_string()))?;
    if answer.body_end != BodyEnd::Complete || answer.truncated {
        return Err(failed("the answer is longer than is read, or broke off".to_owned()));
    }
    let mut response = Response::new(answer.body_head);
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|fault| failed(fault.to_string()))?;
    *response.headers_mut() = answer.headers;
    Ok(response)
}
