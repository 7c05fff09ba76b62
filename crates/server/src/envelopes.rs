//! How an envelope changes: it is read, an action is applied to it, what completion calls for is rendered, and the new state goes
//! through [`crate::intake`] with its events. When it changed under our hands, all of that is done again with what it is by
//! then. Every way in (REST, our API, the signing page, timers) goes through here, so that there is one place where a row and its
//! timers are made.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    account::{Account, User},
    config::{AccountConfig, ConfigKind},
    envelope::{Actor, Command, Envelope, EnvelopeEvent, EnvelopeStatus, Folder, Person, Refused, Sender, Source},
    event::{Event, Snapshot},
    id::{AccountId, EnvelopeId, EventId, UserId},
    subscription::Subscription,
};
use countersign_store::{
    StoreError,
    envelopes::EnvelopeRow,
    objects::ObjectKey,
    record::{EnvelopeChange, EnvelopeVersion},
    timer::NewTimer,
};

use crate::{
    App,
    failure::Failure,
    intake::{Change, NewEvent, NewIdempotency, NotSubmitted, Submitted},
    origin::Origin,
};

mod refusal;
mod rendering;
pub mod ticket;

pub use refusal::refused;
pub use rendering::{archive, certificate, combined, content, file, file_as_it_came, keep_all, measured};

/// How often an action is applied again before the caller is told to come back. Each time another change of the same envelope has
/// won, so that somebody makes progress; more than this is a fight of scripts over one envelope.
const APPLIES_MAX: usize = 32;

/// Where a removed envelope is stored: in no folder that anybody can ask for.
pub(crate) const REMOVED: &str = "removed";

/// What became of an envelope.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The envelope as it is now.
    pub envelope: Envelope,
    /// What was told of it, in order.
    pub events: Vec<EventId>,
}

/// What became of a new envelope.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is there.
    Fresh(Box<Envelope>),
    /// The same request was answered before; this was the answer.
    Repeated(Bytes),
}

/// One envelope of an account, with the version it was read at.
///
/// # Errors
/// 404 `ENVELOPE_DOES_NOT_EXIST`; the store's own failures.
pub async fn find(app: &App, account: AccountId, id: EnvelopeId) -> Result<(EnvelopeVersion, Envelope), Failure> {
    let stored = app.store.envelope(account, id).await?.ok_or_else(missing)?;
    let envelope = read(&stored.row.body)?;
    // Its row stays, so that its id is never used again; to everybody it is gone.
    if envelope.dates.removed_at.is_some() { Err(missing()) } else { Ok((stored.version, envelope)) }
}

/// An envelope as stored.
///
/// # Errors
/// [`StoreError::Damaged`] when it is none.
pub fn read(body: &[u8]) -> Result<Envelope, StoreError> {
    serde_json::from_slice(body).map_err(|e| StoreError::Damaged(format!("an envelope: {e}")))
}

fn missing() -> Failure {
    Failure::not_found("ENVELOPE_DOES_NOT_EXIST", "The envelope ID specified does not exist in this account.")
}

/// Applies commands to an envelope and records what comes of it: all of them or none, in one transaction, told with one snapshot. `plan`
/// sees the envelope as it is and may be asked again when it changed in between; a plan of nothing records nothing.
///
/// # Errors
/// Whatever `plan` or the envelope refuses; 404 when there is no such envelope.
pub async fn change<P>(app: &Arc<App>, account: &AccountConfig, id: EnvelopeId, mut plan: P) -> Result<Changed, Failure>
where
    P: FnMut(&Envelope) -> Result<Vec<Command>, Failure> + Send,
{
    for _ in 0..APPLIES_MAX {
        let (version, mut envelope) = find(app, account.id(), id).await?;
        let commands = plan(&envelope)?;
        if commands.is_empty() {
            return Ok(Changed { envelope, events: Vec::new() });
        }
        let now = app.now();
        let mut told = Vec::new();
        for command in commands {
            let (after, events) = envelope.apply(command, now).map_err(refused)?;
            envelope = after;
            told.extend(events);
        }
        let heard_by = if told.is_empty() { Vec::new() } else { listeners(app, account.id(), id).await? };
        match submit(app, account, Some(version), &mut envelope, told, heard_by, Vec::new(), None).await {
            Ok(Submitted::Fresh { events }) => return Ok(Changed { envelope, events }),
            Ok(Submitted::Repeated(_)) => return Ok(Changed { envelope, events: Vec::new() }),
            Err(NotSubmitted::StaleEnvelope) => {}
            Err(NotSubmitted::Failed(failure)) => return Err(failure),
        }
    }
    Err(contested())
}

/// Records a new envelope with the events of its making and its own subscriptions.
///
/// # Errors
/// The failure to answer with; nothing was kept then.
pub async fn record_new(
    app: &Arc<App>,
    account: &AccountConfig,
    mut envelope: Envelope,
    told: Vec<EnvelopeEvent>,
    subscriptions: Vec<Arc<Subscription>>,
    idempotency: Option<NewIdempotency>,
) -> Result<Created, Failure> {
    match submit(app, account, None, &mut envelope, told, subscriptions.clone(), subscriptions, idempotency).await {
        Ok(Submitted::Fresh { .. }) => Ok(Created::Fresh(Box::new(envelope))),
        Ok(Submitted::Repeated(answer)) => Ok(Created::Repeated(answer)),
        Err(NotSubmitted::Failed(failure)) => Err(failure),
        // A new envelope has a fresh random id; meeting another one is no more than a chance to try again.
        Err(NotSubmitted::StaleEnvelope) => Err(contested()),
    }
}

fn contested() -> Failure {
    Failure { retry_after: Some(1), ..Failure::conflict("the envelope is being changed by others; try again") }
}

#[expect(clippy::too_many_arguments, reason = "the parts of one record, named at the two calls above")]
async fn submit(
    app: &Arc<App>,
    account: &AccountConfig,
    read: Option<EnvelopeVersion>,
    envelope: &mut Envelope,
    told: Vec<EnvelopeEvent>,
    heard_by: Vec<Arc<Subscription>>,
    new_subscriptions: Vec<Arc<Subscription>>,
    idempotency: Option<NewIdempotency>,
) -> Result<Submitted, NotSubmitted> {
    if envelope.status == EnvelopeStatus::Completed && rendering::is_wanted(envelope) {
        rendering::render(app, account.id(), envelope).await?;
    }
    let body = serde_json::to_vec(&envelope).map(Bytes::from).map_err(|e| StoreError::Backend(format!("serialising an envelope: {e}")))?;
    let now = app.now();
    let timers = envelope
        .timers(app.settings.bin_life)
        .into_iter()
        .map(|(kind, due_at)| NewTimer { id: app.timer_id(now), kind: kind.as_str().to_owned(), due_at })
        .collect();
    let recipient_domains = assigned_domains(&account.account, envelope);
    let events = told
        .into_iter()
        .map(|EnvelopeEvent { name, detail }| NewEvent {
            name,
            user: Some(envelope.sender.user),
            envelope: Some(envelope.id),
            recipient_domains: recipient_domains.clone(),
            detail,
            snapshot: Snapshot::Envelope(body.clone()),
        })
        .collect();
    let row = row_of(account.id(), envelope, body);
    let change = Change {
        envelope: Some(EnvelopeChange { read, row, timers }),
        events,
        heard_by,
        new_subscriptions,
        addressed_to: None,
        idempotency,
    };
    app.submit(account.id(), change).await
}

/// The envelope's own subscriptions.
async fn listeners(app: &App, account: AccountId, id: EnvelopeId) -> Result<Vec<Arc<Subscription>>, StoreError> {
    let stored = app.store.envelope_subscriptions(account, id).await?;
    stored.into_iter().map(|(_, object)| object.read().map(Arc::new)).collect()
}

/// The domains of the recipients' addresses that are assigned to the account: what Recipient Connect goes by.
#[must_use]
pub fn assigned_domains(account: &Account, envelope: &Envelope) -> Vec<String> {
    if account.recipient_domains.is_empty() {
        return Vec::new();
    }
    let mut domains = envelope.recipient_domains();
    domains.retain(|domain| account.recipient_domains.contains(domain));
    domains
}

/// The same for an event as recorded; events without an envelope, and those whose snapshot was purged, have none.
#[must_use]
pub fn domains_told(account: &Account, event: &Event) -> Vec<String> {
    match &event.snapshot {
        Snapshot::Envelope(body) => read(body).map(|envelope| assigned_domains(account, &envelope)).unwrap_or_default(),
        Snapshot::Posted(_) | Snapshot::Nothing => Vec::new(),
    }
}

/// The row of an envelope: its serialised form and beside it what lists filter and sort by.
fn row_of(account: AccountId, envelope: &Envelope, body: Bytes) -> EnvelopeRow {
    let mut contents: Vec<[u8; 32]> = envelope.contents().map(|content| content.hash.0).collect();
    contents.sort_unstable();
    contents.dedup();
    EnvelopeRow {
        id: envelope.id,
        account,
        status: envelope.status.as_str().to_owned(),
        sender: Some(envelope.sender.user),
        created_at: envelope.dates.created_at,
        sent_at: envelope.dates.initial_sent_at,
        completed_at: envelope.dates.completed_at,
        status_changed_at: envelope.dates.status_changed_at,
        changed_at: envelope.dates.modified_at,
        expires_at: envelope.expires_at(),
        subject: envelope.subject.clone(),
        folder: if envelope.dates.removed_at.is_some() { REMOVED } else { folder_word(envelope.folder()) }.to_owned(),
        transaction_id: envelope.extra.get("transactionId").and_then(|id| id.as_str()).map(str::to_owned),
        search_text: search_text(envelope),
        custom_fields: envelope.custom_fields.iter().map(|field| format!("{}\n", custom_field_line(&field.name, &field.value))).collect(),
        contents,
        body,
    }
}

/// The word under which a folder is stored and filtered.
#[must_use]
pub fn folder_word(folder: Folder) -> &'static str {
    match folder {
        Folder::Drafts => "draft",
        Folder::Sent => "sent",
        Folder::Bin => "deleted",
    }
}

/// A custom field as lists filter by it; a line of its own, whatever stands in it.
#[must_use]
pub fn custom_field_line(name: &str, value: &str) -> String {
    format!("{name}={value}").to_lowercase().replace('\n', " ")
}

fn search_text(envelope: &Envelope) -> String {
    let people = envelope.recipients.iter().map(|r| &r.person).chain([&envelope.sender.person]);
    let mut lines = vec![envelope.subject.to_lowercase()];
    for Person { name, email } in people {
        lines.push(name.to_lowercase());
        lines.push(email.to_lowercase());
    }
    lines.join("\n")
}

/// Name and address of a user; empty when the account does not know them.
///
/// # Errors
/// The store's.
pub async fn person(app: &App, account: AccountId, user: UserId) -> Result<Person, StoreError> {
    let key = ObjectKey { account, kind: ConfigKind::User, id: user.to_string() };
    let Some(stored) = app.store.object(key).await? else { return Ok(Person::default()) };
    let User { name, email, .. } = stored.object.read()?;
    Ok(Person { name, email })
}

/// The user as a sender.
///
/// # Errors
/// The store's.
pub async fn sender(app: &App, account: AccountId, user: UserId, Origin(ip_address): Origin) -> Result<Sender, StoreError> {
    Ok(Sender { user, person: person(app, account, user).await?, ip_address })
}

/// The user as one who does something, for the audit trail.
///
/// # Errors
/// The store's.
pub async fn actor(app: &App, account: AccountId, user: UserId, source: Source, Origin(ip_address): Origin) -> Result<Actor, StoreError> {
    Ok(Actor { name: person(app, account, user).await?.name, user: Some(user), ip_address, source })
}

/// Nothing to be done: a plan that turned out to be about an envelope that needs no change.
#[must_use]
pub fn nothing_is_due(refusal: &Refused) -> bool {
    matches!(refusal, Refused::NotDue { .. } | Refused::WrongStatus { .. } | Refused::PurgeState(_))
}

/// When something happened, as far as the envelope knows: never before its last change.
#[must_use]
pub fn not_before(envelope: &Envelope, now: Timestamp) -> Timestamp {
    now.max(envelope.dates.modified_at)
}
