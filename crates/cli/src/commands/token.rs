//! `token`: get an access token as Connect would, and see how.
//!
//! The request is made by the code that makes it for deliveries. Credentials and token are masked; what the server echoes of them
//! is, too.

mod masking;
mod report;

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use countersign_core::auth::{
    AssertionKey, AssertionType, BasicEncoding, ClientAuthentication, ContentTypeRule, CustomParameters, OAuthConnection,
};
use countersign_egress::{BoundConnection, SystemClock, TokenSource};

use crate::{
    auth_method::{AuthMethod, Encoding},
    input::{Inputs, Source, pair},
    misuse::Misuse,
    outbound::Outbound,
    output,
};

/// Fetch a client-credentials token as Connect would, and show the whole exchange with its secrets masked.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Token endpoint of the authorization server
    #[arg(long, value_name = "URL")]
    token_url: String,
    /// Client id
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// Client secret: a value, env:NAME, @FILE or -
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    client_secret: Option<Source>,
    /// Scopes, separated by blanks
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Custom parameter, such as audience=https://api.example; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// How the client proves who it is
    #[arg(long, value_name = "METHOD", default_value = "basic")]
    auth_method: AuthMethod,
    /// How id and secret are written in Basic: form-encoded (RFC 6749) or raw
    #[arg(long, value_name = "ENCODING", default_value = "form")]
    basic_encoding: Encoding,
    /// Private key for private-key-jwt (PEM): env:NAME, @FILE or -
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<Source>,
    /// Key id in the assertion's header
    #[arg(long, value_name = "KID", requires = "key")]
    key_id: Option<String>,
    /// Audience of the assertion: the server's issuer identifier [default: the token URL]
    #[arg(long, value_name = "ISSUER", requires = "key")]
    assertion_audience: Option<String>,
    /// Take the answer whatever its Content-Type says
    #[arg(long)]
    any_content_type: bool,
    /// Print the token alone, unmasked, for use in a script
    #[arg(long, conflicts_with = "json")]
    print_token: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    outbound: Outbound,
}

/// Makes the exchange and shows it; exit code 1 when it brought no token.
pub(crate) async fn run(given: &Token) -> anyhow::Result<ExitCode> {
    let connection = connection(given)?;
    connection.check().map_err(|fault| Misuse::error(fault.to_string()))?;
    let bound = BoundConnection::new(Arc::new(connection), given.outbound.profile()?);
    let source = TokenSource::new(given.outbound.egress()?, Arc::new(SystemClock));
    let exchange = source.exchange(&bound).await;
    let shown = report::Shown::new(bound.connection(), &exchange);
    match &exchange.result {
        Ok(token) if given.print_token => output::line(token.access_token.expose_secret())?,
        Err(cause) if given.print_token => return Err(anyhow::anyhow!("{cause}")),
        _ if given.json => output::json(&shown.for_programs())?,
        _ => output::print(&shown.for_people(output::Paint::stdout()))?,
    }
    Ok(if exchange.result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn connection(given: &Token) -> anyhow::Result<OAuthConnection> {
    let mut inputs = Inputs::default();
    let secret = match &given.client_secret {
        Some(source) => inputs.secret(source, "--client-secret")?,
        None => String::new().into(),
    };
    let mut connection = OAuthConnection::new(given.token_url.as_str(), given.client_id.as_str(), secret);
    connection.scope.clone_from(&given.scope);
    connection.custom_parameters = CustomParameters::new(given.params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    connection.client_authentication = match given.auth_method {
        AuthMethod::Basic => ClientAuthentication::Basic,
        AuthMethod::Body => ClientAuthentication::Body,
        AuthMethod::MutualTls => ClientAuthentication::MutualTls,
        AuthMethod::PrivateKeyJwt => {
            let source = given.key.as_ref().ok_or_else(|| Misuse::error("private-key-jwt needs the private key; give it with --key"))?;
            ClientAuthentication::PrivateKeyJwt(AssertionKey {
                private_key: inputs.secret(source, "--key")?,
                key_id: given.key_id.clone(),
                audience: given.assertion_audience.clone(),
                assertion_type: AssertionType::default(),
            })
        }
    };
    connection.basic_encoding = match given.basic_encoding {
        Encoding::Form => BasicEncoding::FormEncoded,
        Encoding::Raw => BasicEncoding::Raw,
    };
    if given.any_content_type {
        connection.content_type_rule = ContentTypeRule::Any;
    }
    Ok(connection)
}
