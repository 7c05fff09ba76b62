//! One attempt: prepare, send, and say what it came to.
//!
//! The subscription, its keys and its credentials are those of now, so that a fix rescues the backlog; the form of the body and
//! `generatedDateTime` are those of when the delivery was recorded. Nothing is ever sent without the token that was asked for.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::Hold,
    id::{AccountId, AttemptId, SubscriptionId},
    limits::Limits,
    outcome::{FailureKind, Outcome, parse_retry_after},
};
use countersign_egress::{Answer, Purpose, Renewal, Request, SendFailure, Token};
use countersign_signature::{Signer, standard_webhooks};
use countersign_store::settle::{AttemptRow, Exchange, HeaderLines};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

pub use crate::parts::Parts;
use crate::{
    body::{self, Body, NoBody, Room},
    echo::{Credentials, shown},
    execute::{Execute, Executed},
    lane::Item,
    route::{NoRoute, Route, Routes},
    standing::Standing,
};

/// Headers of an answer kept in the log, and how much of each, in bytes.
const ANSWER_HEADERS_KEPT: usize = 32;
const ANSWER_HEADER_BYTES_KEPT: usize = 512;
/// Error text kept in the log, in characters.
const ERROR_CHARS_MAX: usize = 500;

/// Makes attempts over the network.
#[derive(Debug)]
pub struct Attempts {
    /// What they need.
    parts: Parts,
    routes: Routes,
    standing: Standing,
    room: Room,
}

/// A request ready to be sent, but for its `Authorization`.
struct Prepared {
    route: Arc<Route>,
    headers: HeaderMap,
    body: Body,
}

impl Attempts {
    /// With everything they need.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let routes = Routes::new(parts.settings.clone());
        Self { parts, routes, standing: Standing::default(), room: Room::default() }
    }

    /// The routes, for whoever looks after held deliveries.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// What attempts need.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    async fn attempt(&self, item: &Item, stop: &CancellationToken) -> Executed {
        let parts = &self.parts;
        let delivery = &item.delivery;
        let started_at = (parts.clock)();
        let (config, subscription) = match parts.configs.subscription(delivery.account, delivery.subscription).await {
            Ok(Some(found)) => found,
            Ok(None) => return Executed::Unwanted,
            Err(error) => {
                tracing::error!(%error, delivery.id = %delivery.id, "the subscription cannot be read");
                return Executed::NotNow;
            }
        };
        if subscription.pace.limits().are_any() && delivery.listener != subscription.lane(config.identity()) {
            return Executed::Elsewhere(subscription.lane(config.identity()));
        }
        let integrator = match subscription.proofs.integrator {
            None => Arc::clone(&config),
            Some(account) => match parts.configs.account(account).await {
                Ok(Some(integrator)) => integrator,
                Ok(None) => Arc::clone(&config),
                Err(_) => return Executed::NotNow,
            },
        };
        let id = AttemptId::from_raw(parts.ids.next(started_at));
        let mut log = AttemptLog::begin(id, delivery.retry_count, subscription.url.as_str(), started_at);
        let route = match self.routes.route(&config, &integrator, &subscription) {
            Ok(route) => route,
            Err(no_route) => {
                let policy = countersign_core::retry::RetryPolicy {
                    profile: subscription.pace.retry.clone().unwrap_or_else(|| parts.settings.retry.clone()),
                    park_at_first_failure: false,
                };
                if no_route == NoRoute::NoConnection {
                    tracing::info!(delivery.id = %delivery.id, "held: {no_route}");
                    return Executed::Attempted { attempt: None, outcome: Outcome::Held(Hold::NoToken), policy };
                }
                let outcome = Outcome::from_failure(FailureKind::Misconfigured);
                let attempt = log.end(&outcome, Some(no_route.to_string()), (parts.clock)());
                return Executed::Attempted { attempt: Some(attempt), outcome, policy };
            }
        };
        let policy = route.policy.clone();
        if let Some(hold) = subscription.hold() {
            return Executed::Attempted { attempt: None, outcome: Outcome::Held(hold), policy };
        }
        let body = match body::render(&*parts.store, &self.room, item, &config, &subscription, parts.settings.message_bytes_max).await {
            Ok(body) => body,
            Err(NoBody::Store(error)) => {
                tracing::error!(%error, delivery.id = %delivery.id, "the message cannot be made now");
                return Executed::NotNow;
            }
            Err(NoBody::NoRoom) => {
                tracing::debug!(delivery.id = %delivery.id, "put off: there is no room in memory for its documents");
                return Executed::NotNow;
            }
            Err(NoBody::Never(why)) => {
                let outcome = Outcome::from_failure(FailureKind::Unrenderable);
                let attempt = log.end(&outcome, Some(why), (parts.clock)());
                return Executed::Attempted { attempt: Some(attempt), outcome, policy };
            }
        };
        let token = match &route.bound {
            None => None,
            Some(bound) => match parts.tokens.token(bound).await {
                Ok(token) => Some(token),
                Err(failure) => {
                    tracing::info!(delivery.id = %delivery.id, %failure, "held: there is no token");
                    return Executed::Attempted { attempt: None, outcome: Outcome::Held(Hold::NoToken), policy };
                }
            },
        };
        log.phase("token", started_at, (parts.clock)(), token.is_some());
        let headers = match headers(&route, item, id, &body, (parts.clock)()) {
            Ok(headers) => headers,
            Err(why) => {
                let outcome = Outcome::from_failure(FailureKind::Misconfigured);
                let attempt = log.end(&outcome, Some(why), (parts.clock)());
                return Executed::Attempted { attempt: Some(attempt), outcome, policy };
            }
        };
        let prepared = Prepared { route, headers, body };
        let (outcome, attempt) = self.exchange(prepared, token, log, stop).await;
        self.standing.learn(parts, &subscription, &outcome, (parts.clock)()).await;
        Executed::Attempted { attempt: Some(attempt), outcome, policy }
    }

    /// Sends, and once more with a fresh token when the listener refused the one it got.
    async fn exchange(
        &self,
        mut prepared: Prepared,
        token: Option<Token>,
        mut log: AttemptLog,
        stop: &CancellationToken,
    ) -> (Outcome, Arc<AttemptRow>) {
        let route = Arc::clone(&prepared.route);
        let mut sent = self.send(&mut prepared, token.as_ref(), &mut log, stop).await;
        if let (Some(Ok(answer)), Some(token), Some(bound)) = (&sent, &token, &route.bound)
            && bound.connection().calls_for_renewal(answer.status)
        {
            match self.parts.tokens.renew(bound, token).await {
                Ok(Renewal::Token(fresh)) => sent = self.send(&mut prepared, Some(&fresh), &mut log, stop).await,
                // The refusal stands as this attempt's outcome; the next attempt asks the token source again.
                Ok(Renewal::TooSoon) => {}
                Err(failure) => tracing::info!(%failure, "no token in place of the one that the listener refused"),
            }
        }
        let now = (self.parts.clock)();
        match sent {
            None => (Outcome::Interrupted, log.end(&Outcome::Interrupted, Some("cut off by a shutdown".to_owned()), now)),
            Some(Ok(answer)) => {
                let retry_after = answer.retry_after().and_then(|value| parse_retry_after(value, now));
                let outcome = Outcome::from_response(answer.status, retry_after);
                let error = (!matches!(outcome, Outcome::Accepted { .. })).then(|| format!("the listener answered {}", answer.status));
                log.answered(&answer);
                (outcome, log.end(&outcome, error, now))
            }
            Some(Err(failure)) => {
                let outcome = Outcome::from_failure(failure.kind());
                log.row.exchange.remote = failure.remote.map(|remote| remote.to_string());
                (outcome, log.end(&outcome, Some(failure.to_string()), now))
            }
        }
    }

    /// One exchange; `None` when it was cut off by a shutdown.
    async fn send(
        &self,
        prepared: &mut Prepared,
        token: Option<&Token>,
        log: &mut AttemptLog,
        stop: &CancellationToken,
    ) -> Option<Result<Answer, SendFailure>> {
        // Kept for the second exchange where there may be one.
        let headers = match token {
            None => std::mem::take(&mut prepared.headers),
            Some(token) => {
                let mut headers = prepared.headers.clone();
                headers.insert(header::AUTHORIZATION, token.header());
                headers
            }
        };
        log.sending(&headers, &prepared.body);
        let route = &prepared.route;
        let request = Request {
            method: Method::POST,
            target: route.target.clone(),
            headers,
            payload: prepared.body.segments.clone().into(),
            profile: Arc::clone(&route.profile),
            limits: Some(route.limits),
            purpose: Purpose::Message,
        };
        tokio::select! {
            biased;
            sent = self.parts.egress.send(request) => Some(sent),
            () = stop.cancelled() => None,
        }
    }
}

#[async_trait]
impl Execute for Attempts {
    async fn execute(&self, item: &Item, stop: &CancellationToken) -> Executed {
        self.attempt(item, stop).await
    }

    async fn limits(&self, account: AccountId, subscription: SubscriptionId) -> Option<Limits> {
        match self.parts.configs.subscription(account, subscription).await {
            Ok(found) => Some(found.map(|(_, subscription)| subscription.pace.limits()).unwrap_or_default()),
            Err(error) => {
                tracing::error!(%error, subscription.id = %subscription, "the limits of a subscription cannot be read");
                None
            }
        }
    }
}

/// Everything but `Authorization`.
fn headers(route: &Route, item: &Item, id: AttemptId, body: &Body, now: Timestamp) -> Result<HeaderMap, String> {
    let delivery = &item.delivery;
    let mut headers = route.headers.clone();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type));
    let value = |text: String| HeaderValue::from_maybe_shared(Bytes::from(text)).map_err(|e| e.to_string());
    carry_on(&mut headers, item.event.headers_carried_on(delivery.shape))?;
    headers.insert(HeaderName::from_static("x-countersign-delivery"), value(delivery.id.to_string())?);
    headers.insert(HeaderName::from_static("x-countersign-attempt"), value(id.to_string())?);
    if let Some(original) = delivery.replay_of {
        headers.insert(HeaderName::from_static("x-countersign-replay-of"), value(original.to_string())?);
    }
    if !route.hmac_keys.is_empty() {
        let mut signer = Signer::new(&route.hmac_keys);
        for segment in &body.segments {
            signer.update(segment);
        }
        for (name, signature) in signer.finish().iter() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
            headers.insert(name, HeaderValue::from_str(signature).map_err(|e| e.to_string())?);
        }
    }
    if !route.standard_keys.is_empty() {
        let signed = standard_webhooks::sign(&route.standard_keys, &delivery.id.to_string(), now.as_secs(), &body.whole())
            .map_err(|e| e.to_string())?;
        for (name, text) in signed.iter() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
            headers.insert(name, HeaderValue::from_str(text).map_err(|e| e.to_string())?);
        }
    }
    Ok(headers)
}

/// Puts the message's own headers in place of those of the same name.
fn carry_on(headers: &mut HeaderMap, own: &[(String, String)]) -> Result<(), String> {
    let mut named = Vec::with_capacity(own.len());
    for (name, value) in own {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| e.to_string())?;
        let value = HeaderValue::from_str(value).map_err(|e| e.to_string())?;
        named.push((name, value));
    }
    for (name, _) in &named {
        headers.remove(name);
    }
    for (name, value) in named {
        headers.append(name, value);
    }
    Ok(())
}

/// The attempt's row as it grows.
struct AttemptLog {
    row: Box<AttemptRow>,
    /// What the answer must not show.
    credentials: Credentials,
}

impl AttemptLog {
    fn begin(id: AttemptId, retry_count: u32, url: &str, started_at: Timestamp) -> Self {
        Self {
            row: Box::new(AttemptRow {
                id,
                started_at,
                elapsed_us: 0,
                retry_count,
                class: String::new(),
                status: None,
                error: None,
                counted: true,
                exchange: Exchange { url: url.to_owned(), ..Exchange::default() },
                answer_head: Bytes::new(),
            }),
            credentials: Credentials::default(),
        }
    }

    fn phase(&mut self, name: &'static str, from: Timestamp, to: Timestamp, took_place: bool) {
        if took_place {
            self.row.exchange.phases_us.push((name.into(), whole_micros(to.since(from))));
        }
    }

    fn sending(&mut self, headers: &HeaderMap, body: &Body) {
        self.credentials = Credentials::of(headers);
        let exchange = &mut self.row.exchange;
        // Of the last request alone, should there be two.
        exchange.request_headers = HeaderLines::with_capacity(headers.len());
        headers.iter().for_each(|(name, value)| exchange.request_headers.push(name.as_str(), &shown(name, value)));
        exchange.body_sha256 = hex(&body.segments.iter().fold(Sha256::new(), |hash, segment| hash.chain_update(segment)).finalize());
        exchange.body_bytes = body.len() as u64;
    }

    fn answered(&mut self, answer: &Answer) {
        let row = &mut self.row;
        row.status = Some(answer.status);
        row.answer_head = self.credentials.masked(&answer.body_head).map_or_else(|| answer.body_head.clone(), Bytes::from);
        let exchange = &mut row.exchange;
        exchange.answer_headers = HeaderLines::with_capacity(answer.headers.len().min(ANSWER_HEADERS_KEPT));
        for (name, value) in answer.headers.iter().take(ANSWER_HEADERS_KEPT) {
            let kept = &value.as_bytes()[..value.len().min(ANSWER_HEADER_BYTES_KEPT)];
            let masked = self.credentials.masked(kept);
            exchange.answer_headers.push(name.as_str(), &String::from_utf8_lossy(masked.as_deref().unwrap_or(kept)));
        }
        exchange.answer_truncated = answer.truncated;
        exchange.remote = Some(answer.remote.to_string());
        let timings = &answer.timings;
        for (name, took) in
            [("dns", timings.dns), ("connect", timings.connect), ("tls", timings.tls), ("first_byte", Some(timings.first_byte))]
        {
            if let Some(took) = took {
                exchange.phases_us.push((name.into(), whole_micros(took)));
            }
        }
    }

    fn end(mut self, outcome: &Outcome, error: Option<String>, now: Timestamp) -> Arc<AttemptRow> {
        let row = &mut self.row;
        row.elapsed_us = whole_micros(now.since(row.started_at));
        outcome.class().clone_into(&mut row.class);
        row.error = error.map(|text| text.chars().take(ERROR_CHARS_MAX).collect());
        row.counted = !matches!(outcome, Outcome::Held(_) | Outcome::Interrupted);
        Arc::from(self.row)
    }
}

fn whole_micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_came_with_a_message_take_the_place_of_ours() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static("ours"));
        let own = [("content-type", "text/xml"), ("x-a", "1"), ("x-a", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        carry_on(&mut headers, &own).expect("they can be sent");
        let all: Vec<&[u8]> = headers.get_all("x-a").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!((headers[header::CONTENT_TYPE].as_bytes(), all), (&b"text/xml"[..], vec![&b"1"[..], b"2"]));
        assert_eq!(headers[header::USER_AGENT], "ours");
        assert!(carry_on(&mut headers, &[("a b".to_owned(), String::new())]).is_err(), "no header is sent in part");
    }
}
