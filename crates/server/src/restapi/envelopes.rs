//! Envelopes: creating, sending, reading, polling, changing and ending them (reference: 8.3), and recipient views.
//!
//! Each file is one resource. A request is read whole by `definition`, becomes actions on the envelope, and goes through
//! [`crate::envelopes`]; what comes back is shown by `answer`.

use std::sync::Arc;

use axum::{
    Router,
    routing::{any, delete, get, post, put},
};

use crate::App;

pub(super) mod answer;
pub(super) mod assembly;
mod create;
pub(super) mod definition;
mod document_fields;
mod documents;
pub(super) mod edits;
mod folders;
mod list;
mod lock;
mod one;
mod particulars;
mod place;
mod recipients;
pub(super) mod request;
mod views;

/// The routes below an account.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/envelopes", get(list::list).post(create::create))
        .route("/envelopes/status", put(list::list_status))
        .route("/folders/{folder_id}", put(folders::put).get(folders::show))
        .nest("/envelopes/{envelope_id}", of_one())
}

fn of_one() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(one::show).put(one::update))
        .route("/recipients", get(recipients::list).post(recipients::add).put(recipients::update).delete(recipients::remove))
        .route("/recipients/{recipient_id}", delete(recipients::remove_one))
        .route(
            "/recipients/{recipient_id}/tabs",
            get(recipients::list_tabs).post(recipients::add_tabs).put(recipients::update_tabs).delete(recipients::remove_tabs),
        )
        .route("/documents", get(documents::list).put(documents::put).delete(documents::remove))
        .route("/documents/{document_id}", get(documents::show).put(documents::put_one))
        .route(
            "/documents/{document_id}/fields",
            get(document_fields::list).post(document_fields::add).put(document_fields::update).delete(document_fields::remove),
        )
        .route(
            "/documents/{document_id}/tabs",
            get(documents::prefill_tabs).post(documents::fill_in).put(documents::fill_in).delete(documents::fill_in),
        )
        .route("/templates", get(particulars::templates).post(views::applying))
        .route(
            "/custom_fields",
            get(particulars::fields).post(particulars::add_fields).put(particulars::update_fields).delete(particulars::remove_fields),
        )
        .route("/form_data", get(particulars::form_data))
        .route("/audit_events", get(particulars::audit_events))
        .route("/notification", get(particulars::notification).put(particulars::set_notification))
        .route(
            "/email_settings",
            get(particulars::email_settings)
                .post(particulars::add_email_settings)
                .put(particulars::set_email_settings)
                .delete(particulars::remove_email_settings),
        )
        .route("/attachments", get(particulars::attachments).put(particulars::put_attachments).delete(particulars::remove_attachments))
        .route("/attachments/{attachment_id}", get(particulars::attachment).put(particulars::put_attachment))
        .route("/lock", get(lock::show).post(lock::take).put(lock::extend).delete(lock::release))
        .route("/views/recipient", post(views::recipient))
        .route("/views/{view}", any(views::out_of_scope))
}
