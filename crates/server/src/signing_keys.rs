//! The account's HMAC keys: made, listed, deleted. A key is shown whole once, when it is made.

use countersign_core::{
    Secret,
    config::{ConfigKind, SigningKey},
    id::{AccountId, CredentialId},
};
use countersign_signature::HmacKey;
use countersign_store::objects::{Object, ObjectKey};
use http::StatusCode;
use zeroize::Zeroizing;

use crate::{App, failure::Failure};

/// Keys of one account (Connect: up to 100); each is one more header on every message.
pub const KEYS_MAX: usize = 100;
/// Characters of a key that lists show.
const HINT_CHARS: usize = 4;

/// Makes a key of 32 random bytes, or takes over one that listeners know already.
///
/// # Errors
/// 400 when the account has [`KEYS_MAX`] keys or the text cannot serve as one; the store's own.
pub async fn create(app: &App, account: AccountId, text: Option<&Secret>) -> Result<SigningKey, Failure> {
    let keys = list(app, account).await?;
    if keys.len() >= KEYS_MAX {
        return Err(Failure::invalid_parameter(format!("an account has at most {KEYS_MAX} keys; delete one first")));
    }
    let key = match text {
        Some(text) => HmacKey::try_new(text.expose_secret()).map_err(|fault| Failure::invalid_parameter(fault.to_string()))?,
        None => random()?,
    };
    if text.is_some_and(|text| text.expose_secret().chars().any(char::is_control)) {
        return Err(Failure::invalid_parameter("the key holds a control character; a line end was copied with it"));
    }
    let now = app.now();
    let key = SigningKey {
        id: app.credential_id(now),
        created_at: now,
        hint: key.expose_text().chars().take(HINT_CHARS).collect(),
        secret: Secret::new(key.expose_text()),
    };
    app.store.put_object(place(account, key.id), Object::of(&key)?, Some(0)).await??;
    app.configs.invalidate(account);
    Ok(key)
}

fn random() -> Result<HmacKey, Failure> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random bytes");
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "NO_RANDOMNESS", "no key can be made now; try again")
    })?;
    Ok(HmacKey::from_random(*bytes))
}

/// The keys in the order of their signature headers.
///
/// # Errors
/// The store's.
pub async fn list(app: &App, account: AccountId) -> Result<Vec<SigningKey>, Failure> {
    let stored = app.store.objects(account, ConfigKind::SigningKey, None, u32::try_from(KEYS_MAX).unwrap_or(u32::MAX)).await?;
    let mut keys = stored.into_iter().map(|stored| stored.object.read()).collect::<Result<Vec<SigningKey>, _>>()?;
    keys.sort_by_key(|key| (key.created_at, key.id));
    Ok(keys)
}

/// Deletes a key; later messages are not signed with it. Without any key nothing that asks for HMAC is sent.
///
/// # Errors
/// 404 when there is none of this id; the store's own.
pub async fn delete(app: &App, account: AccountId, id: &str) -> Result<(), Failure> {
    let missing = || Failure::not_found("KEY_NOT_FOUND", "there is no such key");
    let id: CredentialId = id.parse().map_err(|_| missing())?;
    app.store.delete_object(place(account, id)).await?.map_err(|_| missing())?;
    app.configs.invalidate(account);
    Ok(())
}

fn place(account: AccountId, id: CredentialId) -> ObjectKey {
    ObjectKey { account, kind: ConfigKind::SigningKey, id: id.to_string() }
}

/// A key as lists show it: its first characters and stars.
#[must_use]
pub fn truncated(key: &SigningKey) -> String {
    format!("{}********", key.hint)
}
