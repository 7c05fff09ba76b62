//! Which client is asking (RFC 6749 §2.3).
//!
//! A client may use only the method it is registered for, and only one per request (AS-6749-3, AS-6749-6). What is
//! malformed is 400 `invalid_request`; what is well-formed and wrong is 401 `invalid_client` (AS-6749-4).

use std::{collections::HashMap, sync::Arc};

use axum::http::{HeaderMap, header};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::{
    assertion::{self, ASSERTION_TYPE, SeenAssertions},
    client::{Authentication, Client},
    client_certificate::PeerCertificates,
    form::{self, Parameters},
    oauth_error::OAuthError,
};

/// Knows the clients and finds out which one sent a request.
#[derive(Debug)]
pub(crate) struct Authenticator {
    clients: HashMap<String, Arc<Client>>,
    /// What a client assertion may name as its audience.
    assertion_audiences: Vec<String>,
    seen: SeenAssertions,
}

/// What a request brings to prove who sent it.
enum Credentials<'a> {
    Basic {
        id: String,
        secret: String,
    },
    Post {
        id: &'a str,
        secret: &'a str,
    },
    Assertion(&'a str),
    /// Nothing in the request but the client's name; the connection may say the rest.
    Named(&'a str),
}

impl Authenticator {
    /// With these clients, by id.
    pub(crate) fn new(clients: HashMap<String, Arc<Client>>, assertion_audiences: Vec<String>) -> Self {
        Self { clients, assertion_audiences, seen: SeenAssertions::new() }
    }

    /// All clients.
    pub(crate) fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.values().map(AsRef::as_ref)
    }

    /// The client that sent this request over a connection with these certificates, if any.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        parameters: &Parameters,
        certificates: Option<&PeerCertificates>,
        now_s: u64,
    ) -> Result<Arc<Client>, OAuthError> {
        match credentials(headers, parameters)? {
            Credentials::Basic { id, secret } => {
                if parameters.one("client_id").is_some_and(|named| named != id) {
                    return Err(OAuthError::invalid_request("client_id differs from the Authorization header"));
                }
                self.by_secret(&id, &secret, "client_secret_basic")
            }
            Credentials::Post { id, secret } => self.by_secret(id, secret, "client_secret_post"),
            Credentials::Assertion(assertion) => {
                let client_id = parameters.one("client_id");
                assertion::verify(assertion, client_id, &self.clients, &self.assertion_audiences, &self.seen, now_s)
            }
            Credentials::Named(id) => self.by_certificate(id, certificates, now_s),
        }
    }

    /// RFC 8705 §2: the client is named in the request and proved by its connection.
    fn by_certificate(&self, id: &str, certificates: Option<&PeerCertificates>, now_s: u64) -> Result<Arc<Client>, OAuthError> {
        let nothing = || OAuthError::invalid_client("the request brings no client authentication");
        let client = self.clients.get(id).ok_or_else(nothing)?;
        let accepts: &dyn Fn(&PeerCertificates) -> bool = match &client.authentication {
            Authentication::TlsPki(accepted) => &|shown| accepted.accepts(shown, now_s),
            Authentication::TlsSelfSigned(accepted) => &|shown| accepted.accepts(shown),
            _ => return Err(nothing()),
        };
        match certificates {
            Some(shown) if accepts(shown) => Ok(Arc::clone(client)),
            Some(_) => Err(OAuthError::invalid_client("the certificate of the connection is not the client's")),
            None => Err(OAuthError::invalid_client("the connection brings no client certificate")),
        }
    }

    fn by_secret(&self, id: &str, presented: &str, method: &'static str) -> Result<Arc<Client>, OAuthError> {
        let failed = || OAuthError::invalid_client("client authentication failed; check the client id and the secret");
        let client = self.clients.get(id).ok_or_else(failed)?;
        match &client.authentication {
            Authentication::SecretBasic(secret) | Authentication::SecretPost(secret) if secret.matches(presented) => {
                if client.authentication.name() == method {
                    return Ok(Arc::clone(client));
                }
                // Said only to who knows the secret.
                let registered = client.authentication.name();
                Err(OAuthError::invalid_client(format!("the client is registered for {registered}, not for {method}")))
            }
            _ => Err(failed()),
        }
    }
}

fn credentials<'a>(headers: &HeaderMap, parameters: &'a Parameters) -> Result<Credentials<'a>, OAuthError> {
    let basic = basic(headers)?;
    let secret = parameters.one("client_secret");
    let assertion = parameters.one("client_assertion");
    let assertion_type = parameters.one("client_assertion_type");
    match (basic, secret, assertion, assertion_type) {
        (Some((id, secret)), None, None, None) => Ok(Credentials::Basic { id, secret }),
        (None, Some(secret), None, None) => match parameters.one("client_id") {
            Some(id) => Ok(Credentials::Post { id, secret }),
            None => Err(OAuthError::invalid_request("client_secret without client_id")),
        },
        (None, None, Some(assertion), Some(ASSERTION_TYPE)) => Ok(Credentials::Assertion(assertion)),
        (None, None, Some(_), Some(_)) => Err(OAuthError::invalid_request(format!("client_assertion_type is not {ASSERTION_TYPE}"))),
        (None, None, Some(_), None) => Err(OAuthError::invalid_request("client_assertion without client_assertion_type")),
        (None, None, None, Some(_)) => Err(OAuthError::invalid_request("client_assertion_type without client_assertion")),
        (None, None, None, None) => match parameters.one("client_id") {
            Some(id) => Ok(Credentials::Named(id)),
            None => Err(OAuthError::invalid_client("the request brings no client authentication")),
        },
        _ => Err(OAuthError::invalid_request("the request brings more than one client authentication")),
    }
}

/// Id and secret of an `Authorization: Basic` header, each form-urlencoded before it was joined (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(OAuthError::invalid_request("more than one Authorization header"));
    }
    let unreadable = || OAuthError::invalid_request("the Authorization header is not Basic with id and secret in Base64");
    let (scheme, encoded) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unreadable)?;
    // RFC 9110 §11.1: the name of a scheme is compared without case.
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(OAuthError::invalid_client("the Authorization header is not of the scheme Basic"));
    }
    let joined = BASE64_STANDARD.decode(encoded.trim_matches(' ')).map_err(|_| unreadable())?;
    let colon = joined.iter().position(|byte| *byte == b':').ok_or_else(unreadable)?;
    let component = |raw: &[u8]| {
        form::looks_encoded(raw).then(|| form::decode(raw).ok()).flatten().ok_or_else(|| {
            OAuthError::invalid_request("client id and secret must be form-urlencoded before they are joined (RFC 6749 section 2.3.1)")
        })
    };
    Ok(Some((component(&joined[..colon])?, component(&joined[colon + 1..])?)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::oauth_error::ErrorCode;

    fn authenticate(clients: Vec<Client>, authorization: &[&str], body: &str) -> Result<String, ErrorCode> {
        let clients = clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect();
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header value"));
        }
        let parameters = Parameters::parse(body.as_bytes()).expect("a form");
        let authenticator = Authenticator::new(clients, vec!["http://as".into()]);
        authenticator.authenticate(&headers, &parameters, None, 0).map(|client| client.id.clone()).map_err(|error| error.code())
    }

    fn basic_header(id: &str, secret: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let clients = || vec![Client::with_secret_basic("a:b", "p+q %/ü=&"), Client::with_secret_basic("plain", "s3cret")];
        let rows: [(&str, String, Result<&str, ErrorCode>); 10] = [
            ("plain", basic_header("plain", "s3cret"), Ok("plain")),
            ("encoded", basic_header("a%3Ab", "p%2Bq+%25%2F%C3%BC%3D%26"), Ok("a:b")),
            ("encoded in lower case", basic_header("a%3ab", "p%2bq%20%25%2f%c3%bc%3d%26"), Ok("a:b")),
            ("raw", basic_header("a%3Ab", "p+q %/ü=&"), Err(ErrorCode::InvalidRequest)),
            ("wrong secret", basic_header("plain", "other"), Err(ErrorCode::InvalidClient)),
            ("unknown client", basic_header("nobody", "s3cret"), Err(ErrorCode::InvalidClient)),
            ("no colon", format!("Basic {}", BASE64_STANDARD.encode("plain")), Err(ErrorCode::InvalidRequest)),
            ("not Base64", "Basic !!".into(), Err(ErrorCode::InvalidRequest)),
            ("scheme in other case", basic_header("plain", "s3cret").replace("Basic", "bAsIc"), Ok("plain")),
            ("another scheme", "Bearer abc".into(), Err(ErrorCode::InvalidClient)),
        ];
        for (row, header, expected) in rows {
            assert_eq!(authenticate(clients(), &[&header], ""), expected.map(str::to_owned), "{row}");
        }
    }

    #[test]
    fn one_request_brings_one_authentication() {
        let clients = || vec![Client::with_secret_basic("a", "s"), Client::with_secret_post("p", "s")];
        let basic = basic_header("a", "s");
        let jwt_bearer = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        type Row<'a> = (&'a str, Vec<&'a str>, String, Result<&'a str, ErrorCode>);
        let rows: [Row<'_>; 11] = [
            ("basic and its own id", vec![&basic], "client_id=a".into(), Ok("a")),
            ("basic and another id", vec![&basic], "client_id=p".into(), Err(ErrorCode::InvalidRequest)),
            ("basic and secret", vec![&basic], "client_id=a&client_secret=s".into(), Err(ErrorCode::InvalidRequest)),
            ("basic and assertion", vec![&basic], format!("{jwt_bearer}&client_assertion=x"), Err(ErrorCode::InvalidRequest)),
            ("two headers", vec![&basic, &basic], String::new(), Err(ErrorCode::InvalidRequest)),
            ("secret and assertion", vec![], format!("{jwt_bearer}&client_assertion=x&client_id=p&client_secret=s"), {
                Err(ErrorCode::InvalidRequest)
            }),
            ("post", vec![], "client_id=p&client_secret=s".into(), Ok("p")),
            ("secret without id", vec![], "client_secret=s".into(), Err(ErrorCode::InvalidRequest)),
            ("nothing", vec![], String::new(), Err(ErrorCode::InvalidClient)),
            ("assertion without its type", vec![], "client_assertion=x".into(), Err(ErrorCode::InvalidRequest)),
            ("type without assertion", vec![], jwt_bearer.into(), Err(ErrorCode::InvalidRequest)),
        ];
        for (row, headers, body, expected) in rows {
            assert_eq!(authenticate(clients(), &headers, &body), expected.map(str::to_owned), "{row}");
        }
    }

    #[test]
    fn a_client_uses_only_the_method_it_is_registered_for() {
        let clients = || vec![Client::with_secret_basic("a", "s"), Client::with_secret_post("p", "s")];
        assert_eq!(authenticate(clients(), &[], "client_id=a&client_secret=s"), Err(ErrorCode::InvalidClient));
        assert_eq!(authenticate(clients(), &[&basic_header("p", "s")], ""), Err(ErrorCode::InvalidClient));
    }
}
