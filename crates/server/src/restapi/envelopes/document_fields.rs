//! `/envelopes/{id}/documents/{documentId}/fields`: names and values that the sender attached to a document.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::envelope::{Action, Document, DocumentField, Edit, Envelope, FIELDS_MAX, Refused};
use serde_json::{Value, json};

use super::{
    definition::document_fields,
    request::{Editor, Target},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes::{self, refused},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    Ok(Answer::ok(shown(&document(&envelope, &target)?.fields)))
}

fn shown(fields: &[DocumentField]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|field| json!({"name": field.name, "value": field.value})).collect();
    json!({"documentFields": fields})
}

fn document<'e>(envelope: &'e Envelope, target: &Target) -> Result<&'e Document, Failure> {
    let id = target.part("document_id");
    let found = envelope.documents.iter().find(|document| document.id == id);
    found.ok_or_else(|| Failure::not_found("DOCUMENT_DOES_NOT_EXIST", "the envelope has no such document"))
}

pub(super) async fn add(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let fields = change(&app, &editor, &target, wire, |fields, given| match fields.iter().find(|field| field.name == given.name) {
        Some(_) => Err(refused(Refused::Duplicate { what: "document field", id: given.name.clone() })),
        None => {
            fields.push(given.clone());
            Ok(())
        }
    })
    .await?;
    Ok(Answer::created(fields))
}

pub(super) async fn update(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let fields = change(&app, &editor, &target, wire, |fields, given| {
        let field = fields.iter_mut().find(|field| field.name == given.name);
        field.ok_or_else(|| unknown(given))?.value.clone_from(&given.value);
        Ok(())
    })
    .await?;
    Ok(Answer::ok(fields))
}

pub(super) async fn remove(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let fields = change(&app, &editor, &target, wire, |fields, given| {
        let index = fields.iter().position(|field| field.name == given.name);
        fields.remove(index.ok_or_else(|| unknown(given))?);
        Ok(())
    })
    .await?;
    Ok(Answer::ok(fields))
}

fn unknown(field: &DocumentField) -> Failure {
    refused(Refused::Unknown { what: "document field", id: field.name.clone() })
}

/// Does something with each field given, and answers with those.
async fn change<D>(app: &Arc<App>, editor: &Editor, target: &Target, mut wire: Wire, does: D) -> Result<Value, Failure>
where
    D: Fn(&mut Vec<DocumentField>, &DocumentField) -> Result<(), Failure> + Send + Sync,
{
    let given = document_fields(&mut wire)?.unwrap_or_default();
    if given.is_empty() || given.len() > FIELDS_MAX {
        return Err(Failure::invalid_parameter(format!("documentFields names {}; it can name 1 to {FIELDS_MAX}", given.len())));
    }
    envelopes::change(app, &editor.caller.account, target.envelope()?, |envelope| {
        let mut document = document(envelope, target)?.clone();
        given.iter().try_for_each(|field| does(&mut document.fields, field))?;
        if document.fields.len() > FIELDS_MAX {
            return Err(refused(Refused::TooMany { what: "fields of a document", max: FIELDS_MAX }));
        }
        Ok(vec![editor.command(Action::Edit(vec![Edit::PutDocument(Box::new(document))]))])
    })
    .await?;
    Ok(shown(&given))
}
