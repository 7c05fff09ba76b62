//! One envelope: `GET` and `PUT /envelopes/{id}`.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::{
    envelope::{Action, Command, Edit, Envelope, EnvelopeStatus},
    message::summary::{PurgeRequest, read_purge_request},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    answer,
    definition::{self, Definition},
    edits::{document_edits, field_edits, recipient_edits},
    request::{Editor, Parameters, Target, cut},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes,
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    target: Target,
    parameters: Parameters,
) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    let include = answer::included(&parameters);
    Ok(Answer::ok(answer::envelope(&envelope, &caller.account.account, &include, app.now()).into()))
}

/// What a `PUT` asks for besides the content.
struct Steps {
    purge: Option<PurgeRequest>,
    status: Option<Next>,
    resend: bool,
    recycle_on_void: bool,
}

/// A status that can be asked for.
enum Next {
    Created,
    Sent,
    Voided { reason: String },
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    editor: Editor,
    target: Target,
    parameters: Parameters,
    mut wire: Wire,
) -> Result<Answer, Failure> {
    let id = target.envelope()?;
    let steps = steps(&mut wire, &parameters)?;
    let mut definition = Definition::read(&mut wire)?;
    if !definition.event_notifications.is_empty() {
        return Err(Failure::invalid_parameter("event notifications are given when an envelope is created"));
    }
    let given = std::mem::take(&mut definition.documents);
    let (_, envelope) = envelopes::find(&app, editor.caller.account_id(), id).await?;
    let documents = document_edits(&app, editor.caller.account_id(), &envelope, given).await?;
    let changed = envelopes::change(&app, &editor.caller.account, id, |envelope| {
        let actions = actions(envelope, &definition, documents.clone(), &steps)?;
        Ok(actions.into_iter().map(|action| editor.command(action)).collect::<Vec<Command>>())
    })
    .await?;
    let mut shown = json!({"envelopeId": id});
    if steps.purge.is_some() {
        shown["purgeState"] = Value::from(countersign_core::message::summary::purge_state(&changed.envelope.purge));
    }
    Ok(Answer::ok(shown))
}

fn steps(wire: &mut Wire, parameters: &Parameters) -> Result<Steps, Failure> {
    let purge = match wire.take_text("purgeState")?.filter(|word| !word.is_empty()) {
        None => None,
        // Also who sends back a whole envelope as it was read comes here (reference: 2.2).
        Some(word) => Some(read_purge_request(&word).ok_or_else(|| {
            Failure::invalid_parameter(
                "The request contained at least one invalid parameter. Value for 'purgeState' must be 'documents_queued', \
                 'documents_and_metadata_queued', 'documents_and_metadata_and_redact_queued' or 'documents_dequeued'.",
            )
        })?),
    };
    let reason = wire.take_text("voidedReason")?.unwrap_or_default();
    let status = match wire.take_text("status")?.map(|status| status.trim().to_ascii_lowercase()).as_deref() {
        None | Some("") => None,
        Some("created") => Some(Next::Created),
        Some("sent") => Some(Next::Sent),
        Some("voided") => Some(Next::Voided { reason }),
        Some(other) => {
            let message = format!("the status of an envelope cannot be set to '{}'; it can be 'sent' or 'voided'", cut(other));
            return Err(Failure::new(StatusCode::BAD_REQUEST, "ENVELOPE_INVALID_STATUS", message));
        }
    };
    Ok(Steps { purge, status, resend: parameters.flag("resend_envelope")?, recycle_on_void: parameters.flag("recycle_on_void")? })
}

/// Content first, so that what is sent is what the request says.
fn actions(envelope: &Envelope, definition: &Definition, documents: Vec<Edit>, steps: &Steps) -> Result<Vec<Action>, Failure> {
    let mut edits = definition.plain_edits();
    if let Some(wire) = &definition.notification {
        edits.push(Edit::Notification(definition::notification(wire, envelope.notification)?));
    }
    edits.extend(field_edits(envelope, definition.custom_fields.clone())?);
    edits.extend(recipient_edits(envelope, definition.recipients.clone())?);
    edits.extend(documents);
    let mut actions = Vec::new();
    if !edits.is_empty() {
        actions.push(Action::Edit(edits));
    }
    match &steps.purge {
        Some(PurgeRequest::Queue(scope)) => actions.push(Action::QueuePurge(*scope)),
        Some(PurgeRequest::Dequeue) => actions.push(Action::DequeuePurge),
        None => {}
    }
    match &steps.status {
        None => {}
        Some(Next::Created) if envelope.status == EnvelopeStatus::Created => {}
        Some(Next::Created) => {
            let message = format!("an envelope in status '{}' cannot become a draft again", envelope.status);
            return Err(Failure::new(StatusCode::BAD_REQUEST, "ENVELOPE_INVALID_STATUS", message));
        }
        Some(Next::Sent) => actions.push(Action::Send),
        Some(Next::Voided { reason }) => {
            actions.push(Action::Void { reason: reason.clone() });
            if steps.recycle_on_void {
                actions.push(Action::Delete);
            }
        }
    }
    if steps.resend {
        actions.push(Action::Resend { to: Vec::new() });
    }
    Ok(actions)
}
