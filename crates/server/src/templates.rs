//! Templates as they are kept: one object each, with the contents its documents refer to.
//!
//! A template and the event that tells of its change are two writes: the object first, since an event must not tell of what is not
//! there. A crash between them loses the event and nothing else.

use std::sync::Arc;

use countersign_core::{
    config::{AccountConfig, ConfigKind},
    envelope::EnvelopeEvent,
    event::Snapshot,
    id::{AccountId, TemplateId},
    template::Template,
};
use countersign_store::{
    StoreError,
    objects::{Object, ObjectKey, StoredObject},
};

use crate::{
    App,
    envelopes::refused,
    failure::Failure,
    intake::{Change, NewEvent, NotSubmitted},
};

/// Templates read for one list; an account with more is asked to name them.
const TEMPLATES_MAX: usize = 10_000;
/// Templates read at once.
const PAGE: u32 = 500;
/// How often a change is made again when another one came between.
const CHANGES_MAX: usize = 16;

/// A template of the account, deleted ones left out, with the revision it was read at.
///
/// # Errors
/// 404 `TEMPLATE_ID_INVALID`; the store's own failures.
pub async fn find(app: &App, account: AccountId, id: TemplateId) -> Result<(i64, Template), Failure> {
    let missing = || Failure::not_found("TEMPLATE_ID_INVALID", format!("there is no template {id} in this account"));
    let stored = app.store.object(key(account, id)).await?.ok_or_else(missing)?;
    Ok((stored.revision, read(&stored)?))
}

/// All templates of the account, by id.
///
/// # Errors
/// The store's.
pub async fn all(app: &App, account: AccountId) -> Result<Vec<Template>, Failure> {
    let mut templates = Vec::new();
    let mut after = None;
    loop {
        let page = app.store.objects(account, ConfigKind::Template, after.take(), PAGE).await?;
        for stored in &page {
            templates.push(read(stored)?);
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize && templates.len() < TEMPLATES_MAX => after = Some(last.key.id.clone()),
            _ => return Ok(templates),
        }
    }
}

/// Keeps a new template and tells of it.
///
/// # Errors
/// The store's.
pub async fn create(app: &Arc<App>, account: &AccountConfig, template: &Template, told: Vec<EnvelopeEvent>) -> Result<(), Failure> {
    app.store.put_object(key(account.id(), template.id), object(template)?, Some(0)).await??;
    tell(app, account, template, told).await
}

/// Changes a template and tells of it; `change` may be asked again when another change came between.
///
/// # Errors
/// What `change` refuses; 404 when there is no such template.
pub async fn change<C>(app: &Arc<App>, account: &AccountConfig, id: TemplateId, mut change: C) -> Result<Template, Failure>
where
    C: FnMut(Template) -> Result<(Template, Vec<EnvelopeEvent>), Failure> + Send,
{
    for _ in 0..CHANGES_MAX {
        let (revision, before) = find(app, account.id(), id).await?;
        let (after, told) = change(before)?;
        match app.store.put_object(key(account.id(), id), object(&after)?, Some(revision)).await? {
            Ok(_) => {
                tell(app, account, &after, told).await?;
                return Ok(after);
            }
            Err(countersign_store::Refused::Exists | countersign_store::Refused::WrongState(_) | countersign_store::Refused::NotFound) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(Failure::conflict("the template is being changed by others; try again"))
}

/// Deletes a template and tells of it.
///
/// # Errors
/// 404 when there is none; a refusal when it is locked.
pub async fn delete(app: &Arc<App>, account: &AccountConfig, id: TemplateId, by: countersign_core::envelope::Actor) -> Result<(), Failure> {
    let (_, before) = find(app, account.id(), id).await?;
    let (after, told) = before.delete(by, None, app.now()).map_err(refused)?;
    app.store.delete_object(key(account.id(), id)).await??;
    tell(app, account, &after, told).await
}

async fn tell(app: &Arc<App>, account: &AccountConfig, template: &Template, told: Vec<EnvelopeEvent>) -> Result<(), Failure> {
    let events = told
        .into_iter()
        .map(|EnvelopeEvent { name, detail }| NewEvent {
            name,
            user: Some(template.draft.sender.user),
            envelope: None,
            recipient_domains: Vec::new(),
            detail,
            snapshot: Snapshot::Nothing,
        })
        .collect();
    match app.submit(account.id(), Change { events, ..Change::default() }).await {
        Ok(_) => Ok(()),
        Err(NotSubmitted::Failed(failure)) => Err(failure),
        Err(NotSubmitted::StaleEnvelope) => Err(Failure::conflict("the template is being changed by others; try again")),
    }
}

fn key(account: AccountId, id: TemplateId) -> ObjectKey {
    ObjectKey { account, kind: ConfigKind::Template, id: id.to_string() }
}

fn object(template: &Template) -> Result<Object, StoreError> {
    let body = serde_json::to_string(template).map_err(|e| StoreError::Backend(format!("serialising a template: {e}")))?;
    let mut contents: Vec<[u8; 32]> = template.draft.contents().map(|content| content.hash.0).collect();
    contents.sort_unstable();
    contents.dedup();
    Ok(Object { body, secrets: countersign_core::config::Secrets::new(), contents })
}

fn read(stored: &StoredObject) -> Result<Template, StoreError> {
    serde_json::from_str(&stored.object.body).map_err(|e| StoreError::Damaged(format!("a template: {e}")))
}
