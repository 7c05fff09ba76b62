//! What every envelope endpoint reads of its request: the ids in the path, the query, and who does it under which lock.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::extract::{FromRequestParts, Path};
use countersign_core::{
    envelope::{Action, Actor, Command, Source},
    id::EnvelopeId,
};
use http::{HeaderMap, request::Parts};
use uuid::Uuid;

use crate::{
    App,
    access::{Caller, Writes},
    envelopes,
    failure::Failure,
    origin::Origin,
    restapi::wire::Wire,
};

/// The longest query, in bytes.
const QUERY_BYTES_MAX: usize = 64 << 10;

/// The parts of the path.
#[derive(Debug)]
pub(in crate::restapi) struct Target(HashMap<String, String>);

impl Target {
    /// The envelope.
    ///
    /// # Errors
    /// 400 when it is no GUID.
    pub(in crate::restapi) fn envelope(&self) -> Result<EnvelopeId, Failure> {
        let text = self.part("envelope_id");
        text.parse().map_err(|_| Failure::invalid_parameter(format!("envelopeId is '{}'; it must be a GUID", cut(text))))
    }

    /// One part by its name in the route.
    pub(in crate::restapi) fn part(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// So much of a text as an error repeats.
pub(in crate::restapi) fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

impl FromRequestParts<Arc<App>> for Target {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let Path(path) =
            Path::from_request_parts(parts, app).await.map_err(|_| Failure::invalid_parameter("the path is not valid UTF-8"))?;
        Ok(Self(path))
    }
}

/// The query: names without case; a repeated one counts as a comma-separated list, as the Node SDK writes arrays.
#[derive(Clone, Debug, Default)]
pub(in crate::restapi) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Of a query as it stands in the address.
    ///
    /// # Errors
    /// 400 when it is longer than any client needs.
    pub(in crate::restapi) fn read(query: &str) -> Result<Self, Failure> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(Failure::invalid_parameter(format!("the query is longer than {QUERY_BYTES_MAX} bytes; send many ids in the body")));
        }
        let mut read: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let values = read.entry(name.to_ascii_lowercase()).or_default();
            if !values.is_empty() && !value.is_empty() {
                values.push(',');
            }
            values.push_str(&value);
        }
        Ok(Self(read))
    }

    /// A value; an empty one counts as absent.
    pub(in crate::restapi) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// A switch; absent is false.
    ///
    /// # Errors
    /// 400 for anything but true and false.
    pub(in crate::restapi) fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Failure::invalid_parameter(format!("{name} is '{}'; it can be true or false", cut(text)))),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(in crate::restapi) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let read = |text: &str| {
            text.parse().map_err(|_| Failure::invalid_parameter(format!("{name} is '{}'; it must be a whole number", cut(text))))
        };
        self.text(name).map(read).transpose()
    }

    /// A comma-separated list.
    pub(in crate::restapi) fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|part| !part.is_empty()).collect()
    }

    /// The names that were given.
    pub(in crate::restapi) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The same with one value replaced, as text for an address.
    pub(in crate::restapi) fn with(&self, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, before) in self.0.iter().filter(|(key, _)| *key != name) {
            query.append_pair(key, before);
        }
        query.append_pair(name, value).finish()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        Self::read(parts.uri.query().unwrap_or_default())
    }
}

/// A caller who changes something, and the lock they say to hold.
#[derive(Debug)]
pub(in crate::restapi) struct Editor {
    /// Who.
    pub(in crate::restapi) caller: Caller<Writes>,
    /// For the audit trail.
    pub(in crate::restapi) by: Actor,
    /// From where.
    pub(in crate::restapi) origin: Origin,
    lock_token: Option<Uuid>,
}

impl Editor {
    /// An action of theirs.
    pub(in crate::restapi) fn command(&self, action: Action) -> Command {
        Command { action, by: self.by.clone(), lock_token: self.lock_token }
    }
}

impl FromRequestParts<Arc<App>> for Editor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Failure> {
        let caller = Caller::<Writes>::from_request_parts(parts, app).await?;
        let origin = match Origin::from_request_parts(parts, app).await {
            Ok(origin) => origin,
            Err(never) => match never {},
        };
        let lock_token = lock_token(&parts.headers)?;
        let by = envelopes::actor(app, caller.account_id(), caller.user, Source::Api, origin.clone()).await?;
        Ok(Self { caller, by, origin, lock_token })
    }
}

/// `X-DocuSign-Edit: {"LockToken": "...", ...}`, or the same as XML (Connect: locks).
fn lock_token(headers: &HeaderMap) -> Result<Option<Uuid>, Failure> {
    let Some(value) = headers.get("x-docusign-edit") else { return Ok(None) };
    let refused = || Failure::invalid_parameter("X-DocuSign-Edit must hold {\"LockToken\": \"<GUID>\"}");
    let text = value.to_str().map_err(|_| refused())?.trim();
    let token = match text.strip_prefix('<') {
        Some(_) => text.split_once("<LockToken>").and_then(|(_, rest)| rest.split_once("</LockToken>")).map(|(token, _)| token.to_owned()),
        None => Wire::of(serde_json::from_str(text).map_err(|_| refused())?)?.text("lockToken")?,
    };
    token.ok_or_else(refused)?.trim().parse().map(Some).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_lock_token_is_read_as_json_and_as_xml() {
        let id = Uuid::from_u128(7);
        for (text, expected) in [
            (format!("{{\"LockToken\":\"{id}\",\"LockDurationInSeconds\":\"600\"}}"), Some(Some(id))),
            (format!("{{\"lockToken\": \"{id}\"}}"), Some(Some(id))),
            (format!("<DocuSignEdit><LockToken>{id}</LockToken></DocuSignEdit>"), Some(Some(id))),
            ("{}".to_owned(), None),
            (id.to_string(), None),
            ("{\"LockToken\": \"7\"}".to_owned(), None),
        ] {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("x-docusign-edit"), HeaderValue::from_str(&text).expect("ASCII"))]);
            assert_eq!(lock_token(&headers).ok(), expected, "{text}");
        }
        assert_eq!(lock_token(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn a_query_is_read_without_case_and_repeats_are_lists() {
        let query = Parameters::read("Status=sent&status=completed&from_date=2025-11-01T00%3A00%3A00%2B00%3A00&empty=").expect("short");
        assert_eq!(query.list("status"), ["sent", "completed"]);
        assert_eq!(query.text("from_date"), Some("2025-11-01T00:00:00+00:00"));
        assert_eq!(query.text("empty"), None);
        assert_eq!(Parameters::read(&query.with("status", "any")).expect("short").text("status"), Some("any"));
    }
}
