//! Reading JSON as tolerantly as the SDKs need (reference: 9): property names without case, real booleans and numbers
//! beside their text forms, `{}` where there is no body; and writing every scalar as text.

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::failure::{Failure, refused_body};

/// A JSON object as it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wire(Map<String, Value>);

impl Wire {
    /// Of an object; anything else is refused.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_BODY`.
    pub fn of(value: Value) -> Result<Self, Failure> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            Value::Null => Ok(Self::default()),
            other => Err(Failure::invalid_body(format!("a JSON object is needed, not {}", kind_of(&other)))),
        }
    }

    /// The property, its name compared without case; JSON null counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.get(name).or_else(|| self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value));
        found.filter(|value| !value.is_null())
    }

    /// Takes the property out; what is left in the end is what the server does not know.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let key =
            if self.0.contains_key(name) { name.to_owned() } else { self.0.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone() };
        self.0.shift_remove(&key).filter(|value| !value.is_null())
    }

    /// True when the property is there and not null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A scalar as text: text itself, `true`/`false`, or the number's digits.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for an object or an array.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        self.get(name).map(|value| scalar(name, value)).transpose()
    }

    /// A switch: `"true"`, `"false"` (without case), or a real boolean.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything else.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.is_empty() => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(Failure::invalid_parameter(format!("{name} is '{text}'; it can be true or false"))),
        }
    }

    /// A whole number, as text or as a number.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything else.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.trim().is_empty() => Ok(None),
            Some(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_| Failure::invalid_parameter(format!("{name} is '{text}'; it must be a whole number"))),
        }
    }

    /// An object.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything else.
    pub fn object(&self, name: &str) -> Result<Option<Self>, Failure> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map.clone()))),
            Some(other) => Err(Failure::invalid_parameter(format!("{name} must be an object, not {}", kind_of(other)))),
        }
    }

    /// A list of anything; empty when absent.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` when it is not a list.
    pub fn list(&self, name: &str) -> Result<Vec<Value>, Failure> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items.clone()),
            Some(other) => Err(Failure::invalid_parameter(format!("{name} must be a list, not {}", kind_of(other)))),
        }
    }

    /// A list of objects; empty when absent.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` when it is not a list of objects.
    pub fn objects(&self, name: &str) -> Result<Vec<Self>, Failure> {
        self.list(name)?
            .into_iter()
            .map(|item| match item {
                Value::Object(map) => Ok(Self(map)),
                other => Err(Failure::invalid_parameter(format!("{name} must hold objects, not {}", kind_of(&other)))),
            })
            .collect()
    }

    /// A list of texts; a single text counts as a comma-separated list. Empty when absent.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` when it holds anything but scalars.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Failure> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()),
            _ => self.list(name)?.iter().map(|item| scalar(name, item)).collect(),
        }
    }

    /// Takes a scalar out as text.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for an object or an array.
    pub fn take_text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => scalar(name, &value).map(Some),
        }
    }

    /// Takes a switch out.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything but true and false.
    pub fn take_flag(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        let flag = self.flag(name)?;
        self.take(name);
        Ok(flag)
    }

    /// Takes a whole number out.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything else.
    pub fn take_number(&mut self, name: &str) -> Result<Option<i64>, Failure> {
        let number = self.number(name)?;
        self.take(name);
        Ok(number)
    }

    /// Takes an object out.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` for anything else.
    pub fn take_object(&mut self, name: &str) -> Result<Option<Self>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self(map))),
            Some(other) => Err(Failure::invalid_parameter(format!("{name} must be an object, not {}", kind_of(&other)))),
        }
    }

    /// Takes a list of objects out without copying what may be large; `None` when absent.
    ///
    /// # Errors
    /// 400 `INVALID_REQUEST_PARAMETER` when it is not a list of objects.
    pub fn take_objects(&mut self, name: &str) -> Result<Option<Vec<Self>>, Failure> {
        let items = match self.take(name) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(Failure::invalid_parameter(format!("{name} must be a list, not {}", kind_of(&other)))),
        };
        let read = |item| match item {
            Value::Object(map) => Ok(Self(map)),
            other => Err(Failure::invalid_parameter(format!("{name} must hold objects, not {}", kind_of(&other)))),
        };
        items.into_iter().map(read).collect::<Result<_, _>>().map(Some)
    }

    /// What is left.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    /// What is there.
    #[must_use]
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

fn scalar(name: &str, value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Failure::invalid_parameter(format!("{name} must be text, not {}", kind_of(other)))),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// `"true"` or `"false"`: how every switch stands on the wire.
#[must_use]
pub fn flag_text(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

impl<S: Send + Sync> FromRequest<S> for Wire {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let body = Bytes::from_request(request, state).await.map_err(refused_body)?;
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let value: Value = serde_json::from_slice(&body).map_err(|e| Failure::invalid_body(format!("the body is not JSON: {e}")))?;
        Self::of(value)
    }
}

/// An answer of JSON with a status.
#[derive(Debug)]
pub struct Answer(pub StatusCode, pub Value);

impl Answer {
    /// 200.
    #[must_use]
    pub fn ok(value: Value) -> Self {
        Self(StatusCode::OK, value)
    }

    /// 201, where Docusign answers so (reference: 9, quirk 4).
    #[must_use]
    pub fn created(value: Value) -> Self {
        Self(StatusCode::CREATED, value)
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.0, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], self.1.to_string()).into_response()
    }
}
