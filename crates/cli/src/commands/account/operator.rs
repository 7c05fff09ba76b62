//! `account create` and `account domains`: what only the operator may do, on the data directory itself.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use countersign_core::{
    account::Account,
    id::{AccountGuid, IdSource},
};
use countersign_egress::{Clock as _, SystemClock};
use countersign_server::bootstrap::{FirstStart, bootstrap};
use countersign_store::Store;
use serde_json::json;
use uuid::Uuid;

use crate::{
    data_directory::Installation,
    database::{data_dir, open_store},
    misuse::Misuse,
    output::{self, Tone},
    table::Fields,
};

/// Longest domain (RFC 1035 §2.3.4).
const DOMAIN_CHARS_MAX: usize = 253;

/// A new account.
#[derive(Debug, Args)]
pub(super) struct Create {
    /// Name of the account
    #[arg(long)]
    name: String,
    /// Its id [default: a random one]
    #[arg(long, value_name = "GUID")]
    id: Option<Uuid>,
    /// Name of its administrator
    #[arg(long, value_name = "NAME")]
    user_name: Option<String>,
    /// E-mail address of its administrator
    #[arg(long, value_name = "EMAIL")]
    user_email: Option<String>,
    #[command(flatten)]
    installation: Installation,
}

/// Domains of an account.
#[derive(Debug, Args)]
pub(super) struct Domains {
    /// Id of the account [default: the only one there is]
    #[arg(value_name = "GUID")]
    id: Option<Uuid>,
    /// Assign a domain; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    add: Vec<String>,
    /// Take a domain away; may be repeated
    #[arg(long, value_name = "DOMAIN")]
    remove: Vec<String>,
    #[command(flatten)]
    installation: Installation,
}

/// Makes an account with an administrator and a token, which is shown this once.
pub(super) async fn create(given: &Create, json: bool) -> anyhow::Result<()> {
    let store = opened(&given.installation).await?;
    let guid = AccountGuid(given.id.unwrap_or_else(Uuid::new_v4));
    let now = SystemClock.now();
    if store.create_account(guid, &given.name, now).await?.is_err() {
        return Err(anyhow!("there is an account {guid} already"));
    }
    let otherwise = FirstStart::default();
    let asked = FirstStart {
        account: Some(guid),
        user_name: given.user_name.clone().unwrap_or(otherwise.user_name),
        user_email: given.user_email.clone().unwrap_or(otherwise.user_email),
        ..FirstStart::default()
    };
    let made = bootstrap(&*store, &IdSource::new(0), &asked, now).await?;
    store.close().await;
    let token = made.new_token.context("the account has a token already")?;
    if json {
        return output::json(
            &json!({"id": guid, "number": made.account.id, "name": made.account.name, "userId": made.user, "token": token.expose_secret()}),
        );
    }
    let mut fields = Fields::default();
    fields.add("account", guid.to_string());
    fields.add("number", made.account.id.to_string());
    fields.add("administrator", made.user.to_string());
    fields.toned("token", Tone::Strong, token.expose_secret());
    fields.print()?;
    output::note("note: the token is shown this once");
    Ok(())
}

/// Shows the domains of an account, or changes them.
pub(super) async fn domains(given: &Domains, json: bool) -> anyhow::Result<()> {
    let add = given.add.iter().map(|text| domain(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let remove = given.remove.iter().map(|text| domain(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let store = opened(&given.installation).await?;
    let mut account = one(&*store, given.id).await?;
    for other in store.accounts().await?.into_iter().filter(|other| other.id != account.id) {
        if let Some(taken) = add.iter().find(|domain| other.recipient_domains.contains(*domain)) {
            return Err(anyhow!("{taken} is assigned to account {}; take it away there first", other.guid));
        }
    }
    let before = account.recipient_domains.clone();
    account.recipient_domains.extend(add);
    account.recipient_domains.retain(|domain| !remove.contains(domain));
    if account.recipient_domains != before {
        store.update_account(account.clone()).await?.map_err(|refused| anyhow!("{refused}"))?;
    }
    store.close().await;
    let listed = account.recipient_domains.iter().cloned().collect::<Vec<_>>().join(", ");
    let words = if listed.is_empty() { "no domain is assigned".to_owned() } else { listed };
    output::done(json, &words, &json!({"id": account.guid, "recipientDomains": account.recipient_domains}))
}

async fn opened(installation: &Installation) -> anyhow::Result<Arc<dyn Store>> {
    let settings = installation.settings()?;
    let path = data_dir(&settings);
    if settings.database_url.is_none() && !path.is_dir() {
        return Err(Misuse::error(format!("there is no data directory {}; name it with --data-dir", path.display())));
    }
    Ok(open_store(&settings).await?.0)
}

async fn one(store: &dyn Store, id: Option<Uuid>) -> anyhow::Result<Account> {
    if let Some(id) = id {
        return store.account_by_guid(AccountGuid(id)).await?.ok_or_else(|| anyhow!("there is no account {id}"));
    }
    let mut accounts = store.accounts().await?;
    match (accounts.pop(), accounts.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Misuse::error("there are several accounts; give the id of one")),
        (None, _) => Err(anyhow!("there is no account")),
    }
}

/// A domain in lower case, without what does not belong to one.
fn domain(text: &str) -> anyhow::Result<String> {
    let lowered = text.trim().trim_end_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if lowered.len() <= DOMAIN_CHARS_MAX && lowered.contains('.') && lowered.split('.').all(label) {
        Ok(lowered)
    } else {
        Err(Misuse::error(format!("'{text}' is not a domain such as example.com")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_read_without_case_and_refused_with_reason() {
        for (text, read) in
            [("Example.COM", "example.com"), (" a.b-c.example. ", "a.b-c.example"), ("xn--zo-sja.example", "xn--zo-sja.example")]
        {
            assert_eq!(domain(text).expect("a domain"), read);
        }
        for text in ["", "example", "-a.example", "a..example", "a@example.com", "zo\u{eb}.example", "*.example.com"] {
            assert!(domain(text).is_err(), "{text}");
        }
    }
}
