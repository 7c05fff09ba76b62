//! A subscription as `/api/v1` writes it.

use std::{collections::BTreeSet, time::Duration};

use countersign_core::{
    Timestamp,
    address::TargetPolicy,
    auth::{BasicCredentials, OAuthConnection},
    id::{CredentialId, SubscriptionId, UserId},
    retry::RetryProfile,
    subscription::{Activity, EventPattern, Include, MessageShape, OAuthUse, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    connection::{self, ConnectionForm},
    given::{Given, given},
};
use crate::{
    failure::Failure,
    restapi::connect::{configuration::forget_spelling, vocabulary},
    subscription::{self, Terms},
};

/// What is given; what is absent stays as it is, or has its default when the subscription is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct SubscriptionForm {
    name: Option<String>,
    url: Option<String>,
    scope: Option<ScopeForm>,
    active: Option<bool>,
    paused: Option<bool>,
    users: Option<UsersForm>,
    /// Exact names, or prefixes that end in `*`.
    events: Option<Vec<String>>,
    shape: Option<MessageShape>,
    include: Option<BTreeSet<Include>>,
    hmac: Option<bool>,
    standard_webhooks: Option<bool>,
    mutual_tls: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    certificate: Given<CredentialId>,
    #[serde(default, deserialize_with = "given")]
    basic: Given<BasicForm>,
    oauth: Option<OAuthForm>,
    headers: Option<Map<String, Value>>,
    /// `docusign`, `daily`, or gaps such as `5s,5m,2h`; `null` is the installation's profile.
    #[serde(default, deserialize_with = "given")]
    retry: Given<String>,
    ordered: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    concurrency_max: Given<u16>,
    #[serde(default, deserialize_with = "given")]
    rate_per_second_max: Given<u32>,
    #[serde(default, deserialize_with = "given")]
    timeout_ms: Given<u64>,
    require_acknowledgement: Option<bool>,
    log: Option<bool>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum ScopeForm {
    Account,
    Recipients,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum UsersForm {
    All,
    Only(BTreeSet<UserId>),
    AllExcept(BTreeSet<UserId>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicForm {
    user: String,
    /// Write-only; the one that is stored when absent and the user is the same.
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OAuthForm {
    Off,
    Account,
    Own(Box<ConnectionForm>),
}

/// The parts of a subscription that a client of Connect may have spelled in several ways.
fn spells(form: &SubscriptionForm) -> bool {
    form.users.is_some() || form.shape.is_some() || form.include.is_some() || form.mutual_tls.is_some() || form.oauth.is_some()
}

impl SubscriptionForm {
    /// A new account-level subscription: active and for all users unless it says otherwise.
    ///
    /// # Errors
    /// 400 that names what cannot be.
    pub(super) fn create(self, terms: &Terms<'_>, now: Timestamp) -> Result<Subscription, Failure> {
        let text = self.url.as_deref().ok_or_else(|| Failure::invalid_parameter("url is needed"))?;
        let (url, _) = subscription::target("url", text, None, terms.policy)?;
        let blank = Subscription {
            id: SubscriptionId::FIRST,
            account: terms.account.id(),
            scope: Scope::Account,
            name: String::new(),
            url,
            activity: Activity::Active,
            paused: false,
            users: Users::All,
            events: WantedEvents::default(),
            shape: MessageShape::JsonSim,
            include: BTreeSet::new(),
            proofs: Proofs::default(),
            pace: Pace::default(),
            headers: Vec::new(),
            require_acknowledgement: true,
            log: true,
            created_at: now,
            failing_since: None,
            times_gone: 0,
            revision: 0,
            extra: Map::new(),
        };
        let made = self.over(blank, terms.policy)?;
        subscription::check(&made, None, terms)?;
        Ok(made)
    }

    /// The subscription with what is given.
    ///
    /// # Errors
    /// 400 that names what cannot be.
    pub(super) fn update(self, before: &Subscription, terms: &Terms<'_>) -> Result<Subscription, Failure> {
        let next = self.over(before.clone(), terms.policy)?;
        subscription::check(&next, Some(before), terms)?;
        Ok(next)
    }

    fn over(self, mut next: Subscription, policy: &TargetPolicy) -> Result<Subscription, Failure> {
        if spells(&self) {
            forget_spelling(&mut next);
        }
        if let Some(name) = self.name {
            next.name = name.trim().to_owned();
        }
        let mut in_url = None;
        if let Some(text) = self.url {
            (next.url, in_url) = subscription::target("url", &text, Some(&next.url), policy)?;
        }
        match (self.scope, next.scope) {
            (None, _) => {}
            (Some(_), Scope::Envelope(_)) => return Err(Failure::invalid_parameter("scope: a subscription of an envelope stays one")),
            (Some(ScopeForm::Account), _) => next.scope = Scope::Account,
            (Some(ScopeForm::Recipients), _) => next.scope = Scope::Recipients,
        }
        match self.active {
            None => {}
            Some(true) => next.activity = Activity::Active,
            Some(false) => next.activity = Activity::Inactive,
        }
        next.paused = self.paused.unwrap_or(next.paused);
        match self.users {
            None => {}
            Some(UsersForm::All) => next.users = Users::All,
            Some(UsersForm::Only(users)) => next.users = Users::Only(users),
            Some(UsersForm::AllExcept(users)) => next.users = Users::AllExcept(users),
        }
        if self.shape == Some(MessageShape::AsReceived) && next.shape != MessageShape::AsReceived {
            return Err(Failure::invalid_parameter("shape: as_received is what an inbox passes on; use json_sim"));
        }
        next.shape = self.shape.unwrap_or(next.shape);
        if self.events.is_some() || self.shape.is_some() {
            let patterns = match &self.events {
                Some(texts) => texts
                    .iter()
                    .map(|text| EventPattern::try_new(text).map_err(|fault| Failure::invalid_parameter(format!("events: {fault}"))))
                    .collect::<Result<Vec<_>, _>>()?,
                None => patterns(&next.events),
            };
            next.events = vocabulary::spread(patterns, next.shape);
        }
        next.include = self.include.unwrap_or(next.include);
        next.proofs.hmac = self.hmac.unwrap_or(next.proofs.hmac);
        next.proofs.standard_webhooks = self.standard_webhooks.unwrap_or(next.proofs.standard_webhooks);
        next.proofs.mutual_tls = self.mutual_tls.unwrap_or(next.proofs.mutual_tls);
        next.proofs.certificate = self.certificate.over(next.proofs.certificate);
        next.proofs.basic = basic(self.basic, in_url, next.proofs.basic)?;
        next.proofs.oauth = match self.oauth {
            None => next.proofs.oauth,
            Some(OAuthForm::Off) => OAuthUse::Off,
            Some(OAuthForm::Account) => OAuthUse::Account,
            Some(OAuthForm::Own(form)) => OAuthUse::Own(Box::new(form.over(own_connection(&next))?)),
        };
        if let Some(headers) = self.headers {
            next.headers = headers
                .into_iter()
                .map(|(name, value)| match value {
                    Value::String(value) => Ok((name, value)),
                    _ => Err(Failure::invalid_parameter(format!("headers: the value of '{}' must be text", name.escape_debug()))),
                })
                .collect::<Result<_, _>>()?;
        }
        if let Given::Here(retry) = self.retry {
            let read = |text: String| RetryProfile::parse(&text).map_err(|fault| Failure::invalid_parameter(format!("retry: {fault}")));
            next.pace.retry = retry.map(read).transpose()?;
        }
        next.pace.ordered = self.ordered.unwrap_or(next.pace.ordered);
        next.pace.concurrency_max = self.concurrency_max.over(next.pace.concurrency_max);
        next.pace.rate_per_second_max = self.rate_per_second_max.over(next.pace.rate_per_second_max);
        if let Given::Here(timeout) = self.timeout_ms {
            next.pace.timeout = timeout.map(Duration::from_millis);
        }
        next.require_acknowledgement = self.require_acknowledgement.unwrap_or(next.require_acknowledgement);
        next.log = self.log.unwrap_or(next.log);
        Ok(next)
    }
}

fn basic(
    given: Given<BasicForm>,
    in_url: Option<BasicCredentials>,
    before: Option<BasicCredentials>,
) -> Result<Option<BasicCredentials>, Failure> {
    match (given, in_url) {
        (Given::Not, None) => Ok(before),
        (Given::Not, in_url) => Ok(in_url),
        (Given::Here(_), Some(_)) => Err(Failure::invalid_parameter("give user name and password in basic or in the URL, not in both")),
        (Given::Here(None), None) => Ok(None),
        (Given::Here(Some(form)), None) => {
            let kept = before.filter(|before| before.user == form.user);
            match (form.password, kept) {
                (Some(password), _) => {
                    let made = BasicCredentials::try_new(form.user, password);
                    made.map(Some).map_err(|fault| Failure::invalid_parameter(fault.to_string()))
                }
                (None, Some(kept)) => Ok(Some(kept)),
                (None, None) => Err(Failure::invalid_parameter("basic needs a password")),
            }
        }
    }
}

fn own_connection(subscription: &Subscription) -> Option<&OAuthConnection> {
    match &subscription.proofs.oauth {
        OAuthUse::Own(connection) => Some(connection),
        OAuthUse::Off | OAuthUse::Account => None,
    }
}

/// All events wanted, as patterns, each once.
fn patterns(events: &WantedEvents) -> Vec<EventPattern> {
    let exact = events.names.iter().chain(&events.envelope).chain(&events.recipient).map(|name| name.as_str());
    let texts: BTreeSet<&str> = exact.chain(events.patterns.iter().map(EventPattern::as_str)).collect();
    texts.into_iter().filter_map(|text| EventPattern::try_new(text).ok()).collect()
}

/// The subscription as it is shown; secrets never are.
pub(super) fn shown(subscription: &Subscription, warnings: &[String]) -> Value {
    let (active, disabled) = match &subscription.activity {
        Activity::Active => (true, Value::Null),
        Activity::Inactive => (false, Value::Null),
        Activity::Disabled { reason, at } => (false, json!({"reason": reason, "at": at.to_seven_digits()})),
    };
    let (scope, envelope) = match subscription.scope {
        Scope::Account => ("account", None),
        Scope::Recipients => ("recipients", None),
        Scope::Envelope(envelope) => ("envelope", Some(envelope)),
    };
    let oauth = match &subscription.proofs.oauth {
        OAuthUse::Off => json!("off"),
        OAuthUse::Account => json!("account"),
        OAuthUse::Own(own) => json!({"own": connection::shown(own)}),
    };
    let headers: Map<String, Value> = subscription.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    let mut shown = json!({"id": subscription.id.to_string(), "scope": scope, "envelopeId": envelope});
    let mut say = |name: &str, value: Value| shown[name] = value;
    say("name", subscription.name.as_str().into());
    say("url", subscription.url.as_str().into());
    say("active", active.into());
    say("disabled", disabled);
    say("paused", subscription.paused.into());
    say("users", json!(subscription.users));
    say("events", json!(patterns(&subscription.events)));
    say("shape", json!(subscription.shape));
    say("include", json!(subscription.include));
    say("hmac", subscription.proofs.hmac.into());
    say("standardWebhooks", subscription.proofs.standard_webhooks.into());
    say("mutualTls", subscription.proofs.mutual_tls.into());
    say("certificate", json!(subscription.proofs.certificate));
    say("basic", subscription.proofs.basic.as_ref().map_or(Value::Null, |basic| json!({"user": basic.user})));
    say("oauth", oauth);
    say("headers", Value::Object(headers));
    say("retry", subscription.pace.retry.as_ref().map_or(Value::Null, |retry| retry_text(retry).into()));
    say("ordered", subscription.pace.ordered.into());
    say("concurrencyMax", json!(subscription.pace.concurrency_max));
    say("ratePerSecondMax", json!(subscription.pace.rate_per_second_max));
    say("timeoutMs", json!(subscription.pace.timeout.map(|timeout| timeout.as_millis() as u64)));
    say("requireAcknowledgement", subscription.require_acknowledgement.into());
    say("log", subscription.log.into());
    say("createdAt", subscription.created_at.to_seven_digits().into());
    say("failingSince", json!(subscription.failing_since.map(Timestamp::to_seven_digits)));
    say("warnings", json!(warnings));
    shown
}

/// As [`RetryProfile::parse`] reads it.
fn retry_text(profile: &RetryProfile) -> String {
    match profile {
        RetryProfile::Docusign => "docusign".to_owned(),
        RetryProfile::Daily => "daily".to_owned(),
        RetryProfile::Gaps(gaps) => {
            let gap = |gap: &Duration| match gap.subsec_millis() {
                0 => format!("{}s", gap.as_secs()),
                _ => format!("{}ms", gap.as_millis()),
            };
            gaps.iter().map(gap).collect::<Vec<_>>().join(",")
        }
    }
}
