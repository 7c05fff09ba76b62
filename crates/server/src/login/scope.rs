//! Scopes of access tokens. What a token may do follows from the user, as at Docusign; scopes say what the application asked for.

use super::refusal::Refusal;

/// What can be granted (reference: 8.4, and the names that the SDKs' helpers send).
const GRANTABLE: [&str; 7] = ["signature", "impersonation", "extended", "cors", "openid", "profile", "email"];
/// Needed for a token that can call anything.
const NEEDED: &str = "signature";
/// The longest scope looked at, in bytes.
const SCOPE_BYTES_MAX: usize = 1_000;

/// The scope to grant: what was asked for, or `signature`.
///
/// # Errors
/// `consent_required` for a scope that no user can agree to here, `invalid_scope` without `signature`.
pub(super) fn granted(asked: Option<&str>) -> Result<String, Refusal> {
    let asked = asked.unwrap_or(NEEDED);
    if asked.len() > SCOPE_BYTES_MAX {
        return Err(Refusal::invalid_scope("the scope is too long"));
    }
    let mut scopes: Vec<&str> = Vec::new();
    for scope in asked.split_ascii_whitespace() {
        if !GRANTABLE.contains(&scope) {
            let shown: String = scope.chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(Refusal::consent_required(format!("the scope '{shown}' cannot be granted here")));
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    if !scopes.contains(&NEEDED) {
        return Err(Refusal::invalid_scope("the scope must contain 'signature'"));
    }
    Ok(scopes.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_granted_as_asked_or_refused_by_name() {
        for (asked, scope) in [
            (None, Some("signature")),
            (Some("signature impersonation"), Some("signature impersonation")),
            (Some(" impersonation  signature signature "), Some("impersonation signature")),
            (Some("impersonation"), None),
            (Some(""), None),
            (Some("signature organization_read"), None),
        ] {
            assert_eq!(granted(asked).ok().as_deref(), scope, "{asked:?}");
        }
    }
}
