//! `/connect/{connectId}/users` and `/connect/{connectId}/all/users`: whose envelopes a configuration hears of.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, RawQuery, State},
    routing::get,
};
use countersign_core::{account::User, config::ConfigKind, subscription::Subscription};
use serde_json::{Value, json};

use super::{configurations, parameters};
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    restapi::wire::{Answer, Wire, flag_text},
};

/// Users read from the store at once, and the most in one answer.
const PAGE_MAX: u32 = 1_000;
/// Users in an answer when nothing else is asked for.
const PAGE: u32 = 100;
/// What `status` can name; every user here is active.
const STATUSES: [&str; 5] = ["ActivationRequired", "ActivationSent", "Active", "Closed", "Disabled"];

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/{connect_id}/users", get(included)).route("/connect/{connect_id}/all/users", get(all))
}

/// The users that the configuration includes; with `list_included_users=false` all of them, each with whether it is included.
async fn included(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    query: RawQuery,
) -> Result<Answer, Failure> {
    let subscription = configurations::find(&app, &caller, &id).await?;
    let known = ["count", "email_substring", "list_included_users", "start_position", "status", "user_name_substring"];
    let parameters = parameters::read(&query, &known)?;
    let mut wanted = Wanted::read(&parameters)?;
    wanted.only_included = parameters.flag("list_included_users")?.unwrap_or(true);
    let mut page = wanted.page(&app, &subscription).await?;
    page["allUsersSelected"] = flag_text(matches!(subscription.users, countersign_core::subscription::Users::All)).into();
    Ok(Answer::ok(linked(page, &wanted, &parameters, &format!("/connect/{id}/users"))))
}

/// All users of the account, each with whether it is included; with `domain_users_only` those of the account's domains.
async fn all(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
    query: RawQuery,
) -> Result<Answer, Failure> {
    let subscription = configurations::find(&app, &caller, &id).await?;
    let known = ["count", "domain_users_only", "email_substring", "start_position", "status", "user_name_substring"];
    let parameters = parameters::read(&query, &known)?;
    let mut wanted = Wanted::read(&parameters)?;
    if parameters.flag("domain_users_only")?.unwrap_or(false) {
        wanted.domains = Some(caller.account.account.recipient_domains.iter().cloned().collect());
    }
    let page = wanted.page(&app, &subscription).await?;
    Ok(Answer::ok(linked(page, &wanted, &parameters, &format!("/connect/{id}/all/users"))))
}

/// What is asked for.
struct Wanted {
    start: u32,
    count: u32,
    /// Lower case.
    email: String,
    /// Lower case.
    name: String,
    /// False when only statuses are asked for that nobody has.
    active: bool,
    only_included: bool,
    domains: Option<Vec<String>>,
}

impl Wanted {
    fn read(parameters: &Wire) -> Result<Self, Failure> {
        let statuses = parameters.texts("status")?;
        if let Some(unknown) = statuses.iter().find(|status| !STATUSES.iter().any(|known| known.eq_ignore_ascii_case(status))) {
            return Err(Failure::invalid_parameter(format!("status names '{unknown}'; it can hold {}", STATUSES.join(", "))));
        }
        let lower = |name: &str| Ok::<_, Failure>(parameters.text(name)?.unwrap_or_default().to_lowercase());
        Ok(Self {
            start: parameters::count(parameters, "start_position", 0, 0..=u32::MAX)?,
            count: parameters::count(parameters, "count", PAGE, 1..=PAGE_MAX)?,
            email: lower("email_substring")?,
            name: lower("user_name_substring")?,
            active: statuses.is_empty() || statuses.iter().any(|status| status.eq_ignore_ascii_case("active")),
            only_included: false,
            domains: None,
        })
    }

    fn fits(&self, user: &User, is_included: bool) -> bool {
        let email = user.email.to_lowercase();
        let of_domain = |domains: &Vec<String>| email.rsplit_once('@').is_some_and(|(_, domain)| domains.iter().any(|own| own == domain));
        self.active
            && (is_included || !self.only_included)
            && email.contains(&self.email)
            && user.name.to_lowercase().contains(&self.name)
            && self.domains.as_ref().is_none_or(of_domain)
    }

    /// Walks over the account's users once and keeps the window asked for.
    async fn page(&self, app: &App, subscription: &Subscription) -> Result<Value, Failure> {
        let (mut users, mut total, mut after) = (Vec::new(), 0_u32, None);
        loop {
            let stored = app.store.objects(subscription.account, ConfigKind::User, after, PAGE_MAX).await?;
            let is_last = stored.len() < PAGE_MAX as usize;
            after = stored.last().map(|stored| stored.key.id.clone());
            for stored in stored {
                let user: User = stored.object.read()?;
                let is_included = subscription.hears(Some(user.id));
                if !self.fits(&user, is_included) {
                    continue;
                }
                if total >= self.start && total - self.start < self.count {
                    users.push(shown(&user, is_included));
                }
                total += 1;
            }
            if is_last {
                break;
            }
        }
        let size = u32::try_from(users.len()).unwrap_or(u32::MAX);
        let end = (self.start + size).saturating_sub(1).max(self.start);
        Ok(json!({
            "users": users,
            "startPosition": self.start.to_string(),
            "endPosition": end.to_string(),
            "resultSetSize": size.to_string(),
            "totalSetSize": total.to_string(),
        }))
    }
}

fn shown(user: &User, is_included: bool) -> Value {
    json!({
        "email": user.email,
        "isIncluded": flag_text(is_included),
        "userId": user.id,
        "userName": user.name,
        "userStatus": "Active",
    })
}

/// With the addresses of the pages before and after, relative to the account; empty at the ends (reference: 9, quirk 8).
fn linked(mut page: Value, wanted: &Wanted, parameters: &Wire, path: &str) -> Value {
    let total: u32 = page["totalSetSize"].as_str().and_then(|total| total.parse().ok()).unwrap_or_default();
    let link = |start: u32| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters.as_map() {
            if name != "start_position"
                && let Some(value) = value.as_str()
            {
                query.append_pair(name, value);
            }
        }
        Value::from(format!("{path}?{}", query.append_pair("start_position", &start.to_string()).finish()))
    };
    let next = wanted.start.checked_add(wanted.count).filter(|next| *next < total);
    page["nextUri"] = next.map_or_else(|| "".into(), link);
    page["previousUri"] = if wanted.start == 0 { "".into() } else { link(wanted.start.saturating_sub(wanted.count)) };
    page
}
