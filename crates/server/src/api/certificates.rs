//! `certificates`: client certificates that the account shows to listeners (mutual TLS), and further CAs that are trusted for
//! this account alone. Private keys are written and never shown.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{delete, get},
};
use countersign_core::{
    Secret,
    config::{AccountConfig, ClientCertificate, ConfigKind, TrustAnchor},
    id::{AccountId, CredentialId},
};
use countersign_egress::{ClientIdentity, TlsProfile};
use countersign_store::objects::{Object, ObjectKey};
use http::StatusCode;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{name::name, strict::StrictJson, validity};
use crate::{
    App,
    access::{Administers, Caller},
    failure::Failure,
    hex,
};

/// Client certificates of one account: the one in use, the next one, and some for single listeners.
const CLIENT_CERTIFICATES_MAX: usize = 100;
/// Entries with further CAs; together they hold at most as many certificates as a TLS profile takes.
const TRUST_ANCHORS_MAX: usize = 50;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/certificates", get(list).post(create)).route("/certificates/{certificate_id}", delete(remove))
}

/// A client certificate with its key, or a CA.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewCertificate {
    name: String,
    /// The chain, leaf first (PEM).
    certificate: Option<String>,
    /// Not encrypted (PEM).
    private_key: Option<String>,
    /// One or more CA certificates (PEM).
    ca: Option<String>,
}

async fn list(State(app): State<Arc<App>>, caller: Caller<Administers>) -> Result<Json<Value>, Failure> {
    let account = caller.account_id();
    let mut clients: Vec<ClientCertificate> = Vec::new();
    for stored in app.store.objects(account, ConfigKind::ClientCertificate, None, 1_000).await? {
        clients.push(stored.object.read()?);
    }
    let mut anchors: Vec<TrustAnchor> = Vec::new();
    for stored in app.store.objects(account, ConfigKind::TrustAnchor, None, 1_000).await? {
        anchors.push(stored.object.read()?);
    }
    clients.sort_by_key(|client| (client.created_at, client.id));
    anchors.sort_by_key(|anchor| (anchor.created_at, anchor.id));
    Ok(Json(json!({"certificates": clients.iter().map(client).chain(anchors.iter().map(anchor)).collect::<Vec<_>>()})))
}

async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    StrictJson(new): StrictJson<NewCertificate>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let name = name(&new.name)?;
    let shown = match (new.certificate, new.private_key, new.ca) {
        (Some(chain), Some(key), None) => client(&create_client(&app, &caller.account, name, chain, Secret::new(key)).await?),
        (None, None, Some(ca)) => anchor(&create_anchor(&app, &caller.account, name, ca).await?),
        _ => return Err(Failure::invalid_parameter("give either certificate and privateKey, or ca; all are PEM")),
    };
    app.configs.invalidate(caller.account_id());
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn create_client(
    app: &App,
    account: &AccountConfig,
    name: String,
    chain_pem: String,
    key_pem: Secret,
) -> Result<ClientCertificate, Failure> {
    if account.certificates.len() >= CLIENT_CERTIFICATES_MAX {
        return Err(Failure::invalid_parameter(format!("an account has at most {CLIENT_CERTIFICATES_MAX} client certificates")));
    }
    TlsProfile::try_new(Some(ClientIdentity { chain_pem: &chain_pem, key_pem: &key_pem }), &[])
        .map_err(|fault| Failure::invalid_parameter(fault.to_string()))?;
    let unreadable = || Failure::invalid_parameter("the client certificate cannot be read as an X.509 certificate");
    let leaf = CertificateDer::from_pem_slice(chain_pem.as_bytes()).map_err(|_| unreadable())?;
    let not_after = validity::not_after(&leaf).ok_or_else(unreadable)?;
    let now = app.now();
    if not_after <= now {
        return Err(Failure::invalid_parameter(format!("the client certificate has expired at {not_after}")));
    }
    let certificate = ClientCertificate {
        id: app.credential_id(now),
        name,
        fingerprint: hex::encode(&Sha256::digest(&leaf)),
        chain_pem,
        not_after,
        created_at: now,
        key_pem,
    };
    let key = place(account.id(), ConfigKind::ClientCertificate, certificate.id);
    app.store.put_object(key, Object::of(&certificate)?, Some(0)).await??;
    Ok(certificate)
}

async fn create_anchor(app: &App, account: &AccountConfig, name: String, certificates_pem: String) -> Result<TrustAnchor, Failure> {
    if account.trust_anchors.len() >= TRUST_ANCHORS_MAX {
        return Err(Failure::invalid_parameter(format!("an account has at most {TRUST_ANCHORS_MAX} entries with CAs")));
    }
    // Together, since together they are used.
    let mut all: Vec<&str> = account.trust_anchors.iter().map(|anchor| anchor.certificates_pem.as_str()).collect();
    all.push(&certificates_pem);
    TlsProfile::try_new(None, &all).map_err(|fault| Failure::invalid_parameter(fault.to_string()))?;
    let now = app.now();
    let anchor = TrustAnchor { id: app.credential_id(now), name, certificates_pem, created_at: now };
    let key = place(account.id(), ConfigKind::TrustAnchor, anchor.id);
    app.store.put_object(key, Object::of(&anchor)?, Some(0)).await??;
    Ok(anchor)
}

/// A client certificate that a subscription names, or the last one where mutual TLS is on, stays: nothing would be sent without it.
async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<Administers>,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, Failure> {
    let missing = || Failure::not_found("CERTIFICATE_NOT_FOUND", "there is no such certificate");
    let id: CredentialId = id.parse().map_err(|_| missing())?;
    let account = &caller.account;
    let is_last = account.certificates.iter().all(|certificate| certificate.id == id);
    let needed = account.subscriptions.values().find(|subscription| {
        let proofs = &subscription.proofs;
        proofs.mutual_tls && (proofs.certificate == Some(id) || proofs.certificate.is_none() && is_last)
    });
    let is_client = account.certificates.iter().any(|certificate| certificate.id == id);
    if let Some(subscription) = needed.filter(|_| is_client) {
        return Err(Failure::conflict(format!("subscription {} needs the certificate; change it first", subscription.id)));
    }
    let kinds = [ConfigKind::ClientCertificate, ConfigKind::TrustAnchor];
    for kind in kinds {
        if app.store.delete_object(place(caller.account_id(), kind, id)).await?.is_ok() {
            app.configs.invalidate(caller.account_id());
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(missing())
}

fn place(account: AccountId, kind: ConfigKind, id: CredentialId) -> ObjectKey {
    ObjectKey { account, kind, id: id.to_string() }
}

fn client(certificate: &ClientCertificate) -> Value {
    json!({
        "id": certificate.id,
        "kind": "client",
        "name": certificate.name,
        "certificate": certificate.chain_pem,
        "fingerprint": certificate.fingerprint,
        "notAfter": certificate.not_after.to_seven_digits(),
        "createdAt": certificate.created_at.to_seven_digits(),
    })
}

fn anchor(anchor: &TrustAnchor) -> Value {
    json!({
        "id": anchor.id,
        "kind": "ca",
        "name": anchor.name,
        "ca": anchor.certificates_pem,
        "createdAt": anchor.created_at.to_seven_digits(),
    })
}
