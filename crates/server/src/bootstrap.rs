//! The first start: an empty store gets an account, its first administrator and an API token.
//!
//! Every start calls it, and what is there already stays: a start that died half-way is completed by the next one, and a
//! token given by the operator is added when it is not known yet.

use countersign_core::{
    Timestamp,
    account::{Account, ApiToken, Right, User},
    config::ConfigKind,
    id::{AccountGuid, AccountId, CredentialId, IdSource, UserId},
    secret::Secret,
};
use countersign_store::{
    Refused, Store, StoreError,
    objects::{Object, ObjectKey, StoredToken},
};

use sha2::{Digest as _, Sha256};

use crate::token_text::{self, NoRandomness, TokenKind};

/// A token given by the operator that is shorter than this can be guessed, or is a slip.
pub const TOKEN_BYTES_MIN: usize = 8;
/// From this length on a given token is taken to be as hard to guess as one of ours; below it a warning is logged.
const TOKEN_BYTES_ADVISED: usize = 32;
/// Request headers end somewhere; a longer token could never be sent.
const TOKEN_BYTES_MAX: usize = 512;
/// Users looked through for an administrator; the first one made is nearly always among the first page.
const USERS_PAGE: u32 = 1_000;

/// What the operator asked for.
#[derive(Clone, Debug)]
pub struct FirstStart {
    /// Name of the account, if one is made.
    pub account_name: String,
    /// The account's GUID (`COUNTERSIGN_ACCOUNT_ID`); a random one when absent.
    pub account: Option<AccountGuid>,
    /// The first administrator's name, if one is made.
    pub user_name: String,
    /// Their e-mail address.
    pub user_email: String,
    /// The API token (`COUNTERSIGN_API_TOKEN`); a random one when absent.
    pub token: Option<Secret>,
}

impl Default for FirstStart {
    fn default() -> Self {
        Self {
            account_name: "Countersign".to_owned(),
            account: None,
            user_name: "Account Administrator".to_owned(),
            user_email: "admin@countersign.localhost".to_owned(),
            token: None,
        }
    }
}

impl FirstStart {
    /// Checks what can be told without a store, so that a slip makes none.
    ///
    /// # Errors
    /// [`BootstrapError::BadToken`].
    pub fn check(&self) -> Result<(), BootstrapError> {
        self.token.as_ref().map_or(Ok(()), check_given)
    }
}

/// What there is now.
#[derive(Clone, Debug)]
pub struct Bootstrapped {
    /// The account: the one asked for, or the oldest.
    pub account: Account,
    /// An administrator of it.
    pub user: UserId,
    /// The token made by this very start: shown once. `None` when the token was given, or one exists.
    pub new_token: Option<Secret>,
    /// True when the account was made by this very start.
    pub is_new_account: bool,
}

/// Why there is no account to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// The store has accounts, but not the one named.
    #[error(
        "the store has no account {asked}; it has {present}; correct COUNTERSIGN_ACCOUNT_ID or make the account with 'countersign account create'"
    )]
    NoSuchAccount {
        /// The one named.
        asked: AccountGuid,
        /// One that exists.
        present: AccountGuid,
    },
    /// The token given cannot be a token.
    #[error("the API token given {0}; use 32 or more random letters and digits")]
    BadToken(&'static str),
    /// The token given works in another account.
    #[error("the API token given belongs to account {0}; give each account a token of its own")]
    ForeignToken(AccountId),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes what is missing.
///
/// # Errors
/// See [`BootstrapError`]. What was made before the error stays, and the next start completes it.
pub async fn bootstrap(store: &dyn Store, ids: &IdSource, asked: &FirstStart, now: Timestamp) -> Result<Bootstrapped, BootstrapError> {
    if let Some(token) = &asked.token {
        check_given(token)?;
        if token.expose_secret().len() < TOKEN_BYTES_ADVISED {
            tracing::warn!("the API token given is shorter than 32 characters and may be guessed");
        }
    }
    let (account, is_new_account) = account(store, asked, now).await?;
    let user = administrator(store, &account, asked, now).await?;
    let made = |text: &Secret, name: &str| StoredToken {
        sha256: token_text::sha256(text.expose_secret()),
        token: ApiToken {
            id: CredentialId::from_raw(ids.next(now)),
            account: account.id,
            user,
            name: name.to_owned(),
            right: Right::Admin,
            hint: token_text::hint(text.expose_secret()),
            created_at: now,
            expires_at: None,
        },
    };
    let mut new_token = None;
    match &asked.token {
        Some(given) => match store.token(token_text::sha256(given.expose_secret())).await? {
            Some(known) if known.token.account != account.id => return Err(BootstrapError::ForeignToken(known.token.account)),
            Some(_) => {}
            None => store.put_token(made(given, "given at start")).await?,
        },
        // A start that died between account and token left an account that nobody can enter.
        None if store.tokens(account.id).await?.is_empty() => {
            let text = token_text::fresh(TokenKind::Api)?;
            match store.put_first_token(made(&text, "first token")).await? {
                Ok(()) => new_token = Some(text),
                // Another node of the same installation was faster, and shows its own.
                Err(Refused::Exists) => {}
                Err(refused) => return Err(StoreError::Backend(format!("making the first token: {refused}")).into()),
            }
        }
        None => {}
    }
    Ok(Bootstrapped { account, user, new_token, is_new_account })
}

fn check_given(token: &Secret) -> Result<(), BootstrapError> {
    let text = token.expose_secret();
    if text.len() < TOKEN_BYTES_MIN {
        return Err(BootstrapError::BadToken("is shorter than 8 characters"));
    }
    if text.len() > TOKEN_BYTES_MAX {
        return Err(BootstrapError::BadToken("is longer than 512 characters"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(BootstrapError::BadToken("has a character that a request header cannot carry"));
    }
    Ok(())
}

async fn account(store: &dyn Store, asked: &FirstStart, now: Timestamp) -> Result<(Account, bool), BootstrapError> {
    if let Some(guid) = asked.account
        && let Some(account) = store.account_by_guid(guid).await?
    {
        return Ok((account, false));
    }
    if store.accounts().await?.is_empty() {
        let guid = asked.account.unwrap_or_else(|| AccountGuid(uuid::Uuid::new_v4()));
        match store.create_first_account(guid, &asked.account_name, now).await? {
            Ok(account) => return Ok((account, true)),
            // Another node of the same installation was faster.
            Err(Refused::Exists) => {}
            Err(refused) => return Err(StoreError::Backend(refused.to_string()).into()),
        }
    }
    let oldest = store.accounts().await?.into_iter().next();
    match (oldest, asked.account) {
        (Some(oldest), None) => Ok((oldest, false)),
        (Some(present), Some(asked)) if present.guid == asked => Ok((present, false)),
        (Some(present), Some(asked)) => Err(BootstrapError::NoSuchAccount { asked, present: present.guid }),
        (None, _) => Err(StoreError::Backend("an account exists and cannot be found".into()).into()),
    }
}

/// The account's administrator that was made first; one is made when there is none. The first one's id follows from the account, so that
/// of nodes that start at the same time one makes it.
async fn administrator(store: &dyn Store, account: &Account, asked: &FirstStart, now: Timestamp) -> Result<UserId, BootstrapError> {
    for id in [first_user(account.guid), UserId(uuid::Uuid::new_v4())] {
        if let Some(known) = oldest_administrator(store, account).await? {
            return Ok(known);
        }
        let user =
            User { id, account: account.id, name: asked.user_name.clone(), email: asked.user_email.clone(), admin: true, created_at: now };
        let key = ObjectKey { account: account.id, kind: ConfigKind::User, id: user.id.to_string() };
        match store.put_object(key, Object::of(&user)?, Some(0)).await? {
            Ok(_) => return Ok(user.id),
            // By another node, or long ago and it is no administrator any more.
            Err(Refused::Exists) => {}
            Err(refused) => return Err(StoreError::Backend(format!("making the first user: {refused}")).into()),
        }
    }
    Err(StoreError::Backend("the first user exists and is no administrator".into()).into())
}

async fn oldest_administrator(store: &dyn Store, account: &Account) -> Result<Option<UserId>, BootstrapError> {
    let mut first: Option<User> = None;
    let mut after = None;
    loop {
        let page = store.objects(account.id, ConfigKind::User, after.take(), USERS_PAGE).await?;
        let is_last = page.len() < USERS_PAGE as usize;
        after = page.last().map(|stored| stored.key.id.clone());
        for stored in page {
            let user: User = stored.object.read()?;
            if user.admin && first.as_ref().is_none_or(|first| user.created_at < first.created_at) {
                first = Some(user);
            }
        }
        if is_last {
            break;
        }
    }
    Ok(first.map(|user| user.id))
}

/// The first administrator's id follows from the account, so that nodes that start at the same time make the same one: a UUID of version 8
/// (RFC 9562 §5.8) of the account's own bits.
fn first_user(account: AccountGuid) -> UserId {
    let digest = Sha256::new().chain_update(b"countersign first user").chain_update(account.0.as_bytes()).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    UserId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
