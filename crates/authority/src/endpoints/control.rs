//! Faults, key rotation and counters over HTTP, for tests in other languages. Served only when the settings say so.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State as FromState},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

use crate::{
    answer,
    fault::{ActiveFault, Fault, FaultError},
    key::KeyError,
    state::State,
};

/// `GET /control/faults`: the faults that are on, and the names of all.
pub(crate) async fn faults(FromState(state): FromState<Arc<State>>) -> Response {
    shown(&state)
}

/// `PUT /control/faults/{fault}`, the fault written `[endpoint:]fault[*times]`.
pub(crate) async fn switch_on(FromState(state): FromState<Arc<State>>, Path(fault): Path<String>) -> Response {
    match state.faults.switch_on_by_name(&fault) {
        Ok(()) => shown(&state),
        Err(error) => refused(&error),
    }
}

/// `DELETE /control/faults/{fault}`.
pub(crate) async fn switch_off(FromState(state): FromState<Arc<State>>, Path(fault): Path<String>) -> Response {
    match fault.parse::<ActiveFault>() {
        Ok(fault) => {
            state.faults.off(fault.endpoint, fault.fault);
            shown(&state)
        }
        Err(error) => refused(&error),
    }
}

/// `DELETE /control/faults`.
pub(crate) async fn clear(FromState(state): FromState<Arc<State>>) -> Response {
    state.faults.clear();
    shown(&state)
}

/// `PUT /control/delay/{milliseconds}`: how long [`Fault::Slow`] waits from now on, ten minutes at most.
pub(crate) async fn set_delay(FromState(state): FromState<Arc<State>>, Path(milliseconds): Path<u64>) -> Response {
    state.faults.set_delay(Duration::from_millis(milliseconds));
    shown(&state)
}

/// `POST /control/keys/rotate`: a new key signs, the older ones stay published.
pub(crate) async fn rotate_keys(FromState(state): FromState<Arc<State>>) -> Response {
    signing(state.keys.rotate())
}

/// `POST /control/keys/retire`: only the signing key stays published.
pub(crate) async fn retire_older_keys(FromState(state): FromState<Arc<State>>) -> Response {
    state.keys.retire_older();
    answer::private_json(StatusCode::OK, &json!({ "published": state.keys.published().len() }))
}

/// `GET /control/stats`.
pub(crate) async fn stats(FromState(state): FromState<Arc<State>>) -> Response {
    answer::private_json(StatusCode::OK, &state.counters.read())
}

fn shown(state: &State) -> Response {
    let known: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    answer::private_json(
        StatusCode::OK,
        &json!({ "on": state.faults.active(), "known": known, "delay_ms": state.faults.delay().as_millis() as u64 }),
    )
}

fn refused(error: &FaultError) -> Response {
    answer::private_json(StatusCode::NOT_FOUND, &json!({ "error": error.to_string() }))
}

fn signing(rotated: Result<String, KeyError>) -> Response {
    match rotated {
        Ok(kid) => answer::private_json(StatusCode::OK, &json!({ "kid": kid })),
        Err(error) => answer::private_json(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "error": error.to_string() })),
    }
}
