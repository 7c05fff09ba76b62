//! `PUT /folders/{folderId}`: how Docusign deletes. Moving to the bin is the one move there is here; drafts and sent envelopes are where
//! their status puts them.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::{
    envelope::{Action, EnvelopeStatus, Folder},
    id::{EnvelopeId, TemplateId},
};
use serde_json::{Value, json};

use super::{
    place::folder,
    request::{Editor, Target, cut},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes,
    failure::Failure,
    restapi::wire::{Answer, Wire},
    templates,
};

/// Envelopes moved in one request; each is a change of its own.
const MOVED_MAX: usize = 100;

pub(super) async fn show(_caller: Caller<Reads>) -> Failure {
    Failure::not_implemented("the list of a folder; GET envelopes?folder_ids=... has its envelopes")
}

pub(super) async fn put(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let name = target.part("folder_id");
    match folder(name, editor.caller.account_guid()) {
        Some(Folder::Bin) => {}
        Some(Folder::Drafts | Folder::Sent) | None => {
            return Err(Failure::not_implemented(&format!("moving envelopes to the folder '{}'", cut(name))));
        }
    }
    let named = wire.texts("envelopeIds")?;
    if named.is_empty() || named.len() > MOVED_MAX {
        return Err(Failure::invalid_parameter(format!("envelopeIds names {}; it can name 1 to {MOVED_MAX}", named.len())));
    }
    let read =
        |id: &String| id.parse().map_err(|_| Failure::invalid_parameter(format!("envelopeIds holds '{}', which is no GUID", cut(id))));
    let ids: Vec<EnvelopeId> = named.iter().map(read).collect::<Result<_, _>>()?;
    // All are there and can go before the first one goes.
    let account = editor.caller.account_id();
    for id in &ids {
        if let Err(missing) = envelopes::find(&app, account, *id).await {
            templates::find(&app, account, TemplateId(id.0)).await.map_err(|_| missing)?;
        }
    }
    let mut moved: Vec<Value> = Vec::with_capacity(ids.len());
    for id in ids {
        // Templates are deleted the same way, and named beside the envelopes.
        if templates::find(&app, account, TemplateId(id.0)).await.is_ok() {
            templates::delete(&app, &editor.caller.account, TemplateId(id.0), editor.by.clone()).await?;
            continue;
        }
        let changed = envelopes::change(&app, &editor.caller.account, id, |envelope| match envelope.status {
            EnvelopeStatus::Deleted => Ok(Vec::new()),
            _ => Ok(vec![editor.command(Action::Delete)]),
        })
        .await?;
        let (id, status) = (changed.envelope.id, changed.envelope.status);
        moved.push(json!({"envelopeId": id, "status": status.as_str(), "uri": format!("/envelopes/{id}")}));
    }
    Ok(Answer::ok(json!({"envelopes": moved, "folders": [{"folderId": name, "type": "recyclebin"}]})))
}
