//! The token request of the client credentials grant (RFC 6749 §4.4.2), as headers and a form.

use http::{HeaderName, HeaderValue, header};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{
    basic::basic_header,
    client_authentication::ClientAuthentication,
    connection::{BasicEncoding, ConnectionFault, OAuthConnection},
};
use crate::secret::Secret;

/// RFC 7523 §2.2.
const ASSERTION_KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A POST to the token URL.
#[derive(Debug)]
pub struct TokenRequest {
    /// `Content-Type`, `Accept` and, for Basic, `Authorization` (marked sensitive).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The form; may hold the client secret.
    pub body: Secret,
}

/// The request for a connection. `assertion` is the signed assertion for `private_key_jwt` and not looked at otherwise.
///
/// Each parameter stands once, an empty one is left out, and the request authenticates in exactly one way
/// (RFC 6749 §2.3, §3.2).
///
/// # Errors
/// [`ConnectionFault`] when the connection cannot be used, and [`ConnectionFault::NoPrivateKey`] without the assertion that
/// it needs.
pub fn token_request(connection: &OAuthConnection, assertion: Option<&Secret>) -> Result<TokenRequest, ConnectionFault> {
    connection.check()?;
    let mut headers = vec![
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
    ];
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(256));
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = connection.asked_scope() {
        form.append_pair("scope", scope);
    }
    for (name, value) in connection.custom_parameters.sent() {
        form.append_pair(name, value);
    }
    match connection.effective_authentication()? {
        ClientAuthentication::Basic => headers.push((header::AUTHORIZATION, client_basic(connection))),
        ClientAuthentication::Body => {
            form.append_pair("client_id", &connection.client_id);
            form.append_pair("client_secret", connection.client_secret.expose_secret());
        }
        ClientAuthentication::PrivateKeyJwt(_) => {
            let assertion = assertion.ok_or(ConnectionFault::NoPrivateKey)?;
            // Not needed by RFC 7521 §4.2, but some servers look the client up by it before they read the assertion.
            form.append_pair("client_id", &connection.client_id);
            form.append_pair("client_assertion_type", ASSERTION_KIND);
            form.append_pair("client_assertion", assertion.expose_secret());
        }
        ClientAuthentication::MutualTls => {
            form.append_pair("client_id", &connection.client_id);
        }
    }
    Ok(TokenRequest { headers, body: Secret::new(form.finish()) })
}

/// RFC 6749 §2.3.1: id and secret are form-encoded first, then joined and put into Base64.
fn client_basic(connection: &OAuthConnection) -> HeaderValue {
    let secret = connection.client_secret.expose_secret();
    match connection.basic_encoding {
        BasicEncoding::Raw => basic_header(&connection.client_id, secret),
        BasicEncoding::FormEncoded => {
            let encode = |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
            basic_header(&encode(&connection.client_id), &encode(secret))
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use proptest::prelude::*;

    use super::*;
    use crate::auth::{
        client_authentication::{AssertionKey, AssertionType},
        custom_parameters::CustomParameters,
    };

    fn authorization(request: &TokenRequest) -> Option<String> {
        let (_, value) = request.headers.iter().find(|(name, _)| name == header::AUTHORIZATION)?;
        let text = value.to_str().expect("ASCII").strip_prefix("Basic ").expect("Basic").to_owned();
        Some(String::from_utf8(STANDARD.decode(text).expect("Base64")).expect("UTF-8"))
    }

    #[test]
    fn basic_is_form_encoded_unless_told_otherwise() {
        for (id, secret, encoded, raw) in [
            ("client", "secret", "client:secret", "client:secret"),
            ("a b", "c+d/e=f&g%h", "a+b:c%2Bd%2Fe%3Df%26g%25h", "a b:c+d/e=f&g%h"),
            ("u\u{e9}", "p:w", "u%C3%A9:p%3Aw", "u\u{e9}:p:w"),
        ] {
            let mut connection = OAuthConnection::new("https://id.example/token", id, secret);
            let request = token_request(&connection, None).expect("fine");
            assert_eq!(authorization(&request).as_deref(), Some(encoded));
            assert_eq!(request.body.expose_secret(), "grant_type=client_credentials");
            connection.basic_encoding = BasicEncoding::Raw;
            assert_eq!(authorization(&token_request(&connection, None).expect("fine")).as_deref(), Some(raw));
        }
        let mut colon = OAuthConnection::new("https://id.example/token", "a:b", "c");
        assert_eq!(authorization(&token_request(&colon, None).expect("fine")).as_deref(), Some("a%3Ab:c"));
        colon.basic_encoding = BasicEncoding::Raw;
        assert_eq!(token_request(&colon, None).err(), Some(ConnectionFault::ColonInRawClientId));
    }

    #[test]
    fn each_kind_authenticates_once_and_in_its_own_way() {
        let key = AssertionKey { private_key: Secret::new("PEM"), key_id: None, audience: None, assertion_type: AssertionType::default() };
        for (kind, basic, form) in [
            (ClientAuthentication::Basic, true, "grant_type=client_credentials&scope=a+b&audience=x"),
            (ClientAuthentication::Body, false, "grant_type=client_credentials&scope=a+b&audience=x&client_id=c%26d&client_secret=s%3D"),
            (
                ClientAuthentication::PrivateKeyJwt(key),
                false,
                "grant_type=client_credentials&scope=a+b&audience=x&client_id=c%26d&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=h.p.s",
            ),
            (ClientAuthentication::MutualTls, false, "grant_type=client_credentials&scope=a+b&audience=x&client_id=c%26d"),
        ] {
            let mut connection = OAuthConnection::new("https://id.example/token", "c&d", "s=");
            connection.scope = Some("a b".to_owned());
            connection.custom_parameters = CustomParameters::new([("audience", "x"), ("empty", "")]);
            connection.client_authentication = kind;
            let request = token_request(&connection, Some(&Secret::new("h.p.s"))).expect("fine");
            assert_eq!(request.body.expose_secret(), form);
            assert_eq!(authorization(&request).is_some(), basic, "{form}");
        }
    }

    #[test]
    fn the_choice_of_authentication_is_consumed() {
        let mut connection = OAuthConnection::new("https://id.example/token", "c", "s");
        connection.custom_parameters = CustomParameters::new([("token_endpoint_auth_method", "client_secret_post"), ("audience", "x")]);
        let request = token_request(&connection, None).expect("fine");
        assert_eq!(request.body.expose_secret(), "grant_type=client_credentials&audience=x&client_id=c&client_secret=s");
        assert_eq!(authorization(&request), None);
    }

    #[test]
    fn an_assertion_is_not_forgotten() {
        let mut connection = OAuthConnection::new("https://id.example/token", "c", "");
        connection.client_authentication = ClientAuthentication::PrivateKeyJwt(AssertionKey {
            private_key: Secret::new("PEM"),
            key_id: None,
            audience: None,
            assertion_type: AssertionType::default(),
        });
        assert_eq!(token_request(&connection, None).err(), Some(ConnectionFault::NoPrivateKey));
    }

    proptest! {
        #[test]
        fn whatever_the_values_the_form_parses_to_what_was_meant(
            id in "\\PC{1,20}", secret in "\\PC{1,20}", value in "\\PC{1,20}", name in "[a-z&=%+ ]{1,10}"
        ) {
            let mut connection = OAuthConnection::new("https://id.example/token", id.clone(), secret.clone());
            connection.client_authentication = ClientAuthentication::Body;
            connection.custom_parameters = CustomParameters::new([(name.clone(), value.clone())]);
            prop_assume!(connection.check().is_ok());
            prop_assume!(name != "token_endpoint_auth_method");
            let request = token_request(&connection, None).expect("checked");
            let parsed: Vec<(String, String)> = form_urlencoded::parse(request.body.expose_secret().as_bytes()).into_owned().collect();
            let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
            prop_assert_eq!(parsed, vec![
                pair("grant_type", "client_credentials"), pair(&name, &value), pair("client_id", &id), pair("client_secret", &secret),
            ]);
        }
    }
}
