//! A test event posted to a server.

use std::{process::ExitCode, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;

use super::Trigger;
use crate::{
    client::{Client, segment, with_query},
    input::{BODY_BYTES_MAX, Inputs},
    misuse::Misuse,
    output::{self, Tone},
    table::{Cell, Table, list, text},
};

/// Time between two looks at a delivery.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The event as it is posted; `data` goes out byte for byte.
#[derive(serde::Serialize)]
struct Posted<'a> {
    event: &'a str,
    data: &'a RawValue,
}

/// Posts the event, says who wants it, and waits if asked to; exit code 1 when nobody wants it, or a delivery waited for is not
/// delivered.
pub(super) async fn run(given: &Trigger) -> anyhow::Result<ExitCode> {
    let client = given.identity.client(given.outbound.ca(), given.outbound.timeout())?;
    let event = given.event.as_ref().map_or("test", |name| name.as_str());
    let data = match &given.data {
        Some(file) => {
            let bytes = Inputs::default().file(file, "--data", BODY_BYTES_MAX)?;
            let text = String::from_utf8(bytes).map_err(|_| Misuse::error(format!("--data: {file} is not UTF-8 text")))?;
            RawValue::from_string(text).map_err(|error| Misuse::error(format!("--data: {file} is not JSON: {error}")))?
        }
        None => RawValue::from_string(json!({"accountId": client.account().await?, "test": true}).to_string())?,
    };
    let path = match &given.subscription {
        Some(id) => client.api(&format!("subscriptions/{}/test", segment(id))).await?,
        None => client.api("events").await?,
    };
    let body = serde_json::to_string(&Posted { event, data: &data })?;
    let answer = client.exchange(Method::POST, &path, Some(Bytes::from(body)), HeaderMap::new()).await?;
    let posted: Value = serde_json::from_slice(&answer.body)?;
    let id = ["id", "event"].iter().find_map(|name| posted[*name].as_str()).unwrap_or_default().to_owned();

    let deliveries = match given.wait {
        Some(wait) => settled(&client, &id, wait).await?,
        None => Vec::new(),
    };
    let matches = client.get(&client.api(&format!("events/{}/matches", segment(&id))).await?).await?;
    let wanted: Vec<&Value> = list(&matches, "matches")?.iter().filter(|verdict| verdict["matched"] == true).collect();
    let undelivered = wanted.iter().any(|verdict| text(verdict, "state") != "delivered");
    if given.json {
        output::json(&matches)?;
    } else {
        show(event, &id, &matches, &deliveries)?;
    }
    Ok(if wanted.is_empty() || given.wait.is_some() && undelivered { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The deliveries of the event, when none waits for its first attempt or is under way, or the time is over.
async fn settled(client: &Client, event: &str, wait: Duration) -> anyhow::Result<Vec<Value>> {
    let path = with_query(&client.api("deliveries").await?, [("event", Some(event.to_owned())), ("limit", Some("1000".to_owned()))]);
    let until = Instant::now() + wait;
    loop {
        let page = client.get(&path).await?;
        let deliveries = list(&page, "deliveries")?;
        let open = deliveries.iter().any(|delivery| match text(delivery, "state").as_str() {
            "leased" => true,
            "waiting" => delivery["attemptsMade"].as_u64() == Some(0) && !delivery["held"].is_string(),
            _ => false,
        });
        if !open || Instant::now() + LOOK_EVERY > until {
            return Ok(deliveries.to_vec());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn show(event: &str, id: &str, matches: &Value, deliveries: &[Value]) -> anyhow::Result<()> {
    output::line(&format!("{} {}", output::escape(event), output::escape(id)))?;
    let mut table = Table::new(["SUBSCRIPTION", "NAME", "WANTED", "DELIVERY", "STATE", "WHY"]);
    for verdict in list(matches, "matches")? {
        let wanted = if verdict["matched"] == true { Cell::toned(Tone::Good, "yes") } else { Cell::toned(Tone::Dim, "no") };
        // What went wrong tells more than that it was wanted.
        let delivery = deliveries.iter().find(|delivery| delivery["id"] == verdict["delivery"]);
        let error = delivery.map(|delivery| text(delivery, "lastError")).filter(|error| !error.is_empty());
        table.row([
            text(verdict, "subscription").into(),
            text(verdict, "name").into(),
            wanted,
            text(verdict, "delivery").into(),
            text(verdict, "state").into(),
            error.unwrap_or_else(|| text(verdict, "explanation")).into(),
        ]);
    }
    table.print("the account has no subscription; make one with 'countersign config create'")?;
    let verdicts = list(matches, "matches")?;
    if !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict["matched"] != true) {
        output::line("nobody wanted it; why, each subscription's line above says")?;
    }
    Ok(())
}
