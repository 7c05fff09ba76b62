//! What happens to a signature: how it is written, carried and made.

use super::{
    BrokenMessage, KEY, Message, OTHER_KEY, body,
    coding::{from_standard, hex, hmac_sha1, hmac_sha256, hmac_sha512, percent, sha256, standard, url_safe},
    indicated, proved,
};

/// Signatures in other forms, by other methods, of other schemes.
pub(super) fn all() -> Vec<BrokenMessage> {
    [forms(), methods(), schemes()].concat()
}

/// A message whose signature has + and / in it, so that every coding leaves its trace.
pub(super) fn telling() -> Message {
    let telling = |message: &Message| message.headers[0].1.contains(&b'+') && message.headers[0].1.contains(&b'/');
    (100..).map(|envelope| Message::signed(body::minimal(envelope, 0))).find(telling).expect("one in three has both")
}

pub(super) fn mac(signature: &str) -> Vec<u8> {
    from_standard(signature)
}

fn forms() -> Vec<BrokenMessage> {
    let full = || Message::signed(body::summary(5, 1)).with_all_headers("application/json; charset=utf-8");
    let foreign = || standard(&hmac_sha256(OTHER_KEY.as_bytes(), b"foreign"));
    vec![
        proved("hexdigest compared", "header-hex", telling().map_signature(|value| hex(mac(value)))),
        proved("hexadecimal in capitals", "header-hex", full().map_signature(|value| hex(mac(value)).to_uppercase())),
        proved("Base64 of the hexadecimal text", "header-hex", full().map_signature(|value| standard(hex(mac(value)).as_bytes()))),
        proved("alphabet for URLs", "header-base64url", telling().map_signature(|value| url_safe(&mac(value)))),
        proved("padding stripped", "header-no-padding", full().map_signature(|value| value.trim_end_matches('=').into())),
        proved("sha256= before it", "header-prefix", full().map_signature(|value| format!("sha256={value}"))),
        proved("v1= before it", "header-prefix", telling().map_signature(|value| format!("v1={value}"))),
        proved("name of the algorithm before it", "header-prefix", full().map_signature(|value| format!("HMACSHA256 {value}"))),
        proved("the whole header line", "header-prefix", telling().map_signature(|value| format!("X-DocuSign-Signature-1: {value}"))),
        proved("quotes around it", "header-prefix", full().map_signature(|value| format!("\"{value}\""))),
        proved("line feed behind it", "header-prefix", telling().map_signature(|value| format!("{value}\n"))),
        proved("Python's bytes written as text", "header-prefix", full().map_signature(|value| format!("b'{value}'"))),
        proved("percent-encoded", "header-url-encoded", telling().map_signature(|value| percent(value.as_bytes(), "%20"))),
        proved("+ became a space", "header-url-encoded", telling().map_signature(|value| value.replace('+', " "))),
        proved("two headers joined", "header-folded", full().map_signature(|value| format!("{}, {value}", foreign()))),
        proved(
            "five headers joined without blanks",
            "header-folded",
            telling().map_signature(|value| {
                let f = foreign();
                format!("{f},{f},{value},{f},{f}")
            }),
        ),
        proved("headers as a JSON array", "header-folded", full().map_signature(|value| format!("[\"{}\",\"{value}\"]", foreign()))),
        indicated("the digest header's value taken", "header-digest", full().with_signature("HMACSHA256")),
        indicated("half of the signature", "unknown", Message::signed(body::minimal(6, 0)).map_signature(|value| value[..20].into())),
    ]
}

fn methods() -> Vec<BrokenMessage> {
    let sim = || Message::signed(body::minimal(7, 0));
    let full = || Message::signed(body::summary(8, 0)).with_all_headers("application/json; charset=utf-8");
    let made = |message: Message, make: fn(&[u8], &[u8]) -> Vec<u8>| {
        let signature = standard(&make(KEY.as_bytes(), &message.body));
        message.with_signature(signature)
    };
    vec![
        proved("HMAC-SHA1", "algorithm-sha1", made(sim(), hmac_sha1)),
        proved("HMAC-SHA512", "algorithm-sha512", made(full(), hmac_sha512)),
        proved("SHA-256 of the body", "algorithm-plain-hash", made(sim(), |_, body| sha256(body))),
        proved("SHA-256 of key and body", "algorithm-plain-hash", made(full(), |key, body| sha256(&[key, body].concat()))),
        proved("SHA-256 of body and key", "algorithm-plain-hash", made(sim(), |key, body| sha256(&[body, key].concat()))),
        proved("key and body exchanged", "arguments-swapped", made(full(), |key, body| hmac_sha256(body, key))),
    ]
}

fn schemes() -> Vec<BrokenMessage> {
    let unsigned = |envelope| {
        let mut message = Message::signed(body::minimal(envelope, 0));
        message.headers.clear();
        message
    };
    let standard_webhooks = |key: &str, id: &str, name: &str| {
        let message = unsigned(9);
        let signed = [format!("{id}.1614265330.").as_bytes(), &message.body].concat();
        let signature = format!("v1,{}", standard(&hmac_sha256(&from_standard(key), &signed)));
        message
            .with_header(&format!("{name}-id"), id)
            .with_header(&format!("{name}-timestamp"), "1614265330")
            .with_header(&format!("{name}-signature"), signature)
    };
    let stripe = |key: &str| {
        let message = unsigned(10);
        let mac = hmac_sha256(key.as_bytes(), &[b"1492774577.", message.body.as_slice()].concat());
        message.with_header("Stripe-Signature", format!("t=1492774577,v1={},v0={}", hex(mac), hex([7; 32])))
    };
    let github = |key: &str| {
        let message = unsigned(11);
        let mac = hmac_sha256(key.as_bytes(), &message.body);
        message.with_header("X-Hub-Signature-256", format!("sha256={}", hex(mac)))
    };
    vec![
        proved("Standard Webhooks", "scheme-standard-webhooks", standard_webhooks(KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook")),
        proved("Svix", "scheme-standard-webhooks", standard_webhooks(KEY, "msg_1", "svix")),
        indicated("Standard Webhooks under another key", "scheme-standard-webhooks", standard_webhooks(OTHER_KEY, "msg_2", "webhook")),
        proved("Stripe", "scheme-stripe", stripe(KEY)),
        indicated("Stripe under another key", "scheme-stripe", stripe(OTHER_KEY)),
        indicated(
            "Stripe's value where Connect's is expected",
            "scheme-stripe",
            Message::signed(body::minimal(12, 0)).with_signature(format!("t=1492774577,v1={}", hex([9; 32]))),
        ),
        proved("GitHub", "scheme-github", github(KEY)),
        indicated("GitHub under another key", "scheme-github", github(OTHER_KEY)),
    ]
}
