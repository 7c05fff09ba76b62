//! The token endpoint: client credentials (RFC 6749 §4.4), JWT access tokens (RFC 9068), opaque ones, and the faults of both.

use std::sync::Arc;

use axum::{Extension, extract::State as FromState, http::StatusCode, response::Response};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    answer,
    client::{Authentication, Client, TokenFormat},
    fault::{Fault, FaultSet},
    form::Parameters,
    grant,
    issued::IssuedToken,
    key::KeyError,
    oauth_error::{ErrorCode, OAuthError},
    request::AuthenticatedRequest,
    state::State,
    stats::Counters,
};

/// Random bytes of a token and of a `jti`: 256 bits, where RFC 6749 §10.10 asks for 128 and advises 160.
const RANDOM_BYTES: usize = 32;

/// How long ago a token with [`Fault::ExpiredOnArrival`] has expired, in seconds: beyond every usual leeway.
const EXPIRED_FOR_S: u64 = 600;

/// The audience of a token with [`Fault::WrongAudience`].
const WRONG_AUDIENCE: &str = "https://another-listener.invalid/";

/// Claims of an access token (RFC 9068 §2.2).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    exp: u64,
    aud: Value,
    sub: &'a str,
    client_id: &'a str,
    iat: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Value>,
}

/// `POST /token`.
pub(crate) async fn issue(
    FromState(state): FromState<Arc<State>>,
    Extension(faults): Extension<FaultSet>,
    AuthenticatedRequest { client, parameters, certificates }: AuthenticatedRequest,
) -> Result<Response, OAuthError> {
    match parameters.one("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(OAuthError::new(ErrorCode::UnsupportedGrantType, "only client_credentials is supported")),
        None => return Err(OAuthError::invalid_request("grant_type is missing")),
    }
    if faults.has(Fault::SecretEchoed) {
        return Ok(echo(&client, &parameters));
    }
    if faults.has(Fault::KeyRotated) {
        state.keys.replace().map_err(ours)?;
    }
    let certificate = match &certificates {
        _ if !client.certificate_bound_tokens => None,
        Some(shown) => shown.thumbprint(),
        None => return Err(OAuthError::invalid_request("the client gets bound tokens alone, and the connection brings no certificate")),
    };
    let issued = IssuedToken { certificate, ..describe(&state, &client, &parameters, &faults)? };
    let token = match client.format {
        TokenFormat::Jwt => sign(&state, &issued).map_err(ours)?,
        TokenFormat::Opaque => random_text()?,
    };
    let lifetime_s = client.token_lifetime.unwrap_or(state.token_lifetime).as_secs();
    let body = successful(&token, lifetime_s, issued.scope.as_deref(), &faults);
    state.issued.insert(&token, issued);
    Counters::count(&state.counters.tokens_issued);
    tracing::debug!(client_id = client.id, "issued an access token");
    Ok(answer::private_json(StatusCode::OK, &body))
}

/// What the token will say.
fn describe(state: &State, client: &Client, parameters: &Parameters, faults: &FaultSet) -> Result<IssuedToken, OAuthError> {
    let scope = grant::scope(parameters, client)?;
    let mut audience = grant::audience(parameters, client, &state.default_audience)?;
    if faults.has(Fault::WrongAudience) {
        audience = vec![WRONG_AUDIENCE.to_owned()];
    }
    let lifetime_s = client.token_lifetime.unwrap_or(state.token_lifetime).as_secs();
    let mut issued_at_s = state.clock.now_s();
    if faults.has(Fault::ExpiredOnArrival) {
        issued_at_s = issued_at_s.saturating_sub(lifetime_s + EXPIRED_FOR_S);
    }
    Ok(IssuedToken {
        client_id: client.id.clone(),
        scope,
        audience,
        jti: random_text()?,
        issued_at_s,
        expires_at_s: issued_at_s + lifetime_s,
        certificate: None,
        revoked: faults.has(Fault::RevokedOnArrival),
    })
}

fn sign(state: &State, issued: &IssuedToken) -> Result<String, KeyError> {
    let claims = Claims {
        iss: state.issuer.as_str(),
        exp: issued.expires_at_s,
        aud: audience_value(&issued.audience),
        // RFC 9068 §2.2: without a resource owner, sub names the client. There are no users here whose names could clash
        // with a client's (AS-9700-9).
        sub: &issued.client_id,
        client_id: &issued.client_id,
        iat: issued.issued_at_s,
        jti: &issued.jti,
        scope: issued.scope.as_deref(),
        cnf: issued.certificate.as_ref().map(|thumbprint| json!({ "x5t#S256": thumbprint })),
    };
    state.keys.signing().sign("at+jwt", &claims)
}

/// RFC 7519 §4.1.3: one audience is a text, several are a list.
pub(crate) fn audience_value(audience: &[String]) -> Value {
    match audience {
        [one] => Value::from(one.as_str()),
        several => Value::from(several),
    }
}

/// The answer of RFC 6749 §5.1, as the faults bend it.
fn successful(token: &str, lifetime_s: u64, scope: Option<&str>, faults: &FaultSet) -> Map<String, Value> {
    let mut access_token = Value::from(token);
    let mut token_type = "Bearer";
    let mut expires_in = Some(Value::from(lifetime_s));
    for fault in faults.iter() {
        match fault {
            Fault::WrongTokenType => token_type = "mac",
            Fault::TokenNotText => access_token = Value::from(12_345),
            Fault::TokenWithLineBreak => access_token = Value::from(format!("{token}\r\nX-Injected: yes")),
            Fault::NoExpiresIn => expires_in = None,
            Fault::ExpiresInZero => expires_in = Some(json!(0)),
            Fault::ExpiresInNegative => expires_in = Some(json!(-1)),
            Fault::ExpiresInOne => expires_in = Some(json!(1)),
            Fault::ExpiresInHuge => expires_in = Some(json!(1e18)),
            Fault::ExpiresInText => expires_in = Some(json!("3600")),
            _ => {}
        }
    }
    let members = [
        ("access_token", Some(access_token)),
        ("token_type", Some(token_type.into())),
        ("expires_in", expires_in),
        ("scope", scope.map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value))).collect()
}

/// [`Fault::SecretEchoed`]: the answer of a server that puts what it received into its error text.
fn echo(client: &Client, parameters: &Parameters) -> Response {
    let credential = match &client.authentication {
        Authentication::SecretBasic(secret) | Authentication::SecretPost(secret) => secret.expose_secret(),
        Authentication::SecretJwt(_) | Authentication::PrivateKeyJwt(_) => parameters.one("client_assertion").unwrap_or_default(),
        Authentication::TlsPki(_) | Authentication::TlsSelfSigned(_) => "of its certificate",
    };
    let description = format!("client {} with credential {credential} is not known here", client.id);
    answer::private_json(StatusCode::UNAUTHORIZED, &json!({ "error": "invalid_client", "error_description": description }))
}

fn random_text() -> Result<String, OAuthError> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(|_| OAuthError::new(ErrorCode::ServerError, "no random bytes from the operating system"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random))
}

fn ours(error: KeyError) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, error.to_string())
}
