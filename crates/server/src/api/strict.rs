//! Strict reading for `/api/v1`: unknown and repeated properties and parameters are refused, and so is anything that is not
//! of the type asked for; an array is no object (`objects`).

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::objects;
use crate::failure::{Failure, refused_body};

/// A JSON object as the body. The type says what it takes and should carry `#[serde(deny_unknown_fields)]`; an empty body reads as `{}`.
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await.map_err(refused_body)?;
        let text: &[u8] = if body.trim_ascii().is_empty() { b"{}" } else { &body };
        objects::object(text).map(Self).map_err(|e| Failure::invalid_body(e.to_string()))
    }
}

/// Query parameters.
#[derive(Debug)]
pub struct StrictQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Query(query) = Query::<T>::from_request_parts(parts, state).await.map_err(|e| Failure::invalid_parameter(e.body_text()))?;
        Ok(Self(query))
    }
}
