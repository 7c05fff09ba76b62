//! `bins`: the account's addresses under `/i/` that take whatever is sent to them. For administrators, as what arrives may hold the
//! credentials that the account sends to its listeners.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{bin_form::BinForm, strict::StrictJson};
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    inspection,
    inspector::{
        bin::{Bin, BinId, Checks, KEEP_DEFAULT, TokenSource},
        bins,
        reply::Reply,
    },
};

/// The name of a bin that was given none.
const NAME_DEFAULT: &str = "bin";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/bins", get(list).post(create)).route("/bins/{bin_id}", get(one).patch(change).delete(remove))
}

async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    let bins = bins::list(&app.inspector, caller.account_id()).await?;
    Ok(Json(json!({"bins": bins.iter().map(|known| shown(&app, &known.bin)).collect::<Vec<_>>()})))
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(form): StrictJson<BinForm>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let id = BinId::random()
        .map_err(|_| Failure::new(StatusCode::SERVICE_UNAVAILABLE, "NO_RANDOMNESS", "no address can be made now; try again"))?;
    let bin = Bin {
        id,
        name: NAME_DEFAULT.to_owned(),
        keep: KEEP_DEFAULT,
        checks: Checks::default(),
        reply: Reply::default(),
        created_at: app.now(),
    };
    let bin = form.over(&app, bin)?;
    inspection::listener(&app, &bin.checks, &caller.account)?;
    bins::save(&app.inspector, caller.account_id(), &bin, 0).await?;
    Ok((StatusCode::CREATED, Json(shown(&app, &bin))))
}

async fn one(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &id).await?;
    Ok(Json(shown(&app, &known.bin)))
}

/// What is absent stays as it is; `null` takes a check away. Lists and objects within are given whole.
async fn change(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    StrictJson(form): StrictJson<BinForm>,
) -> Result<Json<Value>, Failure> {
    let known = bins::of_account(&app.inspector, caller.account_id(), &id).await?;
    let bin = form.over(&app, known.bin.clone())?;
    inspection::listener(&app, &bin.checks, &caller.account)?;
    bins::save(&app.inspector, caller.account_id(), &bin, known.revision).await?;
    Ok(Json(shown(&app, &bin)))
}

async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    bins::delete(&app.inspector, caller.account_id(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Without secrets: how many keys there are, and for whom a password or secret is stored.
fn shown(app: &App, bin: &Bin) -> Value {
    let figures = app.inspector.memory.figures(&bin.id);
    let checks = &bin.checks;
    let headers: BTreeMap<&str, &str> = bin.reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    json!({
        "id": bin.id,
        "name": bin.name,
        "url": format!("{}/i/{}", app.settings.public_url, bin.id),
        "keep": bin.keep,
        "checks": {
            "accountKeys": checks.account_keys,
            "hmacKeys": checks.hmac_keys.len(),
            "accountId": checks.account_id,
            "basic": checks.basic.as_ref().map(|basic| json!({"user": basic.user})),
            "token": checks.token.as_ref().map(|token| {
                let (jwks, introspection, client) = match &token.source {
                    TokenSource::Jwks(url) => (Some(url.as_str()), None, None),
                    TokenSource::Introspection { url, client_id, .. } => (None, Some(url.as_str()), Some(client_id.as_str())),
                };
                json!({
                    "issuer": token.issuer,
                    "audience": token.audience,
                    "clients": token.clients,
                    "scope": token.scope,
                    "plainJwt": token.plain_jwt,
                    "jwksUrl": jwks,
                    "introspectionUrl": introspection,
                    "clientId": client,
                })
            }),
        },
        "answer": {
            "status": bin.reply.status,
            "headers": headers,
            "body": bin.reply.body,
            "delayMs": bin.reply.delay_ms,
            "behaviour": bin.reply.behaviour,
        },
        "arrivals": figures.arrivals,
        "arrivalBytes": figures.bytes,
        "dropped": figures.dropped,
        "turnedAway": figures.turned_away,
        "createdAt": bin.created_at.to_seven_digits(),
    })
}
