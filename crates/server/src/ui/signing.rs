//! The signing page: a person plays the recipient of an envelope.
//!
//! One plain page without script. Opening it is what makes a recipient *delivered*; its form finishes, puts off or declines,
//! and then sends the browser back to the application with `event=` (Connect: recipient views). The address works once; see
//! [`crate::envelopes::ticket`].

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, State, rejection::BytesRejection},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use countersign_core::envelope::{Action, Actor, Command, Envelope, Recipient, RecipientAction, RecipientStatus, Source};
use http::{StatusCode, header};

use crate::{
    App,
    envelopes::{
        self,
        ticket::{self, Pass, SITTING_LIFE, Use},
    },
    failure::Failure,
    origin::Origin,
};

mod fields;
mod form;
mod page;

use form::Form;

/// The largest form, in bytes; fields hold lines, not documents.
const FORM_BYTES_MAX: usize = 1 << 20;

/// The routes, from the root.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/signing/{secret}", get(open).head(nothing))
        .route("/signing/sitting/{secret}", get(reopened).post(send).layer(DefaultBodyLimit::max(FORM_BYTES_MAX)))
        .route("/signing/style.css", get(style))
}

/// A look without opening, as mail programs do before a person clicks, must not spend the address.
async fn nothing() -> StatusCode {
    StatusCode::OK
}

async fn open(State(app): State<Arc<App>>, Path(secret): Path<String>, origin: Origin) -> Response {
    opened(&app, &secret, origin).await.unwrap_or_else(|failure| page::trouble(&app, &failure))
}

async fn opened(app: &Arc<App>, secret: &str, origin: Origin) -> Result<Response, Failure> {
    let Some(pass) = ticket::take(app, Use::View, secret).await? else { return spent(app, secret).await };
    if pass.until <= app.now() {
        return end(app, secret, &pass, "ttl_expired").await;
    }
    // Who is done already only looks again.
    let view = |recipient: &Recipient| (recipient.status != RecipientStatus::Completed).then_some(RecipientAction::View);
    match play(app, &pass, origin, view).await {
        Ok(envelope) => {
            ticket::spend(app, secret, &pass.ending("ttl_expired")).await?;
            sit(app, &pass, &envelope, "", StatusCode::OK).await
        }
        Err(failure) => unplayed(app, Use::View, secret, &pass, failure).await,
    }
}

/// Lets the recipient do something, unless `does` finds nothing to do.
async fn play<D>(app: &Arc<App>, pass: &Pass, Origin(ip_address): Origin, does: D) -> Result<Envelope, Failure>
where
    D: Fn(&Recipient) -> Option<RecipientAction> + Send + Sync,
{
    let account = app.configs.account(pass.account).await?;
    let account = account.ok_or_else(|| Failure::not_found("ACCOUNT_NOT_FOUND", "the account does not exist"))?;
    let id = &pass.recipient;
    let changed = envelopes::change(app, &account, pass.envelope, |envelope| {
        let recipient = envelope.recipient(id).ok_or_else(gone)?;
        let by =
            Actor { name: recipient.person.name.clone(), user: recipient.user, ip_address: ip_address.clone(), source: Source::Signing };
        let does = does(recipient);
        Ok(does.map(|does| Command::from(Action::Recipient { id: id.clone(), does }).by(by)).into_iter().collect())
    })
    .await?;
    Ok(changed.envelope)
}

fn gone() -> Failure {
    Failure::not_found("UNKNOWN_ENVELOPE_RECIPIENT", "the envelope no longer has this recipient")
}

/// What could not be done: the envelope has moved on, and the application hears of it; or it was our fault, and the address goes on
/// working.
async fn unplayed(app: &App, kind: Use, secret: &str, pass: &Pass, failure: Failure) -> Result<Response, Failure> {
    if failure.status.is_client_error() && failure.status != StatusCode::CONFLICT {
        return end(app, secret, pass, "exception").await;
    }
    ticket::give_back(app, kind, secret, pass).await?;
    Err(failure)
}

/// The page, with a form that works once.
async fn sit(app: &App, pass: &Pass, envelope: &Envelope, mistake: &str, status: StatusCode) -> Result<Response, Failure> {
    let recipient = envelope.recipient(&pass.recipient).ok_or_else(gone)?;
    let sitting = Pass { until: app.now() + SITTING_LIFE, ..pass.clone() };
    let secret = ticket::issue(app, Use::Sitting, &sitting).await?;
    page::page(app, pass, envelope, recipient, &secret, mistake, status)
}

/// A sitting's address opened by hand or by going back: the form can only be sent.
async fn reopened(State(app): State<Arc<App>>) -> Response {
    let text = "Go back to the application that sent you here and open the documents again.";
    page::notice(&app, StatusCode::METHOD_NOT_ALLOWED, "This form can only be sent", text)
}

async fn send(State(app): State<Arc<App>>, Path(secret): Path<String>, origin: Origin, body: Result<Bytes, BytesRejection>) -> Response {
    let Ok(body) = body else {
        return page::notice(&app, StatusCode::PAYLOAD_TOO_LARGE, "Too much text", "Go back and shorten what you wrote.");
    };
    sent(&app, &secret, origin, &body).await.unwrap_or_else(|failure| page::trouble(&app, &failure))
}

async fn sent(app: &Arc<App>, secret: &str, origin: Origin, body: &[u8]) -> Result<Response, Failure> {
    let Some(pass) = ticket::take(app, Use::Sitting, secret).await? else { return spent(app, secret).await };
    if pass.until <= app.now() {
        return end(app, secret, &pass, "session_timeout").await;
    }
    let form = Form::read(body);
    let (event, played) = match form.button.as_str() {
        "finish" => ("signing_complete", play(app, &pass, origin, |r| Some(RecipientAction::Complete(form.values(r)))).await),
        "later" => ("cancel", play(app, &pass, origin, |r| Some(RecipientAction::FinishLater(form.values(r)))).await),
        "decline" => ("decline", play(app, &pass, origin, |_| Some(RecipientAction::Decline { reason: form.reason() })).await),
        _ => return end(app, secret, &pass, "viewing_complete").await,
    };
    match played {
        Ok(_) => end(app, secret, &pass, event).await,
        // Something in the form cannot be: the person can mend it.
        Err(failure) if failure.code == "INVALID_REQUEST_PARAMETER" => {
            let (_, envelope) = envelopes::find(app, pass.account, pass.envelope).await?;
            let mistake = failure.message.rsplit_once("parameter. ").map_or(failure.message.as_str(), |(_, reason)| reason);
            sit(app, &pass, &envelope, mistake, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(failure) => unplayed(app, Use::Sitting, secret, &pass, failure).await,
    }
}

/// Sends the browser back to the application, and remembers with what, for who comes a second time.
async fn end(app: &App, secret: &str, pass: &Pass, event: &str) -> Result<Response, Failure> {
    ticket::spend(app, secret, &pass.ending(event)).await?;
    Ok(page::back(pass, event))
}

/// Somebody comes with what was used before.
async fn spent(app: &App, secret: &str) -> Result<Response, Failure> {
    match ticket::take(app, Use::Spent, secret).await? {
        Some(pass) => {
            let event = pass.ended_with.clone().unwrap_or_else(|| "ttl_expired".to_owned());
            end(app, secret, &pass, &event).await
        }
        None => {
            let text = "A link to documents works once and for five minutes. \
                        Go back to the application that sent you here and open the documents again.";
            Ok(page::notice(app, StatusCode::NOT_FOUND, "This link no longer works", text))
        }
    }
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("../../templates/signing/style.css")).into_response()
}
