//! A server in process, over a SQLite store in a temp folder, with a clock that stands still.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_core::{
    account::{Account, ApiToken, Right, User},
    address::TargetPolicy,
    config::ConfigKind,
    id::{AccountGuid, CredentialId, EnvelopeId, IdSource, Incarnation, UserId},
};
use countersign_server::{App, Settings, bootstrap, clock::Clock, router, timers, token_text};
use countersign_store::{
    Store,
    objects::{Object, ObjectKey, StoredToken},
    sqlite::{self, SqliteStore},
};
use countersign_testkit::ManualClock;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A server with one account.
pub(crate) struct House {
    pub(crate) app: Arc<App>,
    pub(crate) router: Router,
    pub(crate) clock: ManualClock,
    pub(crate) home: Tenant,
    pub(crate) node: Incarnation,
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
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A refusal in Docusign's shape with this code; its message.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> String {
        let body = self.expect(status);
        assert_eq!(body["errorCode"], code, "{body}");
        body["message"].as_str().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
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
        let node = store.register_node("test", 1, clock.now(), Duration::from_secs(400 * 24 * 3_600)).await.unwrap().incarnation;
        let settings = Settings { targets: TargetPolicy::dev(), ..settings };
        let app = Arc::new(App::new(Arc::new(store), ids, tick, settings));
        Self { router: router::router(&app), app, clock, home, node, _dir: dir }
    }

    /// Another account with an administrator and their token.
    pub(crate) async fn tenant(&self) -> Tenant {
        let account = self.app.store.create_account(AccountGuid(uuid::Uuid::new_v4()), "Other", self.clock.now()).await.unwrap().unwrap();
        let user = self.user(&account, "Grace Hopper", "grace@other.example").await;
        let token = self.token(&account, user, Right::Admin).await;
        Tenant { account, user, token }
    }

    pub(crate) async fn user(&self, account: &Account, name: &str, email: &str) -> UserId {
        let id = UserId(uuid::Uuid::new_v4());
        let user = User { id, account: account.id, name: name.into(), email: email.into(), admin: true, created_at: self.clock.now() };
        let key = ObjectKey { account: account.id, kind: ConfigKind::User, id: id.to_string() };
        self.app.store.put_object(key, Object::of(&user).unwrap(), Some(0)).await.unwrap().unwrap();
        id
    }

    pub(crate) async fn token(&self, account: &Account, user: UserId, right: Right) -> String {
        let text = token_text::fresh(token_text::TokenKind::Api).unwrap();
        let text = text.expose_secret();
        let token = ApiToken {
            id: CredentialId::from_raw(self.app.ids.next(self.clock.now())),
            account: account.id,
            user,
            name: "test".into(),
            right,
            hint: String::new(),
            created_at: self.clock.now(),
            expires_at: None,
        };
        self.app.store.put_token(StoredToken { sha256: token_text::sha256(text), token }).await.unwrap();
        text.to_owned()
    }

    /// A request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Answer { status: parts.status, headers: parts.headers, body: to_bytes(body, 64 << 20).await.unwrap() }
    }

    /// A request of a tenant below their part of `/restapi`, with further headers.
    pub(crate) async fn call(&self, who: &Tenant, method: &str, path: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/restapi/v2.1/accounts/{}{path}", who.account.guid);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(&self.home, "GET", path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(&self.home, "POST", path, Some(body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(&self.home, "PUT", path, Some(body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Value) -> Answer {
        self.call(&self.home, "DELETE", path, Some(body), &[]).await
    }

    /// Makes an envelope; its id.
    pub(crate) async fn envelope(&self, body: Value) -> String {
        let made = self.post("/envelopes", body).await.expect(201);
        made["envelopeId"].as_str().unwrap().to_owned()
    }

    /// The envelope as REST shows it, recipients and tabs included.
    pub(crate) async fn shown(&self, id: &str) -> Value {
        self.get(&format!("/envelopes/{id}?include=recipients,tabs,custom_fields,documents")).await.expect(200)
    }

    /// Plays a recipient.
    pub(crate) async fn play(&self, id: &str, recipient: &str, action: Value) -> Answer {
        let path = format!("/api/v1/accounts/{}/envelopes/{id}/recipients/{recipient}/actions", self.home.account.guid);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.home.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(action.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// Opens a page, as a browser does.
    pub(crate) async fn open(&self, url: &str) -> Answer {
        self.send(Request::get(path_of(url)).body(Body::empty()).unwrap()).await
    }

    /// Sends a form, as a browser does.
    pub(crate) async fn submit(&self, url: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::post(path_of(url)).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// The events of an envelope, oldest first, each with its recipient.
    pub(crate) async fn events(&self, id: &str) -> Vec<String> {
        let id: EnvelopeId = id.parse().unwrap();
        let mut events = self.app.store.events(self.home.account.id, Some(id), None, 1_000).await.unwrap();
        events.reverse();
        events
            .into_iter()
            .map(|event| match event.detail.recipient_id {
                Some(recipient) => format!("{} {recipient}", event.name),
                None => event.name.to_string(),
            })
            .collect()
    }

    /// Moves the clock and does what is due.
    pub(crate) async fn after_days(&self, days: u64) -> usize {
        self.clock.advance(Duration::from_secs(days * 24 * 3_600));
        timers::round(&self.app, self.node, &mut VecDeque::new()).await.unwrap()
    }
}

fn path_of(url: &str) -> String {
    url.strip_prefix("http://127.0.0.1:8400").unwrap_or(url).to_owned()
}

/// Base64.
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A PDF with so many pages.
pub(crate) fn pdf(pages: usize) -> Vec<u8> {
    use lopdf::{Document, Object, dictionary};
    let mut document = Document::with_version("1.5");
    let tree = document.new_object_id();
    let kids: Vec<Object> = (0..pages)
        .map(|_| {
            let size: Vec<Object> = vec![0.into(), 0.into(), 595.into(), 842.into()];
            document.add_object(dictionary! { "Type" => "Page", "Parent" => tree, "MediaBox" => size }).into()
        })
        .collect();
    let count = i64::try_from(pages).unwrap();
    document.set_object(tree, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count });
    let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    document.trailer.set("Root", root);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes).unwrap();
    bytes
}

/// A document of one page as a caller gives it.
pub(crate) fn document(id: &str) -> Value {
    json!({"documentId": id, "name": format!("Document {id}"), "fileExtension": "pdf", "documentBase64": base64(pdf(1))})
}

/// A signer as a caller gives them.
pub(crate) fn signer(id: &str, order: &str) -> Value {
    json!({"recipientId": id, "routingOrder": order, "name": format!("Signer {id}"), "email": format!("signer{id}@example.com")})
}

/// An envelope with these signers, one after the other.
pub(crate) fn definition(status: &str, signers: usize) -> Value {
    let signers: Vec<Value> = (1..=signers).map(|n| signer(&n.to_string(), &n.to_string())).collect();
    json!({"status": status, "emailSubject": "Please sign", "documents": [document("1")], "recipients": {"signers": signers}})
}

/// `value` with the properties of `more`.
pub(crate) fn with(mut value: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} is no object") };
    value.as_object_mut().unwrap().extend(more);
    value
}
