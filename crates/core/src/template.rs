//! Templates: draft envelopes with a name, whose recipients are roles that somebody fills when one is made from them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    envelope::{
        Action, Actor, AppliedTemplate, Command, Edit, Envelope, EnvelopeEvent, EnvelopeStatus, NewEnvelope, Person, Recipient,
        RecipientKind, Refused, Sender, Start, TEXT_CHARS_MAX, Tab, TabValues, Verb,
    },
    event::{EventDetail, EventName},
    id::{EnvelopeId, TemplateId, UserId},
    time::Timestamp,
};

/// A template.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether other users of the account see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// When an envelope was last made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// What envelopes made from it begin with. It is never sent; its sender owns the template, its dates are the template's,
    /// and it is *deleted* when the template is.
    pub draft: Envelope,
}

/// What a template is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct NewTemplate {
    /// Its id.
    pub id: TemplateId,
    /// Its name; not empty.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether other users of the account see it.
    pub shared: bool,
    /// What envelopes made from it begin with. Its id is ignored.
    pub draft: NewEnvelope,
}

/// Other particulars of a template; `None` leaves what is there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TemplateChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Shared or not.
    pub shared: Option<bool>,
    /// Changes of what is in it.
    pub edits: Vec<Edit>,
}

/// Who fills a role.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RoleFill {
    /// The role, compared without case.
    pub role: String,
    /// Who it is. For an in-person signer the host; see `in_person_signer_name`.
    pub person: Person,
    /// The user behind the address, when there is one.
    pub user: Option<UserId>,
    /// Embedded: the id by which the sender's application knows them.
    pub client_user_id: Option<String>,
    /// Another place in the queue.
    pub order: Option<u32>,
    /// Who signs in person.
    pub in_person_signer_name: Option<String>,
    /// What is put into their tabs beforehand, by label.
    pub values: TabValues,
    /// Further tabs.
    pub tabs: Vec<Tab>,
    /// Everything else that was given, echoed as it comes.
    pub extra: Map<String, Value>,
}

impl Template {
    /// Makes a template.
    ///
    /// # Errors
    /// [`Refused`] when its name is empty or too long, or something in it cannot be.
    pub fn create(new: NewTemplate, by: Actor, now: Timestamp) -> Result<(Self, Vec<EnvelopeEvent>), Refused> {
        let NewTemplate { id, name, description, shared, draft } = new;
        check_name(&name)?;
        let (draft, _) = Envelope::create(NewEnvelope { id: EnvelopeId(id.0), ..draft }, Start::Draft, by, now)?;
        let template = Self { id, name, description, shared, used_at: None, draft };
        let events = vec![template.event(EventName::TEMPLATE_CREATED)];
        Ok((template, events))
    }

    /// Changes it.
    ///
    /// # Errors
    /// [`Refused`] when it is deleted or locked by somebody else, or would not be sound afterwards.
    pub fn update(
        self,
        change: TemplateChange,
        by: Actor,
        lock_token: Option<Uuid>,
        now: Timestamp,
    ) -> Result<(Self, Vec<EnvelopeEvent>), Refused> {
        if let Some(name) = &change.name {
            check_name(name)?;
        }
        let Self { id, name, description, shared, used_at, draft } = self;
        let (draft, _) = draft.apply(Command { action: Action::Edit(change.edits), by, lock_token }, now)?;
        let template = Self {
            id,
            name: change.name.unwrap_or(name),
            description: change.description.unwrap_or(description),
            shared: change.shared.unwrap_or(shared),
            used_at,
            draft,
        };
        let events = vec![template.event(EventName::TEMPLATE_MODIFIED)];
        Ok((template, events))
    }

    /// Deletes it: nothing can be made from it any more.
    ///
    /// # Errors
    /// [`Refused`] when it is deleted already or locked by somebody else.
    pub fn delete(self, by: Actor, lock_token: Option<Uuid>, now: Timestamp) -> Result<(Self, Vec<EnvelopeEvent>), Refused> {
        let (draft, _) = self.draft.clone().apply(Command { action: Action::Delete, by, lock_token }, now)?;
        let template = Self { draft, ..self };
        let events = vec![template.event(EventName::TEMPLATE_DELETED)];
        Ok((template, events))
    }

    /// What an envelope made from it begins with: its roles filled, everything under ids of its own from `guids`. A role that
    /// nobody fills and that names nobody is left out, as Connect's sending from templates does with empty recipients.
    ///
    /// # Errors
    /// [`Refused::WrongStatus`] when the template is deleted, [`Refused::Unknown`] for a role that it does not have.
    pub fn fill(
        &self,
        id: EnvelopeId,
        sender: Sender,
        roles: &[RoleFill],
        guids: &mut dyn FnMut() -> Uuid,
    ) -> Result<NewEnvelope, Refused> {
        let status = self.draft.status;
        if status == EnvelopeStatus::Deleted {
            return Err(Refused::WrongStatus { verb: Verb::Send, status });
        }
        let has = |role: &str| self.draft.recipients.iter().any(|r| plays(r, role));
        if let Some(unknown) = roles.iter().find(|fill| !has(&fill.role)) {
            return Err(Refused::Unknown { what: "template role", id: unknown.role.clone() });
        }
        let mut recipients = Vec::with_capacity(self.draft.recipients.len());
        for recipient in &self.draft.recipients {
            let mut recipient = recipient.clone();
            recipient.guid = guids();
            recipient.tabs.iter_mut().for_each(|tab| tab.id = guids());
            if let Some(fill) = roles.iter().find(|fill| plays(&recipient, &fill.role)) {
                fill_role(&mut recipient, fill);
            }
            if !(recipient.person.name.is_empty() && recipient.person.email.is_empty()) {
                recipients.push(recipient);
            }
        }
        let mut documents = self.draft.documents.clone();
        documents.iter_mut().for_each(|document| document.guid = guids());
        let document_id = documents.first().map(|d| d.id.clone());
        let Envelope { account, subject, blurb, attachments, custom_fields, notification, email_settings, extra, .. } = self.draft.clone();
        let templates = vec![AppliedTemplate { id: self.id, name: self.name.clone(), document_id }];
        Ok(NewEnvelope {
            id,
            account,
            sender,
            subject,
            blurb,
            recipients,
            documents,
            attachments,
            custom_fields,
            notification,
            email_settings,
            templates,
            extra,
        })
    }

    fn event(&self, name: EventName) -> EnvelopeEvent {
        EnvelopeEvent { name, detail: EventDetail { template: Some((self.id.to_string(), self.name.clone())), ..EventDetail::default() } }
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    if name.trim().is_empty() {
        return Err(Refused::TemplateNameMissing);
    }
    if name.chars().nth(TEXT_CHARS_MAX).is_some() {
        return Err(Refused::TooLong { what: "the template's name", max: TEXT_CHARS_MAX });
    }
    Ok(())
}

fn plays(recipient: &Recipient, role: &str) -> bool {
    recipient.role.as_deref().is_some_and(|r| r.eq_ignore_ascii_case(role))
}

fn fill_role(recipient: &mut Recipient, fill: &RoleFill) {
    let RoleFill { role: _, person, user, client_user_id, order, in_person_signer_name, values, tabs, extra } = fill.clone();
    if recipient.kind == RecipientKind::InPersonSigner {
        let name = in_person_signer_name.unwrap_or_else(|| recipient.person.name.clone());
        recipient.person = Person { name, email: recipient.person.email.clone() };
        recipient.host = Some(person);
    } else {
        recipient.person = person;
    }
    recipient.user = user;
    recipient.client_user_id = client_user_id.or_else(|| recipient.client_user_id.take());
    recipient.order = order.unwrap_or(recipient.order);
    recipient.tabs.extend(tabs);
    for tab in &mut recipient.tabs {
        if let Some(value) = tab.label.as_ref().and_then(|label| values.get(label)) {
            tab.prefill(value);
        }
    }
    recipient.extra.extend(extra);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        envelope::{Content, Document, TabKind},
        id::AccountGuid,
    };

    const NOON: Timestamp = Timestamp::from_secs(1_763_812_800);

    fn sender() -> Sender {
        let person = Person { name: "Owner".into(), email: "owner@example.com".into() };
        Sender { user: UserId(Uuid::from_u128(3)), person, ip_address: None }
    }

    fn role(id: &str, name: &str, order: u32) -> Recipient {
        let mut recipient = Recipient::new(id, Uuid::from_u128(7), RecipientKind::Signer, Person::default(), order);
        recipient.role = Some(name.into());
        recipient.tabs = vec![Tab::new(TabKind::Text, Uuid::from_u128(8), Some("city".into()))];
        recipient
    }

    fn template() -> Template {
        let mut draft = NewEnvelope::empty(EnvelopeId(Uuid::nil()), AccountGuid(Uuid::from_u128(2)), sender());
        draft.subject = "Lease".into();
        draft.documents = vec![Document::new("1", Uuid::from_u128(9), "Lease", 1, Content::of(b"%PDF"), 1)];
        draft.recipients = vec![role("1", "Tenant", 1), role("2", "Witness", 2)];
        let new =
            NewTemplate { id: TemplateId(Uuid::from_u128(5)), name: "Lease".into(), description: String::new(), shared: false, draft };
        Template::create(new, Actor::default(), NOON).expect("a sound template").0
    }

    fn fill(role: &str) -> RoleFill {
        RoleFill {
            role: role.into(),
            person: Person { name: "Ada".into(), email: "ada@example.com".into() },
            client_user_id: Some("1000".into()),
            values: TabValues::from([("city".to_owned(), "Riga".to_owned())]),
            ..RoleFill::default()
        }
    }

    fn filled(template: &Template, roles: &[RoleFill]) -> Result<NewEnvelope, Refused> {
        let mut last = 100;
        let mut guids = || {
            last += 1;
            Uuid::from_u128(last)
        };
        template.fill(EnvelopeId(Uuid::from_u128(1)), sender(), roles, &mut guids)
    }

    #[test]
    fn a_template_tells_of_its_life() {
        let template = template();
        let change = TemplateChange { name: Some("Lease 2".into()), edits: vec![Edit::Blurb("Hi".into())], ..TemplateChange::default() };
        let (template, events) = template.update(change, Actor::default(), None, NOON).expect("a sound change");
        let expected = EventDetail { template: Some((template.id.to_string(), "Lease 2".into())), ..EventDetail::default() };
        assert_eq!(events, [EnvelopeEvent { name: EventName::TEMPLATE_MODIFIED, detail: expected.clone() }]);
        assert_eq!(template.draft.blurb, "Hi");
        let (template, events) = template.delete(Actor::default(), None, NOON).expect("not deleted yet");
        assert_eq!(events, [EnvelopeEvent { name: EventName::TEMPLATE_DELETED, detail: expected }]);
        let gone = Err(Refused::WrongStatus { verb: Verb::Send, status: EnvelopeStatus::Deleted });
        assert_eq!(filled(&template, &[fill("Tenant")]), gone);
    }

    #[test]
    fn a_filled_role_becomes_a_recipient_and_an_empty_one_is_left_out() {
        let new = filled(&template(), &[fill("tenant")]).expect("a role it has");
        let people: Vec<_> = new.recipients.iter().map(|r| (r.id.as_str(), r.person.name.as_str(), r.tabs[0].data())).collect();
        assert_eq!(people, [("1", "Ada", "Riga")]);
        assert_eq!(new.templates[0].document_id.as_deref(), Some("1"));
        assert_ne!(new.documents[0].guid, template().draft.documents[0].guid, "an envelope's document is its own");
        let (envelope, events) = Envelope::create(new, Start::Sent, Actor::default(), NOON).expect("complete");
        assert_eq!(envelope.recipients[0].client_user_id.as_deref(), Some("1000"));
        let names: Vec<_> = events.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["envelope-created", "envelope-sent", "recipient-sent"]);
    }

    #[test]
    fn what_a_template_cannot_be_is_refused() {
        assert_eq!(filled(&template(), &[fill("Landlord")]), Err(Refused::Unknown { what: "template role", id: "Landlord".into() }));
        let nameless = TemplateChange { name: Some(" ".into()), ..TemplateChange::default() };
        assert_eq!(template().update(nameless, Actor::default(), None, NOON).err(), Some(Refused::TemplateNameMissing));
    }

    #[test]
    fn an_envelope_from_two_templates_keeps_both_apart() {
        let mut new = filled(&template(), &[fill("Tenant")]).expect("a role it has");
        let mut second = template();
        second.draft.recipients[0].tabs[0].document_id = Some("1".into());
        second.draft.subject = "Second".into();
        new.absorb(filled(&second, &[fill("Tenant"), fill("Witness")]).expect("roles it has"));
        assert_eq!(new.subject, "Lease");
        assert_eq!(new.documents.iter().map(|d| (d.id.as_str(), d.order)).collect::<Vec<_>>(), [("1", 1), ("2", 2)]);
        let tenant = &new.recipients[0];
        assert_eq!((tenant.tabs.len(), tenant.tabs[1].document_id.as_deref()), (2, Some("2")), "the tab moves with its document");
        assert_eq!(new.recipients.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    }
}
