//! What the browser is shown, and how it is sent back.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use countersign_core::envelope::{Envelope, Recipient};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use url::Url;

use super::fields::{Field, Input, fields};
use crate::{App, envelopes::ticket::Pass, failure::Failure};

#[derive(Template)]
#[template(path = "signing/page.html")]
struct Page<'a> {
    base: &'a str,
    subject: &'a str,
    sender: &'a str,
    recipient: &'a str,
    note: &'a str,
    documents: Vec<(&'a str, u32)>,
    fields: Vec<Field<'a>>,
    /// Where the form goes.
    action: String,
    /// What was wrong with the last try.
    mistake: &'a str,
    /// False when there is nothing to be signed any more.
    may_sign: bool,
}

#[derive(Template)]
#[template(path = "signing/notice.html")]
struct Notice<'a> {
    base: &'a str,
    title: &'a str,
    text: &'a str,
}

/// The page of a recipient; its form goes to the sitting of this secret.
pub(super) fn page(
    app: &App,
    pass: &Pass,
    envelope: &Envelope,
    recipient: &Recipient,
    secret: &str,
    mistake: &str,
    status: StatusCode,
) -> Result<Response, Failure> {
    let base = app.settings.public_url.as_str();
    let may_sign = recipient.kind.signs() && recipient.status.is_current() && envelope.status.is_in_process();
    let mut documents: Vec<_> = envelope.documents.iter().collect();
    documents.sort_by_key(|document| document.order);
    let page = Page {
        base,
        subject: &envelope.subject,
        sender: &envelope.sender.person.name,
        recipient: &recipient.person.name,
        note: recipient.note.as_deref().unwrap_or_default(),
        documents: documents.iter().map(|document| (document.name.as_str(), document.pages)).collect(),
        fields: fields(recipient, may_sign),
        action: format!("{base}/signing/sitting/{secret}"),
        mistake,
        may_sign,
    };
    Ok(shown(app, status, page.render().map_err(unrenderable)?, Some(pass)))
}

/// A page that says something.
pub(super) fn notice(app: &App, status: StatusCode, title: &str, text: &str) -> Response {
    let html = Notice { base: &app.settings.public_url, title, text }.render().unwrap_or_else(|error| {
        unrenderable(error);
        title.to_owned()
    });
    shown(app, status, html, None)
}

/// A page that says what went wrong.
pub(super) fn trouble(app: &App, failure: &Failure) -> Response {
    let text = match failure.code {
        "EDIT_LOCK_NOT_LOCK_OWNER" => {
            "The sender is changing these documents. Nothing was changed by you; load the page again in a few minutes."
        }
        _ if failure.status.is_server_error() || failure.status == StatusCode::CONFLICT => {
            "Nothing was changed. Load the page again in a moment."
        }
        _ => failure.message.as_str(),
    };
    notice(app, failure.status, "This did not work", text)
}

fn unrenderable(error: askama::Error) -> Failure {
    tracing::error!(%error, "a page could not be rendered");
    Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the page could not be rendered; the log says why")
}

/// Sends the browser back to the application.
pub(super) fn back(pass: &Pass, event: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    // A parsed URL is ASCII without control characters.
    if let Ok(location) = HeaderValue::from_str(pass.returning(event).as_str()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    guard(response.headers_mut());
    response
}

fn shown(app: &App, status: StatusCode, html: String, pass: Option<&Pass>) -> Response {
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    guard(headers);
    if let Ok(policy) = HeaderValue::from_str(&policy(&app.settings.public_url, pass)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The secret in the address goes nowhere else, and nothing of the page is kept.
fn guard(headers: &mut HeaderMap) {
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// No script, our own style sheet, a form that goes to us. Browsers ask the policy about the redirect after the form as well, so the
/// return address stands in it.
fn policy(public_url: &str, pass: Option<&Pass>) -> String {
    let own = Url::parse(public_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let back = pass.map(|pass| source(&pass.return_url)).unwrap_or_default();
    let ancestors = match pass {
        Some(pass) if !pass.frame_ancestors.is_empty() => pass.frame_ancestors.join(" "),
        _ => "'none'".to_owned(),
    };
    format!("default-src 'none'; style-src 'self' {own}; form-action 'self' {own} {back}; frame-ancestors {ancestors}; base-uri 'none'")
}

/// An address as a source of the policy: its origin, or its scheme when it has none that browsers know.
fn source(url: &Url) -> String {
    let origin = url.origin();
    if origin.is_tuple() { origin.ascii_serialization() } else { format!("{}:", url.scheme()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_lets_the_form_lead_back_and_no_script_run() {
        for (text, expected) in [
            ("https://app.example/done?x=1", "https://app.example"),
            ("http://127.0.0.1:5000/ds-return", "http://127.0.0.1:5000"),
            ("myapp://signed", "myapp:"),
        ] {
            assert_eq!(source(&Url::parse(text).expect(text)), expected, "{text}");
        }
        let policy = policy("http://127.0.0.1:8400", None);
        assert!(policy.starts_with("default-src 'none'; style-src 'self' http://127.0.0.1:8400;"), "{policy}");
        assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
    }
}
