//! `account oauth`: the account's connection to an authorization server.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    auth_method::{AuthMethod, Encoding},
    client::Client,
    input::{Inputs, Source, pair},
    misuse::Misuse,
    output::{self, Tone},
    table::{Fields, moment, text},
};

/// The account's connection to an authorization server: where its messages' access tokens come from.
#[derive(Debug, Args)]
pub(super) struct OAuth {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the connection, without its secrets (the default)
    Show,
    /// Make the connection, or change what is given of it; a token is fetched first, and a refusal saves nothing
    Set(Box<Change>),
    /// Fetch a token with what is saved, and say what the server answered
    Test,
    /// Delete the connection; what needs a token is held from then on
    Delete,
}

#[derive(Debug, Args)]
struct Change {
    /// Token endpoint of the authorization server
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Client id
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Client secret: a value, env:NAME, @FILE or -
    #[arg(long, value_name = "SECRET", allow_hyphen_values = true)]
    client_secret: Option<Source>,
    /// Scopes, separated by blanks; '' for none
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Custom parameter, such as audience=https://api.example; may be repeated, and replaces all there are
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// Take all custom parameters away
    #[arg(long, conflicts_with = "params")]
    no_params: bool,
    /// How the client proves who it is
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<AuthMethod>,
    /// How id and secret are written in Basic
    #[arg(long, value_name = "ENCODING")]
    basic_encoding: Option<Encoding>,
    /// Private key for private-key-jwt (PEM): env:NAME, @FILE or -
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Option<Source>,
    /// Key id in the assertion's header
    #[arg(long, value_name = "KID")]
    key_id: Option<String>,
    /// Audience of the assertion: the server's issuer identifier [default: the token URL]
    #[arg(long, value_name = "ISSUER")]
    assertion_audience: Option<String>,
    /// Take token answers whatever their Content-Type says
    #[arg(long)]
    any_content_type: bool,
}

pub(super) async fn run(given: &OAuth, client: &Client, json: bool) -> anyhow::Result<()> {
    let path = client.api("oauth").await?;
    match given.verb.as_ref().unwrap_or(&Verb::Show) {
        Verb::Show => show(&client.get(&path).await?, json),
        Verb::Set(change) => show(&client.call(Method::PATCH, &path, Some(&change.form()?)).await?, json),
        Verb::Test => {
            // Looked at first, so that nothing is made where there is nothing.
            client.get(&path).await?;
            let tried = client.call(Method::PATCH, &path, Some(&json!({}))).await?;
            let unverified = warnings(&tried).next().map(str::to_owned);
            if json {
                output::json(&json!({"token": unverified.is_none(), "tokenUrl": tried["tokenUrl"], "reason": unverified}))?;
            } else if unverified.is_none() {
                output::print(&format!("the authorization server gave a token: {}\n", text(&tried, "tokenUrl")))?;
            }
            match unverified {
                None => Ok(()),
                Some(reason) => Err(anyhow::anyhow!("there is no token: {reason}")),
            }
        }
        Verb::Delete => {
            client.call(Method::DELETE, &path, None).await?;
            output::done(json, "deleted the OAuth connection", &json!({"deleted": true}))
        }
    }
}

impl Change {
    fn form(&self) -> anyhow::Result<Value> {
        let mut inputs = Inputs::default();
        let mut form = Map::new();
        let mut put = |name: &str, value: Option<Value>| form.extend(value.map(|value| (name.to_owned(), value)));
        put("tokenUrl", self.token_url.as_deref().map(Value::from));
        put("clientId", self.client_id.as_deref().map(Value::from));
        if let Some(secret) = &self.client_secret {
            put("clientSecret", Some(inputs.secret(secret, "--client-secret")?.expose_secret().into()));
        }
        put("scope", self.scope.as_deref().map(|scope| if scope.is_empty() { Value::Null } else { scope.into() }));
        let params: Map<String, Value> = self.params.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        put("customParameters", (self.no_params || !params.is_empty()).then_some(params.into()));
        put("clientAuthentication", self.authentication(&mut inputs)?);
        put(
            "basicEncoding",
            self.basic_encoding.map(|encoding| match encoding {
                Encoding::Form => "form_encoded".into(),
                Encoding::Raw => "raw".into(),
            }),
        );
        put("contentTypeRule", self.any_content_type.then(|| "any".into()));
        if form.is_empty() {
            return Err(Misuse::error("there is nothing to set; give --token-url, --client-id, --client-secret or another option"));
        }
        Ok(form.into())
    }

    fn authentication(&self, inputs: &mut Inputs) -> anyhow::Result<Option<Value>> {
        let has_key_parts = self.key.is_some() || self.key_id.is_some() || self.assertion_audience.is_some();
        let method = match (self.auth_method, has_key_parts) {
            (None, false) => return Ok(None),
            (Some(AuthMethod::PrivateKeyJwt) | None, true) => AuthMethod::PrivateKeyJwt,
            (Some(method), false) => method,
            (Some(_), true) => {
                return Err(Misuse::error("--key, --key-id and --assertion-audience belong to --auth-method private-key-jwt alone"));
            }
        };
        let mut shown = json!({"method": method.registered_name()});
        if let Some(key) = &self.key {
            shown["privateKey"] = inputs.secret(key, "--key")?.expose_secret().into();
        }
        for (name, value) in [("keyId", &self.key_id), ("audience", &self.assertion_audience)] {
            if let Some(value) = value {
                shown[name] = value.as_str().into();
            }
        }
        Ok(Some(shown))
    }
}

fn show(oauth: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(oauth);
    }
    let mut fields = Fields::default();
    fields.add("token URL", text(oauth, "tokenUrl"));
    fields.add("client id", text(oauth, "clientId"));
    fields.add("authentication", text(&oauth["clientAuthentication"], "method"));
    fields.add("key id", text(&oauth["clientAuthentication"], "keyId"));
    fields.add("audience of assertions", text(&oauth["clientAuthentication"], "audience"));
    fields.add("scope", text(oauth, "scope"));
    let params: Vec<String> = oauth["customParameters"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| format!("{name}={}", text(&oauth["customParameters"], name)))
        .collect();
    fields.add("custom parameters", params.join(", "));
    if oauth["basicEncoding"] == "raw" {
        fields.add("Basic", "raw, not form-encoded");
    }
    if oauth["verifiedAt"].is_null() {
        fields.toned("verified", Tone::Bad, "never");
    } else {
        fields.add("verified", moment(oauth, "verifiedAt"));
    }
    fields.add("saved", moment(oauth, "savedAt"));
    fields.print()?;
    for warning in warnings(oauth) {
        output::note(&format!("note: {}", output::escape(warning)));
    }
    Ok(())
}

/// What the server says beside the connection: why it could not be tried out.
fn warnings(oauth: &Value) -> impl Iterator<Item = &str> {
    oauth["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str)
}
