//! `users`: who acts in the account. Removing one ends their tokens at once; the last administrator stays.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use countersign_core::{
    account::User,
    config::ConfigKind,
    id::{AccountId, UserId},
};
use countersign_store::objects::{Object, ObjectKey};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    App,
    access::{Administers, Caller, Reads},
    api::{
        name::{email, name},
        strict::{StrictJson, StrictQuery},
    },
    failure::Failure,
};

/// Users of one account; a page of them is also what is searched for the last administrator.
const USERS_MAX: u32 = 10_000;
/// Users in one answer.
const PAGE_MAX: u32 = 1_000;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/users", get(list).post(create)).route("/users/{user_id}", get(one).put(update).delete(remove))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    email: String,
    #[serde(default)]
    admin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedUser {
    name: Option<String>,
    email: Option<String>,
    admin: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    after: Option<UserId>,
    limit: Option<u32>,
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(new): StrictJson<NewUser>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let account = caller.account_id();
    let present = all(&app, account).await?;
    if present.len() >= USERS_MAX as usize {
        return Err(Failure::new(StatusCode::CONFLICT, "TOO_MANY_USERS", format!("an account has at most {USERS_MAX} users")));
    }
    let user = User {
        id: UserId(uuid::Uuid::new_v4()),
        account,
        name: name(&new.name)?,
        email: email(&new.email)?,
        admin: new.admin,
        created_at: app.now(),
    };
    app.store.put_object(key(account, user.id), Object::of(&user)?, Some(0)).await??;
    Ok((StatusCode::CREATED, Json(shown(&user))))
}

async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    StrictQuery(query): StrictQuery<Listing>,
) -> Result<Json<Value>, Failure> {
    let limit = query.limit.unwrap_or(100).clamp(1, PAGE_MAX);
    let after = query.after.map(|id| id.to_string());
    let page = app.store.objects(caller.account_id(), ConfigKind::User, after, limit).await?;
    let next = (page.len() == limit as usize).then(|| page.last().map(|stored| stored.key.id.clone())).flatten();
    let users = page.into_iter().map(|stored| Ok(shown(&stored.object.read::<User>()?))).collect::<Result<Vec<_>, Failure>>()?;
    Ok(Json(json!({"users": users, "next": next})))
}

async fn one(State(app): State<Arc<App>>, caller: Caller<Reads>, Path((_, id)): Path<(String, String)>) -> Result<Json<Value>, Failure> {
    Ok(Json(shown(&found(&app, caller.account_id(), &id).await?.0)))
}

async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    StrictJson(change): StrictJson<ChangedUser>,
) -> Result<Json<Value>, Failure> {
    let account = caller.account_id();
    let (mut user, revision) = found(&app, account, &id).await?;
    if let Some(text) = &change.name {
        user.name = name(text)?;
    }
    if let Some(text) = &change.email {
        user.email = email(text)?;
    }
    if let Some(admin) = change.admin {
        if user.admin && !admin {
            keep_an_administrator(&app, account, user.id).await?;
        }
        user.admin = admin;
    }
    app.store.put_object(key(account, user.id), Object::of(&user)?, Some(revision)).await?.map_err(changed)?;
    app.tokens.clear();
    Ok(Json(shown(&user)))
}

async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let account = caller.account_id();
    let (user, _) = found(&app, account, &id).await?;
    if user.admin {
        keep_an_administrator(&app, account, user.id).await?;
    }
    // A token counts only while its user is there: with the user, all of them end.
    app.store.delete_object(key(account, user.id)).await??;
    app.tokens.clear();
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody else must be able to administer the account.
async fn keep_an_administrator(app: &App, account: AccountId, but: UserId) -> Result<(), Failure> {
    if all(app, account).await?.iter().any(|user| user.admin && user.id != but) {
        return Ok(());
    }
    Err(Failure::new(StatusCode::CONFLICT, "LAST_ADMINISTRATOR", "this is the account's last administrator; make another one first"))
}

async fn all(app: &App, account: AccountId) -> Result<Vec<User>, Failure> {
    let stored = app.store.objects(account, ConfigKind::User, None, USERS_MAX).await?;
    Ok(stored.into_iter().map(|stored| stored.object.read()).collect::<Result<_, _>>()?)
}

async fn found(app: &App, account: AccountId, id: &str) -> Result<(User, i64), Failure> {
    let missing = || Failure::not_found("USER_NOT_FOUND", format!("there is no user {id}"));
    let id: UserId = id.parse().map_err(|_| missing())?;
    let stored = app.store.object(key(account, id)).await?.ok_or_else(missing)?;
    Ok((stored.object.read()?, stored.revision))
}

fn changed(refused: countersign_store::Refused) -> Failure {
    match refused {
        countersign_store::Refused::NotFound => refused.into(),
        _ => Failure::conflict("the user was changed by somebody else; read it and try again"),
    }
}

fn key(account: AccountId, id: UserId) -> ObjectKey {
    ObjectKey { account, kind: ConfigKind::User, id: id.to_string() }
}

fn shown(user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "admin": user.admin,
        "createdAt": user.created_at.to_seven_digits(),
    })
}
