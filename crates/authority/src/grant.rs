//! What a token request is granted: scopes and audience. Values in, values out.

use url::Url;

use crate::{
    client::{Client, is_scope},
    form::Parameters,
    oauth_error::{ErrorCode, OAuthError},
};

/// Resources of one request (RFC 8707 §2). A token for more listeners than this helps nobody.
const RESOURCES_MAX: usize = 8;

/// The scopes to grant, separated by spaces; `None` when the client has none.
///
/// A request without `scope` gets all scopes of the client. A scope that is not the client's is refused and never silently
/// dropped (AS-6749-5).
pub(crate) fn scope(parameters: &Parameters, client: &Client) -> Result<Option<String>, OAuthError> {
    let refused = |reason: String| Err(OAuthError::new(ErrorCode::InvalidScope, reason));
    let Some(requested) = parameters.one("scope") else {
        let all: Vec<&str> = client.scopes.iter().map(String::as_str).collect();
        return Ok((!all.is_empty()).then(|| all.join(" ")));
    };
    let mut granted: Vec<&str> = Vec::new();
    for scope in requested.split(' ') {
        if !is_scope(scope) {
            return refused("scope is not a list of names separated by single spaces".into());
        }
        if !client.scopes.contains(scope) {
            return refused(format!("scope '{scope}' is not registered for the client"));
        }
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    Ok(Some(granted.join(" ")))
}

/// The audience to grant: `audience` and each `resource` (RFC 8707 §2), or the client's first audience, or `default`
/// (RFC 9068 §3).
pub(crate) fn audience(parameters: &Parameters, client: &Client, default: &str) -> Result<Vec<String>, OAuthError> {
    let refused = |reason: String| Err(OAuthError::new(ErrorCode::InvalidTarget, reason));
    let mut granted: Vec<String> = Vec::new();
    for resource in parameters.all("resource") {
        if resource.contains('#') || Url::parse(resource).is_err() {
            return refused(format!("resource '{resource}' is not an absolute URI without fragment"));
        }
        granted.push(resource.to_owned());
    }
    if granted.len() > RESOURCES_MAX {
        return refused(format!("more than {RESOURCES_MAX} resources"));
    }
    granted.extend(parameters.one("audience").map(str::to_owned));
    if let Some(foreign) = granted.iter().find(|wanted| !client.audiences.is_empty() && !client.audiences.contains(wanted)) {
        return refused(format!("'{foreign}' is not an audience of the client"));
    }
    granted.sort();
    granted.dedup();
    if granted.is_empty() {
        granted.push(client.audiences.first().cloned().unwrap_or_else(|| default.to_owned()));
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(body: &str) -> Parameters {
        Parameters::parse(body.as_bytes()).expect("a form")
    }

    #[test]
    fn scopes_are_granted_as_asked_or_refused() {
        let scoped = Client::with_secret_basic("a", "s").scopes(["read", "notify"]);
        let bare = Client::with_secret_basic("b", "s");
        type Row<'a> = (&'a str, &'a Client, &'a str, Result<Option<&'a str>, ErrorCode>);
        let rows: [Row<'_>; 8] = [
            ("none asked", &scoped, "", Ok(Some("notify read"))),
            ("one asked", &scoped, "scope=read", Ok(Some("read"))),
            ("both asked", &scoped, "scope=read+notify", Ok(Some("read notify"))),
            ("one asked twice", &scoped, "scope=read+read", Ok(Some("read"))),
            ("unknown", &scoped, "scope=read+write", Err(ErrorCode::InvalidScope)),
            ("two spaces", &scoped, "scope=read++notify", Err(ErrorCode::InvalidScope)),
            ("client without scopes", &bare, "", Ok(None)),
            ("client without scopes asks", &bare, "scope=read", Err(ErrorCode::InvalidScope)),
        ];
        for (row, client, body, expected) in rows {
            let granted = scope(&parameters(body), client).map_err(|error| error.code());
            assert_eq!(granted, expected.map(|scopes| scopes.map(str::to_owned)), "{row}");
        }
    }

    #[test]
    fn audiences_are_granted_as_asked_or_refused() {
        let bound = Client::with_secret_basic("a", "s").audiences(["https://one/", "https://two/"]);
        let free = Client::with_secret_basic("b", "s");
        type Row<'a> = (&'a str, &'a Client, &'a str, Result<&'a [&'a str], ErrorCode>);
        let rows: [Row<'_>; 11] = [
            ("none asked", &bound, "", Ok(&["https://one/"])),
            ("none asked, none registered", &free, "", Ok(&["http://as"])),
            ("audience", &bound, "audience=https://two/", Ok(&["https://two/"])),
            ("resource", &bound, "resource=https://two/", Ok(&["https://two/"])),
            ("both, the same", &bound, "resource=https://two/&audience=https://two/", Ok(&["https://two/"])),
            ("two resources", &bound, "resource=https://two/&resource=https://one/", Ok(&["https://one/", "https://two/"])),
            ("foreign audience", &bound, "audience=https://three/", Err(ErrorCode::InvalidTarget)),
            ("foreign resource", &bound, "resource=https://three/", Err(ErrorCode::InvalidTarget)),
            ("any audience", &free, "audience=anything", Ok(&["anything"])),
            ("relative resource", &free, "resource=anything", Err(ErrorCode::InvalidTarget)),
            ("resource with fragment", &free, "resource=https://one/%23f", Err(ErrorCode::InvalidTarget)),
        ];
        for (row, client, body, expected) in rows {
            let granted = audience(&parameters(body), client, "http://as").map_err(|error| error.code());
            assert_eq!(granted, expected.map(|list| list.iter().map(|text| (*text).to_owned()).collect()), "{row}");
        }
    }
}
