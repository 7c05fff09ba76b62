//! Templates: create, list, read, change, delete. Sending from one is part of creating an envelope.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_core::{
    account::Account,
    envelope::Edit,
    id::TemplateId,
    subscription::Include,
    template::{NewTemplate, Template, TemplateChange},
};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    envelopes::{
        answer,
        assembly::{Assembled, assemble},
        definition::{self, Definition},
        edits::{document_edits, field_edits, recipient_edits},
        request::{Editor, Parameters, Target, cut},
    },
    wire::{Answer, Wire, flag_text},
};
use crate::{
    App,
    access::{Caller, Reads},
    documents::content_type,
    envelopes::{self, refused},
    failure::Failure,
    templates,
};

/// Templates in one answer.
const COUNT_MAX: usize = 1_000;

/// The routes below an account.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/templates", get(list).post(create))
        .route("/templates/{template_id}", get(show).put(update).delete(remove))
        .route("/templates/{template_id}/recipients", get(recipients).post(part).put(part).delete(part))
        .route("/templates/{template_id}/documents", get(documents).put(part).delete(part))
        .route("/templates/{template_id}/documents/{document_id}", get(document).put(part))
        .route("/templates/{template_id}/custom_fields", get(custom_fields).post(part).put(part).delete(part))
        .route("/templates/{template_id}/notification", get(notification).put(part))
}

/// What can be done by changing the template itself.
async fn part(_caller: Caller<Reads>) -> Failure {
    Failure::not_implemented("an address for changing a part of a template; PUT the template with that part")
}

fn id_of(target: &Target) -> Result<TemplateId, Failure> {
    let text = target.part("template_id");
    text.parse().map_err(|_| Failure::invalid_parameter(format!("templateId is '{}'; it must be a GUID", cut(text))))
}

async fn create(State(app): State<Arc<App>>, editor: Editor, wire: Wire) -> Result<Answer, Failure> {
    let mut wire = unwrapped(wire)?;
    let name = wire.take_text("name")?.unwrap_or_default();
    let description = wire.take_text("description")?.unwrap_or_default();
    let shared = wire.take_flag("shared")?.unwrap_or(false);
    let definition = Definition::read(&mut wire)?;
    refuse_notifications(&definition)?;
    let sender = envelopes::sender(&app, editor.caller.account_id(), editor.caller.user, editor.origin.clone()).await?;
    let Assembled { new, contents } = assemble(&app, &editor.caller, sender, definition, None).await?;
    let new = NewTemplate { id: TemplateId(Uuid::new_v4()), name, description, shared, draft: new };
    let (template, told) = Template::create(new, editor.by.clone(), app.now()).map_err(refused)?;
    envelopes::keep_all(&app, editor.caller.account_id(), contents).await?;
    templates::create(&app, &editor.caller.account, &template, told).await?;
    Ok(Answer::created(json!({"templateId": template.id, "name": template.name, "uri": uri(&template)})))
}

/// Older clients put name and description into `envelopeTemplateDefinition`.
fn unwrapped(mut wire: Wire) -> Result<Wire, Failure> {
    match wire.take_object("envelopeTemplateDefinition")? {
        None => Ok(wire),
        Some(inner) => {
            let mut map = inner.into_map();
            map.extend(wire.into_map());
            Wire::of(Value::Object(map))
        }
    }
}

fn refuse_notifications(definition: &Definition) -> Result<(), Failure> {
    if definition.event_notifications.is_empty() {
        return Ok(());
    }
    Err(Failure::not_implemented("an event notification of a template; give it when an envelope is created"))
}

fn uri(template: &Template) -> String {
    format!("/templates/{}", template.id)
}

async fn show(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let (_, template) = templates::find(&app, caller.account_id(), id_of(&target)?).await?;
    let whole = [Include::Recipients, Include::Tabs, Include::PaymentTabs, Include::CustomFields, Include::Documents, Include::Extensions];
    Ok(Answer::ok(shown(&template, &caller.account.account, &whole.into(), &app).into()))
}

/// A template: what is its own, then what envelopes made from it begin with.
fn shown(template: &Template, account: &Account, include: &BTreeSet<Include>, app: &App) -> Map<String, Value> {
    let Template { id, name, description, shared, used_at, draft } = template;
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("templateId", id.to_string().into());
    put("uri", uri(template).into());
    put("name", name.clone().into());
    put("description", description.clone().into());
    put("shared", flag_text(*shared).into());
    put("passwordProtected", flag_text(false).into());
    put("pageCount", draft.documents.iter().map(|document| u64::from(document.pages)).sum::<u64>().to_string().into());
    put("created", draft.dates.created_at.to_seven_digits().into());
    put("lastModified", draft.dates.modified_at.to_seven_digits().into());
    if let Some(used_at) = used_at {
        put("lastUsed", used_at.to_seven_digits().into());
    }
    put("owner", json!({"userName": draft.sender.person.name, "userId": draft.sender.user, "email": draft.sender.person.email}));
    put("notification", answer::notification(&draft.notification));
    // What only an envelope on its way has is left out.
    let left_out = |key: &str| {
        matches!(
            key,
            "status" | "envelopeId" | "envelopeUri" | "purgeState" | "sender" | "expireDateTime" | "expireEnabled" | "expireAfter"
        ) || key.ends_with("Uri")
            || key.ends_with("DateTime")
    };
    for (key, value) in answer::envelope(draft, account, include, app.now()) {
        match key.as_str() {
            // The name it has in `EnvelopeTemplate`.
            "envelopeDocuments" => put("documents", value),
            key if left_out(key) => None,
            key => put(key, value),
        };
    }
    map
}

async fn list(State(app): State<Arc<App>>, caller: Caller<Reads>, parameters: Parameters) -> Result<Answer, Failure> {
    let ids = parameters.list("template_ids");
    let wanted = parameters.text("search_text").map(str::to_lowercase);
    let mut found: Vec<Template> = templates::all(&app, caller.account_id())
        .await?
        .into_iter()
        .filter(|template| ids.is_empty() || ids.iter().any(|id| id.eq_ignore_ascii_case(&template.id.to_string())))
        .filter(|template| {
            wanted.as_ref().is_none_or(|text| {
                [&template.name, &template.description, &template.draft.subject]
                    .iter()
                    .any(|own| own.to_lowercase().contains(text.as_str()))
            })
        })
        .collect();
    match parameters.text("order_by").map_or("name".to_owned(), str::to_lowercase).as_str() {
        "name" => found.sort_by_key(|template| template.name.to_lowercase()),
        "modified" => found.sort_by_key(|template| template.draft.dates.modified_at),
        other => return Err(Failure::invalid_parameter(format!("order_by '{}' is not supported; it can be name or modified", cut(other)))),
    }
    match parameters.text("order").map_or("asc".to_owned(), str::to_lowercase).as_str() {
        "asc" => {}
        "desc" => found.reverse(),
        other => return Err(Failure::invalid_parameter(format!("order is '{}'; it can be asc or desc", cut(other)))),
    }
    let total = found.len();
    let number = |name: &str, otherwise: usize| -> Result<usize, Failure> {
        Ok(parameters.number(name)?.map_or(otherwise, |number| usize::try_from(number).unwrap_or(usize::MAX)))
    };
    let start = number("start_position", 0)?.min(total);
    let count = number("count", COUNT_MAX)?.clamp(1, COUNT_MAX);
    let include = answer::included(&parameters);
    let page: Vec<Value> =
        found.iter().skip(start).take(count).map(|template| shown(template, &caller.account.account, &include, &app).into()).collect();
    let end = start + page.len();
    let at = |start: usize| format!("/templates?{}", parameters.with("start_position", &start.to_string()));
    Ok(Answer::ok(json!({
        "resultSetSize": page.len().to_string(),
        "totalSetSize": total.to_string(),
        "startPosition": start.to_string(),
        "endPosition": end.saturating_sub(1).to_string(),
        "nextUri": if end < total { at(end) } else { String::new() },
        "previousUri": if start > 0 { at(start.saturating_sub(count)) } else { String::new() },
        "envelopeTemplates": page,
    })))
}

async fn update(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let id = id_of(&target)?;
    let mut wire = unwrapped(wire)?;
    let (name, description) = (wire.take_text("name")?, wire.take_text("description")?);
    let shared = wire.take_flag("shared")?;
    let mut definition = Definition::read(&mut wire)?;
    refuse_notifications(&definition)?;
    let (_, before) = templates::find(&app, editor.caller.account_id(), id).await?;
    let given = std::mem::take(&mut definition.documents);
    let documents = document_edits(&app, editor.caller.account_id(), &before.draft, given).await?;
    templates::change(&app, &editor.caller.account, id, |template| {
        let mut edits = definition.plain_edits();
        if let Some(wire) = &definition.notification {
            edits.push(Edit::Notification(definition::notification(wire, template.draft.notification)?));
        }
        edits.extend(field_edits(&template.draft, definition.custom_fields.clone())?);
        edits.extend(recipient_edits(&template.draft, definition.recipients.clone())?);
        edits.extend(documents.clone());
        let change = TemplateChange { name: name.clone(), description: description.clone(), shared, edits };
        template.update(change, editor.by.clone(), None, app.now()).map_err(refused)
    })
    .await?;
    Ok(Answer::ok(json!({"envelopeId": id})))
}

async fn remove(State(app): State<Arc<App>>, editor: Editor, target: Target) -> Result<Answer, Failure> {
    templates::delete(&app, &editor.caller.account, id_of(&target)?, editor.by.clone()).await?;
    Ok(Answer::ok(json!({})))
}

async fn find(app: &App, caller: &Caller<Reads>, target: &Target) -> Result<Template, Failure> {
    Ok(templates::find(app, caller.account_id(), id_of(target)?).await?.1)
}

async fn recipients(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target, parameters: Parameters) -> Result<Answer, Failure> {
    let template = find(&app, &caller, &target).await?;
    Ok(Answer::ok(answer::recipients(&template.draft, parameters.flag("include_tabs")?).into()))
}

async fn documents(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let template = find(&app, &caller, &target).await?;
    Ok(Answer::ok(json!({"templateId": template.id, "templateDocuments": answer::documents(&template.draft)})))
}

async fn document(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Response, Failure> {
    let template = find(&app, &caller, &target).await?;
    let id = target.part("document_id");
    let missing = || Failure::not_found("DOCUMENT_DOES_NOT_EXIST", format!("the template has no document '{}'", cut(id)));
    let document = template.draft.document(id).ok_or_else(missing)?;
    let file = envelopes::file_as_it_came(&app, caller.account_id(), document).await?.ok_or_else(missing)?;
    let headers = [(header::CONTENT_TYPE, content_type(&file.extension)), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((StatusCode::OK, headers, file.bytes).into_response())
}

async fn custom_fields(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::custom_fields(&find(&app, &caller, &target).await?.draft.custom_fields)))
}

async fn notification(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    Ok(Answer::ok(answer::notification(&find(&app, &caller, &target).await?.draft.notification)))
}
