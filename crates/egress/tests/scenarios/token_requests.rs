//! How we ask: one authentication at a time, each in its own way.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{
    Secret,
    address::TargetPolicy,
    auth::{AssertionKey, AssertionType, BasicEncoding, ClientAuthentication, CustomParameters, OAuthConnection},
};
use countersign_egress::{BoundConnection, ClientIdentity, Egress, FailureCause, Roots, TlsFailure, TlsProfile, TokenFailureCause};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use url::form_urlencoded;

use crate::{
    authorization_server::{AuthorizationServer, Source, bind, token_answer},
    server::{Authority, FixedResolver, Seen, Server, der, patient},
};

fn form(seen: &Seen) -> Vec<(String, String)> {
    form_urlencoded::parse(&seen.body).into_owned().collect()
}

fn value(seen: &Seen, name: &str) -> Option<String> {
    let mut values = form(seen).into_iter().filter(|(key, _)| key == name).map(|(_, value)| value);
    let first = values.next();
    assert_eq!(values.next(), None, "{name} is there twice");
    first
}

fn decoded(part: &str) -> String {
    form_urlencoded::parse(format!("x={part}").as_bytes()).next().unwrap().1.into_owned()
}

#[tokio::test]
async fn the_grant_is_client_credentials_in_a_form() {
    let authority = AuthorizationServer::start().await;
    let mut connection = authority.connection();
    connection.scope = Some("read write".to_owned());
    connection.custom_parameters =
        CustomParameters::new([("audience", "https://api.example/?a=b&c"), ("resource", "urn:x"), ("unset", "")]);
    Source::new().header(&bind(connection)).await;
    let seen = &authority.server.seen()[0];
    assert_eq!(seen.head.lines().next(), Some("POST /token HTTP/1.1"));
    assert_eq!(seen.header("Content-Type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(seen.header("Accept"), ["application/json"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        form(seen),
        [
            pair("grant_type", "client_credentials"),
            pair("scope", "read write"),
            pair("audience", "https://api.example/?a=b&c"),
            pair("resource", "urn:x")
        ]
    );
}

#[tokio::test]
async fn special_characters_in_id_and_secret_arrive_as_they_are() {
    let authority = AuthorizationServer::start().await;
    let source = Source::new();
    for (id, secret) in [("plain", "secret"), ("a:b", "c:d"), ("a b+c", "100% &=?/#"), ("\u{fc}ser", "\u{1f511}"), ("%41", "+%2B")] {
        for kind in [ClientAuthentication::Basic, ClientAuthentication::Body] {
            let mut connection = OAuthConnection::new(authority.server.url("/token"), id, secret);
            connection.client_authentication = kind;
            source.header(&bind(connection.clone())).await;
            let seen = authority.server.seen().pop().unwrap();
            let received = match (seen.header("Authorization").first(), value(&seen, "client_id")) {
                (Some(basic), None) => {
                    let pair = STANDARD.decode(basic.strip_prefix("Basic ").unwrap()).unwrap();
                    let pair = String::from_utf8(pair).unwrap();
                    let (id, secret) = pair.split_once(':').unwrap();
                    (decoded(id), decoded(secret))
                }
                (None, Some(id)) => (id, value(&seen, "client_secret").unwrap()),
                other => panic!("{id} authenticates as {other:?}"),
            };
            assert_eq!(received, (id.to_owned(), secret.to_owned()), "{}", connection.client_authentication.name());
        }
    }
    let mut raw = OAuthConnection::new(authority.server.url("/token"), "id", "p+s%");
    raw.basic_encoding = BasicEncoding::Raw;
    source.header(&bind(raw)).await;
    assert_eq!(authority.server.seen().pop().unwrap().header("Authorization"), [format!("Basic {}", STANDARD.encode("id:p+s%"))]);
}

#[tokio::test]
async fn assertions_are_signed_for_one_audience_and_never_used_twice() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    // A clock in the future, so that the assertions are still good for the verifier below.
    let authority =
        AuthorizationServer::with(usize::MAX >> 4, |number, _| token_answer(&format!("token-{number}"), r#","expires_in":60"#)).await;
    let mut connection = authority.connection();
    connection.client_secret = Secret::new("");
    connection.client_authentication = ClientAuthentication::PrivateKeyJwt(AssertionKey {
        private_key: Secret::new(pair.serialize_pem()),
        key_id: Some("key-7".to_owned()),
        audience: Some("https://id.example".to_owned()),
        assertion_type: AssertionType::ClientAuthentication,
    });
    let (source, bound) = (Source::new(), bind(connection));
    let mut ids = Vec::new();
    for _ in 0..3 {
        source.tokens.fetch(&bound).await.expect("a token");
        let seen = authority.server.seen().pop().unwrap();
        assert_eq!(seen.header("Authorization"), Vec::<&str>::new());
        assert_eq!(value(&seen, "client_secret"), None);
        assert_eq!(value(&seen, "client_assertion_type").as_deref(), Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
        let assertion = value(&seen, "client_assertion").unwrap();
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&["https://id.example"]);
        validation.validate_exp = false;
        let key = DecodingKey::from_ec_pem(pair.public_key_pem().as_bytes()).unwrap();
        let read = decode::<serde_json::Value>(&assertion, &key, &validation).expect("our own key");
        assert_eq!((read.header.typ.as_deref(), read.header.kid.as_deref()), (Some("client-authentication+jwt"), Some("key-7")));
        assert_eq!((&read.claims["iss"], &read.claims["sub"]), (&"client".into(), &"client".into()));
        assert_eq!(read.claims["exp"].as_i64().unwrap() - read.claims["iat"].as_i64().unwrap(), 60);
        let id = read.claims["jti"].as_str().unwrap().to_owned();
        assert!(!ids.contains(&id), "{id} was used before");
        ids.push(id);
    }
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_told_and_asks_nobody() {
    let authority = AuthorizationServer::start().await;
    let mut connection = authority.connection();
    connection.client_authentication = ClientAuthentication::PrivateKeyJwt(AssertionKey {
        private_key: Secret::new("nonsense"),
        key_id: None,
        audience: None,
        assertion_type: AssertionType::Jwt,
    });
    let failure = Source::new().tokens.token(&bind(connection)).await.expect_err("no key");
    assert!(matches!(failure.cause, TokenFailureCause::Key(_)) && failure.cause.is_configuration_fault(), "{failure}");
    assert_eq!(authority.server.connections(), 0);
}

#[tokio::test]
async fn the_connections_certificate_is_shown_to_the_authorization_server() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (certificate, key) = servers.issue("id.example", |_| {});
    let config = crate::mutual_tls::demanding(&certificate, &key, &clients);
    let server = Server::start_tls(config, |_| std::future::ready(token_answer("bound-token", ""))).await;
    let resolver = Arc::new(FixedResolver(vec![IpAddr::from([127, 0, 0, 1])]));
    let egress = Egress::with_resolver(patient(), TargetPolicy::dev(), &Roots::Only(servers.pem.clone()), resolver).unwrap();
    let source = Source::through(egress);

    let mut connection = OAuthConnection::new(format!("https://id.example:{}/token", server.address.port()), "client", "");
    connection.client_authentication = ClientAuthentication::MutualTls;
    let connection = Arc::new(connection);
    let (pem, key) = clients.issue("client", |_| {});
    let profile = TlsProfile::try_new(Some(ClientIdentity { chain_pem: &pem, key_pem: &Secret::new(key) }), &[]).unwrap();
    assert_eq!(source.header(&BoundConnection::new(Arc::clone(&connection), profile)).await, "Bearer bound-token");
    let seen = &server.seen()[0];
    assert_eq!(seen.client_certificate, Some(der(&pem)));
    assert_eq!(value(seen, "client_id").as_deref(), Some("client"), "RFC 8705 §2: the server finds the client by it");
    assert_eq!(seen.header("Authorization"), Vec::<&str>::new());

    let failure = source.tokens.token(&BoundConnection::new(connection, TlsProfile::plain())).await.expect_err("no certificate");
    let TokenFailureCause::Unreachable(failure) = failure.cause else { panic!("{failure:?}") };
    assert_eq!(failure.cause, FailureCause::Tls(TlsFailure::ClientCertificate));
}

#[tokio::test]
async fn an_exchange_shows_what_went_out_and_came_back_and_prints_no_secret() {
    let authority = AuthorizationServer::start().await;
    let (source, bound) = (Source::new(), authority.bound());
    let exchange = source.tokens.exchange(&bound).await;
    let request = exchange.request.as_ref().expect("it was sent");
    assert_eq!(request.body.expose_secret().as_bytes(), authority.server.seen()[0].body);
    assert_eq!(exchange.answer.as_ref().expect("it was answered").status, 200);
    assert_eq!(exchange.result.as_ref().expect("a token").access_token.expose_secret(), "token-1");
    let printed = format!("{exchange:?}");
    assert!(!printed.contains("token-1") && !printed.contains(&STANDARD.encode("client:correct+horse")), "{printed}");

    source.header(&bound).await;
    assert_eq!(authority.requests(), 2, "what was shown is not kept");
}
