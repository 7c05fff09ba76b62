//! Taking what is sent to a bin: the public side of the [inspector](crate::inspector), with everything of the process at hand.

pub mod receive;

use countersign_core::config::AccountConfig;
use countersign_listener::Listener;

use crate::{
    App, connection,
    failure::Failure,
    inspector::{
        bin::Checks,
        checks::{self, Reach},
    },
};

/// A listener with these checks, which reaches authorization servers as the account does; `None` when there is nothing to check.
///
/// # Errors
/// 400 with the check that cannot be made.
pub fn listener(app: &App, checks: &Checks, account: &AccountConfig) -> Result<Option<Listener>, Failure> {
    let refused = |fault| Failure::invalid_parameter(format!("checks.token: the account's CAs cannot be used: {fault}"));
    let reach = match (&app.egress, &checks.token) {
        (Some(egress), Some(_)) => {
            Some(Reach { egress: egress.clone(), profile: connection::tls_profile(account, None).map_err(refused)? })
        }
        _ => None,
    };
    checks::listener(&app.clock, reach, checks, account)
}
