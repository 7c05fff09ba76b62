//! L-JWT and L-9068: JWT access tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_listener::{JwtAlgorithm, TokenExpectations, TokenRefused, VerifyToken as _};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, CLIENT, FakeServer, ISSUER, NOW, ServerKey, expectations, good_claims, verify, with};

/// Each claims object with what is said to a token of it.
async fn check_claims(rows: Vec<(&str, Value, Result<(), TokenRefused>)>) {
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    for (row, claims, expected) in rows {
        assert_eq!(verify(&verifier, &key.token(&claims)).await.map(|_| ()), expected, "{row}");
    }
}

/// Each header with what is said to a token of it and of good claims.
async fn check_headers(rows: Vec<(&str, Value, Result<(), TokenRefused>)>) {
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    for (row, header, expected) in rows {
        let token = key.sign(&header.to_string(), &good_claims().to_string());
        assert_eq!(verify(&verifier, &token).await.map(|_| ()), expected, "{row}");
    }
}

fn good(name: &str, member: Value) -> Value {
    with(good_claims(), name, member)
}

#[tokio::test]
async fn a_good_token_is_accepted_and_says_who_sent_it() {
    for key in
        [ServerKey::es256("k1"), ServerKey::ed25519("k1"), ServerKey::rsa("k1", Algorithm::RS256), ServerKey::rsa("k1", Algorithm::PS256)]
    {
        let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
        let claims = verify(&verifier, &key.token(&good_claims())).await.expect("it is good");
        assert_eq!((claims.issuer.as_deref(), claims.client_id.as_deref()), (Some(ISSUER), Some(CLIENT)));
        assert_eq!((claims.audience, claims.scope), (vec![AUDIENCE.to_owned()], vec!["notify".to_owned(), "other".to_owned()]));
        assert_eq!((claims.issued_at, claims.expires_at, claims.token_id.as_deref()), (Some(NOW - 10), Some(NOW + 600), Some("t1")));
    }
}

#[tokio::test]
async fn l_jwt_1_only_configured_algorithms_are_accepted() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let token = key.token(&good_claims());
    let strict = server.jwt_verifier().algorithms([JwtAlgorithm::Rs256]);
    assert_eq!(verify(&strict, &token).await, Err(TokenRefused::Algorithm));
    let none = server.jwt_verifier().algorithms([]);
    assert_eq!(verify(&none, &token).await, Err(TokenRefused::Algorithm));
    for name in ["none", "None", "nOnE", "NONE", "HS256", "HS512", "RS1", "es256", "ES256 ", ""] {
        let header = with(key.header(), "alg", name.into());
        assert_eq!(
            verify(&server.jwt_verifier(), &key.sign(&header.to_string(), &good_claims().to_string())).await,
            Err(TokenRefused::Algorithm),
            "{name}"
        );
    }
    assert_eq!(JwtAlgorithm::ALL.iter().filter(|algorithm| algorithm.name().starts_with("HS")).count(), 0);
}

#[tokio::test]
async fn l_jwt_1_the_public_key_is_no_hmac_secret() {
    let key = ServerKey::rsa("k1", Algorithm::RS256);
    let public = key.public();
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier().algorithms(JwtAlgorithm::ALL);
    let texts = [
        public.to_string(),
        public["n"].as_str().expect("a modulus").to_owned(),
        format!(" {public}"),
        format!("{public}\r\n"),
        String::new(),
    ];
    for secret in texts {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = with(key.header(), "alg", format!("{algorithm:?}").into());
            let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(good_claims().to_string()));
            let signature =
                jsonwebtoken::crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(secret.as_bytes()), algorithm).expect("it signs");
            assert_eq!(verify(&verifier, &format!("{signed}.{signature}")).await, Err(TokenRefused::Algorithm));
        }
    }
}

#[tokio::test]
async fn l_jwt_2_the_key_must_agree_with_the_algorithm() {
    let (ec, rsa) = (ServerKey::es256("k1"), ServerKey::rsa("k2", Algorithm::RS256));
    let ec_token = ec.token(&good_claims());
    let rows: Vec<(&str, Value)> = vec![
        ("use enc", with(ec.public(), "use", "enc".into())),
        ("key_ops without verify", with(ec.public(), "key_ops", json!(["sign"]))),
        ("alg of another family", with(ec.public(), "alg", "RS256".into())),
        ("alg of the same family", with(ec.public(), "alg", "ES384".into())),
        ("another curve", with(ec.public(), "crv", "P-384".into())),
        ("another kid", with(ec.public(), "kid", "k9".into())),
        ("an RSA key under its kid", with(rsa.public(), "kid", "k1".into())),
        ("a symmetric key", json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0"})),
    ];
    for (row, key) in rows {
        let verifier = FakeServer::with_json(&json!({"keys": [key]})).jwt_verifier();
        assert_eq!(verify(&verifier, &ec_token).await, Err(TokenRefused::UnknownKey), "{row}");
    }
    // A key without alg verifies its own family, and one of several is found by its id.
    let verifier = FakeServer::with_json(&json!({"keys": [rsa.public(), with(ec.public(), "alg", Value::Null)]})).jwt_verifier();
    assert!(verify(&verifier, &ec_token).await.is_ok());
    // Two that fit are one too many.
    let twice = FakeServer::with_json(&json!({"keys": [ec.public(), ServerKey::es256("k1").public()]})).jwt_verifier();
    assert_eq!(verify(&twice, &ec_token).await, Err(TokenRefused::UnknownKey));
    // Without a kid, the only fitting key is meant.
    let anonymous = ec.sign(&with(ec.header(), "kid", Value::Null).to_string(), &good_claims().to_string());
    assert!(verify(&verifier, &anonymous).await.is_ok());
    assert_eq!(verify(&twice, &anonymous).await, Err(TokenRefused::UnknownKey));
}

#[tokio::test]
async fn l_jwt_3_keys_in_the_token_are_ignored() {
    let (own, forged) = (ServerKey::es256("k1"), ServerKey::es256("k1"));
    let server = FakeServer::with_keys(&[&own]);
    for (name, value) in [
        ("jwk", forged.public()),
        ("jku", "https://evil.example/jwks".into()),
        ("x5u", "https://evil.example/c".into()),
        ("x5c", json!(["MIIB"])),
    ] {
        let header = with(own.header(), name, value).to_string();
        let claims = good_claims().to_string();
        assert_eq!(verify(&server.jwt_verifier(), &forged.sign(&header, &claims)).await, Err(TokenRefused::Signature), "{name}");
        assert!(verify(&server.jwt_verifier(), &own.sign(&header, &claims)).await.is_ok(), "{name}");
    }
    let asked = server.requests.lock().expect("no panic");
    assert!(asked.iter().all(|request| request.uri() == "https://id.example/jwks"));
}

#[tokio::test]
async fn l_jwt_4_a_kid_is_compared_and_nothing_else() {
    let header = |kid: Value| with(ServerKey::es256("k1").header(), "kid", kid);
    check_headers(vec![
        ("a path", header("../../dev/null".into()), Err(TokenRefused::UnknownKey)),
        ("a statement", header("k1' OR '1'='1".into()), Err(TokenRefused::UnknownKey)),
        ("NUL", header("k1\0".into()), Err(TokenRefused::UnknownKey)),
        ("other case", header("K1".into()), Err(TokenRefused::UnknownKey)),
        ("256 bytes", header("k".repeat(256).into()), Err(TokenRefused::UnknownKey)),
        ("257 bytes", header("k".repeat(257).into()), Err(TokenRefused::Malformed("kid is longer than 256 bytes"))),
        ("a number", header(1.into()), Err(TokenRefused::Claim("kid"))),
        ("an array", header(json!(["k1"])), Err(TokenRefused::Claim("kid"))),
    ])
    .await;
}

#[tokio::test]
async fn l_jwt_5_extensions_are_refused() {
    let header = |name: &str, value: Value| with(ServerKey::es256("k1").header(), name, value);
    check_headers(vec![
        ("crit", header("crit", json!(["exp"])), Err(TokenRefused::Extension("crit"))),
        ("empty crit", header("crit", json!([])), Err(TokenRefused::Extension("crit"))),
        ("b64", header("b64", false.into()), Err(TokenRefused::Extension("b64"))),
        ("zip", header("zip", "DEF".into()), Err(TokenRefused::Extension("zip"))),
    ])
    .await;
}

#[tokio::test]
async fn l_jwt_6_a_token_has_three_plain_segments() {
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    let token = key.token(&good_claims());
    let [header, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().expect("three segments");
    let (header_text, claims_text) = (key.header().to_string(), good_claims().to_string());
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(9), "]".repeat(9));
    let rows: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("dots", "..".into()),
        ("two segments", format!("{header}.{claims}")),
        ("unsigned", format!("{header}.{claims}.")),
        ("four segments", format!("{token}.{signature}")),
        ("empty header", format!(".{claims}.{signature}")),
        ("empty claims", format!("{header}..{signature}")),
        ("padded", format!("{header}.{claims}.{signature}==")),
        ("a space", format!("{header}. {claims}.{signature}")),
        ("a line end", format!("{token}\n")),
        ("standard alphabet", format!("{header}.{claims}.{}+/", &signature[..84])),
        ("trailing bits", format!("{header}.{claims}.{}", flipped_trailing_bits(signature))),
        ("header is an array", key.sign("[]", &claims_text)),
        ("claims are text", key.sign(&header_text, "\"x\"")),
        ("member twice in the header", key.sign(&header_text.replacen('{', "{\"alg\":\"none\",", 1), &claims_text)),
        ("member twice in the claims", key.sign(&header_text, &claims_text.replacen('{', "{\"aud\":\"other\",", 1))),
        ("member twice by escape", key.sign(&header_text, &claims_text.replacen('{', "{\"\\u0061ud\":\"other\",", 1))),
        ("nested deep", key.sign(&header_text, &deep)),
        ("too long", key.sign(&header_text, &with(good_claims(), "x", "x".repeat(8 * 1024).into()).to_string())),
        ("something behind the claims", key.sign(&header_text, &format!("{claims_text}{{}}"))),
    ];
    for (row, token) in rows {
        let refused = verify(&verifier, &token).await;
        assert!(matches!(refused, Err(TokenRefused::Malformed(_))), "{row}: {refused:?}");
    }
}

/// The same bytes with the unused bits of the last character set.
fn flipped_trailing_bits(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = ALPHABET.find(&segment[segment.len() - 1..]).expect("base64url");
    format!("{}{}", &segment[..segment.len() - 1], &ALPHABET[last ^ 1..][..1])
}

#[tokio::test]
async fn l_jwt_7_encrypted_tokens_are_refused() {
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    assert_eq!(verify(&verifier, "a.b.c.d.e").await, Err(TokenRefused::Encrypted));
}

#[tokio::test]
async fn l_jwt_8_times_are_numbers_and_are_kept() {
    check_claims(vec![
        ("no exp", good("exp", Value::Null), Err(TokenRefused::Claim("exp"))),
        ("no iat", good("iat", Value::Null), Err(TokenRefused::Claim("iat"))),
        ("exp as text", good("exp", "9999999999".into()), Err(TokenRefused::Claim("exp"))),
        ("exp never", good("exp", "never".into()), Err(TokenRefused::Claim("exp"))),
        ("exp true", good("exp", true.into()), Err(TokenRefused::Claim("exp"))),
        ("exp in an array", good("exp", json!([NOW + 600])), Err(TokenRefused::Claim("exp"))),
        ("exp negative", good("exp", (-1).into()), Err(TokenRefused::Claim("exp"))),
        ("exp enormous", good("exp", json!(1e300)), Err(TokenRefused::Claim("exp"))),
        ("nbf as text", good("nbf", "9".into()), Err(TokenRefused::Claim("nbf"))),
        ("nbf empty", good("nbf", json!({})), Err(TokenRefused::Claim("nbf"))),
        ("iat as text", good("iat", "1".into()), Err(TokenRefused::Claim("iat"))),
        ("exp with a fraction", good("exp", json!(NOW as f64 + 600.5)), Ok(())),
        ("expired within the leeway", good("exp", (NOW - 59).into()), Ok(())),
        ("expired at the leeway", good("exp", (NOW - 60).into()), Err(TokenRefused::Expired { seconds: 60 })),
        ("issued within the leeway", good("iat", (NOW + 60).into()), Ok(())),
        ("issued ahead", good("iat", (NOW + 61).into()), Err(TokenRefused::NotYet)),
        ("valid ahead", good("nbf", (NOW + 61).into()), Err(TokenRefused::NotYet)),
        ("valid by now", good("nbf", NOW.into()), Ok(())),
        ("valid for a day", good("exp", (NOW - 10 + 86_400).into()), Ok(())),
        ("valid for longer", good("exp", (NOW - 9 + 86_400).into()), Err(TokenRefused::TooLong)),
    ])
    .await;
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    let huge = good_claims().to_string().replace(&format!("\"exp\":{}", NOW + 600), "\"exp\":1e400");
    assert!(verify(&verifier, &key.sign(&key.header().to_string(), &huge)).await.is_err());
}

#[tokio::test]
async fn l_jwt_9_issuer_and_audience_are_ours() {
    check_claims(vec![
        ("other issuer", good("iss", "https://evil.example".into()), Err(TokenRefused::Issuer)),
        ("issuer with a slash", good("iss", format!("{ISSUER}/").into()), Err(TokenRefused::Issuer)),
        ("issuer in an array", good("iss", json!([ISSUER])), Err(TokenRefused::Claim("iss"))),
        ("no issuer", good("iss", Value::Null), Err(TokenRefused::Claim("iss"))),
        ("other audience", good("aud", "https://other.example".into()), Err(TokenRefused::Audience)),
        ("audience as a part", good("aud", format!("{AUDIENCE}/x").into()), Err(TokenRefused::Audience)),
        ("among several", good("aud", json!(["https://other.example", AUDIENCE])), Ok(())),
        ("none of several", good("aud", json!([])), Err(TokenRefused::Audience)),
        ("audience as an object", good("aud", json!({})), Err(TokenRefused::Claim("aud"))),
        ("audience with a number", good("aud", json!([AUDIENCE, 1])), Err(TokenRefused::Claim("aud"))),
        ("no audience", good("aud", Value::Null), Err(TokenRefused::Claim("aud"))),
    ])
    .await;
}

#[tokio::test]
async fn l_jwt_10_weak_and_impossible_keys_are_not_used() {
    let (ec, rsa) = (ServerKey::es256("k1"), ServerKey::rsa("k1", Algorithm::RS256));
    let modulus = |bytes: usize| URL_SAFE_NO_PAD.encode([[0x80].as_slice(), &vec![1; bytes - 1]].concat());
    for (row, bytes) in [("1024 bits", 128), ("2040 bits", 255), ("8200 bits", 1025)] {
        let verifier = FakeServer::with_json(&json!({"keys": [with(rsa.public(), "n", modulus(bytes).into())]})).jwt_verifier();
        assert_eq!(verify(&verifier, &rsa.token(&good_claims())).await, Err(TokenRefused::UnknownKey), "{row}");
    }
    // A point off the curve: the library refuses it when it verifies.
    let off_curve = with(ec.public(), "y", URL_SAFE_NO_PAD.encode([7; 32]).into());
    let verifier = FakeServer::with_json(&json!({"keys": [off_curve]})).jwt_verifier();
    assert_eq!(verify(&verifier, &ec.token(&good_claims())).await, Err(TokenRefused::Signature));
    let short = with(ec.public(), "y", URL_SAFE_NO_PAD.encode([7; 31]).into());
    let verifier = FakeServer::with_json(&json!({"keys": [short]})).jwt_verifier();
    assert_eq!(verify(&verifier, &ec.token(&good_claims())).await, Err(TokenRefused::UnknownKey));
}

#[tokio::test]
async fn a_signature_of_zeros_or_of_another_key_is_refused() {
    let (own, other) = (ServerKey::es256("k1"), ServerKey::es256("k1"));
    let verifier = FakeServer::with_keys(&[&own]).jwt_verifier();
    assert_eq!(verify(&verifier, &other.token(&good_claims())).await, Err(TokenRefused::Signature));
    let token = own.token(&good_claims());
    let signed = token.rsplit_once('.').expect("a signature").0;
    for length in [1, 63, 64, 65, 72] {
        let zeros = URL_SAFE_NO_PAD.encode(vec![0; length]);
        assert_eq!(verify(&verifier, &format!("{signed}.{zeros}")).await, Err(TokenRefused::Signature), "{length}");
    }
}

#[tokio::test]
async fn l_9068_1_the_type_is_that_of_an_access_token() {
    let header = |kind: Value| with(ServerKey::es256("k1").header(), "typ", kind);
    check_headers(vec![
        ("at+jwt", header("at+jwt".into()), Ok(())),
        ("with application/", header("application/at+jwt".into()), Ok(())),
        ("in capitals", header("AT+JWT".into()), Ok(())),
        ("JWT", header("JWT".into()), Err(TokenRefused::Type)),
        ("none", header(Value::Null), Err(TokenRefused::Type)),
        ("a logout token", header("logout+jwt".into()), Err(TokenRefused::Type)),
        ("an assertion", header("client-authentication+jwt".into()), Err(TokenRefused::Type)),
        ("a number", header(1.into()), Err(TokenRefused::Claim("typ"))),
    ])
    .await;
    let key = ServerKey::es256("k1");
    let lenient = FakeServer::with_keys(&[&key]).jwt_verifier().accept_plain_jwt();
    for (kind, accepted) in [(json!("JWT"), true), (Value::Null, true), (json!("at+jwt"), true), (json!("logout+jwt"), false)] {
        let token = key.sign(&header(kind.clone()).to_string(), &good_claims().to_string());
        assert_eq!(verify(&lenient, &token).await.is_ok(), accepted, "{kind}");
    }
}

#[tokio::test]
async fn l_9068_2_all_required_claims_are_there() {
    let names = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];
    check_claims(names.map(|name| (name, good(name, Value::Null), Err(TokenRefused::Claim(name)))).into()).await;
}

#[tokio::test]
async fn l_9068_3_issuer_is_exact_and_the_audience_holds_our_resource() {
    check_claims(vec![
        ("issuer in capitals", good("iss", ISSUER.to_uppercase().into()), Err(TokenRefused::Issuer)),
        ("audience in capitals", good("aud", AUDIENCE.to_uppercase().into()), Err(TokenRefused::Audience)),
    ])
    .await;
}

#[tokio::test]
async fn l_9068_4_an_id_token_is_no_access_token() {
    let key = ServerKey::es256("k1");
    let lenient = FakeServer::with_keys(&[&key]).jwt_verifier().accept_plain_jwt();
    let header = with(key.header(), "typ", "JWT".into()).to_string();
    for claim in ["nonce", "at_hash", "c_hash", "s_hash"] {
        let token = key.sign(&header, &good(claim, "x".into()).to_string());
        assert_eq!(verify(&lenient, &token).await, Err(TokenRefused::Type), "{claim}");
    }
}

#[tokio::test]
async fn l_9068_5_the_scope_is_checked() {
    let missing = || Err(TokenRefused::Scope { scope: "notify".into() });
    check_claims(vec![
        ("only it", good("scope", "notify".into()), Ok(())),
        ("without it", good("scope", "other".into()), missing()),
        ("a part of it", good("scope", "notify2 noti".into()), missing()),
        ("in capitals", good("scope", "NOTIFY".into()), missing()),
        ("no scope", good("scope", Value::Null), missing()),
        ("a number", good("scope", 1.into()), Err(TokenRefused::Claim("scope"))),
    ])
    .await;
}

#[tokio::test]
async fn l_9068_6_the_client_is_the_expected_sender() {
    let other = |client: &str, subject: &str| with(good("client_id", client.into()), "sub", subject.into());
    check_claims(vec![
        ("another client", other("stranger", "stranger"), Err(TokenRefused::Client)),
        ("pinned by subject", other("stranger", CLIENT), Ok(())),
        ("in capitals", other("CONNECT", "CONNECT"), Err(TokenRefused::Client)),
        ("a number", good("client_id", 7.into()), Err(TokenRefused::Claim("client_id"))),
    ])
    .await;
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = |expectations| countersign_listener::JwtVerifier::new(server.jwks(), expectations);
    let any = verifier(TokenExpectations::dangerous_any_client(ISSUER, AUDIENCE));
    assert!(verify(&any, &key.token(&other("stranger", "stranger"))).await.is_ok());
    let none = verifier(TokenExpectations::new(ISSUER, AUDIENCE, [""; 0]));
    assert_eq!(verify(&none, &key.token(&good_claims())).await, Err(TokenRefused::Client));
}

#[tokio::test]
async fn l_8705_1_a_bound_token_needs_its_certificate() {
    use sha2::{Digest as _, Sha256};
    let key = ServerKey::es256("k1");
    let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
    let certificate = b"a certificate in DER".as_slice();
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(certificate));
    let bound = key.token(&good("cnf", json!({"x5t#S256": thumbprint})));
    let claims = verifier.verify(&bound, Some(certificate), NOW).await.expect("the certificate is the right one");
    assert!(claims.certificate_bound);
    assert_eq!(verifier.verify(&bound, Some(b"another"), NOW).await, Err(TokenRefused::Binding));
    assert_eq!(verifier.verify(&bound, None, NOW).await, Err(TokenRefused::Binding));
    let unbound = verifier.verify(&key.token(&good_claims()), Some(certificate), NOW).await.expect("no binding is demanded");
    assert!(!unbound.certificate_bound);
}

#[tokio::test]
async fn l_9449_1_a_dpop_bound_token_is_no_bearer_token() {
    check_claims(vec![
        ("jkt", good("cnf", json!({"jkt": "x"})), Err(TokenRefused::Binding)),
        ("both", good("cnf", json!({"jkt": "x", "x5t#S256": "y"})), Err(TokenRefused::Binding)),
        ("empty", good("cnf", json!({})), Err(TokenRefused::Binding)),
        ("text", good("cnf", "x".into()), Err(TokenRefused::Claim("cnf"))),
    ])
    .await;
}

#[tokio::test]
async fn the_leeway_never_exceeds_a_minute() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let verifier = countersign_listener::JwtVerifier::new(server.jwks(), expectations().leeway(3_600));
    assert_eq!(verify(&verifier, &key.token(&good("exp", (NOW - 61).into()))).await, Err(TokenRefused::Expired { seconds: 61 }));
    let strict = countersign_listener::JwtVerifier::new(server.jwks(), expectations().leeway(0));
    assert_eq!(verify(&strict, &key.token(&good("exp", NOW.into()))).await, Err(TokenRefused::Expired { seconds: 0 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_token_with_any_changed_byte_is_refused(at: prop::sample::Index, to in "[A-Za-z0-9_.=-]") {
        let key = ServerKey::ed25519("k1");
        let verifier = FakeServer::with_keys(&[&key]).jwt_verifier();
        let token = key.token(&good_claims());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        prop_assert!(runtime.block_on(verify(&verifier, &changed)).is_err());
    }

    #[test]
    fn any_text_is_refused_without_panic(text in "\\PC{0,60}") {
        let verifier = FakeServer::with_keys(&[]).jwt_verifier();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        prop_assert!(runtime.block_on(verify(&verifier, &text)).is_err());
    }
}
