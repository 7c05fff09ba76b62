//! A subscription written by flags.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    input::{Inputs, Source, duration, pair},
    misuse::Misuse,
};

/// The flags. What is not given is not sent.
#[derive(Debug, Default, Args)]
pub(super) struct Form {
    /// Name [default for a new one: the host of its URL]
    #[arg(long)]
    name: Option<String>,
    /// Where messages go
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Events, separated by commas: names such as envelope-completed, or patterns such as invoice.*
    #[arg(long, value_name = "EVENTS", value_delimiter = ',')]
    events: Option<Vec<String>>,
    /// Form of the body: json_sim, json_aggregate, xml_aggregate, xml_sim
    #[arg(long, value_name = "SHAPE")]
    shape: Option<String>,
    /// What bodies carry beyond the bare event, separated by commas, such as documents,tabs,recipients
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    include: Option<Vec<String>>,
    /// Sign with the account's HMAC keys: true or false
    #[arg(long, value_name = "BOOL")]
    hmac: Option<bool>,
    /// Basic credentials as USER:PASSWORD; the password may be env:NAME, @FILE or -; empty to remove them
    #[arg(long, value_name = "USER:PASSWORD", allow_hyphen_values = true)]
    basic: Option<String>,
    /// Send a token: off, or account for the account's OAuth connection (one of its own is given by --file)
    #[arg(long, value_name = "WHICH", value_parser = ["off", "account"])]
    oauth: Option<String>,
    /// Show the client certificate of the account: true or false
    #[arg(long, value_name = "BOOL")]
    mutual_tls: Option<bool>,
    /// Standard Webhooks headers beside Connect's: true or false
    #[arg(long, value_name = "BOOL")]
    standard_webhooks: Option<bool>,
    /// Header for every message; may be repeated, and replaces those there were
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// When failed attempts are repeated: docusign, daily, or gaps such as 1s,2s,4s; empty for the server's
    #[arg(long, value_name = "PROFILE")]
    retry: Option<String>,
    /// Deliver the events of an envelope one after the other: true or false
    #[arg(long, value_name = "BOOL")]
    ordered: Option<bool>,
    /// At most so many requests at once; 0 for no limit of its own
    #[arg(long, value_name = "N")]
    concurrency: Option<u16>,
    /// At most so many requests a second; 0 for no limit
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Whole time of an attempt
    #[arg(long = "attempt-timeout", value_name = "DURATION", value_parser = duration)]
    attempt_timeout: Option<Duration>,
    /// Switched on: true or false
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
}

impl Form {
    /// Puts what was given over the members of a subscription.
    pub(super) fn write(&self, members: &mut Map<String, Value>, inputs: &mut Inputs) -> anyhow::Result<()> {
        let mut say = |name: &str, value: Option<Value>| members.extend(value.map(|value| (name.to_owned(), value)));
        say("name", self.name.as_deref().map(Value::from));
        say("url", self.url.as_deref().map(Value::from));
        say("events", self.events.as_ref().map(|events| words(events)));
        say("shape", self.shape.as_deref().map(Value::from));
        say("include", self.include.as_ref().map(|parts| words(parts)));
        say("hmac", self.hmac.map(Value::from));
        say("basic", self.basic.as_deref().map(|basic| credentials(basic, inputs)).transpose()?);
        say("oauth", self.oauth.as_deref().map(Value::from));
        say("mutualTls", self.mutual_tls.map(Value::from));
        say("standardWebhooks", self.standard_webhooks.map(Value::from));
        let headers: Map<String, Value> = self.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        say("headers", (!headers.is_empty()).then_some(Value::Object(headers)));
        say("retry", self.retry.as_deref().map(|retry| if retry.is_empty() { Value::Null } else { retry.into() }));
        say("ordered", self.ordered.map(Value::from));
        say("concurrencyMax", self.concurrency.map(|limit| if limit == 0 { Value::Null } else { limit.into() }));
        say("ratePerSecondMax", self.rate.map(|limit| if limit == 0 { Value::Null } else { limit.into() }));
        say("timeoutMs", self.attempt_timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).into()));
        say("active", self.active.map(Value::from));
        Ok(())
    }
}

/// The words without blanks around them; none for an empty text.
fn words(texts: &[String]) -> Value {
    texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect()
}

fn credentials(text: &str, inputs: &mut Inputs) -> anyhow::Result<Value> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    // The text itself may be a password and is not repeated.
    let (user, password) = text.split_once(':').ok_or_else(|| Misuse::error("--basic: write it like USER:PASSWORD"))?;
    let source: Source = password.parse().map_err(|error| Misuse::error(format!("--basic: {error}")))?;
    Ok(json!({"user": user, "password": inputs.secret(&source, "--basic")?.expose_secret()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: &Form) -> Value {
        let mut members = Map::new();
        form.write(&mut members, &mut Inputs::default()).expect("fine");
        Value::Object(members)
    }

    #[test]
    fn only_what_is_given_is_sent() {
        assert_eq!(written(&Form::default()), json!({}));
        let form = Form {
            url: Some("https://listener.example/".into()),
            events: Some(vec!["envelope-sent".into(), " invoice.* ".into()]),
            include: Some(vec![String::new()]),
            basic: Some("user:pa:ss".into()),
            retry: Some(String::new()),
            concurrency: Some(0),
            attempt_timeout: Some(Duration::from_secs(5)),
            ..Form::default()
        };
        assert_eq!(
            written(&form),
            json!({
                "url": "https://listener.example/",
                "events": ["envelope-sent", "invoice.*"],
                "include": [],
                "basic": {"user": "user", "password": "pa:ss"},
                "retry": null,
                "concurrencyMax": null,
                "timeoutMs": 5000,
            })
        );
    }

    #[test]
    fn credentials_are_removed_or_refused_without_being_repeated() {
        let mut inputs = Inputs::default();
        assert_eq!(credentials("", &mut inputs).expect("fine"), Value::Null);
        let refused = credentials("s3cret", &mut inputs).expect_err("no colon").to_string();
        assert!(!refused.contains("s3cret"), "{refused}");
    }
}
