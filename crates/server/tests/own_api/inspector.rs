//! Bins: what comes to `/i/{bin}` is kept byte for byte, held against the bin's checks, and shown in every form.

use std::time::Duration;

use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_server::inspection::receive::BODY_BYTES_MAX;
use countersign_signature::{HmacKey, sign};
use http::{HeaderMap, Request};
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::house::{Answer, House, api_path};

const KEY: &str = "a key of more than sixteen bytes";

/// A bin of the home account.
struct Bin<'a> {
    house: &'a House,
    id: String,
}

impl<'a> Bin<'a> {
    async fn new(house: &'a House, form: Value) -> Self {
        let made = house.api("POST", "/bins", Some(form)).await.expect(201);
        let id = made["id"].as_str().unwrap().to_owned();
        assert_eq!(made["url"], format!("http://127.0.0.1:8400/i/{id}"));
        Self { house, id }
    }

    /// Sends to its address, without a token.
    async fn post(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::post(format!("/i/{}", self.id));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.house.send(request.body(body.into()).unwrap()).await
    }

    async fn api(&self, method: &str, path: &str) -> Answer {
        self.house.api(method, &format!("/bins/{}{path}", self.id), None).await
    }

    async fn arrivals(&self) -> Vec<Value> {
        self.api("GET", "/arrivals").await.expect(200)["arrivals"].as_array().unwrap().clone()
    }

    /// The newest arrival, whole.
    async fn newest(&self) -> Value {
        let id = self.arrivals().await[0]["id"].as_str().unwrap().to_owned();
        self.api("GET", &format!("/arrivals/{id}")).await.expect(200)
    }
}

fn layer<'a>(arrival: &'a Value, name: &str) -> &'a Value {
    arrival["verdict"]["layers"].as_array().unwrap().iter().find(|layer| layer["layer"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn an_arrival_is_kept_byte_for_byte_and_handed_out_in_each_form() {
    let house = House::new().await;
    let bin = Bin::new(&house, json!({"name": "first"})).await;
    let body = b"{\"event\":\"envelope-sent\",\"data\":{\"envelopeId\":\"e-1\"}} \r\n";
    let sent = bin.house.send(
        Request::put(format!("/i/{}/deep/er?a=b&a=c", bin.id))
            .header("X-Team", "one")
            .header("x-team", "two")
            .header("Content-Type", "application/json")
            .body(Body::from(&body[..]))
            .unwrap(),
    );
    assert_eq!(sent.await.status, 200);

    let listed = bin.arrivals().await;
    assert_eq!((listed.len(), &listed[0]["event"], &listed[0]["envelopeId"]), (1, &json!("envelope-sent"), &json!("e-1")));
    let id = listed[0]["id"].as_str().unwrap();
    let whole = bin.newest().await;
    assert_eq!((&whole["method"], &whole["target"]), (&json!("PUT"), &json!(format!("/i/{}/deep/er?a=b&a=c", bin.id))));
    let headers = &whole["headers"].as_array().unwrap()[..2];
    assert_eq!(headers, [json!({"name": "x-team", "value": "one"}), json!({"name": "x-team", "value": "two"})]);
    assert_eq!(whole["body"]["text"].as_str().unwrap().as_bytes(), body);
    assert!(whole["body"]["pretty"].as_str().unwrap().contains("\n  \"event\""));
    assert_eq!(whole["verdict"], Value::Null, "the account has no keys, so that nothing was checked");

    assert_eq!(&bin.api("GET", &format!("/arrivals/{id}/body")).await.body[..], body);
    let raw = bin.api("GET", &format!("/arrivals/{id}/raw")).await;
    assert!(raw.body.starts_with(format!("PUT /i/{}/deep/er?a=b&a=c HTTP/1.1\r\nx-team: one\r\n", bin.id).as_bytes()));
    assert!(raw.body.ends_with(body));
    assert_eq!(raw.headers["x-content-type-options"], "nosniff");
    assert!(raw.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let curl = bin.api("GET", &format!("/arrivals/{id}/curl")).await;
    assert!(curl.body.starts_with(b"curl -X 'PUT' 'http://127.0.0.1:8400/i/bin_"), "{}", String::from_utf8_lossy(&curl.body));

    assert_eq!(bin.api("DELETE", &format!("/arrivals/{id}")).await.status, 204);
    assert_eq!(bin.api("GET", &format!("/arrivals/{id}")).await.status, 404);
    bin.post(&[], "x").await;
    assert_eq!(bin.api("DELETE", "/arrivals").await.status, 204);
    assert!(bin.arrivals().await.is_empty());
}

#[tokio::test]
async fn the_verdict_names_the_key_and_a_mismatch_is_explained() {
    let house = House::new().await;
    house.api("POST", "/keys", Some(json!({"secret": "the account's own signing key"}))).await.expect(201);
    let bin = Bin::new(&house, json!({"checks": {"hmacKeys": [KEY], "accountId": true}})).await;
    let body = br#"{"event":"envelope-sent","data":{"a":[1,2]}}"#;
    let signature = sign(&[HmacKey::try_new(KEY).unwrap()], body).signatures()[0].as_str().to_owned();
    let account = house.home.account.guid.to_string();
    let headers = [("X-DocuSign-Signature-1", signature.as_str()), ("X-DocuSign-AccountId", account.as_str())];

    bin.post(&headers, &body[..]).await.expect(200);
    let fits = bin.newest().await;
    assert_eq!(fits["verdict"]["accepted"], true, "{fits}");
    assert_eq!(layer(&fits, "hmac")["found"], json!({"key": 1, "header": 1}), "after the account's own");
    assert_eq!(fits["findings"], json!([]));

    // Through a parser that prints prettily, as a proxy might.
    let pretty = serde_json::to_vec_pretty(&serde_json::from_slice::<Value>(body).unwrap()).unwrap();
    bin.post(&headers, pretty).await.expect(200);
    let broken = bin.newest().await;
    assert_eq!(broken["verdict"]["accepted"], false);
    assert_eq!(layer(&broken, "hmac")["result"], "refused");
    assert_eq!(
        (&broken["findings"][0]["causes"], &broken["findings"][0]["certainty"]),
        (&json!(["body-pretty-printed"]), &json!("proved"))
    );
    assert!(!broken.to_string().contains(KEY), "no key is shown");

    bin.post(&[("X-DocuSign-AccountId", "another")], &body[..]).await.expect(200);
    let foreign = bin.newest().await;
    assert_eq!((&layer(&foreign, "account")["result"], &layer(&foreign, "hmac")["result"]), (&json!("refused"), &json!("refused")));

    // Left to right: the pretty one, then the foreign one.
    let arrivals = bin.arrivals().await;
    let (newest, oldest) = (arrivals[0]["id"].as_str().unwrap(), arrivals[2]["id"].as_str().unwrap());
    let compared = bin.api("GET", &format!("/arrivals/{newest}/comparison")).await.expect(200);
    assert_eq!((&compared["body"]["same"], &compared["body"]["sameJson"]), (&json!(false), &json!(true)));
    let compared = bin.api("GET", &format!("/arrivals/{newest}/comparison?with={oldest}")).await.expect(200);
    assert_eq!(compared["body"]["same"], true);
    assert_eq!(compared["headers"][0]["change"], "removed");
}

#[tokio::test]
async fn basic_credentials_are_checked_and_a_token_is_read_without_being_trusted() {
    let house = House::new().await;
    let bin = Bin::new(&house, json!({"checks": {"accountKeys": false, "basic": {"user": "u", "password": "p-canary"}}})).await;
    let basic = format!("Basic {}", STANDARD.encode("u:p-canary"));
    bin.post(&[("Authorization", &basic)], "").await.expect(200);
    assert_eq!(layer(&bin.newest().await, "authorization")["found"], json!({"basic": "u"}));
    // {"alg":"none"}.{"sub":"me"}.x
    bin.post(&[("Authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.x")], "").await.expect(200);
    let token = bin.newest().await;
    assert_eq!(token["token"], json!({"header": {"alg": "none"}, "claims": {"sub": "me"}}));
    assert_eq!(token["verdict"]["accepted"], false);

    let shown = bin.api("GET", "").await.expect(200);
    assert_eq!(shown["checks"]["basic"], json!({"user": "u"}));
    assert!(!shown.to_string().contains("canary"));
    // What is absent stays; null takes away.
    let changed = house.api("PATCH", &format!("/bins/{}", bin.id), Some(json!({"name": "renamed"}))).await.expect(200);
    assert_eq!(changed["checks"]["basic"], json!({"user": "u"}));
    bin.post(&[("Authorization", &basic)], "").await.expect(200);
    assert_eq!(bin.newest().await["verdict"]["accepted"], true, "the password was kept too");
    let changed = house.api("PATCH", &format!("/bins/{}", bin.id), Some(json!({"checks": {"basic": null}}))).await.expect(200);
    assert_eq!(changed["checks"]["basic"], Value::Null);
    bin.post(&[("Authorization", &basic)], "").await.expect(200);
    assert_eq!(bin.newest().await["verdict"], Value::Null, "a change counts at once");
}

#[tokio::test]
async fn a_bin_answers_as_it_is_told() {
    let house = House::new().await;
    let answer = json!({"status": 503, "headers": {"Retry-After": "7"}, "body": "later", "delayMs": 30});
    let bin = Bin::new(&house, json!({"answer": answer})).await;
    let begun = std::time::Instant::now();
    let answered = bin.post(&[], "x").await;
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!(
        (answered.status.as_u16(), &answered.headers["retry-after"], &answered.body[..]),
        (503, &"7".parse().unwrap(), &b"later"[..])
    );
    assert!(answered.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert_eq!(bin.arrivals().await[0]["answered"], "503");
    for (row, form) in [
        ("a cookie", json!({"answer": {"headers": {"Set-Cookie": "a=b"}}})),
        ("a status", json!({"answer": {"status": 99}})),
        ("a long delay", json!({"answer": {"delayMs": 120_001}})),
        ("an unknown member", json!({"colour": "red"})),
        ("no arrivals kept", json!({"keep": 0})),
        ("a token check without a source", json!({"checks": {"token": {"issuer": "i", "audience": "a"}}})),
        ("an inner address", json!({"checks": {"token": {"issuer": "i", "audience": "a", "jwksUrl": "http://169.254.169.254/"}}})),
        ("an empty key", json!({"checks": {"hmacKeys": [""]}})),
        ("eleven keys", json!({"checks": {"hmacKeys": vec![KEY; 11]}})),
    ] {
        assert_eq!(house.api("POST", "/bins", Some(form)).await.status, 400, "{row}");
    }
}

#[tokio::test]
async fn what_is_too_much_makes_room_or_is_turned_away_and_counted() {
    let house = House::new().await;
    let bin = Bin::new(&house, json!({"keep": 3})).await;
    for body in ["1", "2", "3", "4", "5"] {
        bin.post(&[], body).await.expect(200);
    }
    let shown = bin.api("GET", "").await.expect(200);
    assert_eq!((&shown["arrivals"], &shown["dropped"], &shown["turnedAway"]), (&json!(3), &json!(2), &json!(0)));
    let page = bin.api("GET", "/arrivals?limit=2").await.expect(200);
    let rest = bin.api("GET", &format!("/arrivals?limit=2&before={}", page["next"].as_str().unwrap())).await.expect(200);
    assert_eq!(
        (page["arrivals"].as_array().unwrap().len(), rest["arrivals"].as_array().unwrap().len(), &rest["next"]),
        (2, 1, &Value::Null)
    );

    // A hundred at once, then twenty a second; the clock stands still.
    let mut statuses = Vec::new();
    for _ in 0..100 {
        statuses.push(bin.post(&[], "x").await.status.as_u16());
    }
    assert_eq!((statuses.iter().filter(|status| **status == 200).count(), statuses[99]), (95, 429));
    assert_eq!(bin.api("GET", "").await.expect(200)["turnedAway"], 5);
    let other = Bin::new(&house, json!({})).await;
    other.post(&[], "x").await.expect(200);
    house.clock.advance(Duration::from_millis(50));
    bin.post(&[], "x").await.expect(200);

    // Longer than what is taken: the beginning is kept.
    let long = other.post(&[], vec![b'a'; BODY_BYTES_MAX + 1]).await;
    assert_eq!(long.status, 413);
    let arrival = other.newest().await;
    assert_eq!((&arrival["complete"], &arrival["bodyBytes"], &arrival["answered"]), (&json!(false), &json!(BODY_BYTES_MAX), &json!("413")));
    for n in 0..3 {
        other.post(&[], vec![b'a' + n; BODY_BYTES_MAX - 1]).await.expect(200);
    }
    let shown = other.api("GET", "").await.expect(200);
    assert!(shown["arrivalBytes"].as_u64().unwrap() <= 16 << 20, "{shown}");
    assert_eq!((&shown["arrivals"], &shown["dropped"]), (&json!(1), &json!(4)), "two of them are just over 16 MiB");
}

#[tokio::test]
async fn a_bin_outlives_its_arrivals_and_ends_when_it_is_deleted() {
    let house = House::new().await;
    let bin = Bin::new(&house, json!({})).await;
    bin.post(&[], "x").await.expect(200);
    let stranger = house.tenant().await;
    for (method, path) in [("GET", ""), ("DELETE", ""), ("GET", "/arrivals"), ("DELETE", "/arrivals")] {
        let answer = house.call(&stranger.token, method, &api_path(&stranger, &format!("/bins/{}{path}", bin.id)), None).await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    // Another process over the same store: the address works, and nothing has arrived yet.
    let again = house.another_process();
    let request = Request::post(format!("/i/{}", bin.id)).body(Body::from("y")).unwrap();
    assert_eq!(again.send(request).await.status, 200);
    let there = again.api("GET", &format!("/bins/{}/arrivals", bin.id), None).await.expect(200);
    assert_eq!(there["arrivals"].as_array().unwrap().len(), 1);
    assert_eq!(bin.arrivals().await.len(), 1);

    assert_eq!(bin.api("DELETE", "").await.status, 204);
    assert_eq!(bin.post(&[], "x").await.status, 404);
    assert_eq!(house.app.inspector.memory.bytes(), 0);
    for path in ["/i/nothing", "/i/bin_0000000000000000000000000000000000000000", "/i/"] {
        let request = Request::post(path).body(Body::empty()).unwrap();
        assert_eq!(house.send(request).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn unknown_addresses_do_not_wear_out_the_store() {
    let house = House::new().await;
    let bin = Bin::new(&house, json!({})).await;
    bin.post(&[], "x").await.expect(200);
    let mut statuses = Vec::new();
    for n in 0..200 {
        let request = Request::post(format!("/i/bin_{n:040x}")).body(Body::empty()).unwrap();
        statuses.push(house.send(request).await.status.as_u16());
    }
    assert!(statuses.iter().all(|status| matches!(status, 404 | 429)));
    assert!(statuses.iter().filter(|status| **status == 404).count() <= 100, "a hundred lookups at once");
    bin.post(&[], "x").await.expect(200);
}

/// Whatever comes, it is kept and shown, and nothing fails.
#[tokio::test]
async fn no_request_makes_the_inspector_fail() {
    let house = House::new().await;
    house.api("POST", "/keys", Some(json!({"secret": KEY}))).await.expect(201);
    let bin = Bin::new(&house, json!({"keep": 5})).await;
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let headers = prop::collection::vec(("[a-z][a-z0-9-]{0,20}", prop::collection::vec(any::<u8>(), 0..60)), 0..8);
    let json_like = "(\\{|\\[|\"|:|,|\\}|\\]|[0-9]|event|data|envelopeId|\\\\u0000|null){0,40}".prop_map(String::into_bytes);
    let strategy = (headers, prop_oneof![prop::collection::vec(any::<u8>(), 0..300), json_like], "[!-~]{0,60}", any::<bool>());
    for _ in 0..60 {
        let (headers, body, authorization, signed) = strategy.new_tree(&mut runner).unwrap().current();
        house.clock.advance(Duration::from_secs(1));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), http::HeaderValue::from_bytes(&value)) {
                map.append(name, value);
            }
        }
        if signed {
            map.insert("x-docusign-signature-1", authorization.parse().unwrap());
        }
        map.insert("authorization", format!("Bearer {authorization}.e30.e30").parse().unwrap());
        let mut request = Request::post(format!("/i/{}", bin.id)).body(Body::from(body.clone())).unwrap();
        *request.headers_mut() = map;
        house.send(request).await.expect(200);
        let id = bin.arrivals().await[0]["id"].as_str().unwrap().to_owned();
        for form in ["", "/raw", "/body", "/curl"] {
            assert_eq!(bin.api("GET", &format!("/arrivals/{id}{form}")).await.status, 200);
        }
        assert_eq!(&bin.api("GET", &format!("/arrivals/{id}/body")).await.body[..], body);
        let compared = bin.api("GET", &format!("/arrivals/{id}/comparison")).await.status.as_u16();
        assert!(matches!(compared, 200 | 404));
    }
}
