//! `/connect/logs` and `/connect/failures`. Every delivery is kept whether or not a configuration logs; `enableLog` decides
//! what the log shows. Failures show everything that failed and is not over, whatever `enableLog` says.
//!
//! Beyond Connect's newest 100, `count` asks for up to 1,000 and `nextUri` leads to the page after.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    routing::{delete, get},
};
use countersign_core::{
    Timestamp,
    id::{AccountId, DeliveryId},
};
use countersign_store::{
    query::{DeliveryAction, DeliveryDetail, DeliveryFilter},
    settle::AttemptRow,
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    log_entry::{Entries, List},
    parameters,
};
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    restapi::wire::{Answer, Wire},
    sent_body,
};

/// Entries when nothing else is asked for (Connect: the newest 100).
const ENTRIES: u32 = 100;
/// The most entries in one answer.
const ENTRIES_MAX: u32 = 1_000;
/// Deliveries looked at for one answer: where most are not logged, the answer may hold fewer entries than asked for.
const LOOKED_AT_MAX: u32 = 20_000;
/// Attempts, the latest, whose body is shown with `additional_info`; each is made anew.
const PAYLOADS_MAX: usize = 20;
/// The largest body shown there, in bytes; larger ones carry documents.
const PAYLOAD_BYTES_MAX: u64 = 1 << 20;
/// Deliveries hidden or cancelled in one transaction.
const ROWS_MAX: u32 = 5_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/connect/logs", get(logs).delete(hide_all))
        .route("/connect/logs/{log_id}", get(log).delete(hide))
        .route("/connect/failures", get(failures))
        .route("/connect/failures/{failure_id}", delete(cancel))
}

async fn logs(State(app): State<Arc<App>>, caller: Caller<Administers>, query: RawQuery) -> Result<Answer, Failure> {
    list(&app, &caller, &query, List::Logs).await
}

async fn failures(State(app): State<Arc<App>>, caller: Caller<Administers>, query: RawQuery) -> Result<Answer, Failure> {
    list(&app, &caller, &query, List::Failures).await
}

async fn list(app: &App, caller: &Caller<Administers>, query: &RawQuery, list: List) -> Result<Answer, Failure> {
    let parameters = parameters::read(query, &["from_date", "to_date", "count", "before"])?;
    let count = parameters::count(&parameters, "count", ENTRIES, 1..=ENTRIES_MAX)?;
    let filter = DeliveryFilter {
        failures: list == List::Failures,
        from: date(&parameters, "from_date")?,
        to: date(&parameters, "to_date")?,
        unless_hidden: list == List::Logs,
        ..DeliveryFilter::default()
    };
    let before = parameters.text("before")?.filter(|text| !text.is_empty());
    let mut cursor = before
        .map(|text| text.parse::<DeliveryId>().map_err(|_| Failure::invalid_parameter("before is not the cursor of a nextUri")))
        .transpose()?;
    let mut entries = Entries::new(app, &caller.account);
    let mut shown: Vec<Value> = Vec::new();
    let mut looked_at = 0;
    let next = 'full: loop {
        let page = app.store.deliveries(caller.account_id(), filter.clone(), cursor, ENTRIES_MAX).await?;
        for listed in &page.deliveries {
            if shown.len() == count as usize {
                break 'full cursor;
            }
            cursor = Some(listed.delivery.id);
            looked_at += 1;
            let subscription = entries.subscription(listed).await?;
            if list == List::Failures || subscription.as_ref().is_none_or(|subscription| subscription.log) {
                shown.push(entries.entry(listed, subscription.as_deref(), list).await?);
            }
        }
        match page.next {
            None => break None,
            Some(_) if looked_at >= LOOKED_AT_MAX => break cursor,
            Some(next) => cursor = Some(next),
        }
    };
    Ok(Answer::ok(results(shown, list, next.map(|next| link(&parameters, list, next)))))
}

fn results(entries: Vec<Value>, list: List, next: Option<String>) -> Value {
    let total = entries.len().to_string();
    let (logs, failures, kind) = match list {
        List::Logs => (entries, Vec::new(), "logs"),
        List::Failures => (Vec::new(), entries, "failures"),
    };
    json!({"logs": logs, "failures": failures, "totalRecords": total, "type": kind, "nextUri": next.unwrap_or_default()})
}

/// The page after, relative to the account.
fn link(parameters: &Wire, list: List, next: DeliveryId) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.as_map() {
        if name != "before"
            && let Some(value) = value.as_str()
        {
            query.append_pair(name, value);
        }
    }
    let path = match list {
        List::Logs => "/connect/logs",
        List::Failures => "/connect/failures",
    };
    format!("{path}?{}", query.append_pair("before", &next.to_string()).finish())
}

/// A date as clients are known to send them; without a zone it is UTC.
fn date(parameters: &Wire, name: &str) -> Result<Option<Timestamp>, Failure> {
    let text = parameters.text(name)?.filter(|text| !text.trim().is_empty());
    text.map(|text| Timestamp::parse_generous(&text).map_err(|fault| Failure::invalid_parameter(format!("{name}: {fault}")))).transpose()
}

async fn log(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    query: RawQuery,
) -> Result<Answer, Failure> {
    let parameters = parameters::read(&query, &["additional_info"])?;
    let detail = found(&app, caller.account_id(), &id).await?.filter(|detail| !detail.listed.hidden).ok_or_else(|| missing(&id))?;
    let mut entries = Entries::new(&app, &caller.account);
    let subscription = entries.subscription(&detail.listed).await?;
    let mut entry = entries.entry(&detail.listed, subscription.as_deref(), List::Logs).await?;
    if parameters.flag("additional_info")?.unwrap_or(false) {
        let name = subscription.map(|subscription| subscription.name.clone()).unwrap_or_default();
        let mut attempts = Vec::with_capacity(detail.attempts.len());
        let first_shown = detail.attempts.len().saturating_sub(PAYLOADS_MAX);
        for (at, attempt) in detail.attempts.iter().enumerate() {
            let payload = if at < first_shown { None } else { payload(&app, &detail, attempt).await? };
            attempts.push(debug_log(&name, attempt, payload));
        }
        entry["connectDebugLog"] = attempts.into();
    }
    Ok(Answer::ok(entry))
}

/// The body as it was sent; `None` when it cannot be made any more or is too large to be text in an answer.
async fn payload(app: &App, detail: &DeliveryDetail, attempt: &AttemptRow) -> Result<Option<String>, Failure> {
    if attempt.exchange.body_bytes > PAYLOAD_BYTES_MAX {
        return Ok(None);
    }
    match sent_body::rebuilt(app, &detail.listed.delivery, attempt).await {
        Ok((_, body)) => Ok(Some(String::from_utf8_lossy(&body).into_owned())),
        Err(failure) if failure.status.is_client_error() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// One attempt.
fn debug_log(configuration: &str, attempt: &AttemptRow, payload: Option<String>) -> Value {
    let described = match attempt.status {
        Some(status) => format!("attempt {} answered {status} after {} ms", attempt.retry_count, attempt.elapsed_us / 1_000),
        None => format!("attempt {} ended without an answer after {} ms", attempt.retry_count, attempt.elapsed_us / 1_000),
    };
    let mut shown = json!({
        "connectConfig": configuration,
        "eventDateTime": attempt.started_at.to_seven_digits(),
        "eventDescription": described,
    });
    if let Some(payload) = payload {
        shown["payload"] = payload.into();
    }
    if let Some(error) = &attempt.error {
        shown["errorDetails"] = json!({"errorCode": attempt.class.to_ascii_uppercase(), "message": error});
    }
    shown
}

async fn hide(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let detail = found(&app, caller.account_id(), &id).await?.filter(|detail| !detail.listed.hidden).ok_or_else(|| missing(&id))?;
    let ids = vec![detail.listed.delivery.id];
    app.store.act_on_deliveries(caller.account_id(), ids, DeliveryAction::Hide, app.now()).await?;
    Ok(StatusCode::OK)
}

/// What is recorded while this runs stays.
async fn hide_all(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<StatusCode, Failure> {
    let filter = DeliveryFilter { unless_hidden: true, to: Some(until_now(&app)), ..DeliveryFilter::default() };
    act_on_all(&app, caller.account_id(), &filter, DeliveryAction::Hide).await?;
    Ok(StatusCode::OK)
}

/// Deleting a failure cancels what waits (design: Storage and scale).
async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Answer, Failure> {
    if id.eq_ignore_ascii_case("all") {
        let filter = DeliveryFilter { failures: true, to: Some(until_now(&app)), ..DeliveryFilter::default() };
        act_on_all(&app, caller.account_id(), &filter, DeliveryAction::Cancel).await?;
    } else {
        let detail = found(&app, caller.account_id(), &id).await?.ok_or_else(|| missing(&id))?;
        let ids = vec![detail.listed.delivery.id];
        let done = app.store.act_on_deliveries(caller.account_id(), ids, DeliveryAction::Cancel, app.now()).await?;
        if done.is_empty() {
            let state = detail.listed.delivery.state.as_str();
            return Err(Failure::conflict(format!("the failure {id} cannot be deleted: its delivery is {state}")));
        }
    }
    Ok(Answer::ok(json!({})))
}

/// The end of what had been recorded when the request came: what comes later is nobody's wish. Ids tell their time to the millisecond,
/// and the end of a range is left out.
fn until_now(app: &App) -> Timestamp {
    app.now() + Duration::from_millis(1)
}

async fn act_on_all(app: &App, account: AccountId, filter: &DeliveryFilter, action: DeliveryAction) -> Result<(), Failure> {
    while app.store.act_on_filter(account, filter.clone(), action, app.now(), ROWS_MAX).await? > 0 {}
    Ok(())
}

async fn found(app: &App, account: AccountId, id: &str) -> Result<Option<DeliveryDetail>, Failure> {
    match id.parse::<DeliveryId>() {
        Ok(id) => Ok(app.store.delivery(account, id).await?),
        Err(_) => Ok(None),
    }
}

fn missing(id: &str) -> Failure {
    let shown: String = id.chars().take(64).flat_map(char::escape_debug).collect();
    Failure::not_found("CONNECT_LOG_DOES_NOT_EXIST", format!("there is no log entry {shown}"))
}
