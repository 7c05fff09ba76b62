//! `userName` and `password`: Basic credentials of a configuration, or those that stand in its URL.

use countersign_core::auth::BasicCredentials;

use crate::{failure::Failure, restapi::wire::Wire};

/// Credentials from `userName`, `password` and the URL; a password that is not sent stays.
pub(super) fn read(
    wire: &Wire,
    userinfo: Option<BasicCredentials>,
    before: Option<&BasicCredentials>,
) -> Result<Option<BasicCredentials>, Failure> {
    let user = wire.text("userName")?;
    let password = wire.text("password")?.filter(|password| !password.is_empty());
    if let Some(credentials) = userinfo {
        // A user name may come back as it was shown; anything else beside the URL's own credentials is a contradiction.
        let other =
            user.is_some_and(|user| !user.is_empty() && user != credentials.user && before.is_none_or(|before| user != before.user));
        if password.is_some() || other {
            return Err(Failure::invalid_parameter("give user name and password in userName and password or in the URL, not in both"));
        }
        return Ok(Some(credentials));
    }
    let made = match (user, password, before) {
        (None, None, before) => return Ok(before.cloned()),
        (Some(user), None, _) if user.is_empty() => return Ok(None),
        (Some(user), None, Some(before)) if user == before.user => return Ok(Some(before.clone())),
        (Some(_), None, _) => return Err(Failure::invalid_parameter("userName needs a password")),
        (None, Some(password), Some(before)) => BasicCredentials::try_new(before.user.clone(), password),
        (Some(user), Some(password), _) if !user.is_empty() => BasicCredentials::try_new(user, password),
        (_, Some(_), _) => return Err(Failure::invalid_parameter("password needs a userName")),
    };
    made.map(Some).map_err(|fault| Failure::invalid_parameter(fault.to_string()))
}
