//! H: the HMAC over the raw body, as the layer demands it.

use axum::{Router, body::Body, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_listener::{Checked, Listener, Refusal, Verdict};
use countersign_signature::{HmacKey, KeyRefused, Match, Mismatch, SIGNATURES_MAX, sign};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";
const BODY: &[u8] = b"{\"event\":\"envelope-sent\" }\n";

fn key(text: &str) -> HmacKey {
    HmacKey::try_new(text).expect("a good key")
}

/// The signature of a body as Connect would write it.
fn signature(text: &str, body: &[u8]) -> String {
    sign(&[key(text)], body).iter().next().expect("one key, one signature").1.to_owned()
}

/// What a listener with these keys says to a message.
async fn judged(keys: &[&str], headers: &[(String, String)], body: &[u8]) -> (StatusCode, Verdict) {
    let listener = Listener::builder().hmac(keys.iter().map(|text| key(text))).build().expect("keys are checked");
    let mut request = Request::post("/");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let (head, ()) = {
        let mut copy = Request::new(());
        *copy.headers_mut() = request.headers().clone();
        copy.into_parts()
    };
    let verdict = listener.examine(&head, &Bytes::copy_from_slice(body)).await;
    let app = Router::new().route("/", post(|| async {})).layer(listener.layer());
    let status = app.oneshot(request).await.expect("axum does not fail").status();
    assert_eq!(status.is_success(), verdict.is_accepted(), "the layer and the examination agree: {verdict:?}");
    (status, verdict)
}

fn numbered(number: usize, value: &str) -> (String, String) {
    (format!("X-DocuSign-Signature-{number}"), value.to_owned())
}

#[tokio::test]
async fn h_1_short_and_empty_keys_are_refused_and_new_ones_are_32_random_bytes() {
    assert_eq!(HmacKey::try_new("").err(), Some(KeyRefused::Empty));
    assert_eq!(HmacKey::try_new("x".repeat(15)).err(), Some(KeyRefused::TooShort { bytes: 15 }));
    assert_eq!(HmacKey::try_new("x".repeat(129)).err(), Some(KeyRefused::TooLong { bytes: 129 }));
    assert!(HmacKey::try_new("x".repeat(16)).is_ok() && HmacKey::try_new("x".repeat(128)).is_ok());
    assert_eq!(STANDARD.decode(HmacKey::from_random([7; 32]).expose_text()).expect("Base64").len(), 32);
    // A signature made with the empty key opens nothing.
    let forged = STANDARD.encode(hmac_by_hand(b"", BODY));
    assert_eq!(judged(&[KEY], &[numbered(1, &forged)], BODY).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn h_2_a_signature_that_is_cut_at_any_length_is_refused() {
    let whole = signature(KEY, BODY);
    for length in 0..whole.len() {
        assert_eq!(judged(&[KEY], &[numbered(1, &whole[..length])], BODY).await.0, StatusCode::UNAUTHORIZED, "{length}");
    }
    let mac = STANDARD.decode(&whole).expect("Base64");
    for length in 0..32 {
        let cut = STANDARD.encode(&mac[..length]);
        assert_eq!(judged(&[KEY], &[numbered(1, &cut)], BODY).await.0, StatusCode::UNAUTHORIZED, "{length} bytes");
    }
    let longer = STANDARD.encode([mac.as_slice(), &[0]].concat());
    assert_eq!(judged(&[KEY], &[numbered(1, &longer)], BODY).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(judged(&[KEY], &[numbered(1, &whole)], BODY).await.0, StatusCode::OK);
}

#[tokio::test]
async fn h_3_known_answers_of_rfc_4231_are_accepted_and_the_truncated_one_is_not() {
    // Cases whose keys are text of a length that is taken; the others are tested where keys of any bytes can be made.
    let case_1_key = "\u{b}".repeat(20);
    let case_1 = unhex("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_eq!(judged(&[&case_1_key], &[numbered(1, &STANDARD.encode(&case_1))], b"Hi There").await.0, StatusCode::OK);
    let case_4_key: String = (1..=25).map(char::from).collect();
    let case_4 = unhex("82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    assert_eq!(judged(&[&case_4_key], &[numbered(1, &STANDARD.encode(&case_4))], &[0xcd; 50]).await.0, StatusCode::OK);
    let case_5_key = "\u{c}".repeat(20);
    let case_5 = unhex("a3b6167473100ee06e0c796c2955552b");
    let refused = judged(&[&case_5_key], &[numbered(1, &STANDARD.encode(&case_5))], b"Test With Truncation").await;
    assert_eq!(refused.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn h_4_the_key_is_its_text_and_not_what_the_text_encodes() {
    let decoded = STANDARD.decode(KEY).expect("Base64");
    let with_decoded = STANDARD.encode(hmac_by_hand(&decoded, BODY));
    let with_text = STANDARD.encode(hmac_by_hand(KEY.as_bytes(), BODY));
    assert_eq!(judged(&[KEY], &[numbered(1, &with_decoded)], BODY).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(judged(&[KEY], &[numbered(1, &with_text)], BODY).await.0, StatusCode::OK);
}

#[tokio::test]
async fn h_5_the_raw_body_is_signed_and_not_what_it_means() {
    let header = [numbered(1, &signature(KEY, BODY))];
    for (row, body) in [
        ("without the space", &b"{\"event\":\"envelope-sent\"}\n"[..]),
        ("without the line end", b"{\"event\":\"envelope-sent\" }"),
        ("CRLF", b"{\"event\":\"envelope-sent\" }\r\n"),
        ("an escape", b"{\"event\":\"envelope\\u002dsent\" }\n"),
        ("a byte order mark", b"\xef\xbb\xbf{\"event\":\"envelope-sent\" }\n"),
        ("nothing", b""),
    ] {
        assert_eq!(judged(&[KEY], &header, body).await.0, StatusCode::UNAUTHORIZED, "{row}");
    }
    // Bytes that are no text, and a coding that nobody undoes.
    let binary: Vec<u8> = (0..=255).collect();
    let coded = [numbered(1, &signature(KEY, &binary)), ("content-encoding".to_owned(), "gzip".to_owned())];
    assert_eq!(judged(&[KEY], &coded, &binary).await.0, StatusCode::OK);
}

#[tokio::test]
async fn h_6_any_key_fits_any_header_up_to_a_hundred_and_nothing_is_accepted_without() {
    let (other, third) = ("another key of this account", "a third key, newly made");
    let (good, wrong) = (signature(third, BODY), signature("a key of somebody else", BODY));
    let keys = [KEY, other, third];
    for number in [1, 2, 9, 99, SIGNATURES_MAX] {
        let headers: Vec<_> = [numbered(number, &good), numbered(if number == 1 { 2 } else { 1 }, &wrong)].into();
        let (status, verdict) = judged(&keys, &headers, BODY).await;
        assert_eq!((status, verdict.hmac), (StatusCode::OK, Checked::Passed(Match { key: 2, header: number })));
    }
    for (row, headers, expected) in [
        ("no header", vec![], Mismatch::NoHeader),
        ("number 101", vec![numbered(SIGNATURES_MAX + 1, &good)], Mismatch::NoHeader),
        ("number 0", vec![numbered(0, &good)], Mismatch::NoHeader),
        ("of others", vec![numbered(1, &wrong), numbered(2, &wrong)], Mismatch::NoMatch { keys: 3, headers: 2 }),
    ] {
        let (status, verdict) = judged(&keys, &headers, BODY).await;
        assert_eq!((status, verdict.hmac), (StatusCode::UNAUTHORIZED, Checked::Refused(Refusal::Hmac(expected))), "{row}");
    }
    assert!(Listener::builder().hmac([]).build().is_err(), "no key is no check");
}

#[tokio::test]
async fn h_7_the_message_does_not_choose_the_algorithm() {
    let good = numbered(1, &signature(KEY, BODY));
    for (digest, accepted) in [("HMACSHA256", true), ("HMACSHA1", false), ("none", false), ("SHA256", false), ("", false)] {
        let headers = [good.clone(), ("X-Authorization-Digest".to_owned(), digest.to_owned())];
        assert_eq!(judged(&[KEY], &headers, BODY).await.0.is_success(), accepted, "{digest:?}");
    }
}

#[tokio::test]
async fn l_9421_1_a_message_signature_of_another_scheme_opens_nothing() {
    let headers = [
        ("signature-input".to_owned(), "sig1=(\"@method\" \"content-digest\");created=1;keyid=\"a\";alg=\"hmac-sha256\"".to_owned()),
        ("signature".to_owned(), format!("sig1=:{}:", signature(KEY, BODY))),
    ];
    assert_eq!(judged(&[KEY], &headers, BODY).await.1.hmac, Checked::Refused(Refusal::Hmac(Mismatch::NoHeader)));
}

/// RFC 2104 §2, written out over SHA-256: the code under test has no part in it.
fn hmac_by_hand(key: &[u8], message: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal")).collect()
}
