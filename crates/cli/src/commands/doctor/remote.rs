//! Checks of the server: reachable, ready, token, clock, store, backlog.

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use countersign_core::Timestamp;
use countersign_egress::{Clock as _, SystemClock};

use super::finding::Finding;
use crate::{
    client::{Answer, Client},
    table::{list, moment, text},
};

/// A difference of clocks from which on times in logs do not fit together.
const SKEW_ODD_S: u64 = 5;
/// A difference from which on tokens and signatures with times are refused.
const SKEW_BAD_S: u64 = 60;
/// A commit that takes longer is felt by every caller.
const COMMIT_ODD_MS: f64 = 100.0;

/// Makes the checks and gives back the account's subscriptions.
pub(super) async fn check(client: &Client, findings: &mut Vec<Finding>) -> Vec<Value> {
    let base = client.base();
    let alive = match client.answer(Method::GET, "/healthz", None, HeaderMap::new()).await {
        Ok(answer) => answer,
        Err(error) => {
            findings.push(Finding::failed("server", format!("{error:#}")));
            for check in ["token", "store", "backlog", "subscriptions"] {
                findings.push(Finding::skipped(check, "there is no server to ask"));
            }
            return Vec::new();
        }
    };
    findings.push(match alive.status {
        StatusCode::OK => Finding::fine("server", format!("{base} answers")),
        // Health can stand on an address of its own.
        StatusCode::NOT_FOUND => {
            Finding::odd("server", format!("{base} answers, but not for /healthz; is it a Countersign with --admin-listen?"))
        }
        status => Finding::failed("server", format!("{base} answers {}; is it a Countersign?", status.as_u16())),
    });
    findings.extend(clock(&alive));
    if alive.status == StatusCode::OK {
        findings.push(ready(client).await);
    }
    if !token(client, findings).await {
        for check in ["store", "backlog", "subscriptions"] {
            findings.push(Finding::skipped(check, "there is no token that works"));
        }
        return Vec::new();
    }
    findings.extend(store(client).await);
    findings.extend(backlog(client).await);
    subscriptions(client, findings).await
}

fn clock(answer: &Answer) -> Option<Finding> {
    let date = answer.headers.get(header::DATE)?.to_str().ok()?;
    let there = Timestamp::from_micros(jiff::fmt::rfc2822::parse(date).ok()?.timestamp().as_microsecond());
    let here = SystemClock.now();
    // The header counts whole seconds.
    let skew = here.since(there).max(there.since(here)).as_secs();
    Some(match skew {
        0..SKEW_ODD_S => Finding::fine("clock", "this machine and the server agree"),
        SKEW_ODD_S..SKEW_BAD_S => Finding::odd("clock", format!("this machine and the server differ by {skew} s")),
        _ => Finding::failed(
            "clock",
            format!("this machine and the server differ by {skew} s: tokens and signatures with times will be refused; set the clocks"),
        ),
    })
}

async fn ready(client: &Client) -> Finding {
    match client.answer(Method::GET, "/readyz", None, HeaderMap::new()).await {
        Ok(answer) if answer.status == StatusCode::OK => Finding::fine("ready", "it takes traffic"),
        Ok(answer) => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            Finding::failed("ready", format!("{}: {}", answer.status.as_u16(), text(&body, "status")))
        }
        Err(error) => Finding::failed("ready", format!("{error:#}")),
    }
}

async fn token(client: &Client, findings: &mut Vec<Finding>) -> bool {
    if !client.has_token() {
        findings.push(Finding::skipped("token", "no API token was given; give one with --token or in COUNTERSIGN_API_TOKEN"));
        return false;
    }
    match client.get("/oauth/userinfo").await {
        Ok(info) => {
            let account = &info["accounts"][0];
            findings.push(Finding::fine(
                "token",
                format!("{} in account {} ({})", text(&info, "name"), text(account, "account_name"), text(account, "account_id")),
            ));
            true
        }
        Err(error) => {
            findings.push(Finding::failed("token", format!("{error:#}")));
            false
        }
    }
}

async fn store(client: &Client) -> Vec<Finding> {
    let answer = match client.answer(Method::GET, "/api/v1/nodes", None, HeaderMap::new()).await {
        Ok(answer) if answer.status == StatusCode::FORBIDDEN => {
            return vec![Finding::skipped("store", "only an administrator's token may ask")];
        }
        Ok(answer) if answer.status.is_success() => serde_json::from_slice::<Value>(&answer.body).unwrap_or_default(),
        Ok(answer) => return vec![Finding::failed("store", format!("the server answered {}", answer.status.as_u16()))],
        Err(error) => return vec![Finding::failed("store", format!("{error:#}"))],
    };
    let store = &answer["store"];
    let mut findings = Vec::new();
    findings.push(if store["writable"] != true {
        Finding::failed("store", format!("{} takes no writes", text(store, "backend")))
    } else if answer["storageFull"] == true {
        Finding::failed(
            "store",
            "the disk budget is spent and nothing may be deleted: events are refused with 507; raise the budget or lower the retention",
        )
    } else if store["lastCommitMs"].as_f64().is_some_and(|ms| ms > COMMIT_ODD_MS) {
        Finding::odd("store", format!("the last commit took {} ms; the disk is slow", text(store, "lastCommitMs")))
    } else {
        Finding::fine("store", format!("{}, {} MiB", text(store, "backend"), store["diskBytes"].as_u64().unwrap_or_default() >> 20))
    });
    findings.extend(store["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).map(|words| Finding::odd("store", words)));
    let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let live = nodes.iter().filter(|node| node["live"] == true).count();
    findings.push(if live == 0 {
        Finding::failed("nodes", "no node is live: nothing is delivered")
    } else {
        Finding::fine("nodes", format!("{live} live"))
    });
    findings
}

async fn backlog(client: &Client) -> Vec<Finding> {
    let path = match client.api("backlog").await {
        Ok(path) => path,
        Err(error) => return vec![Finding::failed("backlog", format!("{error:#}"))],
    };
    let backlog = match client.get(&path).await {
        Ok(backlog) => backlog,
        Err(error) => return vec![Finding::failed("backlog", format!("{error:#}"))],
    };
    let number = |name: &str| backlog[name].as_u64().unwrap_or_default();
    let mut findings = vec![Finding::fine("backlog", format!("{} waiting, {} in flight", number("waiting"), number("leased")))];
    if number("held") > 0 {
        findings.push(Finding::odd(
            "backlog",
            format!("{} held: paused, disabled or without a token; see 'countersign deliveries --state waiting'", number("held")),
        ));
    }
    if number("parked") > 0 {
        findings.push(Finding::odd(
            "backlog",
            format!(
                "{} given up; see 'countersign deliveries --state parked', and 'countersign replay --state parked' sends them again",
                number("parked")
            ),
        ));
    }
    findings
}

async fn subscriptions(client: &Client, findings: &mut Vec<Finding>) -> Vec<Value> {
    let answer = match client.api("subscriptions").await {
        Ok(path) => client.get(&path).await,
        Err(error) => Err(error),
    };
    let subscriptions = answer.and_then(|answer| list(&answer, "subscriptions").map(<[Value]>::to_vec));
    let subscriptions = match subscriptions {
        Ok(subscriptions) => subscriptions,
        Err(error) => {
            findings.push(Finding::failed("subscriptions", format!("{error:#}")));
            return Vec::new();
        }
    };
    let active = subscriptions.iter().filter(|one| one["active"] == true).count();
    findings.push(if active == 0 {
        Finding::odd("subscriptions", "none is active: nobody is told of anything; make one with 'countersign config create'")
    } else {
        Finding::fine("subscriptions", format!("{active} active of {}", subscriptions.len()))
    });
    for one in &subscriptions {
        let name = format!("subscription {}", text(one, "id"));
        if one["disabled"].is_object() {
            findings.push(Finding::failed(name.as_str(), format!("disabled: {}", text(&one["disabled"], "reason"))));
        } else if one["failingSince"].is_string() {
            findings.push(Finding::odd(name.as_str(), format!("fails since {}", moment(one, "failingSince"))));
        }
        for words in one["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            findings.push(Finding::odd(name.as_str(), words));
        }
    }
    subscriptions
}
