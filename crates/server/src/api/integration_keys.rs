//! `integration-keys`: applications that log in through `/oauth/token`. Secrets and private keys are shown once, when made;
//! kept are the secret's SHA-256 and the public keys.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use countersign_core::{account::IntegrationKey, config::ConfigKind, id::AccountId, secret::Secret};
use countersign_store::objects::{Object, ObjectKey};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    App,
    access::{Administers, Caller, Reads},
    api::{name::name, strict::StrictJson, tokens::no_randomness},
    failure::Failure,
    hex, login, rsa_key,
    token_text::{self, TokenKind},
};

/// Integration keys of one account.
const KEYS_MAX: u32 = 100;
/// Public keys of one integration key: every one is tried on a login.
const PUBLIC_KEYS_MAX: usize = 10;
/// Redirect URIs of one integration key.
const REDIRECT_URIS_MAX: usize = 50;
/// The longest redirect URI, in bytes.
const REDIRECT_URI_BYTES_MAX: usize = 2_000;
/// Tokens looked at in one step when those of a removed key are ended.
const TOKENS_PAGE: usize = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/integration-keys", get(list).post(create))
        .route("/integration-keys/{client_id}", get(one).put(update).delete(remove))
        .route("/integration-keys/{client_id}/secret", post(renew_secret).delete(drop_secret))
        .route("/integration-keys/{client_id}/key-pairs", post(add_pair))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewKey {
    name: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    public_keys_pem: Vec<String>,
    /// A client secret for the authorization-code grant; on unless refused.
    #[serde(default = "yes")]
    generate_secret: bool,
    /// An RSA key pair for the JWT grant; its private key is in the answer and nowhere else.
    #[serde(default)]
    generate_key_pair: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ChangedKey {
    name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    public_keys_pem: Option<Vec<String>>,
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(new): StrictJson<NewKey>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let account = caller.account_id();
    let present = app.store.objects(account, ConfigKind::IntegrationKey, None, KEYS_MAX).await?;
    if present.len() >= KEYS_MAX as usize {
        return Err(Failure::new(StatusCode::CONFLICT, "TOO_MANY_KEYS", format!("an account has at most {KEYS_MAX} integration keys")));
    }
    let mut key = IntegrationKey {
        client_id: uuid::Uuid::new_v4(),
        account,
        name: name(&new.name)?,
        secret_sha256: None,
        redirect_uris: redirect_uris(new.redirect_uris)?,
        public_keys_pem: public_keys(new.public_keys_pem)?,
        created_at: app.now(),
    };
    let secret = if new.generate_secret { Some(give_secret(&mut key)?) } else { None };
    let private_key = if new.generate_key_pair { Some(give_pair(&mut key).await?) } else { None };
    app.store.put_object(place(&key), Object::of(&key)?, Some(0)).await??;
    let mut body = shown(&key);
    if let Some(secret) = secret {
        body["clientSecret"] = secret.expose_secret().into();
    }
    if let Some(private_key) = private_key {
        body["privateKeyPem"] = private_key.expose_secret().into();
    }
    Ok((StatusCode::CREATED, Json(body)))
}

async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>) -> Result<Json<Value>, Failure> {
    let stored = app.store.objects(caller.account_id(), ConfigKind::IntegrationKey, None, KEYS_MAX).await?;
    let keys = stored.into_iter().map(|stored| Ok(shown(&stored.object.read()?))).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Json(json!({"integrationKeys": keys})))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Reads>, Path((_, id)): Path<(String, String)>) -> Result<Json<Value>, Failure> {
    Ok(Json(shown(&found(&app, caller.account_id(), &id).await?.0)))
}

async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    StrictJson(change): StrictJson<ChangedKey>,
) -> Result<Json<Value>, Failure> {
    let (mut key, revision) = found(&app, caller.account_id(), &id).await?;
    if let Some(text) = &change.name {
        key.name = name(text)?;
    }
    if let Some(uris) = change.redirect_uris {
        key.redirect_uris = redirect_uris(uris)?;
    }
    if let Some(keys) = change.public_keys_pem {
        key.public_keys_pem = public_keys(keys)?;
    }
    keep(&app, &key, revision).await?;
    Ok(Json(shown(&key)))
}

/// A new client secret; the one before stops at once.
async fn renew_secret(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (mut key, revision) = found(&app, caller.account_id(), &id).await?;
    let secret = give_secret(&mut key)?;
    keep(&app, &key, revision).await?;
    let mut body = shown(&key);
    body["clientSecret"] = secret.expose_secret().into();
    Ok((StatusCode::CREATED, Json(body)))
}

/// Without a secret it is a public client: the code grant then needs a code verifier.
async fn drop_secret(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let (mut key, revision) = found(&app, caller.account_id(), &id).await?;
    key.secret_sha256 = None;
    keep(&app, &key, revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One more key pair; those before stay until they are taken out of `publicKeysPem`.
async fn add_pair(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let (mut key, revision) = found(&app, caller.account_id(), &id).await?;
    let private_key = give_pair(&mut key).await?;
    keep(&app, &key, revision).await?;
    let mut body = shown(&key);
    body["privateKeyPem"] = private_key.expose_secret().into();
    Ok((StatusCode::CREATED, Json(body)))
}

/// Refresh tokens and codes end with the key, and so do its access tokens as far as they are among the account's newest; any
/// older one ends by itself within its life.
async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let account = caller.account_id();
    let (key, _) = found(&app, account, &id).await?;
    app.store.delete_object(place(&key)).await??;
    let issued = format!("{}{}", login::TOKEN_NAME_PREFIX, key.client_id);
    loop {
        let tokens = app.store.tokens(account).await?;
        let of_key: Vec<_> = tokens.iter().filter(|stored| stored.token.name == issued).map(|stored| stored.token.id).collect();
        for id in &of_key {
            // Gone already is as good.
            let _ = app.store.delete_token(account, *id).await?;
        }
        if of_key.is_empty() || tokens.len() < TOKENS_PAGE {
            break;
        }
    }
    app.tokens.clear();
    Ok(StatusCode::NO_CONTENT)
}

fn give_secret(key: &mut IntegrationKey) -> Result<Secret, Failure> {
    let secret = token_text::fresh(TokenKind::ClientSecret).map_err(no_randomness)?;
    key.secret_sha256 = Some(hex::encode(&token_text::sha256(secret.expose_secret())));
    Ok(secret)
}

async fn give_pair(key: &mut IntegrationKey) -> Result<Secret, Failure> {
    if key.public_keys_pem.len() >= PUBLIC_KEYS_MAX {
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "TOO_MANY_KEYS",
            format!("an integration key has at most {PUBLIC_KEYS_MAX} public keys; take one out first"),
        ));
    }
    // Finding primes takes a good part of a second.
    let pair = tokio::task::spawn_blocking(rsa_key::generate)
        .await
        .map_err(|e| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", e.to_string()))?
        .map_err(|e| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", e.to_string()))?;
    key.public_keys_pem.push(pair.public_pem);
    Ok(pair.private_pem)
}

fn redirect_uris(uris: Vec<String>) -> Result<Vec<String>, Failure> {
    if uris.len() > REDIRECT_URIS_MAX {
        return Err(Failure::invalid_parameter(format!("redirectUris holds {}; at most {REDIRECT_URIS_MAX}", uris.len())));
    }
    for uri in &uris {
        let refused = |why: &str| {
            let shown: String = uri.chars().filter(|c| !c.is_control()).take(200).collect();
            Err(Failure::invalid_parameter(format!("redirectUris has '{shown}', which {why}")))
        };
        if uri.len() > REDIRECT_URI_BYTES_MAX || !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return refused("is too long, or holds blanks or characters beyond ASCII");
        }
        match Url::parse(uri) {
            Err(_) => return refused("is not an absolute URL"),
            Ok(url) if url.fragment().is_some() => return refused("has a fragment (RFC 6749 §3.1.2)"),
            // Schemes of applications' own look like reversed domain names (RFC 8252 §7.1); script and data URLs do not.
            Ok(url) if !matches!(url.scheme(), "http" | "https") && !url.scheme().contains('.') => {
                return refused("is neither http nor https nor a scheme of an application's own such as com.example.app");
            }
            Ok(_) => {}
        }
    }
    Ok(uris)
}

fn public_keys(keys: Vec<String>) -> Result<Vec<String>, Failure> {
    if keys.len() > PUBLIC_KEYS_MAX {
        return Err(Failure::invalid_parameter(format!("publicKeysPem holds {}; at most {PUBLIC_KEYS_MAX}", keys.len())));
    }
    keys.iter().map(|pem| rsa_key::public_key(pem).map_err(|e| Failure::invalid_parameter(format!("publicKeysPem: {e}")))).collect()
}

async fn keep(app: &App, key: &IntegrationKey, revision: i64) -> Result<(), Failure> {
    let kept = app.store.put_object(place(key), Object::of(key)?, Some(revision)).await?;
    kept.map(|_| ()).map_err(|refused| match refused {
        countersign_store::Refused::NotFound => refused.into(),
        _ => Failure::conflict("the integration key was changed by somebody else; read it and try again"),
    })
}

async fn found(app: &App, account: AccountId, id: &str) -> Result<(IntegrationKey, i64), Failure> {
    let missing = || Failure::not_found("INTEGRATION_KEY_NOT_FOUND", format!("there is no integration key {id}"));
    let id: uuid::Uuid = id.parse().map_err(|_| missing())?;
    let key = ObjectKey { account, kind: ConfigKind::IntegrationKey, id: id.to_string() };
    let stored = app.store.object(key).await?.ok_or_else(missing)?;
    Ok((stored.object.read()?, stored.revision))
}

fn place(key: &IntegrationKey) -> ObjectKey {
    ObjectKey { account: key.account, kind: ConfigKind::IntegrationKey, id: key.client_id.to_string() }
}

fn shown(key: &IntegrationKey) -> Value {
    json!({
        "clientId": key.client_id,
        "name": key.name,
        "hasSecret": key.secret_sha256.is_some(),
        "redirectUris": key.redirect_uris,
        "publicKeysPem": key.public_keys_pem,
        "createdAt": key.created_at.to_seven_digits(),
    })
}
