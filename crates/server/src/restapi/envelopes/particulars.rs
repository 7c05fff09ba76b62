//! The smaller parts of an envelope: custom fields, reminders and expiry, mail settings, attachments, form data, audit trail.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use countersign_core::{
    envelope::{Action, Attachment, Content, CustomField, Edit, Envelope, Refused},
    id::EnvelopeId,
};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    answer,
    assembly::check_size,
    definition::{self, AttachmentDefinition, FieldDefinition},
    edits::field_edits,
    request::{Editor, Target},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes::{self, refused},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

async fn read(app: &App, caller: &Caller<Reads>, target: &Target) -> Result<Envelope, Failure> {
    Ok(envelopes::find(app, caller.account_id(), target.envelope()?).await?.1)
}

async fn edit<P>(app: &Arc<App>, editor: &Editor, id: EnvelopeId, mut plan: P) -> Result<Envelope, Failure>
where
    P: FnMut(&Envelope) -> Result<Vec<Edit>, Failure> + Send,
{
    let changed =
        envelopes::change(app, &editor.caller.account, id, |envelope| Ok(vec![editor.command(Action::Edit(plan(envelope)?))])).await?;
    Ok(changed.envelope)
}

pub(super) async fn form_data(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::form_data(&read(&app, &caller, &target).await?)))
}

pub(super) async fn audit_events(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::audit_events(&read(&app, &caller, &target).await?)))
}

/// The templates it was made from.
pub(super) async fn templates(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let envelope = read(&app, &caller, &target).await?;
    let shown = envelope.templates.iter().map(|applied| {
        let mut shown =
            json!({"templateId": applied.id, "name": applied.name, "uri": format!("/templates/{}", applied.id), "applied": "true"});
        if let Some(document) = &applied.document_id {
            shown["documentId"] = document.clone().into();
        }
        shown
    });
    Ok(Answer::ok(json!({"templates": shown.collect::<Vec<_>>()})))
}

// --- custom fields ---

pub(super) async fn fields(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::custom_fields(&read(&app, &caller, &target).await?.custom_fields)))
}

pub(super) async fn add_fields(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let given = some(definition::custom_fields(wire)?)?;
    put_fields(&app, &editor, &target, |envelope| {
        let mut fields = envelope.custom_fields.clone();
        for one in given.clone() {
            let id = one.id.clone().unwrap_or_else(|| definition::next_field_id(&fields));
            if fields.iter().any(|field| field.id == id) {
                return Err(refused(Refused::Duplicate { what: "custom field", id }));
            }
            fields.push(one.field(id)?);
        }
        Ok(fields.split_off(envelope.custom_fields.len()).into_iter().map(Edit::PutCustomField).collect())
    })
    .await
    .map(Answer::created)
}

pub(super) async fn update_fields(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let given = some(definition::custom_fields(wire)?)?;
    put_fields(&app, &editor, &target, |envelope| {
        let edits = field_edits(envelope, given.clone())?;
        let is_new =
            |edit: &Edit| matches!(edit, Edit::PutCustomField(field) if envelope.custom_fields.iter().all(|before| before.id != field.id));
        match edits.iter().find(|edit| is_new(edit)) {
            Some(Edit::PutCustomField(field)) => Err(refused(Refused::Unknown { what: "custom field", id: field.id.clone() })),
            _ => Ok(edits),
        }
    })
    .await
    .map(Answer::ok)
}

/// Puts fields and answers with those that were put.
async fn put_fields<P>(app: &Arc<App>, editor: &Editor, target: &Target, mut plan: P) -> Result<Value, Failure>
where
    P: FnMut(&Envelope) -> Result<Vec<Edit>, Failure> + Send,
{
    let mut put: Vec<CustomField> = Vec::new();
    edit(app, editor, target.envelope()?, |envelope| {
        let edits = plan(envelope)?;
        put = edits.iter().filter_map(|edit| if let Edit::PutCustomField(field) = edit { Some(field.clone()) } else { None }).collect();
        Ok(edits)
    })
    .await?;
    Ok(answer::custom_fields(&put))
}

pub(super) async fn remove_fields(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let given = some(definition::custom_fields(wire)?)?;
    let mut gone: Vec<CustomField> = Vec::new();
    edit(&app, &editor, target.envelope()?, |envelope| {
        gone.clear();
        for one in &given {
            let id = one.id.clone().ok_or_else(|| Failure::invalid_parameter("name custom fields by fieldId"))?;
            let field = envelope.custom_fields.iter().find(|field| field.id == id);
            gone.push(field.cloned().ok_or_else(|| refused(Refused::Unknown { what: "custom field", id }))?);
        }
        Ok(gone.iter().map(|field| Edit::RemoveCustomField(field.id.clone())).collect())
    })
    .await?;
    Ok(Answer::ok(answer::custom_fields(&gone)))
}

fn some(given: Vec<FieldDefinition>) -> Result<Vec<FieldDefinition>, Failure> {
    if given.is_empty() { Err(Failure::invalid_parameter("name fields in textCustomFields or listCustomFields")) } else { Ok(given) }
}

// --- reminders and expiry, mail settings ---

pub(super) async fn notification(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::notification(&read(&app, &caller, &target).await?.notification)))
}

pub(super) async fn set_notification(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let envelope = edit(&app, &editor, target.envelope()?, |envelope| {
        Ok(vec![Edit::Notification(definition::notification(&wire, envelope.notification)?)])
    })
    .await?;
    Ok(Answer::ok(answer::notification(&envelope.notification)))
}

pub(super) async fn email_settings(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::email_settings(&read(&app, &caller, &target).await?)))
}

pub(super) async fn add_email_settings(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    put_email_settings(&app, &editor, &target, wire).await.map(Answer::created)
}

pub(super) async fn set_email_settings(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    put_email_settings(&app, &editor, &target, wire).await.map(Answer::ok)
}

async fn put_email_settings(app: &Arc<App>, editor: &Editor, target: &Target, wire: Wire) -> Result<Value, Failure> {
    let settings = definition::email_settings(wire)?;
    let envelope = edit(app, editor, target.envelope()?, |_| Ok(vec![Edit::EmailSettings(Some(settings.clone()))])).await?;
    Ok(answer::email_settings(&envelope))
}

pub(super) async fn remove_email_settings(State(app): State<Arc<App>>, editor: Editor, target: Target) -> Result<Answer, Failure> {
    let envelope = edit(&app, &editor, target.envelope()?, |_| Ok(vec![Edit::EmailSettings(None)])).await?;
    Ok(Answer::ok(answer::email_settings(&envelope)))
}

// --- attachments ---

pub(super) async fn attachments(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(listed(&read(&app, &caller, &target).await?)))
}

fn listed(envelope: &Envelope) -> Value {
    json!({"attachments": answer::attachments(envelope)})
}

pub(super) async fn attachment(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Response, Failure> {
    let envelope = read(&app, &caller, &target).await?;
    let id = target.part("attachment_id");
    let missing = || Failure::not_found("ATTACHMENT_DOES_NOT_EXIST", "the envelope has no such attachment");
    let kept = envelope.attachments.iter().find(|attachment| attachment.id == id).and_then(|attachment| attachment.content);
    let bytes = envelopes::content(&app, caller.account_id(), kept.ok_or_else(missing)?).await?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((StatusCode::OK, headers, bytes).into_response())
}

pub(super) async fn put_attachments(
    State(app): State<Arc<App>>,
    editor: Editor,
    target: Target,
    mut wire: Wire,
) -> Result<Answer, Failure> {
    let given = definition::attachments(wire.take_objects("attachments")?.unwrap_or_default())?;
    if given.is_empty() {
        return Err(Failure::invalid_parameter("name attachments in 'attachments'"));
    }
    put_all(&app, &editor, &target, given).await
}

pub(super) async fn put_attachment(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let mut given = definition::attachments(vec![wire])?;
    for one in &mut given {
        target.part("attachment_id").clone_into(&mut one.attachment.id);
    }
    put_all(&app, &editor, &target, given).await
}

async fn put_all(app: &Arc<App>, editor: &Editor, target: &Target, given: Vec<AttachmentDefinition>) -> Result<Answer, Failure> {
    let id = target.envelope()?;
    let account = editor.caller.account_id();
    let (_, envelope) = envelopes::find(app, account, id).await?;
    let (attachments, contents): (Vec<Attachment>, Vec<_>) =
        given.into_iter().map(|one| (Attachment { content: Some(Content::of(&one.bytes)), ..one.attachment }, one.bytes)).unzip();
    let new = attachments.iter().filter_map(|attachment| attachment.content);
    check_size(app, envelope.contents().chain(new))?;
    envelopes::keep_all(app, account, contents).await?;
    let envelope = edit(app, editor, id, |_| Ok(attachments.iter().cloned().map(Edit::PutAttachment).collect())).await?;
    Ok(Answer::ok(listed(&envelope)))
}

pub(super) async fn remove_attachments(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let mut named = Vec::new();
    for one in wire.objects("attachments")? {
        named.push(one.text("attachmentId")?.ok_or_else(|| Failure::invalid_parameter("name attachments by attachmentId"))?);
    }
    if named.is_empty() {
        return Err(Failure::invalid_parameter("name attachments by attachmentId in 'attachments'"));
    }
    let envelope = edit(&app, &editor, target.envelope()?, |_| Ok(named.iter().cloned().map(Edit::RemoveAttachment).collect())).await?;
    Ok(Answer::ok(listed(&envelope)))
}
