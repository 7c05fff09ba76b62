//! A server in process, over a SQLite store in a temp folder, with a clock that stands still and the way out open to
//! loopback alone.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use bytes::Bytes;
use countersign_core::{
    account::{Account, ApiToken, Right, User},
    address::TargetPolicy,
    config::ConfigKind,
    delivery::{Delivery, DeliveryState},
    envelope::{Actor, Content, Document, Envelope, NewEnvelope, Person, Recipient, RecipientKind, Sender, Start},
    id::{AccountGuid, AttemptId, CredentialId, DeliveryId, EnvelopeId, IdSource, Incarnation, SubscriptionId, UserId},
    message::{Contents, Message},
    subscription::Subscription,
};
use countersign_egress::{Egress, Roots, SystemClock, TokenSource};
use countersign_server::{
    App, Settings, bootstrap, clock::Clock, jobs::JobKind, restapi::connect::historical::HistoricalPublish, router, token_text,
};
use countersign_store::{
    Store,
    claim::{Claim, LaneQuota},
    envelopes::EnvelopeRow,
    job::JobState,
    objects::{Object, ObjectKey, StoredToken},
    record::{EnvelopeChange, Record},
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
    router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) store: SqliteStore,
    /// The first account, made by the first start.
    pub(crate) home: Tenant,
    node: Incarnation,
    /// Removed with the house.
    _dir: tempfile::TempDir,
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
    /// The status must be this one; the JSON body, null when there is none.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl House {
    pub(crate) async fn new() -> Self {
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
        let settings = Settings { targets: TargetPolicy::dev(), ..Settings::default() };
        let egress = Egress::new(countersign_egress::Settings::default(), TargetPolicy::dev(), &Roots::System).unwrap();
        let token_source = Some(TokenSource::new(egress, Arc::new(SystemClock)));
        let app = Arc::new(App { token_source, ..App::new(Arc::new(store.clone()), ids, tick, settings) });
        let router = router::router(&app);
        let node = store.register_node("test", 1, clock.now(), Duration::from_secs(3_600)).await.unwrap().incarnation;
        Self { app, router, clock, store, home, node, _dir: dir }
    }

    /// Another account with an administrator and their token.
    pub(crate) async fn tenant(&self) -> Tenant {
        let account = self.store.create_account(AccountGuid(uuid::Uuid::new_v4()), "Other", self.clock.now()).await.unwrap().unwrap();
        let user = self.user(&account, "Grace Hopper", "grace@other.example").await;
        let token = self.token(&account, user, Right::Admin).await;
        Tenant { account, user, token }
    }

    pub(crate) async fn user(&self, account: &Account, name: &str, email: &str) -> UserId {
        let id = UserId(uuid::Uuid::new_v4());
        let user = User { id, account: account.id, name: name.into(), email: email.into(), admin: true, created_at: self.clock.now() };
        let key = ObjectKey { account: account.id, kind: ConfigKind::User, id: id.to_string() };
        self.store.put_object(key, Object::of(&user).unwrap(), Some(0)).await.unwrap().unwrap();
        id
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
            hint: String::new(),
            created_at: now,
            expires_at: None,
        };
        self.store.put_token(StoredToken { sha256: token_text::sha256(text), token }).await.unwrap();
        text.to_owned()
    }

    /// A request with a token and perhaps a JSON body.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(token, method, path, body.map(|body| body.to_string())).await
    }

    /// A request with a token and a body as it is.
    pub(crate) async fn send(&self, token: &str, method: &str, path: &str, body: Option<String>) -> Answer {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.map_or_else(Body::empty, Body::from))
            .unwrap();
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, 64 << 20).await.unwrap() }
    }

    /// Below the home account's part of `/restapi`, as its administrator.
    pub(crate) async fn rest(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(&self.home.token, method, &rest_path(&self.home, path), body).await
    }

    /// Below the home account's part of `/api/v1`, as its administrator.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.call(&self.home.token, method, &api_path(&self.home, path), body).await
    }

    /// A configuration that is on and hears everybody, with more; its `connectId`.
    pub(crate) async fn configuration(&self, more: &Value) -> String {
        let made = self.rest("POST", "/connect", Some(with(listening(), more))).await.expect(201);
        made["connectId"].as_str().unwrap().to_owned()
    }

    /// A subscription as stored.
    pub(crate) async fn stored(&self, id: &str) -> Subscription {
        let (_, object) = self.store.subscription(SubscriptionId(id.parse().unwrap())).await.unwrap().unwrap();
        object.read().unwrap()
    }

    /// An envelope of the home account that is sent, not yet recorded with any event.
    pub(crate) async fn envelope(&self, subject: &str) -> EnvelopeId {
        let id = EnvelopeId(uuid::Uuid::new_v4());
        let now = self.clock.now();
        let sender = Sender {
            user: self.home.user,
            person: Person { name: "Ada Lovelace".into(), email: "ada@example.com".into() },
            ip_address: None,
        };
        let ben = Person { name: "Ben".into(), email: "ben@example.com".into() };
        let envelope = NewEnvelope {
            subject: subject.to_owned(),
            recipients: vec![Recipient::new("1", uuid::Uuid::new_v4(), RecipientKind::Signer, ben, 1)],
            documents: vec![Document::new("1", uuid::Uuid::new_v4(), "Contract", 1, Content::of(b"%PDF-"), 1)],
            ..NewEnvelope::empty(id, self.home.account.guid, sender)
        };
        let (envelope, _) = Envelope::create(envelope, Start::Sent, Actor::default(), now).unwrap();
        let row = EnvelopeRow {
            id,
            account: self.home.account.id,
            status: envelope.status.as_str().to_owned(),
            sender: Some(self.home.user),
            created_at: now,
            sent_at: Some(now),
            completed_at: None,
            status_changed_at: now,
            changed_at: now,
            expires_at: None,
            subject: subject.to_owned(),
            folder: "sent".into(),
            transaction_id: None,
            search_text: String::new(),
            custom_fields: String::new(),
            contents: Vec::new(),
            body: serde_json::to_vec(&envelope).unwrap().into(),
        };
        let record = Record {
            account: self.home.account.id,
            config: None,
            envelope: Some(EnvelopeChange { read: None, row, timers: Vec::new() }),
            events: Vec::new(),
            deliveries: Vec::new(),
            subscriptions: Vec::new(),
            idempotency: None,
        };
        self.store.record(vec![record]).await.unwrap().pop().unwrap().unwrap();
        id
    }

    /// Posts an event about an envelope of the account, or about none.
    pub(crate) async fn post(&self, name: &str, envelope: Option<EnvelopeId>) {
        let body = json!({"event": name, "data": {"a": 1}, "userId": self.home.user});
        let body = match envelope {
            Some(envelope) => with(body, &json!({"envelopeId": envelope})),
            None => body,
        };
        self.api("POST", "/events", Some(body)).await.expect(202);
    }

    /// Claims what is due and settles each with an answer of this status.
    pub(crate) async fn settle_all(&self, status: u16, next: Next) -> Vec<Delivery> {
        let (now, by) = (self.clock.now(), self.node);
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
                        body_sha256: Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect(),
                        body_bytes: body.len() as u64,
                        ..Exchange::default()
                    },
                    answer_head: Bytes::new(),
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
        claimed.into_iter().map(|claimed| claimed.delivery).collect()
    }

    /// The listener answers 500 and the next attempt is an hour away.
    pub(crate) async fn fail_all(&self) -> Vec<Delivery> {
        self.settle_all(500, Next::Waiting { due_at: self.clock.now() + Duration::from_secs(3_600), held: None }).await
    }

    /// Does all jobs to their end.
    pub(crate) async fn run_jobs(&self) {
        for job in self.store.claim_jobs(self.node, self.clock.now(), 100).await.unwrap() {
            let mut job = job;
            loop {
                let stepped = HistoricalPublish.step(&self.app, &job).await.unwrap();
                job.progress = stepped.progress.to_string();
                let state = if stepped.done { JobState::Finished } else { JobState::Running };
                let now = self.clock.now();
                self.store.write_job(self.node, job.id, state, job.progress.clone(), now).await.unwrap().unwrap();
                if stepped.done {
                    break;
                }
            }
        }
    }

    /// Does the first step of all jobs twice, as after a crash before the progress was written.
    pub(crate) async fn repeat_job_steps(&self) {
        for job in self.store.claim_jobs(self.node, self.clock.now(), 100).await.unwrap() {
            let first = HistoricalPublish.step(&self.app, &job).await.unwrap();
            assert_eq!(HistoricalPublish.step(&self.app, &job).await.unwrap(), first);
        }
    }

    /// The state of a stored delivery.
    pub(crate) async fn state(&self, id: DeliveryId) -> DeliveryState {
        self.store.delivery(self.home.account.id, id).await.unwrap().unwrap().listed.delivery.state
    }

    /// All deliveries of the home account, newest first.
    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let page = self.store.deliveries(self.home.account.id, countersign_store::query::DeliveryFilter::default(), None, 1_000).await;
        page.unwrap().deliveries.into_iter().map(|listed| listed.delivery).collect()
    }
}

/// A path below an account's part of `/restapi`.
pub(crate) fn rest_path(tenant: &Tenant, path: &str) -> String {
    format!("/restapi/v2.1/accounts/{}{path}", tenant.account.guid)
}

/// A path below an account's part of `/api/v1`.
pub(crate) fn api_path(tenant: &Tenant, path: &str) -> String {
    format!("/api/v1/accounts/{}{path}", tenant.account.guid)
}

/// A configuration that is on, hears everybody and logs.
pub(crate) fn listening() -> Value {
    json!({
        "name": "Hooks",
        "configurationType": "custom",
        "urlToPublishTo": "http://127.0.0.1:9443/connect",
        "allowEnvelopePublish": "true",
        "allUsers": "true",
        "enableLog": "true",
        "deliveryMode": "SIM",
        "eventData": {"version": "restv2.1"},
        "events": ["envelope-sent", "envelope-completed", "recipient-completed"],
    })
}

/// `value` with the properties of `more`.
pub(crate) fn with(mut value: Value, more: &Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

/// A text in an answer.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}
