//! How a bin comes in: what is given, over what is there. Secrets come in and never go out.

use std::collections::BTreeMap;

use countersign_core::{Secret, address::check_target_url};
use serde::Deserialize;
use url::Url;

use super::given::{Given, given};
use crate::{
    App,
    failure::Failure,
    inspector::{
        bin::{BasicPair, Bin, Checks, HMAC_KEYS_MAX, KEEP_MAX, TokenCheck, TokenSource},
        reply::{Behaviour, Reply},
    },
};

/// Clients that a token check names.
const CLIENTS_MAX: usize = 20;
/// Longest issuer, audience, client id and so on, in bytes.
const WORD_BYTES_MAX: usize = 2_000;

/// A new bin, or what changes of one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(super) struct BinForm {
    pub(super) name: Option<String>,
    keep: Option<u32>,
    checks: Option<ChecksForm>,
    answer: Option<AnswerForm>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct ChecksForm {
    account_keys: Option<bool>,
    hmac_keys: Option<Vec<String>>,
    account_id: Option<bool>,
    #[serde(deserialize_with = "given")]
    basic: Given<BasicForm>,
    #[serde(deserialize_with = "given")]
    token: Given<TokenForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BasicForm {
    user: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TokenForm {
    issuer: String,
    audience: String,
    #[serde(default)]
    clients: Vec<String>,
    scope: Option<String>,
    #[serde(default)]
    plain_jwt: bool,
    jwks_url: Option<String>,
    introspection_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct AnswerForm {
    status: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    delay_ms: Option<u64>,
    behaviour: Option<Behaviour>,
}

impl BinForm {
    /// Changes what is given of a bin.
    pub(super) fn over(self, app: &App, mut bin: Bin) -> Result<Bin, Failure> {
        if let Some(name) = self.name {
            bin.name = super::name::name(&name)?;
        }
        if let Some(keep) = self.keep {
            if !(1..=KEEP_MAX).contains(&keep) {
                return Err(Failure::invalid_parameter(format!("keep must be 1 to {KEEP_MAX}")));
            }
            bin.keep = keep;
        }
        if let Some(checks) = self.checks {
            checks.over(app, &mut bin.checks)?;
        }
        if let Some(answer) = self.answer {
            answer.over(&mut bin.reply);
            bin.reply.check()?;
        }
        Ok(bin)
    }
}

impl ChecksForm {
    fn over(self, app: &App, checks: &mut Checks) -> Result<(), Failure> {
        checks.account_keys = self.account_keys.unwrap_or(checks.account_keys);
        checks.account_id = self.account_id.unwrap_or(checks.account_id);
        if let Some(keys) = self.hmac_keys {
            if keys.len() > HMAC_KEYS_MAX {
                return Err(Failure::invalid_parameter(format!("checks.hmacKeys must have at most {HMAC_KEYS_MAX} keys")));
            }
            checks.hmac_keys = keys.into_iter().map(Secret::new).collect();
        }
        if let Given::Here(basic) = self.basic {
            checks.basic = basic.map(|basic| BasicPair { user: basic.user, password: Secret::new(basic.password) });
        }
        if let Given::Here(token) = self.token {
            checks.token = token.map(|token| token.read(app)).transpose()?;
        }
        Ok(())
    }
}

impl TokenForm {
    fn read(self, app: &App) -> Result<TokenCheck, Failure> {
        let refused = |words: &str| Failure::invalid_parameter(format!("checks.token: {words}"));
        let words = [Some(&self.issuer), Some(&self.audience), self.scope.as_ref(), self.client_id.as_ref(), self.client_secret.as_ref()];
        if words.into_iter().flatten().chain(&self.clients).any(|word| word.is_empty() || word.len() > WORD_BYTES_MAX) {
            return Err(refused(&format!("a value is empty or longer than {WORD_BYTES_MAX} bytes")));
        }
        if self.clients.len() > CLIENTS_MAX {
            return Err(refused(&format!("clients must have at most {CLIENTS_MAX} members")));
        }
        let url = |text: &str| -> Result<Url, Failure> {
            check_target_url(text, &app.settings.targets.for_tokens()).map_err(|fault| refused(&format!("the URL cannot be used: {fault}")))
        };
        let source = match (self.jwks_url, self.introspection_url, self.client_id, self.client_secret) {
            (Some(jwks), None, None, None) => TokenSource::Jwks(url(&jwks)?),
            (None, Some(endpoint), Some(client_id), Some(secret)) => {
                TokenSource::Introspection { url: url(&endpoint)?, client_id, client_secret: Secret::new(secret) }
            }
            _ => return Err(refused("give either jwksUrl, or introspectionUrl with clientId and clientSecret")),
        };
        Ok(TokenCheck {
            issuer: self.issuer,
            audience: self.audience,
            clients: self.clients,
            scope: self.scope,
            plain_jwt: self.plain_jwt,
            source,
        })
    }
}

impl AnswerForm {
    fn over(self, reply: &mut Reply) {
        reply.status = self.status.unwrap_or(reply.status);
        if let Some(headers) = self.headers {
            reply.headers = headers.into_iter().collect();
        }
        if let Some(body) = self.body {
            reply.body = body;
        }
        reply.delay_ms = self.delay_ms.unwrap_or(reply.delay_ms);
        reply.behaviour = self.behaviour.unwrap_or(reply.behaviour);
    }
}
