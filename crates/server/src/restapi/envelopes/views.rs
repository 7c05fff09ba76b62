//! `views/recipient`: an address under which a person plays one recipient, once, for five minutes. The views of senders are pages of
//! Docusign's own application and out of scope.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::envelope::{Envelope, Recipient, RecipientKind, RecipientStatus, Refused, Verb};
use serde_json::json;
use url::Url;

use super::request::{Editor, Target, cut};
use crate::{
    App,
    envelopes::{
        self, refused,
        ticket::{self, Pass, Use, VIEW_LIFE},
    },
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

/// The longest return address, in bytes.
const RETURN_URL_BYTES_MAX: usize = 4_096;
/// Sites that may show the page in a frame.
const FRAME_ANCESTORS_MAX: usize = 10;

pub(super) async fn recipient(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let return_url = return_url(&wire)?;
    if wire.text("authenticationMethod")?.is_none_or(|method| method.trim().is_empty()) {
        return Err(Failure::invalid_parameter("authenticationMethod must say how the recipient was authenticated, such as 'none'"));
    }
    let frame_ancestors = frame_ancestors(&wire)?;
    let id = target.envelope()?;
    let (_, envelope) = envelopes::find(&app, editor.caller.account_id(), id).await?;
    let who = who(&envelope, &wire)?;
    let done = matches!(who.status, RecipientStatus::Completed) && !envelope.documents.is_empty();
    if !envelope.status.is_in_process() && !done {
        return Err(refused(Refused::WrongStatus { verb: Verb::View, status: envelope.status }));
    }
    if who.status == RecipientStatus::Created {
        return Err(refused(Refused::NotInSequence(who.id.clone())));
    }
    let pass = Pass {
        account: editor.caller.account_id(),
        envelope: id,
        recipient: who.id.clone(),
        return_url,
        frame_ancestors,
        until: app.now() + VIEW_LIFE,
        ended_with: None,
    };
    let secret = ticket::issue(&app, Use::View, &pass).await?;
    Ok(Answer::created(json!({"url": format!("{}/signing/{secret}", app.settings.public_url)})))
}

/// Who is meant: what is given of client user id, name, address and recipient id must fit one recipient (Connect: recipient views).
fn who<'e>(envelope: &'e Envelope, wire: &Wire) -> Result<&'e Recipient, Failure> {
    let given = |name: &str| wire.text(name).map(|text| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
    let (id, client, name, email) = (given("recipientId")?, given("clientUserId")?, given("userName")?, given("email")?);
    if id.is_none() && client.is_none() && (name.is_none() || email.is_none()) {
        return Err(Failure::invalid_parameter("name the recipient by userName and email, by clientUserId or by recipientId"));
    }
    let is = |given: &Option<String>, own: &str| given.as_ref().is_none_or(|given| given.eq_ignore_ascii_case(own.trim()));
    let mut fitting = envelope.recipients.iter().filter(|recipient| {
        // An in-person signer is asked for by the host, on whose device the page is opened.
        let person = match (&recipient.host, recipient.kind) {
            (Some(host), RecipientKind::InPersonSigner) => host,
            _ => &recipient.person,
        };
        let name_fits = is(&name, &person.name) || is(&name, &recipient.person.name);
        let email_fits = is(&email, &person.email) || is(&email, &recipient.person.email);
        is(&id, &recipient.id) && is(&client, recipient.client_user_id.as_deref().unwrap_or_default()) && name_fits && email_fits
    });
    let found = fitting.next().ok_or_else(|| {
        Failure::new(
            http::StatusCode::BAD_REQUEST,
            "UNKNOWN_ENVELOPE_RECIPIENT",
            "The recipient you have identified is not a valid recipient of the specified envelope; userName, email and clientUserId must be \
             those of the recipient.",
        )
    })?;
    // The same person may stand there twice; the one whose turn it is, is meant.
    let current = std::iter::once(found).chain(fitting).find(|recipient| recipient.status.is_current());
    Ok(current.unwrap_or(found))
}

/// An absolute address of a web page or of an application, to which a browser may be sent.
fn return_url(wire: &Wire) -> Result<Url, Failure> {
    let refused = |why: &str| Failure::invalid_parameter(format!("returnUrl {why}"));
    let text = wire.text("returnUrl")?.filter(|text| !text.trim().is_empty()).ok_or_else(|| refused("is missing"))?;
    if text.len() > RETURN_URL_BYTES_MAX {
        return Err(refused("is too long"));
    }
    let url = Url::parse(text.trim()).map_err(|e| refused(&format!("is '{}', which is no absolute URL: {e}", cut(&text))))?;
    // `javascript:` and `data:` have no authority, and what `file:` would show is not ours to say.
    if url.cannot_be_a_base() || matches!(url.scheme(), "file" | "blob" | "view-source") {
        return Err(refused("must be the address of a web page or of an application"));
    }
    Ok(url)
}

/// Origins for the page's content security policy; anything else in there could widen it.
fn frame_ancestors(wire: &Wire) -> Result<Vec<String>, Failure> {
    let given = wire.texts("frameAncestors")?;
    if given.len() > FRAME_ANCESTORS_MAX {
        return Err(Failure::invalid_parameter(format!("frameAncestors names more than {FRAME_ANCESTORS_MAX}")));
    }
    given
        .iter()
        .map(|text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(url.origin().ascii_serialization()),
            _ => Err(Failure::invalid_parameter(format!("frameAncestors holds '{}', which is no origin of a site", cut(text)))),
        })
        .collect()
}

/// Templates are applied when an envelope is created.
pub(super) async fn applying() -> Failure {
    Failure::not_implemented("applying a template to an envelope that is there; name it when the envelope is created")
}

pub(super) async fn out_of_scope() -> Failure {
    Failure::not_implemented("a view of Docusign's own application")
}
