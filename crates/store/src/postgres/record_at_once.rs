//! Recording in one statement, which is one round trip and one transaction by itself.
//!
//! Most records bring events and deliveries and nothing that has to be looked at before: no envelope, no idempotency key, no new
//! subscription, no order. One statement holds the accounts' versions, and writes what was matched with them. The others are
//! recorded the long way ([`super::record::record`]).
//!
//! When the connection breaks it is not known whether the statement took place, and the caller is told so: asked again, it would
//! find its own ids in use.

use std::{collections::HashMap, sync::Arc};

use countersign_core::{config::ConfigVersion, delivery::Delivery, event::Event, id::AccountId};

use super::{
    delivery, event,
    fault::{Fault, Severity, words},
    pool::Conn,
    value::{Param, column, p},
};
use crate::{
    Refused,
    record::{Record, Recorded},
};

/// `$1` are the accounts, `$2` the versions that events were matched with, `$16` those of deliveries; behind each are the columns of the
/// rows. The accounts are held in the order in which the long way holds them, so that neither waits for the other in a circle.
const RECORD: &str = "WITH held AS MATERIALIZED (
        SELECT id, held_config_version(id) AS version FROM (SELECT id FROM unnest($1::bigint[]) id ORDER BY hashint8(id)) accounts
    ), events AS (
        INSERT INTO event
            (id, account, name, at, sender, envelope, detail, kind, bytes, shares, shared_to, codec, checksum, snapshot)
        SELECT n.id, n.account, n.name, n.at, n.sender, n.envelope, n.detail, n.kind, n.bytes, n.shares, n.shared_to, 0, n.sum, n.snapshot
        FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::uuid[], $8::uuid[], $9::text[], $10::bigint[],
            $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bytea[])
            n (matched, id, account, name, at, sender, envelope, detail, kind, bytes, shares, shared_to, sum, snapshot)
        JOIN held ON held.id = n.account AND held.version IS NOT NULL AND (n.matched IS NULL OR n.matched = held.version)
    ), deliveries AS (
        INSERT INTO delivery
            (id, account, event, subscription, listener, state, held, queued, reason, at, leased_by, last_attempt, attempts_made,
             retry_count, orphaned, hidden, shape, generated_at, schedule_started_at, attempts_before_schedule, held_total,
             held_since, order_key, replay_of, envelope)
        SELECT n.id, n.account, n.event, n.subscription, n.listener, n.state, n.held, n.queued, 0, n.at, n.leased_by, NULL,
            n.attempts_made, n.retry_count, 0, false, n.shape, n.generated_at, n.began_at, n.made_before, n.held_total,
            CASE WHEN n.held > 0 THEN n.began_at END, n.order_key, n.replay_of, n.envelope
        FROM unnest($16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[],
            $24::boolean[], $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[], $31::bigint[],
            $32::bigint[], $33::bigint[], $34::bigint[], $35::bigint[], $36::uuid[])
            n (matched, id, account, event, subscription, listener, state, held, queued, at, leased_by, attempts_made, retry_count, shape,
               generated_at, began_at, made_before, held_total, order_key, replay_of, envelope)
        JOIN held ON held.id = n.account AND held.version IS NOT NULL AND (n.matched IS NULL OR n.matched = held.version)
    )
    SELECT id, version FROM held";

/// True for what [`record`] can record.
pub(super) fn is_plain(record: &Record) -> bool {
    record.envelope.is_none()
        && record.idempotency.is_none()
        && record.subscriptions.is_empty()
        && record.deliveries.iter().all(|delivery| delivery.order_key.is_none())
}

/// Records all of these, each with its own answer. An id that is in use breaks a constraint, which takes everything back.
pub(super) async fn record(conn: &Conn, records: &[&Record]) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    let mut accounts: Vec<i64> = records.iter().map(|record| record.account.0).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let matched_with = |record: &Record| record.config.map(|version| version.0);
    let events: Vec<&[Arc<Event>]> = records.iter().map(|record| &record.events[..]).collect();
    let of_events: Vec<Option<i64>> = records.iter().flat_map(|record| record.events.iter().map(|_| matched_with(record))).collect();
    let events = event::Rows::of(&events)?;
    let deliveries: Vec<&Delivery> = records.iter().flat_map(|record| record.deliveries.iter()).collect();
    let of_deliveries: Vec<Option<i64>> =
        records.iter().flat_map(|record| record.deliveries.iter().map(|_| matched_with(record))).collect();
    let free = vec![false; deliveries.len()];
    let deliveries = delivery::Rows::of(&deliveries, free);
    let mut values: Vec<Param<'_>> = vec![p(&accounts), p(&of_events)];
    values.extend(events.params());
    values.push(p(&of_deliveries));
    values.extend(deliveries.params());
    let rows = conn.rows(RECORD, &values).await.map_err(in_doubt)?;
    let mut versions = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some(version) = column::<Option<i64>>(row, 1)? {
            versions.insert(AccountId(column(row, 0)?), ConfigVersion(version));
        }
    }
    Ok(records.iter().map(|record| answer(record, versions.get(&record.account).copied())).collect())
}

fn answer(record: &Record, version: Option<ConfigVersion>) -> Result<Recorded, Refused> {
    match (version, record.config) {
        (None, _) => Err(Refused::NotFound),
        (Some(now), Some(matched_with)) if now != matched_with => Err(Refused::StaleConfig(now)),
        _ => Ok(Recorded::Fresh),
    }
}

/// A connection that breaks under a statement which commits by itself leaves it open whether it did.
fn in_doubt(fault: Fault) -> Fault {
    let is_lost = fault.severity() == Severity::Lost;
    match fault {
        Fault::Late => Fault::Unknown("no answer in time".into()),
        Fault::Sql(error) if is_lost => Fault::Unknown(words(&error)),
        other => other,
    }
}
