//! Bins over connections: the live stream, answers that never come, resets, tokens of a real authorization server, TLS facts.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use countersign_authority::{Client, Running, Settings as AuthoritySettings};
use countersign_core::address::TargetPolicy;
use countersign_egress::{Egress, Roots};
use countersign_server::{Settings, serving};
use countersign_testkit::{ClientCertificates, TestCa};
use http::{Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::house::{House, api_path};

async fn bin(house: &House, form: Value) -> String {
    house.api("POST", "/bins", Some(form)).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn post(house: &House, bin: &str, body: &str) {
    house.send(Request::post(format!("/i/{bin}")).body(Body::from(body.to_owned())).unwrap()).await.expect(200);
}

/// A live stream, read event by event.
struct Stream(Body, String);

impl Stream {
    async fn open(house: &House, bin: &str, after: Option<&str>) -> Self {
        let mut request = Request::get(api_path(&house.home, &format!("/bins/{bin}/arrivals")))
            .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
            .header(header::ACCEPT, "text/event-stream");
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after);
        }
        let response = house.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"text/event-stream".parse().unwrap()));
        let mut stream = Self(response.into_body(), String::new());
        assert!(stream.next().await.unwrap().contains("retry: 2000"));
        stream
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.1.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.1 = rest;
                return Some(event);
            }
            let frame = self.0.frame().await?.unwrap();
            self.1.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    /// Id and line of the next arrival.
    async fn arrival(&mut self) -> (String, Value) {
        let event = self.next().await.unwrap();
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
        assert_eq!(field("event:"), "arrival", "{event}");
        (field("id:"), serde_json::from_str(&field("data:")).unwrap())
    }
}

#[tokio::test]
async fn arrivals_are_streamed_as_they_come_and_again_from_where_a_stream_broke_off() {
    let house = House::new().await;
    let bin = bin(&house, json!({})).await;
    post(&house, &bin, "before").await;
    let mut stream = Stream::open(&house, &bin, None).await;
    for (n, body) in ["1", "22", "333"].into_iter().enumerate() {
        post(&house, &bin, body).await;
        assert_eq!(stream.arrival().await.1["bodyBytes"], n + 1, "and nothing from before");
    }
    post(&house, &bin, "4444").await;
    let (seen, _) = stream.arrival().await;
    drop(stream);
    post(&house, &bin, "55555").await;
    post(&house, &bin, "666666").await;
    let mut again = Stream::open(&house, &bin, Some(&seen)).await;
    post(&house, &bin, "7777777").await;
    let mut sizes = Vec::new();
    for _ in 0..3 {
        sizes.push(again.arrival().await.1["bodyBytes"].as_u64().unwrap());
    }
    assert_eq!(sizes, [5, 6, 7], "each once");
    house.api("DELETE", &format!("/bins/{bin}"), None).await.expect(204);
    assert_eq!(again.next().await, None, "the stream of a bin that is gone ends");
}

#[tokio::test]
async fn streams_are_bounded_and_end_when_the_process_stops() {
    let house = House::new().await;
    let bin = bin(&house, json!({})).await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(Stream::open(&house, &bin, None).await);
    }
    let request = Request::get(api_path(&house.home, &format!("/bins/{bin}/arrivals")))
        .header(header::AUTHORIZATION, format!("Bearer {}", house.home.token))
        .header(header::ACCEPT, "text/event-stream");
    assert_eq!(house.send(request.body(Body::empty()).unwrap()).await.status, 503);
    house.app.stopping.cancel();
    for stream in &mut streams {
        assert_eq!(stream.next().await, None);
    }
    Stream::open(&house, &bin, None).await;
}

/// Serves the house on a port of its own.
async fn served(house: &House, tls: Option<Arc<rustls::ServerConfig>>) -> (std::net::SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    tokio::spawn(serving::serve(listener, house.router.clone(), tls, stop.clone()));
    (address, stop)
}

fn request(bin: &str) -> String {
    format!("POST /i/{bin} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
}

#[tokio::test]
async fn a_bin_that_resets_resets_and_one_that_hangs_says_nothing() {
    let house = House::new().await;
    let (address, _stop) = served(&house, None).await;
    let resetting = bin(&house, json!({"answer": {"behaviour": "reset"}})).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request(&resetting).as_bytes()).await.unwrap();
    let read = stream.read_to_end(&mut Vec::new()).await;
    assert_eq!(read.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);

    let hanging = bin(&house, json!({"answer": {"behaviour": "hang"}})).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request(&hanging).as_bytes()).await.unwrap();
    let mut live = Stream::open(&house, &hanging, Some("arr_0000000000000")).await;
    let (_, arrival) = live.arrival().await;
    assert_eq!((&arrival["answered"], &arrival["remote"]), (&json!("hang"), &json!(stream.local_addr().unwrap().to_string())));
    let mut byte = [0; 1];
    let silent = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut byte)).await;
    assert!(silent.is_err(), "nothing was answered: {silent:?}");
    house.app.stopping.cancel();
    assert_eq!(stream.read(&mut byte).await.unwrap_or(0), 0, "a process that stops lets go of it");
}

#[tokio::test]
async fn over_tls_the_facts_and_the_client_certificate_are_kept() {
    let house = House::new().await;
    let ca = TestCa::new();
    let client = ca.client("sender");
    let server = ca.server(&["localhost"]).server_config(ClientCertificates::Asked(&ca), &[]);
    let (address, _stop) = served(&house, Some(Arc::new(server))).await;
    let bin = bin(&house, json!({})).await;

    let config = rustls::ClientConfig::builder()
        .with_root_certificates(ca.roots())
        .with_client_auth_cert(vec![client.certificate_der()], client.key_der())
        .unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(request(&bin).replace("Host:", "Connection: close\r\nHost:").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

    let listed = house.api("GET", &format!("/bins/{bin}/arrivals"), None).await.expect(200);
    let id = listed["arrivals"][0]["id"].as_str().unwrap();
    let arrival = house.api("GET", &format!("/bins/{bin}/arrivals/{id}"), None).await.expect(200);
    assert_eq!((&arrival["tls"]["version"], &arrival["tls"]["serverName"]), (&json!("TLSv1_3"), &json!("localhost")));
    assert_eq!(
        arrival["tls"]["clientCertificate"]["pem"].as_str().unwrap().replace(['\n', '\r'], ""),
        client.certificate_pem().replace(['\n', '\r'], "")
    );
}

#[tokio::test]
async fn a_token_is_held_against_the_keys_or_the_introspection_of_its_server() {
    let settings = AuthoritySettings::new("http://127.0.0.1")
        .client(Client::with_secret_basic("sender", "s3cret").scopes(["notify"]).audiences(["https://listener.example/"]))
        .client(Client::with_secret_basic("inspector", "s3cret").audiences(["https://listener.example/"]).resource_server());
    let authority = Running::start(settings).await.unwrap();
    let mut house = House::with(Settings { targets: TargetPolicy::dev(), ..Settings::default() }).await;
    // Tokens carry the time of the machine.
    house.clock.set(countersign_core::Timestamp::from_millis(
        i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap(),
    ));
    let egress = Egress::new(countersign_egress::Settings::default(), TargetPolicy::dev(), &Roots::System).unwrap();
    house.change_app(|app| app.egress = Some(egress.clone()));
    let token = {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let target = countersign_egress::Target::try_new(&authority.token_endpoint().parse().unwrap()).unwrap();
        let mut request = countersign_egress::Request::post(target, "grant_type=client_credentials");
        request.headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        request.headers.insert(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode("sender:s3cret")).parse().unwrap());
        let answer = egress.send(request).await.unwrap();
        serde_json::from_slice::<Value>(&answer.body_head).unwrap()["access_token"].as_str().unwrap().to_owned()
    };
    let check =
        |audience: &str, client: &str| json!({"issuer": authority.issuer(), "audience": audience, "clients": [client], "scope": "notify"});
    let with = |mut check: Value, more: Value| {
        for (name, value) in more.as_object().unwrap() {
            check[name] = value.clone();
        }
        json!({"checks": {"accountKeys": false, "token": check}})
    };
    let by_keys = json!({"jwksUrl": authority.jwks_uri()});
    let by_asking = json!({"introspectionUrl": authority.introspection_endpoint(), "clientId": "inspector", "clientSecret": "s3cret"});
    for (row, form, accepted) in [
        ("keys", with(check("https://listener.example/", "sender"), by_keys.clone()), true),
        ("introspection", with(check("https://listener.example/", "sender"), by_asking), true),
        ("another audience", with(check("https://other.example/", "sender"), by_keys.clone()), false),
        ("another client", with(check("https://listener.example/", "somebody"), by_keys), false),
        (
            "no server there",
            with(
                check("https://listener.example/", "sender"),
                json!({"jwksUrl": format!("http://{}/", countersign_testkit::unused_address())}),
            ),
            false,
        ),
    ] {
        let bin = bin(&house, form).await;
        let request = Request::post(format!("/i/{bin}")).header(header::AUTHORIZATION, format!("Bearer {token}"));
        house.send(request.body(Body::empty()).unwrap()).await.expect(200);
        let listed = house.api("GET", &format!("/bins/{bin}/arrivals"), None).await.expect(200);
        let id = listed["arrivals"][0]["id"].as_str().unwrap();
        let arrival = house.api("GET", &format!("/bins/{bin}/arrivals/{id}"), None).await.expect(200);
        assert_eq!(arrival["verdict"]["accepted"], accepted, "{row}: {arrival}");
        assert_eq!(arrival["token"]["claims"]["client_id"], "sender", "{row}");
        if accepted {
            assert_eq!(arrival["verdict"]["layers"][0]["found"]["token"]["clientId"], "sender", "{row}");
        } else {
            assert!(arrival["verdict"]["layers"][0]["reason"].is_string(), "{row}");
        }
    }
}
