//! Messages whose signature fits, whatever else is odd about them.

use super::{
    Message, OTHER_KEY, body,
    coding::{gzip, hmac_sha256, standard},
    writer::{JAVASCRIPT_PRETTY, PYTHON},
};

/// Numbers that look random and are the same in every run (a linear congruential generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// `count` messages that must not be called broken: bodies of every kind, 1 to 10 keys, any header number up to 100, names in
/// any case, beside headers that are folded, malformed, of other keys and of other schemes.
#[must_use]
pub fn matching(count: usize) -> Vec<Message> {
    let mut numbers = Numbers(42);
    (0..count).map(|place| one(place, &mut numbers)).collect()
}

fn one(place: usize, numbers: &mut Numbers) -> Message {
    let body = some_body(place, numbers);
    let key = some_key(place, numbers);
    let own = standard(&hmac_sha256(key.as_bytes(), &body));
    let number = 1 + numbers.below(100);
    let name = in_some_case(&format!("X-DocuSign-Signature-{number}"), numbers);
    let foreign = standard(&hmac_sha256(OTHER_KEY.as_bytes(), &body));
    let mut headers = vec![("Content-Type".to_owned(), b"application/json; charset=utf-8".to_vec()), (name, own.into_bytes())];
    for other in 1..=numbers.below(5) {
        if other != number {
            // Signatures of keys that the receiver has not, and one that something folded.
            let value = if numbers.below(4) == 0 { format!("{foreign}, {foreign}") } else { foreign.clone() };
            headers.insert(numbers.below(headers.len()), (format!("x-docusign-signature-{other}"), value.into_bytes()));
        }
    }
    if numbers.below(2) == 0 {
        headers.push(("X-Authorization-Digest".to_owned(), b"HMACSHA256".to_vec()));
    }
    if numbers.below(6) == 0 {
        headers.push(("X-Hub-Signature-256".to_owned(), format!("sha256={}", "ab".repeat(32)).into_bytes()));
    }
    if numbers.below(6) == 0 {
        // What a wrong length tells is no reason to doubt a signature that fits.
        headers.push(("Content-Length".to_owned(), b"7".to_vec()));
    }
    let mut keys: Vec<Vec<u8>> = (0..numbers.below(10)).map(|n| format!("a key that did not sign, {n:0>20}").into_bytes()).collect();
    keys.insert(numbers.below(keys.len() + 1), key.into_bytes());
    Message { keys, other_keys: Vec::new(), headers, body }
}

/// Bodies that look broken are among them: when their signature fits, they are not.
fn some_body(place: usize, numbers: &mut Numbers) -> Vec<u8> {
    let retry_count = numbers.below(4) as u32;
    match place % 12 {
        0 => body::minimal(place, retry_count).into(),
        1 => body::recipient(place).into(),
        2 => body::summary(place, retry_count).into(),
        3 => body::with_document(place).into(),
        4 => body::aggregate(place).into(),
        5 => body::xml(place, "\r\n").into(),
        6 => body::posted(place, "{ \"z\":1.50,\n\t\"a\" : \"\\u00e9\\/\" , \"a\":null }").into(),
        7 => JAVASCRIPT_PRETTY.rewrite(body::summary(place, 0).as_bytes()),
        8 => [PYTHON.rewrite(body::minimal(place, 0).as_bytes()), b"\n".to_vec()].concat(),
        9 => gzip(body::minimal(place, 0).as_bytes()),
        10 => Vec::new(),
        _ => (0..numbers.below(2_000)).map(|_| numbers.below(256) as u8).collect(),
    }
}

/// Keys as Connect makes them, and keys that look like mistakes.
fn some_key(place: usize, numbers: &mut Numbers) -> String {
    let random: Vec<u8> = (0..32).map(|_| numbers.below(256) as u8).collect();
    let key = standard(&random);
    match place % 7 {
        0 => format!("\"{key}\""),
        1 => key.trim_end_matches('=').to_owned(),
        2 => format!("{key} "),
        _ => key,
    }
}

fn in_some_case(name: &str, numbers: &mut Numbers) -> String {
    match numbers.below(4) {
        0 => name.to_owned(),
        1 => name.to_ascii_lowercase(),
        2 => name.to_ascii_uppercase(),
        _ => name.chars().map(|c| if numbers.below(2) == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect(),
    }
}
