//! `/envelopes/{id}/recipients` and the tabs of each.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::{
    envelope::{Action, Command, Edit, Envelope, Recipient, RecipientKind, RecipientStatus, Refused, Tab},
    message::{recipient::array_name, tab},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    answer,
    definition::{self, RecipientDefinition},
    edits::recipient_edits,
    request::{Editor, Parameters, Target},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes::{self, refused},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<Reads>,
    target: Target,
    parameters: Parameters,
) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    Ok(Answer::ok(answer::recipients(&envelope, parameters.flag("include_tabs")?).into()))
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    editor: Editor,
    target: Target,
    parameters: Parameters,
    wire: Wire,
) -> Result<Answer, Failure> {
    let given = some(definition::recipients(wire)?)?;
    let resend = parameters.flag("resend_envelope")?;
    let mut added = Vec::new();
    let changed = envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        let recipients = definition::with_ids(given.clone(), &envelope.recipients);
        added = recipients.iter().map(|recipient| recipient.id.clone()).collect();
        let edits = recipients.into_iter().map(|recipient| Edit::AddRecipient(Box::new(recipient))).collect();
        Ok(with_resend(&editor, envelope, edits, resend, &[]))
    })
    .await?;
    let shown = changed.envelope.recipients.iter().filter(|recipient| added.contains(&recipient.id));
    Ok(Answer::created(answer::some_recipients(shown).into()))
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    editor: Editor,
    target: Target,
    parameters: Parameters,
    wire: Wire,
) -> Result<Answer, Failure> {
    let given = definition::recipients(wire)?;
    let resend = parameters.flag("resend_envelope")?;
    if given.is_empty() && !resend {
        return Err(nobody());
    }
    let named: Vec<String> = given.iter().filter_map(|one| one.id.clone()).collect();
    let changed = envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        let edits = recipient_edits(envelope, given.clone())?;
        Ok(with_resend(&editor, envelope, edits, resend, &named))
    })
    .await?;
    let results: Vec<Value> =
        changed.envelope.recipients.iter().filter(|recipient| named.contains(&recipient.id)).map(answer::updated_recipient).collect();
    Ok(Answer::ok(json!({"recipientUpdateResults": results})))
}

/// The edits and, when asked for, the invitation again: to those named whose turn it is, or to all when nobody was named.
fn with_resend(editor: &Editor, envelope: &Envelope, edits: Vec<Edit>, resend: bool, named: &[String]) -> Vec<Command> {
    let mut actions = Vec::new();
    if !edits.is_empty() {
        actions.push(Action::Edit(edits));
    }
    if resend {
        let may_be_sent_again = |recipient: &Recipient| {
            recipient.status.is_current() || recipient.kind == RecipientKind::CarbonCopy && recipient.status == RecipientStatus::Completed
        };
        let able: Vec<String> = named.iter().filter(|id| envelope.recipient(id).is_some_and(may_be_sent_again)).cloned().collect();
        // When none of those named can be sent it, the envelope says why.
        let to = if able.is_empty() { named.to_vec() } else { able };
        actions.push(Action::Resend { to });
    }
    actions.into_iter().map(|action| editor.command(action)).collect()
}

pub(super) async fn remove(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let named: Vec<String> = some(definition::recipients(wire)?)?.into_iter().filter_map(|one| one.id).collect();
    if named.is_empty() {
        return Err(Failure::invalid_parameter("name recipients by recipientId"));
    }
    take_away(&app, &editor, &target, named).await
}

pub(super) async fn remove_one(State(app): State<Arc<App>>, editor: Editor, target: Target) -> Result<Answer, Failure> {
    let id = target.part("recipient_id").to_owned();
    take_away(&app, &editor, &target, vec![id]).await
}

async fn take_away(app: &Arc<App>, editor: &Editor, target: &Target, named: Vec<String>) -> Result<Answer, Failure> {
    let mut gone = Vec::new();
    envelopes::change(app, &editor.caller.account, target.envelope()?, |envelope| {
        gone = envelope.recipients.iter().filter(|recipient| named.contains(&recipient.id)).cloned().collect();
        let edits = named.iter().cloned().map(Edit::RemoveRecipient).collect();
        Ok(vec![editor.command(Action::Edit(edits))])
    })
    .await?;
    Ok(Answer::ok(answer::some_recipients(&gone).into()))
}

fn some(given: Vec<RecipientDefinition>) -> Result<Vec<RecipientDefinition>, Failure> {
    if given.is_empty() { Err(nobody()) } else { Ok(given) }
}

fn nobody() -> Failure {
    let arrays = [RecipientKind::Signer, RecipientKind::CarbonCopy, RecipientKind::CertifiedDelivery, RecipientKind::InPersonSigner];
    Failure::invalid_parameter(format!("name recipients in one of {}", arrays.map(array_name).join(", ")))
}

pub(super) async fn list_tabs(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    Ok(Answer::ok(answer::tabs(recipient(&envelope, target.part("recipient_id"))?).into()))
}

pub(super) async fn add_tabs(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let given = definition::tabs(wire)?;
    if given.is_empty() {
        return Err(no_tabs());
    }
    let ids: Vec<Uuid> = given.iter().map(|tab| tab.id).collect();
    let plan = |of: &Recipient| match of.tabs.iter().find(|before| ids.contains(&before.id)) {
        Some(before) => Err(refused(Refused::Duplicate { what: "tab", id: before.id.to_string() })),
        None => Ok(given.clone()),
    };
    put_tabs(&app, &editor, &target, &ids, plan).await.map(Answer::created)
}

pub(super) async fn update_tabs(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    definition::tabs(wire.clone())?;
    let mut given: Vec<(Uuid, Wire)> = Vec::new();
    for name in wire.as_map().keys().filter(|name| tab::kind_of_array(name).is_some()) {
        for one in wire.objects(name)? {
            given.push((tab_id(name, &one)?, one));
        }
    }
    if given.is_empty() {
        return Err(no_tabs());
    }
    let ids: Vec<Uuid> = given.iter().map(|(id, _)| *id).collect();
    let plan = |of: &Recipient| {
        let alter = |(id, one): &(Uuid, Wire)| match of.tabs.iter().find(|before| before.id == *id) {
            Some(before) => Ok(altered(before, one)),
            None => Err(refused(Refused::Unknown { what: "tab", id: id.to_string() })),
        };
        given.iter().map(alter).collect()
    };
    put_tabs(&app, &editor, &target, &ids, plan).await.map(Answer::ok)
}

/// A tab with what was given laid over what is there: both as they stand on the wire, so that what was not said stays.
fn altered(before: &Tab, given: &Wire) -> Tab {
    let mut properties = answer::one_tab(before);
    for (key, value) in given.as_map().iter().filter(|(_, value)| !value.is_null()) {
        properties.retain(|known, _| !known.eq_ignore_ascii_case(key));
        properties.insert(key.clone(), value.clone());
    }
    Tab { id: before.id, ..tab::read_one(before.kind.clone(), &properties, &mut Uuid::new_v4) }
}

async fn put_tabs<P>(app: &Arc<App>, editor: &Editor, target: &Target, ids: &[Uuid], plan: P) -> Result<Value, Failure>
where
    P: Fn(&Recipient) -> Result<Vec<Tab>, Failure> + Send + Sync,
{
    let id = target.part("recipient_id").to_owned();
    let changed = envelopes::change(app, &editor.caller.account, target.envelope()?, |envelope| {
        let tabs = plan(recipient(envelope, &id)?)?;
        let edits = tabs.into_iter().map(|tab| Edit::PutTab { recipient: id.clone(), tab: Box::new(tab) }).collect();
        Ok(vec![editor.command(Action::Edit(edits))])
    })
    .await?;
    Ok(answer::some_tabs(recipient(&changed.envelope, &id)?, ids).into())
}

fn tab_id(array: &str, one: &Wire) -> Result<Uuid, Failure> {
    let id = one.text("tabId")?.unwrap_or_default();
    id.parse().map_err(|_| Failure::invalid_parameter(format!("{array} holds one without a tabId")))
}

fn no_tabs() -> Failure {
    Failure::invalid_parameter("name tabs in arrays such as textTabs")
}

pub(super) async fn remove_tabs(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let arrays = wire.as_map().iter().filter(|(name, _)| tab::kind_of_array(name).is_some());
    let mut named: Vec<Uuid> = Vec::new();
    for (name, _) in arrays {
        for one in wire.objects(name)? {
            named.push(tab_id(name, &one)?);
        }
    }
    if named.is_empty() {
        return Err(no_tabs());
    }
    let id = target.part("recipient_id").to_owned();
    let mut gone = None;
    envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        gone = Some(recipient(envelope, &id)?.clone());
        let edits = named.iter().map(|tab| Edit::RemoveTab { recipient: id.clone(), tab: *tab }).collect();
        Ok(vec![editor.command(Action::Edit(edits))])
    })
    .await?;
    Ok(Answer::ok(gone.map(|of| Value::from(answer::some_tabs(&of, &named))).unwrap_or_default()))
}

fn recipient<'e>(envelope: &'e Envelope, id: &str) -> Result<&'e Recipient, Failure> {
    envelope.recipient(id).ok_or_else(|| refused(Refused::UnknownRecipient(id.to_owned())))
}
