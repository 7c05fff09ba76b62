//! Messages signed by Python, Node and OpenSSL, as Docusign describes it, are accepted by the layer.

use axum::{Router, body::Body, routing::post};
use countersign_listener::Listener;
use countersign_signature::HmacKey;
use http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::program::answer;

const KEYS: [&str; 3] =
    ["bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=", "a key that a person chose: $\"'\\`!", "schlüssel-mit-umlauten-ä-ö-ü"];

const IN_PYTHON: &str = "import base64, hmac, sys
print(base64.b64encode(hmac.new(sys.argv[1].encode(), sys.stdin.buffer.read(), 'sha256').digest()).decode())";

const IN_NODE: &str = "const { createHmac } = require('node:crypto');
const body = require('node:fs').readFileSync(0);
console.log(createHmac('sha256', process.argv[1]).update(body).digest('base64'));";

/// `openssl dgst` with the key as the text it is, piped through `openssl base64`.
const IN_SHELL: &str = "openssl dgst -sha256 -hmac \"$1\" -binary | openssl base64 -A";

fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("compact JSON", br#"{"event":"envelope-completed","data":{"envelopeId":"71799c95"}}"#.to_vec()),
        ("text of all kinds", "{\"subject\":\"Müller & Söhne 契約 🖋\\u00e9\\/\"}\n".into()),
        ("XML", b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<DocuSignEnvelopeInformation/>".to_vec()),
        ("every byte", (0..=255).collect()),
        ("a megabyte", b"0123456789abcdef".repeat(65_536)),
        ("nothing", Vec::new()),
    ]
}

async fn status(header: &str, body: &[u8]) -> StatusCode {
    let keys = KEYS.map(|key| HmacKey::try_new(key).expect("a good key"));
    let listener = Listener::builder().hmac(keys).build().expect("something is checked");
    let app = Router::new().route("/", post(|| async {})).layer(listener.layer());
    let request = Request::post("/").header("X-DocuSign-Signature-1", header).body(Body::from(body.to_vec())).expect("a request");
    app.oneshot(request).await.expect("axum does not fail").status()
}

async fn accepts_what_it_signs(program: &str, before: &[&str]) {
    for key in KEYS {
        for (name, body) in bodies() {
            let arguments: Vec<&str> = before.iter().copied().chain([key]).collect();
            let Some(signature) = answer(program, &arguments, &body) else { return };
            assert_eq!(status(&signature, &body).await, StatusCode::OK, "{program}, {name}, {key}: {signature}");
            let changed: Vec<u8> = body.iter().copied().chain([b' ']).collect();
            assert_eq!(status(&signature, &changed).await, StatusCode::UNAUTHORIZED, "{program}, {name} changed");
        }
    }
    let foreign: Vec<&str> = before.iter().copied().chain(["a key of somebody else"]).collect();
    let Some(signature) = answer(program, &foreign, b"{}") else { return };
    assert_eq!(status(&signature, b"{}").await, StatusCode::UNAUTHORIZED, "{program} with another key");
}

#[tokio::test]
async fn messages_signed_in_python_are_accepted() {
    accepts_what_it_signs("python3", &["-c", IN_PYTHON]).await;
}

#[tokio::test]
async fn messages_signed_in_node_are_accepted() {
    accepts_what_it_signs("node", &["-e", IN_NODE, "--"]).await;
}

#[tokio::test]
async fn messages_signed_by_openssl_are_accepted() {
    // The shell starts even where openssl is missing; this does not.
    let Some(_) = answer("openssl", &["version"], b"") else { return };
    accepts_what_it_signs("sh", &["-c", IN_SHELL, "sign"]).await;
}
