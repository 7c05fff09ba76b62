//! What a request changes in an envelope that is there.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    envelope::{Edit, Envelope, EnvelopeStatus, Refused, Verb},
    id::AccountId,
};

use super::{
    assembly::check_size,
    definition::{self, DocumentDefinition, FieldDefinition, RecipientDefinition},
};
use crate::{
    App,
    envelopes::{self, refused},
    failure::Failure,
};

/// Custom fields: those with an id that is there, or without one and with a name that is there, are changed, others added.
///
/// # Errors
/// 400 for what cannot be.
pub(in crate::restapi) fn field_edits(envelope: &Envelope, given: Vec<FieldDefinition>) -> Result<Vec<Edit>, Failure> {
    let mut fields = envelope.custom_fields.clone();
    let mut edits = Vec::with_capacity(given.len());
    for one in given {
        let before = fields.iter().position(|field| match &one.id {
            Some(id) => field.id == *id,
            None => one.name.as_deref() == Some(field.name.as_str()),
        });
        let after = match before {
            Some(index) => one.alter(&fields[index])?,
            None => {
                let id = one.id.clone().unwrap_or_else(|| definition::next_field_id(&fields));
                one.field(id)?
            }
        };
        match before {
            Some(index) => fields[index] = after.clone(),
            None => fields.push(after.clone()),
        }
        edits.push(Edit::PutCustomField(after));
    }
    Ok(edits)
}

/// Recipients: those who are there are changed; in a draft, others are added (Connect: updateRecipients).
///
/// # Errors
/// 400 `UNKNOWN_ENVELOPE_RECIPIENT` for one who is not there once the envelope was sent, and when one is to become of another kind.
pub(in crate::restapi) fn recipient_edits(envelope: &Envelope, given: Vec<RecipientDefinition>) -> Result<Vec<Edit>, Failure> {
    let mut edits = Vec::new();
    let mut further = Vec::new();
    for one in given {
        let Some(before) = one.id.as_deref().and_then(|id| envelope.recipient(id)) else {
            if envelope.status != EnvelopeStatus::Created {
                return Err(refused(Refused::UnknownRecipient(one.id.unwrap_or_default())));
            }
            further.push(one);
            continue;
        };
        if one.kind != before.kind {
            let message = format!("recipient {} is a {}; it cannot become a {}", before.id, before.kind, one.kind);
            return Err(Failure::invalid_parameter(message));
        }
        edits.push(Edit::ChangeRecipient { id: before.id.clone(), change: Box::new(one.change) });
        edits.extend(one.tabs.into_iter().map(|tab| Edit::PutTab { recipient: before.id.clone(), tab: Box::new(tab) }));
    }
    let further = definition::with_ids(further, &envelope.recipients);
    edits.extend(further.into_iter().map(|recipient| Edit::AddRecipient(Box::new(recipient))));
    Ok(edits)
}

/// Documents: those with bytes are put in (new, or in the place of the one with their id), those without are renamed or moved. The bytes
/// are kept here, before the change that refers to them.
///
/// # Errors
/// 400 for one without bytes that is not there; 413 when all are too large together.
pub(in crate::restapi) async fn document_edits(
    app: &Arc<App>,
    account: AccountId,
    envelope: &Envelope,
    given: Vec<DocumentDefinition>,
) -> Result<Vec<Edit>, Failure> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    if envelope.status.is_final() {
        // Refused before anything is kept, in the words of the envelope itself.
        return Err(refused(Refused::WrongStatus { verb: Verb::Edit, status: envelope.status }));
    }
    let (uploads, altered): (Vec<_>, Vec<_>) = given.into_iter().partition(|one| one.bytes.is_some());
    let mut edits = Vec::new();
    for one in altered {
        match envelope.documents.iter().find(|before| before.id == one.id) {
            Some(before) => edits.push(Edit::PutDocument(Box::new(one.alter(before)))),
            None => return Err(Failure::invalid_parameter(format!("document {} has no documentBase64", one.id))),
        }
    }
    let mut files = Vec::with_capacity(uploads.len());
    for (index, one) in uploads.into_iter().enumerate() {
        let place = u32::try_from(envelope.documents.len() + index + 1).unwrap_or(u32::MAX);
        let before = envelope.documents.iter().find(|before| before.id == one.id);
        files.push(one.upload(before, place)?);
    }
    let measured = envelopes::measured(app, files).await?;
    let (documents, contents): (Vec<_>, Vec<Bytes>) = measured.into_iter().unzip();
    let kept = envelope.documents.iter().filter(|before| documents.iter().all(|document| document.id != before.id));
    let all = kept.chain(&documents).filter_map(|document| document.content);
    check_size(app, all.chain(envelope.attachments.iter().filter_map(|attachment| attachment.content)))?;
    envelopes::keep_all(app, account, contents).await?;
    edits.extend(documents.into_iter().map(|document| Edit::PutDocument(Box::new(document))));
    Ok(edits)
}
