//! The inspector shows and compares whatever arrived, in bounded space, and hands out the bytes that came.
//!
//! An input is two messages with a line `===` between them; each reads as those of `explain`.

#![no_main]

mod message;

use countersign_core::{Timestamp, id::ArrivalId};
use countersign_server::inspector::{arrival::Arrival, comparison, explanation, forms, shown};
use countersign_signature::HmacKey;
use libfuzzer_sys::fuzz_target;
use message::Message;

/// What an arrival may take in JSON, for each byte of it: `\u0000` for a zero byte, in the text and once more laid out for people.
const GROWTH: usize = 64;
/// Besides.
const FRAME_BYTES: usize = 64 * 1024;

fuzz_target!(|input: &[u8]| {
    let middle = input.windows(5).position(|window| window == b"\n===\n");
    let (left, right) = middle.map_or((input, &b""[..]), |at| (&input[..at + 1], &input[at + 5..]));
    let (left, left_key) = arrival(left, 1);
    let (right, _) = arrival(right, 2);
    for arrival in [&left, &right] {
        assert!(forms::raw(arrival).ends_with(&arrival.body));
        let curl = forms::curl(arrival, "http://127.0.0.1/i/x");
        assert!(curl.len() <= GROWTH * arrival.cost());
        let findings = explanation::findings(arrival, left_key.as_slice());
        let whole = shown::whole(arrival, &findings).to_string();
        assert!(whole.len() <= GROWTH * arrival.cost() + FRAME_BYTES, "{} of {}", whole.len(), arrival.cost());
        assert!(shown::summary(arrival).to_string().len() <= FRAME_BYTES);
    }
    let compared = comparison::between(&left, &right);
    assert!(compared.to_string().len() <= GROWTH * (left.cost() + right.cost()) + 10 * FRAME_BYTES);
    assert_eq!(compared["body"]["same"] == true, left.body == right.body);
    let itself = comparison::between(&left, &left);
    assert!(itself["headers"].as_array().is_some_and(Vec::is_empty) && itself["body"]["same"] == true);
});

fn arrival(input: &[u8], id: u64) -> (Arrival, Option<HmacKey>) {
    let message = Message::read(input);
    let mut request = http::Request::post(String::from_utf8_lossy(message.other_key).into_owned()).body(());
    if request.is_err() {
        request = http::Request::post("/").body(());
    }
    let (mut head, ()) = request.expect("a request to / can be made").into_parts();
    for (name, value) in &message.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<http::HeaderName>(), http::HeaderValue::from_bytes(value)) {
            head.headers.append(name, value);
        }
    }
    let mut arrival = Arrival::new(Timestamp::from_millis(0), &head, message.body, true);
    arrival.id = ArrivalId::from_raw(id);
    let key = std::str::from_utf8(message.key).ok().and_then(|key| HmacKey::try_new_of_any_length(key).ok());
    (arrival, key)
}
