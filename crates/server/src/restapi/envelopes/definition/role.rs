//! Sending from templates: which, and who fills their roles.

use countersign_core::{
    envelope::{Person, RecipientChange, Tab, TabValues},
    id::TemplateId,
    template::RoleFill,
};

use super::{Definition, recipient::RecipientDefinition, tab::tabs};
use crate::{failure::Failure, restapi::wire::Wire};

/// The most templates in one request; each is read whole.
const TEMPLATES_MAX: usize = 50;

/// What an envelope is to be made from.
#[derive(Clone, Debug)]
pub(in crate::restapi) enum TemplateUse {
    /// `templateId` with `templateRoles`.
    One(TemplateId, Vec<RoleFill>),
    /// `compositeTemplates`, in the order given.
    Composite(Vec<Composite>),
}

/// One of the `compositeTemplates`.
#[derive(Clone, Debug)]
pub(in crate::restapi) struct Composite {
    /// Templates of the account, lowest `sequence` first.
    pub(in crate::restapi) templates: Vec<TemplateId>,
    /// What is laid over them, lowest `sequence` first.
    pub(in crate::restapi) inline: Vec<Definition>,
}

/// Takes out of an envelope definition what it is to be made from; `None` when it stands alone.
///
/// # Errors
/// 400 that names what cannot be.
pub(in crate::restapi) fn template_use(wire: &mut Wire) -> Result<Option<TemplateUse>, Failure> {
    let composites = wire.take_objects("compositeTemplates")?.unwrap_or_default();
    let roles = wire.take_objects("templateRoles")?.unwrap_or_default();
    let template = wire.take_text("templateId")?.filter(|id| !id.is_empty());
    if composites.len() > TEMPLATES_MAX {
        return Err(Failure::invalid_parameter(format!("compositeTemplates holds more than {TEMPLATES_MAX}")));
    }
    match (template, composites.is_empty()) {
        (Some(_), false) => Err(Failure::invalid_parameter("templateId and compositeTemplates exclude each other")),
        (Some(id), true) => {
            let roles = roles.into_iter().map(role).collect::<Result<_, _>>()?;
            Ok(Some(TemplateUse::One(template_id(&id)?, roles)))
        }
        (None, false) => Ok(Some(TemplateUse::Composite(composites.into_iter().map(composite).collect::<Result<_, _>>()?))),
        (None, true) if !roles.is_empty() => Err(Failure::invalid_parameter("templateRoles needs a templateId")),
        (None, true) => Ok(None),
    }
}

fn template_id(text: &str) -> Result<TemplateId, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid_parameter(format!("templateId is '{}'; it must be a GUID", text.chars().take(64).collect::<String>()))
    })
}

fn composite(mut wire: Wire) -> Result<Composite, Failure> {
    let mut templates = Vec::new();
    for (index, mut server) in wire.take_objects("serverTemplates")?.unwrap_or_default().into_iter().enumerate() {
        let id = server.take_text("templateId")?.unwrap_or_default();
        templates.push((sequence(&server, index)?, template_id(&id)?));
    }
    let mut inline = Vec::new();
    for (index, mut one) in wire.take_objects("inlineTemplates")?.unwrap_or_default().into_iter().enumerate() {
        let sequence = sequence(&one, index)?;
        inline.push((sequence, Definition::read(&mut one)?));
    }
    if templates.len() > TEMPLATES_MAX || inline.len() > TEMPLATES_MAX {
        return Err(Failure::invalid_parameter(format!("a composite template holds more than {TEMPLATES_MAX} templates")));
    }
    templates.sort_by_key(|(sequence, _)| *sequence);
    inline.sort_by_key(|(sequence, _)| *sequence);
    let templates = templates.into_iter().map(|(_, id)| id).collect();
    let mut inline: Vec<Definition> = inline.into_iter().map(|(_, definition)| definition).collect();
    // A document of the composite itself stands in the place of those its templates bring.
    if let Some(document) = wire.take_object("document")? {
        let documents = super::documents(vec![document])?;
        match inline.first_mut() {
            Some(first) => first.documents.splice(0..0, documents).for_each(drop),
            None => inline.push(Definition { documents, ..Definition::default() }),
        }
    }
    Ok(Composite { templates, inline })
}

fn sequence(wire: &Wire, index: usize) -> Result<i64, Failure> {
    Ok(wire.number("sequence")?.unwrap_or_else(|| i64::try_from(index + 1).unwrap_or(i64::MAX)))
}

fn role(mut wire: Wire) -> Result<RoleFill, Failure> {
    let role = wire.take_text("roleName")?.filter(|role| !role.is_empty());
    let role = role.ok_or_else(|| Failure::invalid_parameter("templateRoles holds one without a roleName"))?;
    let order = match wire.take_number("routingOrder")? {
        None => None,
        Some(order) => {
            Some(u32::try_from(order).map_err(|_| Failure::invalid_parameter(format!("routingOrder is {order}; it starts at 1")))?)
        }
    };
    let (values, tabs) = values_and_tabs(wire.take_object("tabs")?.map(tabs).transpose()?.unwrap_or_default());
    Ok(RoleFill {
        role,
        person: Person {
            name: wire.take_text("name")?.unwrap_or_default(),
            email: wire.take_text("email")?.unwrap_or_default().trim().to_owned(),
        },
        user: wire.take_text("userId")?.and_then(|id| id.parse().ok()),
        client_user_id: wire.take_text("clientUserId")?.filter(|id| !id.is_empty()),
        order,
        in_person_signer_name: wire.take_text("inPersonSignerName")?.filter(|name| !name.is_empty()),
        values,
        tabs,
        extra: super::rest_of(wire, &["errorDetails"]),
    })
}

/// A tab that stands nowhere is a value for the template's tab of that label; one with a place of its own is a further tab.
fn values_and_tabs(given: Vec<Tab>) -> (TabValues, Vec<Tab>) {
    let has_a_place =
        |tab: &Tab| tab.document_id.is_some() || ["anchorString", "xPosition", "pageNumber"].iter().any(|key| tab.extra.contains_key(*key));
    let (further, values): (Vec<_>, Vec<_>) = given.into_iter().partition(has_a_place);
    (values.iter().filter_map(|tab| Some((tab.label.clone()?, tab.data().to_owned()))).collect(), further)
}

impl RecipientDefinition {
    /// As who fills the role they name.
    pub(in crate::restapi) fn fill(self) -> RoleFill {
        let RecipientChange { name, email, user, order, client_user_id, note: _, role, host, extra } = self.change;
        let (values, tabs) = values_and_tabs(self.tabs);
        let person = Person { name: name.unwrap_or_default(), email: email.unwrap_or_default() };
        let (person, in_person_signer_name) = match host {
            Some(host) => (host, Some(person.name)),
            None => (person, None),
        };
        RoleFill {
            role: role.unwrap_or_default(),
            person,
            user,
            client_user_id: client_user_id.filter(|id| !id.is_empty()),
            order,
            in_person_signer_name,
            values,
            tabs,
            extra,
        }
    }
}
