//! `POST envelopes/{envelopeId}/recipients/{recipientId}/actions`: play the recipient.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use countersign_core::{
    envelope::{Action, Actor, Command, Person, RecipientAction, Source, Successor, TabValues},
    id::{EnvelopeId, UserId},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    App,
    access::{Caller, Writes},
    api::strict::StrictJson,
    envelopes,
    failure::Failure,
    origin::Origin,
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/envelopes/{envelope_id}/recipients/{recipient_id}/actions", post(act))
}

/// What a recipient does. Each action takes its own properties and no other.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields, expecting = "an object")]
enum Played {
    /// Opens the documents.
    Deliver {},
    /// Finishes; a certified delivery is done by being opened, a signer signs.
    Complete {
        #[serde(default)]
        tabs: BTreeMap<String, Scalar>,
    },
    /// Declines.
    Decline { reason: Option<String> },
    /// Puts it off; what was filled in so far is kept.
    FinishLater {
        #[serde(default)]
        tabs: BTreeMap<String, Scalar>,
    },
    /// Fails the identity check, with all tries used.
    AuthenticationFailed {},
    /// The mail bounces, or is answered by a machine.
    AutoRespond { reason: Option<String> },
    /// Hands it to somebody else.
    Reassign(Successors),
    /// Has it handed to somebody else by a delegation rule.
    Delegate(Successors),
}

/// Who takes a recipient's place.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Successors {
    name: String,
    email: String,
    /// The id they get; the next free number when absent.
    recipient_id: Option<String>,
    user_id: Option<UserId>,
}

/// A value of a tab: text, or a tick.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "the value of a tab is text, a number, true or false")]
enum Scalar {
    Text(String),
    Flag(bool),
    Number(serde_json::Number),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

async fn act(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    Path((_, envelope, recipient)): Path<(String, String, String)>,
    origin: Origin,
    StrictJson(played): StrictJson<Played>,
) -> Result<Json<Value>, Failure> {
    let id: EnvelopeId = envelope
        .parse()
        .map_err(|_| Failure::not_found("ENVELOPE_DOES_NOT_EXIST", "envelopes are named by their GUID, and there is none of this name"))?;
    let changed = envelopes::change(&app, &caller.account, id, |envelope| {
        let person = envelope
            .recipient(&recipient)
            .ok_or_else(|| Failure::not_found("UNKNOWN_ENVELOPE_RECIPIENT", "the envelope has no recipient of this id"))?;
        let by = Actor { name: person.person.name.clone(), user: person.user, ip_address: origin.0.clone(), source: Source::Signing };
        let free = || (1_u32..).map(|n| n.to_string()).find(|id| envelope.recipient(id).is_none()).unwrap_or_default();
        let does = action(played.clone(), free);
        Ok(vec![Command::from(Action::Recipient { id: recipient.clone(), does }).by(by)])
    })
    .await?;
    let recipients: Vec<Value> = changed
        .envelope
        .recipients
        .iter()
        .map(|r| json!({"id": r.id, "name": r.person.name, "email": r.person.email, "order": r.order, "status": r.status.as_str()}))
        .collect();
    Ok(Json(json!({
        "envelope": {"id": changed.envelope.id, "status": changed.envelope.status.as_str()},
        "recipients": recipients,
        "events": changed.events,
    })))
}

fn action(played: Played, free_id: impl Fn() -> String) -> RecipientAction {
    let values = |tabs: BTreeMap<String, Scalar>| -> TabValues { tabs.into_iter().map(|(label, value)| (label, value.text())).collect() };
    let successor = |who: Successors| Successor {
        id: who.recipient_id.unwrap_or_else(&free_id),
        guid: Uuid::new_v4(),
        user: who.user_id,
        person: Person { name: who.name, email: who.email },
    };
    match played {
        Played::Deliver {} => RecipientAction::View,
        Played::Complete { tabs } => RecipientAction::Complete(values(tabs)),
        Played::Decline { reason } => RecipientAction::Decline { reason },
        Played::FinishLater { tabs } => RecipientAction::FinishLater(values(tabs)),
        Played::AuthenticationFailed {} => RecipientAction::FailAuthentication,
        Played::AutoRespond { reason } => RecipientAction::AutoRespond { reason },
        Played::Reassign(who) => RecipientAction::Reassign(successor(who)),
        Played::Delegate(who) => RecipientAction::Delegate(successor(who)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_action_takes_its_own_properties_and_no_other() {
        let reads = |body: Value| serde_json::from_value::<Played>(body).is_ok();
        for good in [
            json!({"action": "deliver"}),
            json!({"action": "complete"}),
            json!({"action": "complete", "tabs": {"city": "Riga", "agree": true, "count": 3}}),
            json!({"action": "decline", "reason": "no"}),
            json!({"action": "finish-later", "tabs": {}}),
            json!({"action": "authentication-failed"}),
            json!({"action": "auto-respond", "reason": "550"}),
            json!({"action": "reassign", "name": "Bo", "email": "bo@example.com"}),
            json!({"action": "delegate", "name": "Bo", "email": "bo@example.com", "recipientId": "9"}),
        ] {
            assert!(reads(good.clone()), "{good}");
        }
        for bad in [
            json!({}),
            json!({"action": "sign"}),
            json!({"action": "deliver", "reason": "x"}),
            json!({"action": "complete", "tabs": ["a"]}),
            json!({"action": "complete", "tabs": {"a": {}}}),
            json!({"action": "decline", "Reason": "x"}),
            json!({"action": "reassign", "name": "Bo"}),
        ] {
            assert!(!reads(bad.clone()), "{bad}");
        }
    }
}
