//! `/connect/mobile_notifiers`: not part of the service, and said so.

use std::sync::Arc;

use axum::{Router, routing::get};

use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/mobile_notifiers", get(refuse).put(refuse).delete(refuse))
}

async fn refuse(_caller: Caller<Administers>) -> Failure {
    Failure::not_implemented("mobile notifiers")
}
