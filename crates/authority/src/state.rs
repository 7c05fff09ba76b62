//! What the endpoints of one authority share.

use std::time::Duration;

use crate::{
    authentication::Authenticator,
    clock::Clock,
    fault::Faults,
    issued::IssuedTokens,
    issuer::{Issuer, TOKEN},
    key::KeyRing,
    settings::{AssertionAudience, Settings, SettingsError},
    stats::Counters,
};

/// Everything an endpoint needs to answer.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) issuer: Issuer,
    pub(crate) clock: Clock,
    pub(crate) authenticator: Authenticator,
    pub(crate) keys: KeyRing,
    pub(crate) issued: IssuedTokens,
    pub(crate) faults: Faults,
    pub(crate) counters: Counters,
    pub(crate) token_lifetime: Duration,
    pub(crate) default_audience: String,
    pub(crate) control_endpoints: bool,
}

impl State {
    /// Checks the settings and makes the first signing key.
    pub(crate) fn try_new(settings: Settings) -> Result<Self, SettingsError> {
        let issuer = settings.parsed_issuer()?;
        let clients = settings.checked_clients()?;
        let as_issuer = issuer.as_str().to_owned();
        let as_endpoint = issuer.endpoint(TOKEN);
        let assertion_audiences = match settings.assertion_audience {
            AssertionAudience::Issuer => vec![as_issuer],
            AssertionAudience::TokenEndpoint => vec![as_endpoint],
            AssertionAudience::Either => vec![as_issuer, as_endpoint],
        };
        Ok(Self {
            clock: settings.clock,
            authenticator: Authenticator::new(clients, assertion_audiences),
            keys: KeyRing::generate(settings.signing)?,
            issued: IssuedTokens::new(),
            faults: Faults::default(),
            counters: Counters::default(),
            token_lifetime: settings.token_lifetime,
            default_audience: settings.default_audience.unwrap_or_else(|| issuer.as_str().to_owned()),
            control_endpoints: settings.control_endpoints,
            issuer,
        })
    }
}
