//! A new envelope from its definition and the templates it names.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    envelope::{Attachment, Content, CustomField, Document, Envelope, NewEnvelope, Recipient, Sender},
    id::EnvelopeId,
    template::RoleFill,
};
use uuid::Uuid;

use super::definition::{self, Composite, Definition, FieldDefinition, RecipientDefinition, TemplateUse};
use crate::{
    App,
    access::{Caller, Writes},
    documents::File,
    envelopes::{self, refused},
    failure::Failure,
    templates,
};

/// What an envelope or a template is made of, with bytes that are not kept yet.
pub(in crate::restapi) struct Assembled {
    /// The envelope to be.
    pub(in crate::restapi) new: NewEnvelope,
    /// What its documents and attachments refer to and is not kept yet.
    pub(in crate::restapi) contents: Vec<Bytes>,
}

/// Puts a new envelope together.
///
/// # Errors
/// 400 for what cannot be, 404 for a template that is not there, 413 when its documents are too large together.
pub(in crate::restapi) async fn assemble(
    app: &Arc<App>,
    caller: &Caller<Writes>,
    sender: Sender,
    definition: Definition,
    from: Option<TemplateUse>,
) -> Result<Assembled, Failure> {
    let id = EnvelopeId(Uuid::new_v4());
    let account = caller.account_guid();
    let mut contents = Vec::new();
    let mut new = NewEnvelope::empty(id, account, sender.clone());
    match from {
        None => {}
        Some(TemplateUse::One(template, roles)) => {
            let (_, template) = templates::find(app, caller.account_id(), template).await?;
            new = template.fill(id, sender, &roles, &mut Uuid::new_v4).map_err(refused)?;
        }
        Some(TemplateUse::Composite(composites)) => {
            for composite in composites {
                let (part, bytes) = compose(app, caller, sender.clone(), id, composite).await?;
                new.absorb(part);
                contents.extend(bytes);
            }
        }
    }
    contents.extend(lay_over(app, &mut new, definition).await?);
    check_size(app, new.documents.iter().filter_map(|d| d.content).chain(new.attachments.iter().filter_map(|a| a.content)))?;
    Ok(Assembled { new, contents })
}

async fn compose(
    app: &Arc<App>,
    caller: &Caller<Writes>,
    sender: Sender,
    id: EnvelopeId,
    composite: Composite,
) -> Result<(NewEnvelope, Vec<Bytes>), Failure> {
    let mut part = NewEnvelope::empty(id, caller.account_guid(), sender.clone());
    let mut inline = composite.inline;
    for template in composite.templates {
        let (_, template) = templates::find(app, caller.account_id(), template).await?;
        let roles = take_roles(&mut inline, &template.draft);
        part.absorb(template.fill(id, sender.clone(), &roles, &mut Uuid::new_v4).map_err(refused)?);
    }
    let mut contents = Vec::new();
    for definition in inline {
        contents.extend(lay_over(app, &mut part, definition).await?);
    }
    Ok((part, contents))
}

/// Takes out the inline recipients who fill a role of this template.
fn take_roles(inline: &mut [Definition], draft: &Envelope) -> Vec<RoleFill> {
    let has = |role: &str| draft.recipients.iter().any(|r| r.role.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(role)));
    let mut fills = Vec::new();
    for definition in inline {
        let (filling, others): (Vec<RecipientDefinition>, Vec<_>) =
            definition.recipients.drain(..).partition(|recipient| recipient.change.role.as_deref().is_some_and(has));
        definition.recipients = others;
        fills.extend(filling.into_iter().map(RecipientDefinition::fill));
    }
    fills
}

/// Lays a definition over what is there: texts replace, documents of the same id replace, recipients of the same id or role are
/// changed, everything else is added.
async fn lay_over(app: &App, new: &mut NewEnvelope, definition: Definition) -> Result<Vec<Bytes>, Failure> {
    let Definition {
        subject,
        blurb,
        recipients,
        documents,
        attachments,
        custom_fields,
        notification,
        email_settings,
        event_notifications: _,
        extra,
    } = definition;
    new.subject = subject.unwrap_or_else(|| std::mem::take(&mut new.subject));
    new.blurb = blurb.unwrap_or_else(|| std::mem::take(&mut new.blurb));
    new.email_settings = email_settings.or_else(|| new.email_settings.take());
    new.notification = match notification {
        Some(wire) => definition::notification(&wire, new.notification)?,
        None => new.notification,
    };
    new.extra.extend(extra);
    for field in custom_fields {
        put_field(&mut new.custom_fields, field)?;
    }
    put_recipients(&mut new.recipients, recipients);
    let mut contents = Vec::new();
    let mut uploads: Vec<(Document, File)> = Vec::with_capacity(documents.len());
    for document in documents {
        if uploads.iter().any(|(before, _)| before.id == document.id) {
            return Err(Failure::invalid_parameter(format!("documentId {} is there twice", document.id)));
        }
        let place = u32::try_from(new.documents.len() + uploads.len() + 1).unwrap_or(u32::MAX);
        let before = new.documents.iter().find(|before| before.id == document.id);
        uploads.push(document.upload(before, place)?);
    }
    for (document, bytes) in envelopes::measured(app, uploads).await? {
        contents.push(bytes);
        match new.documents.iter_mut().find(|before| before.id == document.id) {
            Some(before) => *before = document,
            None => new.documents.push(document),
        }
    }
    for one in attachments {
        new.attachments.push(Attachment { content: Some(Content::of(&one.bytes)), ..one.attachment });
        contents.push(one.bytes);
    }
    Ok(contents)
}

fn put_recipients(recipients: &mut Vec<Recipient>, definitions: Vec<RecipientDefinition>) {
    let mut further = Vec::new();
    for definition in definitions {
        let same = |r: &&mut Recipient| match (&definition.id, &definition.change.role) {
            (Some(id), _) if r.id == *id => true,
            (_, Some(role)) => r.role.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(role)),
            _ => false,
        };
        // Only what a template brought can be meant again; two of one id in the definition itself are two, and refused.
        match recipients.iter_mut().find(same) {
            Some(before) => {
                let mut after = definition.recipient(before.id.clone());
                after.role = after.role.or_else(|| before.role.take());
                after.tabs.splice(0..0, std::mem::take(&mut before.tabs)).for_each(drop);
                *before = after;
            }
            None => further.push(definition),
        }
    }
    let further = definition::with_ids(further, recipients);
    recipients.extend(further);
}

fn put_field(fields: &mut Vec<CustomField>, given: FieldDefinition) -> Result<(), Failure> {
    let same = |field: &&mut CustomField| match &given.id {
        Some(id) => field.id == *id,
        None => given.name.as_deref() == Some(field.name.as_str()),
    };
    match fields.iter_mut().find(same) {
        Some(before) => *before = given.alter(before)?,
        None => {
            let id = given.id.clone().unwrap_or_else(|| definition::next_field_id(&*fields));
            fields.push(given.field(id)?);
        }
    }
    Ok(())
}

/// An envelope's bytes are rendered together, so they are bounded together.
///
/// # Errors
/// 413.
pub(in crate::restapi) fn check_size(app: &App, contents: impl Iterator<Item = Content>) -> Result<(), Failure> {
    let bytes: u64 = contents.map(|content| content.bytes_len).sum();
    let bytes_max = app.settings.envelope_bytes_max;
    if bytes > bytes_max as u64 {
        return Err(Failure::too_large("an envelope with all its documents and attachments", bytes_max));
    }
    Ok(())
}
