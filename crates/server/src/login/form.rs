//! The form of a token request: each parameter at most once, an empty one counts as absent (RFC 6749 §3.2).

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use countersign_core::secret::Secret;
use http::header;

use super::refusal::Refusal;
use crate::failure::refused_body;

/// Parameters of one request; enough for every grant, and bounded for the sake of the map.
const PARAMETERS_MAX: usize = 32;

/// A form as it came in. Values are secrets: assertions, codes, client secrets.
#[derive(Debug, Default)]
pub(crate) struct Form(BTreeMap<String, Secret>);

impl Form {
    /// Reads `name=value` pairs.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut form = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            if form.len() == PARAMETERS_MAX {
                return Err(Refusal::invalid_request("the form has too many parameters"));
            }
            if form.insert(name.clone().into_owned(), Secret::new(value)).is_some() {
                let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
                return Err(Refusal::invalid_request(format!("the parameter '{name}' is given twice")));
            }
        }
        Ok(Self(form))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Secret::expose_secret).filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::invalid_request(format!("the parameter '{name}' is missing")))
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::invalid_request("the body must be a form: send Content-Type: application/x-www-form-urlencoded"));
        }
        let body = Bytes::from_request(request, state).await.map_err(refused_body)?;
        Self::parse(&body)
    }
}
