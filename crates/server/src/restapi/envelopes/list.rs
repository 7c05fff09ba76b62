//! Polling: `GET /envelopes` and `PUT /envelopes/status`.
//!
//! A filter that is not supported is refused and named ([`crate::restapi::query`]): passing over it would answer with envelopes
//! that were not asked for.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::{
    Timestamp,
    account::User,
    config::ConfigKind,
    envelope::{Envelope, EnvelopeStatus},
    id::{AccountId, EnvelopeId, UserId},
};
use countersign_store::envelopes::{EnvelopeDate, EnvelopeOrder, EnvelopePage, EnvelopeQuery};
use serde_json::{Value, json};

use super::{
    answer,
    place::{Place, place},
    request::{Parameters, cut},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes::{self, custom_field_line},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

/// Envelopes in one answer (Connect: at most 1,000).
const COUNT_MAX: u32 = 1_000;
/// Envelopes skipped at most; skipping is a cost, and who wants more narrows the dates.
const START_MAX: u64 = 100_000;
/// Ids in one request.
const IDS_MAX: usize = 1_000;
/// Users looked through for a name and an address.
const USERS_MAX: u32 = 1_000;

/// Statuses that an envelope never rests in here; asking for them finds nothing (reference: 2.2).
const NEVER: [&str; 4] = ["signed", "processing", "timedout", "correct"];

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>, parameters: Parameters) -> Result<Answer, Failure> {
    let ids = Ids { envelopes: parameters.list("envelope_ids"), transactions: parameters.list("transaction_ids") };
    if ids.is_empty() && parameters.text("from_date").is_none() {
        return Err(Failure::invalid_parameter(
            "Query parameter 'from_date' must be set to a valid DateTime, or 'envelope_ids' or 'transaction_ids' must be specified.",
        ));
    }
    answer(&app, &caller, &parameters, &ids).await
}

pub(super) async fn list_status(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    parameters: Parameters,
    wire: Wire,
) -> Result<Answer, Failure> {
    // The ids stand in the body, which the query says with `envelope_ids=request_body`.
    let given = |name: &'static str, body: &'static str| -> Result<Vec<String>, Failure> {
        match parameters.text(name) {
            None => wire.texts(body),
            Some(text) if text.eq_ignore_ascii_case("request_body") => wire.texts(body),
            Some(_) => Ok(parameters.list(name).into_iter().map(str::to_owned).collect()),
        }
    };
    let (envelopes, transactions) = (given("envelope_ids", "envelopeIds")?, given("transaction_ids", "transactionIds")?);
    if envelopes.is_empty() && transactions.is_empty() {
        return Err(Failure::invalid_parameter("name envelopes in 'envelopeIds' or 'transactionIds' of the body"));
    }
    let ids =
        Ids { envelopes: envelopes.iter().map(String::as_str).collect(), transactions: transactions.iter().map(String::as_str).collect() };
    answer(&app, &caller, &parameters, &ids).await
}

/// Envelopes asked for by name.
struct Ids<'a> {
    envelopes: Vec<&'a str>,
    transactions: Vec<&'a str>,
}

impl Ids<'_> {
    fn is_empty(&self) -> bool {
        self.envelopes.is_empty() && self.transactions.is_empty()
    }
}

async fn answer(app: &App, caller: &Caller<Reads>, parameters: &Parameters, ids: &Ids<'_>) -> Result<Answer, Failure> {
    parameters.flag("include_purge_information")?;
    let query = query(app, caller, parameters, ids).await?;
    let (start, count) = match &query {
        Some(query) => (u64::from(query.start), u64::from(query.count)),
        None => (0, u64::from(COUNT_MAX)),
    };
    let page = match query {
        Some(query) => app.store.envelopes(query).await?,
        None => EnvelopePage { envelopes: Vec::new(), total: 0 },
    };
    let envelopes = page.envelopes.iter().map(|stored| envelopes::read(&stored.row.body)).collect::<Result<Vec<Envelope>, _>>()?;
    let include = answer::included(parameters);
    let now = app.now();
    let shown: Vec<Value> =
        envelopes.iter().map(|envelope| answer::envelope(envelope, &caller.account.account, &include, now).into()).collect();
    let size = shown.len() as u64;
    let uri = |start: u64| format!("/envelopes?{}", parameters.with("start_position", &start.to_string()));
    let next = if start + size < page.total && size > 0 { uri(start + size) } else { String::new() };
    let previous = if start > 0 { uri(start.saturating_sub(count)) } else { String::new() };
    let mut body = json!({
        "resultSetSize": size.to_string(),
        "totalSetSize": page.total.to_string(),
        "startPosition": start.to_string(),
        "endPosition": (start + size).saturating_sub(1).to_string(),
        "nextUri": next,
        "previousUri": previous,
        "envelopes": shown,
    });
    if !ids.transactions.is_empty() {
        body["envelopeTransactionStatuses"] = envelopes.iter().map(transaction_status).collect();
    }
    Ok(Answer::ok(body))
}

fn transaction_status(envelope: &Envelope) -> Value {
    json!({
        "envelopeId": envelope.id,
        "status": envelope.status.as_str(),
        "transactionId": envelope.extra.get("transactionId"),
        "errorDetails": answer::success(),
    })
}

/// What the store is asked; `None` when no envelope can fit.
async fn query(app: &App, caller: &Caller<Reads>, parameters: &Parameters, given: &Ids<'_>) -> Result<Option<EnvelopeQuery>, Failure> {
    let account = caller.account_id();
    let (ids, transaction_ids) = named(given)?;
    let (date, reached) = reached(parameters)?;
    let Place { folders, statuses: of_place } = place(parameters, caller.account_guid())?;
    let asked = statuses(parameters)?;
    let Some(statuses) = narrow([asked, of_place, reached]) else { return Ok(None) };
    let folders = match folders {
        Some(folders) => folders,
        None if !given.is_empty() || statuses.contains(&EnvelopeStatus::Deleted.as_str().to_owned()) => {
            ["draft", "sent", "deleted"].map(str::to_owned).into()
        }
        None => ["draft", "sent"].map(str::to_owned).into(),
    };
    let start = parameters.number("start_position")?.unwrap_or(0);
    let start = u32::try_from(start).ok().filter(|_| start <= START_MAX).ok_or_else(|| {
        Failure::invalid_parameter(format!("start_position is {start}; it can be 0 to {START_MAX}; narrow the dates instead"))
    })?;
    let count = match parameters.number("count")? {
        None => COUNT_MAX,
        Some(0) => return Err(Failure::invalid_parameter("count is 0; it can be 1 to 1000")),
        Some(count) => u32::try_from(count).unwrap_or(COUNT_MAX).min(COUNT_MAX),
    };
    Ok(Some(EnvelopeQuery {
        account,
        date,
        from: moment(parameters, "from_date")?,
        to: moment(parameters, "to_date")?,
        statuses,
        ids,
        transaction_ids,
        senders: senders(app, caller, parameters).await?,
        folders,
        search_text: parameters.text("search_text").map(str::to_lowercase),
        custom_field: parameters.text("custom_field").map(custom_field).transpose()?,
        order: order(parameters, date)?,
        descending: descending(parameters)?,
        start,
        count,
    }))
}

fn named(given: &Ids<'_>) -> Result<(Vec<EnvelopeId>, Vec<String>), Failure> {
    for (name, count) in [("envelope_ids", given.envelopes.len()), ("transaction_ids", given.transactions.len())] {
        if count > IDS_MAX {
            return Err(Failure::invalid_parameter(format!("{name} names {count}; it can name {IDS_MAX}")));
        }
    }
    let read =
        |id: &&str| id.parse().map_err(|_| Failure::invalid_parameter(format!("envelope_ids holds '{}', which is no GUID", cut(id))));
    let ids = given.envelopes.iter().map(read).collect::<Result<_, _>>()?;
    Ok((ids, given.transactions.iter().map(|id| (*id).to_owned()).collect()))
}

/// The date that the bounds are about, and the statuses that go with it.
fn reached(parameters: &Parameters) -> Result<(EnvelopeDate, Option<Vec<String>>), Failure> {
    let word = parameters.text("from_to_status").unwrap_or("changed").to_ascii_lowercase();
    Ok(match word.as_str() {
        "changed" => (EnvelopeDate::StatusChanged, None),
        "created" => (EnvelopeDate::Created, None),
        "sent" => (EnvelopeDate::Sent, None),
        "completed" => (EnvelopeDate::Completed, None),
        // Nothing follows these but deletion, so the last change is the one that led there.
        "declined" | "voided" | "deleted" => (EnvelopeDate::StatusChanged, Some(vec![word])),
        never if NEVER.contains(&never) => (EnvelopeDate::StatusChanged, Some(Vec::new())),
        other => {
            return Err(Failure::invalid_parameter(format!(
                "from_to_status '{}' is not supported; it can be changed, created, sent, completed, declined, voided or deleted",
                cut(other)
            )));
        }
    })
}

/// Statuses asked for; `None` for any.
fn statuses(parameters: &Parameters) -> Result<Option<Vec<String>>, Failure> {
    let words = parameters.list("status");
    if words.is_empty() || words.iter().any(|word| word.eq_ignore_ascii_case("any")) {
        return Ok(None);
    }
    let mut statuses = Vec::new();
    for word in words {
        let word = word.to_ascii_lowercase();
        if EnvelopeStatus::ALL.iter().any(|status| status.as_str() == word) {
            statuses.push(word);
        } else if !NEVER.contains(&word.as_str()) {
            return Err(Failure::invalid_parameter(format!("status holds '{}', which is no status of an envelope", cut(&word))));
        }
    }
    Ok(Some(statuses))
}

/// What fits all of these; empty for any, `None` for nothing.
fn narrow(filters: [Option<Vec<String>>; 3]) -> Option<Vec<String>> {
    let mut narrowed: Option<Vec<String>> = None;
    for filter in filters.into_iter().flatten() {
        narrowed = Some(match narrowed {
            None => filter,
            Some(before) => before.into_iter().filter(|status| filter.contains(status)).collect(),
        });
    }
    match narrowed {
        None => Some(Vec::new()),
        Some(none) if none.is_empty() => None,
        some => some,
    }
}

fn moment(parameters: &Parameters, name: &str) -> Result<Option<Timestamp>, Failure> {
    let read = |text| Timestamp::parse_generous(text).map_err(|e| Failure::invalid_parameter(format!("{name}: {e}")));
    parameters.text(name).map(read).transpose()
}

fn custom_field(text: &str) -> Result<String, Failure> {
    let (name, value) = text.split_once('=').ok_or_else(|| Failure::invalid_parameter("custom_field must be written name=value"))?;
    Ok(custom_field_line(name, value))
}

fn order(parameters: &Parameters, date: EnvelopeDate) -> Result<EnvelopeOrder, Failure> {
    Ok(match parameters.text("order_by").map(str::to_ascii_lowercase).as_deref() {
        None => EnvelopeOrder::By(date),
        Some("last_modified") => EnvelopeOrder::By(EnvelopeDate::Changed),
        Some("created") => EnvelopeOrder::By(EnvelopeDate::Created),
        Some("completed") => EnvelopeOrder::By(EnvelopeDate::Completed),
        Some("expire") => EnvelopeOrder::By(EnvelopeDate::Expires),
        Some("sent") => EnvelopeOrder::By(EnvelopeDate::Sent),
        Some("status_changed") => EnvelopeOrder::By(EnvelopeDate::StatusChanged),
        Some("status") => EnvelopeOrder::Status,
        Some("subject" | "envelope_name") => EnvelopeOrder::Subject,
        Some(other) => {
            return Err(Failure::invalid_parameter(format!(
                "order_by '{}' is not supported; it can be last_modified, created, completed, expire, sent, status_changed, status, subject or envelope_name",
                cut(other)
            )));
        }
    })
}

fn descending(parameters: &Parameters) -> Result<bool, Failure> {
    match parameters.text("order").map(str::to_ascii_lowercase).as_deref() {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(other) => Err(Failure::invalid_parameter(format!("order is '{}'; it can be asc or desc", cut(other)))),
    }
}

/// Senders asked for: by id, by name and address (both, Connect: listStatusChanges), or oneself.
async fn senders(app: &App, caller: &Caller<Reads>, parameters: &Parameters) -> Result<Vec<UserId>, Failure> {
    match parameters.text("user_filter").map(str::to_ascii_lowercase).as_deref() {
        None => {}
        Some("sender") => return Ok(vec![caller.user]),
        Some(other) => return Err(Failure::invalid_parameter(format!("user_filter '{}' is not supported; it can be sender", cut(other)))),
    }
    if let Some(id) = parameters.text("user_id") {
        return Ok(vec![id.parse().map_err(|_| Failure::invalid_parameter(format!("user_id is '{}'; it must be a GUID", cut(id))))?]);
    }
    match (parameters.text("user_name"), parameters.text("email")) {
        (None, None) => Ok(Vec::new()),
        (Some(name), Some(email)) => Ok(vec![user(app, caller.account_id(), name, email).await?]),
        _ => Err(Failure::invalid_parameter("user_name and email must be given together")),
    }
}

async fn user(app: &App, account: AccountId, name: &str, email: &str) -> Result<UserId, Failure> {
    for stored in app.store.objects(account, ConfigKind::User, None, USERS_MAX).await? {
        let user: User = stored.object.read()?;
        if user.name.eq_ignore_ascii_case(name) && user.email.eq_ignore_ascii_case(email) {
            return Ok(user.id);
        }
    }
    Err(Failure::invalid_parameter(format!("the account has no user '{}' with the address '{}'", cut(name), cut(email))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_narrow_each_other() {
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(narrow([None, None, None]), Some(Vec::new()));
        assert_eq!(narrow([some(&["sent", "voided"]), some(&["voided"]), None]), some(&["voided"]));
        assert_eq!(narrow([some(&["sent"]), some(&["voided"]), None]), None);
        assert_eq!(narrow([None, None, some(&[])]), None);
    }
}
