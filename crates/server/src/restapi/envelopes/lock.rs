//! `/envelopes/{id}/lock`: taking an envelope back for correction while recipients wait.

use std::sync::Arc;

use axum::extract::State;
use countersign_core::envelope::{Action, Envelope, LOCK_SECONDS_MAX, LockRequest, Refused};
use serde_json::Value;
use uuid::Uuid;

use super::{
    answer,
    request::{Editor, Target, cut},
};
use crate::{
    App,
    access::{Caller, Reads},
    envelopes::{self, refused},
    failure::Failure,
    restapi::wire::{Answer, Wire},
};

/// How long a lock lasts that does not say, in seconds.
const DURATION_DEFAULT: u32 = 300;

pub(super) async fn show(State(app): State<Arc<App>>, caller: Caller<Reads>, target: Target) -> Result<Answer, Failure> {
    let (_, envelope) = envelopes::find(&app, caller.account_id(), target.envelope()?).await?;
    Ok(Answer::ok(information(&app, &envelope)?))
}

fn information(app: &App, envelope: &Envelope) -> Result<Value, Failure> {
    let lock = envelope.lock_at(app.now()).ok_or_else(|| refused(Refused::NotLocked))?;
    Ok(answer::lock_information(envelope, lock))
}

pub(super) async fn take(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    if let Some(kind) = wire.text("lockType")?
        && !kind.eq_ignore_ascii_case("edit")
    {
        return Err(Failure::invalid_parameter(format!("lockType is '{}'; it can be edit", cut(&kind))));
    }
    let request = LockRequest {
        token: Uuid::new_v4(),
        owner: editor.caller.user,
        owner_person: envelopes::person(&app, editor.caller.account_id(), editor.caller.user).await?,
        app: wire.text("lockedByApp")?.unwrap_or_default().chars().take(200).collect(),
        duration_secs: duration(&wire)?.unwrap_or(DURATION_DEFAULT),
        scratch_pad: wire.flag("useScratchPad")?.unwrap_or(false),
    };
    let changed =
        envelopes::change(&app, &editor.caller.account, target.envelope()?, |_| Ok(vec![editor.command(Action::Lock(request.clone()))]))
            .await?;
    Ok(Answer::created(information(&app, &changed.envelope)?))
}

pub(super) async fn extend(State(app): State<Arc<App>>, editor: Editor, target: Target, wire: Wire) -> Result<Answer, Failure> {
    let duration = duration(&wire)?;
    let changed = envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        let lasting = duration.or_else(|| envelope.lock.as_ref().map(|lock| lock.duration_secs)).unwrap_or(DURATION_DEFAULT);
        Ok(vec![editor.command(Action::ExtendLock(lasting))])
    })
    .await?;
    Ok(Answer::ok(information(&app, &changed.envelope)?))
}

pub(super) async fn release(State(app): State<Arc<App>>, editor: Editor, target: Target) -> Result<Answer, Failure> {
    let mut released = None;
    envelopes::change(&app, &editor.caller.account, target.envelope()?, |envelope| {
        released = Some(information(&app, envelope)?);
        Ok(vec![editor.command(Action::Unlock)])
    })
    .await?;
    Ok(Answer::ok(released.unwrap_or_default()))
}

fn duration(wire: &Wire) -> Result<Option<u32>, Failure> {
    match wire.number("lockDurationInSeconds")? {
        None => Ok(None),
        Some(number) => u32::try_from(number)
            .map(Some)
            .map_err(|_| Failure::invalid_parameter(format!("lockDurationInSeconds is {number}; it can be 1 to {LOCK_SECONDS_MAX}"))),
    }
}
