//! A server in process, over a SQLite store in a temp folder, with a clock that stands still.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    account::{Account, ApiToken, Right, User},
    config::ConfigKind,
    delivery::DeliveryState,
    id::{AccountGuid, AttemptId, CredentialId, DeliveryId, IdSource, Incarnation, SubscriptionId, UserId},
    message::{Contents, Message},
    shape::MessageShape,
    subscription::{Activity, EventPattern, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use countersign_server::{App, Settings, bootstrap, clock::Clock, router, token_text};
use countersign_store::{
    Store,
    claim::{Claim, LaneQuota},
    objects::{Object, ObjectKey, StoredToken},
    settle::{AttemptRow, Exchange, Next, Settlement},
    sqlite::{self, SqliteStore},
};
use countersign_testkit::ManualClock;
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

/// A server with one account.
pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) store: SqliteStore,
    /// The first account, made by the first start.
    pub(crate) home: Tenant,
    /// Removed with the house.
    pub(crate) _dir: tempfile::TempDir,
}

/// An account with an administrator and their token.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) account: Account,
    pub(crate) user: UserId,
    pub(crate) token: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is empty or something else.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The status must be this one; the JSON body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(sqlite::Settings { reserve_bytes: 0, ..sqlite::Settings::new(dir.path()) }).unwrap();
        let clock = ManualClock::new();
        let tick: Clock = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let ids = Arc::new(IdSource::new(1));
        let made = bootstrap::bootstrap(&store, &ids, &bootstrap::FirstStart::default(), clock.now()).await.unwrap();
        let token = made.new_token.unwrap().expose_secret().to_owned();
        let home = Tenant { account: made.account, user: made.user, token };
        let app = Arc::new(App::new(Arc::new(store.clone()), ids, tick, settings));
        let router = router::router(&app);
        Self { app, router, clock, store, home, _dir: dir }
    }

    /// Another process over the same store.
    pub(crate) fn another_process(&self) -> Self {
        let clock = self.clock.clone();
        let tick: Clock = Arc::new(move || clock.now());
        let app = Arc::new(App::new(Arc::new(self.store.clone()), Arc::new(IdSource::new(2)), tick, self.app.settings.clone()));
        let router = router::router(&app);
        let _dir = tempfile::tempdir().unwrap();
        Self { app, router, clock: self.clock.clone(), store: self.store.clone(), home: self.home.clone(), _dir }
    }

    /// The same with something else in the app; before anything is shared.
    pub(crate) fn change_app(&mut self, change: impl FnOnce(&mut App)) {
        let mut other = self.another_process();
        // The router holds the app.
        other.router = Router::new();
        let mut app = Arc::try_unwrap(other.app).unwrap_or_else(|_| panic!("nobody else holds it"));
        change(&mut app);
        self.app = Arc::new(app);
        self.router = router::router(&self.app);
    }

    /// Another account with an administrator and their token.
    pub(crate) async fn tenant(&self) -> Tenant {
        let now = self.clock.now();
        let account = self.store.create_account(AccountGuid(uuid::Uuid::new_v4()), "Other", now).await.unwrap().unwrap();
        let user = self.user(&account, true).await;
        let token = self.token(&account, user, Right::Admin).await;
        Tenant { account, user, token }
    }

    pub(crate) async fn user(&self, account: &Account, admin: bool) -> UserId {
        let user = User {
            id: UserId(uuid::Uuid::new_v4()),
            account: account.id,
            name: "Ada Lovelace".into(),
            email: "ada@example.com".into(),
            admin,
            created_at: self.clock.now(),
        };
        let key = ObjectKey { account: account.id, kind: ConfigKind::User, id: user.id.to_string() };
        self.store.put_object(key, Object::of(&user).unwrap(), Some(0)).await.unwrap().unwrap();
        user.id
    }

    pub(crate) async fn token(&self, account: &Account, user: UserId, right: Right) -> String {
        let text = token_text::fresh(token_text::TokenKind::Api).unwrap();
        let text = text.expose_secret();
        let now = self.clock.now();
        let token = ApiToken {
            id: CredentialId::from_raw(self.app.ids.next(now)),
            account: account.id,
            user,
            name: "test".into(),
            right,
            hint: token_text::hint(text),
            created_at: now,
            expires_at: None,
        };
        self.store.put_token(StoredToken { sha256: token_text::sha256(text), token }).await.unwrap();
        text.to_owned()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request with a token and perhaps a JSON body.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Below the home account's part of `/api/v1`, as its administrator.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(&self.home.token, method, &api_path(&self.home, path), body).await
    }

    /// A form to `/oauth/token`, perhaps with Basic credentials.
    pub(crate) async fn grant(&self, form: &[(&str, &str)], basic: Option<(&str, &str)>) -> Answer {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let mut request = Request::post("/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8");
        if let Some((id, secret)) = basic {
            request = request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        }
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// A subscription of the account that wants every event.
    pub(crate) async fn subscription(&self, account: &Account, url: &str) -> SubscriptionId {
        let id = self.store.next_subscription_ids(1).await.unwrap()[0];
        let subscription = Subscription {
            id,
            account: account.id,
            scope: Scope::Account,
            name: "everything".into(),
            url: url.parse().unwrap(),
            activity: Activity::Active,
            paused: false,
            users: Users::All,
            events: WantedEvents { patterns: vec![EventPattern::try_new("*").unwrap()], ..WantedEvents::default() },
            shape: MessageShape::JsonSim,
            include: BTreeSet::new(),
            proofs: Proofs::default(),
            pace: Pace::default(),
            headers: Vec::new(),
            require_acknowledgement: true,
            log: true,
            created_at: self.clock.now(),
            failing_since: None,
            times_gone: 0,
            revision: 0,
            extra: serde_json::Map::new(),
        };
        self.store.put_subscription(account.id, id, Object::of(&subscription).unwrap(), true).await.unwrap().unwrap();
        self.app.configs.invalidate(account.id);
        id
    }

    /// Posts events to an account and answers their ids.
    pub(crate) async fn post_events(&self, tenant: &Tenant, name: &str, count: usize) -> Vec<String> {
        let events: Vec<Value> = (0..count).map(|n| json!({"event": name, "data": {"n": n}})).collect();
        let answer = self.call(&tenant.token, "POST", &api_path(tenant, "/events"), Some(events.into())).await.expect(202);
        answer["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// The account's deliveries, newest first.
    pub(crate) async fn deliveries(&self, tenant: &Tenant) -> Vec<Value> {
        let answer = self.call(&tenant.token, "GET", &api_path(tenant, "/deliveries?limit=1000"), None).await.expect(200);
        answer["deliveries"].as_array().unwrap().clone()
    }

    /// A life of a node.
    pub(crate) async fn node(&self, seed: u64) -> Incarnation {
        self.store.register_node("test", seed, self.clock.now(), Duration::from_secs(30)).await.unwrap().incarnation
    }

    /// Claims what is due and settles each as `answer` says: its status, and where it goes. What was sent is what would be sent.
    pub(crate) async fn settle_all(&self, by: Incarnation, answer: impl Fn(DeliveryId) -> (u16, Next)) -> usize {
        let now = self.clock.now();
        let lanes = self.store.due_listeners(now, None, 1_000).await.unwrap();
        let lanes = lanes.iter().map(|due| LaneQuota { listener: due.listener, count: 1_000 }).collect();
        let claimed = self.store.claim_due(Claim { by, now, lanes, bytes_max: 64 << 20 }).await.unwrap();
        let mut settlements = Vec::new();
        for claimed in &claimed {
            let delivery = &claimed.delivery;
            let (config, subscription) = self.app.configs.subscription(delivery.account, delivery.subscription).await.unwrap().unwrap();
            let message = Message {
                account: &config.account,
                configuration: subscription.id,
                shape: delivery.shape,
                include: &subscription.include,
                generated_at: delivery.generated_at,
                event: &claimed.event,
            };
            let body = message.prepare(&Contents::new()).unwrap().render(delivery.retry_count);
            let (status, next) = answer(delivery.id);
            settlements.push(Settlement {
                delivery: delivery.id,
                subscription: delivery.subscription,
                by,
                now,
                attempt: Some(Arc::new(AttemptRow {
                    id: AttemptId::from_raw(self.app.ids.next(now)),
                    started_at: now,
                    elapsed_us: 1_500,
                    retry_count: delivery.retry_count,
                    class: if status < 300 { "accepted" } else { "http_5xx" }.into(),
                    status: Some(status),
                    error: (status >= 300).then(|| format!("the listener answered {status}")),
                    counted: true,
                    exchange: Exchange {
                        url: subscription.url.to_string(),
                        request_headers: [("content-type", "application/json; charset=utf-8")].into_iter().collect(),
                        body_sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
                        body_bytes: body.len() as u64,
                        ..Exchange::default()
                    },
                    answer_head: Bytes::from_static(b"thanks"),
                })),
                attempts_made: delivery.attempts_made + 1,
                retry_count: delivery.retry_count + 1,
                next,
                is_followed: false,
            });
        }
        for settled in self.store.settle(settlements).await.unwrap() {
            settled.unwrap();
        }
        claimed.len()
    }

    /// The state of a stored delivery.
    pub(crate) async fn state(&self, tenant: &Tenant, id: &str) -> DeliveryState {
        self.store.delivery(tenant.account.id, id.parse().unwrap()).await.unwrap().unwrap().listed.delivery.state
    }
}

/// A path below an account's part of `/api/v1`.
pub(crate) fn api_path(tenant: &Tenant, path: &str) -> String {
    format!("/api/v1/accounts/{}{path}", tenant.account.guid)
}

/// The time in seconds, as JWTs have it.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.as_micros() / 1_000_000
}

/// For events posted in tests.
pub(crate) const EVENT: &str = "invoice.paid";
