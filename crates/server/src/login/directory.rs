//! Where a client finds its accounts under `/restapi`: `login_information`, `service_information` and the list of resources.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use countersign_core::{account::User, config::ConfigKind};
use countersign_store::objects::ObjectKey;
use serde_json::json;

use crate::{
    App,
    access::{Caller, Reads},
    failure::Failure,
    restapi::wire::Answer,
};

/// The routes, to be merged below `/restapi`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/service_information", get(service_information))
        .route("/v2.1", get(resources))
        .route("/v2.1/login_information", get(login_information))
}

/// The versions served. No token needed.
async fn service_information(State(app): State<Arc<App>>) -> Answer {
    Answer::ok(json!({
        "buildVersion": env!("CARGO_PKG_VERSION"),
        "linkedSites": [],
        "serviceVersions": [{"version": "v2.1", "versionUrl": format!("{}/restapi/v2.1", app.settings.public_url)}],
    }))
}

/// What is below `/restapi/v2.1`. No token needed.
async fn resources(State(app): State<Arc<App>>) -> Answer {
    let resource = |name: &str| json!({"name": name, "value": format!("{}/restapi/v2.1/{name}", app.settings.public_url)});
    Answer::ok(json!({"resources": [resource("accounts"), resource("login_information")]}))
}

async fn login_information(State(app): State<Arc<App>>, caller: Caller<Reads>) -> Result<Answer, Failure> {
    let key = ObjectKey { account: caller.account_id(), kind: ConfigKind::User, id: caller.user.to_string() };
    let stored = app.store.object(key).await?.ok_or_else(|| Failure::unauthorized("the token's user is gone"))?;
    let user: User = stored.object.read()?;
    let account = &caller.account.account;
    Ok(Answer::ok(json!({"loginAccounts": [{
        "accountId": account.id.to_string(),
        "accountIdGuid": account.guid,
        "baseUrl": format!("{}/restapi/v2.1/accounts/{}", app.settings.public_url, account.id),
        "email": user.email,
        "isDefault": "true",
        "name": account.name,
        "siteDescription": "",
        "userId": user.id,
        "userName": user.name,
    }]})))
}
